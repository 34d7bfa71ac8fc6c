#include "models.h"

#include <math.h>

#include "differences.h"
#include "pointers.h"

/* Asked before each call of a function: whether another thread wants an end, and once a second Ctrl-C. */
static int
many_go_on(void *observer)
{
    many *b = observer;
    if (*(const volatile npy_bool *)b->stop) {
        gil_take(&b->lock);
        PyErr_SetNone(PyExc_StopIteration);
        return 0;
    }
    return signals_allow(&b->lock, &b->second);
}

int
take_model(many *b)
{
    int64_t m; /* is that of the call */
    b->model = (lm_model){.goes_on = many_go_on, .observer = b};
    b->second = time(NULL);
    return get_model(b->func, &b->model, &b->p, &m);
}

static void *
p_of(const many *b, const many_fit *s)
{
    return b->ndata > 0 ? s->rows[0] : b->p;
}

static int
model_residual(void *self, lm_fit *const *fits, int64_t count)
{
    many *b = self;
    gil_let_go(&b->lock, HUGE_VAL);
    for (int64_t i = 0; i < count; i++) {
        many_fit *s = (many_fit *)fits[i];
        if (lm_model_residual(&b->model, &s->fit, p_of(b, s), s->m, s->f_trial, lm_group_place(&b->group)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* J by differences: its values, in the place for J, and its steps. */
static int
factor_values(many *b, many_fit *s)
{
    double *values = lm_group_place(&b->group), *h = b->h + b->group.waiting * b->n;
    const int64_t before = s->fit.state.nfev;
    if (lm_model_values(&b->model, &s->fit, p_of(b, s), s->m, b->epsfcn, values, h) < 0) {
        return -1;
    }
    if (s->fit.state.request != REQUEST_STOP) {
        const lm_quotients quotients = {.values = b->values, .offset = values - b->values[0], .h = h, .h_stride = 1};
        lm_count_differences(&s->fit.state, b->trials_only, s->fit.state.nfev - before);
        lm_group_add_quotients(&b->group, &s->fit.factors, s->m, &quotients, s->f);
    }
    return 0;
}

static int
factor_jacobian(many *b, many_fit *s)
{
    double *fjac = lm_group_place(&b->group);
    if (lm_model_jacobian(&b->model, &s->fit, p_of(b, s), s->m, s->f, b->epsfcn, fjac) < 0) {
        return -1;
    }
    if (s->fit.state.request != REQUEST_STOP) {
        lm_group_add(&b->group, &s->fit.factors, s->m, fjac, s->m, s->f);
    }
    return 0;
}

static int
model_jacobian(void *self, lm_fit *const *fits, int64_t count)
{
    many *b = self;
    gil_let_go(&b->lock, HUGE_VAL);
    for (int64_t i = 0; i < count; i++) {
        many_fit *s = (many_fit *)fits[i];
        if ((b->model.derivatives == NULL ? factor_values : factor_jacobian)(b, s) < 0) {
            return -1;
        }
    }
    lm_group_end(&b->group);
    return 0;
}

lm_evaluator
many_models(many *b)
{
    return (lm_evaluator){b, model_residual, model_jacobian, many_moved};
}
