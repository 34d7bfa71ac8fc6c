#include "options.h"

#include <float.h>
#include <math.h>

#include "objects.h"

static int
as_double(const char *name, PyObject *value, double *out)
{
    if (PyFloat_CheckExact(value)) {
        *out = PyFloat_AS_DOUBLE(value);
        return 0;
    }
    PyObject *real = arguments("as_real", "(sO)", name, value);
    if (real == NULL) {
        return -1;
    }
    *out = PyFloat_AsDouble(real);
    Py_DECREF(real);
    return PyErr_Occurred() ? -1 : 0;
}

/* More than an int64 is as good as the largest. */
static int
set_maxfev(lm_state *state, PyObject *value, int64_t default_maxfev)
{
    PyObject *integer = PyLong_CheckExact(value) ? Py_NewRef(value)
                                                 : arguments("as_integer", "(sO)", "maxfev", value);
    if (integer == NULL) {
        return -1;
    }
    int overflow;
    int64_t maxfev = PyLong_AsLongLongAndOverflow(integer, &overflow);
    Py_DECREF(integer);
    if (overflow) {
        maxfev = overflow > 0 ? INT64_MAX : 0;
    }
    state->maxfev = maxfev > 0 ? maxfev : default_maxfev;
    return 0;
}

int
set_options(lm_state *state, double *epsfcn, PyObject *const *options, int64_t default_maxfev)
{
    if (as_double("ftol", options[FTOL], &state->ftol) < 0
        || as_double("xtol", options[XTOL], &state->xtol) < 0
        || as_double("gtol", options[GTOL], &state->gtol) < 0
        || as_double("factor", options[FACTOR], &state->factor) < 0
        || set_maxfev(state, options[MAXFEV], default_maxfev) < 0) {
        return -1;
    }
    *epsfcn = DBL_EPSILON;
    if (options[EPSFCN] != Py_None) {
        if (as_double("epsfcn", options[EPSFCN], epsfcn) < 0) {
            return -1;
        }
        if (!isfinite(*epsfcn)) {
            state->factor = NAN; /* one improper argument is enough for the core to say so */
        }
    }
    return 0;
}
