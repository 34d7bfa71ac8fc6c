/* solve: the default way from Python into the step core and back.
 *
 * The loop of minpack/step/step.f90 with Python functions as its answers, in C because that is the
 * cheapest place to call them from: a call costs a fresh x and one memcpy, no f2py wrapper. Python
 * code runs between two steps and never below a Fortran frame, so exceptions, signals, recursion and
 * threads need no care: all state is in `fit`, on this call's own stack and heap.
 *
 * Only the common case is handled here: float64 arrays in a plain layout. Everything else, and every
 * error text, is pyminpack.arguments'.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NO_IMPORT_ARRAY
#define PY_ARRAY_UNIQUE_SYMBOL _npy_f2py_ARRAY_API
#include <numpy/arrayobject.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "minpack.h"
#include "solve.h"

/* Below this many floating-point operations, letting other threads in costs more than it gives. */
#define GIL_WORTH 100000.0

/* What went non-finite, for the message of info 9. */
enum { CAUSE_NONE, CAUSE_START, CAUSE_JACOBIAN, CAUSE_TRIAL };

typedef struct {
    PyObject *func, *dfun; /* dfun: NULL for differences */
    PyObject **call;       /* vectorcall: a free slot, x, the extra arguments */
    Py_ssize_t ncall;
    int full_output, col_deriv;
    double epsfcn;
    npy_intp m, n;
    lm_state state;
    double *block; /* the memory behind the pointers below that no array holds */
    double *x, *x_trial, *fvec, *f_trial, *fjac, *qtf, *acnorm, *diag, *p;
    int *ipvt;
    PyArrayObject *x_array, *diag_array;
    PyArrayObject *fjac_array; /* NULL unless full output is wanted */
    int cause;
    npy_intp where; /* index of the culprit in its array; -1: finite, but the norm overflows */
    double culprit;
} fit;

/* pyminpack.arguments.<name>(...): a conversion or an error. */
static PyObject *
arguments(const char *name, const char *format, ...)
{
    PyObject *module = PyImport_ImportModule("pyminpack.arguments");
    if (module == NULL) {
        return NULL;
    }
    PyObject *function = PyObject_GetAttrString(module, name), *result = NULL;
    Py_DECREF(module);
    if (function != NULL) {
        va_list va;
        va_start(va, format);
        PyObject *args = Py_VaBuildValue(format, va);
        va_end(va);
        if (args != NULL) {
            result = PyObject_CallObject(function, args);
            Py_DECREF(args);
        }
        Py_DECREF(function);
    }
    return result;
}

static int
is_plain(PyObject *value, int ndim)
{
    if (!PyArray_CheckExact(value)) {
        return 0;
    }
    PyArrayObject *a = (PyArrayObject *)value;
    return PyArray_TYPE(a) == NPY_DOUBLE && PyArray_NDIM(a) == ndim && PyArray_ISBEHAVED_RO(a);
}

static npy_intp
first_nonfinite(npy_intp count, const double *values)
{
    for (npy_intp i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return i;
        }
    }
    return -1;
}

static PyThreadState *
let_others_in(double operations)
{
    return operations > GIL_WORTH ? PyEval_SaveThread() : NULL;
}

static void
take_back(PyThreadState *saved)
{
    if (saved != NULL) {
        PyEval_RestoreThread(saved);
    }
}

