"""The classic way: MINPACK's own `lmdif` and `lmder`, called through f2py with Python callbacks.

The only way with the system's libminpack (-Dminpack=system); with ours, a second one that takes the
same path as `_minpack.solve`, whose signature and result `solve` here shares.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _minpack
from ._called import value_error
from ._input import arguments, start
from ._jacobian.doubt import covariance_of
from ._messages import CONVERGED
from ._minpack import (
    CAUSE_JACOBIAN,
    CAUSE_NONE,
    CAUSE_START,
    CAUSE_TRIAL,
    INFO_BOTH,
    INFO_FTOL,
    INFO_IMPROPER,
    INFO_NONFINITE,
    INFO_XTOL,
    INFO_XTOL_SMALL,
)

__all__ = ["solve"]

FloatArray = npt.NDArray[np.float64]

STOP = -1  # MINPACK's iflag: end the fit
INT_MAX = 2**31 - 1  # MINPACK counts in default integers
EPSMCH = 2.0**-52


class Guard:
    """User code behind MINPACK's callback: nothing raised here ever reaches f2py.

    An exception is kept in `error` and the fit ended by a negative `iflag`. Non-finite residuals of
    a trial become infinite ones, which MINPACK takes for a bad step.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        Dfun: Callable[..., Any] | None,
        args: tuple[Any, ...],
        col_deriv: bool,
        best: FloatArray,
        first: FloatArray,
    ) -> None:
        self.func = func
        self.Dfun = Dfun
        self.args = args
        self.col_deriv = col_deriv
        self.best = best  # MINPACK's x: the last accepted point, but for difference steps
        self.first: FloatArray | None = first  # F(x0), known before the solver asks for it
        self.nfev = 1
        self.trial: FloatArray = first[:0]  # last point of an iflag 1
        self.column = 0  # of the difference Jacobian, next to come
        self.cause, self.where, self.culprit = CAUSE_NONE, -1, 0.0
        self.error: BaseException | None = None
        self.interrupted = False

    def lmdif(self, x: FloatArray, fvec: FloatArray, iflag: int) -> int:
        """Evaluate the residuals, for a trial (`iflag` 1) or a difference (2)."""
        try:
            return self._difference(x, fvec) if iflag == 2 else self._residuals(x, fvec)
        except BaseException as error:  # raised again beyond the Fortran frames
            self.error = error
            return STOP

    def lmder(self, x: FloatArray, fvec: FloatArray, fjac: FloatArray, iflag: int) -> int:
        """Evaluate the residuals (`iflag` 1) or the Jacobian (2)."""
        try:
            return self._jacobian(x, fjac) if iflag == 2 else self._residuals(x, fvec)
        except BaseException as error:
            self.error = error
            return STOP

    def _evaluate(self, x: FloatArray, fvec: FloatArray) -> bool:
        if self.interrupted:
            raise KeyboardInterrupt
        self.nfev += 1
        fvec[:] = arguments.as_residuals(self.func(x.copy(), *self.args), fvec.size)
        return bool(np.isfinite(fvec).all())

    def _residuals(self, x: FloatArray, fvec: FloatArray) -> int:
        self.trial = x.copy()
        self.column = 0
        if self.first is not None:
            fvec[:] = self.first
            self.first = None
            bad = np.flatnonzero(~np.isfinite(fvec))
            if bad.size:
                self.culprit = float(fvec[bad[0]])
                return self._stop(CAUSE_START, int(bad[0]))
        elif not self._evaluate(x, fvec):
            self.cause = CAUSE_TRIAL
            fvec[:] = np.inf
        elif not np.array_equal(x, self.best):
            self.cause = CAUSE_NONE
        return 1

    def _difference(self, x: FloatArray, fvec: FloatArray) -> int:
        if not self._evaluate(x, fvec):
            return self._stop(CAUSE_JACOBIAN, self.column)
        self.column += 1
        return 2

    def _jacobian(self, x: FloatArray, fjac: FloatArray) -> int:
        assert self.Dfun is not None
        if self.interrupted:
            raise KeyboardInterrupt
        value = self.Dfun(x.copy(), *self.args)
        fjac.T[:] = arguments.as_jacobian(value, fjac.shape[0], fjac.shape[1], self.col_deriv)
        bad = np.flatnonzero(~np.isfinite(fjac).all(axis=0))
        return self._stop(CAUSE_JACOBIAN, int(bad[0])) if bad.size else 2

    def _stop(self, cause: int, where: int) -> int:
        self.cause, self.where = cause, where
        return STOP


