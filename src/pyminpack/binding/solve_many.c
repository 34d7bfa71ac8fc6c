/* solve_many: a stream of fits from Python through slots, and their results. */
#include "solve_many.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "batches.h"
#include "many.h"
#include "many_results.h"
#include "models.h"
#include "objects.h"
#include "options.h"
#include "vectors.h"

/* What supply() has returned last. */
typedef struct {
    PyObject *supply;
    PyObject *block; /* owns the rest */
    const int64_t *numbers, *counts;
    PyArrayObject *x0, *y, *w;
    int64_t next, size;
} queue;

typedef struct {
    many b; /* first: the evaluator's pointer is ours */
    queue queue;
    many_results results;
    many_fit *fits;
    lm_fit **slots;
    void *memory; /* behind all vectors */
} stream;

static const char *
row_of(PyArrayObject *a, int64_t i)
{
    return PyArray_BYTES(a) + i * PyArray_STRIDE(a, 0);
}

/* Entry k of the block: an array of `type` and `ndim` dimensions, the first of `size`; NULL for None. */
static int
take_array(PyObject *block, int k, int type, int ndim, int64_t size, int64_t width, PyArrayObject **array)
{
    PyObject *item = PyTuple_GET_ITEM(block, k);
    *array = item == Py_None ? NULL : (PyArrayObject *)item;
    if (*array == NULL
        || (PyArray_CheckExact(item) && PyArray_TYPE(*array) == type && PyArray_ISBEHAVED_RO(*array)
            && PyArray_NDIM(*array) == ndim && PyArray_DIM(*array, 0) == size
            && (ndim == 1 || (PyArray_DIM(*array, 1) == width && PyArray_STRIDE(*array, 1) == sizeof(double))))) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "solve_many() got an unsuitable array as entry %d of a block", k);
    return -1;
}

/* Whether the rows along the first axis are in one piece each. */
static int
has_whole_rows(PyArrayObject *a)
{
    npy_intp size = PyArray_ITEMSIZE(a);
    for (int axis = PyArray_NDIM(a) - 1; axis > 0; axis--) {
        if (PyArray_STRIDE(a, axis) != size && PyArray_DIM(a, axis) != 1) {
            return 0;
        }
        size *= PyArray_DIM(a, axis);
    }
    return 1;
}

/* The data of a block: as many arrays, with rows of the same size, as those of the first. 1 or -1. */
static int
take_rows(many *b, PyObject *data, int64_t size, int is_first)
{
    int alike = is_first || b->ndata == PyTuple_GET_SIZE(data);
    b->ndata = (int)PyTuple_GET_SIZE(data);
    for (int k = 0; alike && k < b->ndata; k++) {
        PyArrayObject *a = b->data[k] = (PyArrayObject *)PyTuple_GET_ITEM(data, k);
        alike = PyArray_CheckExact(a) && PyArray_NDIM(a) > 0 && PyArray_DIM(a, 0) == size && size > 0 && has_whole_rows(a)
                && !PyDataType_REFCHK(PyArray_DESCR(a));
        const size_t row_size = alike ? PyArray_NBYTES(a) / size : 0;
        alike = alike && (is_first || row_size == b->row_size[k]);
        b->row_size[k] = row_size;
    }
    if (!alike) {
        PyErr_SetString(PyExc_TypeError, "solve_many() got data that differ from block to block");
        return -1;
    }
    return 1;
}

