"""The factor step in all its implementations, and Jacobians that try them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import parts
import slow
from numpy.typing import NDArray

__all__ = [
    "BLOCK_ROWS",
    "IMPLEMENTATIONS",
    "KINDS",
    "SIZES",
    "Factors",
    "ill_conditioned",
    "jacobian",
    "lapack",
    "pivoted_by_blocks",
    "pivoted_in_place",
    "poison",
    "residuals",
    "running_factor",
    "separated",
]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

BLOCK_ROWS = parts.rows_size(7) // 8  # rows that are reduced at a time

# Rows and columns: around every switch, whole and broken panels of 8 and 32 columns.
SIZES = [
    (1, 1), (2, 1), (300, 1), (5, 3), (8, 8), (9, 8), (17, 16), (40, 31), (33, 32), (64, 32),
    (33, 33),
    (37, 27), (111, 9), (40, 25), (125, 8), (91, 11),  # 999, 999, 1000, 1000 and 1001 elements
    (247, 5), (248, 5), (249, 5), (496, 6), (497, 12),  # whole blocks, a row more, a row less
    (47, 47), (48, 47), (300, 47), (48, 48), (49, 48), (300, 48), (49, 49), (250, 49), (130, 65),
]  # fmt: skip


@dataclass(frozen=True)
class Factors:
    """What every implementation promises: J P = Q R, Qᵀ f and the norms of the columns of J."""

    r: Matrix
    ipvt: NDArray[np.int32]
    qtf: Vector
    acnorm: Vector

    @property
    def pivots(self) -> NDArray[np.int32]:
        """`ipvt` as an index."""
        return self.ipvt - 1

    @property
    def signs(self) -> Vector:
        """The sign of each row of R, which is the implementation's choice."""
        return np.where(np.diag(self.r) < 0.0, -1.0, 1.0)


def poison(*shape: int) -> NDArray[np.float64]:
    """An array to be written to, in the order that the Fortran takes."""
    return np.full(shape, np.nan, order="F")


def residuals(m: int) -> Vector:
    """An f for a Jacobian of m rows."""
    return np.random.default_rng(m).standard_normal(m)


def in_place(j: Matrix, f: Vector) -> Factors:
    """The classic step: `qrfac` on the whole of J."""
    n = j.shape[1]
    r, qtf = np.array(j, order="F"), f.copy()
    ipvt, acnorm = np.full(n, -1, dtype=np.int32), poison(n)
    parts.qrfac(r, qtf, ipvt, acnorm, poison(n), poison(n), poison(n))
    return Factors(np.triu(r[:n]), ipvt, qtf[:n], acnorm)


