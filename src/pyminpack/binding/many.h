/* Many fits of one model, as a stream through slots: what all ways of evaluating them share. */
#ifndef PYMINPACK_MANY_H
#define PYMINPACK_MANY_H

#include "python.h"

#include <time.h>

#include "gil.h"
#include "group.h"
#include "model.h"
#include "stream.h"

enum { MANY_MAX_DATA = 32 }; /* arrays of data, as many as numpy.broadcast takes */

/* A slot, and the fit in it. */
typedef struct {
    lm_fit fit;              /* first: the loop's pointer is ours */
    int64_t number;          /* of the fit: its place in the results */
    int64_t count;           /* of its data: those that are not left out */
    int64_t m;               /* of its residuals: count, or n zeros among them where these are fewer */
    int is_taken_on;         /* from an end that was short of its minimum */
    double *f, *f_trial;
    double *y, *w;           /* data to compare a model with, their weights, NaN: left out; or NULL */
    double data_norm;        /* ||w y||, taken while y is in the nearest cache */
    char *rows[MANY_MAX_DATA]; /* its own copy of its row of each array of data, aligned as a double */
} many_fit;

/* What the fits of one thread share. */
typedef struct {
    lm_work work;
    int64_t n, m, slots; /* m: what func returns for a fit */
    int64_t points;      /* for which func is called at once, if there is a choice */
    lm_group group;      /* Js that wait until they are factored */

    lm_state start; /* that of each fit at its start */
    double settled; /* ftol of fits that are taken on from where they have ended short; 0: none is */
    double epsfcn;
    int trials_only; /* maxfev is a limit on trial points: differences are not counted */
    const double *diag, *lower, *upper;

    PyObject *func, *dfun; /* dfun: NULL for differences */
    PyObject *args;
    int col_deriv;
    int is_model; /* func and dfun are a model's, f(x, *p), and its values are compared with y */
    const npy_bool *stop; /* set by another thread: end */
    gil lock;

    PyArrayObject *data[MANY_MAX_DATA]; /* of the block of fits that come next */
    int ndata;
    size_t row_size[MANY_MAX_DATA];
    lm_model model;        /* func and dfun, where they are compiled */
    void *p;               /* for the model, unless it gets data */
    time_t second;         /* in which signals have been looked at */
    double *h;             /* n steps for each fit */
    const double **values; /* for each variable, what func returned for its steps */
    PyArrayObject **kept;  /* the arrays behind */
    int64_t nkept;
    lm_fit *const *asked; /* whom the call of the user's is for that is being made */
    int64_t nasked;
} many;

/* f := f_trial of those who moved. */
int many_moved(void *self, lm_fit *const *fits, int64_t count);

#endif
