/* How many bytes of each group a text has, and how often runs of some kinds begin: signals/characters.py. */
#include "text.h"

enum { GROUPS = 32, KINDS = 4, RUN = 16 };

/* tally(raw, groups, kinds) -> counts of 32 groups, then runs of 3 kinds, then whole sixteens in runs of each.

   `groups`, `kinds`: of each byte its group, 255: it is passed over as if it were not there; and its kind, 0: none. */
PyObject *tally(PyObject *self, PyObject *args) {
    Py_buffer raw, groups, kinds;
    if (!PyArg_ParseTuple(args, "y*y*y*", &raw, &groups, &kinds)) {
        return NULL;
    }
    Py_ssize_t counts[256] = {0}, sums[GROUPS] = {0}, runs[KINDS] = {0}, long_runs[KINDS] = {0};
    PyObject *found = NULL;
    if (holds(&groups, 1, 256, "groups") && holds(&kinds, 1, 256, "kinds")) {
        const uint8_t *bytes = raw.buf, *group = groups.buf, *kind = kinds.buf;
        unsigned before = 0;
        size_t length = 0;
        for (Py_ssize_t at = 0; at < raw.len; at++) {
            const uint8_t byte = bytes[at];
            counts[byte]++;
            if (group[byte] == 255) {
                continue;
            }
            /* Without branches: what kind comes next nobody can guess. */
            const unsigned now = kind[byte] & (KINDS - 1), begins = now != before;
            runs[now] += begins;
            length = begins ? 1 : length + 1;
            long_runs[now] += length % RUN == 0;
            before = now;
        }
        for (int byte = 0; byte < 256; byte++) {
            if (group[byte] != 255) {
                sums[group[byte] & (GROUPS - 1)] += counts[byte];
            }
        }
        found = PyTuple_New(GROUPS + 2 * (KINDS - 1));
        for (int at = 0; found != NULL && at < GROUPS + 2 * (KINDS - 1); at++) {
            const int kind_at = (at - GROUPS) % (KINDS - 1) + 1;
            PyObject *one = PyLong_FromSsize_t(at < GROUPS ? sums[at] : at < GROUPS + KINDS - 1 ? runs[kind_at] : long_runs[kind_at]);
            if (one == NULL || PyTuple_SetItem(found, at, one) < 0) {
                Py_CLEAR(found);
            }
        }
    }
    PyBuffer_Release(&raw);
    PyBuffer_Release(&groups);
    PyBuffer_Release(&kinds);
    return found;
}
