/* For tests: each routine can be called alone, in the very library that the solver uses. */
#ifndef PYMINPACK_PARTS_H
#define PYMINPACK_PARTS_H

#include <Python.h>

PyObject *pyminpack_parts(PyObject *module, PyObject *none);

#define PYMINPACK_PARTS_METHOD                                                                     \
    {"parts", pyminpack_parts, METH_NOARGS,                                                        \
     "parts()\n--\n\nThe addresses of the routines that the solver is made of."},

#endif
