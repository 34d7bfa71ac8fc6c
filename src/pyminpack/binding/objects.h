/* From Python objects to numbers, and back. Errors are set where they return NULL or -1. */
#ifndef PYMINPACK_OBJECTS_H
#define PYMINPACK_OBJECTS_H

#include "python.h"

/* To be told the module that is being made, so that it finds _input/asked.py beside it; -1: an error. */
int know_neighbours(PyObject *module);

/* A function of _input/asked.py, called: a conversion or an error. */
PyObject *arguments(const char *name, const char *format, ...);

/* Whether it is a float64 array of that many dimensions, aligned and in the machine's byte order. */
int is_plain(PyObject *value, int ndim);

/* Whether it is such a vector, contiguous, and of m numbers; m < 0: any. */
int is_vector(PyObject *value, npy_intp m);

/* What func returned, as a new reference to a contiguous float64 vector of m numbers; m < 0: any. */
PyArrayObject *as_residuals(PyObject *value, npy_intp m);

/* What Dfun returned as an n by m view in float64 at strides of whole numbers, a new reference. */
PyArrayObject *as_jacobian(PyObject *value, npy_intp m, npy_intp n, int col_deriv);

/* A new array. */
PyObject *vector(npy_intp count, int type, const void *values);

/* Its index, or -1. */
npy_intp first_nonfinite(npy_intp count, const double *values);

#endif