/* function(x, *args) with an x of its own: the callee may write to it or keep it. */
static PyObject *
call_user(fit *f, PyObject *function, const double *x)
{
    if (PyErr_CheckSignals() < 0) { /* a callee in C would never look */
        return NULL;
    }
    PyObject *own = PyArray_SimpleNew(1, &f->n, NPY_DOUBLE);
    if (own == NULL) {
        return NULL;
    }
    memcpy(PyArray_DATA((PyArrayObject *)own), x, f->n * sizeof(double));
    f->call[1] = own;
    PyObject *value = PyObject_Vectorcall(function, f->call + 1,
                                          f->ncall | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(own);
    return value;
}

/* What func returned, as a new reference to a contiguous float64 vector. */
static PyArrayObject *
as_residuals(PyObject *value, npy_intp m)
{
    if (is_plain(value, 1) && PyArray_IS_C_CONTIGUOUS((PyArrayObject *)value)
        && (m < 0 || PyArray_DIM((PyArrayObject *)value, 0) == m)) {
        Py_INCREF(value);
        return (PyArrayObject *)value;
    }
    return (PyArrayObject *)arguments("as_residuals", "(On)", value, (Py_ssize_t)m);
}

static int
evaluate(fit *f, const double *x, double *fvec)
{
    PyObject *value = call_user(f, f->func, x);
    if (value == NULL) {
        return -1;
    }
    PyArrayObject *residuals = as_residuals(value, f->m);
    Py_DECREF(value);
    if (residuals == NULL) {
        return -1;
    }
    memcpy(fvec, PyArray_DATA(residuals), f->m * sizeof(double));
    Py_DECREF(residuals);
    return 0;
}

static int
differences(fit *f)
{
    memcpy(f->x_trial, f->x, f->n * sizeof(double));
    for (npy_intp j = 0; j < f->n; j++) {
        double h = pyminpack_difference_step(f->x[j], f->epsfcn);
        double *column = f->fjac + j * f->m;
        f->x_trial[j] = f->x[j] + h;
        if (evaluate(f, f->x_trial, column) < 0) {
            return -1;
        }
        pyminpack_difference_column(f->m, f->fvec, h, column);
        f->x_trial[j] = f->x[j];
    }
    f->state.nfev += f->n;
    return 0;
}

/* fjac, (n, m) in C order, from the n by m view `source` of what Dfun returned. */
static void
store_jacobian(fit *f, PyArrayObject *source)
{
    const char *data = PyArray_BYTES(source);
    const npy_intp across = PyArray_STRIDE(source, 0), down = PyArray_STRIDE(source, 1);
    if (down == sizeof(double) && across == f->m * (npy_intp)sizeof(double)) {
        memcpy(f->fjac, data, f->m * f->n * sizeof(double));
        return;
    }
    enum { TILE = 64 }; /* rows: a tile of them stays in cache while its columns are gathered */
    for (npy_intp top = 0; top < f->m; top += TILE) {
        npy_intp bottom = top + TILE < f->m ? top + TILE : f->m;
        for (npy_intp j = 0; j < f->n; j++) {
            double *column = f->fjac + j * f->m;
            for (npy_intp i = top; i < bottom; i++) {
                column[i] = *(const double *)(data + j * across + i * down);
            }
        }
    }
}

static int
user_jacobian(fit *f)
{
    PyObject *value = call_user(f, f->dfun, f->x);
    if (value == NULL) {
        return -1;
    }
    PyArrayObject *a = (PyArrayObject *)value, *source;
    if (is_plain(value, 2) && PyArray_DIM(a, !f->col_deriv) == f->n
        && PyArray_DIM(a, f->col_deriv) == f->m) {
        source = (PyArrayObject *)(f->col_deriv ? Py_NewRef(value) : PyArray_Transpose(a, NULL));
    }
    else {
        source = (PyArrayObject *)arguments("as_jacobian", "(Onni)", value, (Py_ssize_t)f->m,
                                            (Py_ssize_t)f->n, f->col_deriv);
    }
    Py_DECREF(value);
    if (source == NULL) {
        return -1;
    }
    store_jacobian(f, source);
    Py_DECREF(source);
    f->state.njev += 1;
    return 0;
}

static void
factorise(fit *f)
{
    PyThreadState *saved = let_others_in(2.0 * f->m * f->n * f->n);
    pyminpack_factorise(f->m, f->n, f->fjac, f->m, f->fvec, f->ipvt, f->qtf, f->acnorm, f->p,
                        f->x_trial, f->f_trial);
    take_back(saved);
}

static void
step(fit *f)
{
    PyThreadState *saved = let_others_in(10.0 * f->n * f->n * f->n);
    pyminpack_lm_step(&f->state, f->n, f->x, f->x_trial, f->fjac, f->m, f->ipvt, f->qtf, f->acnorm,
                      f->diag, f->p, f->f_trial);
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
            if ((f->dfun ? user_jacobian(f) : differences(f)) < 0) {
                return -1;
            }
            factorise(f);
        }
        step(f);
    }
    if (f->state.info == INFO_NONFINITE) {
        blame(f);
    }
    return 0;
}

static int
allocate(fit *f)
{
    const int full_output = f->full_output;
    const size_t m = f->m, n = f->n;
    if (full_output) {
        npy_intp shape[2] = {f->n, f->m};
        f->fjac_array = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_DOUBLE);
        if (f->fjac_array == NULL) {
            return -1;
        }
    }
    /* PyArray_SimpleNew has checked that n m fits; without it, n + 2 times m is checked here. */
    if (m > (SIZE_MAX / sizeof(double) - 8 * n) / (n + 2)) {
        PyErr_NoMemory();
        return -1;
    }
    size_t doubles = 2 * m + 5 * n + (full_output ? 0 : m * n);
    f->block = PyMem_RawMalloc(doubles * sizeof(double) + n * sizeof(int));
    if (f->block == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    double *next = f->block;
    f->x_trial = next;
    f->qtf = next += n;
    f->acnorm = next += n;
    f->p = next += n;
    f->fvec = next += n;
    f->f_trial = next += m;
    next += m;
    if (full_output) {
        f->fjac = PyArray_DATA(f->fjac_array);
    }
    else {
        f->fjac = next;
        next += m * n;
    }
    if (f->diag_array != NULL) {
        f->diag = PyArray_DATA(f->diag_array);
    }
    else {
        f->diag = next;
    }
    f->ipvt = (int *)(next + n);
    return 0;
}

