/* The memory of fits: one plan, that the same lines measure and lay out.
 *
 *     lm_plan plan = {NULL, 0};
 *     lines that take from the plan          measure: nothing is set yet
 *     plan = (lm_plan){malloc(plan.used), 0};
 *     the same lines                         lay out
 *
 * A pointer that is set before is memory of the caller's own, and stays.
 */
#ifndef MINPACK_PLAN_H
#define MINPACK_PLAN_H

#include <stddef.h>

#include "evaluator.h"

typedef struct {
    void *memory; /* NULL: only measure */
    size_t used;  /* bytes, a multiple of 8 */
} lm_plan;

/* What the fits of one thread share: nothing in it outlives a step or a factorisation. */
typedef struct {
    double *p, *work; /* n numbers each */
    double *scratch;  /* of the blocked routines, one at a time */
    int64_t scratch_size;
} lm_work;

void lm_plan_doubles(lm_plan *plan, double **numbers, int64_t count);
void lm_plan_ints(lm_plan *plan, int **numbers, int64_t count);

/* `fit` has its n and ldr. */
void lm_plan_fit(lm_plan *plan, lm_fit *fit);

/* For fits of n variables; `work` has its scratch_size: 0, or that of the largest blocked routine. */
void lm_plan_work(lm_plan *plan, lm_work *work, int64_t n);

#endif
