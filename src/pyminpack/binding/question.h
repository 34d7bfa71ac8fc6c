/* A call of a Python function for many fits: its arguments, and what it has returned. */
#ifndef PYMINPACK_QUESTION_H
#define PYMINPACK_QUESTION_H

#include "many.h"

/* function(X, *rows, *args), with X and rows as they have been gathered for `fits`, `copies` times over; of a model,
 * f(x, *p), with the row or the argument that is its x, and each column of X with shape (points, 1). Begins as zeros. */
typedef struct {
    PyObject *x; /* (points, n); of a model (n, points): its columns are in one piece each */
    PyObject *rows[MANY_MAX_DATA];
    int64_t points;
} question;

/* Room for X, and the rows that go with it: 0 or -1. Again before each call. */
int question_begin(const many *b, question *q, lm_fit *const *fits, int64_t count, int64_t copies);
void question_set_point(const many *b, const question *q, int64_t i, const double *x);

/* What the function has returned. X is the callee's own: it may write to it or keep it. */
PyObject *question_ask(const many *b, PyObject *function, question *q);

/* func's answer: points by m numbers, C-contiguous. */
PyArrayObject *question_ask_func(const many *b, question *q);

void question_end(question *q, int ndata);

#endif
