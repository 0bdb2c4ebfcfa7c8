/* Sums over rows that lie far apart, and walks through trees: estimators/heads.py and forest.py. */
#include "text.h"
#include <string.h>

enum { AHEAD = 8, LINE = 16 }; /* rows, floats */

/* Wider steps where the processor has them; the sums are the same. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WIDER __attribute__((target_clones("avx2", "default")))
#else
#define WIDER
#endif

WIDER static void add_up(const float *value, const int64_t *place, Py_ssize_t count, const float *from, Py_ssize_t width, float *restrict to) {
    for (Py_ssize_t at = 0; at < count; at++) {
        for (Py_ssize_t ahead = 0; at + AHEAD < count && ahead < width; ahead += LINE) {
            __builtin_prefetch(from + place[at + AHEAD] * width + ahead);
        }
        const float *restrict row = from + place[at] * width;
        const float weight = value[at];
        for (Py_ssize_t column = 0; column < width; column++) {
            to[column] += weight * row[column];
        }
    }
}

WIDER static void add_up_small(const float *times, const int64_t *place, Py_ssize_t count, const int8_t *from, Py_ssize_t width, float *restrict to) {
    for (Py_ssize_t at = 0; at < count; at++) {
        for (Py_ssize_t ahead = 0; at + AHEAD < count && ahead < width; ahead += 64) {
            __builtin_prefetch(from + place[at + AHEAD] * width + ahead);
        }
        const int8_t *restrict row = from + place[at] * width;
        const float weight = times[at];
        for (Py_ssize_t column = 0; column < width; column++) {
            to[column] += weight * (float)row[column];
        }
    }
}

/* leaves(features, feature, threshold, below, roots, found): the leaf of each tree for each text, a text after the other. */
PyObject *leaves(PyObject *self, PyObject *args) {
    Py_buffer features, feature, threshold, below, roots, found;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*w*", &features, &feature, &threshold, &below, &roots, &found)) {
        return NULL;
    }
    const Py_ssize_t nodes = feature.len / (Py_ssize_t)sizeof(int32_t), trees = roots.len / (Py_ssize_t)sizeof(int32_t);
    const Py_ssize_t texts = trees ? found.len / (Py_ssize_t)sizeof(int64_t) / trees : 0;
    const Py_ssize_t width = texts ? features.len / (Py_ssize_t)sizeof(float) / texts : 0;
    int fine = holds(&features, sizeof(float), 0, "features") && holds(&feature, sizeof(int32_t), 0, "feature") &&
               holds(&threshold, sizeof(float), nodes, "threshold") && holds(&below, sizeof(int32_t), nodes, "below") &&
               holds(&roots, sizeof(int32_t), 0, "roots") && holds(&found, sizeof(int64_t), 0, "found");
    int64_t *at = found.buf;
    for (Py_ssize_t text = 0; text < texts && fine; text++) {
        for (Py_ssize_t tree = 0; tree < trees; tree++) {
            at[text * trees + tree] = ((const int32_t *)roots.buf)[tree];
        }
    }
    /* All trees a step at a time: what one has to wait for, the others wait for with it. */
    for (int going = fine; going && fine;) {
        going = 0;
        for (Py_ssize_t text = 0; text < texts && fine; text++) {
            const float *own = (const float *)features.buf + text * width;
            for (Py_ssize_t tree = 0; tree < trees && fine; tree++) {
                int64_t *node = at + text * trees + tree;
                if (*node < 0 || *node >= nodes) {
                    fine = 0;
                    break;
                }
                const int64_t onward = ((const int32_t *)below.buf)[*node];
                if (onward == *node) {
                    continue;
                }
                const int32_t seen = ((const int32_t *)feature.buf)[*node];
                fine = seen >= 0 && seen < width && onward > *node; /* children stand after their parents: no walk goes in circles */
                if (fine) {
                    *node = onward + (own[seen] >= ((const float *)threshold.buf)[*node]);
                    going = 1;
                }
            }
        }
        if (!fine) {
            PyErr_SetString(PyExc_IndexError, "a tree points outside of itself");
        }
    }
    return released(fine, 6, &features, &feature, &threshold, &below, &roots, &found);
}

/* gathered(values, places, rows, total): adds to `total` each value times the row at its place. */
PyObject *gathered(PyObject *self, PyObject *args) {
    Py_buffer values, places, rows, total;
    if (!PyArg_ParseTuple(args, "y*y*y*w*", &values, &places, &rows, &total)) {
        return NULL;
    }
    const Py_ssize_t count = values.len / (Py_ssize_t)sizeof(float), width = total.len / (Py_ssize_t)sizeof(float);
    int fine = holds(&values, sizeof(float), 0, "values") && holds(&places, sizeof(int64_t), count, "places") &&
               holds(&rows, sizeof(float), 0, "rows") && holds(&total, sizeof(float), 1, "total");
    if (fine) {
        const Py_ssize_t known = rows.len / (Py_ssize_t)sizeof(float) / width;
        const int64_t *place = places.buf;
        for (Py_ssize_t at = 0; at < count && fine; at++) {
            fine = place[at] >= 0 && place[at] < known;
        }
        if (fine) {
            add_up(values.buf, place, count, rows.buf, width, total.buf);
        } else {
            PyErr_SetString(PyExc_IndexError, "a place beyond the rows");
        }
    }
    return released(fine, 4, &values, &places, &rows, &total);
}

/* summed(table, places, times, total): adds to `total` each row of small whole numbers as often as it is wanted; exact below 2**24. */
PyObject *summed(PyObject *self, PyObject *args) {
    Py_buffer table, places, times, total;
    if (!PyArg_ParseTuple(args, "y*y*y*w*", &table, &places, &times, &total)) {
        return NULL;
    }
    const Py_ssize_t count = times.len / (Py_ssize_t)sizeof(float), width = total.len / (Py_ssize_t)sizeof(float);
    int fine = holds(&times, sizeof(float), 0, "times") && holds(&places, sizeof(int64_t), count, "places") &&
               holds(&total, sizeof(float), 1, "total");
    if (fine) {
        const Py_ssize_t known = table.len / width;
        const int64_t *place = places.buf;
        for (Py_ssize_t at = 0; at < count && fine; at++) {
            fine = place[at] >= 0 && place[at] < known;
        }
        if (fine) {
            add_up_small(times.buf, place, count, table.buf, width, total.buf);
        } else {
            PyErr_SetString(PyExc_IndexError, "a place beyond the table");
        }
    }
    return released(fine, 4, &table, &places, &times, &total);
}
