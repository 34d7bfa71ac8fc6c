"""Slow, plain NumPy twins of the Fortran routines: the algorithm in executable form.

Written from the published algorithm (J. J. Moré, The Levenberg-Marquardt algorithm, LNM 630, 1978;
J. J. Moré, B. S. Garbow, K. E. Hillstrom, User Guide for MINPACK-1, ANL-80-74, 1980) and, wherever
there are any, by other means than the Fortran: dense reflectors and fresh norms, LAPACK's least
squares, a singular value decomposition in the place of Givens rotations. What is decided (which
trial, which parameter, when to stop) is decided by the same rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]
    Pivots = NDArray[np.int32]

__all__ = [
    "EPS",
    "TINY",
    "Fit",
    "covar",
    "damped",
    "difference_jacobian",
    "difference_step",
    "enorm",
    "jacobian",
    "judge",
    "lmpar",
    "propose",
    "qrfac",
]

EPS = 2.0**-52
TINY = 2.0**-1022  # the smallest normal number: MINPACK's dwarf


def enorm(x: ArrayLike) -> float:
    """Euclidean norm."""
    return math.hypot(*np.asarray(x, dtype=float).tolist())


def _column_norms(a: Matrix) -> Vector:
    return np.array([enorm(column) for column in a.T])


def qrfac(a: ArrayLike, f: ArrayLike) -> tuple[Matrix, Pivots, Vector, Vector]:
    """R (n by n), ipvt (from 1), Qᵀf (all m of it) and the column norms of `a`, for J P = Q R."""
    r, qtf = np.array(a, dtype=float), np.array(f, dtype=float)
    m, n = r.shape
    acnorm = _column_norms(r)
    ipvt = np.arange(1, n + 1, dtype=np.int32)
    for j in range(n):
        largest = j + int(np.argmax(_column_norms(r[j:, j:])))
        r[:, [j, largest]] = r[:, [largest, j]]
        ipvt[[j, largest]] = ipvt[[largest, j]]
        sigma = enorm(r[j:, j]) * (-1.0 if r[j, j] < 0.0 else 1.0)
        if sigma == 0.0:
            continue
        v = r[j:, j] / sigma
        v[0] += 1.0
        reflector = np.eye(m - j) - np.outer(v, v) / v[0]
        r[j:, j:] = reflector @ r[j:, j:]
        qtf[j:] = reflector @ qtf[j:]
    return np.triu(r[:n]), ipvt, qtf, acnorm


def jacobian(r: Matrix, ipvt: Pivots) -> Matrix:
    """R Pᵀ, which is J but for the orthogonal factor: columns in the order of the variables."""
    out = np.empty_like(r)
    out[:, ipvt - 1] = np.triu(r)
    return out


def damped(jac: Matrix, d: Vector, f: Vector) -> Vector:
    """The z that minimises ‖[J; D] z - [f; 0]‖, the shortest one where there are many."""
    stacked = np.vstack([jac, np.diag(d)])
    return np.linalg.lstsq(stacked, np.concatenate([f, np.zeros(d.size)]), rcond=None)[0]


def _gauss_newton(r: Matrix, ipvt: Pivots, qtb: Vector) -> tuple[Vector, int]:
    """The z of R Pᵀ z = qtb, zero past the first zero on R's diagonal; and the rank that means."""
    n = ipvt.size
    zeros = np.flatnonzero(np.diag(r) == 0.0)
    rank = int(zeros[0]) if zeros.size else n
    z = np.zeros(n)
    z[ipvt[:rank] - 1] = np.linalg.solve(np.triu(r[:rank, :rank]), qtb[:rank])
    return z, rank


class _Secular:
    """φ(par) = ‖D z(par)‖ - delta, from the singular values of J D⁻¹."""

    def __init__(self, scaled: Matrix, qtb: Vector, delta: float) -> None:
        u, self.sigma, self.vt = np.linalg.svd(scaled)
        self.beta, self.delta = u.T @ qtb, delta
        self.gradient_norm = enorm(self.sigma * self.beta)

    def scaled_step(self, par: float) -> Vector:
        """D z(par)."""
        return self.vt.T @ (self.sigma * self.beta / (self.sigma**2 + par))

    def newton(self, par: float) -> float:
        """The step of Newton's method for 1/delta - 1/‖D z(par)‖, which is nearly linear in par."""
        dz = enorm(self.scaled_step(par))
        fall = np.sum((self.sigma * self.beta / dz) ** 2 / (self.sigma**2 + par) ** 3)  # -φ'/dz
        return float((dz / self.delta - 1.0) / fall)


