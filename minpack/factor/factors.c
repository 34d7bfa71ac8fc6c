/* AVX2_WORTH: elements of J from which AVX2 is the faster in place: 50 x 3 take 0.26 us in place of 0.37,
 * 200 x 4 1.0 of 1.8. ROWS_WORTH: elements of J from which the reduction by rows is no slower;
 * 250 x 4 takes 1.8 us in place and 2.8 by rows, 1000 x 3 3.7 and 3.5, 2000 x 10 40 and 29 (AVX-512).
 * PIVOT_WORTH: order of R from which it is pivoted by blocks (pivot.f90) and not by qrfac. */
#include "factors.h"

#include <math.h>
#include <string.h>

#include "halves.h"
#include "minpack.h"
#include "variants.h"

enum { AVX2_WORTH = 64, ROWS_WORTH = 1000, PIVOT_WORTH = 48 };

static int64_t
largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int
lm_by_rows(int64_t m, int64_t n)
{
    return m * n >= ROWS_WORTH;
}

int64_t
lm_scratch_size(int64_t m, int64_t n)
{
    const int64_t size = largest(pyminpack_reduction_size(m, n), pyminpack_dense_size(n));
    return n < PIVOT_WORTH ? size : largest(size, pyminpack_pivot_size(n));
}

#ifdef MINPACK_AVX2
void pyminpack_factorise_avx2(int64_t m, int64_t n, double *fjac, int64_t ldfjac, const double *fvec,
                              int *ipvt, double *qtf, double *acnorm, double *work1, double *work2,
                              double *work3);
#endif

void
pyminpack_factor_in_place(int64_t m, int64_t n, double *fjac, const double *fvec, int *ipvt,
                          double *qtf, double *acnorm, double *work1, double *work2, double *work3)
{
#ifdef MINPACK_AVX2
    if (m * n >= AVX2_WORTH && __builtin_cpu_supports("avx2")) {
        pyminpack_factorise_avx2(m, n, fjac, m, fvec, ipvt, qtf, acnorm, work1, work2, work3);
        return;
    }
#endif
    pyminpack_factorise(m, n, fjac, m, fvec, ipvt, qtf, acnorm, work1, work2, work3);
}

void
lm_factor_in_place(lm_factors *factors, int64_t m, int64_t n, double *fjac, const double *fvec,
                   double *work1, double *work2, double *work3)
{
    pyminpack_factor_in_place(m, n, fjac, fvec, factors->ipvt, factors->qtf, factors->acnorm, work1,
                              work2, work3);
    if (factors->r != fjac) {
        for (int64_t j = 0; j < n; j++) {
            memcpy(factors->r + j * factors->ldr, fjac + j * m, (j + 1) * sizeof(double));
        }
    }
}

/* The first column that is not finite is all that the step core needs to know of such a J. */
static void
mark_nonfinite(lm_factors *factors, int64_t m, int64_t n, const double *j, int64_t row_stride,
               int64_t column_stride)
{
    for (int64_t k = 0; k < n; k++) {
        factors->acnorm[k] = 0.0;
        for (int64_t i = 0; i < m; i++) {
            if (!isfinite(j[i * row_stride + k * column_stride])) {
                factors->acnorm[k] = NAN;
                return;
            }
        }
    }
    factors->acnorm[0] = NAN; /* another thread has mended J meanwhile; what was reduced was not finite */
}

void
lm_factor_by_rows(lm_factors *factors, int64_t m, int64_t n, const double *j, int64_t row_stride,
                  int64_t column_stride, const double *fvec, int threads, double *scratch,
                  double *work1, double *work2, double *work3)
{
    if (!pyminpack_reduce_rows(m, n, j, row_stride, column_stride, fvec, scratch, threads)) {
        mark_nonfinite(factors, m, n, j, row_stride, column_stride);
        lm_no_factors(factors, n);
        return;
    }
    pyminpack_rows_finish(n, scratch, factors->r, factors->qtf, factors->acnorm);
    if (n < PIVOT_WORTH) {
        pyminpack_qrfac(&n, &n, factors->r, &n, factors->qtf, factors->ipvt, work1, work2, work3);
    }
    else {
        pyminpack_pivot(n, factors->r, factors->qtf, factors->ipvt, scratch);
    }
}

void
lm_no_factors(lm_factors *factors, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        memset(factors->r + j * factors->ldr, 0, factors->ldr * sizeof(double));
        factors->qtf[j] = 0.0;
        factors->ipvt[j] = (int)j + 1;
    }
}
