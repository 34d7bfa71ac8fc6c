/* What qrfac.c and qrfac_group.c have in common. */
#ifndef MINPACK_QRFAC_H
#define MINPACK_QRFAC_H

#include <stdint.h>

#include "minpack.h"
#include "quotients.h"

#define INLINE static inline __attribute__((always_inline))

/* The kinds of passes, each a function. */
#define KIND static __attribute__((noinline)) void

/* Sums of squares from here on have not underflown. */
#define EXACT_LEAST (DBL_MIN / (DBL_EPSILON * DBL_EPSILON))

/* Squares of norms between which neither v v^T nor its products with others over- or underflow. */
#define ORDINARY_LEAST 0x1p-400
#define ORDINARY_MOST 0x1p400

/* A downdated square is computed anew once it has shrunk by this: by then cancellation has eaten half its digits
 * (Drmac & Bujanovic, ACM TOMS 35 (2008), 12). MINPACK waits until 20 epsilon; nearly parallel columns then pivot
 * in the wrong order. */
#define NORM_TRUST 0x1p-26

/* BLOCK: rows that are taken together, each into a partial sum of its own.
 * FEW_ROWS: below it blocks are not worth their set-up: 10 x 2 take 85 ns without, 113 with them, 9 x 3 116 and 152. */
enum { BLOCK = 4, FEW_ROWS = 12 };

/* One matrix of a group, of m rows, and its factors as qrfac.c has them: R in the upper triangle of its n columns. */
typedef struct {
    const double *a; /* by columns; or NULL: by quotients */
    int64_t lda;
    const lm_quotients *quotients;
    const double *f;
    double *r, *qtf, *acnorm;
    int *ipvt; /* in: an order of the columns to begin with, the likeliest; it changes no other number */
} grouped;

/* For `count` matrices, all of one kind, and the last one again where LM_GROUP has places left: bit l of the answer is set
 * where number l has no factors, as it wants what only qrfac.c has, or goes quicker there. memory is of lm_qrfac_group_size
 * numbers, of any alignment. */
unsigned lm_qrfac_group_baseline(int64_t m, int64_t n, int64_t count, const grouped *group, double *memory);
unsigned lm_qrfac_group_avx2(int64_t m, int64_t n, int64_t count, const grouped *group, double *memory);

/* GAP: rows between columns, as a distance of 4096 bytes looks like none to a processor. */
enum { GAP = 4, VECTORS = 7 };

static inline int64_t
lm_qrfac_group_size(int64_t m, int64_t n)
{
    return LM_GROUP * ((m + BLOCK + GAP) * (n + 3) + (n + VECTORS) * (n + 1) + 2);
}

#endif
