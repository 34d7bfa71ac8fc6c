/* Only the common case is handled here: float64 arrays in a plain layout. Everything else, and every
 * error text, is the business of _input/asked.py. */
#include "objects.h"

#include <math.h>
#include <string.h>

static PyObject *neighbourhood; /* the names of the module, among them that of its package; set when it is made */

int
know_neighbours(PyObject *module)
{
    neighbourhood = Py_XNewRef(PyModule_GetDict(module));
    return neighbourhood == NULL ? -1 : 0;
}

/* `from ._input import asked`, once: a copy in another package asks its own. */
static PyObject *
conversions(void)
{
    PyObject *module = PyDict_GetItemString(neighbourhood, "asked");
    if (module != NULL) {
        return Py_NewRef(module);
    }
    PyObject *names = Py_BuildValue("(s)", "asked");
    PyObject *package = names == NULL ? NULL : PyImport_ImportModuleLevel("_input", neighbourhood, NULL, names, 1);
    Py_XDECREF(names);
    module = package == NULL ? NULL : PyObject_GetAttrString(package, "asked");
    Py_XDECREF(package);
    if (module != NULL && PyDict_SetItemString(neighbourhood, "asked", module) < 0) {
        Py_CLEAR(module);
    }
    return module;
}

PyObject *
arguments(const char *name, const char *format, ...)
{
    PyObject *module = conversions();
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

int
is_vector(PyObject *value, npy_intp m)
{
    return is_plain(value, 1) && PyArray_IS_C_CONTIGUOUS((PyArrayObject *)value)
           && (m < 0 || PyArray_DIM((PyArrayObject *)value, 0) == m);
}

PyArrayObject *
as_residuals(PyObject *value, npy_intp m)
{
    if (is_vector(value, m)) {
        return (PyArrayObject *)Py_NewRef(value);
    }
    return (PyArrayObject *)arguments("as_residuals", "(On)", value, (Py_ssize_t)m);
}

/* Whether the strides are whole numbers of float64, not negative: those of a record's field need not be. */
static int
has_number_strides(PyArrayObject *a)
{
    const npy_intp across = PyArray_STRIDE(a, 0), down = PyArray_STRIDE(a, 1);
    return PyArray_ISBEHAVED_RO(a) && across >= 0 && down >= 0 && across % sizeof(double) == 0
           && down % sizeof(double) == 0;
}

PyArrayObject *
as_jacobian(PyObject *value, npy_intp m, npy_intp n, int col_deriv)
{
    PyArrayObject *a = (PyArrayObject *)value, *source;
    if (is_plain(value, 2) && PyArray_DIM(a, !col_deriv) == n
        && PyArray_DIM(a, col_deriv) == m) {
        source = (PyArrayObject *)(col_deriv ? Py_NewRef(value) : PyArray_Transpose(a, NULL));
    }
    else {
        source = (PyArrayObject *)arguments("as_jacobian", "(Onni)", value, (Py_ssize_t)m,
                                            (Py_ssize_t)n, col_deriv);
    }
    if (source != NULL && !has_number_strides(source)) {
        Py_SETREF(source, (PyArrayObject *)PyArray_NewCopy(source, NPY_CORDER));
    }
    return source;
}

PyObject *
vector(npy_intp count, int type, const void *values)
{
    PyObject *a = PyArray_SimpleNew(1, &count, type);
    if (a != NULL && count > 0) {
        memcpy(PyArray_DATA((PyArrayObject *)a), values, PyArray_NBYTES((PyArrayObject *)a));
    }
    return a;
}

npy_intp
first_nonfinite(npy_intp count, const double *values)
{
    for (npy_intp i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return i;
        }
    }
    return -1;
}
