/* Telling Python how a fit goes on. */
#ifndef PYMINPACK_WATCH_H
#define PYMINPACK_WATCH_H

#include "python.h"
#include "whole.h"

/* Tell the watcher of a new point, from the evaluator's `moved`; its StopIteration ends the fit, unless that has
 * just converged; anything else is an error: -1. */
int tell(PyObject *watch, whole_fit *f);

#endif
