"""The factor step that the driver chooses by size, and what it takes from Dfun."""

import numpy as np
import parts
import pytest
import slow
from factor_cases import KINDS, Factors, jacobian, residuals, separated
from factor_contract import assert_contract, assert_same_factors, column_norms, rounding

from pyminpack import _classic, _minpack, leastsq

pytestmark = [
    pytest.mark.usefixtures("isa"),
    pytest.mark.bundled,  # the original's lmder factorises in its own way
]

# Just below and above the switches of the driver: to rows, to blocks in pivoting, to two halves.
SWITCHES = [
    (37, 27),
    (111, 9),
    (40, 25),
    (125, 8),
    (91, 11),
    (249, 5),
    (48, 47),
    (48, 48),
    (300, 49),
    (599, 150),
    (600, 150),
]


def fit(j, f, *, col_deriv=False):
    """The factors that `leastsq` shows of J and f: of its only Jacobian, for it ends after that."""
    _, _, infodict, _, ier = leastsq(
        lambda x: f,
        np.zeros(min(j.shape)),
        Dfun=lambda x: j,
        col_deriv=col_deriv,
        full_output=True,
        maxfev=1,
    )
    assert ier in {4, 5}  # 4: the only column there is is orthogonal to f; or all are zero
    fjac = infodict["fjac"]
    m, n = len(f), min(j.shape)
    assert fjac.shape == (n, m)
    if parts.factor_by_rows(m, n):
        np.testing.assert_array_equal(fjac, np.tril(fjac))  # zeros beside R
    r = np.triu(fjac.T[:n])
    # The norms are not shown: those of R's columns.
    acnorm = np.empty(n)
    acnorm[infodict["ipvt"] - 1] = column_norms(r)
    return Factors(r, infodict["ipvt"], infodict["qtf"], acnorm)


def spread(a, down, across):
    """The same numbers `down` rows and `across` columns apart, among others that do not count."""
    m, n = a.shape
    larger = np.full((down * m, across * n), np.nan)
    larger[::down, ::across] = a
    return larger[::down, ::across]


def unaligned(a):
    """The same numbers at an odd address."""
    bytes_ = np.zeros(a.nbytes + 1, dtype=np.uint8)[1:]
    moved = bytes_.view(a.dtype).reshape(a.shape)
    moved[:] = a
    assert not moved.flags.aligned
    return moved


def in_a_record(a):
    """The same numbers at distances that are no multiple of theirs."""
    records = np.zeros(a.shape, dtype=[("value", "f8"), ("flag", "i4")])
    records["value"] = a
    assert records["value"].strides[1] == 12
    return records["value"]


LAYOUTS = {
    "rows": lambda j: (j.copy(order="C"), False),
    "rows by columns": lambda j: (j.copy(order="F"), False),
    "columns": lambda j: (j.T.copy(order="C"), True),
    "columns by rows": lambda j: (j.T.copy(order="F"), True),
    "every third": lambda j: (spread(j, 3, 2), False),
    "every third column": lambda j: (spread(j.T, 3, 2), True),
    "every third by columns": lambda j: (spread(j.T, 2, 3).T, False),
    "rows backwards": lambda j: (j[::-1].copy()[::-1], False),
    "columns backwards": lambda j: (j[:, ::-1].copy()[:, ::-1], False),
    "both backwards": lambda j: (j.T[::-1, ::-1].copy()[::-1, ::-1], True),
    "float32": lambda j: (j.astype(np.float32), False),
    "float32 columns": lambda j: (j.T.astype(np.float32), True),
    "other byte order": lambda j: (j.astype(j.dtype.newbyteorder()), False),
    "unaligned": lambda j: (unaligned(j), False),
    "structured": lambda j: (in_a_record(j), False),
}


@pytest.mark.parametrize(("m", "n"), SWITCHES)
@pytest.mark.parametrize("kind", KINDS)
def test_algebra(kind, m, n):
    """Protects `infodict`, whichever implementation the size chooses."""
    j, f = jacobian(kind, m, n), residuals(m)
    assert_contract(j, f, fit(j, f))


@pytest.mark.parametrize(("m", "n"), SWITCHES)
def test_same_as_classic(m, n):
    """Protects the same as numbers, against lmder's; tolerance as for LAPACK's."""
    j, f = separated(m, n), residuals(m)
    options = _minpack.Options(ftol=0.0, xtol=0.0, maxfev=1)
    *_, fjac, ipvt, qtf, _ = _classic.solve(
        lambda x: f, np.zeros(n), (), lambda x: j, True, False, options, None
    )
    expected = Factors(np.triu(fjac.T[:n]), ipvt, qtf, column_norms(j))
    assert_same_factors(fit(j, f), expected, 60.0 * rounding(n), slow.enorm(f))


@pytest.mark.parametrize(("m", "n"), SWITCHES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, m, n):
    """Protects arrays of all kinds: the same numbers, to the last bit, and J as it was."""
    j, f = jacobian("random", m, n).astype(np.float32).astype(float), residuals(m)
    expected = fit(j, f)
    laid_out, col_deriv = LAYOUTS[layout](j)
    for writeable in (True, False):
        laid_out.setflags(write=writeable)
        factors = fit(laid_out, f, col_deriv=col_deriv)
        for name in ("r", "ipvt", "qtf"):
            np.testing.assert_array_equal(getattr(factors, name), getattr(expected, name))
        np.testing.assert_array_equal(laid_out.T if col_deriv else laid_out, j)


@pytest.mark.parametrize(("m", "n"), SWITCHES)
def test_broadcast(m, n):
    """Protects strides of zero: a Jacobian of rows that are all the same one."""
    row, f = residuals(n), residuals(m)
    j = np.broadcast_to(row, (m, n))
    assert_contract(np.array(j), f, fit(j, f))


@pytest.mark.parametrize(("m", "n"), SWITCHES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(m, n, bad):
    """Protects the message of `ier` 9, which names the first such column."""
    j, f = jacobian("random", m, n).copy(), residuals(m)
    j[m - 1, n // 2] = j[0, n - 1] = bad
    options = _minpack.Options(ftol=0.0, xtol=0.0, maxfev=1)
    arguments = lambda x: f, np.zeros(n), (), lambda x: j, True, False, options, None
    x, *told = _minpack.solve(*arguments)[:5]
    assert told[:3] == [9, 2, n // 2]  # not finite, the Jacobian, its column
    assert told[:3] == list(_classic.solve(*arguments)[1:4])
    np.testing.assert_array_equal(x, np.zeros(n))
