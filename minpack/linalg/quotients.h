/* A Jacobian by differences that nobody has written down yet. */
#ifndef MINPACK_QUOTIENTS_H
#define MINPACK_QUOTIENTS_H

#include <stdint.h>

/* How the columns of a Jacobian come out of a model's values at x + h_k e_k: as (w (values_k - y) - f)/h_k, without w where
 * that is NULL, without y, too, where that is; a column of zeros where h_k is 0. */
typedef struct {
    const double *const *values; /* those of column k stand at values[k] + offset */
    int64_t offset;
    const double *h; /* h_k stands at h[k h_stride] */
    int64_t h_stride;
    const double *y, *w;
} lm_quotients;

/* One such column, for h /= 0, perhaps where its values stand: the same bits by both. */
void lm_quotient_column_baseline(int64_t m, const double *values, const double *y, const double *w, const double *f,
                                 double h, double *column);
void lm_quotient_column_avx2(int64_t m, const double *values, const double *y, const double *w, const double *f, double h,
                             double *column);

#endif
