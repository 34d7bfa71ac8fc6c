"""The warning of `curve_fit`: caught by its name in SciPy too, wherever SciPy is loaded."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import pyminpack
from pyminpack import curve_fit
from pyminpack._errors import optimize_warning

optimize = pytest.importorskip("scipy.optimize", reason="its class is one of the two")

CLASSES = [pyminpack.OptimizeWarning, optimize.OptimizeWarning, optimize_warning(), UserWarning]
by_class = pytest.mark.parametrize("category", CLASSES, ids=["ours", "theirs", "both", "user's"])


def badly_posed():
    """Fit with a warning."""
    return curve_fit(lambda t, a, b: a * t, np.arange(5.0), np.arange(5.0) ** 2, [1.0, 1.0])


@by_class
def test_except(category):
    warnings.simplefilter("error", category)
    with pytest.raises(category, match=r"^Covariance of the parameters could not be estimated"):
        badly_posed()


@by_class
def test_filter(category):
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "Covariance of the parameters", category)
    assert np.all(np.isinf(badly_posed()[1]))


@by_class
def test_pytest_warns(category):
    with pytest.warns(category):
        badly_posed()


def test_one_class():
    """A filter made with what one warning was goes on to hold for the next."""
    assert optimize_warning() is optimize_warning()
    assert optimize_warning().__name__ == "OptimizeWarning"


def test_pickle():
    with pytest.warns(optimize_warning()) as caught:
        badly_posed()
    (warning,) = caught
    again = pickle.loads(pickle.dumps(warning.message))
    assert type(again) is type(warning.message) is warning.category
    assert again.args == warning.message.args
    assert pickle.loads(pickle.dumps(warning.category)) is warning.category


def run(code):
    """Run `code` in a process that has not loaded SciPy; return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


BADLY_POSED = """
import sys, warnings
import pyminpack
def badly_posed():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pyminpack.curve_fit(lambda t, a, b: a*t, [0., 1, 2], [0., 1, 4], [1., 1])
    return caught[0]
"""


def test_scipy_is_not_loaded_for_it():
    code = "print(badly_posed().category is pyminpack.OptimizeWarning, 'scipy' in sys.modules)"
    assert run(BADLY_POSED + code) == "True False\n"


def test_loaded_later():
    code = """
first = badly_posed().category
import scipy.optimize
print(issubclass(first, scipy.optimize.OptimizeWarning),
      issubclass(badly_posed().category, scipy.optimize.OptimizeWarning))
"""
    assert run(BADLY_POSED + code) == "False True\n"


@pytest.mark.parametrize("scipy", ["absent", "present"])
def test_unpickled_elsewhere(scipy):
    """In a process that has not loaded SciPy, or cannot."""
    pickled = pickle.dumps(optimize_warning()("text"))
    block = "sys.modules['scipy'] = None" if scipy == "absent" else ""
    code = f"""
import pickle, sys, warnings
{block}
from pyminpack import OptimizeWarning
again = pickle.loads({pickled!r})
print(again, isinstance(again, OptimizeWarning), type(again) is OptimizeWarning)
"""
    assert run(code) == f"text True {scipy == 'absent'}\n"


def test_no_other_attribute():
    errors = sys.modules["pyminpack._errors"]
    with pytest.raises(AttributeError, match="has no attribute 'Other'"):
        errors.Other  # noqa: B018
