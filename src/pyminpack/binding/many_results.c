#include "many_results.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* With a negative ier: what the function has returned is another number, -1 or one below the range of ier. */
enum { WHY_SHOWN = 1 };

static void *
array_data(PyObject *arrays, int k)
{
    PyObject *item = PyTuple_GET_ITEM(arrays, k);
    return item == Py_None ? NULL : PyArray_DATA((PyArrayObject *)item);
}

void
many_results_read(many_results *r, PyObject *arrays)
{
    r->popt = array_data(arrays, MANY_POPT);
    r->stderr_ = array_data(arrays, MANY_STDERR);
    r->pcov = array_data(arrays, MANY_PCOV);
    r->cost = array_data(arrays, MANY_COST);
    r->nfev = array_data(arrays, MANY_NFEV);
    r->ier = array_data(arrays, MANY_IER);
    r->why = array_data(arrays, MANY_WHY);
}

void
many_results_plan(lm_plan *plan, many_results *r, int64_t n)
{
    lm_plan_doubles(plan, &r->covariance, n * n);
    lm_plan_doubles(plan, &r->covariance_work, (2 * n + 5) * n);
    lm_plan_ints(plan, &r->pivots, 2 * n);
}

static npy_int32
as_nfev(int64_t calls)
{
    return calls > NPY_MAX_INT32 ? NPY_MAX_INT32 : (npy_int32)calls;
}

static void
record(const many_results *r, int64_t n, int64_t number, const double *x, int ier, int why, int64_t nfev, double fnorm)
{
    /* -1 is who has not ended. */
    const int shown = ier >= 0 ? ier : ier < NPY_MIN_INT8 ? NPY_MIN_INT8 : ier == -1 ? -2 : ier;
    memcpy(r->popt + number * n, x, n * sizeof(double));
    r->cost[number] = 0.5 * fnorm * fnorm;
    r->nfev[number] = as_nfev(nfev);
    r->why[number] = (npy_int8)(shown == ier ? why : WHY_SHOWN);
    for (int64_t j = 0; j < n; j++) {
        r->stderr_[number * n + j] = HUGE_VAL;
    }
    for (int64_t j = 0; r->pcov != NULL && j < n * n; j++) {
        r->pcov[number * n * n + j] = HUGE_VAL;
    }
    r->ier[number] = (npy_int8)shown;
}

void
many_record_unfit(const many_results *r, int64_t n, int64_t number, const double *x0, int why)
{
    record(r, n, number, x0, INFO_IMPROPER, why, 0, NAN);
}

/* Why the standard errors may be wrong of a fit that has converged with this covariance: minpack/step/doubt.f90. */
static int
doubt(const many *b, const many_fit *fit, const double *covariance)
{
    const lm_fit *f = &fit->fit;
    const double error = fmax(b->epsfcn, DBL_EPSILON), fnorm = f->state.fnorm;
    const double norm = fit->data_norm > 0.0 ? fit->data_norm : fnorm > 0.0 ? fnorm : 1.0;
    return lm_doubt(fit->count, f->n, f->factors.r, f->factors.ldr, f->factors.ipvt, f->x, f->factors.qtf, covariance,
                    fnorm, norm, b->dfun == NULL ? sqrt(error) : 0.0, error);
}

/* The covariance of a fit that has converged, where there is one. */
static void
record_covariance(const many_results *r, const many *b, const many_fit *fit)
{
    const lm_fit *f = &fit->fit;
    const int64_t n = f->n, freedom = fit->count - r->free;
    double *c = r->pcov == NULL ? r->covariance : r->pcov + fit->number * n * n;
    int full_rank = 0;
    const int wanted = r->absolute ? freedom >= 0 : freedom > 0;
    if (wanted) {
        lm_covariance(n, f->factors.r, f->factors.ldr, f->factors.ipvt, c, &full_rank, r->covariance_work,
                      r->pivots, f->x, f->lower, f->upper);
    }
    const double deviation = r->absolute ? 1.0 : f->state.fnorm / sqrt((double)freedom);
    if (wanted && b->is_model) {
        r->why[fit->number] = (npy_int8)(full_rank ? doubt(b, fit, c) : DOUBT_NOISE);
    }
    if (full_rank) {
        for (int64_t j = 0; j < n; j++) {
            r->stderr_[fit->number * n + j] = deviation * sqrt(c[j * n + j]);
        }
    }
    for (int64_t j = 0; r->pcov != NULL && j < n * n; j++) {
        c[j] = full_rank ? c[j] * (deviation * deviation) : HUGE_VAL;
    }
}

int
many_record(const many_results *r, const many *b, const many_fit *fit)
{
    const lm_fit *f = &fit->fit;
    const int info = f->state.info, converged = info >= INFO_FTOL && info <= INFO_GTOL;
    const int at_end = fit->is_taken_on && info >= INFO_FTOL_SMALL && info <= INFO_GTOL_SMALL;
    if (fit->is_taken_on && !converged && !at_end) {
        r->nfev[fit->number] = as_nfev(f->state.nfev);
        return DOUBT_UNFINISHED;
    }
    record(r, f->n, fit->number, f->x, fit->is_taken_on ? r->ier[fit->number] : info, lm_cause(f), f->state.nfev,
           f->state.fnorm);
    if (!converged && !at_end) {
        return DOUBT_NONE;
    }
    record_covariance(r, b, fit);
    return r->why[fit->number];
}
