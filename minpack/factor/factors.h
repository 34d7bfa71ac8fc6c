/* The factor step of a whole Jacobian: in place, or by blocks of rows where it lies. */
#ifndef MINPACK_FACTORS_H
#define MINPACK_FACTORS_H

#include <stdint.h>

/* J P = Q R at x. */
typedef struct {
    double *r;   /* R in the upper triangle of its n columns */
    int64_t ldr; /* >= n */
    int *ipvt;
    double *qtf;
    double *acnorm; /* in the order of the variables; one that is not finite: so is its column */
} lm_factors;

/* Whether an m by n Jacobian is better reduced by rows than factored in place. */
int lm_by_rows(int64_t m, int64_t n);

/* Numbers of scratch that the reduction by rows takes, the steps with its R included. */
int64_t lm_scratch_size(int64_t m, int64_t n);

/* R takes the place of J, whose columns follow one another without gaps: r is fjac, or gets a copy.
 * work1 and work2 hold n numbers, work3 m. */
void lm_factor_in_place(lm_factors *factors, int64_t m, int64_t n, double *fjac, const double *fvec,
                        double *work1, double *work2, double *work3);

/* J at any strides (in numbers, not negative), only read; ldr is n. `threads` as of halves.h; the works
 * hold n numbers. */
void lm_factor_by_rows(lm_factors *factors, int64_t m, int64_t n, const double *j, int64_t row_stride,
                       int64_t column_stride, const double *fvec, int threads, double *scratch,
                       double *work1, double *work2, double *work3);

/* The same without a struct; the same bits on every processor. */
void pyminpack_factor_in_place(int64_t m, int64_t n, double *fjac, const double *fvec, int *ipvt,
                               double *qtf, double *acnorm, double *work1, double *work2,
                               double *work3);

/* Where there are no factors: defined numbers all the same. */
void lm_no_factors(lm_factors *factors, int64_t n);

#endif
