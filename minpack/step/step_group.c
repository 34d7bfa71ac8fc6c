/* step.f90 for a few fits at a time that have got their Jacobian, a lane for each: the same bits.
 *
 * A step is mostly roots and quotients that wait for each other; here one serves all lanes. What stands here is the
 * ordinary step alone, that of Gauss and Newton within delta, without bounds: a fit that wants another, or is at its
 * end, is left to step.f90 as it came. There it is said what is done, and why. */
#include <float.h>
#include <stddef.h>

#include "lanes.h"
#include "step_group.h"

/* MOST: variables: what is of a fit is on the stack.
 * WORTH: fits from which it is no slower to fill the lanes with the last one again than to step with each alone. */
enum { MOST = LM_STEP_GROUP_MOST, WORTH = 2 };

typedef struct {
    int64_t n;
    lanes r[MOST * MOST], qtf[MOST], x[MOST], diag[MOST], acnorm[MOST]; /* as they are given */
    int64_t variable[MOST][LANES]; /* of each column of R, from 0 */
    int64_t column[MOST][LANES];   /* of each variable */
    lanes fnorm, delta, factor, gtol;
    mask starts, scales; /* at_start; D is not the driver's */
} problem;

typedef struct {
    lanes x_trial[MOST], gnorm, xnorm, delta, pnorm, prered;
} answer;

static void
take_all(problem *to, const stepping *group)
{
    const int64_t n = to->n;
    const double *r[LANES], *qtf[LANES], *x[LANES], *diag[LANES], *acnorm[LANES];
    EACH(l, LANES) {
        const lm_state *state = group[l].state;
        r[l] = group[l].r;
        qtf[l] = group[l].qtf;
        acnorm[l] = group[l].acnorm;
        x[l] = group[l].x;
        diag[l] = state->at_start && state->mode != 2 ? group[l].acnorm : group[l].diag; /* the first D */
        to->fnorm[l] = state->fnorm;
        to->delta[l] = state->delta;
        to->factor[l] = state->factor;
        to->gtol[l] = state->gtol;
        to->starts[l] = -(int64_t)(state->at_start != 0);
        to->scales[l] = -(int64_t)(state->mode != 2);
        for (int64_t j = 0; j < n; j++) {
            const int64_t variable = group[l].ipvt[j] - 1;
            to->variable[j][l] = variable;
            to->column[variable][l] = j;
        }
    }
    take_numbers(n * n, r, to->r);
    take_numbers(n, qtf, to->qtf);
    take_numbers(n, x, to->x);
    take_numbers(n, diag, to->diag);
    take_numbers(n, acnorm, to->acnorm);
}

/* A vector in another order, which is that of each lane. */
INLINE lanes
pick(const lanes *from, const int64_t *which)
{
    lanes picked;
    EACH(l, LANES) {
        picked[l] = from[which[l]][l];
    }
    return picked;
}

/* linalg/dot.f90 */
static inline lanes
squares_of(int64_t n, const lanes *x)
{
    enum { SUMS = 8 };
    const int64_t rest = n & (SUMS - 1);
    lanes total = fill(0.0), sum[SUMS];
    for (int64_t i = 0; i < rest; i++) {
        total += x[i] * x[i];
    }
    if (n < SUMS) {
        return total;
    }
    for (int k = 0; k < SUMS; k++) {
        sum[k] = fill(0.0);
    }
    for (int64_t i = rest; i < n; i += SUMS) {
        for (int k = 0; k < SUMS; k++) {
            sum[k] += x[i + k] * x[i + k];
        }
    }
    return total + (((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7])));
}

/* Where it has neither over- nor underflown: elsewhere the fit is lost to us. */
static inline lanes
norm(int64_t n, const lanes *x, mask *ours)
{
    const lanes square = squares_of(n, x);
    *ours &= (square >= EXACT_LEAST) & (square <= DBL_MAX);
    return root(square);
}

INLINE lanes
magnitude(lanes x)
{
    return choose(x < 0.0, -x, x);
}

/* The first delta. */
static void
begin(problem *s, answer *a, mask *ours)
{
    lanes scaled[MOST];
    mask known = *ours;
    for (int64_t j = 0; j < s->n; j++) {
        scaled[j] = s->diag[j] * s->x[j];
    }
    a->xnorm = norm(s->n, scaled, &known);
    *ours &= known | ~s->starts;
    s->delta = choose(s->starts, s->factor * a->xnorm, s->delta);
    *ours &= s->delta > 0.0;
}

