#include "question.h"

#include <string.h>

#include "objects.h"

void
question_end(question *q, int ndata)
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

int
question_begin(const many *b, question *q, lm_fit *const *fits, int64_t count, int64_t copies)
{
    const npy_intp points = count * copies;
    npy_intp shape[2] = {b->is_model ? b->n : points, b->is_model ? points : b->n};
    Py_XSETREF(q->x, PyArray_SimpleNew(2, shape, NPY_DOUBLE));
    if (q->x == NULL) {
        return -1;
    }
    if (q->points == points) { /* the rows of the last call will do */
        return 0;
    }
    q->points = points;
    for (int k = 0; k < b->ndata; k++) {
        Py_XSETREF(q->rows[k], gather_rows(b, k, fits, count, copies));
        if (q->rows[k] == NULL) {
            return -1;
        }
    }
    return 0;
}

void
question_set_point(const many *b, const question *q, int64_t i, const double *x)
{
    double *to = PyArray_DATA((PyArrayObject *)q->x);
    if (!b->is_model) {
        memcpy(to + i * b->n, x, b->n * sizeof(double));
        return;
    }
    for (int64_t j = 0; j < b->n; j++) {
        to[j * q->points + i] = x[j];
    }
}

/* Parameter j of a model for all points, shape (points, 1). */
static PyObject *
column_of(const question *q, int64_t j)
{
    npy_intp shape[2] = {q->points, 1};
    double *data = (double *)PyArray_DATA((PyArrayObject *)q->x) + j * q->points;
    PyObject *column = PyArray_SimpleNewFromData(2, shape, NPY_DOUBLE, data);
    if (column != NULL && PyArray_SetBaseObject((PyArrayObject *)column, Py_NewRef(q->x)) < 0) {
        Py_CLEAR(column);
    }
    return column;
}

/* A row as a model gets it: its predictors first, (k, points, m). */
static PyObject *
row_for(const many *b, PyObject *rows)
{
    const int swapped = b->is_model && PyArray_NDIM((PyArrayObject *)rows) == 3;
    return swapped ? PyArray_SwapAxes((PyArrayObject *)rows, 0, 1) : Py_NewRef(rows);
}

/* The arguments of the call, new references: how many have been made; fewer than there are: an error. */
static Py_ssize_t
fill_stack(const many *b, const question *q, PyObject **stack)
{
    Py_ssize_t used = 0;
    if (!b->is_model) {
        stack[used++] = Py_NewRef(q->x);
    }
    for (int k = 0; k < b->ndata; k++, used++) {
        if ((stack[used] = row_for(b, q->rows[k])) == NULL) {
            return used;
        }
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(b->args); i++) {
        stack[used++] = Py_NewRef(PyTuple_GET_ITEM(b->args, i));
    }
    for (int64_t j = 0; b->is_model && j < b->n; j++, used++) {
        if ((stack[used] = column_of(q, j)) == NULL) {
            return used;
        }
    }
    return used;
}

PyObject *
question_ask(const many *b, PyObject *function, question *q)
{
    enum { FEW = MANY_MAX_DATA + 16 };
    if (PyErr_CheckSignals() < 0) {
        return NULL;
    }
    const Py_ssize_t count = b->ndata + PyTuple_GET_SIZE(b->args) + (b->is_model ? b->n : 1);
    PyObject *few[FEW];
    PyObject **stack = count < FEW ? few : PyMem_New(PyObject *, count + 1);
    if (stack == NULL) {
        return PyErr_NoMemory();
    }
    const Py_ssize_t used = fill_stack(b, q, stack + 1);
    Py_CLEAR(q->x);
    PyObject *value = NULL;
    if (used == count) {
        value = PyObject_Vectorcall(function, stack + 1, count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    for (Py_ssize_t i = 1; i <= used; i++) {
        Py_DECREF(stack[i]);
    }
    if (stack != few) {
        PyMem_Free(stack);
    }
    return value;
}

PyArrayObject *
question_ask_func(const many *b, question *q)
{
    PyObject *value = question_ask(b, b->func, q);
    if (value == NULL) {
        return NULL;
    }
    PyArrayObject *a = (PyArrayObject *)value;
    if (is_plain(value, 2) && PyArray_IS_C_CONTIGUOUS(a) && PyArray_DIM(a, 0) == q->points
        && PyArray_DIM(a, 1) == b->m) {
        return a;
    }
    Py_SETREF(value, arguments("as_batch", "(Onni)", value, (Py_ssize_t)q->points, (Py_ssize_t)b->m,
                               b->is_model));
    return (PyArrayObject *)value;
}
