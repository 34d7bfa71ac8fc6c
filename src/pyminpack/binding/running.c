#include "running.h"

#include <math.h>
#include <string.h>

#include "factor.h"
#include "gil.h"
#include "objects.h"

static PyObject *
reduced(PyArrayObject *jacobian, PyArrayObject *f, npy_intp n)
{
    const npy_intp rows = PyArray_SIZE(f), column_stride = PyArray_STRIDE(jacobian, 0) / (npy_intp)sizeof(double),
                   row_stride = PyArray_STRIDE(jacobian, 1) / (npy_intp)sizeof(double);
    const double *j = PyArray_DATA(jacobian);
    npy_intp size = lm_running_size(n), bad = -1;
    PyObject *running = PyArray_SimpleNew(1, &size, NPY_DOUBLE);
    double *scratch = PyMem_RawMalloc(lm_rows_size(n) * sizeof(double));
    if (running == NULL || scratch == NULL) {
        Py_XDECREF(running);
        PyMem_RawFree(scratch);
        return PyErr_NoMemory();
    }
    gil lock = {NULL};
    gil_let_go(&lock, 2.0 * rows * n * n);
    double *numbers = PyArray_DATA((PyArrayObject *)running);
    lm_factor_begin(n, numbers);
    if (!lm_factor_rows(n, numbers, rows, j, row_stride, column_stride, PyArray_DATA(f), scratch)) {
        bad = lm_nonfinite_column(rows, n, j, row_stride, column_stride);
    }
    gil_take(&lock);
    PyMem_RawFree(scratch);
    if (bad >= 0) {
        Py_DECREF(running);
        return PyLong_FromSsize_t(bad);
    }
    return running;
}

/* Rows of differences that are made at a time: no more than a cache of the first level holds. */
enum { DIFFERENCES = 248 };

/* What columns by differences are made of. */
typedef struct {
    npy_intp rows, n;
    const double **values; /* NULL for a column of zeros */
    const double *base, *f, *steps;
} differences;

static int
reduce_slices(const differences *d, double *running, double *slice, double *scratch)
{
    for (npy_intp first = 0; first < d->rows; first += DIFFERENCES) {
        const npy_intp rows = d->rows - first < DIFFERENCES ? d->rows - first : DIFFERENCES;
        for (npy_intp j = 0; j < d->n; j++) {
            double *restrict column = slice + j * DIFFERENCES;
            if (d->values[j] == NULL) {
                memset(column, 0, rows * sizeof(double));
                continue;
            }
            const double *restrict value = d->values[j] + first, *restrict base = d->base + first;
            const double h = d->steps[j], inverse = 1.0 / h;
            if (isfinite(inverse)) { /* three times as fast as a division */
                for (npy_intp i = 0; i < rows; i++) {
                    column[i] = (value[i] - base[i]) * inverse;
                }
            }
            else {
                for (npy_intp i = 0; i < rows; i++) {
                    column[i] = (value[i] - base[i]) / h;
                }
            }
        }
        if (!lm_factor_rows(d->n, running, rows, slice, 1, DIFFERENCES, d->f + first, scratch)) {
            return (int)lm_nonfinite_column(rows, d->n, slice, 1, DIFFERENCES);
        }
    }
    return -1;
}

static PyObject *
reduced_differences(const differences *d)
{
    npy_intp size = lm_running_size(d->n);
    PyObject *running = PyArray_SimpleNew(1, &size, NPY_DOUBLE);
    double *memory = PyMem_RawMalloc((lm_rows_size(d->n) + d->n * DIFFERENCES) * sizeof(double));
    if (running == NULL || memory == NULL) {
        Py_XDECREF(running);
        PyMem_RawFree(memory);
        return PyErr_NoMemory();
    }
    gil lock = {NULL};
    gil_let_go(&lock, 2.0 * d->rows * d->n * d->n);
    double *numbers = PyArray_DATA((PyArrayObject *)running);
    lm_factor_begin(d->n, numbers);
    const int bad = reduce_slices(d, numbers, memory + lm_rows_size(d->n), memory);
    gil_take(&lock);
    PyMem_RawFree(memory);
    if (bad >= 0) {
        Py_DECREF(running);
        return PyLong_FromLong(bad);
    }
    return running;
}

