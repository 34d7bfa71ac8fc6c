/* The Jacobian at x and its factors: evaluate and factor of the design.
 *
 * A small J is stored by columns and factorised in place. A larger one is reduced by blocks of rows
 * where it lies, in the user's own array if it is the user's: it is read once and never copied.
 *
 * ROWS_WORTH: elements of J from which the reduction by rows is no slower; 250 x 4 takes 1.8 us in place
 * and 2.8 by rows, 1000 x 3 3.7 and 3.5, 2000 x 10 40 and 29 (AVX-512). PIVOT_WORTH: order of R from
 * which it is pivoted by blocks (pivot.f90) and not by qrfac.
 */
#include "fit.h"

#include <math.h>
#include <string.h>

#include "halves.h"
#include "variants.h"

/* Below this many floating-point operations, letting other threads in costs more than it gives. */
#define GIL_WORTH 100000.0

PyThreadState *
let_others_in(double operations)
{
    return operations > GIL_WORTH ? PyEval_SaveThread() : NULL;
}

void
take_back(PyThreadState *saved)
{
    if (saved != NULL) {
        PyEval_RestoreThread(saved);
    }
}

npy_intp
first_nonfinite(npy_intp count, const double *values)
{
    for (npy_intp i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return i;
        }
    }
    return -1;
}

/* Where there are no factors to show: defined numbers all the same. */
void
no_factors(fit *f)
{
    for (npy_intp j = 0; j < f->n; j++) {
        memset(f->r + j * f->ldr, 0, f->ldr * sizeof(double));
        f->qtf[j] = 0.0;
        f->ipvt[j] = (int)j + 1;
    }
}

static int
differences(fit *f)
{
    memcpy(f->x_trial, f->x, f->n * sizeof(double));
    for (npy_intp j = 0; j < f->n; j++) {
        double h = pyminpack_difference_step(f->x[j], f->epsfcn);
        double *column = f->fjac + j * f->m;
        if (f->lower != NULL) {
            h = pyminpack_step_within(h, f->x[j], f->lower[j], f->upper[j]);
        }
        if (h == 0.0) { /* fixed: not to be known, nor needed */
            memset(column, 0, f->m * sizeof(double));
            continue;
        }
        f->x_trial[j] = f->x[j] + h;
        if (f->lower != NULL) { /* x + (bound - x) may round past the bound */
            f->x_trial[j] = fmin(fmax(f->x_trial[j], f->lower[j]), f->upper[j]);
        }
        if (evaluate(f, f->x_trial, column) < 0) {
            return -1;
        }
        f->state.nfev += 1;
        if (f->trials_only && f->state.maxfev < INT64_MAX) { /* the limit moves along */
            f->state.maxfev += 1;
        }
        pyminpack_difference_column(f->m, f->fvec, h, column);
        f->x_trial[j] = f->x[j];
    }
    return 0;
}

/* fjac, (n, m) in C order, from the n by m view `source` of what Dfun returned. */
static void
store_jacobian(fit *f, PyArrayObject *source)
{
    const char *data = PyArray_BYTES(source);
    const npy_intp across = PyArray_STRIDE(source, 0), down = PyArray_STRIDE(source, 1);
    for (npy_intp j = 0; j < f->n; j++) {
        double *column = f->fjac + j * f->m;
        if (down == sizeof(double)) {
            memcpy(column, data + j * across, f->m * sizeof(double));
            continue;
        }
        for (npy_intp i = 0; i < f->m; i++) {
            column[i] = *(const double *)(data + j * across + i * down);
        }
    }
}

static void
factorise_in_place(fit *f)
{
    f->factored = 1;
    pyminpack_factor_in_place(f->m, f->n, f->fjac, f->fvec, f->ipvt, f->qtf, f->acnorm, f->p,
                              f->x_trial, f->f_trial);
}

/* The first column that is not finite is all that the step core needs to know of such a J. */
static void
mark_nonfinite(fit *f, const double *a, npy_intp row_stride, npy_intp column_stride)
{
    for (npy_intp j = 0; j < f->n; j++) {
        f->acnorm[j] = 0.0;
        for (npy_intp i = 0; i < f->m; i++) {
            if (!isfinite(a[i * row_stride + j * column_stride])) {
                f->acnorm[j] = NAN;
                return;
            }
        }
    }
    f->acnorm[0] = NAN; /* another thread has mended J meanwhile; what was reduced was not finite */
}

/* R, qtf and acnorm of J where it lies, at any strides (in numbers, not negative); J is only read. */
static void
factorise_by_rows(fit *f, const double *a, npy_intp row_stride, npy_intp column_stride)
{
    f->factored = 1;
    const int threads = pyminpack_reduction_threads(f->m, f->n);
    PyThreadState *saved = let_others_in(2.0 * f->m * f->n * f->n);
    if (!pyminpack_reduce_rows(f->m, f->n, a, row_stride, column_stride, f->fvec, f->scratch, threads)) {
        mark_nonfinite(f, a, row_stride, column_stride);
        no_factors(f);
    }
    else {
        pyminpack_rows_finish(f->n, f->scratch, f->r, f->qtf, f->acnorm);
        if (f->n < PIVOT_WORTH) {
            const int64_t n = f->n;
            pyminpack_qrfac(&n, &n, f->r, &n, f->qtf, f->ipvt, f->f_trial, f->p, f->x_trial);
        }
        else {
            pyminpack_pivot(f->n, f->r, f->qtf, f->ipvt, f->scratch);
        }
    }
    take_back(saved);
}