/* Ask for more fits: 1, or 0 where there are none, or -1. */
static int
take_block(stream *s)
{
    enum { NUMBERS, X0, Y, W, COUNTS, DATA, BLOCK_SIZE };
    many *b = &s->b;
    queue *q = &s->queue;
    gil_take(&b->lock);
    PyObject *block = PyObject_CallNoArgs(q->supply);
    if (block == NULL || block == Py_None) { /* the last block stays: its data tell what rows are like */
        Py_XDECREF(block);
        return block == NULL ? -1 : 0;
    }
    const int is_first = q->block == NULL;
    Py_XSETREF(q->block, block);
    if (!PyTuple_Check(block) || PyTuple_GET_SIZE(block) != BLOCK_SIZE
        || !PyArray_Check(PyTuple_GET_ITEM(block, NUMBERS)) || !PyTuple_Check(PyTuple_GET_ITEM(block, DATA))
        || PyTuple_GET_SIZE(PyTuple_GET_ITEM(block, DATA)) > MANY_MAX_DATA) {
        PyErr_SetString(PyExc_TypeError, "solve_many() takes blocks as pyminpack._many.runner makes them");
        return -1;
    }
    PyArrayObject *numbers, *counts;
    q->next = 0;
    q->size = PyArray_SIZE((PyArrayObject *)PyTuple_GET_ITEM(block, NUMBERS));
    if (take_array(block, NUMBERS, NPY_INT64, 1, q->size, 0, &numbers) < 0
        || take_array(block, X0, NPY_DOUBLE, 2, q->size, b->n, &q->x0) < 0
        || take_array(block, Y, NPY_DOUBLE, 2, q->size, b->m, &q->y) < 0
        || take_array(block, W, NPY_DOUBLE, 2, q->size, b->m, &q->w) < 0
        || take_array(block, COUNTS, NPY_INT64, 1, q->size, 0, &counts) < 0) {
        return -1;
    }
    q->numbers = PyArray_DATA(numbers);
    q->counts = counts == NULL ? NULL : PyArray_DATA(counts);
    return take_rows(b, PyTuple_GET_ITEM(block, DATA), q->size, is_first);
}

static int
within(const many *b, const double *x)
{
    for (int64_t j = 0; b->lower != NULL && j < b->n; j++) {
        if (!(x[j] >= b->lower[j] && x[j] <= b->upper[j])) {
            return 0;
        }
    }
    return 1;
}

static int
objection(const many *b, const double *x, int64_t count)
{
    if (count < b->n && b->lower == NULL) {
        return UNFIT_FEW;
    }
    if (first_nonfinite(b->n, x) >= 0) {
        return UNFIT_START;
    }
    return within(b, x) ? UNFIT_NONE : UNFIT_OUTSIDE;
}

/* ||w y||, for a model. */
static double
data_norm(const many *b, const many_fit *fit)
{
    if (fit->y == NULL || fit->w == NULL) {
        return fit->y == NULL ? 0.0 : lm_norm(b->m, fit->y);
    }
    for (int64_t i = 0; i < b->m; i++) {
        fit->f_trial[i] = isnan(fit->w[i]) ? 0.0 : fit->w[i] * fit->y[i];
    }
    return lm_norm(b->m, fit->f_trial);
}

static void
start_from(const many *b, lm_fit *slot, const lm_state *start)
{
    slot->state = *start;
    if (b->diag != NULL) {
        memcpy(slot->diag, b->diag, b->n * sizeof(double));
    }
}

static int
next_fit(void *self, lm_fit *slot)
{
    stream *s = self;
    many *b = &s->b;
    queue *q = &s->queue;
    many_fit *fit = (many_fit *)slot;
    const size_t size = b->m * sizeof(double);
    for (;; q->next++) {
        while (q->next == q->size) {
            const int answer = take_block(s);
            if (answer <= 0) {
                return answer;
            }
        }
        fit->number = q->numbers[q->next];
        fit->count = q->counts == NULL ? b->m : q->counts[q->next];
        fit->m = fit->count < b->n ? b->n : fit->count;
        const double *x0 = (const double *)row_of(q->x0, q->next);
        const int why = objection(b, x0, fit->count);
        if (why == UNFIT_NONE) {
            memcpy(slot->x, x0, b->n * sizeof(double));
            break;
        }
        many_record_unfit(&s->results, b->n, fit->number, x0, why);
    }
    fit->is_taken_on = 0;
    start_from(b, slot, &b->start);
    if (fit->y != NULL) {
        memcpy(fit->y, row_of(q->y, q->next), size);
    }
    if (fit->w != NULL) {
        memcpy(fit->w, row_of(q->w, q->next), size);
    }
    for (int k = 0; k < b->ndata; k++) {
        memcpy(fit->rows[k], row_of(b->data[k], q->next), b->row_size[k]);
    }
    fit->data_norm = data_norm(b, fit);
    q->next++;
    return 1;
}

/* A fit that has ended short of its minimum goes on from there, within what calls are left. */
static int
fit_ended(void *self, lm_fit *slot)
{
    stream *s = self;
    many *b = &s->b;
    many_fit *fit = (many_fit *)slot;
    lm_state further = b->start;
    further.nfev = slot->state.nfev;
    further.njev = slot->state.njev;
    further.maxfev = slot->state.maxfev;
    const int why = many_record(&s->results, b, fit);
    if (fit->is_taken_on || why != DOUBT_UNFINISHED || !(b->settled > 0.0) || further.nfev >= further.maxfev) {
        return 0;
    }
    further.ftol = b->settled;
    /* Steps that are shorter than those of the differences tell nothing. */
    further.xtol = b->dfun == NULL ? sqrt(fmax(b->epsfcn, DBL_EPSILON)) : DBL_EPSILON;
    further.gtol = 0.0;
    fit->is_taken_on = 1;
    start_from(b, slot, &further);
    return 1;
}

