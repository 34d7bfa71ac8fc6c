"""`curve_fit_many`: each is fitted as `leastsq` fits it alone; models that cannot be are named."""

import math
import warnings

import numpy as np
import pytest

from pyminpack import curve_fit, curve_fit_many, leastsq

X = np.linspace(-3.0, 3.0, 24)
TRUTH = (3.0, 0.4, 0.8, 1.0)


def gaussian(x, height, centre, width, base):
    return height * np.exp(-0.5 * ((x - centre) / width) ** 2) + base


def derivatives(x, height, centre, width, base):
    z = (x - centre) / width
    shape = np.exp(-0.5 * z**2)
    return np.stack(
        [shape, height * shape * z / width, height * shape * z**2 / width, np.ones_like(z)], axis=1
    )


def one_by_one(f):
    """Make the same of it, with the bits of each fit alone."""

    def batch(x, *parameters):
        rows = zip(*(np.ravel(p) for p in parameters), strict=True)
        own = x if np.ndim(x) > 1 else None
        with np.errstate(all="ignore"):
            return np.stack([f(x if own is None else own[k], *row) for k, row in enumerate(rows)])

    return batch


def images(count, seed):
    rng = np.random.default_rng(seed)
    truth = TRUTH * np.exp(rng.normal(0, 0.2, (count, 4)))
    y = gaussian(X, *truth.T[:, :, None]) + rng.normal(0, 0.1, (count, X.size))
    return y, truth * np.exp(rng.normal(0, 0.15, truth.shape)), rng


@pytest.mark.bundled
@pytest.mark.parametrize("bounds", [None, ([0, -1, 0.5, 0], [9, 1, 2, 1.2])])
@pytest.mark.parametrize("sigma", ["none", "one", "shared", "own", "infinite"])
@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("jac", [None, derivatives])
def test_each_is_the_fit_alone(bounds, sigma, holes, jac):
    """Protects the promise: the path of `leastsq` on each, its missing points left out."""
    y, p0, rng = images(12, seed=4)
    sigmas = {
        "none": None,
        "one": 0.3,
        "shared": rng.uniform(0.05, 0.2, X.size),
        "own": rng.uniform(0.05, 0.2, y.shape),
        "infinite": np.where(rng.random(y.shape) < 0.2, np.inf, 0.1),
    }[sigma]
    if holes:
        y[rng.random(y.shape) < 0.15] = np.nan
        y[2, 3:] = np.nan  # three points for four parameters
        y[5, 4:] = np.nan  # four
    if bounds is not None:
        p0 = np.clip(p0, *bounds)
    fits = curve_fit_many(
        one_by_one(gaussian), X, y, p0, sigmas, bounds=bounds, jac=jac and one_by_one(jac),
        nan_policy="omit" if holes else None, chunk=5,
    )  # fmt: skip
    for k in range(12):
        keep = np.isfinite(y[k])
        if keep.sum() < 4 and bounds is None:
            assert fits.message(k).startswith("Not begun: fewer data than parameters")
            np.testing.assert_array_equal(fits.popt[k], p0[k])
            continue
        x, data = X[keep], y[k][keep]
        weights = 1.0 if sigmas is None else 1.0 / np.broadcast_to(sigmas, y.shape)[k][keep]
        short = max(0, 4 - keep.sum())

        def residuals(p, x=x, data=data, weights=weights, short=short):
            return np.append(weights * (gaussian(x, *p) - data), np.zeros(short))

        def jacobian(p, x=x, weights=weights, short=short):
            rows = weights * derivatives(x, *p).T
            return np.hstack([rows, np.zeros((4, short))])

        with np.errstate(all="ignore"):
            p, cov, info, _, ier = leastsq(
                residuals, p0[k], Dfun=jac and jacobian, col_deriv=True, bounds=bounds,
                full_output=True,
            )  # fmt: skip
        assert (fits.ier[k], fits.nfev[k]) == (ier, info["nfev"])
        np.testing.assert_array_equal(fits.popt[k], p)
        if cov is None or keep.sum() <= 4:
            assert np.isinf(fits.pcov[k]).all()
        else:
            expected = cov * (2 * fits.cost[k] / (keep.sum() - 4))
            np.testing.assert_allclose(fits.pcov[k], expected, rtol=1e-12)
            np.testing.assert_allclose(fits.stderr[k], np.sqrt(expected.diagonal()), rtol=1e-12)


