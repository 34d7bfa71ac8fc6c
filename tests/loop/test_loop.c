/* The loop, called from C with an evaluator of its own: many fits in lock-step take the path that each
 * takes alone; one that fails ends for itself; an error ends all; ended ones may be replaced.
 *
 * The problem of fit k: decays exp(-a t) + b, sampled at M times, of rates that differ from k to k. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "differences.h"
#include "stream.h"

enum { M = 12, N = 2, FITS = 50, SLOTS = 7 };

static const double poison = -7.77e77;
typedef struct {
    lm_fit fit; /* first: the loop's pointer is ours */
    double start[N], rate;
    double values[2][M], *f, *f_trial, fjac[N][M], column[M];
    int64_t gives_up_at; /* nfev at which F asks to end this fit, with -3; 0: never */
} decay_fit;

typedef struct {
    lm_work work;
    int rounds, jacobians;
    int64_t widest;
    int error_in; /* the verb that fails: 'r', 'j', 'm'; 0: none */
} batch;

static void
decay(const decay_fit *d, const double *x, double *f)
{
    for (int i = 0; i < M; i++) {
        const double t = i / 4.0;
        f[i] = exp(-x[0] * t) + x[1] - exp(-d->rate * t) - 0.1 * sin(5.0 * t);
    }
}

static int
residual(void *self, lm_fit *const *fits, int64_t count)
{
    batch *b = self;
    b->rounds++;
    b->widest = count > b->widest ? count : b->widest;
    if (b->error_in == 'r' && b->rounds == 3) {
        return -1;
    }
    for (int64_t i = 0; i < count; i++) {
        decay_fit *d = (decay_fit *)fits[i];
        const int64_t m = M;
        check(fits[i]->state.request == REQUEST_RESIDUAL, "a residual for whom it is due");
        decay(d, fits[i]->x_trial, d->f_trial);
        fits[i]->state.nfev += 1;
        fits[i]->state.fnorm_trial = lm_enorm(&m, d->f_trial);
        if (d->gives_up_at > 0 && fits[i]->state.nfev >= d->gives_up_at) {
            lm_end(fits[i], -3);
        }
    }
    return 0;
}

static int
jacobian(void *self, lm_fit *const *fits, int64_t count)
{
    batch *b = self;
    b->jacobians++;
    if (b->error_in == 'j' && b->jacobians == 2) {
        return -1;
    }
    for (int64_t i = 0; i < count; i++) {
        decay_fit *d = (decay_fit *)fits[i];
        check(fits[i]->state.request == REQUEST_JACOBIAN, "a Jacobian for whom it is due");
        for (int64_t j = 0; j < N; j++) {
            const double h = lm_difference_point(fits[i], j, 0.0);
            decay(d, fits[i]->x_trial, d->fjac[j]);
            lm_difference_column(M, d->f, h, d->fjac[j]);
        }
        fits[i]->state.nfev += N;
        lm_factor_in_place(&fits[i]->factors, M, N, d->fjac[0], d->f, b->work.p, b->work.work, d->column);
    }
    return 0;
}

static int
moved(void *self, lm_fit *const *fits, int64_t count)
{
    const batch *b = self;
    if (b->error_in == 'm') {
        return -1;
    }
    for (int64_t i = 0; i < count; i++) {
        decay_fit *d = (decay_fit *)fits[i];
        double *accepted = d->f_trial;
        d->f_trial = d->f;
        d->f = accepted;
    }
    return 0;
}

static lm_evaluator
evaluator(batch *b)
{
    return (lm_evaluator){b, residual, jacobian, moved};
}

/* All fits and what they share, in one piece of memory. */
static void
lay_out(lm_plan *plan, batch *b, decay_fit *fits, int count)
{
    lm_plan_work(plan, &b->work, N);
    for (int i = 0; i < count; i++) {
        lm_plan_fit(plan, &fits[i].fit);
    }
}

static double *
allocate(batch *b, decay_fit *fits, int count)
{
    lm_plan plan = {NULL, 0};
    for (int i = 0; i < count; i++) {
        fits[i].fit.n = fits[i].fit.factors.ldr = N;
    }
    lay_out(&plan, b, fits, count);
    const size_t used = plan.used;
    double *memory = malloc(used);
    for (size_t i = 0; i < used / sizeof *memory; i++) {
        memory[i] = poison;
    }
    plan = (lm_plan){memory, 0};
    lay_out(&plan, b, fits, count);
    check(plan.used == used, "what is measured is what is laid out");
    return memory;
}

/* Fit number k at its start. */
static void
prepare(decay_fit *d, int k)
{
    d->rate = 0.3 + 0.05 * k;
    d->f = d->values[0];
    d->f_trial = d->values[1];
    d->gives_up_at = 0;
    d->fit.state = (lm_state){.ftol = 1e-10, .xtol = 1e-10, .factor = 100.0, .maxfev = 400};
    d->fit.x[0] = k % 5 == 4 ? 9.0 : 1.0;
    d->fit.x[1] = 0.5;
    if (k == 13) {
        d->fit.state.maxfev = 7;
    }
    if (k == 14) {
        d->fit.x[1] = NAN;
    }
    if (k == 15) {
        d->gives_up_at = 5;
    }
    if (k == 16) {
        d->fit.state.factor = -1.0;
    }
}

typedef struct {
    double x[N], f[M], r[N * N];
    int info, cause;
    int64_t nfev;
} outcome;

