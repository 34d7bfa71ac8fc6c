/* Running factors, for who has J in blocks of rows: plain vectors, to be sent and stored at will. */
#ifndef PYMINPACK_RUNNING_H
#define PYMINPACK_RUNNING_H

#include "python.h"

/* A running factor of n columns, of any alignment, as what came with a message has; NULL where it is none. */
PyArrayObject *as_running(PyObject *value, npy_intp n);

PyObject *pyminpack_reduce_block(PyObject *module, PyObject *args);
PyObject *pyminpack_reduce_differences(PyObject *module, PyObject *args);
PyObject *pyminpack_merge_blocks(PyObject *module, PyObject *args);
PyObject *pyminpack_fresh_residuals(PyObject *module, PyObject *args);

#define PYMINPACK_RUNNING_METHODS                                                                                \
    {"reduce_block", pyminpack_reduce_block, METH_VARARGS,                                                        \
     "reduce_block(jacobian, f, n, col_deriv)\n--\n\nThe running factor of these rows, a new vector; or, an int, "  \
     "the first column that is not finite, n where it is f."},                                                     \
    {"reduce_differences", pyminpack_reduce_differences, METH_VARARGS,                                            \
     "reduce_differences(values, base, f, steps)\n--\n\nThe same for columns (values[j] - base)/steps[j], zeros "  \
     "where values[j] is None."},                                                                                 \
    {"fresh_residuals", pyminpack_fresh_residuals, METH_VARARGS,                                                  \
     "fresh_residuals(func, args, m)\n--\n\nWhat func returns, as a vector that nobody else holds."},              \
    {"merge_blocks", pyminpack_merge_blocks, METH_VARARGS,                                                        \
     "merge_blocks(n, first, second)\n--\n\nThe running factor of the rows of two, a new vector."},

#endif
