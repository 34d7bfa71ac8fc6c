#include "call.h"

#include <string.h>

#include "covariance.h"
#include "gil.h"
#include "objects.h"
#include "outcome.h"

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
    c->fit->fit.x = PyArray_DATA(c->x);
    c->fit->fit.n = PyArray_SIZE(c->x);
    return 0;
}

static int
set_bounds(call *c, PyObject *bounds)
{
    lm_fit *fit = &c->fit->fit;
    if (bounds == Py_None) {
        return 0;
    }
    PyArrayObject *a = (PyArrayObject *)bounds;
    if (!is_plain(bounds, 2) || !PyArray_IS_C_CONTIGUOUS(a) || PyArray_DIM(a, 0) != 2
        || PyArray_DIM(a, 1) != fit->n) {
        PyErr_SetString(PyExc_TypeError, "solve() takes bounds as asked.as_bounds makes them");
        return -1;
    }
    c->bounds = (PyArrayObject *)Py_NewRef(bounds);
    fit->lower = PyArray_DATA(c->bounds);
    fit->upper = fit->lower + fit->n;
    lm_first_point(fit->n, fit->x, fit->lower, fit->upper);
    return 0;
}

static int
set_diag(call *c, PyObject *diag)
{
    if (diag == Py_None) {
        return 0;
    }
    c->diag = (PyArrayObject *)arguments("as_diag", "(On)", diag, (Py_ssize_t)c->fit->fit.n);
    if (c->diag == NULL) {
        return -1;
    }
    c->fit->fit.diag = PyArray_DATA(c->diag);
    c->fit->fit.state.mode = 2;
    return 0;
}

int
call_begin(call *c, whole_fit *fit, PyObject *const *args, int analytic)
{
    c->fit = fit;
    c->x = c->diag = c->bounds = c->fjac = NULL;
    c->memory = NULL;
    const options *o = as_options(args[OPTIONS]);
    c->full_output = PyObject_IsTrue(args[FULL_OUTPUT]);
    if (o == NULL || c->full_output < 0 || set_start(c, args[X0]) < 0 || set_bounds(c, o->values[BOUNDS]) < 0
        || set_diag(c, o->values[DIAG]) < 0) {
        return -1;
    }
    fit->trials_only = o->values[TRIALS_ONLY] == Py_True;
    set_options(&fit->fit.state, &fit->epsfcn, o, fit->fit.n, analytic);
    return 0;
}

int
call_allocate(call *c)
{
    whole_fit *f = c->fit;
    const npy_intp m = f->m, n = f->fit.n;
    if (m < n) {
        Py_XDECREF(arguments("too_few_residuals", "(nn)", (Py_ssize_t)n, (Py_ssize_t)m));
        return -1;
    }
    if ((size_t)m > SIZE_MAX / sizeof(double) / (n + 8) / 4) {
        PyErr_NoMemory();
        return -1;
    }
    lm_whole_choose(f);
    if (c->full_output) {
        npy_intp shape[2] = {n, m};
        const int only_shown = f->by_rows && f->reduced;
        /* Zeros that are never touched cost no memory: they are the system's. */
        c->fjac = (PyArrayObject *)(only_shown ? PyArray_ZEROS(2, shape, NPY_DOUBLE, 0)
                                               : PyArray_SimpleNew(2, shape, NPY_DOUBLE));
        if (c->fjac == NULL) {
            return -1;
        }
        if (!only_shown) {
            *(f->by_rows ? &f->fjac : &f->fit.factors.r) = PyArray_DATA(c->fjac);
        }
    }
    lm_plan plan = {NULL, 0};
    lm_whole_lay_out(&plan, f);
    c->memory = plan.used <= SMALL ? c->small : PyMem_RawMalloc(plan.used);
    if (c->memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    plan = (lm_plan){c->memory, 0};
    lm_whole_lay_out(&plan, f);
    return 0;
}

/* What was not finite where info is 9: `where` is its index, -1 where only a norm overflows. */
typedef struct {
    int cause;
    npy_intp where;
    double culprit;
} blame;

static blame
find_blame(const whole_fit *f)
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
    const whole_fit *f = c->fit;
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
    whole_fit *f = c->fit;
    lm_factors *factors = &f->fit.factors;
    gil lock = {NULL};
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
    entries[OUTCOME_COV_X] = covariance(&f->fit, &lock);
}

PyObject *
call_result(call *c)
{
    const lm_state *state = &c->fit->fit.state;
    const int info = state->info;
    PyObject *ier = PyLong_FromLong(info);
    if (c->fjac == NULL && ((info >= 1 && info <= INFO_GTOL) || info == INFO_STOPPED)) {
        PyObject *pair = ier ? PyTuple_Pack(2, c->x, ier) : NULL;
        Py_XDECREF(ier);
        return pair;
    }
    const blame found = find_blame(c->fit);
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

void
call_end(call *c)
{
    Py_XDECREF(c->x);
    Py_XDECREF(c->diag);
    Py_XDECREF(c->bounds);
    Py_XDECREF(c->fjac);
    if (c->memory != c->small) {
        PyMem_RawFree(c->memory);
    }
}
