#include "loop.h"

#include <math.h>

#include "dispatch.h"
#include "step_group.h"

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

/* Whether it may be one of a group. */
static inline int
steps_with(const lm_fit *fit, int64_t n)
{
    return fit->n == n && fit->factors.ldr == n && fit->lower == NULL && waits_for_jacobian(fit)
           && fit->state.phase == PHASE_SEARCH;
}

/* A step of up to LM_GROUP fits with their Jacobian: a bit for each that it is nothing for. */
static inline unsigned
step_together(lm_fit *const *fits, int64_t count)
{
#ifdef MINPACK_GROUPS
    const int64_t n = fits[0]->n;
    if (count == 1 || n > LM_STEP_GROUP_MOST) {
        return ~0U;
    }
    stepping group[LM_GROUP];
    for (int64_t l = 0; l < LM_GROUP; l++) { /* the last one in the places that are left */
        lm_fit *fit = fits[l < count ? l : count - 1];
        const lm_factors *a = &fit->factors;
        if (!steps_with(fit, n)) {
            return ~0U;
        }
        group[l] = (stepping){&fit->state, fit->x, a->r, a->qtf, a->acnorm, a->ipvt, fit->x_trial, fit->diag};
    }
#ifdef MINPACK_AVX2
    if (lm_isa() >= ISA_AVX2) {
        return lm_step_group_avx2(n, count, group);
    }
#endif
    return lm_step_group_baseline(n, count, group);
#else
    (void)fits, (void)count;
    return ~0U;
#endif
}

/* Step on with those that have their Jacobian, and that it has not ended. */
static inline void
step_from_jacobians(lm_fit **fits, int64_t count, lm_work *work)
{
    for (int64_t i = 0; i < count; i += LM_GROUP) {
        const int64_t some = count - i < LM_GROUP ? count - i : LM_GROUP;
        const unsigned alone = step_together(fits + i, some);
        for (int64_t k = 0; k < some; k++) {
            if (alone >> k & 1 && runs(fits[i + k])) {
                lm_advance(fits[i + k], work);
            }
        }
    }
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
        step_from_jacobians(fits, count, work);
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
