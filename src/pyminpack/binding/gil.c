#include "gil.h"

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
