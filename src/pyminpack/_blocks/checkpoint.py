"""The state of a fit in a file, from which a fit that was killed goes on to the same bits."""

from __future__ import annotations

import os
import tempfile
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import called, named, type_error, value_error
from .._input.arguments import describe
from .._minpack import Options, Stepper

__all__ = ["Checkpoint"]

FloatArray = npt.NDArray[np.float64]

FORMAT = "pyminpack checkpoint 1"
#: What the path of a fit depends on.
OPTIONS = ("ftol", "xtol", "gtol", "maxfev", "epsfcn", "factor", "diag", "bounds")
#: Relative change of the norm of the residuals that rounding can make, on another machine.
SAME = 1e-8


class Checkpoint:
    """A file of NumPy's ``.npz`` with all that a fit remembers, and what it is a fit of.

    Parameters
    ----------
    path : path-like
    fit : Stepper
        That is about to begin.
    derivatives : str
        Where the Jacobian is from.
    options : Options
        With which.
    """

    def __init__(self, path: Any, fit: Stepper, derivatives: str, options: Options) -> None:
        try:
            self._path = os.fsdecode(path)
        except TypeError:
            raise type_error(f"checkpoint is {describe(path)}; want the path of a file.") from None
        folder = os.path.dirname(self._path) or "."
        if not os.path.isdir(folder):
            raise FileNotFoundError(
                named(f"checkpoint is {self._path!r}, but there is no folder {folder!r}.")
            )
        self._problem = {
            "x0": fit.x,
            "derivatives": np.array(derivatives),
            **{name: _as_array(getattr(options, name)) for name in OPTIONS},
            "max_nfev": _as_array(options.trials_only),
        }
        self._resumed: tuple[int, int] | None = None

    def load(self, fit: Stepper) -> tuple[int, float | None, int] | None:
        """Take `fit` to where the file says, if there is one.

        Returns
        -------
        rows : int
            Residuals.
        eps : float or None
            The relative error of them that differences are made with.
        calls : int
            Of `func` for named differences.
        """
        try:
            file = open(self._path, "rb")
        except FileNotFoundError:
            return None
        with file:
            try:
                with np.load(file, allow_pickle=False) as archive:
                    found = dict(archive)
            except (ValueError, EOFError, zipfile.BadZipFile, KeyError, AttributeError, TypeError):
                raise self._error("is no checkpoint of a fit, or damaged") from None
        if str(found.get("format")) != FORMAT:
            raise self._error("is no checkpoint of a fit, or of another version of pyminpack")
        for name, value in self._problem.items():
            there = found.get(f"problem_{name}")
            if there is None or not np.array_equal(there, value, equal_nan=value.dtype.kind == "f"):
                raise self._error(f"is of another fit: {name} is {there} there, and {value} here")
        try:
            fit.restore(found["reals"], found["integers"])
            rows, blocks, calls = found["size"].tolist()
            eps = float(found["eps"])
        except (KeyError, ValueError, TypeError):
            raise self._error("is damaged") from None
        self._resumed = rows, blocks
        return rows, None if np.isnan(eps) else eps, calls

    def compare(self, rows: int, blocks: int, norm: float = 0.0, fnorm: float = 0.0) -> None:
        """Raise where the first pass after `load` has found other residuals than those there.

        Parameters
        ----------
        rows, blocks : int
            How many there are.
        norm, fnorm : float
            Of those at the point of the file, now and there, where they are known.
        """
        if self._resumed is None:
            return
        was, self._resumed = self._resumed, None
        if was != (rows, blocks):
            raise self._error(
                f"is of another fit: {was[0]} residuals in {was[1]} blocks there, and {rows} in "
                f"{blocks} here"
            )
        if not abs(norm - fnorm) <= SAME * fnorm:
            raise self._error(
                f"is of another fit: at its x the residuals have the norm {fnorm} there, and "
                f"{norm} here; {called().func} or the data are not the same"
            )

    def save(self, fit: Stepper, rows: int, blocks: int, eps: float | None, calls: int) -> None:
        """Write the file, all of it or nothing."""
        if self._resumed is not None:  # nothing has been done since
            return
        reals, integers = fit.numbers()
        arrays: dict[str, Any] = {
            "format": np.array(FORMAT),
            "reals": reals,
            "integers": integers,
            "size": np.array([rows, blocks, calls]),
            "eps": _as_array(eps),
            **{f"problem_{key}": value for key, value in self._problem.items()},
        }
        folder, name = os.path.split(self._path)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder or ".")
        try:
            with open(handle, "wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except BaseException:
            os.unlink(temporary)
            raise

    def _error(self, what: str) -> ValueError:
        return value_error(
            f"checkpoint {self._path!r} {what}. Remove the file, or name another, to begin anew."
        )


def _as_array(value: Any) -> npt.NDArray[Any]:
    return np.array(np.nan if value is None else value, dtype=np.float64)
