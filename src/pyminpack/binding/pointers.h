/* Function pointers, as Python hands them in. */
#ifndef PYMINPACK_POINTERS_H
#define PYMINPACK_POINTERS_H

#include "python.h"

#include "model.h"

/* From a model as _input/compiled.py makes it: (residuals, both, derivatives, p, m, owners), the first four addresses,
 * 0 where there is none; p may be an array. 0; or -1: it is no such tuple. */
int get_model(PyObject *value, lm_model *model, void **p, int64_t *m);

#endif
