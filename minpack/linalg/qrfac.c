/* Householder QR with column pivoting, in place: the classic factor step.
 *
 * Reflector j is I - v v^T/(sigma v_1) with v = a + sigma e_1, sigma = +-||a|| of the sign of a_1, so that
 * v^T y = a^T y + sigma y_1. What a reflection will leave of the norms is known before it is applied (Businger &
 * Golub 1965, Numer. Math. 7, 269); so is the next pivot, and its products with the others come out of the same
 * pass over them. Columns stay where they are until all is done.
 *
 * A pass takes several columns at a time, whose sums do not wait for one another, and rows in blocks of four that
 * end with the last one; of the block at the top some numbers may count for nothing. Sums are four partial ones:
 * the bits do not depend on the instruction set. Vectors of GCC's, which clang has too; the compiler makes of them
 * what the instruction set allows. */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "qrfac.h"

#ifndef VARIANT
#define VARIANT(name) name
#endif

enum { LANES = BLOCK, TOGETHER = 4 };

typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t mask __attribute__((vector_size(32), aligned(8), may_alias));

#define LOAD(p) (*(const lanes *)(p))
#define STORE(p, x) (*(lanes *)(p) = (x))

/* Unrolled, what is of each column is in registers. */
#define EACH(k) _Pragma("GCC unroll 4") for (int k = 0; k < count; k++)

INLINE double
total(lanes x)
{
    return (x[0] + x[2]) + (x[1] + x[3]);
}

INLINE lanes
fill(double x)
{
    return (lanes){x, x, x, x};
}

INLINE lanes
masked(lanes x, mask m)
{
    return (lanes)((mask)x & m);
}

/* Of a block, what is from place `first` on and before `end`. */
INLINE mask
between(int64_t first, int64_t end)
{
    static const int64_t steps[3 * LANES] = {[LANES] = -1, -1, -1, -1};
    return *(const mask *)(steps + LANES - first) & *(const mask *)(steps + 2 * LANES - end);
}

/* The rows from j on, of m, which is at least LANES. */
typedef struct {
    int64_t m;
    int64_t top, second; /* where the top block begins, and the one after it */
    mask own, below;     /* those of the top block, and without the first */
} range;

INLINE range
rows_from(int64_t j, int64_t m)
{
    const int64_t rest = m & (LANES - 1), end = j < rest ? rest : LANES;
    const int64_t top = j < rest ? 0 : rest + ((j - rest) & ~(int64_t)(LANES - 1));
    return (range){m, top, top + end, between(j - top, end), between(j + 1 - top, end)};
}

/* A, the order of its columns from 1, and f, which stands behind the last. */
typedef struct {
    int64_t n, lda;
    double *a, *f;
    int *ipvt;
} matrix;

INLINE double *
column(const matrix *x, int64_t k)
{
    return k < x->n ? x->a + (x->ipvt[k] - 1) * x->lda : x->f;
}

/* What a pass is, a constant wherever it is inlined: whether y := y - t v for each column y, and what is summed
 * then, y times itself, the first column, or another vector. */
typedef struct {
    int reflects;
    enum { ITSELF, FIRST, OTHER } by;
} kind;

/* The sums are of the rows behind the first where it reflects. `head` is v's top block. */
INLINE void
pass_some(kind what, const range *r, const double *v, lanes head, const double *t, const double *w, int count,
          double *const *columns, double *sums)
{
    const int64_t m = r->m, top = r->top;
    lanes sum[TOGETHER], t_k[TOGETHER], y[TOGETHER];
    double *from[TOGETHER];
    EACH(k) {
        from[k] = columns[k];
        sum[k] = fill(0.0);
        t_k[k] = fill(what.reflects ? t[k] : 0.0);
    }
    _Pragma("GCC unroll 2")
    for (int64_t i = r->second; i < m; i += LANES) {
        const lanes v_i = what.reflects ? LOAD(v + i) : head, w_i = what.by == OTHER ? LOAD(w + i) : head;
        EACH(k) {
            y[k] = LOAD(from[k] + i);
            if (what.reflects) {
                y[k] -= t_k[k] * v_i;
                STORE(from[k] + i, y[k]);
            }
            sum[k] += (what.by == ITSELF ? y[k] : what.by == FIRST ? y[0] : w_i) * y[k];
        }
    }
    const lanes w_top = what.by == OTHER ? LOAD(w + top) : head;
    const mask rows = what.reflects ? r->below : r->own;
    EACH(k) { /* the top block last, as it may reach into the one behind it */
        y[k] = LOAD(from[k] + top);
        if (what.reflects) {
            y[k] -= t_k[k] * head;
            STORE(from[k] + top, y[k]);
        }
        sums[k] = total(sum[k] + masked(what.by == ITSELF ? y[k] : what.by == FIRST ? y[0] : w_top, rows) * y[k]);
    }
}

