/* solve: the default way from Python into the loop and back, for one fit. */
#include "solve.h"

#include <string.h>

#include "call.h"
#include "functions.h"
#include "objects.h"

/* The eps of the numbers that func returned. */
static int
set_eps(whole_fit *f, PyObject *value)
{
    PyObject *eps = arguments("residual_eps", "(O)", value);
    if (eps == NULL) {
        return -1;
    }
    f->epsfcn = PyFloat_AsDouble(eps);
    Py_DECREF(eps);
    return PyErr_Occurred() ? -1 : 0;
}

/* Call func at the start, and with M known set up the rest. */
static int
begin(call *c, python_fit *f, PyObject *epsfcn)
{
    whole_fit *w = &f->whole;
    PyObject *value = call_user(f, f->func, w->fit.x);
    if (value == NULL) {
        return -1;
    }
    w->fit.state.nfev = 1;
    PyArrayObject *first = as_residuals(value, -1);
    if (first == NULL) {
        Py_DECREF(value);
        return -1;
    }
    w->m = PyArray_SIZE(first);
    int status = 0;
    if (epsfcn == Py_None && (PyObject *)first != value) {
        status = set_eps(w, value);
    }
    if (status == 0 && (status = call_allocate(c)) == 0) {
        memcpy(w->f_trial, PyArray_DATA(first), w->m * sizeof(double));
    }
    Py_DECREF(first);
    Py_DECREF(value);
    return status;
}

PyObject *
pyminpack_solve(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != ARGUMENT_COUNT || !PyTuple_Check(args[ARGS])) {
        PyErr_SetString(PyExc_TypeError, "solve() takes 8 arguments, the third of them a tuple");
        return NULL;
    }
    const int col_deriv = PyObject_IsTrue(args[COL_DERIV]);
    if (col_deriv < 0) {
        return NULL;
    }
    const Py_ssize_t extra = PyTuple_GET_SIZE(args[ARGS]);
    PyObject *few[8], **stack = extra + 2 <= 8 ? few : PyMem_New(PyObject *, extra + 2);
    if (stack == NULL) {
        return PyErr_NoMemory();
    }
    stack[1] = NULL;
    for (Py_ssize_t i = 0; i < extra; i++) {
        stack[i + 2] = PyTuple_GET_ITEM(args[ARGS], i);
    }
    const int analytic = args[DFUN] != Py_None;
    python_fit f = {
        .whole = {.reduced = analytic},
        .func = args[FUNC],
        .dfun = analytic ? args[DFUN] : NULL,
        .watch = args[WATCH] == Py_None ? NULL : args[WATCH],
        .stack = stack,
        .nstack = extra + 1,
        .col_deriv = col_deriv,
    };
    call c;
    PyObject *outcome = NULL;
    if (call_begin(&c, &f.whole, args, analytic) == 0 && begin(&c, &f, ((options *)args[OPTIONS])->values[EPSFCN]) == 0
        && run_python_fit(&f) == 0) {
        outcome = call_result(&c);
    }
    Py_XDECREF(stack[1]);
    call_end(&c);
    if (stack != few) {
        PyMem_Free(stack);
    }
    return outcome;
}
