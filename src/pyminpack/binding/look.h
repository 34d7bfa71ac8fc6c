/* What Python asks of the numbers that a fit has left. */
#ifndef PYMINPACK_LOOK_H
#define PYMINPACK_LOOK_H

#include "python.h"

PyObject *pyminpack_norm(PyObject *module, PyObject *value);
PyObject *pyminpack_scaled(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
PyObject *pyminpack_look(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

#define PYMINPACK_LOOK_METHODS                                                                                   \
    {"enorm", pyminpack_norm, METH_O, "enorm(x)\n--\n\nThe Euclidean norm of numbers in any shape."},             \
    {"scaled", (PyCFunction)(void (*)(void))pyminpack_scaled, METH_FASTCALL,                                     \
     "scaled(cov_x, deviation)\n--\n\nTimes its square; None where a product of theirs might be no number."},       \
    {"doubt", (PyCFunction)(void (*)(void))pyminpack_look, METH_FASTCALL,                                        \
     "doubt(m, fjac, ipvt, x, qtf, cov_x, fnorm, data_norm, step, error)\n--\n\nminpack/step/doubt.f90."},

#endif
