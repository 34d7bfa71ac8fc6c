/* minpack.h repeats what the Fortran sources define (mirror.f90): the same, number by number. */
#include <stdio.h>

#include "check.h"
#include "loop.h"

void numbered_state(lm_state *state, size_t *size);
void constants(int values[12]);
void sizes(size_t values[5]);

int
main(void)
{
    lm_state s;
    size_t size;
    numbered_state(&s, &size);
    check(size == sizeof s, "the size of the state");
    const double found[] = {
        s.ftol, s.xtol, s.gtol, s.factor, (double)s.maxfev, s.mode, s.request, s.fnorm_trial,
        (double)s.nfev, (double)s.njev, s.info, s.accepted, s.nonfinite_trial, s.at_start, s.squeezed,
        s.walls, s.phase, s.attempt, (double)s.iteration, s.fnorm, s.xnorm, s.pnorm, s.gnorm,
        s.delta, s.par, s.prered, s.dirder, s.longest, s.size, s.best_fnorm, (double)s.attempt_maxfev,
        s.best_info, s.predicted,
    };
    for (int i = 0; i < (int)(sizeof found / sizeof *found); i++) {
        if (found[i] != i + 1) {
            printf("component %d of the state holds %g\n", i + 1, found[i]);
        }
        check(found[i] == i + 1, "a component of the state");
    }
    int values[12];
    const int expected[12] = {REQUEST_START, REQUEST_RESIDUAL, REQUEST_JACOBIAN, REQUEST_STOP,
                             INFO_IMPROPER, INFO_GTOL, INFO_NONFINITE, INFO_STOPPED,
                              DOUBT_NONE, DOUBT_NOISE, DOUBT_TRUNCATION, DOUBT_UNFINISHED};
    constants(values);
    for (int i = 0; i < 12; i++) {
        check(values[i] == expected[i], "a request, an INFO or a DOUBT");
    }
    size_t found_sizes[5];
    const size_t expected_sizes[5] = {sizeof(lm_factors), sizeof(lm_fit), sizeof(lm_evaluator), sizeof(lm_work),
                                      sizeof(lm_plan)};
    sizes(found_sizes);
    for (int i = 0; i < 5; i++) {
        check(found_sizes[i] == expected_sizes[i], "the size of a type");
    }
    if (failures == 0) {
        printf("all passed\n");
    }
    return failures != 0;
}
