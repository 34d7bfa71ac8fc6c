/* The step core, call by call, for Python: who schedules fits himself, and tests of single steps. */

#include "python.h"

#include <math.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "covariance.h"
#include "differences.h"
#include "gil.h"
#include "loop.h"
#include "numbers.h"
#include "objects.h"
#include "options.h"
#include "running.h"
#include "types.h"

typedef struct {
    PyObject_HEAD
    lm_fit fit;
    lm_work work;
    void *memory;
    int busy; /* a thread is at work in it without the interpreter's lock */
} stepper;

static void
stepper_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyMem_RawFree(((stepper *)self)->memory);
    type->tp_free(self);
    Py_DECREF(type);
}

static int
lay_out_stepper(stepper *s, double **bounds)
{
    lm_plan plan = {NULL, 0};
    const int bounded = s->fit.lower != NULL;
    for (int pass = 0; pass < 2; pass++) {
        lm_plan_work(&plan, &s->work, s->fit.n);
        lm_plan_fit(&plan, &s->fit);
        if (bounded) {
            lm_plan_doubles(&plan, bounds, 2 * s->fit.n);
        }
        if (pass == 0) {
            s->memory = PyMem_RawCalloc(1, plan.used);
            if (s->memory == NULL) {
                PyErr_NoMemory();
                return -1;
            }
            plan = (lm_plan){s->memory, 0};
        }
    }
    return 0;
}

/* x0, diag and bounds as arrays of ours, or NULL: -1 where one is not what it should be. */
static int
convert(PyObject *x0, const options *o, PyArrayObject *taken[3])
{
    PyObject *diag = o->values[DIAG], *bounds = o->values[BOUNDS];
    taken[0] = (PyArrayObject *)arguments("as_start", "(O)", x0);
    if (taken[0] == NULL) {
        return -1;
    }
    if (diag != Py_None) {
        taken[1] = (PyArrayObject *)arguments("as_diag", "(On)", diag, PyArray_SIZE(taken[0]));
        if (taken[1] == NULL) {
            return -1;
        }
    }
    if (bounds != Py_None) {
        PyObject *limits = arguments("as_bounds", "(OO)", bounds, taken[0]);
        if (limits == NULL) {
            return -1;
        }
        if (limits == Py_None) { /* all infinite */
            Py_DECREF(limits);
        }
        else {
            taken[2] = (PyArrayObject *)limits;
        }
    }
    return 0;
}

static int
set_up(stepper *s, const options *o, PyArrayObject *taken[3])
{
    double *bounds = NULL, epsfcn;
    s->fit.n = s->fit.factors.ldr = PyArray_SIZE(taken[0]);
    s->work.scratch_size = lm_lmpar_size(s->fit.n);
    if (taken[2] != NULL) {
        s->fit.lower = PyArray_DATA(taken[2]); /* until they are copied */
    }
    if (lay_out_stepper(s, &bounds) < 0) {
        return -1;
    }
    set_options(&s->fit.state, &epsfcn, o, s->fit.n, 1);
    memcpy(s->fit.x, PyArray_DATA(taken[0]), PyArray_NBYTES(taken[0]));
    if (taken[1] != NULL) {
        memcpy(s->fit.diag, PyArray_DATA(taken[1]), PyArray_NBYTES(taken[1]));
        s->fit.state.mode = 2;
    }
    if (taken[2] != NULL) {
        memcpy(bounds, PyArray_DATA(taken[2]), PyArray_NBYTES(taken[2]));
        s->fit.lower = bounds;
        s->fit.upper = bounds + s->fit.n;
    }
    lm_factor_none(&s->fit.factors, s->fit.n);
    lm_begin(&s->fit, &s->work);
    return 0;
}

static PyObject *
stepper_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"x0", "options", NULL};
    PyObject *x0, *given;
    PyArrayObject *taken[3] = {NULL, NULL, NULL};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:Stepper", names, &x0, &given)) {
        return NULL;
    }
    const options *o = as_options(given);
    if (o == NULL) {
        return NULL;
    }
    stepper *s = (stepper *)type->tp_alloc(type, 0);
    if (s != NULL) {
        if (convert(x0, o, taken) < 0 || set_up(s, o, taken) < 0) {
            Py_CLEAR(s);
        }
    }
    for (int i = 0; i < 3; i++) {
        Py_XDECREF(taken[i]);
    }
    return (PyObject *)s;
}

static const char *const requests[] = {"start", "residual", "jacobian", "stop"};

static int
is_free_for_use(const stepper *s)
{
    if (s->busy) {
        PyErr_SetString(PyExc_RuntimeError, "Another thread is at work in this fit.");
    }
    return !s->busy;
}

