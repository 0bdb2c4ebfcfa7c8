/* The compiled core: loops over bytes and numbers that Python takes ten times as long for. Each has its definition in Python, which runs
   where this was not compiled; tests hold the two together. Nothing here keeps anything between calls. */
#include "text.h"
#include <stdarg.h>

int holds(const Py_buffer *buffer, size_t size, Py_ssize_t least, const char *name) {
    if (buffer->len % (Py_ssize_t)size == 0 && (uintptr_t)buffer->buf % size == 0 && buffer->len / (Py_ssize_t)size >= least) {
        return 1;
    }
    PyErr_Format(PyExc_ValueError, "`%s` does not hold what is to be read or written", name);
    return 0;
}

PyObject *released(int fine, int count, ...) {
    va_list buffers;
    va_start(buffers, count);
    while (count--) {
        PyBuffer_Release(va_arg(buffers, Py_buffer *));
    }
    va_end(buffers);
    if (!fine) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"surface", surface, METH_VARARGS, NULL}, {"counted", counted, METH_VARARGS, NULL},   {"weighed", weighed, METH_VARARGS, NULL},
    {"slotted", slotted, METH_VARARGS, NULL}, {"leaves", leaves, METH_VARARGS, NULL},     {"gathered", gathered, METH_VARARGS, NULL},
    {"summed", summed, METH_VARARGS, NULL},   {"tally", tally, METH_VARARGS, NULL},       {"words", words, METH_VARARGS, NULL},
    {"spelled", spelled, METH_VARARGS, NULL}, {"bounded", bounded, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL},
};

#ifndef POINTSMAN_SOURCES
#define POINTSMAN_SOURCES "" /* the SHA-256 of these files: what was compiled from others is not used */
#endif

static int named(PyObject *module) { return PyModule_AddStringConstant(module, "SOURCES", POINTSMAN_SOURCES); }

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)named}, {0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", NULL, 0, functions, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&module); }
