/* The factor step: from J and f to all that the step needs of them, J P = Q R and the first n of Q^T f.
 *
 * A small J is factored in place. A larger one is reduced by blocks of rows to a running factor, where it
 * lies, and that is pivoted; so a J need never be whole:
 *
 *     lm_factor_begin(n, running);
 *     lm_factor_rows(n, running, ...);         for each block of rows, in any order
 *     lm_factor_merge(n, running, other);      for each running factor of other rows: another thread's, another machine's
 *     lm_factor_end(&factors, n, running, scratch);
 *
 * All memory is the caller's, of any alignment (64 bytes is fastest); nothing is kept between two calls.
 */
#ifndef MINPACK_FACTOR_H
#define MINPACK_FACTOR_H

#include <stdint.h>

/* J P = Q R at x. */
typedef struct {
    double *r;   /* R in the upper triangle of its n columns */
    int64_t ldr; /* n, unless J is factored in place */
    int *ipvt;
    double *qtf;
    double *acnorm; /* in the order of the variables; one that is not finite: so is its column */
} lm_factors;

/* The ways: whether an m by n Jacobian is reduced by rows, and not factored in place; whether in two
 * halves; whether R is pivoted by blocks, and not by qrfac. Nobody else decides it. */
int lm_factor_by_rows(int64_t m, int64_t n);
int lm_factor_in_halves(int64_t m, int64_t n);
int lm_factor_by_blocks(int64_t n);
/* Whether a few of one size are factored in one pass, a vector across them (group.h). */
int lm_factor_in_groups(int64_t m, int64_t n);

/* In place: R takes that of J, whose columns are ldr apart where r is fjac, and else follow one another without
 * gaps: then r gets a copy.
 * The same bits on every processor. work1 and work2 hold n numbers, work3 m. */
void lm_factor_in_place(lm_factors *factors, int64_t m, int64_t n, double *fjac, const double *fvec,
                        double *work1, double *work2, double *work3);

/* A whole J at any strides (in numbers, not negative), only read. `threads`, 1 or 2, changes no bit;
 * scratch holds lm_factor_size numbers. */
int64_t lm_factor_size(int64_t m, int64_t n);
void lm_factor_whole(lm_factors *factors, int64_t m, int64_t n, const double *j, int64_t row_stride,
                     int64_t column_stride, const double *fvec, double *scratch, int threads);

/* Threads for that which are worth their start: 2 where J is in two halves, a processor is idle, and none
 * of the usual variables says one. It looks at the environment, which no other thread may be changing. */
int lm_factor_threads(int64_t m, int64_t n);

/* The part of it before pivoting: the running factor of J, at the start of `memory` of
 * lm_reduction_size numbers. 0 where J or f is not finite, else 1. */
int64_t lm_reduction_size(int64_t m, int64_t n);
int lm_factor_reduce(int64_t m, int64_t n, const double *j, int64_t row_stride, int64_t column_stride,
                     const double *fvec, double *memory, int threads);

/* A running factor: lm_running_size plain numbers, to be stored or sent at will. */
int64_t lm_running_size(int64_t n);
void lm_factor_begin(int64_t n, double *running);
/* 0 where these rows hold NaN or infinity: then it is of no more use. scratch: lm_rows_size numbers. */
int64_t lm_rows_size(int64_t n);
int lm_factor_rows(int64_t n, double *running, int64_t rows, const double *j, int64_t row_stride,
                   int64_t column_stride, const double *f, double *scratch);
/* `other` is used up. */
void lm_factor_merge(int64_t n, double *running, double *other);
/* scratch: lm_end_size numbers, which may begin with the running factor itself. */
int64_t lm_end_size(int64_t n);
void lm_factor_end(lm_factors *factors, int64_t n, const double *running, double *scratch);

/* The first column that is not finite, counted from 0: all that the step needs to know of such a J; n where none is. */
int64_t lm_nonfinite_column(int64_t m, int64_t n, const double *j, int64_t row_stride, int64_t column_stride);

/* Where there are no factors: defined numbers all the same. */
void lm_factor_none(lm_factors *factors, int64_t n);
/* And acnorm says that this column is why. */
void lm_factor_nonfinite(lm_factors *factors, int64_t n, int64_t column);

#endif
