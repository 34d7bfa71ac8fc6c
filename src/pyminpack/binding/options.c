#include "options.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <structmember.h>

#include "objects.h"
#include "types.h"

static PyTypeObject *options_type; /* set when the module is made, before anybody can ask for it */

#define MEMBER(name, index, doc)                                                                                  \
    {name, T_OBJECT_EX, offsetof(options, values) + (index) * sizeof(PyObject *), READONLY, doc}

static PyMemberDef options_members[] = {
    MEMBER("ftol", FTOL, "relative error desired in the sum of squares"),
    MEMBER("xtol", XTOL, "relative error desired in the solution"),
    MEMBER("gtol", GTOL, "cosine desired between the residuals and the columns of J"),
    MEMBER("maxfev", MAXFEV, "limit on calls of func, within an int64; not positive: the default"),
    MEMBER("epsfcn", EPSFCN, "relative error of func; None: that of its dtype"),
    MEMBER("factor", FACTOR, "bound of the first step"),
    MEMBER("diag", DIAG, "scale of the variables, as it was given, or None"),
    MEMBER("bounds", BOUNDS, "bounds of the variables, shape (2, N), or None"),
    MEMBER("trials_only", TRIALS_ONLY, "maxfev does not count calls for differences"),
    {NULL, 0, 0, 0, NULL},
};

/* What can be given, in this order: the last, max_nfev, is maxfev and trials_only at once. */
enum { MAX_NFEV = TRIALS_ONLY, GIVEN_COUNT };

static PyObject *options_names[GIVEN_COUNT]; /* the same, interned */

static const char *
given_name(int k)
{
    return k == MAX_NFEV ? "max_nfev" : options_members[k].name;
}

/* A new reference to a float. */
static PyObject *
as_float(const char *name, PyObject *value)
{
    if (PyFloat_CheckExact(value)) {
        return Py_NewRef(value);
    }
    if (PyLong_CheckExact(value)) {
        const double number = PyLong_AsDouble(value);
        if (number != -1.0 || !PyErr_Occurred()) {
            return PyFloat_FromDouble(number);
        }
        PyErr_Clear(); /* beyond the range of doubles */
    }
    return arguments("as_real", "(sO)", name, value);
}

/* A new reference to an integer; more than an int64 is as good as the largest. */
static PyObject *
as_limit(const char *name, PyObject *value)
{
    PyObject *number = PyLong_CheckExact(value) ? Py_NewRef(value) : arguments("as_integer", "(sO)", name, value);
    if (number != NULL) {
        int overflow;
        (void)PyLong_AsLongLongAndOverflow(number, &overflow);
        if (overflow != 0) {
            Py_SETREF(number, PyLong_FromLongLong(overflow > 0 ? INT64_MAX : 0));
        }
    }
    return number;
}

/* The option k of what has been given, NULL for what has not: a new reference. */
static PyObject *
make_option(PyObject *const *given, int k)
{
    static const double defaults[] = {[FTOL] = 1.49012e-8, [XTOL] = 1.49012e-8, [GTOL] = 0.0, [FACTOR] = 100.0};
    const int trials_only = given[MAX_NFEV] != NULL && given[MAX_NFEV] != Py_None;
    const int from = k == MAXFEV && trials_only ? MAX_NFEV : k;
    PyObject *value = given[from] == NULL ? Py_None : given[from];
    switch (k) {
    case TRIALS_ONLY:
        return PyBool_FromLong(trials_only);
    case DIAG:
    case BOUNDS:
        return Py_NewRef(value);
    case EPSFCN:
        return value == Py_None ? Py_NewRef(value) : as_float(given_name(k), value);
    case MAXFEV:
        return given[from] == NULL ? PyLong_FromLong(0) : as_limit(given_name(from), value);
    default:
        return given[k] == NULL ? PyFloat_FromDouble(defaults[k]) : as_float(given_name(k), value);
    }
}

static PyObject *
make_options(PyObject *const *given)
{
    options *o = PyObject_New(options, options_type);
    if (o == NULL) {
        return NULL;
    }
    int complete = 1;
    for (int k = 0; k < OPTION_COUNT; k++) {
        o->values[k] = complete ? make_option(given, k) : NULL;
        complete = o->values[k] != NULL;
    }
    if (!complete) {
        Py_CLEAR(o);
    }
    return (PyObject *)o;
}

