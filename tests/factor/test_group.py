"""Small Jacobians of many fits, a few at a time: each has the bits that it has alone."""

import numpy as np
import parts
import pytest
from factor_cases import poison

pytestmark = pytest.mark.usefixtures("isa")

ORDINARY = ["random", "scales", "ties"]
RARE = [
    "zero columns", "nearly parallel", "parallel", "vanishing", "tiny", "huge", "graded",
    "no residuals", "nan", "inf",
]  # fmt: skip


def jacobian(kind, rng, m, n):
    """J, and f."""
    j, f = rng.standard_normal((m, n)), rng.standard_normal(m)
    if kind == "scales":
        j *= 10.0 ** rng.uniform(-6, 6, n)
    elif kind == "ties":
        j = rng.permuted(np.repeat(j[:, :1], n, axis=1), axis=0)
        j[:, n // 2 :] = np.eye(m)[:, rng.permutation(n)[n // 2 :]]
    elif kind == "zero columns":
        j[:, rng.random(n) < 0.5] = 0.0
    elif kind == "nearly parallel":
        j[:, 1:] = j[:, :1] + 10.0 ** rng.uniform(-9, -2) * j[:, 1:]
    elif kind == "parallel":
        j = np.outer(rng.integers(-3, 4, m), rng.integers(-3, 4, n)).astype(float)
    elif kind == "vanishing":  # what is left of the columns, exactly, has no square
        j *= 1e-170
        j[0] = 0.5 ** np.arange(n)
        j[1:, 0] = 0.0
    elif kind in ("tiny", "huge"):
        j *= 10.0 ** ((-1 if kind == "tiny" else 1) * rng.uniform(100, 300, n))
    elif kind == "graded":
        j *= 10.0 ** rng.uniform(-90, 0, (m, 1))
    elif kind == "no residuals":
        f *= rng.choice([0.0, 1e-200, 1e200])
    elif kind in ("nan", "inf"):
        j[rng.integers(m), rng.integers(n)] = float(kind)
    return j, f


def alone(j, f):
    m, n = j.shape
    a, qtf, acnorm, ipvt = j.copy(order="F"), poison(n), poison(n), np.zeros(n, dtype=np.int32)
    parts.factor_in_place(a, f, ipvt, qtf, acnorm, poison(n), poison(n), poison(m))
    return np.triu(a[:n]), ipvt, qtf, acnorm


def assert_as_alone(fits, rng, given=None):
    """`given`: what the group gets in the place of each J."""
    count, n = len(fits), fits[0][0].shape[1]
    r, qtf, acnorm = np.full((count, n, n), np.nan), np.zeros((count, n)), np.zeros((count, n))
    ipvt = np.array([rng.permutation(n) + 1 for _ in fits], dtype=np.int32)
    jacobians = [j.copy(order="F") for j, _ in fits]
    parts.factor_group(given or jacobians, [f for _, f in fits], r, ipvt, qtf, acnorm)
    for k, (j, f) in enumerate(fits):
        expected = alone(j, f)
        for found, wanted in zip(
            (np.triu(r[k].T), ipvt[k], qtf[k], acnorm[k]), expected, strict=True
        ):
            np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(jacobians[k], j)


@pytest.mark.parametrize(
    ("m", "n"),
    [
        (1, 1),
        (2, 2),
        (3, 2),
        (7, 3),
        (10, 10),
        (11, 4),
        (12, 1),
        (13, 2),
        (14, 3),
        (15, 15),
        (12, 12),
        (64, 4),
        (33, 10),
        (110, 6),
    ],
)
def test_same_bits_as_alone(m, n):
    """Protects the path of a fit of many: it is that of `leastsq`, whoever its neighbours are."""
    rng = np.random.default_rng([m, n])
    kinds = rng.permuted(8 * ORDINARY + 3 * RARE)
    with np.errstate(over="ignore", under="ignore"):
        assert_as_alone([jacobian(kind, rng, m, n) for kind in kinds], rng)


@pytest.mark.parametrize("kind", RARE)
def test_same_bits_in_a_group_of_its_kind(kind):
    """Protects what all fits of a model have in common."""
    rng = np.random.default_rng(len(kind))
    assert_as_alone([jacobian(kind, rng, 21, 5) for _ in range(40)], rng)


@pytest.mark.parametrize("count", range(1, 10))
def test_any_number(count):
    """Protects those of the last group, which is not full."""
    rng = np.random.default_rng(count)
    assert_as_alone([jacobian("random", rng, 30, 4) for _ in range(count)], rng)


def test_other_numbers_of_rows():
    """Protects fits with data left out."""
    rng = np.random.default_rng(0)
    rows = [40, *rng.choice([5, 11, 12, 39, 40], 40)]
    assert_as_alone([jacobian("random", rng, m, 4) for m in rows], rng)


@pytest.mark.parametrize("data", ["none", "y", "y and w"])
@pytest.mark.parametrize("m", [7, 12, 31, 110])
def test_quotients(m, data):
    """Protects derivatives by differences: they have the bits of the column-wise quotients."""
    rng, n = np.random.default_rng([m, len(data)]), 3
    fits, given = [], []
    for k in range(26):
        values, f = np.asfortranarray(rng.standard_normal((m, n))), rng.standard_normal(m)
        h = 1e-8 * rng.standard_normal(n)
        h[2] = 0.0 if k < 8 or k == 13 else h[2]  # held: in whole groups, and in one fit of one
        values[:, 1] *= np.nan if k == 17 else 1e-290 if k == 19 else 1.0
        y = None if data == "none" else rng.standard_normal(m)
        w = rng.uniform(0.5, 2.0, m) if data == "y and w" else None
        with np.errstate(divide="ignore", invalid="ignore"):
            compared = values if y is None else values - y[:, None]
            compared = compared if w is None else w[:, None] * compared
            j = np.where(h == 0.0, 0.0, (compared - f[:, None]) / h)
        fits.append((j, f))
        given.append((values, h, y, w))
    assert_as_alone(fits, rng, given)
