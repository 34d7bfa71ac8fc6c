/* A step of a few fits at a time. */
#ifndef MINPACK_STEP_GROUP_H
#define MINPACK_STEP_GROUP_H

#include <stdint.h>

#include "minpack.h"

enum { LM_STEP_GROUP_MOST = 12 }; /* variables */

/* A fit without bounds, as lm_step has it; ldr is n. */
typedef struct {
    lm_state *state;
    const double *x, *r, *qtf, *acnorm;
    const int *ipvt;
    double *x_trial, *diag;
} stepping;

/* lm_step for `count` fits with their Jacobian, and the last one again where LM_GROUP has places left: bit l of the answer
 * is set where number l has been left as it was, and is for lm_step. */
unsigned lm_step_group_baseline(int64_t n, int64_t count, const stepping *group);
unsigned lm_step_group_avx2(int64_t n, int64_t count, const stepping *group);

#endif
