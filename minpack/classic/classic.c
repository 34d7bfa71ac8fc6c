/* MINPACK's `lmdif` and `lmder`, with the argument lists of the MINPACK-1 User Guide (ANL-80-74), so that
 * they and the original can stand in for each other at link time. INFO may also be 9: see info.f90.
 *
 * Evaluators that work in the caller's arrays: R takes the place of the Jacobian. */
#include <string.h>

#include "differences.h"
#include "loop.h"

/* fvec := F(x). To end the fit, set `iflag` negative: it becomes INFO.
 * iflag is 1 for a trial point, 2 for a difference, 0: print x and fvec, change nothing. */
typedef void lmdif_fcn(const int *m, const int *n, const double *x, double *fvec, int *iflag);

/* iflag = 1: fvec := F(x), fjac untouched; 2: fjac := J(x), fvec untouched; 0: print. */
typedef void lmder_fcn(const int *m, const int *n, const double *x, double *fvec, double *fjac,
                       const int *ldfjac, int *iflag);

typedef struct {
    lm_fit fit;
    lm_work work;
    lmdif_fcn *lmdif; /* one of the two */
    lmder_fcn *lmder;
    int m, n, ldfjac, nprint;
    double epsfcn;
    double *fvec, *fjac, *f_trial;
} classic_fit;

/* What the user makes of `iflag`. */
static int
call_fcn(classic_fit *c, const double *x, double *fvec, int iflag)
{
    if (c->lmdif != NULL) {
        c->lmdif(&c->m, &c->n, x, fvec, &iflag);
    }
    else {
        c->lmder(&c->m, &c->n, x, fvec, c->fjac, &c->ldfjac, &iflag);
    }
    return iflag;
}

static int
residual(void *self, lm_fit *const *fits, int64_t count)
{
    classic_fit *c = self;
    lm_state *state = &c->fit.state;
    const int64_t m = c->m;
    const int iflag = call_fcn(c, c->fit.x_trial, c->f_trial, 1);
    (void)fits, (void)count;
    if (state->iteration == 0) {
        memcpy(c->fvec, c->f_trial, m * sizeof(double));
    }
    state->nfev += 1;
    state->fnorm_trial = lm_enorm(&m, c->f_trial);
    if (iflag < 0) {
        lm_end(&c->fit, iflag);
    }
    return 0;
}

/* An lm_function: not 0 where the fit is to end. */
static int
difference(void *self, const double *x, double *fvec)
{
    const int iflag = call_fcn(self, x, fvec, 2);
    return iflag < 0 ? iflag : 0;
}

/* J at x into fjac: negative where the fit is to end. */
static int
evaluate_jacobian(classic_fit *c)
{
    lm_state *state = &c->fit.state;
    int iflag;
    if (c->lmdif != NULL) {
        state->nfev += c->n;
        iflag = lm_differences(&c->fit, c->m, c->fvec, c->epsfcn, c->fjac, c->ldfjac, difference, c);
    }
    else {
        iflag = call_fcn(c, c->fit.x, c->fvec, 2);
        state->njev += 1;
    }
    if (iflag >= 0 && c->nprint > 0 && (state->iteration - 1) % c->nprint == 0) {
        iflag = call_fcn(c, c->fit.x, c->fvec, 0);
    }
    return iflag;
}

static int
jacobian(void *self, lm_fit *const *fits, int64_t count)
{
    classic_fit *c = self;
    const int iflag = evaluate_jacobian(c);
    (void)fits, (void)count;
    if (iflag < 0) {
        lm_end(&c->fit, iflag);
        return 0;
    }
    lm_factor_in_place(&c->fit.factors, c->m, c->n, c->fjac, c->fvec, c->work.p, c->fit.x_trial, c->f_trial);
    return 0;
}

static int
moved(void *self, lm_fit *const *fits, int64_t count)
{
    classic_fit *c = self;
    (void)fits, (void)count;
    memcpy(c->fvec, c->f_trial, c->m * sizeof(double));
    return 0;
}

static void
run(classic_fit *c)
{
    lm_fit *fits[1] = {&c->fit};
    const lm_evaluator evaluator = {c, residual, jacobian, moved};
    if (c->m < c->n || c->ldfjac < c->m) {
        return; /* info is 0: improper */
    }
    lm_run(fits, 1, &evaluator, &c->work);
    if (c->nprint > 0) {
        call_fcn(c, c->fit.x, c->fvec, 0);
    }
}

/* What both argument lists have, under the same names. */
#define COMMON                                                                                     \
    .fit = {.state = {.ftol = *ftol, .xtol = *xtol, .gtol = *gtol, .factor = *factor,              \
                      .maxfev = *maxfev, .mode = *mode},                                           \
            .n = *n, .x = x, .x_trial = wa2, .diag = diag,                                         \
            .factors = {.r = fjac, .ldr = *ldfjac, .ipvt = ipvt, .qtf = qtf, .acnorm = wa3}},      \
    .work = {.p = wa1, .work = wa4, .scratch = wa4}, .m = *m, .n = *n, .ldfjac = *ldfjac,          \
    .nprint = *nprint, .fvec = fvec, .fjac = fjac, .f_trial = wa4

void
lmdif_(lmdif_fcn *fcn, const int *m, const int *n, double *x, double *fvec, const double *ftol,
       const double *xtol, const double *gtol, const int *maxfev, const double *epsfcn, double *diag,
       const int *mode, const double *factor, const int *nprint, int *info, int *nfev, double *fjac,
       const int *ldfjac, int *ipvt, double *qtf, double *wa1, double *wa2, double *wa3, double *wa4)
{
    classic_fit c = {COMMON, .lmdif = fcn, .epsfcn = *epsfcn};
    run(&c);
    *info = c.fit.state.info;
    *nfev = (int)c.fit.state.nfev;
}

void
lmder_(lmder_fcn *fcn, const int *m, const int *n, double *x, double *fvec, double *fjac,
       const int *ldfjac, const double *ftol, const double *xtol, const double *gtol,
       const int *maxfev, double *diag, const int *mode, const double *factor, const int *nprint,
       int *info, int *nfev, int *njev, int *ipvt, double *qtf, double *wa1, double *wa2, double *wa3,
       double *wa4)
{
    classic_fit c = {COMMON, .lmder = fcn};
    run(&c);
    *info = c.fit.state.info;
    *nfev = (int)c.fit.state.nfev;
    *njev = (int)c.fit.state.njev;
}