static int
is_due(const stepper *s, int request)
{
    if (!is_free_for_use(s)) {
        return 0;
    }
    if (s->fit.state.request == request) {
        return 1;
    }
    PyErr_Format(PyExc_ValueError, "The fit waits for '%s', not for '%s'.", requests[s->fit.state.request],
                 requests[request]);
    return 0;
}

/* With the factors of J in `running` where that is not NULL. */
static void
advance(stepper *s, const double *running, double *scratch)
{
    const double n = (double)s->fit.n;
    gil lock = {NULL};
    s->busy = 1;
    gil_let_go(&lock, 10.0 * n * n * n);
    if (running != NULL) {
        lm_factor_end(&s->fit.factors, s->fit.n, running, scratch);
    }
    lm_advance(&s->fit, &s->work);
    gil_take(&lock);
    s->busy = 0;
}

static PyObject *
stepper_residual(PyObject *self, PyObject *norm)
{
    stepper *s = (stepper *)self;
    const double fnorm = PyFloat_AsDouble(norm);
    if ((fnorm == -1.0 && PyErr_Occurred()) || !is_due(s, REQUEST_RESIDUAL)) {
        return NULL;
    }
    s->fit.state.fnorm_trial = fnorm;
    s->fit.state.nfev += 1;
    advance(s, NULL, NULL);
    Py_RETURN_NONE;
}

/* `value` with `count` columns and at least as many rows, or of as many numbers; NULL where it is not. */
static PyArrayObject *
as_fortran(PyObject *value, int type, int ndim, npy_intp count, const char *name)
{
    PyArrayObject *a = (PyArrayObject *)PyArray_FROMANY(value, type, ndim, ndim, NPY_ARRAY_FARRAY_RO);
    if (a != NULL && (PyArray_DIM(a, ndim - 1) != count || PyArray_DIM(a, 0) < count)) {
        PyErr_Format(PyExc_ValueError, "%s is not of order %zd, the number of variables.", name, (Py_ssize_t)count);
        Py_CLEAR(a);
    }
    return a;
}

/* A pivot out of range would lead out of memory. */
static int
is_permutation(npy_intp n, const int *ipvt)
{
    for (npy_intp i = 0; i < n; i++) {
        npy_intp found = 0;
        for (npy_intp j = 0; j < n; j++) {
            found += ipvt[j] == i + 1;
        }
        if (found != 1) {
            return 0;
        }
    }
    return 1;
}

static PyObject *
stepper_jacobian(PyObject *self, PyObject *args)
{
    static const char *const names[] = {"r", "ipvt", "qtf", "acnorm"};
    stepper *s = (stepper *)self;
    const npy_intp n = s->fit.n;
    lm_factors *factors = &s->fit.factors;
    PyObject *given[4];
    PyArrayObject *taken[4] = {NULL, NULL, NULL, NULL};
    int complete = PyArg_ParseTuple(args, "OOOO:jacobian", &given[0], &given[1], &given[2], &given[3])
                   && is_due(s, REQUEST_JACOBIAN);
    for (int i = 0; i < 4 && complete; i++) {
        taken[i] = as_fortran(given[i], i == 1 ? NPY_INT : NPY_DOUBLE, i == 0 ? 2 : 1, n, names[i]);
        complete = taken[i] != NULL;
    }
    if (complete && !is_permutation(n, PyArray_DATA(taken[1]))) {
        PyErr_SetString(PyExc_ValueError, "ipvt is no permutation of 1 to the number of variables.");
        complete = 0;
    }
    if (complete) {
        const double *r = PyArray_DATA(taken[0]);
        for (npy_intp j = 0; j < n; j++) {
            memcpy(factors->r + j * n, r + j * PyArray_DIM(taken[0], 0), n * sizeof(double));
        }
        memcpy(factors->ipvt, PyArray_DATA(taken[1]), n * sizeof(int));
        memcpy(factors->qtf, PyArray_DATA(taken[2]), n * sizeof(double));
        memcpy(factors->acnorm, PyArray_DATA(taken[3]), n * sizeof(double));
        s->fit.state.njev += 1;
        advance(s, NULL, NULL);
    }
    for (int i = 0; i < 4; i++) {
        Py_XDECREF(taken[i]);
    }
    return complete ? Py_NewRef(Py_None) : NULL;
}

static PyObject *
stepper_running(PyObject *self, PyObject *value)
{
    stepper *s = (stepper *)self;
    const int64_t n = s->fit.n;
    if (!is_due(s, REQUEST_JACOBIAN)) {
        return NULL;
    }
    PyArrayObject *running = as_running(value, n);
    if (running == NULL) {
        return NULL;
    }
    double *scratch = PyMem_RawMalloc(lm_end_size(n) * sizeof(double));
    if (scratch == NULL) {
        Py_DECREF(running);
        return PyErr_NoMemory();
    }
    s->fit.state.njev += 1;
    advance(s, PyArray_DATA(running), scratch);
    PyMem_RawFree(scratch);
    Py_DECREF(running);
    Py_RETURN_NONE;
}

