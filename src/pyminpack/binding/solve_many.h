/* The way from Python into a stream of many fits and back: named in _minpack.pyf. */
#ifndef PYMINPACK_SOLVE_MANY_H
#define PYMINPACK_SOLVE_MANY_H

#include <Python.h>

/* Why a fit is not even begun, ier 0: fewer data than parameters, a start that is not finite, one out of bounds. */
enum { UNFIT_NONE, UNFIT_FEW, UNFIT_START, UNFIT_OUTSIDE };

PyObject *pyminpack_solve_many(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

#define PYMINPACK_SOLVE_MANY_METHOD                                                                  \
    {"solve_many", (PyCFunction)(void (*)(void))pyminpack_solve_many, METH_FASTCALL,                 \
     "solve_many(func, Dfun, args, supply, results, n, m, slots, points, is_model, col_deriv, "       \
     "options, absolute, settled, stop, blame)\n--\n\n"                                               \
     "Run the fits that supply() returns, block after block, into the results."},

#endif
