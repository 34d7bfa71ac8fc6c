#include "differences.h"

#include "dispatch.h"

/* Numbers from which vectors gain more than it takes to ask for them. */
enum { VECTORS_WORTH = 16 };

/* column.c; the same bits by all three. */
void lm_column_quotients(int64_t m, const double *fvec, double h, double *column);
#ifdef MINPACK_AVX2
void lm_column_quotients_avx2(int64_t m, const double *fvec, double h, double *column);
#endif

void
lm_difference_column(int64_t m, const double *fvec, double h, double *column)
{
    if (m < VECTORS_WORTH && h != 0.0) {
        for (int64_t i = 0; i < m; i++) {
            column[i] = (column[i] - fvec[i]) / h;
        }
        return;
    }
#ifdef MINPACK_AVX2
    if (lm_isa() >= ISA_AVX2) {
        lm_column_quotients_avx2(m, fvec, h, column);
        return;
    }
#endif
    lm_column_quotients(m, fvec, h, column);
}

int
lm_differences(lm_fit *fit, int64_t m, const double *fvec, double epsfcn, double *fjac,
               int64_t ldfjac, lm_function function, void *self)
{
    for (int64_t j = 0; j < fit->n; j++) {
        double *column = fjac + j * ldfjac;
        const double h = lm_difference_point(fit, j, epsfcn);
        if (h != 0.0) {
            const int status = function(self, fit->x_trial, column);
            if (status != 0) {
                return status;
            }
        }
        lm_difference_column(m, fvec, h, column);
    }
    return 0;
}
