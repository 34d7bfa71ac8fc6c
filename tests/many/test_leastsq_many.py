"""`leastsq_many`: each fit of a batch is the fit that `leastsq` makes of it alone."""

import numpy as np
import pytest
from batches import many

from pyminpack import leastsq, leastsq_many

T = np.linspace(0.0, 4.0, 12)


def residuals(x, y):
    """One fit's: an exponential and a constant."""
    with np.errstate(all="ignore"):
        return x[0] * np.exp(-x[1] * T) + x[2] - y


def jacobian(x, y):
    with np.errstate(all="ignore"):
        shape = np.exp(-x[1] * T)
    return np.stack([shape, -x[0] * T * shape, np.ones_like(T)], axis=1)


def problems(count, seed):
    """Starts and data: most are decays, some of which start far off, some are hopeless."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform([1, 0.2, -1], [4, 2, 1], (count, 3))
    y = truth[:, :1] * np.exp(-truth[:, 1:2] * T) + truth[:, 2:] + rng.normal(0, 0.05, (count, 12))
    x0 = truth * np.exp(rng.normal(0, 0.7, truth.shape))
    y[3] = np.nan
    y[5, 7] = np.inf
    x0[7, 1] = -400.0  # overflows on the way
    y[11] = 1e300
    x0[13] = 0.0  # the rate has no influence there
    return x0, y


def assert_same_as_alone(fits, x0, y, dfun=None, **options):
    for k, start in enumerate(x0):
        x, cov, info, _, ier = leastsq(residuals, start, (y[k],), dfun, full_output=True, **options)
        assert (fits.ier[k], fits.nfev[k]) == (ier, info["nfev"]), k
        np.testing.assert_array_equal(fits.popt[k], x, err_msg=str(k))
        with np.errstate(over="ignore"):
            cost = 0.5 * np.sum(info["fvec"] ** 2)
        np.testing.assert_allclose(fits.cost[k], cost, rtol=1e-14)  # sums in another order
        if not np.isfinite(cost):
            continue
        if cov is None:
            assert np.isinf(fits.pcov[k]).all()
            assert np.isinf(fits.stderr[k]).all()
        else:
            expected = cov * (2 * fits.cost[k] / (12 - 3))
            np.testing.assert_allclose(fits.pcov[k], expected, rtol=1e-13)
            np.testing.assert_allclose(fits.stderr[k], np.sqrt(expected.diagonal()), rtol=1e-13)


WAYS = {
    "differences": {},
    "analytic": {"Dfun": jacobian},
    "bounded": {"bounds": ([0, 0, -1], [3, 5, 0.5])},
    "one fixed": {"bounds": ([0, 0.5, -np.inf], [np.inf, 0.5, np.inf])},
    "bounded, analytic": {"bounds": ([0, 0, -1], [3, 5, 0.5]), "Dfun": jacobian},
    "scaled": {"diag": [1.0, 2.0, 0.5], "factor": 0.3},
    "few calls": {"maxfev": 17},
    "few trials": {"max_nfev": 6},
    "exact": {"ftol": 0.0, "xtol": 0.0, "gtol": 0.0},
    "rough": {"epsfcn": 1e-6, "gtol": 1e-4},
}


@pytest.mark.bundled
@pytest.mark.parametrize("chunk", [None, 1, 7])
@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_each_is_the_fit_alone(options, chunk):
    """Protects the promise: the same path, whoever is in the batch, bad ones included."""
    x0, y = problems(40, seed=1)
    options = dict(options)
    if "bounds" in options:
        x0 = np.clip(x0, *options["bounds"])
    dfun = options.pop("Dfun", None)
    fits = leastsq_many(
        many(residuals), x0, Dfun=dfun and many(dfun), data=[y], chunk=chunk, **options
    )
    if "bounds" in options:
        fixed = np.equal(*options["bounds"])
        known = np.isfinite(fits.stderr).all(axis=1)
        assert np.all(fits.stderr[known][:, fixed] == 0)
        for k in range(40):
            x, _, info, _, ier = leastsq(
                residuals, x0[k], (y[k],), dfun, full_output=True, **options
            )
            assert (fits.ier[k], fits.nfev[k]) == (ier, info["nfev"])
            np.testing.assert_array_equal(fits.popt[k], x)
    else:
        assert_same_as_alone(fits, x0, y, dfun, **options)
    assert set(fits.ier[[3, 5]]) == {9}


@pytest.mark.bundled
def test_landings_are_those_of_the_fit_alone():
    """Protects fits that end next to a bound from the steps of others: these share a workspace."""
    bounds = ([0, 0.2, 0], [4, 1.5, 0.5])
    rng = np.random.default_rng(5)
    truth = rng.uniform([1, 0.3, -1], [5, 2, 1], (1000, 3))
    y = truth[:, :1] * np.exp(-truth[:, 1:2] * T) + truth[:, 2:] + rng.normal(0, 0.05, (1000, 12))
    x0 = np.clip(truth * rng.uniform(0.6, 1.5, truth.shape), *bounds)
    together = leastsq_many(many(residuals), x0, data=[y], bounds=bounds)
    alone = leastsq_many(many(residuals), x0, data=[y], bounds=bounds, chunk=1)
    assert np.sum((together.popt == bounds[0]) | (together.popt == bounds[1])) > 500
    np.testing.assert_array_equal(together.ier, alone.ier)
    np.testing.assert_array_equal(together.nfev, alone.nfev)
    np.testing.assert_array_equal(together.popt, alone.popt)


@pytest.mark.bundled
@pytest.mark.parametrize("m", [400, 3])
def test_other_sizes(m):
    """Protects Jacobians that are factored by rows, and square ones."""
    t = np.linspace(0, 3, m)

    def f(x, rate):
        return x[0] * np.exp(-x[1] * t) + x[2] * t - 2 * np.exp(-rate * t) - 0.1 * np.sin(5 * t)

    rates = np.linspace(0.3, 2.0, 9)
    fits = leastsq_many(many(f), np.ones((9, 3)), data=[rates])
    for k, rate in enumerate(rates):
        x, _, info, _, ier = leastsq(f, np.ones(3), (rate,), full_output=True)
        np.testing.assert_array_equal(fits.popt[k], x)
        assert (fits.ier[k], fits.nfev[k]) == (ier, info["nfev"])


@pytest.mark.bundled
@pytest.mark.parametrize("n", [1, 2, 5, 7, 8, 9, 12, 13, 17])
def test_any_number_of_variables(n):
    """Protects steps that several fits take together, and those of which that is too many."""
    t = np.linspace(-1, 1, 40)

    def f(x, y):
        return np.sin(np.polynomial.chebyshev.chebval(t, x)) - y

    rng = np.random.default_rng(n)
    x0 = rng.normal(0, 0.6, (11, n))
    y = np.sin(x0[:, :1] * t) + rng.normal(0, 0.1, (11, 40))
    fits = leastsq_many(many(f), x0, data=[y])
    for k in range(11):
        x, _, info, _, ier = leastsq(f, x0[k], (y[k],), full_output=True)
        np.testing.assert_array_equal(fits.popt[k], x)
        assert (fits.ier[k], fits.nfev[k]) == (ier, info["nfev"])


def test_layouts_of_jacobians():
    """Protects the rule for col_deriv, and arrays of any strides."""
    x0, y = problems(20, seed=2)
    y[3], y[5] = y[1], y[2]
    plain = leastsq_many(many(residuals), x0, Dfun=many(jacobian), data=[y])
    for col_deriv, dfun in (
        (True, lambda X, y: many(jacobian)(X, y).transpose(0, 2, 1)),
        (True, lambda X, y: np.ascontiguousarray(many(jacobian)(X, y).transpose(0, 2, 1))),
        (False, lambda X, y: np.asfortranarray(many(jacobian)(X, y))),
        (False, lambda X, y: many(jacobian)(X, y).astype(">f8")),
    ):
        fits = leastsq_many(many(residuals), x0, Dfun=dfun, data=[y], col_deriv=col_deriv)
        np.testing.assert_array_equal(fits.popt, plain.popt)


def test_data_of_any_shape_and_dtype():
    """Protects rows: scalars, records, bytes, images, views with strides, read-only."""
    count, seen = 10, []
    records = np.zeros(count, dtype=[("a", "i2"), ("b", "f4", (2,))])
    records["b"] = np.arange(20).reshape(10, 2)
    images = np.arange(10 * 2 * 3.0).reshape(3, 2, 10).T
    flags = np.arange(count) % 3 == 0

    def func(X, record, image, flag, shift):
        assert record.dtype == records.dtype
        assert image.shape[1:] == (2, 3)
        assert not any(row.flags.writeable for row in (record, image, flag))
        seen.append(len(X))
        return X - (record["b"] + image[:, 0, :2] + flag[:, None] + shift)

    fits = leastsq_many(func, np.ones((count, 2)), 7.0, data=[records, images, flags], chunk=4)
    expected = records["b"] + images[:, 0, :2] + flags[:, None] + 7.0
    np.testing.assert_allclose(fits.popt, expected, rtol=1e-6)
    assert max(seen) > 4 / 2


def test_maps_of_any_shape():
    """Protects the shapes of results."""
    target = np.arange(12.0).reshape(3, 4)
    fits = leastsq_many(lambda X, y: X - y[:, None], np.zeros((3, 4, 1)), data=[target])
    assert fits.popt.shape == fits.stderr.shape == (3, 4, 1)
    assert fits.pcov.shape == (3, 4, 1, 1)
    assert fits.ier.shape == fits.nfev.shape == fits.cost.shape == fits.failed.shape == (3, 4)
    np.testing.assert_allclose(fits.popt[..., 0], target, atol=1e-7)
    none = leastsq_many(lambda X: X, np.zeros((0, 5, 2)))
    assert none.popt.shape == (0, 5, 2)


def test_what_func_does_with_its_arrays():
    """Protects from callees that write into X, keep it, or return the same array again."""
    x0, y = problems(30, seed=3)
    kept, buffers = [], {}
    plain = leastsq_many(many(residuals), x0, data=[y])

    def func(X, y):
        value = many(residuals)(X, y)
        kept.append((X, y, y.copy()))
        X[:] = -7.0
        buffer = buffers.setdefault(len(X), np.empty_like(value))
        buffer[:] = value
        return buffer

    fits = leastsq_many(func, x0, data=[y])
    np.testing.assert_array_equal(fits.popt, plain.popt)
    for X, rows, copy in kept:
        assert (X == -7.0).all()
        np.testing.assert_array_equal(rows, copy)


def test_float32_residuals_set_the_step():
    """Protects models in single precision: their differences need wider steps."""
    y = np.linspace(1, 2, 6, dtype=np.float32)

    def func(X, y):
        return (X.astype(np.float32) ** 2 - y[:, None]).astype(np.float32)

    fits = leastsq_many(func, np.ones((6, 1)), data=[y])
    np.testing.assert_allclose(fits.popt[:, 0], np.sqrt(y), rtol=1e-5)


BAD_CALLS = {
    "one start": ({"x0": [1.0, 2.0]}, ValueError, r"x0 has shape \(2,\).*broadcast_to"),
    "text": ({"x0": [["a"]]}, TypeError, "x0 is"),
    "no function": ({"func": 3}, TypeError, "func is int 3"),
    "data": ({"data": np.ones((4, 2))}, TypeError, "data is ndarray"),
    "data of another shape": ({"data": [np.ones(3)]}, ValueError, r"data\[0\] has shape \(3,\)"),
    "objects": ({"data": [np.array([None] * 4)]}, TypeError, r"data\[0\]"),
    "one for all": ({"func": lambda X: X[0]}, ValueError, r"func returned shape \(2,\)"),
    "alone": ({"func": lambda X: X + np.ones(5)}, ValueError, r"called with X of shape \(2, 2\)"),
    "few": ({"func": lambda X: X[:, :1]}, TypeError, "N=2 must not exceed .* M=1"),
    "Dfun": ({"Dfun": lambda X: X}, TypeError, r"Jacobians of shape \(4, 2\); want \(4, 2, 2\)"),
    "ftol": ({"ftol": -1.0}, TypeError, "Improper input parameters. leastsq_many: ftol is -1.0"),
    "maxfev": ({"maxfev": "x"}, TypeError, "maxfev"),
    "unknown": ({"ftoll": 1.0}, TypeError, "unexpected keyword argument 'ftoll'"),
    "diag": ({"diag": [1.0]}, ValueError, "diag has 1 entries"),
    "bounds": ({"bounds": ([1, 1], [0, 2])}, ValueError, "lower <= upper"),
    "workers": ({"workers": 0}, ValueError, "workers is 0"),
    "chunk": ({"chunk": 0}, ValueError, "chunk is 0"),
    "out": ({"out": {"popt": np.ones(3)}}, ValueError, r"out\['popt'\] has shape"),
    "out of it": ({"out": {"x": np.ones(3)}}, ValueError, "out has 'x'"),
    "resume": ({"resume": 3}, TypeError, "resume is int 3"),
}


@pytest.mark.parametrize(("arguments", "error", "text"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_calls(arguments, error, text):
    """Protects who has got a call wrong: the error says what is wrong with which argument."""
    call = {"func": lambda X: X - 1.0, "x0": np.full((4, 2), 3.0), **arguments}
    with pytest.raises(error, match=text):
        leastsq_many(**call)


def test_another_size_later():
    """Protects from reading beyond what func returns."""
    calls = []

    def func(X):
        calls.append(1)
        return np.ones((len(X), 3 if len(calls) < 3 else 2)) * X[:, :1]

    with pytest.raises(ValueError, match=r"func returned shape \(\d+, 2\).*M = 3"):
        leastsq_many(func, np.ones((4, 2)))


def test_starts_that_are_no_starts():
    """Protects the others from a fit that cannot begin."""
    x0 = np.ones((5, 2))
    x0[1, 0], x0[3, 1] = np.nan, np.inf
    fits = leastsq_many(lambda X: X - 0.5, x0, bounds=(0, [2, 2]))
    assert fits.ier.tolist()[1::2] == [0, 0]
    assert not fits.failed[::2].any()
    assert fits.message(1) == "Not begun: its start is not finite."
    fits = leastsq_many(lambda X: X - 0.5, x0 * [[1], [1], [3], [1], [1]], bounds=(0, 2))
    assert fits.message(2) == "Not begun: its start is out of bounds."
    assert "3  Not begun" not in str(fits)