/* For as many columns as go together, from k up to `end` at most; the first of them. */
INLINE const double *
pass_next(kind what, const range *r, const double *v, lanes head, const double *t, const double *w, const matrix *x,
          int64_t k, int64_t end, double *sums)
{
    double *y[TOGETHER];
    for (int64_t l = 0; l < TOGETHER && k + l < end; l++) {
        y[l] = column(x, k + l);
    }
    switch (end - k) {
        case 1: pass_some(what, r, v, head, t, w, 1, y, sums); break;
        case 2: pass_some(what, r, v, head, t, w, 2, y, sums); break;
        case 3: pass_some(what, r, v, head, t, w, 3, y, sums); break;
        default: pass_some(what, r, v, head, t, w, 4, y, sums); break;
    }
    return y[0];
}

/* For the columns from k up to `end`. t and sums are theirs; they may be one. */
INLINE void
pass(kind what, const range *r, const double *v, double v_1, const double *t, const double *w, const matrix *x,
     int64_t k, int64_t end, double *sums)
{
    const lanes tail = what.reflects ? LOAD(v + r->top) : fill(0.0);
    const lanes head = masked(tail, r->below) + masked(fill(v_1), r->own & ~r->below);
    int64_t i = 0;
    if (what.by == FIRST) {
        w = pass_next(what, r, v, head, t, w, x, k, end, sums);
        what.by = OTHER;
        i = TOGETHER;
    }
    for (; k + i < end; i += TOGETHER) {
        (void)pass_next(what, r, v, head, what.reflects ? t + i : NULL, w, x, k + i, end, sums + i);
    }
}

KIND
square(const range *r, const matrix *x, int64_t k, int64_t end, double *squares)
{
    pass((kind){0, ITSELF}, r, NULL, 0.0, NULL, NULL, x, k, end, squares);
}

KIND
multiply(const range *r, const double *w, const matrix *x, int64_t k, int64_t end, double *products)
{
    pass((kind){0, OTHER}, r, NULL, 0.0, NULL, w, x, k, end, products);
}

KIND
reflect(const range *r, const double *v, double v_1, const double *t, const matrix *x, int64_t k, int64_t end,
        double *squares)
{
    pass((kind){1, ITSELF}, r, v, v_1, t, NULL, x, k, end, squares);
}

/* The first of the columns is the next pivot: its square, and its products with the others. */
KIND
reflect_and_multiply(const range *r, const double *v, double v_1, const double *t, const matrix *x, int64_t k,
                     int64_t end, double *products)
{
    pass((kind){1, FIRST}, r, v, v_1, t, NULL, x, k, end, products);
}

/* What is known of the columns, in the order of ipvt: squares of what remains of them, and these when they were last
 * computed; sums, from column 1 on and for f: products of the pivot with those behind it, and what to subtract of it. */
typedef struct {
    double *squares, *reference, *sums;
} norms;

static inline void
exchange(const matrix *x, const norms *known, int64_t j, int64_t k)
{
    const double square = known->squares[j], reference = known->reference[j];
    const int number = x->ipvt[j];
    known->squares[j] = known->squares[k];
    known->reference[j] = known->reference[k];
    x->ipvt[j] = x->ipvt[k];
    known->squares[k] = square;
    known->reference[k] = reference;
    x->ipvt[k] = number;
}

/* The first of the largest from j on. */
static inline int64_t
largest_of(const double *squares, int64_t j, int64_t n)
{
    int64_t largest = j;
    for (int64_t k = j + 1; k < n; k++) {
        largest = squares[k] > squares[largest] ? k : largest;
    }
    return largest;
}

static double
norm_below(const double *y, int64_t j, int64_t m)
{
    const int64_t rows = m - j;
    return lm_enorm(&rows, y + j);
}

