#include "look.h"

#include <math.h>

#include "gil.h"
#include "minpack.h"
#include "objects.h"

/* Between these, products of two neither over- nor underflow. */
#define SMALLEST 1e-150
#define LARGEST 1e150

PyObject *
pyminpack_norm(PyObject *Py_UNUSED(module), PyObject *value)
{
    PyArrayObject *a = (PyArrayObject *)value;
    if (PyArray_CheckExact(value) && PyArray_TYPE(a) == NPY_DOUBLE && PyArray_ISCARRAY_RO(a)) {
        Py_INCREF(a);
    }
    else if ((a = (PyArrayObject *)PyArray_FROMANY(value, NPY_DOUBLE, 0, 0, NPY_ARRAY_CARRAY_RO)) == NULL) {
        return NULL;
    }
    const int64_t count = PyArray_SIZE(a);
    gil lock = {NULL};
    gil_let_go(&lock, (double)count);
    const double norm = lm_enorm(&count, PyArray_DATA(a));
    gil_take(&lock);
    Py_DECREF(a);
    return PyFloat_FromDouble(norm);
}

PyObject *
pyminpack_scaled(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2 || !is_plain(args[0], 2) || !PyArray_IS_C_CONTIGUOUS((PyArrayObject *)args[0])) {
        PyErr_SetString(PyExc_TypeError, "scaled() takes cov_x, as leastsq returns it, and a number");
        return NULL;
    }
    const double deviation = PyFloat_AsDouble(args[1]), variance = deviation * deviation;
    if (deviation == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    const npy_intp *shape = PyArray_DIMS((PyArrayObject *)args[0]), n = shape[0], count = n * shape[1];
    const double *from = PyArray_DATA((PyArrayObject *)args[0]);
    int safe = deviation == 0.0 || (SMALLEST < variance && variance < LARGEST);
    for (npy_intp j = 0; j < count; j += n + 1) {
        safe = safe && (isnan(from[j]) || (SMALLEST < from[j] && from[j] < LARGEST));
    }
    if (!safe) {
        Py_RETURN_NONE;
    }
    PyArrayObject *to = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_DOUBLE);
    if (to != NULL) {
        double *product = PyArray_DATA(to);
        for (npy_intp i = 0; i < count; i++) {
            product[i] = from[i] * variance;
        }
    }
    return (PyObject *)to;
}

/* The arguments of doubt: arrays, as leastsq returns them, and numbers. */
enum { OF_FJAC, OF_IPVT, OF_X, OF_QTF, OF_COV_X, OF_FNORM, OF_DATA_NORM, OF_STEP, OF_ERROR, OF_COUNT };

static int
are_of_a_fit(PyObject *const *args)
{
    if (!is_plain(args[OF_FJAC], 2) || !PyArray_CheckExact(args[OF_IPVT]) || !is_plain(args[OF_COV_X], 2)) {
        return 0;
    }
    PyArrayObject *fjac = (PyArrayObject *)args[OF_FJAC], *ipvt = (PyArrayObject *)args[OF_IPVT],
                  *cov_x = (PyArrayObject *)args[OF_COV_X];
    const npy_intp n = PyArray_DIM(fjac, 0);
    return PyArray_DIM(fjac, 1) >= n && PyArray_IS_C_CONTIGUOUS(fjac) && PyArray_TYPE(ipvt) == NPY_INT
           && PyArray_ISCARRAY_RO(ipvt) && PyArray_SIZE(ipvt) == n && is_vector(args[OF_X], n)
           && is_vector(args[OF_QTF], n) && PyArray_IS_C_CONTIGUOUS(cov_x) && PyArray_DIM(cov_x, 0) == n
           && PyArray_DIM(cov_x, 1) == n;
}

PyObject *
pyminpack_look(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != OF_COUNT + 1 || !are_of_a_fit(args + 1)) {
        PyErr_SetString(PyExc_TypeError, "doubt() takes M, five arrays as leastsq returns them, and four numbers");
        return NULL;
    }
    const int64_t m = PyLong_AsLongLong(*args++);
    double number[OF_COUNT];
    for (int i = OF_FNORM; i < OF_COUNT; i++) {
        number[i] = PyFloat_AsDouble(args[i]);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
#define ARRAY(i) PyArray_DATA((PyArrayObject *)args[i])
    const npy_intp *shape = PyArray_DIMS((PyArrayObject *)args[OF_FJAC]);
    return PyLong_FromLong(lm_doubt(m, shape[0], ARRAY(OF_FJAC), shape[1], ARRAY(OF_IPVT), ARRAY(OF_X),
                                           ARRAY(OF_QTF), ARRAY(OF_COV_X), number[OF_FNORM], number[OF_DATA_NORM],
                                           number[OF_STEP], number[OF_ERROR]));
#undef ARRAY
}
