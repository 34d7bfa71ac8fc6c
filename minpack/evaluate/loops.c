/* Loops over f. */
#include "loops.h"

#include <stddef.h>

#ifndef VARIANT
#define VARIANT(name) name##_baseline
#endif

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

/* Of y, w and `to` each may be NULL. */
static inline __attribute__((always_inline)) four
compared(const double *model, const double *y, const double *w, double *to, int64_t i)
{
    four f = FOUR(model + i);
    if (y != NULL) {
        f -= FOUR(y + i);
    }
    if (w != NULL) {
        f = FOUR(w + i) * f;
    }
    if (to != NULL) {
        *(four *)(to + i) = f;
    }
    return f * f;
}

static inline __attribute__((always_inline)) double
compare(int64_t m, const double *model, const double *y, const double *w, double *to)
{
    four one = {0.0}, other = {0.0};
    double total = 0.0;
    int64_t i = 0;
    for (; i < (m & 7); i++) {
        const double difference = y == NULL ? model[i] : model[i] - y[i], f = w == NULL ? difference : w[i] * difference;
        if (to != NULL) {
            to[i] = f;
        }
        total += f * f;
    }
    for (; i < m; i += 8) {
        one += compared(model, y, w, to, i);
        other += compared(model, y, w, to, i + 4);
    }
    return total_of(total, one, other);
}

double
VARIANT(lm_compare)(int64_t m, const double *model, const double *y, const double *w, double *to)
{
    return w == NULL ? compare(m, model, y, NULL, to) : compare(m, model, y, w, to);
}

double
VARIANT(lm_squares)(int64_t m, const double *x)
{
    return compare(m, x, NULL, NULL, NULL);
}
