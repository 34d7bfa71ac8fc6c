"""Load the data sets: observations, starts, certified values, and the model of each."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from .models import MODELS, Array, Model

__all__ = ["Dataset", "datasets", "source"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """One of NIST's data sets for nonlinear regression, with its certified fit.

    Attributes
    ----------
    name, difficulty : str
        As NIST calls it; difficulty is 'lower', 'average' or 'higher'.
    response : str
    predictors : tuple of str
        What was measured, for the labels of a plot.
    starts : tuple of two arrays (N,)
        Start 1, which is far from the solution, and start 2, which is near.
    parameters, standard_errors : array (N,)
        Certified to 11 digits.
    rss : float
        Certified residual sum of squares.
    x : array (M,), or (2, M) where there are two predictors
    y : array (M,)
        What the model is fitted to: the response, or its logarithm where the model is of that.
    """

    name: str
    difficulty: str
    response: str
    predictors: tuple[str, ...]
    starts: tuple[Array, Array]
    parameters: Array
    standard_errors: Array
    rss: float
    x: Array
    y: Array

    @property
    def model(self) -> Model:
        """The model function and its Jacobian."""
        return MODELS[self.name]

    @property
    def dof(self) -> int:
        """Degrees of freedom, M - N.

        NIST's file of Rat43 says 9 for 15 observations and 4 parameters; its certified standard
        deviations are those of 11.
        """
        return len(self.y) - len(self.parameters)

    def residuals(self, b: Array) -> Array:
        """Fitted minus observed, (M,)."""
        return self.fitted(b, self.x) - self.y

    def fitted(self, b: Array, x: Array) -> Array:
        """Evaluate the model for predictors `x`, which need not be those of the observations.

        A trial point far out may overflow or leave the model's domain: the solver is to see the inf
        or NaN, without a warning.
        """
        with np.errstate(all="ignore"):
            return self.model.function(b, x)

    def jacobian(self, b: Array) -> Array:
        """Differentiate the residuals: one row per parameter, (N, M)."""
        with np.errstate(all="ignore"):
            return self.model.jacobian(b, self.x)


@cache
def _document() -> dict[str, Any]:
    text = files(__package__).joinpath("data.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def source() -> str:
    """Where the numbers come from."""
    document = _document()
    return f"{document['source']}, {document['url']}"


@cache
def datasets() -> dict[str, Dataset]:
    """All 27 data sets by name, in NIST's order of difficulty.

    Examples
    --------
    >>> misra1a = datasets()["Misra1a"]
    >>> len(misra1a.y), misra1a.difficulty
    (14, 'lower')
    >>> misra1a.parameters
    array([2.38942129e+02, 5.50156432e-04])
    """
    return {record["name"]: _dataset(record) for record in _document()["datasets"]}


def _dataset(record: dict[str, Any]) -> Dataset:
    log_response = MODELS[record["name"]].log_response
    first, second = (_vector(start) for start in record["starts"])
    y = np.log(record["y"]) if log_response else record["y"]
    return Dataset(
        name=record["name"],
        difficulty=record["difficulty"],
        response=f"log({record['response']})" if log_response else record["response"],
        predictors=tuple(record["predictors"]),
        starts=(first, second),
        parameters=_vector(record["parameters"]),
        standard_errors=_vector(record["standard_errors"]),
        rss=record["rss"],
        x=_vector(record["x"] if len(record["x"]) > 1 else record["x"][0]),
        y=_vector(y),
    )


def _vector(numbers: npt.ArrayLike) -> Array:
    """Make an array that nobody changes by accident: the data sets are shared."""
    array = np.array(numbers, dtype=float)
    array.flags.writeable = False
    return array
