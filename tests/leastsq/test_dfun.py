"""Dfun of `leastsq`: what it may return, and what not."""

import numpy as np
import pytest
from fits import DECAY_START, Recorder, decay, decay_jacobian, decay_jacobian_columns
from forms import LAYOUTS, assert_same_fit, not_real_numbers

from pyminpack import leastsq

TIMES_3 = np.array([0.5, 1.0, 2.0])


@pytest.mark.parametrize("form", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("col_deriv", [False, True, 0, 1])
def test_layout_of_the_jacobian_does_not_matter(form, col_deriv):
    """Protects Jacobians of any memory order, strides and container, by rows and columns."""
    derivative = decay_jacobian_columns if col_deriv else decay_jacobian
    reference = leastsq(decay, DECAY_START, Dfun=decay_jacobian, full_output=True)
    fit = leastsq(
        decay,
        DECAY_START,
        Dfun=lambda x: form(derivative(x)),
        col_deriv=col_deriv,
        full_output=True,
    )
    assert_same_fit(fit, reference)


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", "i8", "i1", "longdouble"])
@pytest.mark.parametrize("col_deriv", [False, True])
def test_other_real_dtypes_are_converted(kind, col_deriv):
    """Protects Jacobians of real numbers that are not float64."""
    matrix = np.array([[3, 1], [1, 4], [2, -1], [0, 5]])
    target = np.array([1.0, 2.0, 3.0, 4.0])
    given = (matrix.T if col_deriv else matrix).astype(kind)
    x, ier = leastsq(
        lambda x: matrix @ x - target, [0, 0], Dfun=lambda x: given, col_deriv=col_deriv
    )
    assert ier in {1, 2, 3, 4}
    # A linear problem with an exact Jacobian: one Gauss-Newton step, good to rounding.
    np.testing.assert_allclose(x, np.linalg.lstsq(matrix, target, rcond=None)[0], rtol=1e-13)


@pytest.mark.parametrize("col_deriv", [False, True])
def test_square_jacobian_is_read_the_right_way(col_deriv):
    """Protects col_deriv where M = N and the shape cannot give a mistake away."""
    matrix = np.array([[4.0, 1.0, 0.0], [-2.0, 3.0, 1.0], [5.0, 0.0, 2.0]])
    x, _, info, _, _ = leastsq(
        lambda x: matrix @ x - [5.0, 2.0, 7.0],
        np.zeros(3),
        Dfun=lambda x: matrix.T if col_deriv else matrix,
        col_deriv=col_deriv,
        full_output=True,
    )
    np.testing.assert_allclose(x, [1.0, 1.0, 1.0], rtol=1e-13)
    assert info["njev"] <= 2


@pytest.mark.parametrize(
    ("col_deriv", "form"),
    [(False, np.ravel), (True, np.ravel), (False, lambda j: j), (True, np.transpose)],
    ids=["rows, (M,)", "columns, (M,)", "rows, (M, 1)", "columns, (1, M)"],
)
def test_plain_vector_for_one_variable(col_deriv, form):
    """Protects the (M,) Jacobian of a model with one parameter."""
    jacobian = Recorder(lambda x: form((-TIMES_3 * np.exp(-x[0] * TIMES_3))[:, np.newaxis]))
    x, _, info, _, _ = leastsq(
        lambda x: np.exp(-x[0] * TIMES_3) - np.exp(-0.5 * TIMES_3),
        1.0,
        Dfun=jacobian,
        col_deriv=col_deriv,
        full_output=True,
    )
    # Zero residual: converges quadratically, so that ftol = 1.5e-8 leaves 1e-7 at most.
    np.testing.assert_allclose(x, [0.5], rtol=1e-7)
    assert info["njev"] == jacobian.count


@pytest.mark.parametrize("shape", [(2, 12), (11, 2), (12, 3), (24,), (12,), (), (12, 2, 1)])
@pytest.mark.parametrize("col_deriv", [False, True])
@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize("full_output", [False, True])
def test_wrong_shape(shape, col_deriv, call, full_output):
    """Protects the TypeError that names Dfun and both shapes, at the first call and later."""
    right = decay_jacobian_columns if col_deriv else decay_jacobian
    wrong = np.ones(shape[::-1] if col_deriv else shape)
    derivative = Recorder(lambda x: wrong if derivative.count == call else right(x))
    with pytest.raises(TypeError, match="Dfun") as caught:
        leastsq(
            decay,
            DECAY_START,
            Dfun=derivative,
            col_deriv=col_deriv,
            full_output=full_output,
        )
    assert str(wrong.shape) in str(caught.value)
    assert str((2, 12) if col_deriv else (12, 2)) in str(caught.value)
    assert derivative.count == call


@pytest.mark.parametrize("size", [2, 4])
def test_wrong_length_for_one_variable(size):
    """Protects against reading past the end of a plain vector, or leaving some of it out."""
    with pytest.raises(TypeError, match="Dfun") as caught:
        leastsq(lambda x: x[0] - TIMES_3, 1.0, Dfun=lambda x: np.ones(size))
    assert f"({size},)" in str(caught.value)


@not_real_numbers()
@pytest.mark.parametrize("call", [1, 3])
def test_jacobian_is_no_matrix_of_numbers(value, what_came, call):
    """Protects one clear TypeError that names Dfun, at the first call and later."""
    derivative = Recorder(lambda x: value if derivative.count == call else decay_jacobian(x))
    with pytest.raises(TypeError, match="Dfun"):
        leastsq(decay, DECAY_START, Dfun=derivative)
    assert derivative.count == call


def test_not_callable():
    """Protects a clear error where a matrix stands in the place of Dfun."""
    with pytest.raises(TypeError, match="Dfun"):
        leastsq(decay, DECAY_START, Dfun=np.ones((12, 2)))