int
difference_factors(fit *f)
{
    if (differences(f) < 0) {
        return -1;
    }
    if (f->by_rows) {
        factorise_by_rows(f, f->fjac, 1, f->m);
    }
    else {
        factorise_in_place(f);
    }
    return 0;
}

int
user_factors(fit *f)
{
    PyObject *value = call_user(f, f->dfun, f->x);
    if (value == NULL) {
        return -1;
    }
    PyArrayObject *source = as_jacobian(f, value);
    Py_DECREF(value);
    if (source == NULL) {
        return -1;
    }
    f->state.njev += 1;
    if (f->by_rows) {
        factorise_by_rows(f, PyArray_DATA(source), PyArray_STRIDE(source, 1) / sizeof(double),
                          PyArray_STRIDE(source, 0) / sizeof(double));
    }
    else {
        store_jacobian(f, source);
        factorise_in_place(f);
    }
    Py_DECREF(source);
    return 0;
}

/* The columns of R that belong to variables off their bounds, factorised: how many there are. */
static npy_intp
free_factors(fit *f, double *r, int *pivots, int *variables)
{
    const int64_t n = f->n;
    int64_t free = 0;
    for (npy_intp j = 0; j < n; j++) {
        const int k = f->ipvt[j] - 1;
        if (f->x[k] > f->lower[k] && f->x[k] < f->upper[k]) {
            memset(r + free * n, 0, n * sizeof(double));
            memcpy(r + free * n, f->r + j * f->ldr, (j + 1) * sizeof(double));
            variables[free++] = k;
        }
    }
    memset(f->f_trial, 0, n * sizeof(double));
    pyminpack_qrfac(&n, &free, r, &n, f->f_trial, pivots, f->acnorm, f->p, f->x_trial);
    return free;
}

/* Variances of what is free, given the rest: a variable on its bound has none to tell (NaN), a fixed one
 * is known exactly (0). */
static void
scatter(fit *f, const double *among_free, npy_intp free, const int *variables, double *cov_x)
{
    const npy_intp n = f->n;
    for (npy_intp i = 0; i < n; i++) {
        for (npy_intp j = 0; j < n; j++) {
            const int fixed = f->lower[i] == f->upper[i] || f->lower[j] == f->upper[j];
            cov_x[i * n + j] = fixed ? 0.0 : NAN;
        }
    }
    for (npy_intp i = 0; i < free; i++) {
        for (npy_intp j = 0; j < free; j++) {
            cov_x[variables[i] * n + variables[j]] = among_free[i * free + j];
        }
    }
}

static int
off_bounds(const fit *f)
{
    if (f->lower != NULL) {
        for (npy_intp j = 0; j < f->n; j++) {
            if (!(f->x[j] > f->lower[j] && f->x[j] < f->upper[j])) {
                return 0;
            }
        }
    }
    return 1;
}

/* (JᵀJ)⁻¹, or None where there is none to give. */
PyObject *
covariance(fit *f)
{
    if (f->state.info < 1 || f->state.info > INFO_GTOL) {
        Py_RETURN_NONE;
    }
    npy_intp shape[2] = {f->n, f->n};
    PyArrayObject *cov_x = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_DOUBLE);
    const int all_free = off_bounds(f);
    const int64_t needed = (all_free ? 1 : 3) * f->n * f->n;
    double *own = needed > f->scratch_size ? PyMem_RawMalloc(needed * sizeof(double)) : NULL;
    double *work = own ? own : f->scratch;
    if (cov_x == NULL || (own == NULL && needed > f->scratch_size)) {
        Py_XDECREF(cov_x);
        PyMem_RawFree(own);
        return PyErr_NoMemory();
    }
    double *c = PyArray_DATA(cov_x), *r = f->r;
    int64_t n = f->n, ldr = f->ldr;
    const int *ipvt = f->ipvt;
    int full_rank;
    if (!all_free) {
        r = work + n * n;
        ldr = n;
        n = free_factors(f, r, f->pivots, f->pivots + n);
        ipvt = f->pivots;
        c = r + f->n * f->n;
    }
    PyThreadState *saved = let_others_in(1.0 * f->n * f->n * f->n);
    pyminpack_covar(&n, r, &ldr, ipvt, c, work, &full_rank);
    take_back(saved);
    if (!all_free) {
        scatter(f, c, n, f->pivots + f->n, PyArray_DATA(cov_x));
    }
    PyMem_RawFree(own);
    if (!full_rank) {
        Py_DECREF(cov_x);
        Py_RETURN_NONE;
    }
    return (PyObject *)cov_x;
}

/* R in the upper triangle of the m by n array that the user gets, zeros below. */
void
show_factors(fit *f)
{
    double *fjac = PyArray_DATA(f->fjac_array);
    if (f->fjac != NULL) {
        memset(fjac, 0, f->m * f->n * sizeof(double));
    }
    for (npy_intp j = 0; j < f->n; j++) {
        memcpy(fjac + j * f->m, f->r + j * f->n, (j + 1) * sizeof(double));
    }
}
