/* The way from Python into a stream of many fits and back: named in _minpack.pyf. */
#ifndef PYMINPACK_SOLVE_MANY_H
#define PYMINPACK_SOLVE_MANY_H

#include <Python.h>

PyObject *pyminpack_solve_many(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

#define PYMINPACK_SOLVE_MANY_METHOD                                                                  \
    {"solve_many", (PyCFunction)(void (*)(void))pyminpack_solve_many, METH_FASTCALL,                 \
     "solve_many(func, Dfun, args, supply, results, n, m, slots, points, is_model, col_deriv, "       \
     "options, absolute, stop, blame)\n--\n\n"                                                        \
     "Run the fits that supply() returns, block after block, into the results."},

#endif