def lmpar(
    r: Matrix, ipvt: Pivots, diag: Vector, qtb: Vector, delta: float, par: float
) -> tuple[float, Vector, float]:
    """Par, z and ‖D z‖, where z minimises ‖[J; √par D] z - [f; 0]‖ and |‖D z‖ - delta| ≤ delta/10.

    Or par = 0, where the Gauss-Newton step is at most 1.1 delta long.
    """
    z, rank = _gauss_newton(r, ipvt, qtb)
    dz_norm = enorm(diag * z)
    if dz_norm <= 1.1 * delta:
        return 0.0, z, dz_norm

    secular = _Secular(jacobian(r, ipvt) / diag, qtb, delta)
    lower = secular.newton(0.0) if rank == ipvt.size else 0.0
    upper = secular.gradient_norm / delta or TINY / min(delta, 0.1)
    par = min(max(par, lower), upper) or secular.gradient_norm / dz_norm
    phi = dz_norm - delta
    for _ in range(10):
        par = par or max(TINY, 1e-3 * upper)
        scaled = secular.scaled_step(par)
        dz_norm = enorm(scaled)
        before, phi = phi, dz_norm - delta
        if abs(phi) <= 0.1 * delta or (lower == 0.0 and phi <= before < 0.0):
            break
        found = par
        if phi > 0.0:
            lower = max(lower, par)
        else:
            upper = min(upper, par)
        par = max(lower, par + secular.newton(par))
    else:
        par = found
    return par, scaled / diag, dz_norm


def propose(
    r: Matrix, ipvt: Pivots, diag: Vector, qtf: Vector, fnorm: float, delta: float, par: float
) -> tuple[float, Vector, float, float, float]:
    """Par, the step p, ‖D p‖ and what the model promises of it: prered, dirder."""
    par, z, pnorm = lmpar(r, ipvt, diag, qtf, delta, par)
    linear = enorm(jacobian(r, ipvt) @ z) / fnorm
    damping = math.sqrt(par) * pnorm / fnorm
    prered = linear**2 + 2.0 * damping**2
    return par, -z, pnorm, prered, -(linear**2 + damping**2)


def judge(
    fnorm: float,
    fnorm_trial: float,
    pnorm: float,
    prered: float,
    dirder: float,
    delta: float,
    par: float,
) -> tuple[float, float, float, float, bool]:
    """Delta and par of the next trial, actred, ratio, and whether this trial is accepted."""
    hopeless = not 0.1 * fnorm_trial < fnorm  # NaN is
    actred = -1.0 if hopeless else 1.0 - (fnorm_trial / fnorm) * (fnorm_trial / fnorm)
    ratio = actred / prered if prered > 0.0 else 0.0
    if ratio <= 0.25:
        shrink = 0.5 if actred >= 0.0 else 0.5 * dirder / (dirder + 0.5 * actred)
        if hopeless or shrink < 0.1:
            shrink = 0.1 if math.isfinite(fnorm_trial) else 0.25
        delta, par = shrink * min(delta, pnorm / 0.1), par / shrink
    elif par == 0.0 or ratio >= 0.75:
        delta, par = 2.0 * pnorm, 0.5 * par
    return delta, par, actred, ratio, ratio >= 1e-4


def covar(r: Matrix, ipvt: Pivots) -> Matrix:
    """P R⁻¹ R⁻ᵀ Pᵀ, the inverse of JᵀJ."""
    inverse = np.linalg.inv(jacobian(r, ipvt))
    return inverse @ inverse.T


def difference_step(x_j: float, epsfcn: float) -> float:
    """Step of the forward difference."""
    root = math.sqrt(max(epsfcn, EPS))
    return root * abs(x_j) or root


