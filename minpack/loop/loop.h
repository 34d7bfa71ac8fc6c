/* The loop between step, evaluator and factors: the only one. */
#ifndef MINPACK_LOOP_H
#define MINPACK_LOOP_H

#include "evaluator.h"
#include "plan.h"

/* Start a fit, or start it anew, at x; the options and counts in its state are the caller's. It waits for
 * its residual then, or has ended: improper input. */
void lm_begin(lm_fit *fit, lm_work *work);

/* On to what the fit waits for next, once it has what it waited for: for who answers a single fit himself. */
void lm_advance(lm_fit *fit, lm_work *work);

/* One round of `running` fits in lock-step: residuals for all that wait for them, then Jacobians. How
 * many still run; they stand first in `fits` then, whose order is the loop's. Or -1: the evaluator's error.
 *
 * Between two rounds, fits that have ended may be replaced by others. */
int64_t lm_round(lm_fit **fits, int64_t running, const lm_evaluator *evaluator, lm_work *work);

/* All of them, from their start to their end: 0 or -1. */
int lm_run(lm_fit **fits, int64_t count, const lm_evaluator *evaluator, lm_work *work);

/* What ended a fit with INFO_NONFINITE, a CAUSE. */
int lm_cause(const lm_fit *fit);

#endif
