"""_minpack.Options: what every solver is told, checked once and handed on whole."""

import sys
from fractions import Fraction

import numpy as np
import pytest

from pyminpack import _minpack
from pyminpack._minpack import Options

NAMES = "ftol", "xtol", "gtol", "maxfev", "epsfcn", "factor", "diag", "bounds", "trials_only"


def values(options):
    return [getattr(options, name) for name in NAMES]


def test_defaults():
    """Protects MINPACK's own, which `leastsq` has in its signature."""
    assert values(Options()) == [1.49012e-8, 1.49012e-8, 0.0, 0, None, 100.0, None, None, False]


def test_any_order():
    diag, bounds = [1.0], np.zeros((2, 1))
    options = Options(
        bounds=bounds, maxfev=9, diag=diag, factor=1, gtol=2.0, xtol=3.0, ftol=4.0, epsfcn=5
    )
    assert values(options) == [4.0, 3.0, 2.0, 9, 5.0, 1.0, diag, bounds, False]
    assert options.bounds is bounds


def test_names_that_are_not_interned():
    assert Options(**{"".join(["fa", "ctor"]): 3.0}).factor == 3.0


@pytest.mark.parametrize("number", [3, np.float32(3), Fraction(3), np.array(3.0), True * 3])
def test_numbers_become_floats(number):
    for name in ("ftol", "xtol", "gtol", "epsfcn", "factor"):
        value = getattr(Options(**{name: number}), name)
        assert type(value) is float
        assert value == 3.0


def test_limits():
    """Protects the count of calls, an int64, and which calls it counts."""
    assert Options(maxfev=10**30).maxfev == sys.maxsize
    assert Options(maxfev=-(10**30)).maxfev == 0
    assert Options(maxfev=np.int16(7)).maxfev == 7
    both = Options(maxfev=7, max_nfev=5.0)
    assert (both.maxfev, both.trials_only) == (5, True)
    neither = Options(maxfev=7, max_nfev=None)
    assert (neither.maxfev, neither.trials_only) == (7, False)


def test_replace():
    options = Options(ftol=0.5, max_nfev=4, diag=[2.0], epsfcn=0.25)
    assert values(options.replace()) == values(options)
    assert values(options.replace(gtol=0.125, diag=None)) == [
        0.5, 1.49012e-8, 0.125, 4, 0.25, 100.0, None, None, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"ftol": "small"}, "^pyminpack: ftol is str 'small'; want a real number"),
        ({"factor": None}, "^pyminpack: factor is None"),
        ({"epsfcn": 1j}, "^pyminpack: epsfcn is complex 1j; want a real number"),
        ({"maxfev": 1.5}, "^pyminpack: maxfev is float 1.5; want an integer"),
        ({"max_nfev": "9"}, "^pyminpack: max_nfev is str '9'; want an integer"),
        ({"trials_only": True}, "^'trials_only' is none of the options"),
        ({"tolerance": 1.0}, "^'tolerance' is none of the options"),
    ],
)
def test_misuse(given, match):
    with pytest.raises(TypeError, match=match):
        Options(**given)
    with pytest.raises(TypeError, match=match):
        Options().replace(**given)


def test_by_name_alone():
    with pytest.raises(TypeError, match="by name"):
        Options(1e-8)


def test_frozen():
    options = Options()
    with pytest.raises(AttributeError):
        options.ftol = 1.0
    with pytest.raises(AttributeError):
        options.other = 1.0


def test_solvers_want_them():
    """Protects memory: what comes is looked into without a further question."""
    for solve, func in ((_minpack.solve, abs), (_minpack.solve_compiled, None)):
        with pytest.raises(TypeError):
            solve(func, [1.0], (), None, False, False, {"ftol": 1.0}, None)
    with pytest.raises(TypeError, match=r"options is dict; want _minpack\.Options"):
        _minpack.Stepper([1.0], {})


def test_nothing_is_kept():
    """Protects memory: an object that an error or a replacement has met is let go."""
    diag = [1.0]
    before = sys.getrefcount(diag)
    for _ in range(100):
        Options(diag=diag).replace(ftol=1.0)
        with pytest.raises(TypeError):
            Options(diag=diag, ftol="small")
        with pytest.raises(TypeError):
            Options(diag=diag, tolerance=1.0)
    assert sys.getrefcount(diag) == before
