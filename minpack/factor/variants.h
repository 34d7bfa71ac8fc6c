/* The blocked factor routines (rows.f90, pivot.f90, damped.f90), each the variant for this processor. */
#ifndef MINPACK_VARIANTS_H
#define MINPACK_VARIANTS_H

#include <stdint.h>

void pyminpack_rows_add(int64_t m, int64_t n, const double *a, int64_t row_stride,
                        int64_t column_stride, const double *f, double *state, double *work,
                        int64_t *finite);
void pyminpack_rows_merge(int64_t n, double *state, double *other);
void pyminpack_rows_finish(int64_t n, const double *state, double *r, double *qtf, double *acnorm);
void pyminpack_pivot(int64_t n, double *r, double *qtf, int *ipvt, double *work);
void pyminpack_damped(int64_t n, const double *r, const int *ipvt, double par, const double *diag,
                      const double *qtf, double *s, double *qtb, double *work);
int64_t pyminpack_variant(void); /* 0: baseline, 1: AVX2, 2: AVX-512 */

/* Numbers in their work arrays; 64-byte alignment is fastest, none is needed. */
int64_t pyminpack_state_size(int64_t n);
int64_t pyminpack_block_size(int64_t n);
int64_t pyminpack_pivot_size(int64_t n);
int64_t pyminpack_damped_size(int64_t n); /* and leading(n) times padded(n) for S */
int64_t pyminpack_dense_size(int64_t n);

#endif
