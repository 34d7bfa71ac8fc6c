/* The covariance of a fit's variables, as an array. */
#ifndef PYMINPACK_COVARIANCE_H
#define PYMINPACK_COVARIANCE_H

#include "gil.h"

#include "evaluator.h"

/* (JᵀJ)⁻¹, or None where there is none to give. */
PyObject *covariance(const lm_fit *fit, gil *lock);

#endif
