#include "outcome.h"

#include "minpack.h"
#include "solve_many.h"
#include "types.h"

static PyTypeObject *outcome_type; /* set when the module is made, before anybody can ask for it */

#define NUMBER(name) {#name, name}

/* What Python asks `ier`, and why it is that, for. */
static int
add_numbers(PyObject *module)
{
    static const struct {
        const char *name;
        int number;
    } numbers[] = {
        NUMBER(INFO_IMPROPER),   NUMBER(INFO_FTOL),       NUMBER(INFO_XTOL),       NUMBER(INFO_BOTH),
        NUMBER(INFO_GTOL),       NUMBER(INFO_MAXFEV),     NUMBER(INFO_FTOL_SMALL), NUMBER(INFO_XTOL_SMALL),
        NUMBER(INFO_GTOL_SMALL), NUMBER(INFO_NONFINITE),  NUMBER(INFO_STOPPED),    NUMBER(CAUSE_NONE),
        NUMBER(CAUSE_START),     NUMBER(CAUSE_JACOBIAN),  NUMBER(CAUSE_TRIAL),     NUMBER(DOUBT_NONE),
        NUMBER(DOUBT_NOISE),     NUMBER(DOUBT_TRUNCATION), NUMBER(DOUBT_UNFINISHED), NUMBER(UNFIT_FEW),
        NUMBER(UNFIT_START),     NUMBER(UNFIT_OUTSIDE),
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].number) < 0) {
            return -1;
        }
    }
    return 0;
}

int
add_outcome_type(PyObject *module)
{
    static PyStructSequence_Field fields[] = {
        {"x", "the best point"},
        {"ier", "why it ended"},
        {"cause", "with ier 9, what was not finite: 1 residuals at the start, 2 the Jacobian, 3 residuals at every trial"},
        {"where", "index of the residual or column at fault; -1: only the norm overflows"},
        {"culprit", "the residual at fault"},
        {"nfev", "calls of func"},
        {"njev", "calls of Dfun"},
        {"fvec", "residuals at x; this and what follows: None without full output"},
        {"fjac", "R of the last Jacobian, transposed"},
        {"ipvt", "pivots, from 1"},
        {"qtf", "the first N of Q^T fvec"},
        {"cov_x", "the inverse of J^T J, or None"},
        {NULL, NULL},
    };
    static PyStructSequence_Desc description = {"pyminpack._minpack.Outcome", "How a fit ended.", fields,
                                                OUTCOME_COUNT};
    outcome_type = PyStructSequence_NewType(&description);
    if (outcome_type == NULL || PyModule_AddObjectRef(module, "Outcome", (PyObject *)outcome_type) < 0) {
        return -1;
    }
    return add_numbers(module);
}

PyObject *
new_outcome(PyObject *entries[OUTCOME_COUNT])
{
    PyObject *outcome = PyStructSequence_New(outcome_type);
    int complete = outcome != NULL;
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        complete = complete && entries[i] != NULL;
        if (outcome != NULL) {
            PyStructSequence_SetItem(outcome, i, entries[i]);
        }
        else {
            Py_XDECREF(entries[i]);
        }
    }
    if (!complete) {
        Py_CLEAR(outcome);
    }
    return outcome;
}
