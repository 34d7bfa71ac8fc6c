"""enorm: the Euclidean norm over the whole range of the exponent."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyminpack._minpack import enorm

EPS = 2.0**-52
SUBNORMAL = 2.0**-1074  # the smallest, and the spacing of all of them

# About the partial sums of the inner product, which are eight wide.
LENGTHS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 50, 203]


def exact(x):
    with mpmath.workprec(300):
        return float(mpmath.sqrt(mpmath.fsum(mpmath.mpf(float(value)) ** 2 for value in x)))


def tolerance(n, norm):
    """A rounding error of eps/2 for each of n + 3 operations under the root, which halves them;
    two beyond it; for a subnormal norm, its spacing."""
    return ((n + 3) / 4 + 1) * EPS * norm + SUBNORMAL


def assert_accurate(x):
    norm = exact(x)
    assert abs(enorm(x) - norm) <= tolerance(len(x), norm)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e-310, 1e-160, 1e160, 1e300])
def test_accurate_at_every_length_and_scale(n, scale):
    """Protects the remainder before the vector lanes, and both passes."""
    assert_accurate(scale * np.random.default_rng(n).standard_normal(n))


@pytest.mark.parametrize("exponent", range(-1074, 1017, 10))
def test_exact_where_the_answer_is(exponent):
    """Protects against any loss along the exponent range: 3, 4, 12, 84 have the norm 85."""
    unit = math.ldexp(1.0, exponent)
    assert enorm([3 * unit, 4 * unit, 12 * unit, 84 * unit]) == 85 * unit


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_accurate_for_any_numbers(values):
    """Protects mixtures of huge and tiny entries, which under- and overflow in one vector."""
    norm = exact(values)
    if math.isfinite(norm):
        assert abs(enorm(values) - norm) <= tolerance(len(values), norm)
    else:
        assert enorm(values) == math.inf


@pytest.mark.parametrize("exponent", range(-540, -450, 5))
def test_many_small_entries_beside_the_switch_to_scaling(exponent):
    """Protects what the plain sum may ignore: squares that vanish, however many, one by one.

    About 2^-459 the plain sum takes over from the scaled one; squares below 2^-537 are lost in it.
    """
    small = math.ldexp(1.0, exponent)
    assert_accurate(500 * [small])
    assert_accurate(500 * [small] + [math.ldexp(1.0, -459)])
    assert_accurate(500 * [small] + [math.ldexp(1.0, -458)])


@pytest.mark.parametrize("exponent", range(-545, -445))
def test_many_equal_entries_beside_the_switch_to_scaling(exponent):
    """Protects against squares that lose digits all in one direction because they are subnormal.

    Sums of equal numbers are nearly exact: 11 additions after each other, half of that in the root.
    """
    for mantissa in (1.1, 1.3, 1.4, 1.7):
        value = math.ldexp(mantissa, exponent)
        assert enorm(64 * [value]) == pytest.approx(8 * value, rel=4 * EPS, abs=0.0)


@pytest.mark.parametrize("n", LENGTHS)
def test_zero(n):
    """Protects against 0/0 in the scaled sum."""
    assert enorm(np.zeros(n)) == 0.0
    assert math.copysign(1.0, enorm(np.full(n, -0.0))) == 1.0


def test_empty():
    """Protects the norm of what is left below the last pivot."""
    assert enorm([]) == 0.0


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e-200, 1e200])
def test_non_finite_entries_show(n, place, scale):
    """Protects the check that ends a fit: a NaN or an infinity is never lost in the norm."""
    x = np.full(n, scale)
    x[place] = np.nan
    assert math.isnan(enorm(x))
    for infinity in (np.inf, -np.inf):
        x[place] = infinity
        assert enorm(x) == math.inf


def test_nan_outweighs_infinity():
    """Protects the promise in the routine's comment."""
    assert math.isnan(enorm([np.inf, np.nan]))
    assert math.isnan(enorm([np.nan, -np.inf]))


def test_norm_beyond_the_largest_number():
    """Protects against a finite, wrong answer where there is none."""
    assert enorm([1.7e308, 1.7e308]) == math.inf
    assert enorm([1.2e308, 1.2e308]) == pytest.approx(1.2e308 * math.sqrt(2.0), rel=EPS)


def test_argument_is_left_alone():
    """Protects the caller's vector from the scaling."""
    x = np.array([1e300, -1e300, 3.0])
    before = x.copy()
    enorm(x)
    np.testing.assert_array_equal(x, before)
