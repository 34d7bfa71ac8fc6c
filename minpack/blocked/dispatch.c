/* One portable binary, the machine's own instructions: the Fortran of this folder (sizes and scales, which
 * hold no loop worth it, apart) is compiled once for each instruction set, and each call takes the best that
 * this processor has, or what was chosen. Asking the processor costs a few nanoseconds; the choice is the one
 * variable of the library, and it is atomic. */
#include "dispatch.h"

#include <stdatomic.h>

typedef struct {
    void (*rows_add)(int64_t, int64_t, const double *, int64_t, int64_t, const double *, double *,
                     double *, int64_t *);
    void (*rows_merge)(int64_t, double *, double *);
    void (*rows_finish)(int64_t, const double *, double *, double *, double *);
    void (*pivot)(int64_t, double *, double *, int *, double *);
    void (*damped)(int64_t, const double *, const int *, double, const double *, const double *,
                   double *, double *, double *);
} variant;

#define DECLARE(isa)                                                                               \
    void blocked_rows_add##isa(int64_t, int64_t, const double *, int64_t, int64_t, const double *, \
                               double *, double *, int64_t *);                                     \
    void blocked_rows_merge##isa(int64_t, double *, double *);                                     \
    void blocked_rows_finish##isa(int64_t, const double *, double *, double *, double *);          \
    void blocked_pivot##isa(int64_t, double *, double *, int *, double *);                         \
    void blocked_damped##isa(int64_t, const double *, const int *, double, const double *,         \
                             const double *, double *, double *, double *);                        \
    static const variant variant##isa = {blocked_rows_add##isa, blocked_rows_merge##isa,           \
                                         blocked_rows_finish##isa, blocked_pivot##isa,             \
                                         blocked_damped##isa};

DECLARE(_baseline)
#ifdef MINPACK_AVX2
DECLARE(_avx2)
#endif
#ifdef MINPACK_AVX512
DECLARE(_avx512)
#endif

static atomic_int choice; /* 0: none, else 1 + the instruction set */

int64_t
lm_best_isa(void)
{
    /* Exactly the features that meson.build compiles them with. */
#ifdef MINPACK_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
#ifdef MINPACK_AVX512
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx512dq")) {
            return ISA_AVX512;
        }
#endif
        return ISA_AVX2;
    }
#endif
    return ISA_BASELINE;
}

int64_t
lm_isa(void)
{
    const int chosen = atomic_load_explicit(&choice, memory_order_relaxed);
    return chosen > 0 ? chosen - 1 : lm_best_isa();
}

int
lm_isa_is_chosen(void)
{
    return atomic_load_explicit(&choice, memory_order_relaxed) > 0;
}

int
lm_choose_isa(int64_t isa)
{
    if (isa > lm_best_isa()) {
        return 0;
    }
    atomic_store_explicit(&choice, isa < 0 ? 0 : (int)isa + 1, memory_order_relaxed);
    return 1;
}

static const variant *
chosen(void)
{
    switch (lm_isa()) {
#ifdef MINPACK_AVX512
    case ISA_AVX512:
        return &variant_avx512;
#endif
#ifdef MINPACK_AVX2
    case ISA_AVX2:
        return &variant_avx2;
#endif
    default:
        return &variant_baseline;
    }
}

void
lm_rows_add(int64_t m, int64_t n, const double *a, int64_t row_stride, int64_t column_stride,
            const double *f, double *running, double *work, int64_t *finite)
{
    chosen()->rows_add(m, n, a, row_stride, column_stride, f, running, work, finite);
}

void
lm_rows_merge(int64_t n, double *running, double *other)
{
    chosen()->rows_merge(n, running, other);
}

void
lm_rows_finish(int64_t n, const double *running, double *r, double *qtf, double *acnorm)
{
    chosen()->rows_finish(n, running, r, qtf, acnorm);
}

void
lm_pivot(int64_t n, double *r, double *qtf, int *ipvt, double *work)
{
    chosen()->pivot(n, r, qtf, ipvt, work);
}

void
lm_damped(int64_t n, const double *r, const int *ipvt, double par, const double *diag,
          const double *qtf, double *s, double *qtb, double *work)
{
    chosen()->damped(n, r, ipvt, par, diag, qtf, s, qtb, work);
}
