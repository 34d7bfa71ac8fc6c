/* solve: the default way from Python into the step core and back.
 *
 * The loop of minpack/step/step.f90 with Python functions as its answers, in C because that is the
 * cheapest place to call them from: a call costs a fresh x and one memcpy, no f2py wrapper. Python
 * code runs between two steps and never below a Fortran frame, so exceptions, signals, recursion and
 * threads need no care: all state is in `fit`, on this call's own stack and heap.
 */
#include "fit.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "halves.h"
#include "solve.h"
#include "variants.h"

static PyObject *
vector(npy_intp count, int type, const void *values)
{
    PyObject *a = PyArray_SimpleNew(1, &count, type);
    if (a != NULL && count > 0) {
        memcpy(PyArray_DATA((PyArrayObject *)a), values, PyArray_NBYTES((PyArrayObject *)a));
    }
    return a;
}

static void
step(fit *f)
{
    PyThreadState *saved = let_others_in(10.0 * f->n * f->n * f->n);
    pyminpack_lm_step(&f->state, f->n, f->x, f->x_trial, f->r, f->ldr, f->ipvt, f->qtf, f->acnorm,
                      f->diag, f->p, f->f_trial, f->by_rows ? f->scratch_size : 0, f->scratch,
                      f->lower, f->upper, f->box, f->pivots);
    take_back(saved);
    if (f->state.accepted) {
        double *accepted = f->f_trial;
        f->f_trial = f->fvec;
        f->fvec = accepted;
    }
}

static double
trial_norm(const fit *f)
{
    const int64_t m = f->m;
    return pyminpack_enorm(&m, f->f_trial);
}

static void
blame(fit *f)
{
    if (f->state.iteration == 1 && !isfinite(f->state.fnorm)) {
        f->cause = CAUSE_START;
        f->where = first_nonfinite(f->m, f->fvec);
        f->culprit = f->where < 0 ? f->state.fnorm : f->fvec[f->where];
    }
    else if (f->state.blocked) {
        f->cause = CAUSE_TRIAL;
    }
    else {
        f->cause = CAUSE_JACOBIAN;
        f->where = first_nonfinite(f->n, f->acnorm);
    }
}

/* Tell the watcher of a new point; its StopIteration ends the fit, unless that has just converged;
 * anything else is an error. */
static int
show(fit *f)
{
    PyObject *x = vector(f->n, NPY_DOUBLE, f->x), *fvec = vector(f->m, NPY_DOUBLE, f->fvec);
    PyObject *answer = x && fvec ? PyObject_CallFunction(f->watch, "OOLLd", x, fvec,
                                                         (long long)f->state.nfev,
                                                         (long long)f->state.iteration - 1,
                                                         f->state.delta)
                                 : NULL;
    Py_XDECREF(x);
    Py_XDECREF(fvec);
    Py_XDECREF(answer);
    if (answer != NULL) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return -1;
    }
    PyErr_Clear();
    if (f->state.request != REQUEST_STOP || f->state.info > INFO_GTOL) {
        f->state.request = REQUEST_STOP;
        f->state.info = INFO_STOPPED;
    }
    return 0;
}

/* The fit proper. On entry f_trial holds F(x): the call that found out m. */
static int
iterate(fit *f)
{
    f->state.request = REQUEST_START;
    step(f);
    if (f->state.request == REQUEST_RESIDUAL) {
        f->state.fnorm_trial = trial_norm(f);
        step(f);
    }
    else {
        memcpy(f->fvec, f->f_trial, f->m * sizeof(double));
    }
    while (f->state.request != REQUEST_STOP) {
        if (f->state.request == REQUEST_RESIDUAL) {
            if (evaluate(f, f->x_trial, f->f_trial) < 0) {
                return -1;
            }
            f->state.nfev += 1;
            f->state.fnorm_trial = trial_norm(f);
        }
        else {
            if ((f->dfun ? user_factors(f) : difference_factors(f)) < 0) {
                return -1;
            }
        }
        step(f);
        if (f->watch != NULL && f->state.accepted && show(f) < 0) {
            return -1;
        }
    }
    if (f->state.info == INFO_NONFINITE) {
        blame(f);
    }
    return 0;
}

