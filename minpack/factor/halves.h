/* The rows of a Jacobian, reduced to one running factor. */
#ifndef MINPACK_HALVES_H
#define MINPACK_HALVES_H

#include <stdint.h>

/* Threads for the reduction of an m by n Jacobian: two where it is large, there are two processors
 * to run on, one of them idle, and none of the usual variables says one. It looks at the environment,
 * which no other thread may be changing. */
int pyminpack_reduction_threads(int64_t m, int64_t n);

/* Numbers in `memory`, below. */
int64_t pyminpack_reduction_size(int64_t m, int64_t n);

/* The running factor of [J f], at the start of `memory`; strides in numbers, J is only read. 0 where J
 * or f is not finite, else 1. The number of threads does not change a bit of the result. */
int pyminpack_reduce_rows(int64_t m, int64_t n, const double *a, int64_t row_stride, int64_t column_stride,
                const double *f, double *memory, int threads);

#endif
