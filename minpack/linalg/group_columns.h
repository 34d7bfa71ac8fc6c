/* The columns of a few matrices of one size into lanes: as they stand, or as quotients of a model's values. */
#ifndef MINPACK_GROUP_COLUMNS_H
#define MINPACK_GROUP_COLUMNS_H

#include <stddef.h>

#include "lanes.h"

/* Where a column of each is to be had. */
typedef struct {
    const double *from[LANES];
    int64_t ahead;          /* numbers from there to where those of the next matrices are likely to stand */
    const lanes *y, *w, *f; /* of quotients, as in lm_quotients; f is NULL where there are none */
    lanes h;
} source;

INLINE void
look_ahead(const source *s, int64_t row)
{
    EACH(l, LANES) {
        __builtin_prefetch((const void *)((uintptr_t)s->from[l] + (uintptr_t)(row + s->ahead) * sizeof(double)));
    }
}

/* lm_quotient_column, in lanes. */
INLINE void
make_quotients(const source *s, int64_t block, lanes *values)
{
    if (s->y != NULL) {
        EACH(i, BLOCK) {
            values[i] -= s->y[block + i];
        }
    }
    if (s->w != NULL) {
        EACH(i, BLOCK) {
            values[i] = s->w[block + i] * values[i];
        }
    }
    EACH(i, BLOCK) {
        values[i] = (values[i] - s->f[block + i]) / s->h;
    }
}

typedef struct {
    lanes squares[BLOCK], products[BLOCK];
} sums;

INLINE void
put_block(const source *s, int64_t block, lanes *values, lanes *to, const lanes *other, sums *sum)
{
    if (s->f != NULL) {
        make_quotients(s, block, values);
    }
    EACH(i, BLOCK) {
        to[block + i] = values[i];
        sum->squares[i] += values[i] * values[i];
        sum->products[i] += (other == to ? values[i] : other[block + i]) * values[i];
    }
}

/* Rows that m has beyond a multiple of BLOCK; the rest is such that it comes out as zero. */
INLINE void
take_rest(const double *const *from, int64_t rest, lanes *values)
{
    for (int64_t i = 0; i < BLOCK; i++) {
        values[i] = i < rest ? take_number(from, i) : fill(0.0);
    }
}

/* A column of m numbers of each, its square, and its product with another: summed as by a pass of qrfac_group.c. The first
 * block is of those rows that m has beyond a multiple of BLOCK, and ends in zeros. */
INLINE void
take_column(int64_t m, source s, lanes *to, const lanes *other, lanes *square, lanes *product)
{
    const int64_t rest = m & (BLOCK - 1);
    lanes values[BLOCK];
    sums sum;
    EACH(i, BLOCK) {
        sum.squares[i] = sum.products[i] = fill(0.0);
    }
    for (int64_t row = rest > 0 ? rest : BLOCK, block = BLOCK; row < m; row += BLOCK, block += BLOCK) {
        look_ahead(&s, row);
        take_block(s.from, row, values);
        put_block(&s, block, values, to, other, &sum);
    }
    if (rest > 0) {
        take_rest(s.from, rest, values);
    }
    else {
        take_block(s.from, 0, values);
    }
    put_block(&s, 0, values, to, other, &sum);
    *square = (sum.squares[0] + sum.squares[2]) + (sum.squares[1] + sum.squares[3]);
    *product = (sum.products[0] + sum.products[2]) + (sum.products[1] + sum.products[3]);
}

KIND
take_as_it_is(int64_t m, const source *s, lanes *to, const lanes *other, lanes *square, lanes *product)
{
    source own = *s;
    own.f = NULL;
    take_column(m, own, to, other, square, product);
}

KIND
take_quotients(int64_t m, const source *s, lanes *to, const lanes *other, lanes *square, lanes *product)
{
    take_column(m, *s, to, other, square, product);
}

/* A vector of m numbers of each, which may have none. */
static const lanes *
take_vector(int64_t m, const double *const *from, lanes *to)
{
    if (from[0] == NULL) {
        return NULL;
    }
    const int64_t rest = m & (BLOCK - 1);
    if (rest > 0) {
        take_rest(from, rest, to);
    }
    for (int64_t row = rest, block = rest > 0 ? BLOCK : 0; row < m; row += BLOCK, block += BLOCK) {
        take_block(from, row, to + block);
    }
    return to;
}

#endif
