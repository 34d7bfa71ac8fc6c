/* The Gaussian of bench_compiled.py as somebody with a million of them would write it: for a compiler that may use
 * the vector functions of its C library (gcc -O3 -ffast-math -march=native, glibc). cminpack's argument lists. */
#include <math.h>

int
gaussian(void *data, int m, int n, const double *x, double *restrict fvec, int iflag)
{
    const double *restrict y = data;
    const double step = 10.0 / (m - 1), start = -5.0 - x[1], a = x[0], narrow = 1.0 / x[2], base = x[3];
    for (int i = 0; i < m; i++) {
        const double z = (step * i + start) * narrow;
        fvec[i] = a * exp(-0.5 * z * z) + base - y[i];
    }
    return (void)n, (void)iflag, 0;
}

int
gaussian_both(void *data, int m, int n, const double *x, double *fvec, double *restrict fjac, int ldfjac, int iflag)
{
    if (iflag == 1) {
        return gaussian(data, m, n, x, fvec, iflag);
    }
    const double step = 10.0 / (m - 1), start = -5.0 - x[1], a = x[0], narrow = 1.0 / x[2];
    for (int i = 0; i < m; i++) {
        const double z = (step * i + start) * narrow, shape = exp(-0.5 * z * z), slope = a * narrow * shape * z;
        fjac[i] = shape;
        fjac[i + ldfjac] = slope;
        fjac[i + 2 * ldfjac] = slope * z;
        fjac[i + 3 * ldfjac] = 1.0;
    }
    return 0;
}