def difference_jacobian(
    residual: Callable[[Vector], Vector], x: Vector, fvec: Vector, epsfcn: float
) -> Matrix:
    """Jacobian by forward differences, a column at a time."""
    columns = []
    for j in range(x.size):
        h = difference_step(x[j], epsfcn)
        moved = x.copy()
        moved[j] += h
        columns.append((residual(moved) - fvec) / h)
    return np.stack(columns, axis=1)


def _gradient_cosine(jac: Matrix, fvec: Vector) -> float:
    norms, fnorm = _column_norms(jac), enorm(fvec)
    if fnorm == 0.0:
        return 0.0
    columns = [column / norm for column, norm in zip(jac.T, norms, strict=True) if norm > 0.0]
    return max((float(abs(column @ (fvec / fnorm))) for column in columns), default=0.0)


@dataclass
class Fit:
    """MINPACK's lmdif, or with `dfun` its lmder, from the pieces above; input taken as proper.

    `points` has every x at which the residuals were asked for.
    """

    residual: Callable[[Vector], Vector]
    x: Vector
    dfun: Callable[[Vector], Matrix] | None = None
    ftol: float = 1.49012e-8
    xtol: float = 1.49012e-8
    gtol: float = 0.0
    maxfev: int = 0
    epsfcn: float = EPS
    factor: float = 100.0
    diag: ArrayLike | None = None

    points: list[Vector] = field(default_factory=list)
    info: int = 0
    njev: int = 0
    iteration: int = 1
    par: float = 0.0

    def run(self) -> Fit:
        self.x = np.array(self.x, dtype=float)
        self.limit = self.maxfev or (200 if self.dfun is None else 100) * (self.x.size + 1)
        self.fvec = self._evaluate(self.x)
        while not self.info:
            self._linearise()
            while not self.info and not self._try():
                pass
        return self

    def _evaluate(self, x: Vector) -> Vector:
        self.points.append(x.copy())
        return self.residual(x)

    def _linearise(self) -> None:
        if self.dfun is None:
            jac = difference_jacobian(self._evaluate, self.x, self.fvec, self.epsfcn)
        else:
            jac = self.dfun(self.x)
            self.njev += 1
        self.r, self.ipvt, qtf, acnorm = qrfac(jac, self.fvec)
        self.qtf = qtf[: self.x.size]
        if self.iteration == 1:
            first = np.where(acnorm > 0.0, acnorm, 1.0)
            self.scale = first if self.diag is None else np.array(self.diag, dtype=float)
            self.xnorm = enorm(self.scale * self.x)
            self.delta = self.factor * self.xnorm or self.factor
        self.gnorm = _gradient_cosine(jac, self.fvec)
        if self.gnorm <= self.gtol:
            self.info = 4
        elif self.diag is None:
            self.scale = np.maximum(self.scale, acnorm)

    def _try(self) -> bool:
        """Try a step, and judge it; whether it was accepted."""
        fnorm = enorm(self.fvec)
        self.par, p, pnorm, prered, dirder = propose(
            self.r, self.ipvt, self.scale, self.qtf, fnorm, self.delta, self.par
        )
        if self.iteration == 1:
            self.delta = min(self.delta, pnorm)
        trial = self._evaluate(self.x + p)
        self.delta, self.par, actred, ratio, accepted = judge(
            fnorm, enorm(trial), pnorm, prered, dirder, self.delta, self.par
        )
        if accepted:
            self.x, self.fvec = self.x + p, trial
            self.xnorm = enorm(self.scale * self.x)
            self.iteration += 1
        self.info = self._verdict(actred, prered, ratio)
        return accepted

    def _verdict(self, actred: float, prered: float, ratio: float) -> int:
        def converged(ftol: float, xtol: float) -> int:
            reduced = max(abs(actred), prered) <= ftol and ratio <= 2.0
            return reduced + 2 * (self.delta <= xtol * self.xnorm)

        if info := converged(self.ftol, self.xtol):
            return info
        if self.gnorm <= EPS:
            return 8
        if exhausted := converged(EPS, EPS):
            return 6 if exhausted == 1 else 7
        return 5 if len(self.points) >= self.limit else 0
