/* The blocked factor routines (rows.f90, pivot.f90, damped.f90), each in the instruction set of lm_isa. */
#ifndef MINPACK_DISPATCH_H
#define MINPACK_DISPATCH_H

#include <stdint.h>

void lm_rows_add(int64_t m, int64_t n, const double *a, int64_t row_stride,
                 int64_t column_stride, const double *f, double *running, double *work,
                 int64_t *finite);
void lm_rows_merge(int64_t n, double *running, double *other);
void lm_rows_finish(int64_t n, const double *running, double *r, double *qtf, double *acnorm);
void lm_pivot(int64_t n, double *r, double *qtf, int *ipvt, double *work);
void lm_damped(int64_t n, const double *r, const int *ipvt, double par, const double *diag,
               const double *qtf, double *s, double *qtb, double *work);

/* The instruction set in use: the best that this processor and this build have, unless another is chosen. */
enum { ISA_BASELINE, ISA_AVX2, ISA_AVX512 };
int64_t lm_isa(void);
int64_t lm_best_isa(void);
int lm_isa_is_chosen(void);
/* 0 where there is none such here; negative: the best again. Calls in progress end in what they began with. */
int lm_choose_isa(int64_t isa);

/* Numbers in their work arrays; 64-byte alignment is fastest, none is needed. */
int64_t lm_pivot_size(int64_t n);
int64_t lm_damped_size(int64_t n); /* and leading(n) times padded(n) for S */

#endif