def test_same_as_curve_fit():
    """Protects models as they are, and the scale of pcov: as curve_fit has them."""
    y, p0, _ = images(10, seed=5)
    for absolute in (False, True):
        popt, pcov = curve_fit_many(gaussian, X, y, p0, 0.1, absolute)
        for k in range(10):
            alone = curve_fit(gaussian, X, y[k], p0[k], 0.1, absolute)
            np.testing.assert_allclose(popt[k], alone.popt, rtol=1e-5)
            np.testing.assert_allclose(np.sqrt(pcov[k].diagonal()), alone.stderr, rtol=1e-4)


@pytest.mark.bundled  # the original knows no bounds
@pytest.mark.parametrize("jac", [None, derivatives])
@pytest.mark.parametrize("own_x", [False, True])
def test_fewer_points_than_parameters(jac, own_x):
    """Protects fits that bounds allow: a parameter that is held needs no data."""
    y, p0, _ = images(4, seed=6)
    x, y, p0[:, 3] = X[6:20:6], y[:, 6:20:6], 0.5
    lower, upper = [0, -4, 0.5, 0.5], [9, 4, 3, 0.5]
    fits = curve_fit_many(
        gaussian, x + 0 * y if own_x else x, y, p0, 0.1, True, bounds=(lower, upper), jac=jac
    )
    for k in range(4):
        popt, pcov = curve_fit(gaussian, x, y[k], p0[k], 0.1, True, bounds=(lower, upper), jac=jac)
        np.testing.assert_allclose(fits.popt[k], popt, rtol=1e-6)
        np.testing.assert_allclose(fits.stderr[k], np.sqrt(pcov.diagonal()), rtol=1e-4)
    with pytest.raises(TypeError, match=r"4 must not exceed .* points=3 .*; with bounds it may"):
        curve_fit_many(gaussian, x, y, p0, jac=jac)


def test_sigma_of_each_fit():
    """Protects one number a fit: the same as for each of its points."""
    y, p0, rng = images(6, seed=13)
    sigma = rng.uniform(0.05, 0.2, (6, 1))
    fits = curve_fit_many(gaussian, X, y, p0, sigma, absolute_sigma=True)
    expected = curve_fit_many(gaussian, X, y, p0, sigma + 0 * y, absolute_sigma=True)
    np.testing.assert_array_equal(fits.stderr, expected.stderr)


def test_starts():
    """Protects each way of giving p0."""
    y, _, _ = images(12, seed=6)
    expected = curve_fit_many(gaussian, X, y, TRUTH).popt
    asked = []

    def guess(x, y):
        assert x is not None
        asked.append(len(y))
        return np.tile(TRUTH, (len(y), 1))

    by_name = dict(zip(("base", "height", "width", "centre"), (1.0, 3.0, 0.8, 0.4), strict=True))
    for p0 in (by_name, np.tile(TRUTH, (12, 1)), np.broadcast_to(TRUTH, (12, 4)), guess):
        np.testing.assert_array_equal(curve_fit_many(gaussian, X, y, p0, chunk=5).popt, expected)
    assert max(asked) <= 5
    line = curve_fit_many(lambda x, a, b: a + b * x, X, 2 + 3 * np.stack([X, -X]))
    np.testing.assert_allclose(line.popt, [[2, 3], [2, -3]], rtol=1e-6)
    within = curve_fit_many(lambda x, a: a + 0 * x, X, np.full((2, 24), 7.0), bounds=(5, 8))
    np.testing.assert_allclose(within.popt, 7.0, rtol=1e-6)


