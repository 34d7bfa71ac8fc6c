/* The Python and NumPy that the files of this folder share. */
#ifndef PYMINPACK_PYTHON_H
#define PYMINPACK_PYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NO_IMPORT_ARRAY
#define PY_ARRAY_UNIQUE_SYMBOL _npy_f2py_ARRAY_API
#include <numpy/arrayobject.h>

#endif
