/* What a text looks like: estimators/surface.py says what each number is. */
#include "text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIXED = 37, LONG = 9, NUMBERS = 64, MOST_DIGITS = 24, CHOICES = 10, CUE_BYTES = 16 };

typedef struct {
    const uint8_t *at;
    Py_ssize_t size;
} Span;

typedef struct {
    const uint8_t *raw;
    Py_ssize_t size;      /* bytes */
    Py_ssize_t chars;
    Py_ssize_t counts[256];
} Text;

typedef struct {
    Py_ssize_t words, distinct, lengths, squares, long_ones;
} Words;

static int is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }
static int is_letter(uint8_t byte) { return byte >= 128 || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'); }
static int same(Span a, Span b) { return a.size == b.size && memcmp(a.at, b.at, (size_t)a.size) == 0; }

static uint64_t hash_of(Span word, uint64_t seed) {
    uint64_t hash = seed;
    for (Py_ssize_t at = 0; at < word.size; at++) {
        hash = (hash ^ word.at[at]) * UINT64_C(0x100000001B3);
    }
    return hash ^ hash >> 29;
}

static Py_ssize_t total(const Text *text, const char *signs) {
    Py_ssize_t sum = 0;
    for (; *signs; signs++) {
        sum += text->counts[(uint8_t)*signs];
    }
    return sum;
}

/* How often a sign is there, none overlapping another. */
static Py_ssize_t occurring(const Text *text, const char *sign) {
    Py_ssize_t found = 0, size = (Py_ssize_t)strlen(sign);
    const uint8_t *at = text->raw, *end = text->raw + text->size;
    if (!text->counts[(uint8_t)sign[0]]) {
        return 0;
    }
    while (end - at >= size && (at = memchr(at, sign[0], (size_t)(end - at - size + 1))) != NULL) {
        if (memcmp(at, sign, (size_t)size) == 0) {
            found++;
            at += size;
        } else {
            at++;
        }
    }
    return found;
}

/* Marks a cue word. `cues`: 256 places of 16 bytes, a word, zeros and last where its number stands; from the place of its hash on. */
static void cue(Span word, const uint8_t *cues, float *numbers, Py_ssize_t size) {
    uint8_t padded[CUE_BYTES] = {0};
    if (word.size >= CUE_BYTES - 1) {
        return;
    }
    memcpy(padded, word.at, (size_t)word.size);
    uint32_t hash = 0;
    for (Py_ssize_t at = 0; at < word.size; at++) {
        hash = hash * 31 + word.at[at];
    }
    for (uint32_t place = hash & 255, tried = 0; tried < 256; tried++, place = (place + 1) & 255) {
        const uint8_t *known = cues + CUE_BYTES * place;
        if (!known[0]) {
            return;
        }
        if (memcmp(known, padded, CUE_BYTES - 1) == 0 && known[CUE_BYTES - 1] < size) {
            numbers[known[CUE_BYTES - 1]] = 1.0f;
            return;
        }
    }
}

/* Runs of letters, those that differ found by a table of twice as many places, whose order differs from call to call. */
static int read_words(const Text *text, const uint8_t *cues, float *numbers, Py_ssize_t size, Words *found) {
    size_t places = 16;
    while (places < (size_t)text->size + 2) {
        places *= 2;
    }
    Span *table = calloc(places, sizeof(Span));
    if (table == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    const uint64_t seed = ((uint64_t)(uintptr_t)table ^ (uint64_t)(uintptr_t)text) * UINT64_C(0x9E3779B97F4A7C15) | 1;
    for (Py_ssize_t at = 0; at < text->size;) {
        if (!is_letter(text->raw[at])) {
            at++;
            continue;
        }
        Span word = {text->raw + at, 0};
        while (at < text->size && is_letter(text->raw[at])) {
            at++;
            word.size++;
        }
        found->words++;
        found->lengths += word.size;
        found->squares += word.size * word.size;
        found->long_ones += word.size >= LONG;
        size_t place = hash_of(word, seed) & (places - 1);
        while (table[place].at != NULL && !same(table[place], word)) {
            place = (place + 1) & (places - 1);
        }
        if (table[place].at == NULL) {
            table[place] = word;
            found->distinct++;
            cue(word, cues, numbers, size);
        }
    }
    free(table);
    return 1;
}

static double *write_lengths(const Text *text, const Words *words, double *to) {
    static const char *const ends[] = {". ", "! ", "? "};
    static const char *const code[] = {"```", "def ", "return ", "import ", "class ", "assert", "function", "==", "->", "#include"};
    Py_ssize_t sentences = 0, signs = total(text, "{};");
    for (size_t at = 0; at < sizeof ends / sizeof *ends; at++) {
        sentences += occurring(text, ends[at]);
    }
    for (size_t at = 0; at < sizeof code / sizeof *code; at++) {
        signs += occurring(text, code[at]);
    }
    sentences += text->size && strchr(".!?", text->raw[text->size - 1]) != NULL && text->raw[text->size - 1] != 0;
    const double n = words->words ? (double)words->words : 1.0, mean = (double)words->lengths / n;
    const double variance = (double)words->squares / n - mean * mean;
    *to++ = log1p((double)text->chars);
    *to++ = log1p((double)words->words);
    *to++ = log1p((double)sentences);
    *to++ = n / (double)(sentences ? sentences : 1);
    *to++ = mean;
    *to++ = sqrt(variance > 0 ? variance : 0.0);
    *to++ = (double)words->distinct / n;
    *to++ = log1p((double)words->long_ones);
    *to++ = (double)words->long_ones / n;
    *to++ = log1p((double)signs);
    *to++ = log1p((double)total(text, "\\$"));
    return to;
}

static int ascending(const void *a, const void *b) {
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* A number without its commas, of its points the first. Below 0: an error is set. */
static double value_of(Span number) {
    char digits[MOST_DIGITS + 2];
    Py_ssize_t size = number.size < MOST_DIGITS ? number.size : MOST_DIGITS;
    int used = 0, pointed = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        const char sign = (char)number.at[at];
        if (sign == ',' || (sign == '.' && pointed)) {
            continue;
        }
        pointed |= sign == '.';
        digits[used++] = sign;
    }
    digits[used] = 0;
    return PyOS_string_to_double(digits, NULL, NULL);
}

static int find_numbers(const Text *text, Span *found) {
    int count = 0;
    for (Py_ssize_t at = 0; at < text->size && count < NUMBERS;) {
        if (!is_digit(text->raw[at])) {
            at++;
            continue;
        }
        Py_ssize_t end = at + 1;
        for (Py_ssize_t next = end; next < text->size && (is_digit(text->raw[next]) || text->raw[next] == '.' || text->raw[next] == ',');) {
            if (is_digit(text->raw[next++])) {
                end = next;
            }
        }
        found[count++] = (Span){text->raw + at, end - at};
        at = end;
    }
    return count;
}

static double *write_numbers(const Text *text, Py_ssize_t words, double *to) {
    Span found[NUMBERS];
    double values[NUMBERS], sum = 0.0;
    int count = find_numbers(text, found), distinct = 0, fractions = 0, hundreds = 0, thousands = 0;
    if (!count) {
        memset(to, 0, 10 * sizeof *to);
        return to + 10;
    }
    for (int at = 0; at < count; at++) {
        int seen = 0;
        for (int before = 0; before < at && !seen; before++) {
            seen = same(found[before], found[at]);
        }
        distinct += !seen;
        fractions += memchr(found[at].at, '.', (size_t)found[at].size) != NULL;
        values[at] = value_of(found[at]);
        if (values[at] < 0) {
            return NULL;
        }
        hundreds += values[at] >= 100;
        thousands += values[at] >= 1000;
    }
    qsort(values, (size_t)count, sizeof *values, ascending);
    for (int at = 0; at < count; at++) {
        sum += values[at];
    }
    *to++ = log1p(count);
    *to++ = count / (double)(words ? words : 1);
    *to++ = log1p(distinct);
    *to++ = log1p(values[count - 1]);
    *to++ = log1p(sum / count);
    *to++ = log1p(values[count / 2]);
    *to++ = fractions > 0;
    *to++ = log1p(fractions);
    *to++ = log1p(hundreds);
    *to++ = log1p(thousands);
    return to;
}

static double *write_letters(const Text *text, double *to) {
    const double n = text->size ? (double)text->size : 1.0;
    Py_ssize_t beyond = 0, digits = 0;
    for (int byte = 128; byte < 256; byte++) {
        beyond += text->counts[byte];
    }
    for (int byte = '0'; byte <= '9'; byte++) {
        digits += text->counts[byte];
    }
    *to++ = (double)digits / n;
    *to++ = (double)beyond / n;
    *to++ = log1p((double)beyond);
    *to++ = log1p((double)total(text, "+-*/^=<>%$"));
    *to++ = (double)text->counts[' '] / n;
    return to;
}

/* The letter of a choice that begins at a space (or before the text, at -1), 0: none does. */
static int choice_at(const Text *text, Py_ssize_t space, Py_ssize_t *end) {
    const uint8_t *raw = text->raw;
    Py_ssize_t at = space + 1;
    at += at < text->size && raw[at] == '(';
    if (at + 2 < text->size && raw[at] >= 'a' && raw[at] <= 'j' && strchr(").:", raw[at + 1]) != NULL && raw[at + 1] && raw[at + 2] == ' ') {
        *end = at + 2;
        return raw[at];
    }
    return 0;
}

/* Where choices begin, in characters; how many, none if there is but one. */
static int find_choices(const Text *text, Py_ssize_t *begins) {
    if (!occurring(text, "a) ") && !occurring(text, "a. ") && !occurring(text, "a: ")) {
        return 0;
    }
    int count = 0;
    Py_ssize_t chars = 0; /* of the text with a space before it */
    for (Py_ssize_t at = -1; at < text->size;) {
        Py_ssize_t end = 0;
        const int letter = at < 0 || text->raw[at] == ' ' ? choice_at(text, at, &end) : 0;
        if (letter == 'a') {
            count = 0;
        }
        if (letter && (letter == 'a' || (count && count < CHOICES && letter == 'a' + count))) {
            begins[count++] = chars;
        }
        const Py_ssize_t next = letter ? end : at + 1;
        for (; at < next; at++) {
            chars += at < 0 || (text->raw[at] & 0xC0) != 0x80;
        }
    }
    return count > 1 ? count : 0;
}

static double *write_choices(const Text *text, double *to) {
    Py_ssize_t begins[CHOICES + 1], least = 0, most = 0;
    const int count = find_choices(text, begins);
    const Py_ssize_t asked = count ? begins[0] : text->chars;
    double mean = 0.0, squares = 0.0;
    begins[count] = text->chars;
    for (int at = 0; at < count; at++) {
        const Py_ssize_t size = begins[at + 1] - begins[at];
        least = at && least < size ? least : size;
        most = at && most > size ? most : size;
    }
    if (count) {
        mean = (double)(begins[count] - begins[0]) / count;
        for (int at = 0; at < count; at++) {
            const double apart = (double)(begins[at + 1] - begins[at]) - mean;
            squares += apart * apart;
        }
    }
    const uint8_t last = text->size ? text->raw[text->size - 1] : 0;
    *to++ = count;
    *to++ = log1p(mean);
    *to++ = log1p((double)most);
    *to++ = log1p(sqrt(squares / (count ? count : 1)));
    *to++ = log1p((double)least);
    *to++ = log1p((double)asked);
    *to++ = (double)asked / (double)(text->chars ? text->chars : 1);
    *to++ = last == '?';
    *to++ = last == ':';
    *to++ = last == '.';
    *to++ = occurring(text, "___") > 0;
    return to;
}

/* surface(raw, counted, cues, numbers): writes the numbers of a text in lower case with single spaces. */
PyObject *surface(PyObject *self, PyObject *args) {
    Py_buffer raw, signs, cues, numbers;
    if (!PyArg_ParseTuple(args, "y*y*y*w*", &raw, &signs, &cues, &numbers)) {
        return NULL;
    }
    Text text = {raw.buf, raw.len, 0, {0}};
    Words words = {0};
    double values[FIXED], *to = values;
    float *out = numbers.buf;
    int fine = holds(&numbers, sizeof *out, FIXED + signs.len, "numbers") && holds(&cues, 1, 256 * CUE_BYTES, "cues");
    if (fine) {
        memset(out, 0, (size_t)numbers.len);
        for (Py_ssize_t at = 0; at < raw.len; at++) {
            text.counts[text.raw[at]]++;
            text.chars += (text.raw[at] & 0xC0) != 0x80;
        }
        fine = read_words(&text, cues.buf, out, numbers.len / (Py_ssize_t)sizeof *out, &words);
    }
    if (fine) {
        to = write_lengths(&text, &words, to);
        to = write_numbers(&text, words.words, to);
        fine = to != NULL;
    }
    if (fine) {
        to = write_choices(&text, write_letters(&text, to));
        for (int at = 0; at < FIXED; at++) {
            out[at] = (float)values[at];
        }
        for (Py_ssize_t at = 0; at < signs.len; at++) {
            out[FIXED + at] = (float)log1p((double)text.counts[((const uint8_t *)signs.buf)[at]]);
        }
    }
    return released(fine, 4, &raw, &signs, &cues, &numbers);
}