def test_data_of_all_shapes():
    """Protects maps, own and shared x, several predictors, dtypes, and views."""
    y, p0, rng = images(12, seed=7)
    expected = curve_fit_many(gaussian, X, y, p0)
    shaped = curve_fit_many(gaussian, X, y.reshape(3, 4, -1), p0.reshape(3, 4, -1))
    np.testing.assert_array_equal(shaped.popt.reshape(12, 4), expected.popt)
    assert shaped.pcov.shape == (3, 4, 4, 4)
    turned = np.moveaxis(np.ascontiguousarray(y.reshape(3, 4, -1).T), (0, 1, 2), (2, 1, 0))
    fits = curve_fit_many(gaussian, X, turned, p0.reshape(3, 4, -1), chunk=5)
    np.testing.assert_array_equal(fits.popt, shaped.popt)
    own = curve_fit_many(gaussian, np.tile(X, (12, 1)), y, p0, chunk=5)
    np.testing.assert_allclose(own.popt, expected.popt, rtol=1e-6)
    single = curve_fit_many(gaussian, X.tolist(), y[0].tolist(), p0[0])
    np.testing.assert_array_equal(single.popt, expected.popt[0])
    assert single.ier.shape == ()
    assert single.message() == expected.message(0)
    counts = rng.poisson(10 * np.abs(y)).astype(">u2")
    integers = curve_fit_many(gaussian, X, counts, p0 * [10, 1, 1, 10])
    floats = curve_fit_many(gaussian, X, counts.astype(float), p0 * [10, 1, 1, 10])
    np.testing.assert_array_equal(integers.popt, floats.popt)

    def plane(xy, a, b, c):
        x, y = xy
        return a + b * x + c * y

    xy = rng.normal(size=(5, 2, 24))
    z = 1 + 2 * xy[:, 0] - 3 * xy[:, 1]
    np.testing.assert_allclose(curve_fit_many(plane, xy, z).popt, [[1, 2, -3]] * 5, rtol=1e-6)
    shared = curve_fit_many(plane, xy[0], np.stack([z[0], 2 * z[0], -z[0]]))
    np.testing.assert_allclose(shared.popt, [[1, 2, -3], [2, 4, -6], [-1, -2, 3]], rtol=1e-6)
    pandas = pytest.importorskip("pandas")
    tables = curve_fit_many(gaussian, X, pandas.DataFrame(y), pandas.DataFrame(p0))
    np.testing.assert_array_equal(tables.popt, expected.popt)
    none = curve_fit_many(gaussian, X, y[:0], lambda x, y: np.tile(TRUTH, (len(y), 1)))
    assert none.pcov.shape == (0, 4, 4)
    table = curve_fit_many(lambda d, a: a * d["t"], {"t": X}, np.stack([X, 2 * X]))
    np.testing.assert_allclose(table.popt[:, 0], [1, 2], rtol=1e-6)


def test_nan_in_x():
    """Protects holes in x, shared and own; and that 'raise' says where."""
    y, p0, _ = images(6, seed=8)
    x = X.copy()
    x[4] = np.nan
    kept = np.isfinite(x)
    expected = curve_fit_many(one_by_one(gaussian), X[kept], np.ascontiguousarray(y[:, kept]), p0)
    for xs in (x, np.tile(x, (6, 1))):
        fits = curve_fit_many(one_by_one(gaussian), xs, y, p0, nan_policy="omit")
        np.testing.assert_array_equal(fits.popt, expected.popt)
        np.testing.assert_array_equal(fits.stderr, expected.stderr)
        with pytest.raises(ValueError, match=r"nan values: xdata\[.*4\] is nan"):
            curve_fit_many(gaussian, xs, y, p0, nan_policy="raise")
        assert set(curve_fit_many(gaussian, xs, y, p0).ier) == {9}
    y = y.reshape(2, 3, -1)
    y[1, 2, 7] = np.nan
    with pytest.raises(ValueError, match=r"nan values: ydata\[1, 2, 7\] is nan"):
        curve_fit_many(gaussian, X, y, TRUTH, nan_policy="raise")
    assert curve_fit_many(gaussian, X, y, TRUTH).failed.sum() == 1


