/* Loops over f and the columns of J. */
#include "loops.h"

#include <stddef.h>

#ifndef VARIANT
#define VARIANT(name) name##_baseline
#endif

#define EACH(value) for (int64_t i = 0; i < m; i++) { to[i] = (value); }

void
VARIANT(lm_compare)(int64_t m, const double *restrict model, const double *restrict y, const double *restrict w,
                    double *restrict to)
{
    if (w == NULL) {
        EACH(model[i] - y[i])
    }
    else {
        EACH(w[i] * (model[i] - y[i]))
    }
}

/* Divisions are as dear as a call of a small function. */
void
VARIANT(lm_quotients)(int64_t m, const double *restrict fvec, double h, double *restrict to)
{
    EACH((to[i] - fvec[i]) / h)
}

void
VARIANT(lm_compared_quotients)(int64_t m, const double *restrict model, const double *restrict y,
                              const double *restrict w, const double *restrict fvec, double h, double *restrict to)
{
    if (y == NULL) {
        EACH((model[i] - fvec[i]) / h)
    }
    else if (w == NULL) {
        EACH(((model[i] - y[i]) - fvec[i]) / h)
    }
    else {
        EACH((w[i] * (model[i] - y[i]) - fvec[i]) / h)
    }
}

/* In the order of linalg/dot.f90. */
double
VARIANT(lm_squares)(int64_t m, const double *x)
{
    enum { SUMS = 8 };
    const int64_t rest = m & (SUMS - 1);
    double total = 0.0, sum[SUMS] = {0.0};
    for (int64_t i = 0; i < rest; i++) {
        total += x[i] * x[i];
    }
    for (int64_t i = rest; i < m; i += SUMS) {
        for (int k = 0; k < SUMS; k++) {
            sum[k] += x[i + k] * x[i + k];
        }
    }
    return total + (((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7])));
}
