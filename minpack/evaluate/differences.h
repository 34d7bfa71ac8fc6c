/* The Jacobian by forward differences. */
#ifndef MINPACK_DIFFERENCES_H
#define MINPACK_DIFFERENCES_H

#include <math.h>
#include <string.h>

#include "evaluator.h"
#include "vectors.h"

/* x_trial := x + h e_j within the bounds; h, or 0 where these fix the variable: then its column is not
 * to be known, nor needed. One column after another, from 0. `epsfcn` is the relative error of F. */
static inline double
lm_difference_point(lm_fit *fit, int64_t j, double epsfcn)
{
    if (j == 0) {
        memcpy(fit->x_trial, fit->x, fit->n * sizeof(double));
    }
    else {
        fit->x_trial[j - 1] = fit->x[j - 1];
    }
    double h = lm_difference_step(fit->x[j], epsfcn);
    if (fit->lower == NULL) {
        fit->x_trial[j] = fit->x[j] + h;
        return h;
    }
    const double lower = fit->lower[j], upper = fit->upper[j];
    const double size = fit->state.walls ? fit->state.longest / fit->diag[j] : 0.0;
    h = lm_step_within(h, fit->x[j], lower, upper, size);
    fit->x_trial[j] = fmin(fmax(fit->x[j] + h, lower), upper); /* where the next number is a bound */
    return h;
}

/* So many calls were for differences: a limit on trials only moves along. */
static inline void
lm_count_differences(lm_state *state, int trials_only, int64_t calls)
{
    if (trials_only && state->maxfev < INT64_MAX - calls) {
        state->maxfev += calls;
    }
}

/* fjac := J at x, column by column. `function` puts F at x into fvec; what it returns, unless 0, is
 * returned here at once. */
typedef int (*lm_function)(void *self, const double *x, double *fvec);
int lm_differences(lm_fit *fit, int64_t m, const double *fvec, double epsfcn, double *fjac,
                   int64_t ldfjac, lm_function function, void *self);
/* The same, but for the quotients: F(x + h_j e_j) by columns without gaps, and h. */
int lm_difference_values(lm_fit *fit, int64_t m, double epsfcn, double *values, double *h, lm_function function,
                         void *self);

#endif
