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

/* spelled(words, lexicon, pieces, hashes) -> how many are a piece by themselves, and places of the others.

   `lexicon` holds of each word its hash in the lower half of a number and its piece, plus one, in the upper; what it lacks it is asked for. */
PyObject *spelled(PyObject *self, PyObject *args) {
    PyObject *words, *lexicon, *others = PyList_New(0);
    Py_buffer pieces, hashes;
    if (others == NULL || !PyArg_ParseTuple(args, "O!O!w*w*", &PyList_Type, &words, &PyDict_Type, &lexicon, &pieces, &hashes)) {
        Py_XDECREF(others);
        return NULL;
    }
    const Py_ssize_t count = PyList_Size(words);
    Py_ssize_t whole = 0;
    int fine = holds(&pieces, sizeof(int64_t), count, "pieces") && holds(&hashes, sizeof(int64_t), count, "hashes");
    for (Py_ssize_t at = 0; at < count && fine; at++) {
        PyObject *word = PyList_GetItem(words, at), *found = word == NULL ? NULL : PyDict_GetItemWithError(lexicon, word);
        Py_XINCREF(found);
        if (found == NULL && word != NULL && !PyErr_Occurred()) {
            Py_INCREF(word); /* whoever is asked may change the list */
            found = PyObject_GetItem(lexicon, word);
            Py_DECREF(word);
        }
        const int64_t number = found == NULL ? -1 : PyLong_AsLongLong(found);
        Py_XDECREF(found);
        fine = !PyErr_Occurred();
        if (fine) {
            ((int64_t *)hashes.buf)[at] = number & 0xFFFFFFFF;
            if (number >> 32 > 0) {
                ((int64_t *)pieces.buf)[whole++] = (number >> 32) - 1;
            } else {
                PyObject *place = PyLong_FromSsize_t(at);
                fine = place != NULL && PyList_Append(others, place) == 0;
                Py_XDECREF(place);
            }
        }
    }
    PyBuffer_Release(&pieces);
    PyBuffer_Release(&hashes);
    PyObject *found = fine ? Py_BuildValue("nO", whole, others) : NULL;
    Py_DECREF(others);
    return found;
}