/* Memory of the slots and of what they share. */
static void
lay_out_slots(stream *s, lm_plan *plan)
{
    many *b = &s->b;
    const queue *q = &s->queue;
    const int64_t m = b->m, n = b->n;
    lm_plan_work(plan, &b->work, n);
    lm_plan_doubles(plan, &b->group.memory, lm_group_size(m, n));
    lm_plan_doubles(plan, &b->h, n * b->slots);
    many_results_plan(plan, &s->results, n);
    for (int64_t i = 0; i < b->slots; i++) {
        many_fit *fit = &s->fits[i];
        lm_plan_doubles(plan, &fit->f, m);
        lm_plan_doubles(plan, &fit->f_trial, m);
        if (q->y != NULL) {
            lm_plan_doubles(plan, &fit->y, m);
        }
        if (q->w != NULL) {
            lm_plan_doubles(plan, &fit->w, m);
        }
        for (int k = 0; k < b->ndata; k++) {
            lm_plan_doubles(plan, (double **)&fit->rows[k], (b->row_size[k] + sizeof(double) - 1) / sizeof(double));
        }
        lm_plan_fit(plan, &fit->fit);
    }
}

/* Slots for fits like those of the first block. */
static int
allocate_slots(stream *s)
{
    many *b = &s->b;
    const int64_t m = b->m, n = b->n;
    if (lm_factor_by_rows(m, n)) {
        b->work.scratch_size = lm_lmpar_size(n);
    }
    b->group = (lm_group){.m = m, .n = n};
    s->fits = PyMem_RawCalloc(b->slots, sizeof *s->fits);
    s->slots = PyMem_RawCalloc(b->slots, sizeof *s->slots);
    b->values = PyMem_RawCalloc(n, sizeof *b->values);
    b->kept = PyMem_RawCalloc(n, sizeof *b->kept);
    if (s->fits == NULL || s->slots == NULL || b->values == NULL || b->kept == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int64_t i = 0; i < b->slots; i++) {
        lm_fit *fit = &s->fits[i].fit;
        *fit = (lm_fit){.n = n, .factors.ldr = n, .lower = b->lower, .upper = b->upper};
        s->slots[i] = fit;
    }
    lm_plan plan = {NULL, 0};
    lay_out_slots(s, &plan);
    s->memory = PyMem_RawMalloc(plan.used);
    if (s->memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    plan = (lm_plan){s->memory, 0};
    lay_out_slots(s, &plan);
    for (int64_t j = 0; j < n; j++) { /* a compiled function puts the first J there */
        b->values[j] = b->group.memory + j * m;
    }
    for (int64_t i = 0; i < b->slots; i++) {
        lm_factor_none(&s->fits[i].fit.factors, n); /* whose order the first Jacobian is to begin with */
    }
    return 0;
}

/* The arguments, in the order of the signature. */
enum { MANY_FUNC, MANY_DFUN, MANY_ARGS, MANY_SUPPLY, MANY_RESULTS, MANY_N, MANY_M, MANY_SLOTS, MANY_POINTS, MANY_IS_MODEL,
       MANY_COL_DERIV, MANY_OPTIONS, MANY_ABSOLUTE, MANY_SETTLED, MANY_STOP, MANY_BLAME, MANY_ARGUMENT_COUNT };

/* Numbers into the struct, and pointers into arrays that pyminpack._many.runner has made. */
static int
read_many(stream *s, PyObject *const *args)
{
    many *b = &s->b;
    many_results *r = &s->results;
    const options *o = as_options(args[MANY_OPTIONS]);
    if (o == NULL) {
        return -1;
    }
    b->func = args[MANY_FUNC];
    b->dfun = args[MANY_DFUN] == Py_None ? NULL : args[MANY_DFUN];
    b->args = args[MANY_ARGS];
    s->queue.supply = args[MANY_SUPPLY];
    b->n = PyLong_AsLongLong(args[MANY_N]);
    b->m = PyLong_AsLongLong(args[MANY_M]);
    b->slots = PyLong_AsLongLong(args[MANY_SLOTS]);
    b->points = PyLong_AsLongLong(args[MANY_POINTS]);
    b->is_model = PyObject_IsTrue(args[MANY_IS_MODEL]);
    b->col_deriv = PyObject_IsTrue(args[MANY_COL_DERIV]);
    b->trials_only = o->values[TRIALS_ONLY] == Py_True;
    b->settled = PyFloat_AsDouble(args[MANY_SETTLED]);
    r->absolute = PyObject_IsTrue(args[MANY_ABSOLUTE]);
    if (PyErr_Occurred()) {
        return -1;
    }
    if (o->values[DIAG] != Py_None) {
        b->diag = PyArray_DATA((PyArrayObject *)o->values[DIAG]);
        b->start.mode = 2;
    }
    r->free = b->n;
    if (o->values[BOUNDS] != Py_None) {
        b->lower = PyArray_DATA((PyArrayObject *)o->values[BOUNDS]);
        b->upper = b->lower + b->n;
        for (int64_t j = 0; j < b->n; j++) {
            r->free -= b->lower[j] == b->upper[j];
        }
    }
    many_results_read(r, args[MANY_RESULTS]);
    b->stop = PyArray_DATA((PyArrayObject *)args[MANY_STOP]);
    set_options(&b->start, &b->epsfcn, o, b->n, b->dfun != NULL);
    return 0;
}

/* The numbers of the fits for which a call was made that has failed, into the list `blame`. */
static void
blame_asked(const stream *s, PyObject *blame)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    npy_intp count = s->b.nasked;
    PyObject *numbers = PyArray_SimpleNew(1, &count, NPY_INT64);
    if (numbers != NULL) {
        int64_t *to = PyArray_DATA((PyArrayObject *)numbers);
        for (int64_t i = 0; i < count; i++) {
            to[i] = ((const many_fit *)s->b.asked[i])->number;
        }
        (void)PyList_Append(blame, numbers);
        Py_DECREF(numbers);
    }
    PyErr_Restore(type, value, traceback); /* more than any of the above */
}

