#include "differences.h"

/* F(x + h e_j) into the column; h. */
static int
take_step(lm_fit *fit, int64_t j, double epsfcn, double *column, double *h, lm_function function, void *self)
{
    *h = lm_difference_point(fit, j, epsfcn);
    return *h != 0.0 ? function(self, fit->x_trial, column) : 0;
}

int
lm_differences(lm_fit *fit, int64_t m, const double *fvec, double epsfcn, double *fjac,
               int64_t ldfjac, lm_function function, void *self)
{
    for (int64_t j = 0; j < fit->n; j++) {
        double *column = fjac + j * ldfjac, h;
        const int status = take_step(fit, j, epsfcn, column, &h, function, self);
        if (status != 0) {
            return status;
        }
        lm_difference_column(m, fvec, h, column);
    }
    return 0;
}

int
lm_difference_values(lm_fit *fit, int64_t m, double epsfcn, double *values, double *h, lm_function function, void *self)
{
    for (int64_t j = 0; j < fit->n; j++) {
        const int status = take_step(fit, j, epsfcn, values + j * m, h + j, function, self);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}
