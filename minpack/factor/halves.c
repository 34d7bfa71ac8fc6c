/* A large Jacobian is reduced in two halves, each to a running factor, which then are merged.
 *
 * Whether a second thread takes the second half or the first does both changes no bit: it is always
 * the same halves. The thread lives for one reduction, so that no state stays behind and a fork is safe.
 *
 * Alone on two processors, fits of 20000 x 50 and 100000 x 10 take 0.57 and 0.64 of their time. Two
 * and four processes of such fits on the two are as fast with as without it, within 5 %, since a
 * thread is started only where a processor is idle; asked for regardless, it cost them 13 %.
 */
#include "halves.h"

#include <stdlib.h>
#include <string.h>

#include "thread.h"
#include "variants.h"

/* A reduction takes some m n (n + 8) / 9e9 seconds, a thread some 40 us. The merge costs what the second
 * half saves by starting from nothing, 2/3 n^3 operations; from HALVES_ROWS n rows on, its memory is
 * little beside J. */
#define HALVES_WORTH 5e6
enum { HALVES_ROWS = 4 };

typedef struct {
    int64_t m, n, row_stride, column_stride, finite;
    const double *a, *f;
    double *state;
} part;

static int
in_halves(int64_t m, int64_t n)
{
    return m >= HALVES_ROWS * n && (double)m * n * (n + 8) >= HALVES_WORTH;
}

static int
says_one(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && strtol(value, NULL, 10) == 1;
}

int
pyminpack_reduction_threads(int64_t m, int64_t n)
{
    if (!in_halves(m, n) || says_one("OMP_NUM_THREADS") || says_one("OPENBLAS_NUM_THREADS")
        || says_one("MKL_NUM_THREADS")) {
        return 1;
    }
    return pyminpack_processor_is_idle() ? 2 : 1;
}

static int64_t
part_size(int64_t n)
{
    return pyminpack_state_size(n) + pyminpack_block_size(n);
}

int64_t
pyminpack_reduction_size(int64_t m, int64_t n)
{
    return (in_halves(m, n) ? 2 : 1) * part_size(n);
}

static void
reduce_part(void *argument)
{
    part *p = argument;
    const int64_t size = pyminpack_state_size(p->n);
    memset(p->state, 0, size * sizeof(double));
    pyminpack_rows_add(p->m, p->n, p->a, p->row_stride, p->column_stride, p->f, p->state,
                       p->state + size, &p->finite);
}

int
pyminpack_reduce_rows(int64_t m, int64_t n, const double *a, int64_t row_stride, int64_t column_stride,
            const double *f, double *memory, int threads)
{
    const int64_t first = in_halves(m, n) ? m / 2 : m;
    part one = {first, n, row_stride, column_stride, 1, a, f, memory};
    part two = {m - first, n, row_stride, column_stride, 1, a + first * row_stride, f + first,
                memory + part_size(n)};
    if (first == m) {
        reduce_part(&one);
        return (int)one.finite;
    }
    thread other = {.task = reduce_part, .argument = &two};
    const int started = threads > 1 && pyminpack_thread_start(&other);
    reduce_part(&one);
    if (started) {
        pyminpack_thread_join(&other);
    }
    else {
        reduce_part(&two);
    }
    if (!one.finite || !two.finite) {
        return 0;
    }
    pyminpack_rows_merge(n, one.state, two.state);
    return 1;
}
