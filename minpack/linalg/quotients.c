#include "quotients.h"

#include <stddef.h>

#ifndef VARIANT
#define VARIANT(name) name##_baseline
#endif

/* Values may stand where the column is to. */
#define EACH(value) _Pragma("GCC ivdep") for (int64_t i = 0; i < m; i++) { column[i] = (value); }

void
VARIANT(lm_quotient_column)(int64_t m, const double *values, const double *y, const double *w, const double *f, double h,
                            double *column)
{
    if (y == NULL) {
        EACH((values[i] - f[i]) / h)
    }
    else if (w == NULL) {
        EACH(((values[i] - y[i]) - f[i]) / h)
    }
    else {
        EACH((w[i] * (values[i] - y[i]) - f[i]) / h)
    }
}