static PyObject *
stepper_nonfinite(PyObject *self, PyObject *column)
{
    stepper *s = (stepper *)self;
    const Py_ssize_t j = PyNumber_AsSsize_t(column, PyExc_IndexError);
    if ((j == -1 && PyErr_Occurred()) || !is_due(s, REQUEST_JACOBIAN)) {
        return NULL;
    }
    if (j < 0 || j >= s->fit.n) {
        PyErr_Format(PyExc_IndexError, "There is no column %zd in this Jacobian.", j);
        return NULL;
    }
    lm_factor_nonfinite(&s->fit.factors, s->fit.n, j);
    s->fit.state.njev += 1;
    advance(s, NULL, NULL);
    Py_RETURN_NONE;
}

static PyObject *
stepper_differences(PyObject *self, PyObject *epsfcn)
{
    stepper *s = (stepper *)self;
    const double eps = PyFloat_AsDouble(epsfcn);
    if ((eps == -1.0 && PyErr_Occurred()) || !is_due(s, REQUEST_JACOBIAN)) {
        return NULL;
    }
    npy_intp n = s->fit.n;
    PyObject *points = PyArray_SimpleNew(1, &n, NPY_DOUBLE), *steps = PyArray_SimpleNew(1, &n, NPY_DOUBLE);
    if (points == NULL || steps == NULL) {
        Py_XDECREF(points);
        Py_XDECREF(steps);
        return NULL;
    }
    for (npy_intp j = 0; j < n; j++) {
        ((double *)PyArray_DATA((PyArrayObject *)steps))[j] = lm_difference_point(&s->fit, j, eps);
        ((double *)PyArray_DATA((PyArrayObject *)points))[j] = s->fit.x_trial[j];
    }
    return Py_BuildValue("NN", points, steps);
}

static PyObject *
stepper_stop(PyObject *self, PyObject *Py_UNUSED(none))
{
    lm_fit *fit = &((stepper *)self)->fit;
    if (!is_free_for_use((stepper *)self)) {
        return NULL;
    }
    lm_stop(&fit->state, fit->n, fit->x_trial, fit->inside);
    Py_RETURN_NONE;
}

static PyObject *
stepper_covariance(PyObject *self, PyObject *Py_UNUSED(none))
{
    stepper *s = (stepper *)self;
    gil lock = {NULL};
    if (!is_free_for_use(s)) {
        return NULL;
    }
    s->busy = 1;
    PyObject *result = covariance(&s->fit, &lock);
    s->busy = 0;
    return result;
}

static PyObject *
stepper_numbers(PyObject *self, PyObject *Py_UNUSED(none))
{
    return is_free_for_use((stepper *)self) ? fit_numbers(&((stepper *)self)->fit) : NULL;
}