/* Not over- nor underflown. */
static inline int
is_exact(double square)
{
    return square >= EXACT_LEAST && square <= DBL_MAX;
}

/* Bring the column with the largest remaining norm to place j: that norm. */
static inline double
bring_largest(const matrix *x, const norms *known, int64_t j, int64_t m)
{
    int64_t largest = largest_of(known->squares, j, x->n);
    double norm;
    if (is_exact(known->squares[largest])) {
        norm = sqrt(known->squares[largest]);
    }
    else {
        largest = j;
        norm = norm_below(column(x, j), j, m);
        for (int64_t k = j + 1; k < x->n; k++) {
            const double other = norm_below(column(x, k), j, m);
            if (other > norm) {
                largest = k;
                norm = other;
            }
        }
    }
    exchange(x, known, j, largest);
    return norm;
}

/* What to subtract of reflector j from those behind it, and what that will leave of their squares: whether no digits
 * are lost in these. */
INLINE int
find_multiples(const matrix *x, const norms *known, int64_t j, double sigma, double v_1)
{
    const double scale = 1.0 / (sigma * v_1);
    double *t = known->sums + j;
    int trusted = 1;
    for (int64_t k = j + 1; k < x->n; k++, t++) {
        const double entry = column(x, k)[j];
        *t = (*t + sigma * entry) * scale;
        const double leaves = entry - *t * v_1;
        known->squares[k] -= leaves * leaves;
        trusted &= known->squares[k] > NORM_TRUST * known->reference[k] || known->reference[k] == 0.0;
    }
    *t = (*t + sigma * x->f[j]) * scale;
    return trusted;
}

/* f := 2^shift f. */
static __attribute__((noinline)) void
scale(int64_t m, double *f, int shift)
{
    for (int64_t i = 0; i < m; i++) {
        f[i] = scalbn(f[i], shift);
    }
}

/* Whether products of columns and f can neither over- nor underflow, with the squares of their norms known. f, a guest
 * of any size, is brought to an ordinary one by 2^-shift. */
INLINE int
begin(const matrix *x, const norms *known, int64_t m, double f_square, double *acnorm, int *shift)
{
    int ordinary = 1;
    if (!(f_square >= ORDINARY_LEAST && f_square <= ORDINARY_MOST)) {
        (void)frexp(norm_below(x->f, 0, m), shift);
        scale(m, x->f, -*shift);
    }
    for (int64_t j = 0; j < x->n; j++) {
        const double square = known->squares[j];
        acnorm[j] = is_exact(square) ? sqrt(square) : norm_below(x->a + j * x->lda, 0, m);
        known->reference[j] = square;
        ordinary &= square <= ORDINARY_MOST && (square >= ORDINARY_LEAST || acnorm[j] == 0.0);
        x->ipvt[j] = (int)j + 1;
    }
    return ordinary;
}

/* v := v/sigma from row j on, where it is no ordinary one: what it is to be multiplied by in the end. */
INLINE double
tame(int64_t j, int64_t m, double *v, int ordinary, double *sigma)
{
    if (ordinary) {
        return 1.0;
    }
    const double size = *sigma;
    *sigma = 1.0;
    for (int64_t i = j; i < m; i++) {
        v[i] /= size;
    }
    return size;
}

INLINE void
finish(int64_t j, int64_t m, double *v, double sigma, double size)
{
    v[j] = -sigma;
    for (int64_t i = j; size != 1.0 && i < m; i++) {
        v[i] *= size;
    }
}

/* v_1; sigma gets its sign. */
INLINE double
head_of(double a_1, double *sigma)
{
    *sigma = a_1 < 0.0 ? -*sigma : *sigma; /* not copysign(): -0 is no reason to turn the row */
    return a_1 + *sigma;
}

/* For few rows: one number after the other, in MINPACK's order and with its quotients, so that what is solved in a step
 * (a line through two points) is left with the same last bits. */
