#include "plan.h"

static void *
take(lm_plan *plan, size_t bytes)
{
    void *taken = plan->memory == NULL ? NULL : (char *)plan->memory + plan->used;
    plan->used += (bytes + 7) & ~(size_t)7;
    return taken;
}

void
lm_plan_doubles(lm_plan *plan, double **numbers, int64_t count)
{
    if (*numbers == NULL) {
        *numbers = take(plan, count * sizeof(double));
    }
}

void
lm_plan_ints(lm_plan *plan, int **numbers, int64_t count)
{
    if (*numbers == NULL) {
        *numbers = take(plan, count * sizeof(int));
    }
}

void
lm_plan_fit(lm_plan *plan, lm_fit *fit)
{
    const int64_t n = fit->n;
    lm_plan_doubles(plan, &fit->x, n);
    lm_plan_doubles(plan, &fit->x_trial, n);
    lm_plan_doubles(plan, &fit->diag, n);
    lm_plan_doubles(plan, &fit->factors.r, n * fit->factors.ldr);
    lm_plan_doubles(plan, &fit->factors.qtf, n);
    lm_plan_doubles(plan, &fit->factors.acnorm, n);
    if (fit->lower != NULL) {
        lm_plan_doubles(plan, &fit->inside, LM_INSIDE * n);
    }
    lm_plan_ints(plan, &fit->factors.ipvt, n);
}

void
lm_plan_work(lm_plan *plan, lm_work *work, int64_t n)
{
    lm_plan_doubles(plan, &work->scratch, work->scratch_size);
    lm_plan_doubles(plan, &work->p, n);
    lm_plan_doubles(plan, &work->work, n);
}
