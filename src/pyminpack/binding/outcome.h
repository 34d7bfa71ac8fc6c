/* How a fit ended, as Python gets it: a tuple whose entries have names. */
#ifndef PYMINPACK_OUTCOME_H
#define PYMINPACK_OUTCOME_H

#include "python.h"

enum { OUTCOME_X, OUTCOME_IER, OUTCOME_CAUSE, OUTCOME_WHERE, OUTCOME_CULPRIT, OUTCOME_NFEV,
       OUTCOME_NJEV, OUTCOME_FVEC, OUTCOME_FJAC, OUTCOME_IPVT, OUTCOME_QTF, OUTCOME_COV_X,
       OUTCOME_COUNT };

/* Takes the entries over; NULL where one of them is. */
PyObject *new_outcome(PyObject *entries[OUTCOME_COUNT]);

#endif