/* ||J^T f|| by the cosines of its angles, and D. */
static void
grow(problem *s, answer *a, mask *ours)
{
    lanes shares[MOST];
    a->gnorm = fill(0.0);
    for (int64_t j = 0; j < s->n; j++) {
        shares[j] = s->qtf[j] / s->fnorm;
    }
    for (int64_t j = 0; j < s->n; j++) {
        const lanes length = pick(s->acnorm, s->variable[j]);
        lanes cosine = fill(0.0);
        for (int64_t i = 0; i <= j; i++) {
            cosine += s->r[j * s->n + i] / length * shares[i];
        }
        cosine = magnitude(cosine);
        *ours &= (length > 0.0) & (length <= DBL_MAX) & (cosine <= DBL_MAX);
        a->gnorm = choose(cosine > a->gnorm, cosine, a->gnorm);
    }
    *ours &= (s->fnorm > 0.0) & (a->gnorm > s->gtol);
    for (int64_t j = 0; j < s->n; j++) {
        s->diag[j] = choose(s->scales & (s->acnorm[j] > s->diag[j]), s->acnorm[j], s->diag[j]);
    }
}

/* p = -R^-1 qtf, in the order of R's columns. */
static void
solve(const problem *s, lanes *p, mask *ours)
{
    for (int64_t j = 0; j < s->n; j++) {
        p[j] = s->qtf[j];
    }
    for (int64_t j = s->n - 1; j >= 0; j--) {
        const lanes *column = s->r + j * s->n;
        *ours &= column[j] != 0.0;
        p[j] /= column[j];
        for (int64_t i = 0; i < j; i++) {
            p[i] -= p[j] * column[i];
        }
    }
    for (int64_t j = 0; j < s->n; j++) {
        p[j] = -p[j];
    }
}

static lanes
length_of_model(const problem *s, const lanes *p, mask *ours)
{
    lanes rp[MOST];
    for (int64_t j = 0; j < s->n; j++) {
        const lanes *column = s->r + j * s->n;
        for (int64_t i = 0; i < j; i++) {
            rp[i] += p[j] * column[i];
        }
        rp[j] = p[j] * column[j];
    }
    return norm(s->n, rp, ours);
}

static void
propose(const problem *s, answer *a, mask *ours)
{
    lanes p[MOST], scaled[MOST];
    solve(s, p, ours);
    for (int64_t j = 0; j < s->n; j++) {
        const lanes p_j = pick(p, s->column[j]);
        scaled[j] = s->diag[j] * p_j;
        a->x_trial[j] = s->x[j] + p_j;
    }
    a->pnorm = norm(s->n, scaled, ours);
    *ours &= a->pnorm - s->delta <= 0.1 * s->delta;
    const lanes linear = length_of_model(s, p, ours) / s->fnorm;
    a->prered = linear * linear;
    a->delta = choose(s->starts & (a->pnorm < s->delta), a->pnorm, s->delta);
}

static void
give_all(const problem *s, const answer *a, mask ours, const stepping *group)
{
    for (int64_t l = 0; l < LANES; l++) {
        if (!ours[l]) {
            continue;
        }
        lm_state *state = group[l].state;
        for (int64_t j = 0; j < s->n; j++) {
            group[l].x_trial[j] = a->x_trial[j][l];
            group[l].diag[j] = s->diag[j][l];
        }
        if (s->starts[l]) {
            state->xnorm = state->longest = a->xnorm[l];
        }
        state->accepted = state->squeezed = 0;
        state->gnorm = a->gnorm[l];
        state->delta = a->delta[l];
        state->par = 0.0;
        state->pnorm = a->pnorm[l];
        state->prered = a->prered[l];
        state->dirder = -a->prered[l];
        state->request = REQUEST_RESIDUAL;
    }
}

/* A bit for each that is left as it was. */
static unsigned
step(int64_t n, const stepping *group)
{
    problem s;
    answer a;
    s.n = n;
    take_all(&s, group);
    mask ours = ~(mask){0};
    if (any(s.starts)) {
        begin(&s, &a, &ours);
    }
    grow(&s, &a, &ours);
    propose(&s, &a, &ours);
    give_all(&s, &a, ours, group);
    unsigned left = 0;
    for (int64_t l = 0; l < LANES; l++) {
        left |= ours[l] ? 0U : 1U << l;
    }
    return left;
}

unsigned
VARIANT(lm_step_group)(int64_t n, int64_t count, const stepping *group)
{
    unsigned alone = 0;
    for (int64_t k = 0; k < count; k += LANES) {
        alone |= (count - k < WORTH ? ~0U : step(n, group + k)) << k;
    }
    return alone;
}
