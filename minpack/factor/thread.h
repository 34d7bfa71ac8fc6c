/* One thread beside the caller's, where a processor is idle: the one file that knows the system. */
#ifndef MINPACK_THREAD_H
#define MINPACK_THREAD_H

#ifdef _WIN32
typedef void *thread_handle;
#else
#include <pthread.h>
typedef pthread_t thread_handle;
#endif

/* Lives in the caller's frame from start to join. */
typedef struct {
    void (*task)(void *argument);
    void *argument;
    thread_handle handle;
} thread;

/* Run t->task(t->argument) in a thread of its own; 0 where the system gives none. */
int lm_thread_start(thread *t);
void lm_thread_join(thread *t);

/* Whether this process may run on two processors or more, and one of them has nothing to do. Where
 * the system does not tell the second, it counts as so. */
int lm_processor_is_idle(void);

#endif
