/* Calls of the user's functions, and their results as float64.
 *
 * Only the common case is handled here: float64 arrays in a plain layout. Everything else, and every
 * error text, is pyminpack.arguments'.
 */
#include "fit.h"

#include <string.h>

/* pyminpack.arguments.<name>(...): a conversion or an error. */
PyObject *
arguments(const char *name, const char *format, ...)
{
    PyObject *module = PyImport_ImportModule("pyminpack._arguments");
    if (module == NULL) {
        return NULL;
    }
    PyObject *function = PyObject_GetAttrString(module, name), *result = NULL;
    Py_DECREF(module);
    if (function != NULL) {
        va_list va;
        va_start(va, format);
        PyObject *args = Py_VaBuildValue(format, va);
        va_end(va);
        if (args != NULL) {
            result = PyObject_CallObject(function, args);
            Py_DECREF(args);
        }
        Py_DECREF(function);
    }
    return result;
}

int
is_plain(PyObject *value, int ndim)
{
    if (!PyArray_CheckExact(value)) {
        return 0;
    }
    PyArrayObject *a = (PyArrayObject *)value;
    return PyArray_TYPE(a) == NPY_DOUBLE && PyArray_NDIM(a) == ndim && PyArray_ISBEHAVED_RO(a);
}

/* Whether the last callee has let go of its x, and left it as it was made: then the next may have it. */
static int
is_free(const fit *f)
{
#ifdef Py_GIL_DISABLED
    (void)f; /* a count of one does not mean the same there */
    return 0;
#else
    PyArrayObject *x = (PyArrayObject *)f->call[1];
    return x != NULL && Py_REFCNT(x) == 1 && PyArray_NDIM(x) == 1 && PyArray_DIM(x, 0) == f->n
           && PyArray_STRIDE(x, 0) == sizeof(double) && PyArray_TYPE(x) == NPY_DOUBLE
           && PyArray_ISBEHAVED(x) && ((PyArrayObject_fields *)x)->weakreflist == NULL;
#endif
}

/* function(x, *args) with an x of its own: the callee may write to it or keep it. */
PyObject *
call_user(fit *f, PyObject *function, const double *x)
{
    if (PyErr_CheckSignals() < 0) { /* a callee in C would never look */
        return NULL;
    }
    if (!is_free(f)) {
        Py_XSETREF(f->call[1], PyArray_SimpleNew(1, &f->n, NPY_DOUBLE));
        if (f->call[1] == NULL) {
            return NULL;
        }
    }
    memcpy(PyArray_DATA((PyArrayObject *)f->call[1]), x, f->n * sizeof(double));
    return PyObject_Vectorcall(function, f->call + 1, f->ncall | PY_VECTORCALL_ARGUMENTS_OFFSET,
                               NULL);
}

/* What func returned, as a new reference to a contiguous float64 vector. */
PyArrayObject *
as_residuals(PyObject *value, npy_intp m)
{
    if (is_plain(value, 1) && PyArray_IS_C_CONTIGUOUS((PyArrayObject *)value)
        && (m < 0 || PyArray_DIM((PyArrayObject *)value, 0) == m)) {
        Py_INCREF(value);
        return (PyArrayObject *)value;
    }
    return (PyArrayObject *)arguments("as_residuals", "(On)", value, (Py_ssize_t)m);
}

int
evaluate(fit *f, const double *x, double *fvec)
{
    PyObject *value = call_user(f, f->func, x);
    if (value == NULL) {
        return -1;
    }
    PyArrayObject *residuals = as_residuals(value, f->m);
    Py_DECREF(value);
    if (residuals == NULL) {
        return -1;
    }
    memcpy(fvec, PyArray_DATA(residuals), f->m * sizeof(double));
    Py_DECREF(residuals);
    return 0;
}

/* Whether the strides are whole numbers of float64, not negative: those of a record's field need not be. */
static int
has_number_strides(PyArrayObject *a)
{
    const npy_intp across = PyArray_STRIDE(a, 0), down = PyArray_STRIDE(a, 1);
    return PyArray_ISBEHAVED_RO(a) && across >= 0 && down >= 0 && across % sizeof(double) == 0
           && down % sizeof(double) == 0;
}

/* What Dfun returned as an n by m view in float64, a new reference. */
PyArrayObject *
as_jacobian(fit *f, PyObject *value)
{
    PyArrayObject *a = (PyArrayObject *)value, *source;
    if (is_plain(value, 2) && PyArray_DIM(a, !f->col_deriv) == f->n
        && PyArray_DIM(a, f->col_deriv) == f->m) {
        source = (PyArrayObject *)(f->col_deriv ? Py_NewRef(value) : PyArray_Transpose(a, NULL));
    }
    else {
        source = (PyArrayObject *)arguments("as_jacobian", "(Onni)", value, (Py_ssize_t)f->m,
                                            (Py_ssize_t)f->n, f->col_deriv);
    }
    if (source != NULL && !has_number_strides(source)) {
        Py_SETREF(source, (PyArrayObject *)PyArray_NewCopy(source, NPY_CORDER));
    }
    return source;
}
