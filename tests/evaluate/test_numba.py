"""A model of numba's from one end to the other, as its users write it."""

import math

import numpy as np
import pytest
from c_models import DATA, START, M, python_decay
from numba import carray, cfunc, types

from pyminpack import curve_fit, leastsq

pytestmark = pytest.mark.bundled

DOUBLES = types.CPointer(types.float64)
COMMON = (types.int32, types.int32, DOUBLES, DOUBLES)


@cfunc(types.int32(types.voidptr, *COMMON, types.int32))
def decay(p, m, n, x, fvec, iflag):
    """Residuals alone."""
    data = carray(p, (m, 2), types.float64)
    for i in range(m):
        fvec[i] = x[0] * math.exp(-x[1] * data[i, 0]) - data[i, 1]
    return 0


@cfunc(types.int32(DOUBLES, *COMMON, DOUBLES, types.int32, types.int32))
def decay_both(p, m, n, x, fvec, fjac, ldfjac, iflag):
    """Residuals and derivatives."""
    data = carray(p, (m, 2))
    jacobian = carray(fjac, (n, ldfjac))
    for i in range(m):
        shape = math.exp(-x[1] * data[i, 0])
        if iflag == 1:
            fvec[i] = x[0] * shape - data[i, 1]
        else:
            jacobian[0, i] = shape
            jacobian[1, i] = -x[0] * data[i, 0] * shape
    return 0


@pytest.mark.parametrize("model", [decay, decay_both], ids=["residuals", "both"])
def test_a_fit(model):
    """Protects the numba user's fit, standard errors included, and once more."""
    for _ in range(2):
        x, cov_x, info, _, ier = leastsq(model, START, DATA, m=M, full_output=True)
        assert ier in (1, 2, 3)
        popt, pcov = curve_fit(lambda t, a, b: a * np.exp(-b * t), *DATA.T, START)
        np.testing.assert_allclose(x, popt, rtol=1e-7)
        variance = np.sum(info["fvec"] ** 2) / (M - 2)
        np.testing.assert_allclose(cov_x * variance, pcov, rtol=1e-5)
    np.testing.assert_allclose(info["fvec"], python_decay(x), rtol=1e-12)


def test_a_wrong_signature():
    """Protects who declares int64, numba's default, where C has int."""

    @cfunc(types.int64(types.voidptr, types.int64, types.int64, DOUBLES, DOUBLES, types.int64))
    def wide(p, m, n, x, fvec, iflag):
        return 0

    with pytest.raises(TypeError, match=r"func has the signature \(void\*, int64, int64, float64"):
        leastsq(wide, START, DATA, m=M)
