/* Fits of compiled models, without the interpreter's lock: named in _minpack.pyf. */
#ifndef PYMINPACK_COMPILED_H
#define PYMINPACK_COMPILED_H

#include <Python.h>

PyObject *pyminpack_solve_compiled(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
PyObject *pyminpack_capsule_address(PyObject *module, PyObject *capsule);

#define PYMINPACK_COMPILED_METHODS                                                                               \
    {"solve_compiled", (PyCFunction)(void (*)(void))pyminpack_solve_compiled, METH_FASTCALL,                      \
     "solve_compiled(model, ...)\n--\n\nRun a fit, with the other arguments and the result of `solve`."},         \
    {"capsule_address", pyminpack_capsule_address, METH_O,                                                        \
     "capsule_address(capsule)\n--\n\n(address, name) of a PyCapsule; the name is bytes, or None."},

#endif
