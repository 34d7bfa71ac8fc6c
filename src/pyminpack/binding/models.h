/* The evaluator that calls compiled functions for many fits, one after the other, without the interpreter. */
#ifndef PYMINPACK_MODELS_H
#define PYMINPACK_MODELS_H

#include "many.h"

/* Into b->model, what func is: 0 or -1. */
int take_model(many *b);

/* The `p` of a fit is its row of the first array of data, or where there is none the model's. */
lm_evaluator many_models(many *b);

#endif
