/* A fit whose residuals are whole in memory, and whose Jacobian is, where it is made here. */
#ifndef MINPACK_WHOLE_H
#define MINPACK_WHOLE_H

#include "loop.h"

typedef struct {
    lm_fit fit; /* first: the loop's pointer is ours */
    lm_work work;
    int64_t m;
    double epsfcn;
    double *fvec, *f_trial;
    double *fjac; /* J by columns; NULL where it is reduced as it comes */
    int reduced;  /* which is so where it is by rows, and not made here */
    int by_rows, factored;
    int trials_only; /* maxfev is a limit on trial points: differences are not counted */
} whole_fit;

/* With m, fit.n and `reduced` set: which way J is factored, and what that needs. */
void lm_whole_choose(whole_fit *f);

/* Memory: O(m + n^2), and m n where J is made here. */
void lm_whole_lay_out(lm_plan *plan, whole_fit *f);

/* From its start to its end: 0 or -1. fvec is F(x) in the end; where there was no such, what f_trial was. */
int lm_whole_run(whole_fit *f, const lm_evaluator *evaluator);

/* fjac and fvec into the factors, by so many threads where it is by rows. */
void lm_whole_factor(whole_fit *f, int threads);

/* What moved: fvec := f_trial. */
void lm_whole_swap(whole_fit *f);

#endif
