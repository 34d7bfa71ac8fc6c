/* Python code runs between two steps and never below a Fortran frame, so exceptions, signals, recursion
 * and threads need no care: all state is in the fit, on its call's own stack and heap. */
#include "functions.h"

#include <string.h>

#include "differences.h"
#include "objects.h"
#include "watch.h"

/* Whether the last callee has let go of its x, and left it as it was made: then the next may have it. */
static int
is_free(const python_fit *f)
{
#ifdef Py_GIL_DISABLED
    (void)f; /* a count of one does not mean the same there */
    return 0;
#else
    PyArrayObject *x = (PyArrayObject *)f->stack[1];
    return x != NULL && Py_REFCNT(x) == 1 && PyArray_NDIM(x) == 1 && PyArray_DIM(x, 0) == f->whole.fit.n
           && PyArray_STRIDE(x, 0) == sizeof(double) && PyArray_TYPE(x) == NPY_DOUBLE
           && PyArray_ISBEHAVED(x) && ((PyArrayObject_fields *)x)->weakreflist == NULL;
#endif
}

PyObject *
call_user(python_fit *f, PyObject *function, const double *x)
{
    /* A callee in C would never look for signals; one in Python does so itself. */
    if (!PyFunction_Check(function) && PyErr_CheckSignals() < 0) {
        return NULL;
    }
    if (!is_free(f)) {
        npy_intp n = f->whole.fit.n;
        Py_XSETREF(f->stack[1], PyArray_SimpleNew(1, &n, NPY_DOUBLE));
        if (f->stack[1] == NULL) {
            return NULL;
        }
    }
    memcpy(PyArray_DATA((PyArrayObject *)f->stack[1]), x, f->whole.fit.n * sizeof(double));
    return PyObject_Vectorcall(function, f->stack + 1, f->nstack | PY_VECTORCALL_ARGUMENTS_OFFSET,
                               NULL);
}

/* fvec := F(x), an lm_function. */
static int
evaluate(void *self, const double *x, double *fvec)
{
    python_fit *f = self;
    PyObject *value = call_user(f, f->func, x);
    if (value == NULL) {
        return -1;
    }
    if (!is_vector(value, f->whole.m)) {
        Py_SETREF(value, (PyObject *)as_residuals(value, f->whole.m));
        if (value == NULL) {
            return -1;
        }
    }
    memcpy(fvec, PyArray_DATA((PyArrayObject *)value), f->whole.m * sizeof(double));
    Py_DECREF(value);
    f->whole.fit.state.nfev += 1;
    return 0;
}

static int
residual(void *self, lm_fit *const *Py_UNUSED(fits), int64_t Py_UNUSED(count))
{
    python_fit *f = self;
    const int64_t m = f->whole.m;
    gil_take(&f->lock);
    if (f->whole.fit.state.iteration > 0 && evaluate(f, f->whole.fit.x_trial, f->whole.f_trial) < 0) {
        return -1;
    }
    f->whole.fit.state.fnorm_trial = lm_enorm(&m, f->whole.f_trial);
    gil_let_go(&f->lock, f->step_operations);
    return 0;
}

/* fjac, (n, m) in C order, from the n by m view `source` of what Dfun returned. */
static void
store_jacobian(python_fit *f, PyArrayObject *source)
{
    const char *data = PyArray_BYTES(source);
    const npy_intp across = PyArray_STRIDE(source, 0), down = PyArray_STRIDE(source, 1);
    for (npy_intp j = 0; j < f->whole.fit.n; j++) {
        double *column = f->whole.fjac + j * f->whole.m;
        if (down == sizeof(double)) {
            memcpy(column, data + j * across, f->whole.m * sizeof(double));
            continue;
        }
        for (npy_intp i = 0; i < f->whole.m; i++) {
            column[i] = *(const double *)(data + j * across + i * down);
        }
    }
}

/* Threads for a reduction by rows, for which the lock is let go: they are from the environment. */
static int
begin_reduction(python_fit *f)
{
    const whole_fit *w = &f->whole;
    const int threads = lm_factor_threads(w->m, w->fit.n);
    gil_let_go(&f->lock, 2.0 * w->m * w->fit.n * w->fit.n);
    return threads;
}

static int
factors_by_differences(python_fit *f)
{
    whole_fit *w = &f->whole;
    const int64_t before = w->fit.state.nfev;
    if (lm_differences(&w->fit, w->m, w->fvec, w->epsfcn, w->fjac, w->m, evaluate, f) < 0) {
        return -1;
    }
    lm_count_differences(&w->fit.state, w->trials_only, w->fit.state.nfev - before);
    lm_whole_factor(w, w->by_rows ? begin_reduction(f) : 1);
    return 0;
}

static int
factors_by_user(python_fit *f)
{
    whole_fit *w = &f->whole;
    PyObject *value = call_user(f, f->dfun, w->fit.x);
    if (value == NULL) {
        return -1;
    }
    PyArrayObject *source = as_jacobian(value, w->m, w->fit.n, f->col_deriv);
    Py_DECREF(value);
    if (source == NULL) {
        return -1;
    }
    w->fit.state.njev += 1;
    if (w->by_rows) { /* read once and never copied */
        const int threads = begin_reduction(f);
        w->factored = 1;
        lm_factor_whole(&w->fit.factors, w->m, w->fit.n, PyArray_DATA(source),
                        PyArray_STRIDE(source, 1) / sizeof(double), PyArray_STRIDE(source, 0) / sizeof(double),
                        w->fvec, w->work.scratch, threads);
        gil_take(&f->lock);
    }
    else {
        store_jacobian(f, source);
        lm_whole_factor(w, 1);
    }
    Py_DECREF(source);
    return 0;
}

static int
jacobian(void *self, lm_fit *const *Py_UNUSED(fits), int64_t Py_UNUSED(count))
{
    python_fit *f = self;
    gil_take(&f->lock);
    if ((f->dfun != NULL ? factors_by_user(f) : factors_by_differences(f)) < 0) {
        return -1;
    }
    gil_let_go(&f->lock, f->step_operations);
    return 0;
}

static int
moved(void *self, lm_fit *const *Py_UNUSED(fits), int64_t Py_UNUSED(count))
{
    python_fit *f = self;
    lm_whole_swap(&f->whole);
    if (f->watch == NULL || f->whole.fit.state.iteration == 1) { /* the start is no news */
        return 0;
    }
    gil_take(&f->lock);
    return tell(f->watch, &f->whole);
}

int
run_python_fit(python_fit *f)
{
    const double n = (double)f->whole.fit.n;
    f->step_operations = 10.0 * n * n * n;
    const lm_evaluator evaluator = {f, residual, jacobian, moved};
    const int status = lm_whole_run(&f->whole, &evaluator);
    gil_take(&f->lock);
    return status;
}
