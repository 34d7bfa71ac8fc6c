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

#endif
