#include "watch.h"

#include "objects.h"

int
tell(PyObject *watch, whole_fit *f)
{
    const lm_state *state = &f->fit.state;
    if (state->info == INFO_STOPPED) { /* on its way back to the best point */
        return 0;
    }
    PyObject *x = vector(f->fit.n, NPY_DOUBLE, f->fit.x), *fvec = vector(f->m, NPY_DOUBLE, f->fvec);
    PyObject *answer = x && fvec ? PyObject_CallFunction(watch, "OOLLd", x, fvec, (long long)state->nfev,
                                                         (long long)state->iteration - 1, state->delta)
                                 : NULL;
    Py_XDECREF(x);
    Py_XDECREF(fvec);
    Py_XDECREF(answer);
    if (answer != NULL) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return -1;
    }
    PyErr_Clear();
    if (state->request != REQUEST_STOP || state->info > INFO_GTOL) {
        lm_stop(&f->fit.state, f->fit.n, f->fit.x_trial, f->fit.inside);
    }
    return 0;
}