def running_factor(j: Matrix, f: Vector, running: Vector | None = None) -> Vector:
    """Rows of J added to a running factor, by default an empty one, from wherever they lie."""
    n = j.shape[1]
    if running is None:
        running = np.zeros(parts.running_size(n))
    down, across = (stride // j.itemsize for stride in j.strides)
    reach = (j.shape[0] - 1) * down + (n - 1) * across + 1
    numbers = np.lib.stride_tricks.as_strided(j, (reach,), (j.itemsize,))
    work = poison(parts.rows_size(n))
    finite = parts.rows_add(n, numbers, down, across, f, running, work)
    assert finite == np.isfinite(j).all()
    return running


def finished(running: Vector, n: int) -> tuple[Matrix, Vector, Vector]:
    """R, Qᵀ f and the column norms of a running factor, not pivoted yet."""
    r, qtf, acnorm = poison(n, n), poison(n), poison(n)
    parts.rows_finish(running, r, qtf, acnorm)
    return r, qtf, acnorm


def pivoted_in_place(running: Vector, n: int) -> Factors:
    """The end of the reduction by rows where n is small: `qrfac` on R."""
    r, qtf, acnorm = finished(running, n)
    factors = in_place(r, qtf)
    return Factors(factors.r, factors.ipvt, factors.qtf, acnorm)


def pivoted_by_blocks(running: Vector, n: int) -> Factors:
    """The end of the reduction by rows where n is large."""
    r, qtf, acnorm = finished(running, n)
    ipvt = np.full(n, -1, dtype=np.int32)
    parts.pivot(r, qtf, ipvt, poison(parts.pivot_size(n)))
    return Factors(r, ipvt, qtf, acnorm)


IMPLEMENTATIONS: dict[str, Callable[[Matrix, Vector], Factors]] = {
    "in place": in_place,
    "rows": lambda j, f: pivoted_in_place(running_factor(j, f), j.shape[1]),
    "rows and blocks": lambda j, f: pivoted_by_blocks(running_factor(j, f), j.shape[1]),
}


def lapack(j: Matrix, f: Vector) -> Factors:
    """The same by other means: LAPACK's QR, its R pivoted by the slow twin of `qrfac`."""
    q, r = np.linalg.qr(j)
    r, ipvt, qtf, _ = slow.qrfac(r, q.T @ f)
    return Factors(r, ipvt, qtf, np.array([slow.enorm(column) for column in j.T]))


def _normal(m: int, n: int) -> Matrix:
    return np.random.default_rng([m, n]).standard_normal((m, n))


def separated(m: int, n: int) -> Matrix:
    """Columns of different lengths, well-conditioned once they are made one long."""
    units = np.random.default_rng([m, n, 1]).permutation(1.3 ** np.arange(n))
    tall = _normal(m, n)
    tall[:n] += 3.0 * np.sqrt(m) * np.eye(n)  # far from singular for m = n, too
    return tall * units


def ill_conditioned(m: int, n: int, condition: float) -> Matrix:
    """Singular values in geometric progression."""
    u, v = np.linalg.qr(_normal(m, n))[0], np.linalg.qr(_normal(n, n))[0]
    return u * np.geomspace(1.0, 1.0 / condition, n) @ v


def _columns(m: int, n: int, low: float, high: float) -> Matrix:
    units = np.random.default_rng([m, n, 2]).permutation(np.linspace(low, high, n))
    return _normal(m, n) * 10.0**units


def _rows(m: int, n: int, first: float, last: float) -> Matrix:
    return _normal(m, n) * 10.0 ** np.linspace(first, last, m)[:, None]


def _zero_columns(m: int, n: int) -> Matrix:
    j = _normal(m, n)
    j[:, :: max(n // 3, 1)] = 0.0
    return j


def _twins(m: int, n: int) -> Matrix:
    """Every column twice, in so few bits that sums are exact."""
    half = np.random.default_rng([m, n, 3]).integers(-3, 4, (m, (n + 1) // 2))
    return np.concatenate([half, half], axis=1)[:, :n].astype(float)


KINDS: dict[str, Callable[[int, int], Matrix]] = {
    "random": _normal,
    "separated": separated,
    "condition 1e12": lambda m, n: ill_conditioned(m, n, 1e12),
    "columns from 1e-150 to 1e150": lambda m, n: _columns(m, n, -150, 150),
    "rows from 1 to 1e-150": lambda m, n: _rows(m, n, 0, -150),
    "rows from 1e-150 to 1e150": lambda m, n: _rows(m, n, -150, 150),
    "graded both ways": lambda m, n: _columns(m, n, -70, 70) * _rows(m, 1, 70, -70),
    "zero columns": _zero_columns,
    "zero": lambda m, n: np.zeros((m, n)),
    "twin columns": _twins,
    "ones": lambda m, n: np.ones((m, n)),
    "rank 2": lambda m, n: _normal(m, 2) @ _normal(2, n),
    "nearly parallel": lambda m, n: _normal(m, 1) + 1e-7 * _normal(m, n),
    "one row in ten": lambda m, n: _normal(m, n) * (np.arange(m) % 10 == 0)[:, None],
    "near overflow": lambda m, n: _normal(m, n) * 1e304,
    "near underflow": lambda m, n: _normal(m, n) * 1e-290,
}


@cache
def jacobian(kind: str, m: int, n: int) -> Matrix:
    """A Jacobian of a kind and a size, always the same, and not to be written to."""
    j = KINDS[kind](m, n)
    j.setflags(write=False)
    return j
