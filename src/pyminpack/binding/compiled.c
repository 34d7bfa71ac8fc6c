#include "compiled.h"

#include <math.h>
#include <time.h>

#include "call.h"
#include "differences.h"
#include "gil.h"
#include "pointers.h"
#include "watch.h"

typedef struct {
    whole_fit whole; /* first: the loop's pointer is ours */
    lm_model model;
    void *p;
    PyObject *watch; /* called at each new point; NULL: nobody */
    int threads;     /* for a reduction by rows */
    time_t second;   /* in which signals have been looked at */
    gil lock;
} compiled_fit;

static int
goes_on(void *observer)
{
    compiled_fit *f = observer;
    return signals_allow(&f->lock, &f->second);
}

static int
compiled_residual(void *self, lm_fit *const *Py_UNUSED(fits), int64_t Py_UNUSED(count))
{
    compiled_fit *f = self;
    whole_fit *w = &f->whole;
    return lm_model_residual(&f->model, &w->fit, f->p, w->m, w->f_trial, w->fjac);
}

static int
compiled_jacobian(void *self, lm_fit *const *Py_UNUSED(fits), int64_t Py_UNUSED(count))
{
    compiled_fit *f = self;
    whole_fit *w = &f->whole;
    const int64_t before = w->fit.state.nfev;
    if (lm_model_jacobian(&f->model, &w->fit, f->p, w->m, w->fvec, w->epsfcn, w->fjac) < 0) {
        return -1;
    }
    lm_count_differences(&w->fit.state, w->trials_only, w->fit.state.nfev - before);
    if (w->fit.state.request != REQUEST_STOP) {
        lm_whole_factor(w, f->threads);
    }
    return 0;
}

static int
compiled_moved(void *self, lm_fit *const *Py_UNUSED(fits), int64_t Py_UNUSED(count))
{
    compiled_fit *f = self;
    lm_whole_swap(&f->whole);
    if (f->watch == NULL || f->whole.fit.state.iteration == 1) { /* the start is no news */
        return 0;
    }
    gil_take(&f->lock);
    const int status = tell(f->watch, &f->whole);
    gil_let_go(&f->lock, HUGE_VAL);
    return status;
}

static int
run(compiled_fit *f)
{
    whole_fit *w = &f->whole;
    const lm_evaluator evaluator = {f, compiled_residual, compiled_jacobian, compiled_moved};
    for (int64_t i = 0; i < w->m; i++) { /* what the model forgets to write is seen, and none of it anything */
        w->f_trial[i] = NAN;
    }
    f->threads = w->by_rows ? lm_factor_threads(w->m, w->fit.n) : 1;
    f->second = time(NULL);
    gil_let_go(&f->lock, HUGE_VAL);
    const int status = lm_whole_run(w, &evaluator);
    gil_take(&f->lock);
    return status;
}

PyObject *
pyminpack_solve_compiled(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    compiled_fit f = {.model = {.goes_on = goes_on, .observer = &f}};
    if (nargs != ARGUMENT_COUNT || get_model(args[FUNC], &f.model, &f.p, &f.whole.m) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "solve_compiled() takes 8 arguments");
        }
        return NULL;
    }
    f.watch = args[WATCH] == Py_None ? NULL : args[WATCH];
    call c;
    PyObject *outcome = NULL;
    if (call_begin(&c, &f.whole, args, f.model.derivatives != NULL) == 0 && call_allocate(&c) == 0
        && run(&f) == 0) {
        outcome = call_result(&c);
    }
    call_end(&c);
    return outcome;
}
