/* qrfac.c for a few matrices of one size at a time, a lane for each: the same bits.
 *
 * A partial sum, there a lane, is a vector here, with that of each matrix. A root or a quotient serves all of them, and
 * what waits for one is shared, too. Their pivots differ: columns are exchanged under masks, which takes a
 * pass; so each matrix comes in the order of its pivots of the last time.
 *
 * A row of R is taken out when it is done, and zeros left in its place, so that blocks are whole. What is rare and ends
 * in numbers out of the ordinary is left to qrfac.c. */
#include <float.h>
#include <stddef.h>

#include "group_columns.h"
#include "qrfac.h"

/* TOGETHER: columns that a pass takes at a time: there are registers for the sums of two.
 * WORTH: matrices from which it is no slower to fill the lanes with the last one again than to factor each alone: with two
 * of four it takes as long. */
enum { TOGETHER = 2, WORTH = LANES / 2 + 1 };

/* The matrices: column k is at a + k stride, f behind the last, y and w of quotients behind that. The first block is of
 * those rows that m has beyond a multiple of BLOCK, and ends in zeros. */
typedef struct {
    int64_t n, rest, rows, stride;
    lanes *a, *r;       /* columns of R, n apart, and Q^T f */
    lanes *squares, *reference, *sums, *own; /* as in qrfac.c, but each where its column is; other sums */
    lanes *place;                            /* where qrfac.c has the column: the first of equal ones is the pivot */
    lanes *number;                           /* of the column, from 0 */
    lanes *acnorm;                           /* of the columns as they came */
} matrices;

INLINE lanes *
column(const matrices *x, int64_t k)
{
    return x->a + k * x->stride;
}

INLINE int64_t
row_of(const matrices *x, int64_t j)
{
    return j < x->rest ? j : j + (-x->rest & (BLOCK - 1));
}

/* The block with row j, which is summed last, as in qrfac.c. */
INLINE int64_t
top_of(const matrices *x, int64_t j)
{
    return row_of(x, j) & ~(int64_t)(BLOCK - 1);
}

/* What a pass is, a constant wherever it is inlined: whether y := y - t v for each column y, and what is summed
 * then, y times itself, the first column, or another vector. */
typedef struct {
    int reflects;
    enum { ITSELF, FIRST, OTHER } by;
} kind;

INLINE void
pass_block(kind what, int64_t block, const lanes *v, const lanes *w, const lanes *t, int count, lanes *y, int64_t stride,
           lanes (*sum)[BLOCK])
{
    EACH(i, BLOCK) {
        const lanes v_i = what.reflects ? v[block + i] : fill(0.0);
        lanes w_i = what.by == OTHER ? w[block + i] : fill(0.0);
        EACH(k, count) {
            lanes *y_i = y + k * stride + block + i, now = *y_i;
            if (what.reflects) {
                now -= t[k] * v_i;
                *y_i = now;
            }
            if (what.by == FIRST && k == 0) {
                w_i = now;
            }
            sum[k][i] += (what.by == ITSELF ? now : w_i) * now;
        }
    }
}

/* t and sums may be one. */
INLINE void
pass_some(kind what, const matrices *x, int64_t top, const lanes *v, const lanes *w, const lanes *t, int count, lanes *y,
          lanes *sums)
{
    const int64_t rows = x->rows, stride = x->stride; /* which no store changes */
    lanes sum[TOGETHER][BLOCK], t_k[TOGETHER];
    EACH(k, count) {
        t_k[k] = what.reflects ? t[k] : fill(0.0);
        EACH(i, BLOCK) {
            sum[k][i] = fill(0.0);
        }
    }
    for (int64_t block = top + BLOCK; block < rows; block += BLOCK) {
        pass_block(what, block, v, w, t_k, count, y, stride, sum);
    }
    pass_block(what, top, v, w, t_k, count, y, stride, sum);
    EACH(k, count) {
        sums[k] = (sum[k][0] + sum[k][2]) + (sum[k][1] + sum[k][3]);
    }
}

/* For as many columns as go together, of `count` that are left. */
INLINE void
pass_next(kind what, const matrices *x, int64_t top, const lanes *v, const lanes *w, int64_t count, lanes *y, lanes *sums)
{
    if (count == 1) {
        pass_some(what, x, top, v, w, sums, 1, y, sums);
    }
    else {
        pass_some(what, x, top, v, w, sums, TOGETHER, y, sums);
    }
}

