/* The results of many fits, in arrays of Python's, and what of them the fits' standard errors take. */
#ifndef PYMINPACK_MANY_RESULTS_H
#define PYMINPACK_MANY_RESULTS_H

#include "many.h"

/* The places of the arrays; `why` is an UNFIT, or with ier 9 a CAUSE, or with ier 1 to 4 a DOUBT. */
enum { MANY_POPT, MANY_STDERR, MANY_PCOV, MANY_COST, MANY_NFEV, MANY_IER, MANY_WHY, MANY_RESULT_COUNT };

typedef struct {
    double *popt, *stderr_, *pcov, *cost; /* pcov: NULL if nobody wants it */
    npy_int32 *nfev;
    npy_int8 *ier, *why;
    int absolute; /* the variance of the residuals is 1 */
    int64_t free; /* variables that are not fixed */
    double *covariance; /* n n numbers, where pcov is not wanted, and the work to make it */
    double *covariance_work;
    int *pivots;
} many_results;

/* Pointers into `arrays`, a tuple that pyminpack._many.runner has made. */
void many_results_read(many_results *r, PyObject *arrays);

/* The memory that they want beside. */
void many_results_plan(lm_plan *plan, many_results *r, int64_t n);

/* A fit that is not even begun. */
void many_record_unfit(const many_results *r, int64_t n, int64_t number, const double *x0, int why);

/* A fit that has ended: why its standard errors may be wrong, a DOUBT. One that was taken on keeps what it had
 * unless it has got to an end again. */
int many_record(const many_results *r, const many *b, const many_fit *fit);

#endif
