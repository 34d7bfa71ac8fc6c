/* lmdif and lmder called from C under their Fortran names. Run by `meson test`, on either library
 * (-Dminpack). What a Fortran caller cannot try: re-entrance, threads; and the factorisation that
 * the call leaves behind.
 *
 * The problem: the difference Rosenbrock function with a third residual, so that the sum of squares
 * does not vanish: f = (10 (x2 - x1^2), 1 - x1, x2 / 10). */
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

enum { M = 3, N = 2, THREADS = 8, FITS_PER_THREAD = 200 };

typedef void lmdif_fcn(const int *m, const int *n, const double *x, double *fvec, int *iflag);
typedef void lmder_fcn(const int *m, const int *n, const double *x, double *fvec, double *fjac,
                       const int *ldfjac, int *iflag);

void lmdif_(lmdif_fcn *fcn, const int *m, const int *n, double *x, double *fvec, const double *ftol,
            const double *xtol, const double *gtol, const int *maxfev, const double *epsfcn,
            double *diag, const int *mode, const double *factor, const int *nprint, int *info,
            int *nfev, double *fjac, const int *ldfjac, int *ipvt, double *qtf, double *wa1,
            double *wa2, double *wa3, double *wa4);
void lmder_(lmder_fcn *fcn, const int *m, const int *n, double *x, double *fvec, double *fjac,
            const int *ldfjac, const double *ftol, const double *xtol, const double *gtol,
            const int *maxfev, double *diag, const int *mode, const double *factor,
            const int *nprint, int *info, int *nfev, int *njev, int *ipvt, double *qtf, double *wa1,
            double *wa2, double *wa3, double *wa4);

typedef struct {
    double x[N], fvec[M], fjac[N][M], qtf[N];
    int ipvt[N], info, nfev, njev;
} fit;

static void residuals(const double *x, double *f)
{
    f[0] = 10 * (x[1] - x[0] * x[0]);
    f[1] = 1 - x[0];
    f[2] = x[1] / 10;
}

static void derivatives(const double *x, double jacobian[N][M]) /* columns, as Fortran stores them */
{
    const double columns[N][M] = {{-20 * x[0], -1, 0}, {10, 0, 0.1}};
    memcpy(jacobian, columns, sizeof columns);
}

static void rosenbrock_lmdif(const int *m, const int *n, const double *x, double *fvec, int *iflag)
{
    if (*m != M || *n != N)
        *iflag = -1;
    residuals(x, fvec);
}

static double last_x[N], last_f[M]; /* where the last Jacobian was asked for */

static void rosenbrock_lmder(const int *m, const int *n, const double *x, double *fvec, double *fjac,
                             const int *ldfjac, int *iflag)
{
    if (*m != M || *n != N || *ldfjac != M)
        *iflag = -1;
    if (*iflag == 1)
        residuals(x, fvec);
    if (*iflag == 2) {
        derivatives(x, (double(*)[M])fjac);
        memcpy(last_x, x, sizeof last_x);
        memcpy(last_f, fvec, sizeof last_f);
    }
}

static fit run(lmdif_fcn *difference, lmder_fcn *analytic)
{
    const int m = M, n = N, ldfjac = M, maxfev = 1000, mode = 1, nprint = 0;
    const double ftol = 1e-14, xtol = 1e-14, gtol = 0, epsfcn = 0, factor = 100;
    double diag[N], wa1[N], wa2[N], wa3[N], wa4[M];
    fit r = {.x = {-1.2, 1}};

    if (difference)
        lmdif_(difference, &m, &n, r.x, r.fvec, &ftol, &xtol, &gtol, &maxfev, &epsfcn, diag, &mode,
               &factor, &nprint, &r.info, &r.nfev, r.fjac[0], &ldfjac, r.ipvt, r.qtf, wa1, wa2, wa3,
               wa4);
    else
        lmder_(analytic, &m, &n, r.x, r.fvec, r.fjac[0], &ldfjac, &ftol, &xtol, &gtol, &maxfev,
               diag, &mode, &factor, &nprint, &r.info, &r.nfev, &r.njev, r.ipvt, r.qtf, wa1, wa2,
               wa3, wa4);
    return r;
}