static int64_t
largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Memory beyond the user's arrays: O(m + n^2), and m n only where J is made here or kept for the user. */
static int
allocate(fit *f)
{
    const int full_output = f->full_output;
    const size_t m = f->m, n = f->n;
    if (m > SIZE_MAX / sizeof(double) / (n + 8) / 4) {
        PyErr_NoMemory();
        return -1;
    }
    f->by_rows = m * n >= ROWS_WORTH;
    const int stored = !f->by_rows || f->dfun == NULL;
    if (full_output) {
        npy_intp shape[2] = {f->n, f->m};
        /* Zeros that are never touched cost no memory: they are the system's. */
        f->fjac_array = (PyArrayObject *)(stored ? PyArray_SimpleNew(2, shape, NPY_DOUBLE)
                                                 : PyArray_ZEROS(2, shape, NPY_DOUBLE, 0));
        if (f->fjac_array == NULL) {
            return -1;
        }
    }
    if (f->by_rows) {
        f->scratch_size = largest(pyminpack_reduction_size(f->m, f->n), pyminpack_dense_size(f->n));
        if (f->n >= PIVOT_WORTH) {
            f->scratch_size = largest(f->scratch_size, pyminpack_pivot_size(f->n));
        }
    }
    const size_t own_fjac = stored && !full_output ? m * n : 0, own_r = f->by_rows ? n * n : 0;
    const size_t own_box = f->lower ? n * (n + 8) : 0;
    f->block = PyMem_RawMalloc((2 * m + 5 * n + own_fjac + own_r + own_box + f->scratch_size)
                                   * sizeof(double)
                               + 3 * n * sizeof(int));
    if (f->block == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    double *next = f->block;
    f->scratch = next;
    f->fvec = next += f->scratch_size;
    f->f_trial = next += m;
    f->x_trial = next += m;
    f->qtf = next += n;
    f->acnorm = next += n;
    f->p = next += n;
    next += n;
    if (f->diag_array != NULL) {
        f->diag = PyArray_DATA(f->diag_array);
    }
    else {
        f->diag = next;
    }
    next += n;
    f->fjac = !stored ? NULL : full_output ? PyArray_DATA(f->fjac_array) : next;
    next += own_fjac;
    f->r = f->by_rows ? next : f->fjac;
    f->ldr = f->by_rows ? f->n : f->m;
    next += own_r;
    f->box = f->lower ? next : NULL;
    next += own_box;
    f->ipvt = (int *)next;
    f->pivots = f->ipvt + n;
    return 0;
}

/* The arguments, in the order of the signature. */
enum { FUNC, X0, ARGS, DFUN, FULL_OUTPUT, COL_DERIV, FTOL, XTOL, GTOL, MAXFEV, EPSFCN, FACTOR, DIAG,
       BOUNDS, WATCH, TRIALS_ONLY,
       ARGUMENT_COUNT };

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

/* maxfev, with MINPACK's defaults where it is not positive; more than an int64 is as good as that. */
static int
set_maxfev(fit *f, PyObject *value)
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
    f->state.maxfev = maxfev > 0 ? maxfev : (f->dfun ? 100 : 200) * (f->n + 1);
    return 0;
}

static int
set_options(fit *f, PyObject *const *args)
{
    if (as_double("ftol", args[FTOL], &f->state.ftol) < 0
        || as_double("xtol", args[XTOL], &f->state.xtol) < 0
        || as_double("gtol", args[GTOL], &f->state.gtol) < 0
        || as_double("factor", args[FACTOR], &f->state.factor) < 0
        || set_maxfev(f, args[MAXFEV]) < 0) {
        return -1;
    }
    f->epsfcn = DBL_EPSILON;
    if (args[EPSFCN] != Py_None) {
        if (as_double("epsfcn", args[EPSFCN], &f->epsfcn) < 0) {
            return -1;
        }
        if (!isfinite(f->epsfcn)) {
            f->state.factor = NAN; /* one improper argument is enough for the core to say so */
        }
    }
    return 0;
}

/* x, from here on the best point so far and in the end the result, starts as a copy of x0. */
static int
set_start(fit *f, PyObject *x0)
{
    PyArrayObject *a = (PyArrayObject *)x0;
    if (is_plain(x0, 1) && PyArray_IS_C_CONTIGUOUS(a)
        && first_nonfinite(PyArray_SIZE(a), PyArray_DATA(a)) < 0) {
        f->x_array = (PyArrayObject *)vector(PyArray_SIZE(a), NPY_DOUBLE, PyArray_DATA(a));
    }
    else {
        f->x_array = (PyArrayObject *)arguments("as_start", "(O)", x0);
    }
    if (f->x_array == NULL) {
        return -1;
    }
    f->x = PyArray_DATA(f->x_array);
    f->n = PyArray_SIZE(f->x_array);
    return 0;
}

