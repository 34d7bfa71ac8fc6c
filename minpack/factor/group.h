/* The Jacobians of many fits, one after another: small ones are factored a few at a time, a vector across the fits.
 *
 *     for each fit
 *         lm_group_add(&group, &factors, m, j, column_stride, f)
 *     lm_group_end(&group)          then all have their factors
 *
 * A fit gets the same numbers as alone, whoever its neighbours are. */
#ifndef MINPACK_GROUP_H
#define MINPACK_GROUP_H

#include "factor.h"
#include "minpack.h"
#include "quotients.h"

typedef struct {
    int64_t m, n; /* of the largest J */
    double *memory; /* lm_group_size(m, n) numbers, of any alignment */
    int64_t waiting;
    struct {
        lm_factors *factors;
        int64_t m, column_stride;
        const double *j, *f; /* j: NULL: by quotients */
        lm_quotients quotients;
    } fits[LM_GROUP];
} lm_group;

int64_t lm_group_size(int64_t m, int64_t n);

/* Where the next J may be put, its columns without gaps, if it is nowhere yet. */
double *lm_group_place(const lm_group *group);

/* J of m rows, by columns, and f, which are only read, and stay as they are until the end. Of the factors, ldr is n, and
 * ipvt an order of the columns: with that of the last J, or of another fit's, there is the least to do. */
void lm_group_add(lm_group *group, lm_factors *factors, int64_t m, const double *j, int64_t column_stride,
                  const double *f);

/* The same for a J that is to be made of quotients: at once with its factorisation, so that it need not be written. What
 * they are made of stays as it is until the end. */
void lm_group_add_quotients(lm_group *group, lm_factors *factors, int64_t m, const lm_quotients *quotients, const double *f);

void lm_group_end(lm_group *group);

#endif
