#include "covariance.h"

#include <math.h>
#include <string.h>

/* The columns of R that belong to variables off their bounds, factorised: how many there are. */
static npy_intp
free_factors(python_fit *f, double *r, int *pivots, int *variables)
{
    const int64_t n = f->fit.n;
    int64_t free = 0;
    for (npy_intp j = 0; j < n; j++) {
        const int k = f->fit.factors.ipvt[j] - 1;
        if (f->fit.x[k] > f->fit.lower[k] && f->fit.x[k] < f->fit.upper[k]) {
            memset(r + free * n, 0, n * sizeof(double));
            memcpy(r + free * n, f->fit.factors.r + j * f->fit.factors.ldr, (j + 1) * sizeof(double));
            variables[free++] = k;
        }
    }
    memset(f->f_trial, 0, n * sizeof(double));
    pyminpack_qrfac(&n, &free, r, &n, f->f_trial, pivots, f->fit.factors.acnorm, f->work.p, f->work.work);
    return free;
}

/* Variances of what is free, given the rest: a variable on its bound has none to tell (NaN), a fixed one
 * is known exactly (0). */
static void
scatter(python_fit *f, const double *among_free, npy_intp free, const int *variables, double *cov_x)
{
    const npy_intp n = f->fit.n;
    for (npy_intp i = 0; i < n; i++) {
        for (npy_intp j = 0; j < n; j++) {
            const int fixed = f->fit.lower[i] == f->fit.upper[i] || f->fit.lower[j] == f->fit.upper[j];
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
off_bounds(const python_fit *f)
{
    if (f->fit.lower != NULL) {
        for (npy_intp j = 0; j < f->fit.n; j++) {
            if (!(f->fit.x[j] > f->fit.lower[j] && f->fit.x[j] < f->fit.upper[j])) {
                return 0;
            }
        }
    }
    return 1;
}

/* (JᵀJ)⁻¹, or None where there is none to give. */
PyObject *
covariance(python_fit *f)
{
    if (f->fit.state.info < 1 || f->fit.state.info > INFO_GTOL) {
        Py_RETURN_NONE;
    }
    npy_intp shape[2] = {f->fit.n, f->fit.n};
    PyArrayObject *cov_x = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_DOUBLE);
    const int all_free = off_bounds(f);
    const int64_t needed = (all_free ? 1 : 3) * f->fit.n * f->fit.n;
    double *own = needed > f->work.scratch_size ? PyMem_RawMalloc(needed * sizeof(double)) : NULL;
    double *work = own ? own : f->work.scratch;
    if (cov_x == NULL || (own == NULL && needed > f->work.scratch_size)) {
        Py_XDECREF(cov_x);
        PyMem_RawFree(own);
        return PyErr_NoMemory();
    }
    double *c = PyArray_DATA(cov_x), *r = f->fit.factors.r;
    int64_t n = f->fit.n, ldr = f->fit.factors.ldr;
    const int *ipvt = f->fit.factors.ipvt;
    int full_rank;
    if (!all_free) {
        r = work + n * n;
        ldr = n;
        n = free_factors(f, r, f->work.pivots, f->work.pivots + n);
        ipvt = f->work.pivots;
        c = r + f->fit.n * f->fit.n;
    }
    gil_let_go(&f->lock, 1.0 * f->fit.n * f->fit.n * f->fit.n);
    pyminpack_covar(&n, r, &ldr, ipvt, c, work, &full_rank);
    gil_take(&f->lock);
    if (!all_free) {
        scatter(f, c, n, f->work.pivots + f->fit.n, PyArray_DATA(cov_x));
    }
    PyMem_RawFree(own);
    if (!full_rank) {
        Py_DECREF(cov_x);
        Py_RETURN_NONE;
    }
    return (PyObject *)cov_x;
}
