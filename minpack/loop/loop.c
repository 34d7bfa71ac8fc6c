#include "loop.h"

#include <math.h>

inline void
lm_advance(lm_fit *fit, lm_work *work)
{
    lm_factors *a = &fit->factors;
    lm_step(&fit->state, fit->n, fit->x, fit->x_trial, a->r, a->ldr, a->ipvt, a->qtf,
            a->acnorm, fit->diag, work->p, work->work, work->scratch_size, work->scratch,
            fit->lower, fit->upper, fit->inside);
}

static inline int
waits_for_jacobian(const lm_fit *fit)
{
    return fit->state.request == REQUEST_JACOBIAN;
}

static inline int
runs(const lm_fit *fit)
{
    return fit->state.request != REQUEST_STOP;
}

static inline void
swap(lm_fit **fits, int64_t i, int64_t k)
{
    lm_fit *fit = fits[i];
    fits[i] = fits[k];
    fits[k] = fit;
}

/* Bring those that are meant to the front: how many. */
static inline int64_t
gather(lm_fit **fits, int64_t count, int (*meant)(const lm_fit *))
{
    int64_t front = 0;
    for (int64_t i = 0; i < count; i++) {
        if (meant(fits[i])) {
            swap(fits, i, front++);
        }
    }
    return front;
}

/* Step on with those that their answer has not ended, and bring to the front those that have moved: how
 * many. */
static inline int64_t
step_all(lm_fit **fits, int64_t count, lm_work *work)
{
    int64_t front = 0;
    for (int64_t i = 0; i < count; i++) {
        if (runs(fits[i])) {
            lm_advance(fits[i], work);
            if (fits[i]->state.accepted) {
                swap(fits, i, front++);
            }
        }
    }
    return front;
}

void
lm_begin(lm_fit *fit, lm_work *work)
{
    fit->state.request = REQUEST_START;
    lm_advance(fit, work);
}

inline int64_t
lm_round(lm_fit **fits, int64_t running, const lm_evaluator *evaluator, lm_work *work)
{
    void *self = evaluator->self;
    /* Every round leaves all that run with a residual to wait for, as does a start. */
    if (evaluator->residual(self, fits, running) < 0) {
        return -1;
    }
    int64_t count = step_all(fits, running, work);
    if (count > 0 && evaluator->moved(self, fits, count) < 0) {
        return -1;
    }
    count = gather(fits, running, waits_for_jacobian);
    if (count > 0) {
        if (evaluator->jacobian(self, fits, count) < 0) {
            return -1;
        }
        step_all(fits, count, work);
    }
    return gather(fits, running, runs);
}

int
lm_run(lm_fit **fits, int64_t count, const lm_evaluator *evaluator, lm_work *work)
{
    for (int64_t i = 0; i < count; i++) {
        lm_begin(fits[i], work);
    }
    int64_t running = gather(fits, count, runs);
    while (running > 0) {
        running = lm_round(fits, running, evaluator, work);
    }
    return (int)running;
}

int
lm_cause(const lm_fit *fit)
{
    const lm_state *state = &fit->state;
    if (state->info != INFO_NONFINITE) {
        return CAUSE_NONE;
    }
    if (state->iteration == 1 && !isfinite(state->fnorm)) {
        return CAUSE_START;
    }
    return state->nonfinite_trial ? CAUSE_TRIAL : CAUSE_JACOBIAN;
}
