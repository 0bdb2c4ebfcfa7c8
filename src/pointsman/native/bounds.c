/* Bounds of what is expected: estimators/bounds.py. */
#include "text.h"
#include <math.h>

static double between(double value, double least, double most) { return value < least ? least : value > most ? most : value; }

/* bounded(expected, evidence, square, out, edge, steadier, z, low, high): a number a model in each. */
PyObject *bounded(PyObject *self, PyObject *args) {
    Py_buffer expected, evidence, square, out, low, high;
    double edge, steadier, z;
    if (!PyArg_ParseTuple(args, "y*y*y*y*dddw*w*", &expected, &evidence, &square, &out, &edge, &steadier, &z, &low, &high)) {
        return NULL;
    }
    const Py_ssize_t count = expected.len / (Py_ssize_t)sizeof(double);
    const int fine = holds(&expected, sizeof(double), 0, "expected") && holds(&evidence, sizeof(double), count, "evidence") &&
                     holds(&square, sizeof(double), count, "square") && holds(&out, sizeof(double), count, "out") &&
                     holds(&low, sizeof(double), count, "low") && holds(&high, sizeof(double), count, "high");
    for (Py_ssize_t at = 0; at < count && fine; at++) {
        const double known = ((const double *)evidence.buf)[at], said = ((const double *)expected.buf)[at];
        const double inside = between(said, edge, 1 - edge), outside = 1 - inside, mean = between(said, 0, 1);
        const double centre = log(outside / inside) * ((const double *)out.buf)[at];
        const double wide = z * sqrt(((const double *)square.buf)[at] + steadier / (fmax(known, 1e-9) * (inside * outside)));
        const double under = 1 / (1 + exp(fmin(centre + wide, 50))), over = 1 / (1 + exp(fmin(centre - wide, 50)));
        ((double *)low.buf)[at] = known > 0 ? fmin(under, mean) : 0.0;
        ((double *)high.buf)[at] = known > 0 ? fmax(over, mean) : 1.0;
    }
    return released(fine, 6, &expected, &evidence, &square, &out, &low, &high);
}
