#include "pointers.h"

#include "compiled.h"

enum { MODEL_RESIDUALS, MODEL_BOTH, MODEL_DERIVATIVES, MODEL_P, MODEL_M, MODEL_OWNERS, MODEL_COUNT };

int
get_model(PyObject *value, lm_model *model, void **p, int64_t *m)
{
    if (!PyTuple_Check(value) || PyTuple_GET_SIZE(value) != MODEL_COUNT) {
        PyErr_SetString(PyExc_TypeError, "a compiled model is a tuple as _compiled.as_model makes it");
        return -1;
    }
    void *address[MODEL_M];
    for (int i = 0; i < MODEL_M; i++) {
        PyObject *entry = PyTuple_GET_ITEM(value, i);
        address[i] = i == MODEL_P && PyArray_Check(entry) ? PyArray_DATA((PyArrayObject *)entry)
                                                          : PyLong_AsVoidPtr(entry);
    }
    *m = PyLong_AsLongLong(PyTuple_GET_ITEM(value, MODEL_M));
    model->residuals = (lm_residuals *)address[MODEL_RESIDUALS];
    model->both = (lm_both *)address[MODEL_BOTH];
    model->derivatives = (lm_both *)address[MODEL_DERIVATIVES];
    *p = address[MODEL_P];
    return PyErr_Occurred() ? -1 : 0;
}

PyObject *
pyminpack_capsule_address(PyObject *Py_UNUSED(module), PyObject *capsule)
{
    if (!PyCapsule_CheckExact(capsule)) {
        PyErr_SetString(PyExc_TypeError, "capsule_address() takes a PyCapsule");
        return NULL;
    }
    const char *name = PyCapsule_GetName(capsule);
    void *address = PyCapsule_GetPointer(capsule, name);
    return address == NULL ? NULL : Py_BuildValue("Ny", PyLong_FromVoidPtr(address), name);
}
