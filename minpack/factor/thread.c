#define _GNU_SOURCE /* sched_getaffinity */
#include "thread.h"

#ifdef _WIN32

#include <windows.h>

static DWORD WINAPI
run(void *t)
{
    ((thread *)t)->task(((thread *)t)->argument);
    return 0;
}

int
lm_thread_start(thread *t)
{
    t->handle = CreateThread(NULL, 0, run, t, 0, NULL);
    return t->handle != NULL;
}

void
lm_thread_join(thread *t)
{
    WaitForSingleObject(t->handle, INFINITE);
    CloseHandle(t->handle);
}

int
lm_processor_is_idle(void)
{
    DWORD_PTR ours, all;
    return GetProcessAffinityMask(GetCurrentProcess(), &ours, &all) && (ours & (ours - 1)) != 0;
}

#else

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void *
run(void *t)
{
    ((thread *)t)->task(((thread *)t)->argument);
    return NULL;
}

/* With all signals blocked: they are for the program's own threads. */
int
lm_thread_start(thread *t)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return 0;
    }
    const int started = pthread_create(&t->handle, NULL, run, t) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void
lm_thread_join(thread *t)
{
    pthread_join(t->handle, NULL);
}

static int
several_processors(void)
{
#ifdef __linux__ /* those that we may use: taskset, containers */
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof processors, &processors) == 0) {
        return CPU_COUNT(&processors) > 1;
    }
#endif
    return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/* Whether fewer threads run on this machine than it has processors. */
static int
one_is_idle(void)
{
    char text[128];
    long running;
    const int file = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return 1;
    }
    const ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0'; /* "0.20 0.18 0.12 1/80 11206": 1 of 80 runs */
    return sscanf(text, "%*s %*s %*s %ld/", &running) != 1
           || running < sysconf(_SC_NPROCESSORS_ONLN);
}

int
lm_processor_is_idle(void)
{
    return several_processors() && one_is_idle();
}

#endif
