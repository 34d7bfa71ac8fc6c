"""curve_fit_many: standard errors as good as those of curve_fit, or a word that they are not."""

import warnings

import numpy as np
import pytest

from pyminpack import curve_fit, curve_fit_many, leastsq_many
from pyminpack._errors import optimize_warning

pytestmark = pytest.mark.bundled

RNG = np.random.default_rng(5)
DAYS = np.arange(60) / 24
LINE = np.linspace(-8, 8, 121)


def straight(x, a, b):
    return a + b * x


def lorentz(x, place, width, height):
    return height / (1 + ((x - place) / width) ** 2)


def single(x, a, b):
    return (a * np.exp(-b * x)).astype(np.float32).astype(float)


def noisy(f, x, p, noise):
    return f(x, *p) + noise * RNG.normal(size=(2, 3, x.size))


SECONDS = 1.66e9 + 60 * np.arange(30.0)
CASES = {
    "a line against seconds": (
        straight, SECONDS, -8e8 + 0.5 * (SECONDS - SECONDS[0]) + RNG.normal(size=(2, 3, 30)) + 8e8,
        [-8e8, 0.45], {},
    ),
    "a line at a high frequency": (
        lorentz, 4.1e9 + 4100 * LINE, noisy(lorentz, 4100 * LINE, [0, 4100, 1], 0.01),
        [4.1e9 - 1230, 5330, 1.1], {},
    ),
    "a line in seconds since 1970": (
        lorentz, 1.7e9 + LINE, noisy(lorentz, LINE, [0.3, 1, 3], 0.03), [1.7e9, 1.3, 2.5], {},
    ),
    "in single precision": (
        single, DAYS, noisy(single, DAYS, [3, 0.7], 0.03), [2, 0.5], {},
    ),
    "points left out": (
        lorentz, 4.1e9 + 4100 * LINE,
        noisy(lorentz, 4100 * LINE, [0, 4100, 1], 0.01)
        + np.where(RNG.random((2, 3, 121)) < 0.1, np.nan, 0.0),
        [4.1e9 - 1230, 5330, 1.1],
        {"sigma": 0.01 * (1 + np.abs(LINE)), "absolute_sigma": True, "nan_policy": "omit"},
    ),
    "within bounds": (
        lorentz, 4.1e9 + 4100 * LINE, noisy(lorentz, 4100 * LINE, [0, 4100, 1], 0.01),
        [4.1e9 - 1230, 5330, 1.1], {"bounds": ([4.09e9, 1, 0], [4.11e9, 1e5, 2])},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_as_good_as_one_by_one(case):
    f, x, y, p0, options = CASES[case]
    lower, upper = options.get("bounds", (-np.inf, np.inf))

    def watched(x, *p):
        for value, low, high in zip(
            p, np.resize(lower, len(p)), np.resize(upper, len(p)), strict=True
        ):
            assert np.all((low <= value) & (value <= high))
        return f(x, *p)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fits = curve_fit_many(watched, x, y, p0, **options)
    assert not fits.doubtful.any()
    for index in np.ndindex(fits.ier.shape):
        popt, pcov = curve_fit(f, x, y[index], p0, **options)
        errors = np.sqrt(np.diag(pcov))
        assert fits.stderr[index] == pytest.approx(errors, rel=0.02)
        assert np.all(np.abs(fits.popt[index] - popt) <= 0.1 * errors)
        assert np.sqrt(np.diag(fits.pcov[index])) == pytest.approx(fits.stderr[index])


def test_nothing_is_lost_at_an_exception():
    """The look is interrupted, or its warning is an error: the fits are there, and it can go on."""
    f, x, y, p0, _ = CASES["a line against seconds"]
    calls = []

    def counted(x, *p):
        calls.append(p)
        if len(calls) == last:
            raise KeyboardInterrupt
        return f(x, *p)

    last = -1
    whole = curve_fit_many(counted, x, y, p0)
    last = len(calls)
    calls.clear()
    with pytest.raises(KeyboardInterrupt) as raised:
        curve_fit_many(counted, x, y, p0)
    error = raised.value
    assert error.fits == list(np.ndindex(2, 3))
    assert not error.result.failed.any()
    resumed = curve_fit_many(f, x, y, p0, resume=error.result)
    assert np.array_equal(resumed.stderr, whole.stderr)

    sums = lambda x, a, b, c: (a + b) * x + c  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(optimize_warning()) as raised:
            curve_fit_many(sums, DAYS, noisy(sums, DAYS, [1, 2, 3], 0.1), [1, 1, 1])
    assert raised.value.result.doubtful.all()


def test_what_remains_is_named():
    """Parameters that no data tell apart, and those that doubles do not; in one word for all."""
    x = DAYS
    y = noisy(lambda x, a, b: a * np.exp(-b * x), x, [3, 1], 0.03)
    with pytest.warns(
        optimize_warning(), match=r"of 6 of 6 fits may be wrong.*at \(0, 0\)"
    ) as said:
        fits = curve_fit_many(lambda x, a, b, c: a * np.exp(-b * x + c), x, y, [2, 0.8, 0.3])
    assert len(said) == 1
    assert fits.doubtful.all()
    assert "may be wrong" in fits.message((1, 2))
    assert "6  Converged" in str(fits)
    assert "hide that parameters differ. The first at (0, 0)." in str(fits)


def test_remedies():
    """The text names three: each helps."""
    f = lambda x, c, a, w, p: c + a * np.sin(w * x + p)  # noqa: E731
    x = 59000 + DAYS
    y = noisy(f, DAYS, [2, 0.3, 20, 0.4], 0.01)
    p0 = [2, 0.3, 20, (0.4 - 20 * 59000) % (2 * np.pi)]

    def jac(x, c, a, w, p):
        s, k = np.sin(w * x + p), a * np.cos(w * x + p)
        return np.stack(np.broadcast_arrays(1.0 + 0 * s, s, k * x, k), axis=-1)

    with pytest.warns(optimize_warning(), match="Count xdata from a point within") as said:
        fits = curve_fit_many(f, x, y, p0, xtol=1e-8)
    assert all(word in str(said[0].message) for word in ("jac", "curve_fit"))
    place = tuple(np.argwhere(fits.doubtful)[0])
    near = curve_fit_many(f, DAYS, y, [2, 0.3, 20, 0.4])
    given = curve_fit_many(f, x, y, p0, jac=jac, xtol=1e-15, ftol=1e-15)
    _, pcov = curve_fit(f, x, y[place], p0)
    assert not near.doubtful.any()
    assert not given.doubtful[place]
    errors = near.stderr[place][:3]
    assert given.stderr[place][:3] == pytest.approx(errors, rel=0.02)
    assert np.sqrt(np.diag(pcov))[:3] == pytest.approx(errors, rel=0.02)


def test_ordinary_fits_cost_nothing():
    """No call beyond those of the fits themselves, which are as many as one by one."""
    x = np.linspace(0, 10, 50)
    f = lambda x, a, b, c: a * np.exp(-b * x) + c  # noqa: E731
    y = f(x, 4, 0.5, 1) + 0.05 * RNG.normal(size=(300, 50))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fits = curve_fit_many(f, x, y, [3.5, 0.6, 1.2])
    assert fits.nfev.tolist() == [curve_fit(f, x, row, [3.5, 0.6, 1.2]).nfev for row in y]


def bell(x, height, place, width):
    return height * np.exp(-0.5 * ((x - place) / width) ** 2)


def slopes(x, height, place, width):
    z = (x - place) / width
    shape = np.exp(-0.5 * z * z)
    return np.stack([shape, height * shape * z / width, height * shape * z * z / width], axis=-1)


@pytest.mark.parametrize("jac", [None, slopes])
def test_taken_on_to_the_minimum(jac):
    """Where ftol ends a fit though a parameter near 0 still moves, with a few calls more."""
    x = np.linspace(-5, 5, 64)
    y = bell(x, 3, 0, 1) + 0.1 * np.random.default_rng(8).normal(size=(400, 64))
    alone = leastsq_many(
        lambda p, y: bell(x, *p.T[:, :, None]) - y, np.tile([2.5, 0.2, 1.2], (400, 1)), data=[y],
        Dfun=None if jac is None else lambda p, y: slopes(x, *p.T[:, :, None]),
    )  # fmt: skip
    fits = curve_fit_many(bell, x, y, [2.5, 0.2, 1.2], jac=jac)
    further = fits.nfev > alone.nfev
    assert np.array_equal(fits.ier, alone.ier)
    assert 4 <= further.sum() <= 100
    assert np.median((fits.nfev - alone.nfev)[further]) <= (16 if jac is None else 4)
    assert np.array_equal(fits.popt[~further], alone.popt[~further])
    for p, data in zip(fits.popt[further], y[further], strict=True):
        step = np.linalg.lstsq(slopes(x, *p), data - bell(x, *p), rcond=None)[0]
        assert np.all(np.abs(step) < 1e-3 * np.abs(p))

    # A limit on calls is one on all of them, and what has converged stays so.
    k = int(np.argmax(further))
    for calls in range(3):
        few = curve_fit_many(
            bell, x, y[k : k + 1], [2.5, 0.2, 1.2], jac=jac, maxfev=int(alone.nfev[k]) + calls
        )
        assert few.ier == alone.ier[k]
