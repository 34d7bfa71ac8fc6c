/* The interpreter's lock, let go where numbers are crunched for long enough: here and nowhere else. */
#ifndef PYMINPACK_GIL_H
#define PYMINPACK_GIL_H

#include "python.h"

#include <time.h>

typedef struct {
    PyThreadState *let_go; /* NULL while we hold the lock */
} gil;

/* Before that many floating-point operations without Python. */
void gil_let_go(gil *lock, double operations);

/* Before anything that Python may see; as often as you like. */
void gil_take(gil *lock);

/* For who has let go of the lock: once a second it is taken to look for signals, Ctrl-C; the time of day costs
 * some nanoseconds. `second` is that of the last look. 0 where there was one, an error. */
int signals_allow(gil *lock, time_t *second);

#endif
