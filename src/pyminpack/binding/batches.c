#include "batches.h"

#include <math.h>
#include <string.h>

#include "differences.h"
#include "objects.h"
#include "question.h"

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

/* What func has returned, where nobody can change it while other threads run, until release_answers: or NULL. */
static const double *
keep_answer(many *b, question *q)
{
    PyArrayObject *value = question_ask_func(b, q);
    if (value != NULL && !is_ours_alone(value)) {
        Py_SETREF(value, (PyArrayObject *)PyArray_NewCopy(value, NPY_CORDER));
    }
    if (value == NULL) {
        return NULL;
    }
    b->kept[b->nkept++] = value;
    return PyArray_DATA(value);
}

void
many_release_answers(many *b)
{
    while (b->nkept > 0) {
        Py_DECREF(b->kept[--b->nkept]);
    }
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

/* f := w (model - y) of a fit whose points may be left out. */
static void
compare_points(const many *b, const many_fit *s, const double *model, double *f)
{
    (void)lm_compare(b->m, model, s->y, NULL, f);
    weigh(s, b->m, f);
}

/* f := w (model - y), or as it is: its norm. */
static inline double
compare(const many *b, const many_fit *s, const double *model, double *f)
{
    if (s->y != NULL && s->count == b->m) {
        return lm_compare(b->m, model, s->y, s->w, f);
    }
    if (s->y == NULL) {
        memcpy(f, model, b->m * sizeof(double));
    }
    else {
        compare_points(b, s, model, f);
    }
    return lm_norm(s->m, f);
}

static int
enter(many *b, lm_fit *const *fits, int64_t count)
{
    gil_take(&b->lock);
    many_release_answers(b);
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
    const double *model = NULL;
    if (question_begin(b, &q, fits, count, 1) == 0) {
        for (int64_t i = 0; i < count; i++) {
            question_set_point(b, &q, i, fits[i]->x_trial);
        }
        model = keep_answer(b, &q);
    }
    question_end(&q, b->ndata);
    if (model == NULL) {
        return -1;
    }
    gil_let_go(&b->lock, count * (4.0 * m + 10.0 * n * n * n));
    for (int64_t i = 0; i < count; i++) {
        many_fit *s = (many_fit *)fits[i];
        s->fit.state.fnorm_trial = compare(b, s, model + i * m, s->f_trial);
        s->fit.state.nfev += 1;
    }
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
    if (copies > 0 && question_begin(b, q, fits, count, copies) < 0) {
        return -1;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t place = i;
        for (int64_t k = j; k < end; k++) {
            b->h[k * count + i] = lm_difference_point(fits[i], k, b->epsfcn);
            if (!is_fixed(b, k)) {
                question_set_point(b, q, place, fits[i]->x_trial);
                place += count;
            }
        }
    }
    if (copies == 0) {
        return 0;
    }
    const double *const answer = keep_answer(b, q), *model = answer;
    if (answer == NULL) {
        return -1;
    }
    for (int64_t k = j; k < end; k++) {
        b->values[k] = is_fixed(b, k) ? answer : model; /* read all the same, beside other columns of other fits */
        model += is_fixed(b, k) ? 0 : count * b->m;
    }
    return 0;
}

/* As few calls as `points` allows, for about as many variables each. */
static int
call_for_differences(many *b, lm_fit *const *fits, int64_t count)
{
    const int64_t n = b->n, most = count < b->points ? b->points / count : 1;
    int64_t left = 0;
    for (int64_t j = 0; j < n; j++) {
        left += !is_fixed(b, j);
    }
    question q = {.points = 0};
    int status = 0;
    for (int64_t j = 0, end = 0; j < n && status == 0; j = end) {
        const int64_t calls = (left + most - 1) / most, at_once = calls > 0 ? (left + calls - 1) / calls : 0;
        int64_t copies = 0;
        while (end < n && (copies < at_once || is_fixed(b, end))) {
            copies += !is_fixed(b, end++);
        }
        status = call_for_columns(b, fits, count, j, end, copies, &q);
        left -= copies;
    }
    question_end(&q, b->ndata);
    return status;
}

/* J of fit i of a model, some of whose points are left out: column by column. */
static void
make_packed(const many *b, const many_fit *s, int64_t i, int64_t count, double *fjac)
{
    for (int64_t j = 0; j < b->n; j++) {
        const double h = b->h[j * count + i];
        double *column = fjac + j * s->m; /* the next one is written after it, where b->m is more */
        if (h != 0.0) {
            compare_points(b, s, b->values[j] + i * b->m, column);
        }
        lm_difference_column(s->m, s->f, h, column);
    }
}

static void
factor_differences(many *b, lm_fit *const *fits, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        many_fit *s = (many_fit *)fits[i];
        int64_t calls = 0;
        for (int64_t j = 0; j < b->n; j++) {
            calls += b->h[j * count + i] != 0.0;
        }
        s->fit.state.nfev += calls;
        lm_count_differences(&s->fit.state, b->trials_only, calls);
        if (s->count == b->m) {
            const lm_quotients quotients = {b->values, i * b->m, b->h + i, count, s->y, s->w};
            lm_group_add_quotients(&b->group, &s->fit.factors, s->m, &quotients, s->f);
        }
        else {
            double *fjac = lm_group_place(&b->group);
            make_packed(b, s, i, count, fjac);
            lm_group_add(&b->group, &s->fit.factors, s->m, fjac, s->m, s->f);
        }
    }
}

