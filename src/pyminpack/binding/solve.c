/* solve: the default way from Python into the loop and back, for one fit. */
#include "solve.h"

#include <string.h>

#include "covariance.h"
#include "functions.h"
#include "objects.h"
#include "options.h"
#include "outcome.h"

typedef struct {
    python_fit f;
    int full_output;
    PyArrayObject *x, *diag, *bounds; /* the arrays behind vectors of the fit */
    PyArrayObject *fjac;              /* NULL unless full output is wanted */
    void *memory;                     /* behind all that no array holds: `small`, or allocated */
    void *small;
} call;

enum { SMALL = 2048 }; /* bytes on the stack that save a small fit an allocation */

/* Memory beyond the user's arrays: O(m + n^2), and m n only where J is made here or kept for the user. */
static void
lay_out(python_fit *f, lm_plan *plan)
{
    lm_plan_work(plan, &f->work, f->fit.n);
    lm_plan_doubles(plan, &f->fvec, f->m);
    lm_plan_doubles(plan, &f->f_trial, f->m);
    if (f->by_rows && f->dfun == NULL) {
        lm_plan_doubles(plan, &f->fjac, f->m * f->fit.n);
    }
    lm_plan_fit(plan, &f->fit);
}

static int
allocate(call *c)
{
    python_fit *f = &c->f;
    lm_factors *factors = &f->fit.factors;
    const npy_intp m = f->m, n = f->fit.n;
    if ((size_t)m > SIZE_MAX / sizeof(double) / (n + 8) / 4) {
        PyErr_NoMemory();
        return -1;
    }
    f->by_rows = lm_factor_by_rows(m, n);
    if (f->by_rows) {
        const int64_t factor = lm_factor_size(m, n), step = pyminpack_dense_size(n);
        f->work.scratch_size = factor > step ? factor : step;
    }
    factors->ldr = f->by_rows ? n : m;
    if (c->full_output) {
        npy_intp shape[2] = {n, m};
        const int only_shown = f->by_rows && f->dfun != NULL;
        /* Zeros that are never touched cost no memory: they are the system's. */
        c->fjac = (PyArrayObject *)(only_shown ? PyArray_ZEROS(2, shape, NPY_DOUBLE, 0)
                                               : PyArray_SimpleNew(2, shape, NPY_DOUBLE));
        if (c->fjac == NULL) {
            return -1;
        }
        if (!only_shown) {
            *(f->by_rows ? &f->fjac : &factors->r) = PyArray_DATA(c->fjac);
        }
    }
    lm_plan plan = {NULL, 0};
    lay_out(f, &plan);
    c->memory = plan.used <= SMALL ? c->small : PyMem_RawMalloc(plan.used);
    if (c->memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    plan = (lm_plan){c->memory, 0};
    lay_out(f, &plan);
    if (!f->by_rows) {
        f->fjac = factors->r; /* factored in place */
    }
    return 0;
}

/* The arguments, in the order of the signature. */
enum { FUNC, X0, ARGS, DFUN, FULL_OUTPUT, COL_DERIV, OPTIONS, DIAG = OPTIONS + OPTION_COUNT, BOUNDS, WATCH,
       TRIALS_ONLY, ARGUMENT_COUNT };

/* x, from here on the best point so far and in the end the result, starts as a copy of x0. */
static int
set_start(call *c, PyObject *x0)
{
    PyArrayObject *a = (PyArrayObject *)x0;
    if (is_vector(x0, -1) && first_nonfinite(PyArray_SIZE(a), PyArray_DATA(a)) < 0) {
        c->x = (PyArrayObject *)vector(PyArray_SIZE(a), NPY_DOUBLE, PyArray_DATA(a));
    }
    else {
        c->x = (PyArrayObject *)arguments("as_start", "(O)", x0);
    }
    if (c->x == NULL) {
        return -1;
    }
    c->f.fit.x = PyArray_DATA(c->x);
    c->f.fit.n = PyArray_SIZE(c->x);
    return 0;
}

static int
set_bounds(call *c, PyObject *bounds)
{
    lm_fit *fit = &c->f.fit;
    if (bounds == Py_None) {
        return 0;
    }
    PyArrayObject *a = (PyArrayObject *)bounds;
    if (!is_plain(bounds, 2) || !PyArray_IS_C_CONTIGUOUS(a) || PyArray_DIM(a, 0) != 2
        || PyArray_DIM(a, 1) != fit->n) {
        PyErr_SetString(PyExc_TypeError, "solve() takes bounds as _arguments.as_bounds makes them");
        return -1;
    }
    c->bounds = (PyArrayObject *)Py_NewRef(bounds);
    fit->lower = PyArray_DATA(c->bounds);
    fit->upper = fit->lower + fit->n;
    pyminpack_first_point(fit->n, fit->x, fit->lower, fit->upper);
    return 0;
}

static int
set_diag(call *c, PyObject *diag)
{
    if (diag == Py_None) {
        return 0;
    }
    c->diag = (PyArrayObject *)arguments("as_diag", "(On)", diag, (Py_ssize_t)c->f.fit.n);
    if (c->diag == NULL) {
        return -1;
    }
    c->f.fit.diag = PyArray_DATA(c->diag);
    c->f.fit.state.mode = 2;
    return 0;
}

/* The eps of the numbers that func returned. */
static int
set_eps(python_fit *f, PyObject *value)
{
    PyObject *eps = arguments("residual_eps", "(O)", value);
    if (eps == NULL) {
        return -1;
    }
    f->epsfcn = PyFloat_AsDouble(eps);
    Py_DECREF(eps);
    return PyErr_Occurred() ? -1 : 0;
}

/* Call func at the start, and with M known set up the rest. */
static int
begin(call *c, PyObject *epsfcn)
{
    python_fit *f = &c->f;
    PyObject *value = call_user(f, f->func, f->fit.x);
    if (value == NULL) {
        return -1;
    }
    f->fit.state.nfev = 1;
    PyArrayObject *first = as_residuals(value, -1);
    if (first == NULL) {
        Py_DECREF(value);
        return -1;
    }
    f->m = PyArray_SIZE(first);
    int status = 0;
    if (f->m < f->fit.n) {
        Py_XDECREF(arguments("too_few_residuals", "(nn)", (Py_ssize_t)f->fit.n, (Py_ssize_t)f->m));
        status = -1;
    }
    else if (epsfcn == Py_None && (PyObject *)first != value) {
        status = set_eps(f, value);
    }
    if (status == 0 && (status = allocate(c)) == 0) {
        memcpy(f->f_trial, PyArray_DATA(first), f->m * sizeof(double));
    }
    Py_DECREF(first);
    Py_DECREF(value);
    return status;
}

/* What was not finite where info is 9: `where` is its index, -1 where only a norm overflows. */
typedef struct {
    int cause;
    npy_intp where;
    double culprit;
} blame;

static blame
find_blame(const python_fit *f)
{
    blame found = {lm_cause(&f->fit), 0, 0.0};
    if (found.cause == CAUSE_START) {
        found.where = first_nonfinite(f->m, f->fvec);
        found.culprit = found.where < 0 ? f->fit.state.fnorm : f->fvec[found.where];
    }
    else if (found.cause == CAUSE_JACOBIAN) {
        found.where = first_nonfinite(f->fit.n, f->fit.factors.acnorm);
    }
    return found;
}

/* R in the upper triangle of the m by n array that the user gets, zeros below. */
static void
show_factors(call *c)
{
    const python_fit *f = &c->f;
    const lm_factors *factors = &f->fit.factors;
    double *fjac = PyArray_DATA(c->fjac);
    if (f->fjac != NULL) {
        memset(fjac, 0, f->m * f->fit.n * sizeof(double));
    }
    for (npy_intp j = 0; j < f->fit.n; j++) {
        memcpy(fjac + j * f->m, factors->r + j * factors->ldr, (j + 1) * sizeof(double));
    }
}

/* Into `entries`, NULL where memory has run out. */
static void
show_arrays(call *c, PyObject **entries)
{
    python_fit *f = &c->f;
    lm_factors *factors = &f->fit.factors;
    if (!f->factored) {
        lm_factor_none(factors, f->fit.n);
    }
    if (f->by_rows) {
        show_factors(c);
    }
    entries[OUTCOME_FVEC] = vector(f->m, NPY_DOUBLE, f->fvec);
    entries[OUTCOME_FJAC] = Py_NewRef(c->fjac);
    entries[OUTCOME_IPVT] = vector(f->fit.n, NPY_INT, factors->ipvt);
    entries[OUTCOME_QTF] = vector(f->fit.n, NPY_DOUBLE, factors->qtf);
    entries[OUTCOME_COV_X] = covariance(&f->fit, &f->lock);
}

static PyObject *
result(call *c)
{
    const lm_state *state = &c->f.fit.state;
    const int info = state->info;
    PyObject *ier = PyLong_FromLong(info);
    if (c->fjac == NULL && ((info >= 1 && info <= INFO_GTOL) || info == INFO_STOPPED)) {
        PyObject *pair = ier ? PyTuple_Pack(2, c->x, ier) : NULL;
        Py_XDECREF(ier);
        return pair;
    }
    const blame found = find_blame(&c->f);
    PyObject *entries[OUTCOME_COUNT] = {
        [OUTCOME_X] = Py_NewRef(c->x),
        [OUTCOME_IER] = ier,
        [OUTCOME_CAUSE] = PyLong_FromLong(found.cause),
        [OUTCOME_WHERE] = PyLong_FromSsize_t(found.where),
        [OUTCOME_CULPRIT] = PyFloat_FromDouble(found.culprit),
        [OUTCOME_NFEV] = PyLong_FromLongLong(state->nfev),
        [OUTCOME_NJEV] = PyLong_FromLongLong(state->njev),
    };
    if (c->fjac != NULL) {
        show_arrays(c, entries);
    }
    else {
        for (int i = OUTCOME_FVEC; i < OUTCOME_COUNT; i++) {
            entries[i] = Py_NewRef(Py_None);
        }
    }
    return new_outcome(entries);
}

static PyObject *
solve(call *c, PyObject *const *args)
{
    python_fit *f = &c->f;
    if (set_start(c, args[X0]) < 0 || set_bounds(c, args[BOUNDS]) < 0 || set_diag(c, args[DIAG]) < 0
        || set_options(&f->fit.state, &f->epsfcn, args + OPTIONS,
                       (f->dfun ? 100 : 200) * (f->fit.n + 1)) < 0
        || begin(c, args[OPTIONS + EPSFCN]) < 0 || run_python_fit(f) < 0) {
        return NULL;
    }
    return result(c);
}

PyObject *
pyminpack_solve(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != ARGUMENT_COUNT || !PyTuple_Check(args[ARGS])) {
        PyErr_SetString(PyExc_TypeError, "solve() takes 16 arguments, the third of them a tuple");
        return NULL;
    }
    const int full_output = PyObject_IsTrue(args[FULL_OUTPUT]);
    const int col_deriv = PyObject_IsTrue(args[COL_DERIV]);
    const int trials_only = PyObject_IsTrue(args[TRIALS_ONLY]);
    if (full_output < 0 || col_deriv < 0 || trials_only < 0) {
        return NULL;
    }
    const Py_ssize_t extra = PyTuple_GET_SIZE(args[ARGS]);
    PyObject *few[8], **stack = extra + 2 <= 8 ? few : PyMem_New(PyObject *, extra + 2);
    if (stack == NULL) {
        return PyErr_NoMemory();
    }
    stack[1] = NULL;
    for (Py_ssize_t i = 0; i < extra; i++) {
        stack[i + 2] = PyTuple_GET_ITEM(args[ARGS], i);
    }
    double small[SMALL / sizeof(double)];
    call c = {
        .f = {.func = args[FUNC],
              .dfun = args[DFUN] == Py_None ? NULL : args[DFUN],
              .watch = args[WATCH] == Py_None ? NULL : args[WATCH],
              .stack = stack,
              .nstack = extra + 1,
              .col_deriv = col_deriv,
              .trials_only = trials_only},
        .full_output = full_output,
        .small = small,
    };
    PyObject *outcome = solve(&c, args);
    Py_XDECREF(stack[1]);
    Py_XDECREF(c.x);
    Py_XDECREF(c.diag);
    Py_XDECREF(c.bounds);
    Py_XDECREF(c.fjac);
    if (c.memory != small) {
        PyMem_RawFree(c.memory);
    }
    if (stack != few) {
        PyMem_Free(stack);
    }
    return outcome;
}