/* The arguments, in the order of the signature. */
enum { FUNC, X0, ARGS, DFUN, FULL_OUTPUT, COL_DERIV, FTOL, XTOL, GTOL, MAXFEV, EPSFCN, FACTOR, DIAG,
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

static PyObject *
vector(npy_intp count, int type, const void *values)
{
    PyObject *a = PyArray_SimpleNew(1, &count, type);
    if (a != NULL && count > 0) {
        memcpy(PyArray_DATA((PyArrayObject *)a), values, PyArray_NBYTES((PyArrayObject *)a));
    }
    return a;
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
set_diag(fit *f, PyObject *diag)
{
    if (diag == Py_None) {
        return 0;
    }
    f->diag_array = (PyArrayObject *)arguments("as_diag", "(On)", diag, (Py_ssize_t)f->n);
    f->state.mode = 2;
    return f->diag_array == NULL ? -1 : 0;
}

/* (JᵀJ)⁻¹, or None where there is none to give. */
static PyObject *
covariance(fit *f)
{
    if (f->state.info < 1 || f->state.info > INFO_GTOL) {
        Py_RETURN_NONE;
    }
    npy_intp shape[2] = {f->n, f->n};
    PyArrayObject *cov_x = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_DOUBLE);
    double *r_inverse = PyMem_RawMalloc(f->n * f->n * sizeof(double));
    if (cov_x == NULL || r_inverse == NULL) {
        Py_XDECREF(cov_x);
        PyMem_RawFree(r_inverse);
        return PyErr_NoMemory();
    }
    const int64_t n = f->n, ldr = f->m;
    int full_rank;
    PyThreadState *saved = let_others_in(1.0 * f->n * f->n * f->n);
    pyminpack_covar(&n, f->fjac, &ldr, f->ipvt, PyArray_DATA(cov_x), r_inverse, &full_rank);
    take_back(saved);
    PyMem_RawFree(r_inverse);
    if (!full_rank) {
        Py_DECREF(cov_x);
        Py_RETURN_NONE;
    }
    return (PyObject *)cov_x;
}

/* Where the fit ended before there was a Jacobian: defined numbers all the same. */
static void
no_factors(fit *f)
{
    memset(f->fjac, 0, f->m * f->n * sizeof(double));
    memset(f->qtf, 0, f->n * sizeof(double));
    for (npy_intp j = 0; j < f->n; j++) {
        f->ipvt[j] = (int)j + 1;
    }
}

static PyObject *
result(fit *f)
{
    const int info = f->state.info;
    PyArrayObject *x = f->x_array;
    if (f->fjac_array == NULL) {
        return info >= 1 && info <= INFO_GTOL
                   ? Py_BuildValue("Oi", x, info)
                   : Py_BuildValue("OiindLLOOOOO", x, info, f->cause, (Py_ssize_t)f->where,
                                   f->culprit, (long long)f->state.nfev, (long long)f->state.njev, Py_None,
                                   Py_None, Py_None, Py_None, Py_None);
    }
    if (f->state.nfev + f->state.njev == 1) {
        no_factors(f);
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
    if (set_start(f, args[X0]) < 0 || set_diag(f, args[DIAG]) < 0 || set_options(f, args) < 0
        || begin(f, args) < 0 || iterate(f) < 0) {
        return NULL;
    }
    return result(f);
}

PyObject *
pyminpack_solve(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != ARGUMENT_COUNT || !PyTuple_Check(args[ARGS])) {
        PyErr_SetString(PyExc_TypeError, "solve() takes 13 arguments, the third of them a tuple");
        return NULL;
    }
    const int full_output = PyObject_IsTrue(args[FULL_OUTPUT]);
    const int col_deriv = PyObject_IsTrue(args[COL_DERIV]);
    if (full_output < 0 || col_deriv < 0) {
        return NULL;
    }
    const Py_ssize_t extra = PyTuple_GET_SIZE(args[ARGS]);
    PyObject *few[8], **call = extra + 2 <= 8 ? few : PyMem_New(PyObject *, extra + 2);
    if (call == NULL) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < extra; i++) {
        call[i + 2] = PyTuple_GET_ITEM(args[ARGS], i);
    }
    fit f = {
        .func = args[FUNC],
        .dfun = args[DFUN] == Py_None ? NULL : args[DFUN],
        .call = call,
        .ncall = extra + 1,
        .full_output = full_output,
        .col_deriv = col_deriv,
    };
    PyObject *outcome = solve(&f, args);
    Py_XDECREF(f.x_array);
    Py_XDECREF(f.diag_array);
    Py_XDECREF(f.fjac_array);
    PyMem_RawFree(f.block);
    if (call != few) {
        PyMem_Free(call);
    }
    return outcome;
}
