"""fdjac2: the forward differences of the Jacobian, as seen by the function that is differenced."""

import numpy as np
import pytest
import slow
from fits import DECAY_START, TIMES, Recorder, decay

from pyminpack import leastsq

pytestmark = pytest.mark.bundled  # the system's rounds machine precision, and so the step

EPS = 2.0**-52

# Zeros of both signs, both signs, numbers of every size whose step is a normal number.
VALUES = [0.0, -0.0, 1.0, -1.0, 3.0, -0.1, 1e-300, -1e-290, 1e-8, 1e300, -1e300, 2.0**-990, 1e16]


def blind(x):
    """Residuals that no variable has an influence on: the fit ends with its first Jacobian."""
    return np.ones(x.size + 1)


@pytest.mark.parametrize("epsfcn", [None, EPS, 1e-20, 1e-10, 1e-4, 0.25])
def test_points(epsfcn):
    """Protects the step, to the last bit, in each variable's own units; and its sign: upwards."""
    func = Recorder(blind)
    _, ier = leastsq(func, VALUES, epsfcn=epsfcn)
    expected = np.tile(VALUES, (len(VALUES) + 1, 1))
    for j, value in enumerate(VALUES):
        expected[j + 1, j] += slow.difference_step(value, EPS if epsfcn is None else epsfcn)
    assert ier == 4
    np.testing.assert_array_equal(func.points, expected)


@pytest.mark.parametrize("value", VALUES)
def test_step_is_not_lost(value):
    """Protects against a column of zeros: x + h is another number than x."""
    func = Recorder(blind)
    leastsq(func, [value])
    assert func.points[1][0] > value


@pytest.mark.parametrize("value", [5e-324, -1e-320, 1e-316])
def test_variable_next_to_nothing(value):
    """Protects against a division by zero: a step that underflows is as if the variable were 0."""
    func = Recorder(lambda x: x - [1.0, 2.0])
    x, ier = leastsq(func, [value, 1.0])
    assert func.points[1][0] == 2.0**-26
    assert ier in (1, 2, 3, 4)
    assert x == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize("slope", [1.0, -3.0, 1e-150, 1e150, 1e-300, 1e290])
def test_column_is_the_quotient(slope):
    """Protects the column, to the last bit: of one variable and one residual, R is it, negated."""
    func = Recorder(lambda x: slope * (np.exp(x) - 2.0))
    _, _, info, _, _ = leastsq(func, 0.5, maxfev=3, full_output=True)
    (x, moved), (fx, fmoved) = func.points[:2], func.values[:2]
    assert info["fjac"][0, 0] == -((fmoved[0] - fx[0]) / slow.difference_step(x[0], EPS))
    assert moved[0] == x[0] + slow.difference_step(x[0], EPS)


class TestThroughoutAFit:
    """A fit of two variables: each Jacobian takes two calls, in order, between the trials."""

    def run(self, **options):
        func = Recorder(decay)
        x, _, info, _, ier = leastsq(func, DECAY_START, full_output=True, **options)
        assert 1 <= ier <= 3
        return func, x, info

    def jacobians(self, func):
        """Index of the call at x for each pair of calls that moves one variable of it by a step."""
        for k in range(func.count - 2):
            for base in range(k + 1):
                x = func.points[base]
                steps = np.diag([slow.difference_step(x_j, EPS) for x_j in x])
                if np.array_equal(func.points[k + 1 : k + 3], x + steps):
                    yield base, k + 1

    def test_every_call_is_a_trial_or_a_difference(self):
        """Protects x between the columns: what was moved for one is put back for the next."""
        func, _, info = self.run()
        differences = [call for _, first in self.jacobians(func) for call in (first, first + 1)]
        assert len(set(differences)) == len(differences)
        trials = func.count - len(differences)
        assert func.count == info["nfev"]
        assert len(differences) >= 2 * 3  # an iteration that is none would prove nothing
        assert trials >= 1 + 3

    def test_they_are_taken_where_the_fit_is(self):
        """Protects against a Jacobian at the trial point that was refused, or at the last x."""
        func, _, _ = self.run(factor=0.1)
        norms = [slow.enorm(value) for value in func.values]
        for base, first in self.jacobians(func):
            differences = {call for _, start in self.jacobians(func) for call in (start, start + 1)}
            trials = [call for call in range(first) if call not in differences]
            assert norms[base] == min(norms[call] for call in trials)

    def test_r_is_made_of_them(self):
        """Protects the columns and their order: RᵀR = Pᵀ JᵀJ P, J from the recorded calls.

        A QR factorisation of m rows by n reflections: m n eps, once for each factor.
        """
        func, _, info = self.run()
        base, first = list(self.jacobians(func))[-1]
        x, fx = func.points[base], func.values[base]
        columns = [
            (func.values[first + j] - fx) / slow.difference_step(x[j], EPS) for j in range(2)
        ]
        jac = np.stack(columns, axis=1)[:, info["ipvt"] - 1]
        r = np.triu(info["fjac"].T[:2])
        bound = 10 * jac.size * EPS * np.linalg.norm(jac) ** 2
        assert np.abs(r.T @ r - jac.T @ jac).max() <= bound

    def test_accuracy(self):
        """Protects the balance of the two errors: a Jacobian to about half of the digits.

        h is 2⁻²⁶ |x_j|: truncation h |f″|/2 and cancellation 2 eps |f|/h, with |f″| below 20 and
        |f| below 4 here, are below 1e-6 together.
        """
        func, _, _ = self.run()
        x, fx = func.points[0], func.values[0]
        shape = np.exp(-x[1] * TIMES)
        exact = np.stack([shape, -x[0] * TIMES * shape], axis=1)
        jac = slow.difference_jacobian(decay, x, fx, EPS)
        h = [slow.difference_step(x_j, EPS) for x_j in x]
        seen = np.stack([(func.values[1 + j] - fx) / h[j] for j in range(2)], axis=1)
        np.testing.assert_array_equal(seen, jac)
        assert np.abs(seen - exact).max() < 1e-6
