/* The evaluator that calls Python functions for many fits at a time. */
#ifndef PYMINPACK_BATCHES_H
#define PYMINPACK_BATCHES_H

#include "many.h"

/* One call for the residuals of all that run; for differences one for each variable, or for several, up to
 * as many points as there are slots. */
lm_evaluator many_batches(many *b);

#endif
