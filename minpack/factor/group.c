#include "group.h"

#include <string.h>

#include "dispatch.h"
#include "qrfac.h"

/* How many Js there is room for. */
static int64_t
capacity(int64_t m, int64_t n)
{
    return lm_factor_in_groups(m, n) ? LM_GROUP : 1;
}

static int64_t
scratch_size(int64_t m, int64_t n)
{
    const int64_t in_place = 2 * n + m, grouped = lm_factor_in_groups(m, n) ? lm_qrfac_group_size(m, n) : 0;
    const int64_t whole = lm_factor_by_rows(m, n) ? lm_factor_size(m, n) : 0;
    const int64_t small = in_place > grouped ? in_place : grouped;
    return small > whole ? small : whole;
}

int64_t
lm_group_size(int64_t m, int64_t n)
{
    return capacity(m, n) * m * n + scratch_size(m, n);
}

static double *
place(const lm_group *group, int64_t k)
{
    return group->memory + k * group->m * group->n;
}

static double *
scratch(const lm_group *group)
{
    return place(group, capacity(group->m, group->n));
}

double *
lm_group_place(const lm_group *group)
{
    return place(group, group->waiting);
}

static void
make_column(int64_t m, const double *values, const lm_quotients *q, const double *f, double h, double *column)
{
#ifdef MINPACK_AVX2
    if (lm_isa() >= ISA_AVX2) {
        lm_quotient_column_avx2(m, values, q->y, q->w, f, h, column);
        return;
    }
#endif
    lm_quotient_column_baseline(m, values, q->y, q->w, f, h, column);
}

/* J out of its quotients. */
static void
make_jacobian(int64_t m, int64_t n, const lm_quotients *q, const double *f, double *fjac)
{
    for (int64_t k = 0; k < n; k++) {
        const double h = q->h[k * q->h_stride];
        if (h != 0.0) {
            make_column(m, q->values[k] + q->offset, q, f, h, fjac + k * m);
        }
        else {
            memset(fjac + k * m, 0, m * sizeof(double));
        }
    }
}

static void
factor_alone(const lm_group *group, int64_t k)
{
    const int64_t n = group->n, m = group->fits[k].m, column_stride = group->fits[k].column_stride;
    const double *j = group->fits[k].j, *f = group->fits[k].f;
    lm_factors *factors = group->fits[k].factors;
    double *fjac = place(group, k), *work = scratch(group);
    if (j == NULL) {
        make_jacobian(m, n, &group->fits[k].quotients, f, fjac);
        j = fjac;
    }
    if (lm_factor_by_rows(m, n)) {
        lm_factor_whole(factors, m, n, j, 1, column_stride, f, work, 1);
        return;
    }
    for (int64_t i = 0; j != fjac && i < n; i++) {
        memcpy(fjac + i * m, j + i * column_stride, m * sizeof(double));
    }
    lm_factor_in_place(factors, m, n, fjac, f, work, work + n, work + 2 * n);
}

#ifdef MINPACK_GROUPS
static int
go_together(const lm_group *group)
{
    const int64_t m = group->fits[0].m;
    const int by_quotients = group->fits[0].j == NULL;
    for (int64_t k = 1; k < group->waiting; k++) {
        if (group->fits[k].m != m || (group->fits[k].j == NULL) != by_quotients) {
            return 0;
        }
    }
    return group->waiting > 1 && lm_factor_in_groups(m, group->n);
}

/* With the last one in the places that are left: a bit for each that is for factor_alone. */
static unsigned
factor_together(const lm_group *group)
{
    grouped each[LM_GROUP];
    for (int64_t l = 0; l < LM_GROUP; l++) {
        const int64_t k = l < group->waiting ? l : group->waiting - 1;
        const lm_factors *factors = group->fits[k].factors;
        each[l] = (grouped){group->fits[k].j, group->fits[k].column_stride, &group->fits[k].quotients, group->fits[k].f,
                            factors->r, factors->qtf, factors->acnorm, factors->ipvt};
    }
#ifdef MINPACK_AVX2
    if (lm_isa() >= ISA_AVX2) {
        return lm_qrfac_group_avx2(group->fits[0].m, group->n, group->waiting, each, scratch(group));
    }
#endif
    return lm_qrfac_group_baseline(group->fits[0].m, group->n, group->waiting, each, scratch(group));
}
#endif

void
lm_group_end(lm_group *group)
{
    unsigned alone = ~0U;
#ifdef MINPACK_GROUPS
    if (go_together(group)) {
        alone = factor_together(group);
    }
#endif
    for (int64_t k = 0; k < group->waiting; k++) {
        if (alone >> k & 1) {
            factor_alone(group, k);
        }
    }
    group->waiting = 0;
}

void
lm_group_add(lm_group *group, lm_factors *factors, int64_t m, const double *j, int64_t column_stride, const double *f)
{
    const int64_t k = group->waiting++;
    group->fits[k].factors = factors;
    group->fits[k].m = m;
    group->fits[k].j = j;
    group->fits[k].column_stride = column_stride;
    group->fits[k].f = f;
    if (group->waiting == capacity(group->m, group->n)) {
        lm_group_end(group);
    }
}

void
lm_group_add_quotients(lm_group *group, lm_factors *factors, int64_t m, const lm_quotients *quotients, const double *f)
{
    group->fits[group->waiting].quotients = *quotients;
    lm_group_add(group, factors, m, NULL, m, f);
}
