/* A stream of fits through a few slots: one that has ended makes room for the next, so that the loop
 * always has as many to ask for as there are slots. */
#ifndef MINPACK_STREAM_H
#define MINPACK_STREAM_H

#include "loop.h"

typedef struct {
    void *self;
    /* Put the next fit, at its start, into the memory of `slot`: 1; or 0: there is none; or -1: end the
     * stream, the error is the source's. Not asked again after a 0. */
    int (*next)(void *self, lm_fit *slot);
    /* The fit has ended, and its slot will be used again: 0; or 1: it has been made ready to start again, as by
     * `next`. */
    int (*ended)(void *self, lm_fit *slot);
} lm_source;

/* All that the source has: 0; or -1, an error of the source's or the evaluator's, with fits still in their
 * slots. The order of `slots` is the loop's. */
int lm_stream(lm_fit **slots, int64_t count, const lm_source *source, const lm_evaluator *evaluator, lm_work *work);

#endif