/* For the columns from k on, and f; `sums` are theirs. */
INLINE void
pass(kind what, const matrices *x, int64_t top, const lanes *v, const lanes *w, int64_t k, lanes *sums)
{
    if (what.by == FIRST) {
        w = column(x, k);
        pass_next(what, x, top, v, w, x->n + 1 - k, column(x, k), sums + k);
        what.by = OTHER;
        k += TOGETHER;
    }
    for (; k <= x->n; k += TOGETHER) {
        pass_next(what, x, top, v, w, x->n + 1 - k, column(x, k), sums + k);
    }
}

KIND
multiply(const matrices *x, int64_t top, const lanes *w, int64_t k, lanes *sums)
{
    pass((kind){0, OTHER}, x, top, NULL, w, k, sums);
}

KIND
reflect_and_square(const matrices *x, int64_t top, const lanes *v, int64_t k)
{
    pass((kind){1, ITSELF}, x, top, v, NULL, k, x->sums);
}

/* The first of the columns is the next pivot. */
KIND
reflect_and_multiply(const matrices *x, int64_t top, const lanes *v, int64_t k)
{
    pass((kind){1, FIRST}, x, top, v, NULL, k, x->sums);
}

/* Where column k, whose squares add up to nothing, has numbers: their squares underflow. */
static mask
is_tiny(const matrices *x, int64_t k)
{
    mask found = {0};
    for (int64_t i = 0; i < x->rows; i++) {
        found |= column(x, k)[i] != 0.0;
    }
    return found & (x->squares[k] == 0.0);
}

/* Which are not for us from the start: f or a column is not of an ordinary size, but for columns of zeros. */
static inline mask
begin(const matrices *x, double least, double most)
{
    const lanes f = x->squares[x->n];
    mask lost = ~((f >= ORDINARY_LEAST) & (f <= ORDINARY_MOST));
    for (int64_t k = 0; k < x->n; k++) {
        const lanes square = x->squares[k];
        const mask vanished = square == 0.0;
        lost |= ~(((square >= least) & (square <= most)) | vanished);
        if (any(vanished)) {
            lost |= is_tiny(x, k);
        }
        x->reference[k] = square;
        x->acnorm[k] = root(square);
        x->place[k] = x->number[k];
    }
    return lost;
}

/* Bring the columns with the largest remaining norms to place j: where they were not there. */
static inline mask
bring_largest(const matrices *x, int64_t j)
{
    lanes largest = x->squares[j], place = x->place[j], from = fill((double)j);
    for (int64_t k = j + 1; k < x->n; k++) {
        const lanes square = x->squares[k];
        const mask better = (square > largest) | ((square == largest) & (x->place[k] < place));
        largest = choose(better, square, largest);
        place = choose(better, x->place[k], place);
        from = choose(better, fill((double)k), from);
    }
    for (int64_t k = j; k < x->n; k++) {
        x->place[k] = choose(x->place[k] == (double)j, place, x->place[k]);
    }
    for (int64_t k = j + 1; k < x->n; k++) {
        const mask here = from == (double)k;
        if (any(here)) {
            exchange(here, x->squares + j, x->squares + k);
            exchange(here, x->reference + j, x->reference + k);
            exchange(here, x->sums + j, x->sums + k);
            exchange(here, x->place + j, x->place + k);
            exchange(here, x->number + j, x->number + k);
            for (int64_t i = 0; i < j; i++) {
                exchange(here, x->r + j * x->n + i, x->r + k * x->n + i);
            }
            for (int64_t i = top_of(x, j); i < x->rows; i++) {
                exchange(here, column(x, j) + i, column(x, k) + i);
            }
        }
    }
    return from != (double)j;
}

/* What to subtract of reflector j from those behind it, and row j of R: where digits are lost in the squares. */
static inline mask
find_multiples(const matrices *x, int64_t j, mask *lost)
{
    const int64_t row = row_of(x, j);
    const mask zero = x->squares[j] == 0.0; /* and so are the columns behind it */
    lanes *head = column(x, j) + row, sigma = root(x->squares[j]);
    sigma = choose(*head < 0.0, -sigma, sigma);
    const lanes v_1 = *head + sigma, scale = choose(zero, fill(0.0), 1.0 / (sigma * v_1));
    mask untrusted = {0};
    *lost |= ~(x->squares[j] >= ORDINARY_LEAST) & ~zero;
    x->r[j * x->n + j] = choose(zero, fill(0.0), -sigma);
    *head = fill(0.0);
    for (int64_t k = j + 1; k <= x->n; k++) {
        lanes *entry = column(x, k) + row;
        const lanes t = (x->sums[k] + sigma * *entry) * scale, leaves = *entry - t * v_1;
        x->sums[k] = t;
        x->r[k * x->n + j] = leaves;
        *entry = fill(0.0);
        if (k < x->n) {
            x->squares[k] -= leaves * leaves;
            untrusted |= ~((x->squares[k] > NORM_TRUST * x->reference[k]) | (x->reference[k] == 0.0));
        }
    }
    return untrusted;
}