LAYOUTS = {
    "(b, N, M)": lambda d: d,
    "(b, M, N)": lambda d: d.transpose(0, 2, 1),
    "(N, b, M)": lambda d: np.moveaxis(d, 1, 0),
    "(M, b, N)": lambda d: np.moveaxis(d, 1, 0).T,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_of_jac(layout):
    """Protects derivatives stacked for one fit, whose axes come in other orders for many."""
    y, p0, _ = images(8, seed=9)

    def jac(x, *parameters):
        parts = np.broadcast_arrays(*derivatives_by_name(x, *parameters))
        return layout(np.stack(parts, axis=1))

    def derivatives_by_name(x, height, centre, width, base):
        z = (x - centre) / width
        shape = np.exp(-0.5 * z**2)
        return shape, height * shape * z / width, height * shape * z**2 / width, np.ones_like(z)

    fits = curve_fit_many(gaussian, X, y, p0, jac=jac)
    expected = curve_fit_many(gaussian, X, y, p0)
    np.testing.assert_allclose(fits.popt, expected.popt, rtol=1e-5)
    assert np.median(fits.nfev) < 0.5 * np.median(expected.nfev)


def test_layouts_of_jac_with_three_parameters():
    """Protects a jac whose axes come in another order, N being the number of fits that is tried."""
    y = np.stack([1 + 2 * X + k * X**2 for k in range(5)])

    def jac(x, *parameters):
        return np.stack(np.broadcast_arrays(*parameters, 1.0, x, x**2)[3:])

    fits = curve_fit_many(lambda x, a, b, c: a + b * x + c * x**2, X, y, jac=jac)
    np.testing.assert_allclose(fits.popt[:, 2], range(5), atol=1e-6)


def test_models_that_return_less():
    """Protects constants, and derivatives that do not depend on the parameters."""
    y = np.stack([np.full(24, 2.0), np.full(24, 5.0)])
    np.testing.assert_allclose(curve_fit_many(lambda x, c: c, X, y).popt[:, 0], [2, 5], rtol=1e-6)
    lines = np.stack([1 + 2 * X, 3 - X])
    fits = curve_fit_many(
        lambda x, a, b: a + b * x, X, lines, jac=lambda x, a, b: np.stack([np.ones(24), x], axis=1)
    )
    np.testing.assert_allclose(fits.popt, [[1, 2], [3, -1]], rtol=1e-6)


NOT_BROADCASTING = {
    "math": lambda x, a, b: a * math.exp(-b) * x,
    "if": lambda x, a, b: a * x if a > b else b * x,
    "float": lambda x, a, b: float(a) * x + float(b),
    "reduced": lambda x, a, b: np.sum(a * x**2) + b,
    "mixed": lambda x, a, b: a * x / np.max(a * x) + b,
    "stacked": lambda x, a, b: np.array([a, b]).ravel()[:2] @ np.stack([x, x**2]),
    "the last": lambda x, a, b: a * x + np.ravel(b)[-1],
    "piecewise": lambda x, a, b: np.piecewise(a * x, [x < b], [lambda x: b, a]),
}


@pytest.mark.parametrize("f", NOT_BROADCASTING.values(), ids=NOT_BROADCASTING)
def test_models_that_do_not_broadcast(f):
    """Protects from wrong fits, and says what to do."""
    with pytest.raises(
        TypeError, match=r"f (does not broadcast|mixes fits): .* write it with NumPy"
    ):
        curve_fit_many(f, X, np.ones((30, 24)), [1.0, 2.0])


def test_errors_of_the_model_pass():
    """Protects who looks for the error in a model: it is not one of shapes."""

    def f(x, a):
        raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"):
        curve_fit_many(f, X, np.ones((3, 24)))
    with pytest.raises(TypeError, match="p0 has 2 entries, but f takes 1 parameter"):
        curve_fit_many(lambda x, a: a * x, X, np.ones((3, 24)), [1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        curve_fit_many(lambda x, a: np.multiply(x, 2, out=x) * a, X, np.ones((3, 24)))


def test_no_warnings_for_steps_too_far():
    """Protects the others where one fit overflows on the way."""
    y = np.stack([np.exp(-X)] * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fits = curve_fit_many(lambda x, a: np.exp(a * x), X, y, [[-1.1], [300.0], [-0.9]])
    assert not fits.failed[::2].any()


BAD_CALLS = {
    "f": ({"f": 1}, TypeError, "f is int 1"),
    "jac": ({"jac": "cs"}, TypeError, "jac is str 'cs'"),
    "jac's shape": (
        {"jac": lambda x, *p: np.ones((2, 2))},
        TypeError,
        r"jac returned shape \(2, 2\)",
    ),
    "jac's parts": (
        {"jac": lambda x, a, b, c, d: np.array([a * x, b * x, c * x, np.ones_like(x)])},
        TypeError,
        r"jac does not broadcast: .*\. f gets .*np\.broadcast_arrays",
    ),
    "points first": (
        {"ydata": np.ones((24, 5))},
        ValueError,
        r"f returned 24 values for a fit, and ydata, shape \(24, 5\), has 5: .*moveaxis",
    ),
    "empty": ({"ydata": np.ones((3, 0))}, ValueError, r"ydata has shape \(3, 0\)"),
    "text": ({"ydata": [["a"]]}, TypeError, "ydata is"),
    "sigma": ({"sigma": np.ones(3)}, ValueError, r"sigma has shape \(3,\); want"),
    "sigma of 0": ({"sigma": 0}, ValueError, "sigma has 0.0; want standard deviations"),
    "p0": ({"p0": np.ones((3, 4))}, ValueError, r"p0 has shape \(3, 4\); want \(N,\), or \(5,\)"),
    "p0's": ({"p0": lambda x, y: y[:, 0]}, ValueError, r"p0 returned shape \(1,\)"),
    "start": ({"p0": [9.0, 0, 1, 1], "bounds": (0, 5)}, ValueError, "Initial guess is outside"),
    "few": ({"ydata": np.ones((5, 3)), "xdata": X[:3]}, TypeError, "parameters=4 must not exceed"),
    "policy": ({"nan_policy": "drop"}, ValueError, "nan_policy must be"),
    "option": ({"loss": "huber"}, TypeError, "unexpected keyword argument 'loss'"),
}


@pytest.mark.parametrize(("arguments", "error", "text"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_calls(arguments, error, text):
    """Protects who has got a call wrong."""
    call = {"f": gaussian, "xdata": X, "ydata": np.ones((5, 24)), "p0": TRUTH, **arguments}
    with pytest.raises(error, match=text):
        curve_fit_many(**call)


def test_summary():
    """Protects what is printed: what failed, and where the first of it is."""
    y, p0, _ = images(12, seed=10)
    y[2, 5] = np.nan
    y[4] = np.nan
    fits = curve_fit_many(gaussian, X, y.reshape(3, 4, -1), p0.reshape(3, 4, -1), maxfev=12)
    first, *rest = str(fits).splitlines()
    assert (
        first
        == f"12 fits of 4 parameters: {12 - fits.failed.sum()} converged, {fits.failed.sum()} not"
    )
    assert any(
        "2  The residuals at its start are not finite. The first at (0, 2)." in r for r in rest
    )
    assert any("Number of calls to function has reached maxfev = 12." in line for line in rest)
    assert repr(fits) == f"<ManyFits of shape (3, 4): {first}>"
    with pytest.raises(IndexError, match=r"2 is not one fit of shape \(3, 4\)"):
        fits.message(2)
