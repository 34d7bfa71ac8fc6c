/* A fit as plain numbers, to be stored and taken up again. */
#ifndef PYMINPACK_NUMBERS_H
#define PYMINPACK_NUMBERS_H

#include "python.h"

#include "evaluator.h"

/* (reals, integers), new vectors of float64 and int64: all that a fit with ldr = n remembers between two
 * steps, but for its bounds. */
PyObject *fit_numbers(const lm_fit *fit);

/* Into a fit of the same n, with bounds or without them as that had: 0, or -1 where they are not of such a
 * fit, which then is as it was. */
int fit_restore(lm_fit *fit, PyObject *reals, PyObject *integers);

#endif
