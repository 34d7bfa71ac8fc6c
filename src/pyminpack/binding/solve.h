/* The part of the extension that f2py does not write: named in _minpack.pyf. */
#ifndef PYMINPACK_SOLVE_H
#define PYMINPACK_SOLVE_H

#include <Python.h>

PyObject *pyminpack_solve(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

#define PYMINPACK_SOLVE_METHOD                                                                     \
    {"solve", (PyCFunction)(void (*)(void))pyminpack_solve, METH_FASTCALL,                         \
     "solve(func, x0, args, Dfun, full_output, col_deriv, options, watch)\n--\n\n"               \
     "Run a fit. `(x, ier)` after a success without `full_output`, else an `Outcome`."},

#endif