/* J of fit i, weighted, out of what Dfun has returned; where that is by columns and needs no weights, it is J. */
static void
factor_derivatives(many *b, many_fit *s, PyArrayObject *value, int64_t i)
{
    const npy_intp down = PyArray_STRIDE(value, 1 + b->col_deriv), across = PyArray_STRIDE(value, 2 - b->col_deriv);
    const npy_intp size = sizeof(double);
    const char *from = PyArray_BYTES(value) + i * PyArray_STRIDE(value, 0);
    if (down == size && across >= 0 && across % size == 0 && s->w == NULL) {
        lm_group_add(&b->group, &s->fit.factors, s->m, (const double *)from, across / size, s->f);
        return;
    }
    double *fjac = lm_group_place(&b->group);
    for (int64_t j = 0; j < b->n; j++, from += across) {
        double *column = fjac + j * s->m; /* the next one is written after it, where m has more */
        if (down == size) {
            memcpy(column, from, b->m * size);
        }
        else {
            for (int64_t k = 0; k < b->m; k++) {
                column[k] = *(const double *)(from + k * down);
            }
        }
        weigh(s, b->m, column);
    }
    lm_group_add(&b->group, &s->fit.factors, s->m, fjac, s->m, s->f);
}

static PyArrayObject *
ask_dfun(const many *b, lm_fit *const *fits, int64_t count)
{
    question q = {.points = 0};
    PyObject *value = NULL;
    if (question_begin(b, &q, fits, count, 1) == 0) {
        for (int64_t i = 0; i < count; i++) {
            question_set_point(b, &q, i, fits[i]->x);
        }
        value = question_ask(b, b->dfun, &q);
    }
    question_end(&q, b->ndata);
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
            return -1;
        }
        gil_let_go(&b->lock, operations);
        factor_differences(b, fits, count);
        lm_group_end(&b->group);
        return 0;
    }
    PyArrayObject *value = ask_dfun(b, fits, count);
    if (value == NULL) {
        return -1;
    }
    b->kept[b->nkept++] = value;
    gil_let_go(&b->lock, operations);
    for (int64_t i = 0; i < count; i++) {
        many_fit *s = (many_fit *)fits[i];
        s->fit.state.njev += 1;
        factor_derivatives(b, s, value, i);
    }
    lm_group_end(&b->group);
    return 0;
}

lm_evaluator
many_batches(many *b)
{
    return (lm_evaluator){b, batch_residual, batch_jacobian, many_moved};
}