static outcome
outcome_of(const decay_fit *d)
{
    outcome o;
    memset(&o, 0, sizeof o);
    memcpy(o.x, d->fit.x, sizeof o.x);
    if (d->fit.state.iteration > 0) {
        memcpy(o.f, d->f, sizeof o.f);
    }
    if (d->fit.state.iteration > 1) {
        o.r[0] = d->fit.factors.r[0];
        o.r[2] = d->fit.factors.r[2];
        o.r[3] = d->fit.factors.r[3];
    }
    o.info = d->fit.state.info;
    o.cause = lm_cause(&d->fit);
    o.nfev = d->fit.state.nfev;
    return o;
}

static void
alone(outcome *outcomes)
{
    for (int k = 0; k < FITS; k++) {
        batch b = {.rounds = 0};
        decay_fit d = {.rate = 0.0};
        const lm_evaluator e = evaluator(&b);
        double *memory = allocate(&b, &d, 1);
        prepare(&d, k);
        lm_fit *fits[1] = {&d.fit};
        check(lm_run(fits, 1, &e, &b.work) == 0, "one fit runs");
        outcomes[k] = outcome_of(&d);
        free(memory);
    }
}

static void
test_lock_step(const outcome *expected)
{
    batch b = {.rounds = 0};
    static decay_fit d[FITS];
    lm_fit *fits[FITS];
    const lm_evaluator e = evaluator(&b);
    double *memory = allocate(&b, d, FITS);
    for (int k = 0; k < FITS; k++) {
        prepare(&d[k], k);
        fits[k] = &d[k].fit;
    }
    check(lm_run(fits, FITS, &e, &b.work) == 0, "many fits run");
    check(b.widest == FITS - 1, "all that are proper ask at once");
    for (int k = 0; k < FITS; k++) {
        const outcome o = outcome_of(&d[k]);
        check(memcmp(&o, &expected[k], sizeof o) == 0, "in lock-step as alone, to the bit");
    }
    free(memory);
}

/* A stream of fits through a few slots: what has been through them, and what is to come. */
typedef struct {
    const outcome *expected;
    decay_fit slots[SLOTS];
    int number[SLOTS], next, ended, fails_at;
    int again[FITS]; /* who has ended once already, and was started again */
} decays;

static int
next_decay(void *self, lm_fit *slot)
{
    decays *s = self;
    if (s->next == FITS) {
        return 0;
    }
    if (s->next == s->fails_at) {
        return -1;
    }
    prepare((decay_fit *)slot, s->next);
    s->number[(decay_fit *)slot - s->slots] = s->next++;
    return 1;
}

static int
decay_ended(void *self, lm_fit *slot)
{
    decays *s = self;
    const outcome o = outcome_of((decay_fit *)slot);
    const int number = s->number[(decay_fit *)slot - s->slots];
    check(memcmp(&o, &s->expected[number], sizeof o) == 0, "in a slot as alone, to the bit");
    if (number % 3 == 0 && !s->again[number]) {
        s->again[number] = 1;
        prepare((decay_fit *)slot, number);
        return 1;
    }
    s->ended++;
    return 0;
}

static void
test_stream(const outcome *expected)
{
    for (int fails_at = -1; fails_at <= FITS; fails_at += 9) {
        batch b = {.rounds = 0};
        static decays s;
        memset(&s, 0, sizeof s);
        s.expected = expected;
        s.fails_at = fails_at;
        lm_fit *slots[SLOTS];
        double *memory = allocate(&b, s.slots, SLOTS);
        for (int k = 0; k < SLOTS; k++) {
            slots[k] = &s.slots[k].fit;
        }
        const lm_source source = {&s, next_decay, decay_ended};
        const lm_evaluator e = evaluator(&b);
        const int fails = fails_at >= 0 && fails_at < FITS;
        check(lm_stream(slots, SLOTS, &source, &e, &b.work) == -fails, "a stream ends, or its source ends it");
        check(fails ? s.ended <= fails_at : s.ended == FITS, "all fits have been through the slots");
        check(b.widest == SLOTS || fails_at == 8, "slots are refilled");
        free(memory);
    }
}

static void
test_errors(void)
{
    for (const char *verb = "rjm"; *verb != '\0'; verb++) {
        batch b = {.error_in = *verb};
        static decay_fit d[SLOTS];
        lm_fit *fits[SLOTS];
        const lm_evaluator e = evaluator(&b);
        memset(d, 0, sizeof d);
        double *memory = allocate(&b, d, SLOTS);
        for (int k = 0; k < SLOTS; k++) {
            prepare(&d[k], k);
            fits[k] = &d[k].fit;
        }
        check(lm_run(fits, SLOTS, &e, &b.work) == -1, "an error of the evaluator's ends all");
        free(memory);
    }
}

static void
test_ends(const outcome *o)
{
    for (int k = 0; k < FITS; k++) {
        if (k < 13 || k > 16) {
            check(o[k].info >= 1 && o[k].info <= 4, "the healthy converge");
        }
    }
    check(o[13].info == 5 && o[13].nfev >= 7, "maxfev is each fit's own");
    check(o[14].info == INFO_NONFINITE && o[14].cause == CAUSE_START && o[14].nfev == 1, "NaN ends its fit");
    check(o[15].info == -3 && o[15].nfev >= 5, "who gives up ends for itself");
    check(o[16].info == INFO_IMPROPER && o[16].nfev == 0, "improper input is never evaluated");
}

int
main(void)
{
    static outcome expected[FITS];
    alone(expected);
    test_ends(expected);
    test_lock_step(expected);
    test_stream(expected);
    test_errors();
    if (failures == 0) {
        printf("all passed\n");
    }
    return failures != 0;
}
