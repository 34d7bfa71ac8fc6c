/* The loops of loops.c, which is compiled once for each instruction set that is worth it; the same bits by all. */
#ifndef MINPACK_LOOPS_H
#define MINPACK_LOOPS_H

#include <stdint.h>

/* compare: to := w (model - y), or model - y where w is NULL; its squares
 * squares: x^T x */
#define LM_LOOPS(isa)                                                                                                \
    double lm_compare##isa(int64_t m, const double *model, const double *y, const double *w, double *to);            \
    double lm_squares##isa(int64_t m, const double *x);

LM_LOOPS(_baseline)
LM_LOOPS(_avx2)

#endif
