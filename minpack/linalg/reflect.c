/* Householder reflections of several vectors at a time: the reflector is read once for them all, and their sums
 * do not wait for one another.
 *
 * The sums are those of `dot` (dot.f90), to the last bit: the first terms that do not fill eight lanes one after
 * the other, then eight partial sums. Vectors of GCC's, which clang has too; the compiler makes of them what
 * the instruction set allows. */
#include <stdint.h>
#include <string.h>

#ifndef VARIANT
#define VARIANT(name) name
#endif

typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));

enum { HALF = 4, LANES = 8, TOGETHER = 4 };

#define LOAD(p) (*(const lanes *)(p))
#define STORE(p, x) (*(lanes *)(p) = (x))

/* For each of the vectors. Unrolled, their sums are in registers. */
#define EACH(k) _Pragma("GCC unroll 4") for (int k = 0; k < count; k++)

/* y_k := (I - v v^T/v_1) y_k for `count` vectors: a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void
reflect_some(int64_t rows, const double *restrict v, int count, double *const *y)
{
    const int64_t rest = rows & (LANES - 1);
    double total[TOGETHER];
    EACH(k) {
        total[k] = 0.0;
    }
    for (int64_t i = 0; i < rest; i++) {
        EACH(k) {
            total[k] += v[i] * y[k][i];
        }
    }
    lanes low[TOGETHER], high[TOGETHER];
    EACH(k) {
        low[k] = high[k] = (lanes){0.0, 0.0, 0.0, 0.0};
    }
    for (int64_t i = rest; i < rows; i += LANES) {
        const lanes v_low = LOAD(v + i), v_high = LOAD(v + i + HALF);
        EACH(k) {
            low[k] += v_low * LOAD(y[k] + i);
            high[k] += v_high * LOAD(y[k] + i + HALF);
        }
    }
    EACH(k) {
        const lanes sum = low[k] + high[k];
        total[k] += (sum[0] + sum[2]) + (sum[1] + sum[3]);
        total[k] /= v[0];
    }
    for (int64_t i = 0; i < rest; i++) {
        EACH(k) {
            y[k][i] -= total[k] * v[i];
        }
    }
    for (int64_t i = rest; i < rows; i += LANES) {
        const lanes v_low = LOAD(v + i), v_high = LOAD(v + i + HALF);
        EACH(k) {
            STORE(y[k] + i, LOAD(y[k] + i) - total[k] * v_low);
            STORE(y[k] + i + HALF, LOAD(y[k] + i + HALF) - total[k] * v_high);
        }
    }
}

/* The reflector stands at v; it is applied to `columns` columns behind it, lda apart, and to f. From LANES rows on. */
void VARIANT(lm_reflect_all)(int64_t rows, int64_t columns, int64_t lda, const double *v, double *first, double *f);

void
VARIANT(lm_reflect_all)(int64_t rows, int64_t columns, int64_t lda, const double *v, double *first, double *f)
{
    for (int64_t k = 0; k <= columns; k += TOGETHER) {
        double *y[TOGETHER];
        for (int i = 0; i < TOGETHER; i++) {
            y[i] = k + i < columns ? first + (k + i) * lda : f;
        }
        switch (columns - k) { /* and f */
            case 0: reflect_some(rows, v, 1, y); break;
            case 1: reflect_some(rows, v, 2, y); break;
            case 2: reflect_some(rows, v, 3, y); break;
            default: reflect_some(rows, v, 4, y); break;
        }
    }
}
