/* The options that every way of fitting has, as one object: _minpack.Options. */
#ifndef PYMINPACK_OPTIONS_H
#define PYMINPACK_OPTIONS_H

#include "python.h"

#include "minpack.h"

/* Numbers are floats, maxfev is an int64; options.c says what they are. */
enum { FTOL, XTOL, GTOL, MAXFEV, EPSFCN, FACTOR, DIAG, BOUNDS, TRIALS_ONLY, OPTION_COUNT };

typedef struct {
    PyObject_HEAD
    PyObject *values[OPTION_COUNT];
} options;

/* `value` as that object, borrowed; NULL with an error where it is none. */
const options *as_options(PyObject *value);

/* Its numbers into the state of a fit of n variables; maxfev is MINPACK's default where it is not positive; *epsfcn is
 * DBL_EPSILON where it is None. */
void set_options(lm_state *state, double *epsfcn, const options *o, int64_t n, int analytic);

#endif
