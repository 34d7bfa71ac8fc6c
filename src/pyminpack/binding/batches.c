#include "batches.h"

#include <math.h>
#include <string.h>

#include "differences.h"
#include "objects.h"

/* function(X, *rows, *args), with X and rows as they have been gathered for `fits`, `copies` times over. */
typedef struct {
    PyObject *x;
    PyObject *rows[MANY_MAX_DATA];
    int64_t points;
} question;

static void
forget(question *q, int ndata)
{
    Py_CLEAR(q->x);
    for (int k = 0; k < ndata; k++) {
        Py_CLEAR(q->rows[k]);
    }
}

/* An array of the fits' rows of data number k, `copies` times over, that nobody is to write to. */
static PyObject *
gather_rows(const many *b, int k, lm_fit *const *fits, int64_t count, int64_t copies)
{
    PyArray_Descr *descr = PyArray_DESCR(b->data[k]);
    npy_intp shape[NPY_MAXDIMS];
    const int ndim = PyArray_NDIM(b->data[k]);
    memcpy(shape, PyArray_DIMS(b->data[k]), ndim * sizeof *shape);
    shape[0] = count * copies;
    Py_INCREF(descr);
    PyObject *rows = PyArray_NewFromDescr(&PyArray_Type, descr, ndim, shape, NULL, NULL, 0, NULL);
    if (rows == NULL) {
        return NULL;
    }
    const size_t size = b->row_size[k];
    char *to = PyArray_BYTES((PyArrayObject *)rows);
    for (int64_t i = 0; i < count; i++) {
        memcpy(to + i * size, ((many_fit *)fits[i])->rows[k], size);
    }
    for (int64_t i = 1; i < copies; i++) {
        memcpy(to + i * count * size, to, count * size);
    }
    PyArray_CLEARFLAGS((PyArrayObject *)rows, NPY_ARRAY_WRITEABLE);
    return rows;
}

/* Room for X, and the rows that go with it. */
static int
prepare(const many *b, question *q, lm_fit *const *fits, int64_t count, int64_t copies)
{
    npy_intp shape[2] = {count * copies, b->n};
    Py_XSETREF(q->x, PyArray_SimpleNew(2, shape, NPY_DOUBLE));
    if (q->x == NULL) {
        return -1;
    }
    if (q->points == count * copies) { /* the rows of the last call will do */
        return 0;
    }
    q->points = count * copies;
    for (int k = 0; k < b->ndata; k++) {
        Py_XSETREF(q->rows[k], gather_rows(b, k, fits, count, copies));
        if (q->rows[k] == NULL) {
            return -1;
        }
    }
    return 0;
}

static double *
point(const many *b, question *q, int64_t i)
{
    return (double *)PyArray_DATA((PyArrayObject *)q->x) + i * b->n;
}