static int
set_bounds(fit *f, PyObject *bounds)
{
    if (bounds == Py_None) {
        return 0;
    }
    PyArrayObject *a = (PyArrayObject *)bounds;
    if (!is_plain(bounds, 2) || !PyArray_IS_C_CONTIGUOUS(a) || PyArray_DIM(a, 0) != 2
        || PyArray_DIM(a, 1) != f->n) {
        PyErr_SetString(PyExc_TypeError, "solve() takes bounds as pyminpack._arguments.as_bounds makes them");
        return -1;
    }
    f->bounds_array = (PyArrayObject *)Py_NewRef(bounds);
    f->lower = PyArray_DATA(f->bounds_array);
    f->upper = f->lower + f->n;
    return 0;
}

static int
set_diag(fit *f, PyObject *diag)
{
    if (diag == Py_None) {
        return 0;
    }
    f->diag_array = (PyArrayObject *)arguments("as_diag", "(On)", diag, (Py_ssize_t)f->n);
    f->state.mode = 2;
    return f->diag_array == NULL ? -1 : 0;
}

static PyObject *
result(fit *f)
{
    const int info = f->state.info;
    PyArrayObject *x = f->x_array;
    if (f->fjac_array == NULL) {
        return (info >= 1 && info <= INFO_GTOL) || info == INFO_STOPPED
                   ? Py_BuildValue("Oi", x, info)
                   : Py_BuildValue("OiindLLOOOOO", x, info, f->cause, (Py_ssize_t)f->where,
                                   f->culprit, (long long)f->state.nfev, (long long)f->state.njev, Py_None,
                                   Py_None, Py_None, Py_None, Py_None);
    }
    if (!f->factored) {
        no_factors(f);
    }
    if (f->by_rows) {
        show_factors(f);
    }
    return Py_BuildValue("OiindLLNONNN", x, info, f->cause, (Py_ssize_t)f->where, f->culprit,
                         (long long)f->state.nfev, (long long)f->state.njev,
                         vector(f->m, NPY_DOUBLE, f->fvec), f->fjac_array,
                         vector(f->n, NPY_INT, f->ipvt), vector(f->n, NPY_DOUBLE, f->qtf),
                         covariance(f));
}

/* Call func at the start, and with M known set up the rest. */
static int
begin(fit *f, PyObject *const *args)
{
    PyObject *value = call_user(f, f->func, f->x);
    if (value == NULL) {
        return -1;
    }
    f->state.nfev = 1;
    PyArrayObject *first = as_residuals(value, -1);
    if (first == NULL) {
        Py_DECREF(value);
        return -1;
    }
    f->m = PyArray_SIZE(first);
    int status = -1;
    if (args[EPSFCN] == Py_None && (PyObject *)first != value) {
        PyObject *eps = arguments("residual_eps", "(O)", value);
        f->epsfcn = eps ? PyFloat_AsDouble(eps) : -1.0;
        Py_XDECREF(eps);
    }
    if (PyErr_Occurred()) {
    }
    else if (f->m < f->n) {
        Py_XDECREF(arguments("too_few_residuals", "(nn)", (Py_ssize_t)f->n, (Py_ssize_t)f->m));
    }
    else if (allocate(f) == 0) {
        memcpy(f->f_trial, PyArray_DATA(first), f->m * sizeof(double));
        status = 0;
    }
    Py_DECREF(first);
    Py_DECREF(value);
    return status;
}

static PyObject *
solve(fit *f, PyObject *const *args)
{
    if (set_start(f, args[X0]) < 0 || set_bounds(f, args[BOUNDS]) < 0
        || set_diag(f, args[DIAG]) < 0 || set_options(f, args) < 0
        || begin(f, args) < 0 || iterate(f) < 0) {
        return NULL;
    }
    return result(f);
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
    PyObject *few[8], **call = extra + 2 <= 8 ? few : PyMem_New(PyObject *, extra + 2);
    if (call == NULL) {
        return PyErr_NoMemory();
    }
    call[1] = NULL;
    for (Py_ssize_t i = 0; i < extra; i++) {
        call[i + 2] = PyTuple_GET_ITEM(args[ARGS], i);
    }
    fit f = {
        .func = args[FUNC],
        .dfun = args[DFUN] == Py_None ? NULL : args[DFUN],
        .call = call,
        .ncall = extra + 1,
        .watch = args[WATCH] == Py_None ? NULL : args[WATCH],
        .full_output = full_output,
        .col_deriv = col_deriv,
        .trials_only = trials_only,
    };
    PyObject *outcome = solve(&f, args);
    Py_XDECREF(call[1]);
    Py_XDECREF(f.x_array);
    Py_XDECREF(f.diag_array);
    Py_XDECREF(f.bounds_array);
    Py_XDECREF(f.fjac_array);
    PyMem_RawFree(f.block);
    if (call != few) {
        PyMem_Free(call);
    }
    return outcome;
}
