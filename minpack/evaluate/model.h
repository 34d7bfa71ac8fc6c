/* A model in compiled code: function pointers with the argument lists of cminpack, and calls of them for a fit. */
#ifndef MINPACK_MODEL_H
#define MINPACK_MODEL_H

#include "evaluator.h"

/* fvec := F(x), for a trial point (iflag 1) or a difference (2). A negative number ends the fit, whose info it
 * becomes. */
typedef int lm_residuals(void *p, int m, int n, const double *x, double *fvec, int iflag);

/* iflag 1: fvec := F(x); 2: fjac := J(x), by columns, where fvec is F(x). */
typedef int lm_both(void *p, int m, int n, const double *x, double *fvec, double *fjac, int ldfjac, int iflag);

typedef struct {
    lm_residuals *residuals; /* F: one of the two */
    lm_both *both;
    lm_both *derivatives;           /* J; NULL: differences */
    int (*goes_on)(void *observer); /* asked before each call; 0: all fits end */
    void *observer;
} lm_model;

/* The verbs `residual` and `jacobian` for one fit of m residuals, with the model's `p`: 0; -1 where all end. The
 * fit itself has ended where the model says so. */
int lm_model_residual(const lm_model *model, lm_fit *fit, void *p, int64_t m, double *f_trial, double *fjac);
int lm_model_jacobian(const lm_model *model, lm_fit *fit, void *p, int64_t m, double *fvec, double epsfcn,
                      double *fjac);
/* The second without derivatives, of which only F(x + h_j e_j), by columns, and h are wanted. */
int lm_model_values(const lm_model *model, lm_fit *fit, void *p, int64_t m, double epsfcn, double *values, double *h);

#endif
