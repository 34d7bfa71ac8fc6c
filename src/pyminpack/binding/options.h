/* The options that every way of fitting has. */
#ifndef PYMINPACK_OPTIONS_H
#define PYMINPACK_OPTIONS_H

#include "python.h"

#include "minpack.h"

/* The order of the arguments `options`, below. */
enum { FTOL, XTOL, GTOL, MAXFEV, EPSFCN, FACTOR, OPTION_COUNT };

/* Numbers, as leastsq has checked them, into the state of a fit; maxfev is `default_maxfev` where
 * it is not positive; *epsfcn is DBL_EPSILON where it is None. */
int set_options(lm_state *state, double *epsfcn, PyObject *const *options, int64_t default_maxfev);

#endif
