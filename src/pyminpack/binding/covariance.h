/* The covariance of a fit's variables, as an array. */
#ifndef PYMINPACK_COVARIANCE_H
#define PYMINPACK_COVARIANCE_H

#include "functions.h"

/* (JᵀJ)⁻¹, or None where there is none to give. */
PyObject *covariance(python_fit *f);

#endif