static void
eliminate_short(const matrix *x, const norms *known, int64_t m, double *acnorm, int *shift)
{
    double f_square = 0.0;
    for (int64_t k = 0; k <= x->n; k++) {
        const double *y = k < x->n ? x->a + k * x->lda : x->f;
        double sum = 0.0;
        for (int64_t i = 0; i < m; i++) {
            sum += y[i] * y[i];
        }
        *(k < x->n ? known->squares + k : &f_square) = sum;
    }
    (void)begin(x, known, m, f_square, acnorm, shift);
    for (int64_t j = 0; j < x->n; j++) {
        double sigma = bring_largest(x, known, j, m), *v = column(x, j);
        if (!(sigma > 0.0)) {
            v[j] = 0.0;
            continue;
        }
        const double size = tame(j, m, v, 0, &sigma), v_1 = head_of(v[j], &sigma);
        for (int64_t k = j + 1; k <= x->n; k++) {
            double *y = column(x, k), t = v_1 * y[j], square = 0.0;
            for (int64_t i = j + 1; i < m; i++) {
                t += v[i] * y[i];
            }
            t /= sigma * v_1;
            y[j] -= t * v_1;
            for (int64_t i = j + 1; i < m; i++) {
                y[i] -= t * v[i];
                square += y[i] * y[i];
            }
            if (k < x->n) {
                known->squares[k] = square;
            }
        }
        finish(j, m, v, sigma, size);
    }
}

static void
eliminate(const matrix *x, const norms *known, int64_t m, double *acnorm, int *shift)
{
    const int64_t n = x->n;
    double *squares = known->squares, *sums = known->sums;
    range r = rows_from(0, m);
    for (int64_t j = 0; j < n; j++) {
        x->ipvt[j] = (int)j + 1;
    }
    square(&r, x, 0, n, squares);
    square(&r, x, n, n + 1, sums);
    int ordinary = begin(x, known, m, sums[0], acnorm, shift);

    int begun = 0; /* the pivot is in its place, and its products are known */
    for (int64_t j = 0; j < n; j++, r = rows_from(j, m)) {
        double sigma = begun ? sqrt(squares[j]) : bring_largest(x, known, j, m), size = 1.0, *v = column(x, j);
        if (!(sigma > 0.0)) { /* a column of zeros; a NaN was seen in acnorm */
            v[j] = 0.0;
            continue;
        }
        if (!begun) {
            ordinary &= squares[j] >= ORDINARY_LEAST;
            size = tame(j, m, v, ordinary, &sigma);
            multiply(&r, v, x, j + 1, n + 1, sums + j);
        }
        const double v_1 = head_of(v[j], &sigma);
        begun = find_multiples(x, known, j, sigma, v_1) && ordinary && j + 1 < n;
        if (begun) {
            const int64_t next = largest_of(squares, j + 1, n);
            const double t = sums[next - 1];
            sums[next - 1] = sums[j];
            sums[j] = t;
            exchange(x, known, j + 1, next);
            reflect_and_multiply(&r, v, v_1, sums + j, x, j + 1, n + 1, sums + j);
            known->reference[j + 1] = squares[j + 1] = sums[j];
            begun = squares[j + 1] >= ORDINARY_LEAST;
        }
        else if (j + 1 == n) { /* of Q^T f, n numbers are wanted */
            x->f[j] -= sums[j] * v_1;
        }
        else {
            reflect(&r, v, v_1, sums + j, x, j + 1, n + 1, sums + j);
            for (int64_t k = j + 1; k < n; k++) {
                squares[k] = known->reference[k] = sums[k - 1];
            }
        }
        finish(j, m, v, sigma, size);
    }
}

/* A P = Q R, |R_11| >= |R_22| >= ..., for m >= n, and the first n of f become those of Q^T f, the rest is work; the
 * columns stay where they are: number ipvt_j of A is the jth of A P, and holds that of R down to its diagonal, below it
 * the tail of a reflector. acnorm is ||A e_j||, in the order of A. The others are work, of n numbers each. */
void VARIANT(lm_eliminate)(int64_t m, int64_t n, double *a, int64_t lda, double *f, int *ipvt, double *acnorm,
                           double *squares, double *reference, double *sums);

void
VARIANT(lm_eliminate)(int64_t m, int64_t n, double *a, int64_t lda, double *f, int *ipvt, double *acnorm,
                      double *squares, double *reference, double *sums)
{
    const matrix x = {n, lda, a, f, ipvt};
    const norms known = {squares, reference, sums};
    int shift = 0;
    (m < FEW_ROWS ? eliminate_short : eliminate)(&x, &known, m, acnorm, &shift);
    if (shift != 0) {
        scale(m, f, shift);
    }
}
