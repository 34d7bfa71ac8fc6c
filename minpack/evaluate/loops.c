/* Loops over f and the columns of J. */
#include "loops.h"

#include <stddef.h>

#ifndef VARIANT
#define VARIANT(name) name##_baseline
#endif

/* Divisions are as dear as a call of a small function. */
void
VARIANT(lm_quotients)(int64_t m, const double *restrict fvec, double h, double *restrict to)
{
    for (int64_t i = 0; i < m; i++) {
        to[i] = (to[i] - fvec[i]) / h;
    }
}

/* Sums of squares in the order of linalg/dot.f90: those that m has beyond a multiple of eight, and eight partial sums of
 * the rest. */
typedef double four __attribute__((vector_size(32), aligned(8), may_alias));

#define FOUR(p) (*(const four *)(p))

static inline double
total_of(double total, four one, four other)
{
    const four sum = one + other;
    return total + ((sum[0] + sum[2]) + (sum[1] + sum[3]));
}

double
VARIANT(lm_squares)(int64_t m, const double *x)
{
    four one = {0.0}, other = {0.0};
    double total = 0.0;
    int64_t i = 0;
    for (; i < (m & 7); i++) {
        total += x[i] * x[i];
    }
    for (; i < m; i += 8) {
        one += FOUR(x + i) * FOUR(x + i);
        other += FOUR(x + i + 4) * FOUR(x + i + 4);
    }
    return total_of(total, one, other);
}

static inline __attribute__((always_inline)) four
compared(const double *model, const double *y, const double *w, double *to)
{
    four f = FOUR(model) - FOUR(y);
    if (w != NULL) {
        f = FOUR(w) * f;
    }
    *(four *)to = f;
    return f * f;
}

static inline __attribute__((always_inline)) double
compare(int64_t m, const double *model, const double *y, const double *w, double *to)
{
    four one = {0.0}, other = {0.0};
    double total = 0.0;
    int64_t i = 0;
    for (; i < (m & 7); i++) {
        to[i] = w == NULL ? model[i] - y[i] : w[i] * (model[i] - y[i]);
        total += to[i] * to[i];
    }
    for (; i < m; i += 8) {
        one += compared(model + i, y + i, w == NULL ? NULL : w + i, to + i);
        other += compared(model + i + 4, y + i + 4, w == NULL ? NULL : w + i + 4, to + i + 4);
    }
    return total_of(total, one, other);
}

double
VARIANT(lm_compare)(int64_t m, const double *model, const double *y, const double *w, double *to)
{
    return w == NULL ? compare(m, model, y, NULL, to) : compare(m, model, y, w, to);
}
