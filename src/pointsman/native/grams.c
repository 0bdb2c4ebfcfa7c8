/* Words, pairs of words and pieces of a text, hashed, counted and weighed: estimators/grams.py and features.py say what each is. */
#include "text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 4, TO_RARITY = 47, TO_SIGN = 35, SIGN = 4096, BUCKETS = 4096, SORTED_BITS = 11, TO_SLOT = 40, SLOT_BITS = 14, SLOTS = 1 << SLOT_BITS };

static const uint64_t BASE = UINT64_C(0x9E3779B97F4A7C15), PAIR = UINT64_C(0xC2B2AE3D27D4EB4F), MIX = UINT64_C(0xD6E8FEB86659FD93);
static const uint64_t OF_SLOTS = UINT64_C(0x9E3779B97F4A7C15);
static const uint64_t OF_PIECES = UINT64_C(1) << TO_RARITY;

static int is_inside(uint8_t byte) {
    return byte >= 128 || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

static uint64_t worth(uint8_t byte) { return (uint64_t)(byte > 32 ? byte : 32) + 1; }

static uint64_t mixed(uint64_t hash) {
    hash ^= hash >> 32;
    hash *= MIX;
    return hash ^ hash >> 29;
}

/* Hashes of a text that begins and ends with a space, words and pairs apart from pieces by one bit; how many. */
static Py_ssize_t hash_all(const uint8_t *raw, Py_ssize_t size, uint64_t *hashes) {
    Py_ssize_t count = 0;
    uint64_t word = 0, power = 1, before = 0;
    int inside = 0, words = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        if (is_inside(raw[at])) {
            word += worth(raw[at]) * power;
            power *= BASE;
            inside = 1;
            if (at >= 1 && at + PIECE - 2 < size && is_inside(raw[at + 1])) { /* the inner letters of a piece */
                uint64_t piece = 0;
                for (int back = PIECE - 1; back >= 0; back--) {
                    piece = piece * BASE + worth(raw[at - 1 + back]);
                }
                hashes[count++] = mixed(piece) | OF_PIECES;
            }
        } else if (inside) {
            hashes[count++] = mixed(word) & ~OF_PIECES;
            if (words++) {
                hashes[count++] = mixed(before * PAIR + word) & ~OF_PIECES;
            }
            before = word;
            word = 0;
            power = 1;
            inside = 0;
        }
    }
    return count;
}

/* Ascending: dealt by their highest bits, which are as good as random, and sorted as they lie then. */
static void sort(uint64_t *hashes, Py_ssize_t count, uint64_t *room) {
    uint32_t begins[(1 << SORTED_BITS) + 1] = {0};
    for (Py_ssize_t at = 0; at < count; at++) {
        begins[(hashes[at] >> (64 - SORTED_BITS)) + 1]++;
    }
    for (int at = 0; at < 1 << SORTED_BITS; at++) {
        begins[at + 1] += begins[at];
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        room[begins[hashes[at] >> (64 - SORTED_BITS)]++] = hashes[at];
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        const uint64_t hash = room[at];
        Py_ssize_t to = at;
        for (; to > 0 && hashes[to - 1] > hash; to--) {
            hashes[to] = hashes[to - 1];
        }
        hashes[to] = hash;
    }
}

/* Where those that are the same as the one at `at` end. */
static Py_ssize_t alike(const uint64_t *hashes, Py_ssize_t at, Py_ssize_t count) {
    Py_ssize_t next = at + 1;
    while (next < count && hashes[next] == hashes[at]) {
        next++;
    }
    return next;
}

/* counted(raw, damped, rarity, bucket, weight) -> how many: an entry a distinct hash of a text that begins and ends with a space. */
PyObject *counted(PyObject *self, PyObject *args) {
    Py_buffer raw, damped, rarity, bucket, weight;
    if (!PyArg_ParseTuple(args, "y*y*w*w*w*", &raw, &damped, &rarity, &bucket, &weight)) {
        return NULL;
    }
    const Py_ssize_t most = 2 * raw.len;
    Py_ssize_t found = 0;
    int fine = holds(&damped, sizeof(float), 1, "damped") && holds(&rarity, sizeof(int64_t), most, "rarity") &&
               holds(&bucket, sizeof(int64_t), most, "bucket") && holds(&weight, sizeof(float), most, "weight");
    uint64_t *hashes = fine ? malloc(2 * sizeof(uint64_t) * (size_t)(most + 1)) : NULL;
    if (hashes != NULL) {
        const Py_ssize_t count = hash_all(raw.buf, raw.len, hashes), last = damped.len / (Py_ssize_t)sizeof(float) - 1;
        sort(hashes, count, hashes + most + 1);
        for (Py_ssize_t at = 0, next = 0; at < count; at = next) {
            next = alike(hashes, at, count);
            const float size = ((const float *)damped.buf)[next - at < last ? next - at : last];
            ((int64_t *)rarity.buf)[found] = (int64_t)(hashes[at] >> TO_RARITY);
            ((int64_t *)bucket.buf)[found] = (int64_t)((hashes[at] >> TO_SIGN & SIGN) | (hashes[at] & (BUCKETS - 1)));
            ((float *)weight.buf)[found++] = hashes[at] & SIGN ? size : -size;
        }
        free(hashes);
    } else if (fine) {
        PyErr_NoMemory();
    }
    PyBuffer_Release(&raw);
    PyBuffer_Release(&damped);
    PyBuffer_Release(&rarity);
    PyBuffer_Release(&bucket);
    PyBuffer_Release(&weight);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(found);
}

