/* The evaluator that calls Python functions for many fits at a time. */
#ifndef PYMINPACK_BATCHES_H
#define PYMINPACK_BATCHES_H

#include "many.h"

/* One call for the residuals of all that run; for differences one for as many variables as go into a call of so
 * many `points`, at least one. */
lm_evaluator many_batches(many *b);

/* What the functions have returned last, with the interpreter's lock held. */
void many_release_answers(many *b);

#endif
