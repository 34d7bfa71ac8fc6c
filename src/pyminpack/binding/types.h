/* The types of the module, added to it when it is made: 0 or -1. */
#ifndef PYMINPACK_TYPES_H
#define PYMINPACK_TYPES_H

#include <Python.h>

int add_options_type(PyObject *module);
int add_outcome_type(PyObject *module);
int add_stepper_type(PyObject *module);

#endif
