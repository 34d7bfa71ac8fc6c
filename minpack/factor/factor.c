/* The ways of the factor step, and all thresholds between them. */
#include "factor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "minpack.h"
#include "thread.h"

/* AVX2_WORTH: elements of J from which AVX2 is the faster in place: 50 x 3 take 0.22 us in place of 0.48,
 * 200 x 4 0.66 of 1.8.
 * ROWS_WORTH: elements of J from which the reduction by rows is no slower; 250 x 4 takes 1.8 us in place and
 * 2.8 by rows, 1000 x 3 3.7 and 3.5, 2000 x 10 40 and 29 (AVX-512).
 * BLOCKS_WORTH: order of R from which it is pivoted by blocks.
 * HALVES_WORTH: a reduction takes some m n (n + 8) / 9e9 seconds, a thread some 40 us. The merge costs what the
 * second half saves by starting from nothing, 2/3 n^3 operations; from HALVES_ROWS n rows on, its memory is
 * little beside J. */
enum { AVX2_WORTH = 12, ROWS_WORTH = 1000, BLOCKS_WORTH = 48, HALVES_ROWS = 4 };
#define HALVES_WORTH 5e6

int
lm_factor_by_rows(int64_t m, int64_t n)
{
    return m * n >= ROWS_WORTH;
}

int
lm_factor_in_halves(int64_t m, int64_t n)
{
    return m >= HALVES_ROWS * n && (double)m * n * (n + 8) >= HALVES_WORTH;
}

int
lm_factor_in_groups(int64_t m, int64_t n)
{
#ifdef MINPACK_GROUPS
    return !lm_factor_by_rows(m, n);
#else
    (void)m, (void)n;
    return 0;
#endif
}

int
lm_factor_by_blocks(int64_t n)
{
    return n >= BLOCKS_WORTH;
}

/* linalg/qrfac.c, the same bits by both. */
#ifdef MINPACK_AVX2
void lm_eliminate_avx2(int64_t m, int64_t n, double *a, int64_t lda, double *f, int *ipvt, double *acnorm,
                       double *squares, double *reference, double *sums);
#endif

static void
eliminate(int64_t m, int64_t n, double *a, int64_t lda, double *f, int *ipvt, double *acnorm, double *squares,
          double *reference, double *sums)
{
#ifdef MINPACK_AVX2
    if (m * n >= AVX2_WORTH && lm_isa() >= ISA_AVX2) {
        lm_eliminate_avx2(m, n, a, lda, f, ipvt, acnorm, squares, reference, sums);
        return;
    }
#endif
    lm_eliminate(m, n, a, lda, f, ipvt, acnorm, squares, reference, sums);
}

static void
exchange(int64_t m, double *restrict one, double *restrict other)
{
    enum { BLOCK = 8 };
    const int64_t whole = m & ~(int64_t)(BLOCK - 1);
    double block[BLOCK];
    for (int64_t i = 0; i < whole; i += BLOCK) {
        memcpy(block, one + i, sizeof block);
        memcpy(one + i, other + i, sizeof block);
        memcpy(other + i, block, sizeof block);
    }
    for (int64_t i = whole; i < m; i++) {
        const double number = one[i];
        one[i] = other[i];
        other[i] = number;
    }
}

/* A := A P. */
static void
arrange(int64_t m, int64_t n, double *a, int64_t lda, const int *ipvt)
{
    for (int64_t j = 0; j < n; j++) {
        int64_t k = ipvt[j] - 1;
        while (k < j) { /* that one has been exchanged */
            k = ipvt[k] - 1;
        }
        if (k > j) {
            exchange(m, a + j * lda, a + k * lda);
        }
    }
}

void
lm_qrfac(int64_t m, int64_t n, double *a, int64_t lda, double *f, int *ipvt, double *acnorm, double *squares,
         double *reference, double *sums)
{
    eliminate(m, n, a, lda, f, ipvt, acnorm, squares, reference, sums);
    arrange(m, n, a, lda, ipvt);
}

void
lm_factor_in_place(lm_factors *factors, int64_t m, int64_t n, double *fjac, const double *fvec,
                   double *work1, double *work2, double *work3)
{
    const int in_r = factors->r == fjac;
    const int64_t lda = in_r ? factors->ldr : m;
    memcpy(work3, fvec, m * sizeof(double));
    eliminate(m, n, fjac, lda, work3, factors->ipvt, factors->acnorm, factors->qtf, work1, work2);
    memcpy(factors->qtf, work3, n * sizeof(double));
    if (in_r) {
        arrange(m, n, fjac, lda, factors->ipvt);
        return;
    }
    for (int64_t j = 0; j < n; j++) {
        memcpy(factors->r + j * factors->ldr, fjac + (factors->ipvt[j] - 1) * lda, (j + 1) * sizeof(double));
    }
}

int64_t
lm_end_size(int64_t n)
{
    return lm_factor_by_blocks(n) ? lm_pivot_size(n) : 4 * n;
}

void
lm_factor_begin(int64_t n, double *running)
{
    memset(running, 0, lm_running_size(n) * sizeof(double));
}

