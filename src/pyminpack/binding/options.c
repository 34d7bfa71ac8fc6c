#include "options.h"

#include <float.h>
#include <math.h>

static int
as_double(PyObject *value, double *out)
{
    *out = PyFloat_AsDouble(value);
    return *out == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* More than an int64 is as good as the largest. */
static int
set_maxfev(lm_state *state, PyObject *value, int64_t default_maxfev)
{
    int overflow;
    const int64_t maxfev = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (maxfev == -1 && overflow == 0 && PyErr_Occurred()) {
        return -1;
    }
    state->maxfev = overflow > 0 ? INT64_MAX : overflow < 0 || maxfev <= 0 ? default_maxfev : maxfev;
    return 0;
}

int
set_options(lm_state *state, double *epsfcn, PyObject *const *options, int64_t default_maxfev)
{
    if (as_double(options[FTOL], &state->ftol) < 0
        || as_double(options[XTOL], &state->xtol) < 0
        || as_double(options[GTOL], &state->gtol) < 0
        || as_double(options[FACTOR], &state->factor) < 0
        || set_maxfev(state, options[MAXFEV], default_maxfev) < 0) {
        return -1;
    }
    *epsfcn = DBL_EPSILON;
    if (options[EPSFCN] != Py_None) {
        if (as_double(options[EPSFCN], epsfcn) < 0) {
            return -1;
        }
        if (!isfinite(*epsfcn)) {
            state->factor = NAN; /* one improper argument is enough for the core to say so */
        }
    }
    return 0;
}
