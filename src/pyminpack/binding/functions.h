/* The evaluator that calls Python functions, for one fit. */
#ifndef PYMINPACK_FUNCTIONS_H
#define PYMINPACK_FUNCTIONS_H

#include "gil.h"
#include "python.h"
#include "whole.h"

typedef struct {
    whole_fit whole; /* first: the loop's pointer is ours */
    PyObject *func, *dfun; /* dfun: NULL for differences */
    PyObject *watch;       /* called at each new point; NULL: nobody */
    PyObject **stack;      /* vectorcall: a free slot, x, the extra arguments */
    Py_ssize_t nstack;
    int col_deriv;
    gil lock;
    double step_operations; /* between two verbs */
} python_fit;

/* function(x, *args) with an x of its own: the callee may write to it or keep it. */
PyObject *call_user(python_fit *f, PyObject *function, const double *x);

/* From its start to its end. On entry f_trial holds F(x), the call that found out m, and nfev is 1.
 * fvec is F(x) in the end; -1 with an exception. */
int run_python_fit(python_fit *f);

#endif
