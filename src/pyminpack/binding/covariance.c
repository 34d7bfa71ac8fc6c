#include "covariance.h"

PyObject *
covariance(const lm_fit *fit, gil *lock)
{
    const lm_factors *factors = &fit->factors;
    if (fit->state.info < 1 || fit->state.info > INFO_GTOL) {
        Py_RETURN_NONE;
    }
    const int64_t n = fit->n;
    npy_intp shape[2] = {n, n};
    PyArrayObject *cov_x = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_DOUBLE);
    double *work = PyMem_RawMalloc((2 * n + 6) * n * sizeof(double));
    if (cov_x == NULL || work == NULL) {
        Py_XDECREF(cov_x);
        PyMem_RawFree(work);
        return PyErr_NoMemory();
    }
    int full_rank, *pivots = (int *)(work + (2 * n + 5) * n);
    gil_let_go(lock, 1.0 * n * n * n);
    lm_covariance(n, factors->r, factors->ldr, factors->ipvt, PyArray_DATA(cov_x), &full_rank, work,
                  pivots, fit->x, fit->lower, fit->upper);
    gil_take(lock);
    PyMem_RawFree(work);
    if (!full_rank) {
        Py_DECREF(cov_x);
        Py_RETURN_NONE;
    }
    return (PyObject *)cov_x;
}