static PyObject *
stepper_restore(PyObject *self, PyObject *args)
{
    stepper *s = (stepper *)self;
    PyObject *reals, *integers;
    if (!PyArg_ParseTuple(args, "OO:restore", &reals, &integers) || !is_free_for_use(s)
        || fit_restore(&s->fit, reals, integers) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
stepper_request(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(requests[((stepper *)self)->fit.state.request]);
}

/* n numbers of the fit, a copy; `place` is where lm_fit points to them. */
static PyObject *
stepper_vector(PyObject *self, void *place)
{
    const lm_fit *fit = &((stepper *)self)->fit;
    return vector(fit->n, NPY_DOUBLE, *(double *const *)((const char *)fit + (size_t)place));
}

/* R of J P = Q R in the layout of leastsq's fjac: its transpose, (N, N). */
static PyObject *
stepper_fjac(PyObject *self, void *Py_UNUSED(closure))
{
    const lm_fit *fit = &((stepper *)self)->fit;
    npy_intp shape[2] = {fit->n, fit->n};
    PyObject *fjac = PyArray_ZEROS(2, shape, NPY_DOUBLE, 0);
    for (npy_intp j = 0; fjac != NULL && j < fit->n; j++) {
        memcpy(PyArray_GETPTR2((PyArrayObject *)fjac, j, 0), fit->factors.r + j * fit->n, (j + 1) * sizeof(double));
    }
    return fjac;
}

static PyObject *
stepper_ipvt(PyObject *self, void *Py_UNUSED(closure))
{
    const lm_fit *fit = &((stepper *)self)->fit;
    return vector(fit->n, NPY_INT, fit->factors.ipvt);
}

static PyObject *
stepper_cause(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(lm_cause(&((stepper *)self)->fit));
}

#define STATE(name) offsetof(stepper, fit.state.name)

static PyMemberDef stepper_members[] = {
    {"accepted", T_INT, STATE(accepted), READONLY, "1 where the last trial has just become x"},
    {"info", T_INT, STATE(info), READONLY, "why it stopped, as leastsq's ier"},
    {"maxfev", T_LONGLONG, STATE(maxfev), 0, "limit on nfev"},
    {"nfev", T_LONGLONG, STATE(nfev), 0, "residuals answered; those for a Jacobian are the caller's to add"},
    {"njev", T_LONGLONG, STATE(njev), READONLY, "Jacobians answered"},
    {"iteration", T_LONGLONG, STATE(iteration), READONLY, "points accepted, the start included"},
    {"fnorm", T_DOUBLE, STATE(fnorm), READONLY, "norm of the residuals at x"},
    {"xnorm", T_DOUBLE, STATE(xnorm), READONLY, "norm of D x"},
    {"pnorm", T_DOUBLE, STATE(pnorm), READONLY, "norm of D p"},
    {"gnorm", T_DOUBLE, STATE(gnorm), READONLY, "largest cosine between the residuals and a column of J"},
    {"delta", T_DOUBLE, STATE(delta), READONLY, "bound on the norm of D p"},
    {"par", T_DOUBLE, STATE(par), READONLY, "the Levenberg-Marquardt parameter"},
    {"prered", T_DOUBLE, STATE(prered), READONLY, "predicted reduction of the sum of squares, relative"},
    {NULL, 0, 0, 0, NULL},
};

#define FIT(name) (void *)offsetof(lm_fit, name)

static PyGetSetDef stepper_getters[] = {
    {"request", stepper_request, NULL, "'residual', 'jacobian' or 'stop'", NULL},
    {"x", stepper_vector, NULL, "the best point so far, a copy", FIT(x)},
    {"x_trial", stepper_vector, NULL, "where a residual is wanted, a copy", FIT(x_trial)},
    {"diag", stepper_vector, NULL, "the scale D of the variables, a copy", FIT(diag)},
    {"fjac", stepper_fjac, NULL, "the transpose of R, of the last Jacobian", NULL},
    {"ipvt", stepper_ipvt, NULL, "its pivots, from 1", NULL},
    {"qtf", stepper_vector, NULL, "the first n of Q^T f", FIT(factors.qtf)},
    {"cause", stepper_cause, NULL, "with info 9: 1 residuals at the start, 2 the Jacobian, 3 every trial", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef stepper_methods[] = {
    {"residual", stepper_residual, METH_O,
     "residual(norm)\n--\n\nThe norm of the residuals at x_trial; NaN or infinite where there are none."},
    {"jacobian", stepper_jacobian, METH_VARARGS,
     "jacobian(r, ipvt, qtf, acnorm)\n--\n\nThe factors of the Jacobian at x, as `qrfac` makes them."},
    {"running", stepper_running, METH_O,
     "running(factor)\n--\n\nThe running factor of all rows of the Jacobian at x, and of f."},
    {"nonfinite", stepper_nonfinite, METH_O,
     "nonfinite(column)\n--\n\nThat this column of the Jacobian at x is not finite."},
    {"differences", stepper_differences, METH_O,
     "differences(epsfcn)\n--\n\nThe values that x[j] is to take, one at a time, for a Jacobian at x; "
     "and the steps that lead there, 0 where bounds fix x[j]."},
    {"stop", stepper_stop, METH_NOARGS,
     "stop()\n--\n\nEnd after x has moved: at the best point, whose residuals may be asked for again."},
    {"covariance", stepper_covariance, METH_NOARGS,
     "covariance()\n--\n\nThe inverse of J^T J, or None."},
    {"numbers", stepper_numbers, METH_NOARGS,
     "numbers()\n--\n\nAll that the fit remembers: vectors of float64 and int64."},
    {"restore", stepper_restore, METH_VARARGS,
     "restore(reals, integers)\n--\n\nGo on from there, in a fit of the same arguments."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot stepper_slots[] = {
    {Py_tp_doc, "Stepper(x0, options)\n--\n\n"
                "One fit, that says what it waits for (`request`) and is told (`residual`, `jacobian`)."},
    {Py_tp_new, stepper_new},
    {Py_tp_dealloc, stepper_dealloc},
    {Py_tp_members, stepper_members},
    {Py_tp_getset, stepper_getters},
    {Py_tp_methods, stepper_methods},
    {0, NULL},
};

static PyType_Spec stepper_spec = {"pyminpack._minpack.Stepper", sizeof(stepper), 0, Py_TPFLAGS_DEFAULT, stepper_slots};

int
add_stepper_type(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&stepper_spec);
    const int status = type == NULL ? -1 : PyModule_AddObjectRef(module, "Stepper", type);
    Py_XDECREF(type);
    return status;
}
