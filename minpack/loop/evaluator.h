/* The contract between the loop and who evaluates residuals and Jacobians for it.
 *
 * The loop owns neither f nor J: it asks for them at the points of its fits, and gets ||f|| and the
 * factors of J. Several fits may ask at a time, in the order that suits the loop.
 */
#ifndef MINPACK_EVALUATOR_H
#define MINPACK_EVALUATOR_H

#include <stdint.h>

#include "factor.h"
#include "minpack.h"

/* One fit: all that differs from fit to fit, in numbers. */
typedef struct {
    lm_state state;
    int64_t n;
    double *x;       /* the best point so far */
    double *x_trial; /* where F is wanted; free for use while J is made */
    double *diag;
    lm_factors factors;
    const double *lower, *upper; /* NULL without bounds, like inside */
    double *inside;              /* LM_INSIDE vectors of the step's own */
} lm_fit;

/* Each verb answers `count` fits and returns 0, or -1: end the loop, the error is the evaluator's.
 * It counts its calls in the fits' states. */
typedef struct {
    void *self;
    /* f_trial := F(x_trial), kept by the evaluator; state.fnorm_trial := its norm. */
    int (*residual)(void *self, lm_fit *const *fits, int64_t count);
    /* factors := those of J(x), with f = F(x) for qtf. */
    int (*jacobian)(void *self, lm_fit *const *fits, int64_t count);
    /* x_trial has become x: f := f_trial. The fit may have ended with it. */
    int (*moved)(void *self, lm_fit *const *fits, int64_t count);
} lm_evaluator;

/* From within a verb: this fit ends, the others go on. A negative info is the user's own. */
static inline void
lm_end(lm_fit *fit, int info)
{
    fit->state.request = REQUEST_STOP;
    fit->state.info = info;
}

#endif
