/* One fit in progress, and what the parts of the driver do with it. */
#ifndef PYMINPACK_FIT_H
#define PYMINPACK_FIT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NO_IMPORT_ARRAY
#define PY_ARRAY_UNIQUE_SYMBOL _npy_f2py_ARRAY_API
#include <numpy/arrayobject.h>

#include "minpack.h"

/* What went non-finite, for the message of info 9. */
enum { CAUSE_NONE, CAUSE_START, CAUSE_JACOBIAN, CAUSE_TRIAL };

typedef struct {
    PyObject *func, *dfun; /* dfun: NULL for differences */
    PyObject **call;       /* vectorcall: a free slot, x, the extra arguments */
    Py_ssize_t ncall;
    int full_output, col_deriv, factored;
    int trials_only; /* maxfev is a limit on trial points: differences are not counted */
    double epsfcn;
    npy_intp m, n;
    lm_state state;
    double *block; /* the memory behind the pointers below that no array holds */
    double *x, *x_trial, *fvec, *f_trial, *qtf, *acnorm, *diag, *p;
    double *fjac;    /* J by columns; NULL where it is reduced as it comes from Dfun */
    double *r;       /* R in its upper triangle: fjac, or of order n where J is reduced by rows */
    double *scratch; /* work of the blocked routines, one at a time */
    int64_t ldr, scratch_size;
    int by_rows;
    int *ipvt;
    double *lower, *upper, *box; /* NULL without bounds */
    PyObject *watch;             /* called at each new point; NULL: nobody */
    PyArrayObject *bounds_array;
    int *pivots;
    PyArrayObject *x_array, *diag_array;
    PyArrayObject *fjac_array; /* NULL unless full output is wanted */
    int cause;
    npy_intp where; /* index of the culprit in its array; -1: finite, but the norm overflows */
    double culprit;
} fit;

/* callbacks.c: from Python objects to numbers. Errors are set where they return NULL or -1. */
PyObject *arguments(const char *name, const char *format, ...);
int is_plain(PyObject *value, int ndim);
PyObject *call_user(fit *f, PyObject *function, const double *x);
PyArrayObject *as_residuals(PyObject *value, npy_intp m);
int evaluate(fit *f, const double *x, double *fvec);
PyArrayObject *as_jacobian(fit *f, PyObject *value);

/* factors.c: J at x into r, ipvt, qtf, acnorm; and what the user sees of them. */
enum { ROWS_WORTH = 1000, PIVOT_WORTH = 48 };
int difference_factors(fit *f);
int user_factors(fit *f);
void no_factors(fit *f);
void show_factors(fit *f);
PyObject *covariance(fit *f);
npy_intp first_nonfinite(npy_intp count, const double *values);
PyThreadState *let_others_in(double operations);
void take_back(PyThreadState *saved);

#endif
