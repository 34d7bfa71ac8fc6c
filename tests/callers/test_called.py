"""Errors and warnings name the function that was called, and speak of its arguments alone."""

import warnings

import numpy as np
import pytest
import scipy.optimize

from pyminpack import (
    check_jacobian,
    curve_fit,
    curve_fit_many,
    leastsq,
    leastsq_many,
    patch_scipy,
)

pytestmark = pytest.mark.bundled

T = np.linspace(0.2, 4.0, 30)
Y = 3.0 * np.exp(-0.5 * T) + 0.02 * np.cos(17 * np.arange(30))
MANY = np.stack([Y] * 40)


def decay(t, a, k):
    return a * np.exp(-k * t)


def differ(values, y):
    return values - y if isinstance(values, np.ndarray) else values


def patched(function, *args, **options):
    with patch_scipy():
        return getattr(scipy.optimize, function)(*args, **options)


def with_dask(f, **options):
    array = pytest.importorskip("dask.array")
    x, y = (array.from_array(data, chunks=10) for data in (T, Y))
    return curve_fit(f, x, y, [1.0, 1.0], **options)


CALLS = {
    "leastsq": lambda f, **o: leastsq(lambda x: differ(f(T, *x), Y), [1.0, 1.0], **o),
    "leastsq in threads": lambda f, **o: leastsq(
        lambda x, rows: differ(f(T[rows], *x), Y[rows]), [1.0, 1.0],
        blocks=[slice(0, 10), slice(10, 30)], workers=2, **o,
    ),
    "scipy.optimize.leastsq": lambda f, **o: patched(
        "leastsq", lambda x: differ(f(T, *x), Y), [1.0, 1.0], **o
    ),
    "leastsq_many": lambda f, **o: leastsq_many(
        lambda X, y: differ(f(T, X[:, :1], X[:, 1:]), y), np.ones((40, 2)), data=[MANY],
        workers=2, chunk=10, **o,
    ),
    "curve_fit": lambda f, **o: curve_fit(f, T, Y, [1.0, 1.0], **o),
    "curve_fit in threads": lambda f, **o: curve_fit(
        f, T, Y, [1.0, 1.0], chunk=10, workers=2, **o
    ),
    "curve_fit with Dask": with_dask,
    "scipy.optimize.curve_fit": lambda f, **o: patched("curve_fit", f, T, Y, [1.0, 1.0], **o),
    "curve_fit_many": lambda f, **o: curve_fit_many(
        f, T, MANY, [1.0, 1.0], workers=2, chunk=10, **o
    ),
}  # fmt: skip


def said(call, f, **options):
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            CALLS[call](f, **options)
        except (TypeError, ValueError, RuntimeError) as error:
            return str(error)
    assert len(caught) == 1
    return str(caught[0].message)


def check(call, text):
    function = call.split()[0]
    words = set(text.replace(".", " ").replace("[", " ").replace("(", " ").split())
    assert function in text
    assert "pyminpack" not in words
    ours, others = {"func", "Dfun", "x0"}, {"f", "jac", "p0"}
    assert not words & (others if "leastsq" in function else ours)


def text_later():
    """A model that returns text at its fifth call."""
    calls = []

    def f(t, a, k):
        calls.append(1)
        return decay(t, a, k) if len(calls) < 5 else "text"

    return f


@pytest.mark.parametrize("call", CALLS)
def test_results(call):
    for f in (lambda t, a, k: "text", text_later(), lambda t, a, k: decay(t, a, k) * 1j):
        text = said(call, f)
        assert f"{'func' if 'leastsq' in call else 'f'} returned " in text
        check(call, text)


@pytest.mark.parametrize("call", CALLS)
def test_derivatives(call):
    name = "Dfun" if "leastsq" in call else "jac"
    text = said(call, decay, **{name: lambda *args: np.ones((3, 3))})
    assert f"{name} returned " in text
    check(call, text)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"ftol": "small"}, "ftol"), ({"xtol": -1}, "xtol"), ({"diag": [1, 2, 3]}, "diag"),
        ({"factor": 0}, "factor"), ({"maxfev": 1.5}, "maxfev"), ({"bounds": (0, 1, 2)}, "bounds"),
        ({"epsfcn": np.nan}, "epsfcn"), ({"nosuch": 1}, "nosuch"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_options(call, options, name):
    text = said(call, decay, **options)
    assert name in text
    if "nosuch" not in options or "leastsq" not in call:  # Python's own text names ours
        check(call, text)


@pytest.mark.parametrize("call", sorted({*CALLS} - {"leastsq_many", "curve_fit_many"}))  # no text
def test_fits_that_fail(call):
    function, start = call.split()[0], "x0" if "leastsq" in call else "p0"
    text = said(call, decay, maxfev=3)
    assert f"Pass {function} a larger maxfev, or a start {start} that is nearer." in text
    check(call, text)
    text = said(call, lambda t, a, k: decay(t, a, k) * np.nan)
    assert f"at {start} = [1, 1]" in text
    check(call, text)


@pytest.mark.parametrize("call", sorted(call for call in CALLS if "leastsq" not in call))
def test_doubtful_fits(call):
    check(call, said(call, lambda t, a, k: a * k * t))


def test_jacobians():
    with pytest.raises(TypeError, match=r"^check_jacobian: Dfun returned a Jacobian of shape"):
        check_jacobian(lambda x: x, lambda x: [[1.0, 2.0]], [1.0])


def test_model_that_fits():
    """The innermost of two functions of ours between which there is somebody else's."""

    def f(t, a, k):
        leastsq(lambda x: "text", [1.0])

    with pytest.raises(TypeError, match=r"^leastsq: func returned str 'text'"):
        curve_fit(f, T, Y, [1.0, 1.0])
