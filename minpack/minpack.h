/* The C view of the Fortran sources: see there for the meaning of the arguments. */
#ifndef MINPACK_H
#define MINPACK_H

#include <stdint.h>

/* step/state.f90 */
enum { REQUEST_START, REQUEST_RESIDUAL, REQUEST_JACOBIAN, REQUEST_STOP };
enum { PHASE_SEARCH }; /* and others */

/* info.f90 */
enum { INFO_IMPROPER, INFO_FTOL, INFO_XTOL, INFO_BOTH, INFO_GTOL, INFO_MAXFEV, INFO_FTOL_SMALL, INFO_XTOL_SMALL,
       INFO_GTOL_SMALL, INFO_NONFINITE, INFO_STOPPED };

/* What was not finite, where info is 9. */
enum { CAUSE_NONE, CAUSE_START, CAUSE_JACOBIAN, CAUSE_TRIAL };

/* What lm_doubt says. */
enum { DOUBT_NONE, DOUBT_NOISE, DOUBT_TRUNCATION, DOUBT_UNFINISHED };

/* type(lm_state) of step/state.f90 */
typedef struct {
    double ftol, xtol, gtol, factor;
    int64_t maxfev;
    int mode, request;
    double fnorm_trial;
    int64_t nfev, njev;
    int info, accepted, nonfinite_trial, at_start, squeezed, walls, phase, attempt;
    int64_t iteration;
    double fnorm, xnorm, pnorm, gnorm, delta, par, prered, dirder, longest, size, best_fnorm;
    int64_t attempt_maxfev;
    int best_info, predicted;
} lm_state;

enum { LM_GROUP = 4 }; /* small Jacobians that are factored at a time */
enum { LM_INSIDE = 9 }; /* vectors of n numbers that a fit within bounds has in `inside` */

void lm_step(lm_state *state, int64_t n, double *x, double *x_trial, double *r, int64_t ldr,
             const int *ipvt, const double *qtf, double *acnorm, double *diag, double *p,
             double *work, int64_t scratch_size, double *scratch, const double *lower,
             const double *upper, double *inside);
void lm_stop(lm_state *state, int64_t n, double *x_trial, const double *inside);
int64_t lm_lmpar_size(int64_t n); /* scratch_size with which a large n is solved by blocks */
void lm_first_point(int64_t n, double *x, const double *lower, const double *upper);
double lm_enorm(const int64_t *n, const double *x);
void lm_qrfac(int64_t m, int64_t n, double *a, int64_t lda, double *f, int *ipvt, double *acnorm,
              double *squares, double *reference, double *sums);
void lm_eliminate(int64_t m, int64_t n, double *a, int64_t lda, double *f, int *ipvt, double *acnorm,
                  double *squares, double *reference, double *sums);
double lm_difference_step(double x_j, double epsfcn);
double lm_step_within(double h, double x_j, double lower, double upper, double size);
void lm_covariance(int64_t n, const double *r, int64_t ldr, const int *ipvt, double *c,
                   int *full_rank, double *work, int *pivots, const double *x,
                   const double *lower, const double *upper);
int lm_doubt(int64_t m, int64_t n, const double *r, int64_t ldr, const int *ipvt, const double *x,
             const double *qtf, const double *covariance, double fnorm, double data_norm,
             double step, double error);

#endif
