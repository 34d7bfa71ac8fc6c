#include "vectors.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "dispatch.h"
#include "loops.h"
#include "minpack.h"
#include "quotients.h"

/* Numbers from which vectors gain more than it takes to ask for them. */
enum { VECTORS_WORTH = 16 };

#ifdef MINPACK_AVX2
#define LOOP(name, m, ...)                                                                                           \
    ((m) >= VECTORS_WORTH && lm_isa() >= ISA_AVX2 ? lm_##name##_avx2(m, __VA_ARGS__) : lm_##name##_baseline(m, __VA_ARGS__))
#else
#define LOOP(name, m, ...) lm_##name##_baseline(m, __VA_ARGS__)
#endif

/* ||f||, as lm_enorm has it, from what the squares add up to. */
static double
norm_from(double square, int64_t m, const double *f)
{
    const double safe = DBL_MIN / (DBL_EPSILON * DBL_EPSILON); /* sum_safe of linalg/enorm.f90 */
    return square >= safe && square <= DBL_MAX ? sqrt(square) : lm_enorm(&m, f);
}

double
lm_norm(int64_t m, const double *f)
{
    return norm_from(LOOP(squares, m, f), m, f);
}

double
lm_compare(int64_t m, const double *model, const double *y, const double *w, double *f)
{
    return norm_from(LOOP(compare, m, model, y, w, f), m, f);
}

void
lm_difference_column(int64_t m, const double *fvec, double h, double *column)
{
    if (h == 0.0) {
        memset(column, 0, m * sizeof(double));
    }
    else if (m < VECTORS_WORTH) {
        for (int64_t i = 0; i < m; i++) {
            column[i] = (column[i] - fvec[i]) / h;
        }
    }
    else {
        LOOP(quotient_column, m, column, NULL, NULL, fvec, h, column);
    }
}
