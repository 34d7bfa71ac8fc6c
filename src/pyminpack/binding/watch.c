#include "watch.h"

#include "objects.h"

int
tell(PyObject *watch, whole_fit *f)
{
    const lm_state *state = &f->fit.state;
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
        lm_end(&f->fit, INFO_STOPPED);
    }
    return 0;
}
