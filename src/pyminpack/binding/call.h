/* A call from Python that runs one fit: from its arguments to a fit, and back. */
#ifndef PYMINPACK_CALL_H
#define PYMINPACK_CALL_H

#include "python.h"

#include "options.h"
#include "whole.h"

/* The arguments, in the order of the signature. */
enum { FUNC, X0, ARGS, DFUN, FULL_OUTPUT, COL_DERIV, OPTIONS, WATCH, ARGUMENT_COUNT };

enum { SMALL = 2048 }; /* bytes on the stack that save a small fit an allocation */

typedef struct {
    whole_fit *fit;
    PyArrayObject *x, *diag, *bounds; /* the arrays behind vectors of the fit */
    PyArrayObject *fjac;              /* NULL unless full output is wanted */
    void *memory;                     /* behind all that no array holds: `small`, or allocated */
    int full_output;
    double small[SMALL / sizeof(double)];
} call;

/* Start, bounds, scale and options into the fit, `analytic` where its Jacobian is no differences: 0 or -1. */
int call_begin(call *c, whole_fit *fit, PyObject *const *args, int analytic);

/* With m known, the memory of the fit; too few residuals are an error: 0 or -1. */
int call_allocate(call *c);

/* (x, ier) after a success without full output, else an Outcome. */
PyObject *call_result(call *c);

/* Let go of all that is held. */
void call_end(call *c);

#endif