@contextmanager
def _deferred_interrupt(guard: Guard) -> Iterator[None]:
    """Let Ctrl-C wait for the next call of user code.

    Python's own handler could raise between f2py's frame and the guard's `try`. Only the main
    thread receives signals; a handler that somebody has set is left to its owner.
    """

    def note(signum: int, frame: FrameType | None) -> None:
        guard.interrupted = True

    main = threading.current_thread() is threading.main_thread()
    if not (main and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
        yield
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def solve(
    func: Callable[..., Any],
    x0: npt.ArrayLike,
    args: tuple[Any, ...],
    Dfun: Callable[..., Any] | None,
    full_output: bool,
    col_deriv: bool,
    options: _minpack.Options,
    watch: Callable[..., None] | None,
) -> tuple[FloatArray, int] | _minpack.Outcome:
    """Run a fit, with the arguments and the result of `_minpack.solve`; no bounds, no watching."""
    if options.bounds is not None or watch is not None:
        raise value_error(
            "bounds, callback and verbose need pyminpack's own core: "
            "this copy was built with -Dminpack=system, whose lmdif and lmder have none of them."
        )
    x = start.as_start(x0)
    n = x.size
    limit = arguments.limit_on_calls(options, n, Dfun is not None)
    if options.maxfev > 0 and options.trials_only and Dfun is None:
        limit *= n + 1  # at most one Jacobian a trial; MINPACK counts the two together

    scale, mode = np.ones(n), 1
    if options.diag is not None:
        scale, mode = arguments.as_diag(options.diag, n), 2

    value = func(x.copy(), *args)
    fvec = arguments.as_residuals(value, -1).copy()
    m = fvec.size
    if m < n:
        arguments.too_few_residuals(n, m)
    epsfcn = options.epsfcn
    if epsfcn is None:
        epsfcn = arguments.residual_eps(value)

    fjac = np.zeros((m, n), order="F")
    qtf = np.zeros(n)
    ipvt = np.arange(1, n + 1, dtype=np.int32)
    guard = Guard(func, Dfun, args, bool(col_deriv), x, fvec.copy())
    info, nfev, njev = INFO_IMPROPER, 1, 0
    if not arguments.improper(n, options):
        limit, factor = min(limit, INT_MAX), options.factor
        ftol, xtol, gtol = options.ftol, options.xtol, options.gtol
        with _deferred_interrupt(guard):
            if Dfun is None:
                info, nfev = _minpack.lmdif(
                    guard.lmdif, x, fvec, ftol, xtol, gtol, limit, max(epsfcn, EPSMCH), scale,
                    mode, factor, fjac, ipvt, qtf,
                )  # fmt: skip
            else:
                info, nfev, njev = _minpack.lmder(
                    guard.lmder, x, fvec, fjac, ftol, xtol, gtol, limit, scale, mode, factor,
                    ipvt, qtf,
                )  # fmt: skip
        if guard.interrupted and guard.error is None:
            raise KeyboardInterrupt
    if guard.error is not None:
        raise guard.error
    if info < 0:
        info = INFO_NONFINITE
        nfev = guard.nfev  # MINPACK counts a difference Jacobian as a whole
        x = guard.trial  # the original leaves its difference step in x
    elif guard.cause == CAUSE_TRIAL and info in (INFO_FTOL, INFO_XTOL, INFO_BOTH, INFO_XTOL_SMALL):
        info = INFO_NONFINITE
    if info == INFO_NONFINITE and guard.cause == CAUSE_NONE:
        guard.cause, guard.where = CAUSE_START, -1

    if not full_output and info in CONVERGED:
        return x, info
    return _minpack.Outcome((
        x, info, guard.cause, guard.where, guard.culprit, nfev, njev, fvec, fjac.T, ipvt, qtf,
        covariance_of(fjac.T, ipvt) if info in CONVERGED else None,
    ))  # fmt: skip
