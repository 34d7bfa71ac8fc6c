/* A vector with a number of each of four matrices. */
#ifndef MINPACK_LANES_H
#define MINPACK_LANES_H

#include <math.h>
#include <stdint.h>

#include "qrfac.h"

typedef double lanes __attribute__((vector_size(32), may_alias));
typedef double unaligned __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t mask __attribute__((vector_size(32), may_alias));

#ifdef __clang__
#define SHUFFLE(x, y, i, j, k, l) __builtin_shufflevector(x, y, i, j, k, l)
#else
#define SHUFFLE(x, y, i, j, k, l) __builtin_shuffle(x, y, (mask){i, j, k, l})
#endif

/* Unrolled, what is of each is in registers. */
#define EACH(k, count) _Pragma("GCC unroll 4") for (int k = 0; k < count; k++)

INLINE lanes
fill(double x)
{
    return (lanes){x, x, x, x};
}

INLINE lanes
choose(mask m, lanes yes, lanes no)
{
    return (lanes)(((mask)yes & m) | ((mask)no & ~m));
}

INLINE int
any(mask m)
{
    return ((m[0] | m[1]) | (m[2] | m[3])) != 0;
}

INLINE lanes
root(lanes x)
{
    return (lanes){sqrt(x[0]), sqrt(x[1]), sqrt(x[2]), sqrt(x[3])};
}

INLINE void
exchange(mask where, lanes *one, lanes *other)
{
    const lanes x = *one, y = *other;
    *one = choose(where, y, x);
    *other = choose(where, x, y);
}

/* Four rows of a matrix each into four vectors, or back. */
INLINE void
transpose(const lanes *from, lanes *to)
{
    const lanes a = SHUFFLE(from[0], from[1], 0, 4, 2, 6), b = SHUFFLE(from[0], from[1], 1, 5, 3, 7);
    const lanes c = SHUFFLE(from[2], from[3], 0, 4, 2, 6), d = SHUFFLE(from[2], from[3], 1, 5, 3, 7);
    to[0] = SHUFFLE(a, c, 0, 1, 4, 5);
    to[1] = SHUFFLE(b, d, 0, 1, 4, 5);
    to[2] = SHUFFLE(a, c, 2, 3, 6, 7);
    to[3] = SHUFFLE(b, d, 2, 3, 6, 7);
}

/* Four numbers of each matrix, from place i on. */
INLINE void
take_block(const double *const *from, int64_t i, lanes *to)
{
    const lanes rows[LM_GROUP] = {*(const unaligned *)(from[0] + i), *(const unaligned *)(from[1] + i),
                                  *(const unaligned *)(from[2] + i), *(const unaligned *)(from[3] + i)};
    transpose(rows, to);
}

/* So many numbers out of lanes, those of each to a place of its own. */
INLINE void
give(int64_t count, const lanes *from, double *const *to)
{
    int64_t i = 0;
    for (; i + LM_GROUP <= count; i += LM_GROUP) {
        lanes rows[LM_GROUP];
        transpose(from + i, rows);
        EACH(l, LM_GROUP) {
            *(unaligned *)(to[l] + i) = rows[l];
        }
    }
    for (; i < count; i++) {
        EACH(l, LM_GROUP) {
            to[l][i] = from[i][l];
        }
    }
}

/* And into lanes. */
INLINE void
take_numbers(int64_t count, const double *const *from, lanes *to)
{
    int64_t i = 0;
    for (; i + LM_GROUP <= count; i += LM_GROUP) {
        take_block(from, i, to + i);
    }
    for (; i < count; i++) {
        to[i] = (lanes){from[0][i], from[1][i], from[2][i], from[3][i]};
    }
}

#endif