/* After reflect_and_square: the pivots for place j, with products of two kinds. Those that could be trusted have theirs
 * out of the pass with `top` there, the others out of one of their own. */
static __attribute__((noinline)) void
begin_anew(const matrices *x, int64_t j, int64_t top, mask anew, mask *lost)
{
    for (int64_t k = j; k < x->n; k++) {
        *lost |= anew & (x->sums[k] == 0.0) & (x->reference[k] != 0.0); /* or is it underflown? */
        x->squares[k] = choose(anew, x->sums[k], x->squares[k]);
        x->reference[k] = choose(anew, x->sums[k], x->reference[k]);
    }
    (void)bring_largest(x, j);
    multiply(x, top, column(x, j), j, x->sums);
    x->squares[j] = x->reference[j] = x->sums[j]; /* of those anew, too: the order of the sum is that of the last pass */
    if (top != top_of(x, j)) {
        multiply(x, top_of(x, j), column(x, j), j, x->own);
        for (int64_t k = j; k <= x->n; k++) {
            x->sums[k] = choose(anew, x->own[k], x->sums[k]);
        }
    }
}

/* For few rows. */
static mask
eliminate_short(const matrices *x)
{
    for (int64_t k = 0; k <= x->n; k++) {
        const lanes *y = column(x, k);
        lanes square = fill(0.0);
        for (int64_t i = 0; i < x->rows; i++) {
            square += y[i] * y[i];
        }
        x->squares[k] = square;
    }
    mask lost = begin(x, EXACT_LEAST, DBL_MAX);
    for (int64_t j = 0; j < x->n; j++) {
        (void)bring_largest(x, j);
        const mask zero = x->squares[j] == 0.0;
        lost |= ~((x->squares[j] >= EXACT_LEAST) | zero);
        for (int64_t k = j; any(zero) && k < x->n; k++) {
            lost |= zero & is_tiny(x, k);
        }
        const int64_t row = row_of(x, j);
        const lanes size = choose(zero, fill(1.0), root(x->squares[j]));
        lanes *v = column(x, j);
        for (int64_t i = row; i < x->rows; i++) {
            v[i] /= size;
        }
        const lanes sigma = choose(v[row] < 0.0, fill(-1.0), fill(1.0)), v_1 = v[row] + sigma;
        x->r[j * x->n + j] = choose(zero, fill(0.0), -sigma * size);
        for (int64_t k = j + 1; k <= x->n; k++) {
            lanes *y = column(x, k), t = v_1 * y[row], square = fill(0.0);
            for (int64_t i = row + 1; i < x->rows; i++) {
                t += v[i] * y[i];
            }
            t = choose(zero, fill(0.0), t / (sigma * v_1));
            x->r[k * x->n + j] = y[row] - t * v_1;
            y[row] = fill(0.0);
            for (int64_t i = row + 1; i < x->rows; i++) {
                y[i] -= t * v[i];
                square += y[i] * y[i];
            }
            x->squares[k] = square;
        }
    }
    return lost;
}

static mask
eliminate(const matrices *x)
{
    mask lost = begin(x, ORDINARY_LEAST, ORDINARY_MOST);
    if (any(bring_largest(x, 0))) { /* it was another that was likely */
        multiply(x, 0, column(x, 0), 1, x->sums);
    }
    for (int64_t j = 0;; j++) {
        const mask untrusted = find_multiples(x, j, &lost);
        const int64_t top = top_of(x, j);
        if (j + 1 == x->n) {
            return lost;
        }
        if (any(untrusted)) {
            reflect_and_square(x, top, column(x, j), j + 1);
            begin_anew(x, j + 1, top, untrusted, &lost);
        }
        else {
            (void)bring_largest(x, j + 1);
            reflect_and_multiply(x, top, column(x, j), j + 1);
            x->squares[j + 1] = x->reference[j + 1] = x->sums[j + 1];
        }
    }
}

