/* The words of a text of ASCII as features see them: signals/canonical.py and wordpiece.py. */
#include "text.h"
#include <stdlib.h>

enum { NOTHING, SPACE, LETTER, MARK, RUN = 3 };

static int append(PyObject *found, const char *word, Py_ssize_t size) {
    PyObject *one = PyUnicode_FromStringAndSize(word, size);
    const int fine = one != NULL && PyList_Append(found, one) == 0;
    Py_XDECREF(one);
    return fine;
}

/* What came before is over: a word, or the same mark so many times, of which three and more count once. */
static int flush(PyObject *found, const char *word, Py_ssize_t *size, const char *mark, Py_ssize_t *marks) {
    int fine = *size == 0 || append(found, word, *size);
    for (Py_ssize_t left = *marks >= RUN ? 1 : *marks; left > 0 && fine; left--) {
        fine = append(found, mark, 1);
    }
    *size = *marks = 0;
    return fine;
}

/* words(raw, kinds) -> words in lower case, and marks by themselves. `kinds`: what each byte is, one of those above. */
PyObject *words(PyObject *self, PyObject *args) {
    Py_buffer raw, kinds;
    if (!PyArg_ParseTuple(args, "y*y*", &raw, &kinds)) {
        return NULL;
    }
    PyObject *found = PyList_New(0);
    char *word = malloc((size_t)raw.len + 1), mark = 0;
    Py_ssize_t size = 0, marks = 0;
    int fine = found != NULL && word != NULL && holds(&kinds, 1, 256, "kinds");
    for (Py_ssize_t at = 0; at < raw.len && fine; at++) {
        const uint8_t byte = ((const uint8_t *)raw.buf)[at];
        switch (((const uint8_t *)kinds.buf)[byte]) {
        case NOTHING:
            break;
        case LETTER:
            fine = !marks || flush(found, word, &size, &mark, &marks);
            word[size++] = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
            break;
        case MARK:
            fine = (!size && (!marks || mark == (char)byte)) || flush(found, word, &size, &mark, &marks);
            mark = (char)byte;
            marks++;
            break;
        default:
            fine = flush(found, word, &size, &mark, &marks);
        }
    }
    fine = fine && flush(found, word, &size, &mark, &marks);
    if (!fine) {
        Py_CLEAR(found);
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
    }
    free(word);
    PyBuffer_Release(&raw);
    PyBuffer_Release(&kinds);
    return found;
}
