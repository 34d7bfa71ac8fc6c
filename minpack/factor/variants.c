/* One portable binary, the machine's own instructions: the blocked factor routines are compiled once
 * for each instruction set, and each call takes the best that this processor has. Stateless: asking the
 * processor costs a few nanoseconds, and there is nothing to initialise or to race for. */
#include "variants.h"

typedef struct {
    void (*rows_add)(int64_t, int64_t, const double *, int64_t, int64_t, const double *, double *,
                     double *, int64_t *);
    void (*rows_merge)(int64_t, double *, double *);
    void (*rows_finish)(int64_t, const double *, double *, double *, double *);
    void (*pivot)(int64_t, double *, double *, int *, double *);
    void (*damped)(int64_t, const double *, const int *, double, const double *, const double *,
                   double *, double *, double *);
    int64_t rank; /* 0: baseline, 1: AVX2, 2: AVX-512 */
} variant;

#define DECLARE(isa, rank)                                                                         \
    void blocked_rows_add##isa(int64_t, int64_t, const double *, int64_t, int64_t, const double *, \
                               double *, double *, int64_t *);                                     \
    void blocked_rows_merge##isa(int64_t, double *, double *);                                     \
    void blocked_rows_finish##isa(int64_t, const double *, double *, double *, double *);          \
    void blocked_pivot##isa(int64_t, double *, double *, int *, double *);                         \
    void blocked_damped##isa(int64_t, const double *, const int *, double, const double *,         \
                             const double *, double *, double *, double *);                        \
    static const variant variant##isa = {blocked_rows_add##isa, blocked_rows_merge##isa,           \
                                         blocked_rows_finish##isa, blocked_pivot##isa,             \
                                         blocked_damped##isa, rank};

DECLARE(_baseline, 0)
#ifdef MINPACK_AVX2
DECLARE(_avx2, 1)
#endif
#ifdef MINPACK_AVX512
DECLARE(_avx512, 2)
#endif

static const variant *
chosen(void)
{
    /* Exactly the features that meson.build compiles them with. */
#ifdef MINPACK_AVX2
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return &variant_baseline;
    }
#ifdef MINPACK_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq")) {
        return &variant_avx512;
    }
#endif
    return &variant_avx2;
#else
    return &variant_baseline;
#endif
}

void
pyminpack_rows_add(int64_t m, int64_t n, const double *a, int64_t row_stride, int64_t column_stride,
                   const double *f, double *state, double *work, int64_t *finite)
{
    chosen()->rows_add(m, n, a, row_stride, column_stride, f, state, work, finite);
}

void
pyminpack_rows_merge(int64_t n, double *state, double *other)
{
    chosen()->rows_merge(n, state, other);
}

void
pyminpack_rows_finish(int64_t n, const double *state, double *r, double *qtf, double *acnorm)
{
    chosen()->rows_finish(n, state, r, qtf, acnorm);
}

void
pyminpack_pivot(int64_t n, double *r, double *qtf, int *ipvt, double *work)
{
    chosen()->pivot(n, r, qtf, ipvt, work);
}

void
pyminpack_damped(int64_t n, const double *r, const int *ipvt, double par, const double *diag,
                 const double *qtf, double *s, double *qtb, double *work)
{
    chosen()->damped(n, r, ipvt, par, diag, qtf, s, qtb, work);
}

int64_t
pyminpack_variant(void)
{
    return chosen()->rank;
}