PyObject *
pyminpack_reduce_differences(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *list, *base, *f, *steps;
    if (!PyArg_ParseTuple(args, "O!OOO:reduce_differences", &PyList_Type, &list, &base, &f, &steps)) {
        return NULL;
    }
    const Py_ssize_t n = PyList_GET_SIZE(list);
    int right = is_vector(f, -1) && is_vector(base, PyArray_SIZE((PyArrayObject *)f)) && is_vector(steps, n) && n > 0;
    const double **values = right ? PyMem_New(const double *, n) : NULL;
    if (right && values == NULL) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t j = 0; j < n && right; j++) {
        PyObject *value = PyList_GET_ITEM(list, j);
        right = value == Py_None || is_vector(value, PyArray_SIZE((PyArrayObject *)f));
        values[j] = value == Py_None || !right ? NULL : PyArray_DATA((PyArrayObject *)value);
    }
    PyObject *result = NULL;
    if (right) {
        const differences d = {PyArray_SIZE((PyArrayObject *)f), n, values, PyArray_DATA((PyArrayObject *)base),
                               PyArray_DATA((PyArrayObject *)f), PyArray_DATA((PyArrayObject *)steps)};
        result = reduced_differences(&d);
    }
    else {
        PyErr_SetString(PyExc_ValueError, "reduce_differences() takes vectors of float64, all of one length but steps");
    }
    PyMem_Free(values);
    return result;
}

PyObject *
pyminpack_fresh_residuals(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *func, *arguments_of_func;
    Py_ssize_t m;
    if (!PyArg_ParseTuple(args, "OO!n:fresh_residuals", &func, &PyTuple_Type, &arguments_of_func, &m)) {
        return NULL;
    }
    PyObject *value = PyObject_Call(func, arguments_of_func, NULL);
    if (value == NULL) {
        return NULL;
    }
    int fresh = is_vector(value, m) && PyArray_CHKFLAGS((PyArrayObject *)value, NPY_ARRAY_OWNDATA);
#ifdef Py_GIL_DISABLED
    fresh = 0; /* a count of one does not mean the same there */
#else
    fresh = fresh && Py_REFCNT(value) == 1;
#endif
    if (!fresh) {
        Py_SETREF(value, (PyObject *)as_residuals(value, m));
        if (value != NULL) {
            Py_SETREF(value, PyArray_NewCopy((PyArrayObject *)value, NPY_CORDER));
        }
    }
    return value;
}

PyObject *
pyminpack_reduce_block(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *value, *f;
    Py_ssize_t n;
    int col_deriv;
    if (!PyArg_ParseTuple(args, "OOnp:reduce_block", &value, &f, &n, &col_deriv)) {
        return NULL;
    }
    if (!is_vector(f, -1) || n < 1) {
        PyErr_SetString(PyExc_ValueError, "reduce_block() takes f as a vector of float64, and n > 0");
        return NULL;
    }
    PyArrayObject *jacobian = as_jacobian(value, PyArray_SIZE((PyArrayObject *)f), n, col_deriv);
    if (jacobian == NULL) {
        return NULL;
    }
    PyObject *result = reduced(jacobian, (PyArrayObject *)f, n);
    Py_DECREF(jacobian);
    return result;
}

PyArrayObject *
as_running(PyObject *value, npy_intp n)
{
    PyArrayObject *a = NULL;
    if (n > 0 && PyArray_CheckExact(value) && PyArray_TYPE((PyArrayObject *)value) == NPY_DOUBLE) {
        a = (PyArrayObject *)PyArray_FROMANY(value, NPY_DOUBLE, 0, 0, NPY_ARRAY_CARRAY_RO);
        if (a == NULL || (PyArray_NDIM(a) == 1 && PyArray_DIM(a, 0) == lm_running_size(n))) {
            return a;
        }
        Py_DECREF(a);
    }
    PyErr_Format(PyExc_ValueError, "This is not the running factor of a Jacobian of %zd columns.", (Py_ssize_t)n);
    return NULL;
}

static PyObject *
merged_of(PyArrayObject *first, PyArrayObject *second, npy_intp n)
{
    const npy_intp size = PyArray_SIZE(first);
    PyObject *merged = vector(size, NPY_DOUBLE, PyArray_DATA(first));
    double *other = PyMem_RawMalloc(size * sizeof(double));
    if (merged == NULL || other == NULL) {
        Py_XDECREF(merged);
        PyMem_RawFree(other);
        return PyErr_NoMemory();
    }
    gil lock = {NULL};
    gil_let_go(&lock, 1.0 * n * n * n);
    memcpy(other, PyArray_DATA(second), size * sizeof(double)); /* merging uses it up */
    lm_factor_merge(n, PyArray_DATA((PyArrayObject *)merged), other);
    gil_take(&lock);
    PyMem_RawFree(other);
    return merged;
}

PyObject *
pyminpack_merge_blocks(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *first, *second, *merged = NULL;
    Py_ssize_t n;
    if (!PyArg_ParseTuple(args, "nOO:merge_blocks", &n, &first, &second)) {
        return NULL;
    }
    PyArrayObject *one = as_running(first, n), *two = one == NULL ? NULL : as_running(second, n);
    if (two != NULL) {
        merged = merged_of(one, two, n);
    }
    Py_XDECREF(one);
    Py_XDECREF(two);
    return merged;
}
