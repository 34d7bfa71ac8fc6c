"""A Jacobian that comes in the other layout: the error says which `col_deriv` is right."""

import numpy as np
import pytest

from pyminpack import curve_fit, leastsq


class TestTransposedJacobian:
    """What jax.jacfwd returns for f(x, *p) by argnums, stacked: (N, M)."""

    T = np.arange(6.0)

    def by_columns(self, *_):
        return np.array([np.ones(6), self.T])

    @pytest.mark.parametrize("col_deriv", [False, True])
    def test_says_which_col_deriv_is_right(self, col_deriv):
        def jac(*_):
            return self.by_columns().T if col_deriv else self.by_columns()

        text = f"It is the transpose: say col_deriv={not col_deriv}"
        with pytest.raises(TypeError, match=text):
            curve_fit(lambda t, a, b: a + b * t, self.T, self.T, jac=jac, col_deriv=col_deriv)
        with pytest.raises(TypeError, match=text):
            leastsq(lambda p: p[0] + p[1] * self.T, [1, 1], Dfun=jac, col_deriv=col_deriv)

    def test_is_silent_about_other_shapes(self):
        with pytest.raises(TypeError, match=r"N = 2 parameters\.$"):
            curve_fit(lambda t, a, b: a + b * t, self.T, self.T, jac=lambda *_: np.ones((3, 6)))