/* Which of what can be given is called that, sought from `next` on, as most come in order; -1: none. */
static int
find_option(PyObject *word, int next)
{
    for (int tried = 0; tried < GIVEN_COUNT; tried++) {
        const int k = (next + tried) % GIVEN_COUNT;
        if (word == options_names[k]) { /* all words of calls in a source are interned */
            return k;
        }
    }
    for (int k = 0; k < GIVEN_COUNT; k++) {
        if (PyUnicode_Compare(word, options_names[k]) == 0) {
            return k;
        }
    }
    return -1;
}

/* Options of `given`, and of `args` in their place, which are all called by these words. */
static PyObject *
options_by_name(PyObject *given[GIVEN_COUNT], PyObject *const *args, Py_ssize_t nargs, PyObject *words)
{
    const Py_ssize_t named = words == NULL ? 0 : PyTuple_GET_SIZE(words);
    if (nargs > 0) {
        PyErr_SetString(PyExc_TypeError, "Options take their arguments by name");
        return NULL;
    }
    for (Py_ssize_t i = 0, k = -1; i < named; i++) {
        PyObject *word = PyTuple_GET_ITEM(words, i);
        k = find_option(word, (int)(k + 1));
        if (k < 0) {
            return PyErr_Format(PyExc_TypeError, "'%U' is none of the options", word);
        }
        given[k] = args[i];
    }
    return make_options(given);
}

static PyObject *
options_call(PyObject *Py_UNUSED(type), PyObject *const *args, size_t flags, PyObject *words)
{
    PyObject *given[GIVEN_COUNT] = {NULL};
    return options_by_name(given, args, PyVectorcall_NARGS(flags), words);
}

static PyObject *
options_replace(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *words)
{
    PyObject *const *values = ((options *)self)->values, *given[GIVEN_COUNT] = {NULL};
    for (int k = FTOL; k <= BOUNDS; k++) {
        given[k] = values[k];
    }
    given[MAX_NFEV] = values[TRIALS_ONLY] == Py_True ? values[MAXFEV] : NULL;
    return options_by_name(given, args, nargs, words);
}

static void
options_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    for (int k = 0; k < OPTION_COUNT; k++) {
        Py_XDECREF(((options *)self)->values[k]);
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef options_methods[] = {
    {"replace", (PyCFunction)(void (*)(void))options_replace, METH_FASTCALL | METH_KEYWORDS,
     "replace(**changes)\n--\n\nThe same but for what is given."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot options_slots[] = {
    {Py_tp_doc, "Options(*, ftol, xtol, gtol, maxfev, epsfcn, factor, diag, bounds, max_nfev)\n--\n\n"
                "Options of a fit, checked, as every solver takes them."},
    {Py_tp_dealloc, options_dealloc},
    {Py_tp_members, options_members},
    {Py_tp_methods, options_methods},
    {0, NULL},
};

static PyType_Spec options_spec = {"pyminpack._minpack.Options", sizeof(options), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                   options_slots};

int
add_options_type(PyObject *module)
{
    options_type = (PyTypeObject *)PyType_FromSpec(&options_spec);
    if (options_type == NULL) {
        return -1;
    }
    options_type->tp_vectorcall = options_call; /* a tuple and a dict of arguments would cost as much as all else */
    for (int k = 0; k < GIVEN_COUNT; k++) {
        options_names[k] = PyUnicode_InternFromString(given_name(k));
        if (options_names[k] == NULL) {
            return -1;
        }
    }
    return PyModule_AddObjectRef(module, "Options", (PyObject *)options_type);
}

const options *
as_options(PyObject *value)
{
    if (!Py_IS_TYPE(value, options_type)) {
        return (const options *)PyErr_Format(PyExc_TypeError, "options is %s; want _minpack.Options",
                                             Py_TYPE(value)->tp_name);
    }
    return (const options *)value;
}

void
set_options(lm_state *state, double *epsfcn, const options *o, int64_t n, int analytic)
{
    PyObject *const *values = o->values;
    state->ftol = PyFloat_AS_DOUBLE(values[FTOL]);
    state->xtol = PyFloat_AS_DOUBLE(values[XTOL]);
    state->gtol = PyFloat_AS_DOUBLE(values[GTOL]);
    state->factor = PyFloat_AS_DOUBLE(values[FACTOR]);
    const int64_t maxfev = PyLong_AsLongLong(values[MAXFEV]);
    state->maxfev = maxfev > 0 ? maxfev : (analytic ? 100 : 200) * (n + 1);
    *epsfcn = DBL_EPSILON;
    if (values[EPSFCN] != Py_None) {
        *epsfcn = PyFloat_AS_DOUBLE(values[EPSFCN]);
        if (!isfinite(*epsfcn)) {
            state->factor = NAN; /* one improper argument is enough for the core to say so */
        }
    }
}
