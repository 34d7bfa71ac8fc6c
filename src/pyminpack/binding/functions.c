/* Python code runs between two steps and never below a Fortran frame, so exceptions, signals, recursion
 * and threads need no care: all state is in the fit, on its call's own stack and heap. */
#include "functions.h"

#include <string.h>

#include "differences.h"
#include "objects.h"

/* Whether the last callee has let go of its x, and left it as it was made: then the next may have it. */
static int
is_free(const python_fit *f)
{
#ifdef Py_GIL_DISABLED
    (void)f; /* a count of one does not mean the same there */
    return 0;
#else
    PyArrayObject *x = (PyArrayObject *)f->stack[1];
    return x != NULL && Py_REFCNT(x) == 1 && PyArray_NDIM(x) == 1 && PyArray_DIM(x, 0) == f->fit.n
           && PyArray_STRIDE(x, 0) == sizeof(double) && PyArray_TYPE(x) == NPY_DOUBLE
           && PyArray_ISBEHAVED(x) && ((PyArrayObject_fields *)x)->weakreflist == NULL;
#endif
}

PyObject *
call_user(python_fit *f, PyObject *function, const double *x)
{
    if (PyErr_CheckSignals() < 0) { /* a callee in C would never look */
        return NULL;
    }
    if (!is_free(f)) {
        npy_intp n = f->fit.n;
        Py_XSETREF(f->stack[1], PyArray_SimpleNew(1, &n, NPY_DOUBLE));
        if (f->stack[1] == NULL) {
            return NULL;
        }
    }
    memcpy(PyArray_DATA((PyArrayObject *)f->stack[1]), x, f->fit.n * sizeof(double));
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
    if (!is_vector(value, f->m)) {
        Py_SETREF(value, (PyObject *)as_residuals(value, f->m));
        if (value == NULL) {
            return -1;
        }
    }
    memcpy(fvec, PyArray_DATA((PyArrayObject *)value), f->m * sizeof(double));
    Py_DECREF(value);
    f->fit.state.nfev += 1;
    return 0;
}

static int
residual(void *self, lm_fit *const *Py_UNUSED(fits), int64_t Py_UNUSED(count))
{
    python_fit *f = self;
    const int64_t m = f->m;
    gil_take(&f->lock);
    if (f->fit.state.iteration > 0 && evaluate(f, f->fit.x_trial, f->f_trial) < 0) {
        return -1;
    }
    f->fit.state.fnorm_trial = pyminpack_enorm(&m, f->f_trial);
    gil_let_go(&f->lock, f->step_operations);
    return 0;
}

/* fjac, (n, m) in C order, from the n by m view `source` of what Dfun returned. */
static void
store_jacobian(python_fit *f, PyArrayObject *source)
{
    const char *data = PyArray_BYTES(source);
    const npy_intp across = PyArray_STRIDE(source, 0), down = PyArray_STRIDE(source, 1);
    for (npy_intp j = 0; j < f->fit.n; j++) {
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
factor_in_place(python_fit *f)
{
    f->factored = 1;
    lm_factor_in_place(&f->fit.factors, f->m, f->fit.n, f->fjac, f->fvec, f->work.p, f->work.work,
                       f->f_trial);
}

static void
factor_by_rows(python_fit *f, const double *j, npy_intp row_stride, npy_intp column_stride)
{
    const npy_intp m = f->m, n = f->fit.n;
    const int threads = lm_factor_threads(m, n); /* from the environment: under the lock */
    f->factored = 1;
    gil_let_go(&f->lock, 2.0 * m * n * n);
    lm_factor_whole(&f->fit.factors, m, n, j, row_stride, column_stride, f->fvec, f->work.scratch, threads);
}

static int
factors_by_differences(python_fit *f)
{
    lm_state *state = &f->fit.state;
    const int64_t before = state->nfev;
    if (lm_differences(&f->fit, f->m, f->fvec, f->epsfcn, f->fjac, f->m, evaluate, f) < 0) {
        return -1;
    }
    if (f->trials_only && state->maxfev < INT64_MAX - f->fit.n) { /* the limit moves along */
        state->maxfev += state->nfev - before;
    }
    if (f->by_rows) {
        factor_by_rows(f, f->fjac, 1, f->m);
    }
    else {
        factor_in_place(f);
    }
    return 0;
}

static int
factors_by_user(python_fit *f)
{
    PyObject *value = call_user(f, f->dfun, f->fit.x);
    if (value == NULL) {
        return -1;
    }
    PyArrayObject *source = as_jacobian(value, f->m, f->fit.n, f->col_deriv);
    Py_DECREF(value);
    if (source == NULL) {
        return -1;
    }
    f->fit.state.njev += 1;
    if (f->by_rows) { /* read once and never copied */
        factor_by_rows(f, PyArray_DATA(source), PyArray_STRIDE(source, 1) / sizeof(double),
                       PyArray_STRIDE(source, 0) / sizeof(double));
        gil_take(&f->lock);
    }
    else {
        store_jacobian(f, source);
        factor_in_place(f);
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

static void
swap(python_fit *f)
{
    double *accepted = f->f_trial;
    f->f_trial = f->fvec;
    f->fvec = accepted;
}

/* Tell the watcher of a new point; its StopIteration ends the fit, unless that has just converged;
 * anything else is an error. */
static int
show(python_fit *f)
{
    const lm_state *state = &f->fit.state;
    PyObject *x = vector(f->fit.n, NPY_DOUBLE, f->fit.x), *fvec = vector(f->m, NPY_DOUBLE, f->fvec);
    PyObject *answer = x && fvec ? PyObject_CallFunction(f->watch, "OOLLd", x, fvec,
                                                         (long long)state->nfev,
                                                         (long long)state->iteration - 1,
                                                         state->delta)
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
    if (state->request != REQUEST_STOP || state->info > INFO_GTOL) {
        lm_end(&f->fit, INFO_STOPPED);
    }
    return 0;
}

static int
moved(void *self, lm_fit *const *Py_UNUSED(fits), int64_t Py_UNUSED(count))
{
    python_fit *f = self;
    swap(f);
    if (f->watch == NULL || f->fit.state.iteration == 1) { /* the start is no news */
        return 0;
    }
    gil_take(&f->lock);
    return show(f);
}

int
run_python_fit(python_fit *f)
{
    const double n = (double)f->fit.n;
    f->step_operations = 10.0 * n * n * n;
    lm_fit *fits[1] = {&f->fit};
    const lm_evaluator evaluator = {f, residual, jacobian, moved};
    const int status = lm_run(fits, 1, &evaluator, &f->work);
    gil_take(&f->lock);
    if (f->fit.state.iteration == 0) { /* improper input */
        swap(f);
    }
    return status;
}
