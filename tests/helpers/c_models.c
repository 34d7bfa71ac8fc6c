/* Models in C for the tests of compiled ones, with cminpack's argument lists. */
#include <math.h>
#include <time.h>

/* x0 exp(-x1 t) - y; p holds t and y of each residual, one after the other. */
int
decay(const double *p, int m, int n, const double *x, double *fvec, int iflag)
{
    (void)n, (void)iflag;
    for (int i = 0; i < m; i++) {
        fvec[i] = x[0] * exp(-x[1] * p[2 * i]) - p[2 * i + 1];
    }
    return 0;
}

int
decay_both(const double *p, int m, int n, const double *x, double *fvec, double *fjac, int ldfjac, int iflag)
{
    if (iflag == 1) {
        return decay(p, m, n, x, fvec, iflag);
    }
    for (int i = 0; i < m; i++) {
        const double shape = exp(-x[1] * p[2 * i]);
        fjac[i] = shape;
        fjac[i + ldfjac] = -x[0] * p[2 * i] * shape;
    }
    return 1;
}

/* exp(-x): a fit that does not end. */
static void
run_away(int m, const double *x, double *fvec)
{
    for (int i = 0; i < m; i++) {
        fvec[i] = exp(-x[i]);
    }
}

/* p: the calls so far of each kind, the number of the call of each kind that returns a number (0: none), and that. */
typedef struct {
    int calls[3], last[3], answer;
} stopping;

int
stops(stopping *p, int m, int n, const double *x, double *fvec, double *fjac, int ldfjac, int iflag)
{
    if (++p->calls[iflag] == p->last[iflag]) {
        return p->answer;
    }
    if (iflag == 1) {
        run_away(m, x, fvec);
        return 0;
    }
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < m; i++) {
            fjac[i + j * ldfjac] = i == j ? -exp(-x[j]) : 0.0;
        }
    }
    return 0;
}

int
stops_residuals(stopping *p, int m, int n, const double *x, double *fvec, int iflag)
{
    (void)n;
    if (++p->calls[iflag] == p->last[iflag]) {
        return p->answer;
    }
    run_away(m, x, fvec);
    return 0;
}

static void
wait_a_little(void)
{
    const struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, 0);
}

/* Waits until *p is not 0, and gives up after some seconds. */
int
waits(const volatile int *p, int m, int n, const double *x, double *fvec, int iflag)
{
    (void)n, (void)iflag;
    for (int k = 0; *p == 0; k++) {
        if (k == 20000) {
            return -1;
        }
        wait_a_little();
    }
    run_away(m, x, fvec);
    return 0;
}

/* A slow one that does not end; *p: the calls so far. */
int
slow(int *p, int m, int n, const double *x, double *fvec, int iflag)
{
    (void)n, (void)iflag;
    *p += 1;
    wait_a_little();
    run_away(m, x, fvec);
    return 0;
}

/* Forgets its last residual. */
int
forgets(void *p, int m, int n, const double *x, double *fvec, int iflag)
{
    (void)p, (void)n, (void)iflag;
    run_away(m - 1, x, fvec);
    return 0;
}

/* The decay, unless the first time is negative: then that is what it returns. */
int
decay_or_end(const double *p, int m, int n, const double *x, double *fvec, int iflag)
{
    return p[0] < 0.0 ? (int)p[0] : decay(p, m, n, x, fvec, iflag);
}
