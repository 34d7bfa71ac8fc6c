/* The step core, call by call, for Python: who schedules fits himself, and tests of single steps. */
#ifndef PYMINPACK_STEPPER_H
#define PYMINPACK_STEPPER_H

#include "python.h"

/* Adds the type `Stepper` to the module: 0 or -1. */
int add_stepper_type(PyObject *module);

#endif
