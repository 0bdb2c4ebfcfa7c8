/* What the parts of the compiled core share. */
#ifndef POINTSMAN_TEXT_H
#define POINTSMAN_TEXT_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

PyObject *bounded(PyObject *self, PyObject *args);
PyObject *surface(PyObject *self, PyObject *args);
PyObject *counted(PyObject *self, PyObject *args);
PyObject *weighed(PyObject *self, PyObject *args);
PyObject *leaves(PyObject *self, PyObject *args);
PyObject *gathered(PyObject *self, PyObject *args);
PyObject *slotted(PyObject *self, PyObject *args);
PyObject *spelled(PyObject *self, PyObject *args);
PyObject *summed(PyObject *self, PyObject *args);
PyObject *tally(PyObject *self, PyObject *args);
PyObject *words(PyObject *self, PyObject *args);

/* Raises `ValueError` and returns 0 unless a buffer holds whole values of so many bytes, aligned, and `least` of them at least. */
int holds(const Py_buffer *buffer, size_t size, Py_ssize_t least, const char *name);

/* Lets go of so many buffers; `None`, or `NULL` where something was not fine and an error is set. */
PyObject *released(int fine, int count, ...);

#endif
