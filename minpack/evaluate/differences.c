#include "differences.h"

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
