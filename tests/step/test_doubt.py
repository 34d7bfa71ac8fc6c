"""minpack/step/doubt.f90: reasons to doubt standard errors, from R alone."""

import numpy as np
import pytest

from pyminpack import _minpack

NO_DOUBT, NOISE, TRUNCATION, UNFINISHED = range(4)
EPS = 2.0**-52
STEP = EPS**0.5
M = 50


def doubt(r=((1.0, 0.3), (0.0, 0.8)), *, x=(1.0, 2.0), qtf=(0.0, 0.0), fnorm=0.1, data=1.0,
          step=STEP, error=EPS, covariance=None):  # fmt: skip
    """An ordinary fit, but for what is given."""
    r = np.array(r)
    if covariance is None:
        r_inverse = np.linalg.inv(r)
        covariance = r_inverse @ r_inverse.T
    return _minpack.doubt(
        M, np.hstack([r.T, np.full((2, M - 2), np.nan)]), np.array([1, 2], dtype=np.int32),
        np.array(x), np.array(qtf), covariance, fnorm, data, step, error,
    )  # fmt: skip


def test_ordinary():
    assert doubt() == NO_DOUBT
    assert doubt(step=0.0) == NO_DOUBT
    assert doubt(fnorm=0.0) == NO_DOUBT  # exact data


@pytest.mark.parametrize("unit", [1e-100, 1e-6, 1e6, 1e100])
def test_units_do_not_matter(unit):
    r = np.array([[1.0, 0.3], [0.0, 0.8]])
    assert doubt(r * unit, fnorm=0.1 * unit, data=unit) == NO_DOUBT
    assert doubt(r / unit, x=(unit, 2 * unit)) == NO_DOUBT


def test_noise():
    """Column 1 apart from column 0 by less than its rounding errors, some 1e-8 of it."""
    assert doubt(((1.0, 1.0), (0.0, 1e-5))) == NO_DOUBT
    assert doubt(((1.0, 1.0), (0.0, 1e-7))) == NOISE
    assert doubt(((1.0, 1.0), (0.0, 1e-7)), step=0.0) == NO_DOUBT  # no differences
    assert doubt(((1.0, 1.0), (0.0, 1e-14)), step=0.0) == NOISE
    assert doubt(error=1e-4, step=1e-2, fnorm=10.0) == NO_DOUBT
    assert doubt(((1.0, 1.0), (0.0, 0.1)), error=1e-4, step=1e-2, fnorm=10.0) == NOISE


def test_small_parameter():
    """A step of 1e-8 of next to nothing shows nothing."""
    assert doubt(x=(1.0, 1e-8)) == NOISE
    assert doubt(x=(1.0, 0.0)) == NO_DOUBT


def test_truncation():
    """A step that moves the model by a part of the residuals' standard deviation."""
    sigma = 0.1 / (M - 2) ** 0.5
    scale = 0.1 * sigma / (2.0 * STEP)
    assert doubt(((1.0, 0.0), (0.0, 0.9 * scale)), x=(1.0, 2.0), error=1e-30) == NO_DOUBT
    assert doubt(((1.0, 0.0), (0.0, 1.1 * scale)), x=(1.0, 2.0), error=1e-30) == TRUNCATION


def test_unfinished():
    assert doubt(qtf=(1e-5, 0.0)) == NO_DOUBT
    assert doubt(qtf=(1e-3, 0.0)) == UNFINISHED
    assert doubt(qtf=(1e-3, 0.0), step=0.0) == UNFINISHED


def test_parameter_that_still_moves():
    """By a small part of its standard error, 1, which is a large part of itself."""
    assert doubt(x=(1.0, 1e-3), qtf=(0.0, 1e-5), error=1e-30) == UNFINISHED
    assert doubt(x=(1.0, 1e-1), qtf=(0.0, 1e-5), error=1e-30) == NO_DOUBT
    assert doubt(x=(1.0, 1e-9), qtf=(0.0, 1e-9), error=1e-30) == NO_DOUBT  # 0, but for rounding
    assert doubt(x=(1.0, 1e-7), qtf=(0.0, 1e-9), error=1e-30, fnorm=1e-6) == NO_DOUBT  # exact data


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_unfinished_beyond_squares(unit):
    """Squares of what the fit has left would be 0, or inf."""
    covariance = np.eye(2)
    for part, due in ((1e-5, NO_DOUBT), (1e-3, UNFINISHED)):
        given = doubt(
            x=(unit, unit), qtf=(part * unit, 0.0), fnorm=0.1 * unit, data=unit, step=0.0,
            covariance=covariance,
        )  # fmt: skip
        assert given == due


@pytest.mark.parametrize("variance", [np.nan, 0.0])
def test_held_variable(variance):
    """One at a bound, or fixed: it has no error, and its part of the gradient is not 0."""
    covariance = np.diag([1.0, variance])
    r = ((1.0, 1.0), (0.0, 1e-9))
    assert doubt(r, covariance=covariance, qtf=(0.0, 0.05)) == NO_DOUBT


def test_variance_below_all_numbers():
    """That of a column of 1e200, whose square underflows: not of a variable that is held."""
    r = np.diag([1e200, 1.0])
    assert doubt(r, x=(1e-200, 1.0), covariance=np.diag([0.0, 1.0])) == NOISE