int
lm_factor_rows(int64_t n, double *running, int64_t rows, const double *j, int64_t row_stride,
               int64_t column_stride, const double *f, double *scratch)
{
    int64_t finite;
    lm_rows_add(rows, n, j, row_stride, column_stride, f, running, scratch, &finite);
    return (int)finite;
}

void
lm_factor_merge(int64_t n, double *running, double *other)
{
    lm_rows_merge(n, running, other);
}

void
lm_factor_end(lm_factors *factors, int64_t n, const double *running, double *scratch)
{
    lm_rows_finish(n, running, factors->r, factors->qtf, factors->acnorm);
    if (lm_factor_by_blocks(n)) {
        lm_pivot(n, factors->r, factors->qtf, factors->ipvt, scratch);
    }
    else { /* the norms of J's columns are known better than from R */
        lm_qrfac(n, n, factors->r, n, factors->qtf, factors->ipvt, scratch, scratch + n, scratch + 2 * n,
                 scratch + 3 * n);
    }
}

/* A large J is reduced in two halves, each to a running factor, which then are merged: always the same
 * halves, whether a second thread takes the second or the first does both. The thread lives for one
 * reduction, so that no state stays behind and a fork is safe.
 *
 * Alone on two processors, fits of 20000 x 50 and 100000 x 10 take 0.57 and 0.64 of their time. Two
 * and four processes of such fits on the two are as fast with as without it, within 5 %, since a
 * thread is started only where a processor is idle; asked for regardless, it cost them 13 %. */

typedef struct {
    int64_t m, n, row_stride, column_stride;
    const double *j, *f;
    double *running; /* and the scratch behind it */
    int finite;
} share;

static int64_t
share_size(int64_t n)
{
    return lm_running_size(n) + lm_rows_size(n);
}

static void
reduce_share(void *argument)
{
    share *s = argument;
    lm_factor_begin(s->n, s->running);
    s->finite = lm_factor_rows(s->n, s->running, s->m, s->j, s->row_stride, s->column_stride, s->f,
                               s->running + lm_running_size(s->n));
}

int64_t
lm_reduction_size(int64_t m, int64_t n)
{
    return (lm_factor_in_halves(m, n) ? 2 : 1) * share_size(n);
}

int
lm_factor_reduce(int64_t m, int64_t n, const double *j, int64_t row_stride, int64_t column_stride,
                 const double *fvec, double *memory, int threads)
{
    const int64_t first = lm_factor_in_halves(m, n) ? m / 2 : m;
    share one = {first, n, row_stride, column_stride, j, fvec, memory, 1};
    share two = {m - first, n, row_stride, column_stride, j + first * row_stride, fvec + first,
                memory + share_size(n), 1};
    if (first == m) {
        reduce_share(&one);
        return one.finite;
    }
    thread other = {.task = reduce_share, .argument = &two};
    const int started = threads > 1 && lm_thread_start(&other);
    reduce_share(&one);
    if (started) {
        lm_thread_join(&other);
    }
    else {
        reduce_share(&two);
    }
    if (!one.finite || !two.finite) {
        return 0;
    }
    lm_factor_merge(n, one.running, two.running);
    return 1;
}

static int
says_one(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && strtol(value, NULL, 10) == 1;
}

int
lm_factor_threads(int64_t m, int64_t n)
{
    if (!lm_factor_in_halves(m, n) || says_one("OMP_NUM_THREADS") || says_one("OPENBLAS_NUM_THREADS")
        || says_one("MKL_NUM_THREADS")) {
        return 1;
    }
    return lm_processor_is_idle() ? 2 : 1;
}

int64_t
lm_nonfinite_column(int64_t m, int64_t n, const double *j, int64_t row_stride, int64_t column_stride)
{
    for (int64_t k = 0; k < n; k++) {
        for (int64_t i = 0; i < m; i++) {
            if (!isfinite(j[i * row_stride + k * column_stride])) {
                return k;
            }
        }
    }
    return n;
}

int64_t
lm_factor_size(int64_t m, int64_t n)
{
    const int64_t reduction = lm_reduction_size(m, n), end = lm_end_size(n);
    return reduction > end ? reduction : end;
}

void
lm_factor_whole(lm_factors *factors, int64_t m, int64_t n, const double *j, int64_t row_stride,
                int64_t column_stride, const double *fvec, double *scratch, int threads)
{
    if (lm_factor_reduce(m, n, j, row_stride, column_stride, fvec, scratch, threads)) {
        lm_factor_end(factors, n, scratch, scratch);
    }
    else {
        const int64_t bad = lm_nonfinite_column(m, n, j, row_stride, column_stride);
        lm_factor_nonfinite(factors, n, bad < n ? bad : 0); /* n: another thread has mended J meanwhile */
    }
}

void
lm_factor_none(lm_factors *factors, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        memset(factors->r + j * factors->ldr, 0, factors->ldr * sizeof(double));
        factors->qtf[j] = 0.0;
        factors->ipvt[j] = (int)j + 1;
    }
}

void
lm_factor_nonfinite(lm_factors *factors, int64_t n, int64_t column)
{
    lm_factor_none(factors, n);
    memset(factors->acnorm, 0, n * sizeof(double));
    factors->acnorm[column] = NAN;
}
