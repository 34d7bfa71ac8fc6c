/* A large Jacobian reduced by one thread and by two, without Python: for systems where only the library
 * is built (ci/mingw, ci/musl), whose threads and stacks are others. Run by `meson test`. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "factor.h"

static int failures = 0;

static void check(int passed, const char *what, int64_t m, int64_t n)
{
    if (!passed) {
        failures++;
        printf("failed: %s, %d by %d\n", what, (int)m, (int)n);
    }
}

static double *numbers(int64_t count)
{
    double *memory = malloc(count * sizeof(double));
    if (memory == NULL)
        exit(EXIT_FAILURE);
    return memory;
}

static double next(uint64_t *seed) /* in (-1, 1); Knuth's generator MMIX */
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)*seed / 9.3e18;
}

static double product(int64_t m, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < m; i++)
        sum += a[i] * b[i];
    return sum;
}

/* R'R = J'J and R'qtf = J'f. The rounding errors of these plain sums, of up to m/3, grow like a walk
 * of m steps. */
static int is_factor(int64_t m, int64_t n, const double *j, const double *f, const double *r,
                     const double *qtf)
{
    const double rounding = DBL_EPSILON * sqrt(m) * m / 3;
    for (int64_t k = 0; k < n; k++) {
        const double *column = j + k * m, *factor = r + k * n;
        for (int64_t l = k; l < n; l++) {
            if (!(fabs(product(k + 1, factor, r + l * n) - product(m, column, j + l * m)) <= rounding))
                return 0;
        }
        if (!(fabs(product(k + 1, factor, qtf) - product(m, column, f)) <= rounding))
            return 0;
    }
    return 1;
}

static void reduce(int64_t m, int64_t n)
{
    const int64_t size = lm_reduction_size(m, n), state = lm_running_size(n);
    double *j = numbers(m * n), *f = numbers(m), *one = numbers(size), *two = numbers(size);
    double *r = numbers(n * n), *qtf = numbers(n), *acnorm = numbers(n);
    uint64_t seed = 1;
    for (int64_t i = 0; i < m * n; i++)
        j[i] = next(&seed);
    for (int64_t i = 0; i < m; i++)
        f[i] = next(&seed);

    check(lm_factor_reduce(m, n, j, 1, m, f, one, 1), "one thread reduces", m, n);
    check(lm_factor_reduce(m, n, j, 1, m, f, two, 2), "two threads reduce", m, n);
    check(memcmp(one, two, state * sizeof(double)) == 0, "two threads give the same bits", m, n);
    lm_rows_finish(n, one, r, qtf, acnorm);
    check(is_factor(m, n, j, f, r, qtf), "R'R = J'J, R'qtf = J'f", m, n);
    j[m * n - 1] = INFINITY;
    check(!lm_factor_reduce(m, n, j, 1, m, f, two, 2), "the last row is looked at", m, n);

    free(j), free(f), free(one), free(two), free(r), free(qtf), free(acnorm);
}

/* Blocks of rows of any height, in two running factors, merged: J need not be whole. */
static void blocks(int64_t m, int64_t n)
{
    const int64_t running = lm_running_size(n), rows = lm_rows_size(n), end = lm_end_size(n);
    double *j = numbers(m * n), *f = numbers(m), *one = numbers(running), *two = numbers(running);
    double *scratch = numbers(rows > end ? rows : end), *sorted = numbers(m * n);
    double *r = numbers(n * n), *qtf = numbers(n), *acnorm = numbers(n);
    int *ipvt = malloc(n * sizeof(int));
    lm_factors factors = {r, n, ipvt, qtf, acnorm};
    uint64_t seed = 2;
    for (int64_t i = 0; i < m * n; i++)
        j[i] = next(&seed);
    for (int64_t i = 0; i < m; i++)
        f[i] = next(&seed);

    lm_factor_begin(n, one);
    lm_factor_begin(n, two);
    for (int64_t first = 0, height = 1; first < m; first += height, height *= 3) {
        const int64_t count = height < m - first ? height : m - first;
        check(lm_factor_rows(n, height > 9 ? one : two, count, j + first, 1, m, f + first, scratch),
              "a block is finite", m, n);
    }
    lm_factor_merge(n, one, two);
    lm_factor_end(&factors, n, one, scratch);
    for (int64_t k = 0; k < n; k++) {
        const double *column = j + (ipvt[k] - 1) * m;
        memcpy(sorted + k * m, column, m * sizeof(double));
        check(fabs(acnorm[ipvt[k] - 1] - sqrt(product(m, column, column))) <= DBL_EPSILON * m, "norms of the columns",
              m, n);
        check(k == 0 || fabs(r[k * n + k]) <= fabs(r[(k - 1) * n + k - 1]), "R is pivoted", m, n);
    }
    check(is_factor(m, n, sorted, f, r, qtf), "R'R = P'J'JP, R'qtf = P'J'f by blocks", m, n);
    j[0] = NAN;
    check(!lm_factor_rows(n, one, 1, j, 1, m, f, scratch), "a block that is not finite", m, n);

    free(j), free(f), free(one), free(two), free(scratch), free(sorted), free(r), free(qtf), free(acnorm), free(ipvt);
}

int main(void)
{
    blocks(500, 7);
    blocks(700, 60);
    check(lm_factor_in_halves(1725, 50) && !lm_factor_in_halves(1724, 50), "a large one is in two halves", 1725, 50);
    reduce(1725, 50);
    reduce(47620, 7);
    reduce(1300, 93);

    puts(failures ? "test_halves failed" : "test_halves passed");
    return failures != 0;
}
