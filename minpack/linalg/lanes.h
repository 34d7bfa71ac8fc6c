/* A vector with a number of each of a few matrices: LANES, as many as a register of the instruction set has doubles. */
#ifndef MINPACK_LANES_H
#define MINPACK_LANES_H

#include <math.h>
#include <stdint.h>

#include "qrfac.h"

#ifndef VARIANT
#define VARIANT(name) name##_baseline
#endif

#ifdef __AVX2__
#define LANES 4
#else
#define LANES 2 /* SSE2, NEON */
#endif

typedef double lanes __attribute__((vector_size(8 * LANES), may_alias));
typedef double unaligned __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef int64_t mask __attribute__((vector_size(8 * LANES), may_alias));

#ifdef __clang__
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define SHUFFLE(x, y, ...) __builtin_shuffle(x, y, (mask){__VA_ARGS__})
#endif

/* Unrolled, what is of each is in registers. */
#define EACH(k, count) _Pragma("GCC unroll 4") for (int k = 0; k < count; k++)

INLINE lanes
fill(double x)
{
    return x - (lanes){0.0}; /* which is x, -0 too */
}

INLINE lanes
choose(mask m, lanes yes, lanes no)
{
    return (lanes)(((mask)yes & m) | ((mask)no & ~m));
}

INLINE int
any(mask m)
{
#if defined __AVX2__
    return __builtin_ia32_movmskpd256((lanes)m) != 0;
#elif defined __SSE2__
    return __builtin_ia32_movmskpd((lanes)m) != 0;
#else
    return (m[0] | m[1]) != 0;
#endif
}

INLINE lanes
root(lanes x)
{
    EACH(l, LANES) {
        x[l] = sqrt(x[l]);
    }
    return x;
}

INLINE void
exchange(mask where, lanes *one, lanes *other)
{
    const lanes x = *one, y = *other;
    *one = choose(where, y, x);
    *other = choose(where, x, y);
}

/* LANES rows of a matrix each into as many vectors, or back. */
INLINE void
transpose(const lanes *from, lanes *to)
{
#if LANES == 2
    to[0] = SHUFFLE(from[0], from[1], 0, 2);
    to[1] = SHUFFLE(from[0], from[1], 1, 3);
#else
    const lanes a = SHUFFLE(from[0], from[1], 0, 4, 2, 6), b = SHUFFLE(from[0], from[1], 1, 5, 3, 7);
    const lanes c = SHUFFLE(from[2], from[3], 0, 4, 2, 6), d = SHUFFLE(from[2], from[3], 1, 5, 3, 7);
    to[0] = SHUFFLE(a, c, 0, 1, 4, 5);
    to[1] = SHUFFLE(b, d, 0, 1, 4, 5);
    to[2] = SHUFFLE(a, c, 2, 3, 6, 7);
    to[3] = SHUFFLE(b, d, 2, 3, 6, 7);
#endif
}

/* Number i of each matrix. */
INLINE lanes
take_number(const double *const *from, int64_t i)
{
    lanes numbers;
    EACH(l, LANES) {
        numbers[l] = from[l][i];
    }
    return numbers;
}

/* LANES numbers of each, from place i on. */
INLINE void
take_square(const double *const *from, int64_t i, lanes *to)
{
    lanes rows[LANES];
    EACH(l, LANES) {
        rows[l] = *(const unaligned *)(from[l] + i);
    }
    transpose(rows, to);
}

/* And as many as a block has. */
INLINE void
take_block(const double *const *from, int64_t i, lanes *to)
{
    EACH(k, BLOCK / LANES) {
        take_square(from, i + k * LANES, to + k * LANES);
    }
}

INLINE void
take_numbers(int64_t count, const double *const *from, lanes *to)
{
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        take_square(from, i, to + i);
    }
    for (; i < count; i++) {
        to[i] = take_number(from, i);
    }
}

/* So many numbers out of lanes, those of each to a place of its own. */
INLINE void
give(int64_t count, const lanes *from, double *const *to)
{
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        lanes rows[LANES];
        transpose(from + i, rows);
        EACH(l, LANES) {
            *(unaligned *)(to[l] + i) = rows[l];
        }
    }
    for (; i < count; i++) {
        EACH(l, LANES) {
            to[l][i] = from[i][l];
        }
    }
}

#endif