static int same(const fit *a, const fit *b)
{
    return memcmp(a->x, b->x, sizeof a->x) == 0 && memcmp(a->fvec, b->fvec, sizeof a->fvec) == 0 &&
           memcmp(a->fjac, b->fjac, sizeof a->fjac) == 0 && a->info == b->info && a->nfev == b->nfev;
}

/* At a minimum J'f = 0; to the accuracy of the Jacobian, that is. */
static int stationary(const fit *r, double accuracy)
{
    double jacobian[N][M];
    derivatives(r->x, jacobian);
    for (int j = 0; j < N; j++) {
        double product = 0;
        for (int i = 0; i < M; i++)
            product += jacobian[j][i] * r->fvec[i];
        if (fabs(product) > accuracy)
            return 0;
    }
    return 1;
}

/* J P = Q R and qtf = Q'f, without Q: R'R = P'J'J P, and R'qtf = P'J'f. */
static int factorised(const fit *r)
{
    double jacobian[N][M];
    const double accuracy = 100 * DBL_EPSILON * 1000; /* of sums of M terms of size up to 1000 */
    derivatives(last_x, jacobian);
    for (int j = 0; j < N; j++) {
        const double *column_j = jacobian[r->ipvt[j] - 1];
        double by_r = 0, by_j = 0;
        for (int k = 0; k <= j; k++)
            by_r += r->fjac[j][k] * r->qtf[k];
        for (int i = 0; i < M; i++)
            by_j += column_j[i] * last_f[i];
        if (fabs(by_r - by_j) > accuracy)
            return 0;
        for (int l = 0; l <= j; l++) {
            const double *column_l = jacobian[r->ipvt[l] - 1];
            by_r = by_j = 0;
            for (int k = 0; k <= l; k++)
                by_r += r->fjac[j][k] * r->fjac[l][k];
            for (int i = 0; i < M; i++)
                by_j += column_j[i] * column_l[i];
            if (fabs(by_r - by_j) > accuracy)
                return 0;
        }
    }
    return 1;
}

/* A residual function that runs a fit of its own. */
static void nested_lmdif(const int *m, const int *n, const double *x, double *fvec, int *iflag)
{
    fit inner = run(rosenbrock_lmdif, NULL);
    if (inner.info < 1)
        *iflag = -2;
    rosenbrock_lmdif(m, n, x, fvec, iflag);
}

static void *many_fits(void *reference)
{
    for (int i = 0; i < FITS_PER_THREAD; i++) {
        fit mine = run(rosenbrock_lmdif, NULL);
        if (!same(&mine, reference))
            return reference; /* not the same: reported by main */
    }
    return NULL;
}

int main(void)
{
    fit difference = run(rosenbrock_lmdif, NULL), analytic = run(NULL, rosenbrock_lmder), nested;
    pthread_t threads[THREADS];

    check(difference.info >= 1 && difference.info <= 8, "lmdif ends well");
    check(analytic.info >= 1 && analytic.info <= 8, "lmder ends well");
    check(stationary(&difference, 1e-5), "lmdif finds the minimum"); /* differences: 8 digits of J */
    check(stationary(&analytic, 1e-8), "lmder finds the minimum");
    check(factorised(&analytic), "R, ipvt and qtf are those of the last Jacobian");

    nested = run(nested_lmdif, NULL);
    check(same(&nested, &difference), "a fit inside fcn changes nothing");

    for (int i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, many_fits, &difference) == 0, "a thread starts");
    for (int i = 0; i < THREADS; i++) {
        void *different;
        pthread_join(threads[i], &different);
        check(different == NULL, "fits in several threads are those of one");
    }

    puts(failures ? "test_classic failed" : "test_classic passed");
    return failures != 0;
}
