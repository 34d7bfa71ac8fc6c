#include "parts.h"

#include <stdint.h>

/* The routines that the solver is made of. Only their addresses are taken: their arguments are told in Fortran,
 * in minpack.h and beside it, and by those who call. */
#define FOR_EACH_PART(PART)                                                                       \
    PART(lm_qrfac) PART(lm_qrsolv) PART(lm_lmpar) PART(lm_propose) PART(lm_judge)                 \
    PART(lm_lmpar_size) PART(lm_damped_size) PART(lm_leading) PART(lm_damped)                     \
    PART(lm_running_size) PART(lm_rows_size) PART(lm_pivot_size) PART(lm_rows_add)                \
    PART(lm_rows_merge) PART(lm_rows_finish) PART(lm_pivot) PART(lm_factor_in_place)              \
    PART(lm_factor_by_rows) PART(lm_factor_in_halves) PART(lm_factor_threads)                     \
    PART(lm_reduction_size) PART(lm_factor_reduce) PART(lm_group_size) PART(lm_group_add)         \
    PART(lm_group_add_quotients) PART(lm_group_end)

#define DECLARE(name) void name(void);
FOR_EACH_PART(DECLARE)

PyObject *
pyminpack_parts(PyObject *module, PyObject *none)
{
    PyObject *addresses = PyDict_New();
    (void)module, (void)none;
#define ADD(name)                                                                                  \
    if (addresses != NULL) {                                                                       \
        PyObject *address = PyLong_FromSize_t((size_t)(uintptr_t)name);                            \
        if (address == NULL || PyDict_SetItemString(addresses, #name, address) < 0) {              \
            Py_CLEAR(addresses);                                                                   \
        }                                                                                          \
        Py_XDECREF(address);                                                                       \
    }
    FOR_EACH_PART(ADD)
    return addresses;
}
