/* Vectors of m numbers, by what this processor has: the same bits on all. */
#ifndef MINPACK_VECTORS_H
#define MINPACK_VECTORS_H

#include <stdint.h>

/* ||f||, as lm_enorm has it. */
double lm_norm(int64_t m, const double *f);

/* f := w (model - y), or model - y where w is NULL: its norm. */
double lm_compare(int64_t m, const double *model, const double *y, const double *w, double *f);

/* column := (column - fvec)/h, where column holds F(x + h e_j) and fvec F(x); zeros where h is 0. */
void lm_difference_column(int64_t m, const double *fvec, double h, double *column);

#endif