/* X is the callee's own: it may write to it or keep it. */
static PyObject *
ask(const many *b, PyObject *function, question *q)
{
    if (PyErr_CheckSignals() < 0) {
        return NULL;
    }
    const Py_ssize_t extra = PyTuple_GET_SIZE(b->args), nstack = 1 + b->ndata + extra;
    PyObject *few[MANY_MAX_DATA + 10];
    PyObject **stack = nstack < MANY_MAX_DATA + 10 ? few : PyMem_New(PyObject *, nstack + 1);
    if (stack == NULL) {
        return PyErr_NoMemory();
    }
    stack[1] = q->x;
    for (int k = 0; k < b->ndata; k++) {
        stack[2 + k] = q->rows[k];
    }
    for (Py_ssize_t i = 0; i < extra; i++) {
        stack[2 + b->ndata + i] = PyTuple_GET_ITEM(b->args, i);
    }
    PyObject *value = PyObject_Vectorcall(function, stack + 1, nstack | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (stack != few) {
        PyMem_Free(stack);
    }
    Py_CLEAR(q->x);
    return value;
}

/* func's answer: points by m numbers, C-contiguous. */
static PyArrayObject *
ask_func(const many *b, question *q)
{
    PyObject *value = ask(b, b->func, q);
    if (value == NULL) {
        return NULL;
    }
    PyArrayObject *a = (PyArrayObject *)value;
    if (is_plain(value, 2) && PyArray_IS_C_CONTIGUOUS(a) && PyArray_DIM(a, 0) == q->points
        && PyArray_DIM(a, 1) == b->m) {
        return a;
    }
    Py_SETREF(value, arguments("as_batch", "(Onni)", value, (Py_ssize_t)q->points, (Py_ssize_t)b->m,
                               b->compares));
    return (PyArrayObject *)value;
}

/* Whether nobody else can write into it, now or in the next call. */
static int
is_ours_alone(PyArrayObject *a)
{
#ifdef Py_GIL_DISABLED
    (void)a; /* a count of one does not mean the same there */
    return 0;
#else
    return Py_REFCNT(a) == 1 && PyArray_CHKFLAGS(a, NPY_ARRAY_OWNDATA);
#endif
}

/* to := what of `from` is not left out, times its weight, and zeros up to n numbers. */
static void
pack(const many_fit *s, int64_t m, const double *from, double *to)
{
    int64_t k = 0;
    for (int64_t i = 0; i < m; i++) {
        to[k] = s->w[i] * from[i];
        k += !isnan(s->w[i]);
    }
    for (; k < s->m; k++) {
        to[k] = 0.0;
    }
}

static void
weigh(const many_fit *s, int64_t m, double *values)
{
    if (s->w == NULL) {
        return;
    }
    if (s->count < m) {
        pack(s, m, values, values);
        return;
    }
    for (int64_t i = 0; i < m; i++) {
        values[i] = s->w[i] * values[i];
    }
}

/* f := w (model - y), or as it is. */
static inline void
compare(const many *b, const many_fit *s, const double *restrict model, double *restrict f)
{
    const int64_t m = b->m;
    if (s->y == NULL) {
        memcpy(f, model, m * sizeof(double));
        return;
    }
    for (int64_t i = 0; i < m; i++) {
        f[i] = model[i] - s->y[i];
    }
    weigh(s, m, f);
}

static int
enter(many *b, lm_fit *const *fits, int64_t count)
{
    gil_take(&b->lock);
    b->asked = fits;
    b->nasked = count;
    if (*b->stop) {
        PyErr_SetNone(PyExc_StopIteration);
        return -1;
    }
    return 0;
}

static int
batch_residual(void *self, lm_fit *const *fits, int64_t count)
{
    many *b = self;
    const int64_t m = b->m, n = b->n;
    if (enter(b, fits, count) < 0) {
        return -1;
    }
    question q = {.points = 0};
    PyArrayObject *value = NULL;
    if (prepare(b, &q, fits, count, 1) == 0) {
        for (int64_t i = 0; i < count; i++) {
            memcpy(point(b, &q, i), fits[i]->x_trial, n * sizeof(double));
        }
        value = ask_func(b, &q);
    }
    forget(&q, b->ndata);
    if (value == NULL) {
        return -1;
    }
    const double *model = PyArray_DATA(value);
    for (int64_t i = 0; i < count; i++) {
        many_fit *s = (many_fit *)fits[i];
        compare(b, s, model + i * m, s->f_trial);
        s->fit.state.fnorm_trial = lm_enorm(&s->m, s->f_trial);
        s->fit.state.nfev += 1;
    }
    Py_DECREF(value);
    gil_let_go(&b->lock, 10.0 * count * n * n * n);
    return 0;
}

static int
is_fixed(const many *b, int64_t j)
{
    return b->lower != NULL && b->lower[j] == b->upper[j];
}

/* What func returns for x + h e_j of all fits, for `copies` variables that are not fixed, from j to end. */
static int
call_for_columns(many *b, lm_fit *const *fits, int64_t count, int64_t j, int64_t end, int64_t copies, question *q)
{
    if (copies > 0 && prepare(b, q, fits, count, copies) < 0) {
        return -1;
    }
    int64_t place = 0;
    for (int64_t k = j; k < end; k++) {
        for (int64_t i = 0; i < count; i++) {
            b->h[k * count + i] = lm_difference_point(fits[i], k, b->epsfcn);
            if (!is_fixed(b, k)) {
                memcpy(point(b, q, place++), fits[i]->x_trial, b->n * sizeof(double));
            }
        }
    }
    if (copies == 0) {
        return 0;
    }
    PyArrayObject *value = ask_func(b, q);
    if (value != NULL && !is_ours_alone(value)) {
        Py_SETREF(value, (PyArrayObject *)PyArray_NewCopy(value, NPY_CORDER));
    }
    if (value == NULL) {
        return -1;
    }
    b->kept[b->nkept++] = value;
    const double *model = PyArray_DATA(value);
    for (int64_t k = j; k < end; k++) {
        b->values[k] = model;
        model += is_fixed(b, k) ? 0 : count * b->m;
    }
    return 0;
}

static int
call_for_differences(many *b, lm_fit *const *fits, int64_t count)
{
    const int64_t n = b->n, at_once = count < b->slots ? b->slots / count : 1;
    question q = {.points = 0};
    int status = 0;
    for (int64_t j = 0, end = 0; j < n && status == 0; j = end) {
        int64_t copies = 0;
        while (end < n && (copies < at_once || is_fixed(b, end))) {
            copies += !is_fixed(b, end++);
        }
        status = call_for_columns(b, fits, count, j, end, copies, &q);
    }
    forget(&q, b->ndata);
    return status;
}

static void
factor_differences(many *b, lm_fit *const *fits, int64_t count)
{
    const int64_t m = b->m, n = b->n;
    for (int64_t i = 0; i < count; i++) {
        many_fit *s = (many_fit *)fits[i];
        int64_t calls = 0;
        for (int64_t j = 0; j < n; j++) {
            const double h = b->h[j * count + i];
            double *column = b->fjac + j * s->m; /* the next one is written after it, where m has more */
            if (h != 0.0) {
                compare(b, s, b->values[j] + i * m, column);
                calls++;
            }
            lm_difference_column(s->m, s->f, h, column);
        }
        s->fit.state.nfev += calls;
        many_move_limit(b, s, calls);
        many_factor(b, s);
    }
}

static void
release_models(many *b)
{
    while (b->nkept > 0) {
        Py_DECREF(b->kept[--b->nkept]);
    }
}

/* Column j of J of fit i, weighted, from what Dfun has returned. */
static void
take_column(const many *b, const many_fit *s, PyArrayObject *value, int64_t i, int64_t j)
{
    const npy_intp down = PyArray_STRIDE(value, 1 + b->col_deriv), across = PyArray_STRIDE(value, 2 - b->col_deriv);
    const char *from = PyArray_BYTES(value) + i * PyArray_STRIDE(value, 0) + j * across;
    double *column = b->fjac + j * s->m; /* the next one is written after it, where m has more */
    for (int64_t k = 0; k < b->m; k++) {
        column[k] = *(const double *)(from + k * down);
    }
    weigh(s, b->m, column);
}

static PyArrayObject *
ask_dfun(const many *b, lm_fit *const *fits, int64_t count)
{
    question q = {.points = 0};
    PyObject *value = NULL;
    if (prepare(b, &q, fits, count, 1) == 0) {
        for (int64_t i = 0; i < count; i++) {
            memcpy(point(b, &q, i), fits[i]->x, b->n * sizeof(double));
        }
        value = ask(b, b->dfun, &q);
    }
    forget(&q, b->ndata);
    PyArrayObject *a = (PyArrayObject *)value;
    if (value != NULL
        && !(is_plain(value, 3) && PyArray_DIM(a, 0) == count && PyArray_DIM(a, 1 + b->col_deriv) == b->m
             && PyArray_DIM(a, 2 - b->col_deriv) == b->n)) {
        Py_SETREF(value, arguments("as_batch_jacobian", "(Onnni)", value, (Py_ssize_t)count, (Py_ssize_t)b->m,
                                   (Py_ssize_t)b->n, b->col_deriv));
    }
    return (PyArrayObject *)value;
}

static int
batch_jacobian(void *self, lm_fit *const *fits, int64_t count)
{
    many *b = self;
    const double operations = 4.0 * b->m * b->n * b->n * count;
    if (enter(b, fits, count) < 0) {
        return -1;
    }
    if (b->dfun == NULL) {
        if (call_for_differences(b, fits, count) < 0) {
            release_models(b);
            return -1;
        }
        gil_let_go(&b->lock, operations);
        factor_differences(b, fits, count);
        gil_take(&b->lock);
        release_models(b);
    }
    else {
        PyArrayObject *value = ask_dfun(b, fits, count);
        if (value == NULL) {
            return -1;
        }
        gil_let_go(&b->lock, operations);
        for (int64_t i = 0; i < count; i++) {
            many_fit *s = (many_fit *)fits[i];
            for (int64_t j = 0; j < b->n; j++) {
                take_column(b, s, value, i, j);
            }
            s->fit.state.njev += 1;
            many_factor(b, s);
        }
        gil_take(&b->lock);
        Py_DECREF(value);
    }
    gil_let_go(&b->lock, 10.0 * count * b->n * b->n * b->n);
    return 0;
}

lm_evaluator
many_batches(many *b)
{
    return (lm_evaluator){b, batch_residual, batch_jacobian, many_moved};
}
