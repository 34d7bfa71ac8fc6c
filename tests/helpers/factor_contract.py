"""What any implementation of the factor step owes: R, ipvt, Qᵀ f and norms, up to rounding."""

import numpy as np
import slow

EPS = 2.0**-52


def rounding(n):
    """What n reflections may change in a column of norm one: a small constant times n eps.

    Higham, Accuracy and Stability (2002), theorem 19.4, has m n eps; sums of m terms that are taken
    in lanes and blocks do not come near their worst case. A build without optimisation sums without
    lanes: it takes half of this on a column of equal numbers.
    """
    return 20 * n * EPS


def column_norms(j):
    return np.array([slow.enorm(column) for column in j.T])


def assert_contract(j, f, factors):
    """All that the step core relies on, in columns that are scaled to a norm of one."""
    n = j.shape[1]
    norms = column_norms(j)
    units = np.where(norms > 0.0, norms, 1.0)
    p = factors.pivots
    assert sorted(p) == list(range(n))
    np.testing.assert_array_equal(factors.r, np.triu(factors.r))
    np.testing.assert_allclose(factors.acnorm, norms, rtol=rounding(n), atol=0.0)

    a = (j / units)[:, p].astype(np.longdouble)
    s = (factors.r / units[p]).astype(np.longdouble)
    assert np.abs(a.T @ a - s.T @ s).max() <= rounding(n)  # RᵀR = PᵀJᵀJP
    assert np.abs(a.T @ f - s.T @ factors.qtf).max() <= rounding(n) * slow.enorm(f)

    zeros = norms[p] == 0.0
    assert not factors.r[:, zeros].any()
    assert zeros[n - zeros.sum() :].all()  # last of all
    assert_pivots_are_the_largest(s.astype(float), units[p], norms[p])


def assert_pivots_are_the_largest(s, units, norms):
    """No column has more left of it than the pivot, up to rounding and the error of downdating.

    A norm is downdated until its square is √eps of what it was when last computed: n steps of an
    error of eps each are then n √eps of it.
    """
    n = len(units)
    left = np.sqrt(np.cumsum(s[::-1] ** 2, axis=0)[::-1]) * units  # [k, i]: norm of R[k:, i]
    pivots = np.abs(np.diag(s)) * units
    allowed = pivots[:, None] * (1.0 + n * 2.0**-26) + rounding(n) * (norms + norms[:, None])
    assert (np.triu(left) <= allowed).all()


def assert_same_factors(factors, expected, allowed, f_norm):
    """The same pivots and, but for the signs of rows, the same numbers."""
    np.testing.assert_array_equal(factors.ipvt, expected.ipvt)
    turned = (factors.signs * expected.signs)[:, None]
    units = expected.acnorm[expected.pivots]
    assert np.abs((factors.r * turned - expected.r) / units).max() <= allowed
    assert np.abs(factors.qtf * turned[:, 0] - expected.qtf).max() <= allowed * f_norm