/* Where to have column number of each matrix: whether it is anything but zeros. */
static int
find_column(const grouped *group, const int64_t *number, source *s)
{
    if (group[0].a != NULL) {
        EACH(l, LANES) {
            s->from[l] = group[l].a + number[l] * group[l].lda;
        }
        return 1;
    }
    const double *of_h[LANES];
    EACH(l, LANES) {
        const lm_quotients *q = group[l].quotients;
        s->from[l] = q->values[number[l]] + q->offset;
        of_h[l] = q->h + number[l] * q->h_stride;
    }
    s->h = take_number(of_h, 0);
    return any(s->h != 0.0); /* where only some are, quotients that are not finite leave the others to qrfac.c */
}

/* Columns, and f, each with its product with the first, which are those with the pivot if that is the likely one. */
static void
take_all(const matrices *x, int64_t m, const grouped *group)
{
    const int64_t n = x->n;
    lanes *const f = column(x, n), *const y = column(x, n + 1), *const w = column(x, n + 2);
    source s = {.ahead = LANES * m}, of_f = {.ahead = 0};
    const double *of_y[LANES] = {NULL}, *of_w[LANES] = {NULL};
    EACH(l, LANES) {
        of_f.from[l] = group[l].f;
        if (group[l].a == NULL) {
            of_y[l] = group[l].quotients->y;
            of_w[l] = group[l].quotients->w;
        }
    }
    take_as_it_is(m, &of_f, f, f, x->squares + n, x->sums + n);
    if (group[0].a == NULL) {
        s.f = f;
        s.y = take_vector(m, of_y, y);
        s.w = take_vector(m, of_w, w);
    }
    for (int64_t k = 0; k < n; k++) {
        int64_t number[LANES];
        EACH(l, LANES) {
            number[l] = group[l].ipvt[k] - 1;
            x->number[k][l] = (double)number[l];
        }
        lanes *to = column(x, k), *product = x->sums + (k == 0 ? n : k);
        if (find_column(group, number, &s)) {
            (s.f == NULL ? take_as_it_is : take_quotients)(m, &s, to, k == 0 ? f : column(x, 0), x->squares + k, product);
            continue;
        }
        x->squares[k] = *product = fill(0.0);
        for (int64_t i = 0; i < x->rows; i++) {
            to[i] = fill(0.0);
        }
    }
}

/* Below R's diagonal is what was in memory. */
static void
give_all(const matrices *x, const grouped *group)
{
    double *r[LANES], *qtf[LANES];
    EACH(l, LANES) {
        const grouped *to = group + l;
        r[l] = to->r;
        qtf[l] = to->qtf;
        for (int64_t k = 0; k < x->n; k++) {
            to->acnorm[to->ipvt[k] - 1] = x->acnorm[k][l];
        }
    }
    for (int64_t k = 0; k < x->n; k++) { /* after all acnorm: one matrix may stand in several lanes */
        EACH(l, LANES) {
            group[l].ipvt[k] = (int)x->number[k][l] + 1;
        }
    }
    give(x->n * x->n, x->r, r);
    give(x->n, x->r + x->n * x->n, qtf);
}

/* A bit for each that is lost. */
static unsigned
factor(int64_t m, int64_t n, const grouped *group, double *memory)
{
    enum { LINE = 64 }; /* bytes of a cache */
    const int64_t rows = (m + BLOCK - 1) & ~(int64_t)(BLOCK - 1), stride = rows + GAP;
    lanes *a = (lanes *)(((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
    lanes *r = a + stride * (n + 3), *vectors = r + n * (n + 1);
    const matrices x = {n, m & (BLOCK - 1), rows, stride, a, r, .squares = vectors, .sums = vectors + (n + 1),
                        .own = vectors + 2 * (n + 1), .reference = vectors + 3 * (n + 1), .place = vectors + 4 * (n + 1),
                        .number = vectors + 5 * (n + 1), .acnorm = vectors + 6 * (n + 1)};
    take_all(&x, m, group);
    const mask lost = (m < FEW_ROWS ? eliminate_short : eliminate)(&x);
    give_all(&x, group);
    unsigned bits = 0;
    EACH(l, LANES) {
        bits |= lost[l] ? 1U << l : 0U;
    }
    return bits;
}

unsigned
VARIANT(lm_qrfac_group)(int64_t m, int64_t n, int64_t count, const grouped *group, double *memory)
{
    unsigned alone = 0;
    for (int64_t k = 0; k < count; k += LANES) {
        alone |= (count - k < WORTH ? ~0U : factor(m, n, group + k, memory)) << k;
    }
    return alone;
}
