#include "gil.h"

#include <math.h>

/* Below this many operations, letting other threads in costs more than it gives. */
#define GIL_WORTH 100000.0

void
gil_let_go(gil *lock, double operations)
{
    if (operations > GIL_WORTH && lock->let_go == NULL) {
        lock->let_go = PyEval_SaveThread();
    }
}

void
gil_take(gil *lock)
{
    if (lock->let_go != NULL) {
        PyEval_RestoreThread(lock->let_go);
        lock->let_go = NULL;
    }
}

int
signals_allow(gil *lock, time_t *second)
{
    const time_t now = time(NULL);
    if (now == *second) {
        return 1;
    }
    *second = now;
    gil_take(lock);
    const int status = PyErr_CheckSignals();
    gil_let_go(lock, HUGE_VAL);
    return status == 0;
}