static int
is_compiled(const many *b)
{
    return PyTuple_Check(b->func);
}

/* A compiled function is called for one fit after the other, so that what it needs stays in a near cache; for a few groups of
 * those that are factored together, so that not many are left over in a round, where that has room for their Jacobians. */
static int64_t
most_slots(const many *b)
{
    enum { GROUPS = 6, ROOM = 600 }; /* elements of each: of 150 x 4 a fit takes 5.0 us in place of 5.3, of 180 x 4 5.6 of 5.5 */
    const int together = lm_factor_in_groups(b->m, b->n) && b->m * b->n <= ROOM;
    return !is_compiled(b) ? INT64_MAX : together ? GROUPS * LM_GROUP : 1;
}

static int
run_stream(stream *s)
{
    many *b = &s->b;
    const int first = take_block(s);
    if (first <= 0) {
        return first;
    }
    b->slots = b->slots < most_slots(b) ? b->slots : most_slots(b);
    if ((is_compiled(b) && take_model(b) < 0) || allocate_slots(s) < 0) {
        return -1;
    }
    const lm_source source = {s, next_fit, fit_ended};
    const lm_evaluator evaluator = is_compiled(b) ? many_models(b) : many_batches(b);
    const int status = lm_stream(s->slots, b->slots, &source, &evaluator, &b->work);
    gil_take(&b->lock);
    return status;
}

PyObject *
pyminpack_solve_many(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != MANY_ARGUMENT_COUNT || !PyTuple_Check(args[MANY_ARGS]) || !PyTuple_Check(args[MANY_RESULTS])
        || PyTuple_GET_SIZE(args[MANY_RESULTS]) != MANY_RESULT_COUNT || !PyList_Check(args[MANY_BLAME])) {
        PyErr_SetString(PyExc_TypeError, "solve_many() takes its arguments from pyminpack._many.runner");
        return NULL;
    }
    stream s = {.memory = NULL};
    const int status = read_many(&s, args) < 0 ? -1 : run_stream(&s);
    if (status < 0) {
        blame_asked(&s, args[MANY_BLAME]);
    }
    many_release_answers(&s.b);
    PyMem_RawFree(s.fits);
    PyMem_RawFree(s.slots);
    PyMem_RawFree(s.b.values);
    PyMem_RawFree(s.b.kept);
    PyMem_RawFree(s.memory);
    Py_XDECREF(s.queue.block);
    if (status < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
