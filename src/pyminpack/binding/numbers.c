#include "numbers.h"

#include <stddef.h>

#include "objects.h"

#define AT(name) offsetof(lm_state, name)

static const size_t doubles[] = {
    AT(ftol),  AT(xtol),  AT(gtol), AT(factor), AT(fnorm_trial), AT(fnorm),   AT(xnorm), AT(pnorm),
    AT(gnorm), AT(delta), AT(par),  AT(prered), AT(dirder),      AT(longest), AT(size),  AT(best_fnorm),
};
static const size_t longs[] = {AT(maxfev), AT(nfev), AT(njev), AT(iteration), AT(attempt_maxfev)};
static const size_t ints[] = {
    AT(mode),     AT(request), AT(info),  AT(accepted), AT(nonfinite_trial), AT(at_start),
    AT(squeezed), AT(walls),   AT(phase), AT(attempt),  AT(best_info),       AT(predicted),
};

enum { DOUBLES = sizeof doubles / sizeof *doubles, LONGS = sizeof longs / sizeof *longs,
       INTS = sizeof ints / sizeof *ints };
_Static_assert(sizeof(lm_state) == 8 * (DOUBLES + LONGS) + sizeof(int) * INTS,
               "a field of lm_state that is not listed here");

/* The vectors of a fit, and how many numbers they hold. */
enum { VECTORS = 7 };
typedef struct {
    double *numbers[VECTORS];
    npy_intp count[VECTORS];
} vectors;

static vectors
all_vectors(const lm_fit *fit)
{
    const npy_intp n = fit->n;
    const lm_factors *factors = &fit->factors;
    return (vectors){
        {fit->x, fit->x_trial, fit->diag, factors->qtf, factors->acnorm, factors->r, fit->inside},
        {n, n, n, n, n, n * n, fit->lower == NULL ? 0 : LM_INSIDE * n},
    };
}

static npy_intp
real_count(const lm_fit *fit)
{
    const vectors all = all_vectors(fit);
    npy_intp count = DOUBLES;
    for (int i = 0; i < VECTORS; i++) {
        count += all.count[i];
    }
    return count;
}

PyObject *
fit_numbers(const lm_fit *fit)
{
    npy_intp reals_size = real_count(fit), integers_size = LONGS + INTS + fit->n;
    PyObject *reals = PyArray_SimpleNew(1, &reals_size, NPY_DOUBLE);
    PyObject *integers = PyArray_SimpleNew(1, &integers_size, NPY_INT64);
    if (reals == NULL || integers == NULL) {
        Py_XDECREF(reals);
        Py_XDECREF(integers);
        return NULL;
    }
    const char *state = (const char *)&fit->state;
    double *real = PyArray_DATA((PyArrayObject *)reals);
    int64_t *integer = PyArray_DATA((PyArrayObject *)integers);
    for (int i = 0; i < DOUBLES; i++) {
        *real++ = *(const double *)(state + doubles[i]);
    }
    const vectors all = all_vectors(fit);
    for (int i = 0; i < VECTORS; i++) {
        for (npy_intp k = 0; k < all.count[i]; k++) {
            *real++ = all.numbers[i][k];
        }
    }
    for (int i = 0; i < LONGS; i++) {
        *integer++ = *(const int64_t *)(state + longs[i]);
    }
    for (int i = 0; i < INTS; i++) {
        *integer++ = *(const int *)(state + ints[i]);
    }
    for (npy_intp i = 0; i < fit->n; i++) {
        *integer++ = fit->factors.ipvt[i];
    }
    return Py_BuildValue("NN", reals, integers);
}

/* Whether a pivot of it would lead out of memory, or a request be none. */
static int
is_sound(const lm_fit *fit, const int64_t *integer)
{
    for (int i = 0; i < INTS; i++) {
        const int64_t value = integer[LONGS + i];
        const int64_t last = ints[i] == AT(request) ? REQUEST_STOP : INT8_MAX;
        if (value < 0 || value > last) {
            return 0;
        }
    }
    for (npy_intp i = 0; i < fit->n; i++) {
        if (integer[LONGS + INTS + i] < 1 || integer[LONGS + INTS + i] > fit->n) {
            return 0;
        }
    }
    return 1;
}

int
fit_restore(lm_fit *fit, PyObject *reals, PyObject *integers)
{
    const PyArrayObject *a = (PyArrayObject *)integers;
    const int right = is_vector(reals, real_count(fit)) && PyArray_CheckExact(integers)
                      && PyArray_TYPE(a) == NPY_INT64 && PyArray_NDIM(a) == 1 && PyArray_ISCARRAY_RO(a)
                      && PyArray_DIM(a, 0) == LONGS + INTS + fit->n && is_sound(fit, PyArray_DATA(a));
    if (!right) {
        PyErr_SetString(PyExc_ValueError, "These are not the numbers of a fit of as many variables, with bounds or "
                                          "without them as this one.");
        return -1;
    }
    char *state = (char *)&fit->state;
    const double *real = PyArray_DATA((PyArrayObject *)reals);
    const int64_t *integer = PyArray_DATA(a);
    for (int i = 0; i < DOUBLES; i++) {
        *(double *)(state + doubles[i]) = *real++;
    }
    const vectors all = all_vectors(fit);
    for (int i = 0; i < VECTORS; i++) {
        for (npy_intp k = 0; k < all.count[i]; k++) {
            all.numbers[i][k] = *real++;
        }
    }
    for (int i = 0; i < LONGS; i++) {
        *(int64_t *)(state + longs[i]) = *integer++;
    }
    for (int i = 0; i < INTS; i++) {
        *(int *)(state + ints[i]) = (int)*integer++;
    }
    for (npy_intp i = 0; i < fit->n; i++) {
        fit->factors.ipvt[i] = (int)*integer++;
    }
    return 0;
}
