/* A column of a difference Jacobian: its divisions are as dear as a call of a small function. */
#include <stdint.h>
#include <string.h>

#ifndef VARIANT
#define VARIANT(name) name
#endif

void VARIANT(lm_column_quotients)(int64_t m, const double *restrict fvec, double h, double *restrict column);

void
VARIANT(lm_column_quotients)(int64_t m, const double *restrict fvec, double h, double *restrict column)
{
    if (h == 0.0) {
        memset(column, 0, m * sizeof(double));
        return;
    }
    for (int64_t i = 0; i < m; i++) {
        column[i] = (column[i] - fvec[i]) / h;
    }
}
