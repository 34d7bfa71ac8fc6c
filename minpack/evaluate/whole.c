#include "whole.h"

void
lm_whole_choose(whole_fit *f)
{
    const int64_t m = f->m, n = f->fit.n;
    f->by_rows = lm_factor_by_rows(m, n);
    if (f->by_rows) {
        const int64_t factor = lm_factor_size(m, n), step = lm_lmpar_size(n);
        f->work.scratch_size = factor > step ? factor : step;
    }
    f->fit.factors.ldr = f->by_rows ? n : m;
}

void
lm_whole_lay_out(lm_plan *plan, whole_fit *f)
{
    lm_plan_work(plan, &f->work, f->fit.n);
    lm_plan_doubles(plan, &f->fvec, f->m);
    lm_plan_doubles(plan, &f->f_trial, f->m);
    if (f->by_rows && !f->reduced) {
        lm_plan_doubles(plan, &f->fjac, f->m * f->fit.n);
    }
    lm_plan_fit(plan, &f->fit);
    if (!f->by_rows) {
        f->fjac = f->fit.factors.r; /* factored in place */
    }
}

int
lm_whole_run(whole_fit *f, const lm_evaluator *evaluator)
{
    lm_fit *fits[1] = {&f->fit};
    const int status = lm_run(fits, 1, evaluator, &f->work);
    if (f->fit.state.iteration == 0) { /* improper input, or no residuals at the start */
        lm_whole_swap(f);
    }
    return status;
}

void
lm_whole_factor(whole_fit *f, int threads)
{
    lm_factors *factors = &f->fit.factors;
    const int64_t m = f->m, n = f->fit.n;
    f->factored = 1;
    if (f->by_rows) {
        lm_factor_whole(factors, m, n, f->fjac, 1, m, f->fvec, f->work.scratch, threads);
    }
    else {
        lm_factor_in_place(factors, m, n, f->fjac, f->fvec, f->work.p, f->work.work, f->f_trial);
    }
}

void
lm_whole_swap(whole_fit *f)
{
    double *accepted = f->f_trial;
    f->f_trial = f->fvec;
    f->fvec = accepted;
}