/* slotted(words, damped, slots, weights) -> how many: an entry a distinct slot of words, hashed, and of pairs of them. */
PyObject *slotted(PyObject *self, PyObject *args) {
    Py_buffer words, damped, slots, weights;
    if (!PyArg_ParseTuple(args, "y*y*w*w*", &words, &damped, &slots, &weights)) {
        return NULL;
    }
    const Py_ssize_t count = words.len / (Py_ssize_t)sizeof(uint64_t), most = count ? 2 * count - 1 : 0;
    Py_ssize_t found = 0;
    int fine = holds(&words, sizeof(uint64_t), 0, "words") && holds(&damped, sizeof(float), 1, "damped") &&
               holds(&slots, sizeof(int64_t), most, "slots") && holds(&weights, sizeof(float), most, "weights");
    uint64_t *hashes = fine ? malloc(2 * sizeof(uint64_t) * (size_t)(most + 1)) : NULL;
    if (hashes != NULL) {
        const uint64_t *word = words.buf;
        const Py_ssize_t last = damped.len / (Py_ssize_t)sizeof(float) - 1;
        for (Py_ssize_t at = 0; at < count; at++) {
            hashes[at] = (word[at] * OF_SLOTS >> TO_SLOT & (SLOTS - 1)) << (64 - SLOT_BITS);
        }
        for (Py_ssize_t at = 0; at + 1 < count; at++) {
            hashes[count + at] = ((word[at] * PAIR + word[at + 1]) * OF_SLOTS >> TO_SLOT & (SLOTS - 1)) << (64 - SLOT_BITS);
        }
        sort(hashes, most, hashes + most + 1);
        for (Py_ssize_t at = 0, next = 0; at < most; at = next) {
            next = alike(hashes, at, most);
            ((int64_t *)slots.buf)[found] = (int64_t)(hashes[at] >> (64 - SLOT_BITS));
            ((float *)weights.buf)[found++] = ((const float *)damped.buf)[next - at < last ? next - at : last];
        }
        free(hashes);
    } else if (fine) {
        PyErr_NoMemory();
    }
    PyBuffer_Release(&words);
    PyBuffer_Release(&damped);
    PyBuffer_Release(&slots);
    PyBuffer_Release(&weights);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(found);
}

static float inverse(double square) { return square > 1e-12 ? (float)(1 / sqrt(square)) : 0.0f; }

/* In four sums, none of which waits for another. */
static double square_of(const double *held, int size) {
    double sums[4] = {0.0};
    for (int at = 0; at < size; at++) {
        sums[at % 4] += held[at] * held[at];
    }
    return sums[0] + sums[1] + (sums[2] + sums[3]);
}

/* weighed(rarity, bucket, weight, rarities, weights): each weight by how rare its entry is, words and pieces each of length 1 or 0. */
PyObject *weighed(PyObject *self, PyObject *args) {
    Py_buffer rarity, bucket, weight, rarities, weights;
    if (!PyArg_ParseTuple(args, "y*y*y*y*w*", &rarity, &bucket, &weight, &rarities, &weights)) {
        return NULL;
    }
    const Py_ssize_t count = weight.len / (Py_ssize_t)sizeof(float), known = rarities.len / (Py_ssize_t)sizeof(float);
    int fine = holds(&rarity, sizeof(int64_t), count, "rarity") && holds(&bucket, sizeof(int64_t), count, "bucket") &&
               holds(&weight, sizeof(float), 0, "weight") && holds(&rarities, sizeof(float), 1, "rarities") &&
               holds(&weights, sizeof(float), count, "weights");
    if (fine) {
        double held[2 * BUCKETS] = {0};
        const int64_t *rare = rarity.buf, *places = bucket.buf;
        float *to = weights.buf;
        for (Py_ssize_t at = 0; at < count && fine; at++) {
            fine = rare[at] >= 0 && rare[at] < known && places[at] >= 0 && places[at] < 2 * BUCKETS;
            if (fine) {
                to[at] = ((const float *)weight.buf)[at] * ((const float *)rarities.buf)[rare[at]];
                held[places[at]] += (double)to[at];
            }
        }
        const float lengths[2] = {inverse(square_of(held, BUCKETS)), inverse(square_of(held + BUCKETS, BUCKETS))};
        for (Py_ssize_t at = 0; at < count && fine; at++) {
            to[at] *= lengths[rare[at] & 1];
        }
        if (!fine) {
            PyErr_SetString(PyExc_IndexError, "an entry stands beyond the buckets or the rarities");
        }
    }
    return released(fine, 5, &rarity, &bucket, &weight, &rarities, &weights);
}
