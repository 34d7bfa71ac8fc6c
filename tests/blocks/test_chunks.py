"""curve_fit in chunks: the fit in memory, cut; data in files; what is checked chunk by chunk."""

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas
import pytest

from pyminpack import OptimizeWarning, curve_fit

rng = np.random.default_rng(7)
M = 3000
T = rng.uniform(0.0, 10.0, M)
START = [2.0, 4.5, 1.0, 0.0]


def peak(t, height, place, width, ground):
    return height * np.exp(-(((t - place) / width) ** 2)) + ground


def derivatives(t, height, place, width, ground):
    z = (t - place) / width
    shape = np.exp(-(z**2))
    slope = 2.0 * height * shape * z / width
    return np.stack([shape, slope, slope * z, np.ones_like(t)], axis=1)


Y = peak(T, 3.0, 5.0, 1.2, 0.5) + rng.normal(scale=0.3, size=M)
SIGMA = rng.uniform(0.2, 0.4, M)


def mapped(folder, name, values):
    array = np.memmap(folder / name, values.dtype, "w+", shape=values.shape)
    array[...] = values
    array.flush()
    return np.memmap(folder / name, values.dtype, "r", shape=values.shape)


def assert_same(found, expected, rtol=1e-6):
    """The same but for rounding: of a difference Jacobian, and of a fit that ends by ftol."""
    np.testing.assert_allclose(found[0], expected[0], rtol=rtol)
    np.testing.assert_allclose(found[1], expected[1], rtol=10 * rtol)
    assert (found.dof, found.ier, found.names) == (expected.dof, expected.ier, expected.names)
    np.testing.assert_allclose(found.chisqr, expected.chisqr, rtol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"jac": derivatives},
        {"jac": lambda *args: derivatives(*args).T, "col_deriv": True},
        {"jac": "3-point"},
        {"jac": "cs"},
        {"jac": "adaptive"},
        {"sigma": 0.3, "absolute_sigma": True},
        {"sigma": SIGMA},
        {"sigma": SIGMA, "jac": derivatives, "absolute_sigma": True},
        {"bounds": ([0, 0, 0, 0.7], [9, 9, 9, 9])},
        {"bounds": ([0, 0, 0, 0.5], [9, 9, 9, 0.5])},
        {"method": "trf", "x_scale": [1, 2, 1, 1]},
    ],
    ids=lambda options: ", ".join(options),
)
@pytest.mark.bundled
def test_same_as_in_memory(options):
    start = [2.0, 4.5, 1.0, options["bounds"][0][3]] if "bounds" in options else START
    expected = curve_fit(peak, T, Y, start, full_output=True, xtol=1e-12, **options)
    found = curve_fit(peak, T, Y, start, full_output=True, xtol=1e-12, chunk=700, **options)
    assert_same(found, expected)
    assert found.nfev == expected.nfev or options["jac"] == "adaptive"
    assert [f.size for f in found.infodict["fvec"]] == [700, 700, 700, 700, 200]
    np.testing.assert_allclose(
        np.asarray(found.infodict["fvec"]), expected.infodict["fvec"], atol=1e-6
    )
    np.testing.assert_array_equal(found.active_mask, expected.active_mask)
    band = found.band([1.0, 5.0])
    np.testing.assert_allclose(band, expected.band([1.0, 5.0]), rtol=1e-5)


def test_same_bits_whoever_works():
    def bits(**crew):
        popt, pcov = curve_fit(peak, T, Y, START, sigma=SIGMA, chunk=500, **crew)
        return popt.tobytes(), pcov.tobytes()

    alone = bits()
    assert bits(workers=3) == alone
    with ThreadPoolExecutor(2) as executor:
        assert bits(executor=executor) == alone


class TestFiles:
    def test_is_cut(self, tmp_path, monkeypatch):
        """Protects memory: what is mapped is cut, if it is large, without being asked for."""
        monkeypatch.setattr("pyminpack._input.fit_data.CUT", 1000)
        monkeypatch.setattr("pyminpack._blocks.chunked_fit.LEAST_ROWS", 600)
        monkeypatch.setattr("pyminpack._blocks.chunked_fit.CHUNK_NUMBERS", 600)
        sizes = set()

        def f(t, *p):
            sizes.add(t.size)
            assert type(t) is np.ndarray
            return peak(t, *p)

        x, y = mapped(tmp_path, "x", T), mapped(tmp_path, "y", Y)
        found = curve_fit(f, x, y, START)
        assert max(sizes) == 600
        expected = curve_fit(peak, T, Y, START)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
        sizes.clear()
        curve_fit(f, x[:1000], y[:1000], START)
        assert sizes == {1000}
        sizes.clear()
        curve_fit(f, x, Y, START)  # one of them is enough
        assert max(sizes) == 600

    def test_is_not_cut(self, tmp_path, monkeypatch):
        """Protects models that are handed what has no rows: those are called as ever."""
        monkeypatch.setattr("pyminpack._input.fit_data.CUT", 1000)
        y = mapped(tmp_path, "y", Y)
        for x in (None, 3.0, np.ones((M, 2))):
            popt, _ = curve_fit(lambda x, *p: peak(T, *p), x, y, START)
            np.testing.assert_allclose(popt, curve_fit(peak, T, Y, START)[0], rtol=1e-6)

    @pytest.mark.parametrize("dtype", ["f4", ">f8", "i2"])
    def test_dtypes(self, tmp_path, dtype):
        """Protects the conversion to float64, chunk by chunk."""
        y = (100 * Y).astype(dtype)
        found = curve_fit(peak, T, mapped(tmp_path, "y", y), [200.0, *START[1:]], chunk=700)
        expected = curve_fit(peak, T, y.astype(float), [200.0, *START[1:]])
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)

    def test_predictors(self):
        """Protects arrays (k, M), which are cut along their last axis, and tables by their rows."""

        def plane(x, a, b, c):
            return a * x[0] + b * x[1] + c

        def of_table(table, a, b, c):
            return plane((table["u"], table["v"]), a, b, c)

        x = rng.normal(size=(2, M))
        y = plane(x, 1.0, 2.0, 3.0) + rng.normal(size=M)
        expected = curve_fit(plane, x, y)[0]
        table = {"u": x[0], "v": x[1]}
        for f, data in (
            (plane, x), (of_table, table), (of_table, pandas.DataFrame(table)),
            (of_table, np.rec.fromarrays(list(x), names="u,v")),
        ):  # fmt: skip
            np.testing.assert_allclose(curve_fit(f, data, y, chunk=999)[0], expected, rtol=1e-7)
        lists = curve_fit(plane, x.tolist(), y.tolist(), sigma=[1.0] * M, chunk=999)
        np.testing.assert_allclose(lists[0], expected, rtol=1e-7)
        series = curve_fit(lambda t, a: a * t, pandas.Series(x[0]), pandas.Series(y), chunk=999)
        np.testing.assert_allclose(series[0], curve_fit(lambda t, a: a * t, x[0], y)[0], rtol=1e-7)


class TestChecks:
    @pytest.mark.parametrize("where", [0, 2500])
    def test_not_finite(self, where):
        y = Y.copy()
        y[where] = np.nan
        with pytest.raises(
            ValueError, match="ydata must not contain infs or NaNs: ydata"
        ) as caught:
            curve_fit(peak, T, y, START, chunk=1000)
        assert f"block {where // 1000} (from 0)" in caught.value.__notes__[-1]
        assert where == 0 or "counts from 2000" in caught.value.__notes__[0]
        with pytest.raises(ValueError, match="The input contains nan values: ydata"):
            curve_fit(peak, T, y, START, chunk=1000, nan_policy="raise")
        with pytest.raises(RuntimeError, match=r"returned nan .* of block [02]"):
            curve_fit(peak, T, y, START, chunk=1000, check_finite=False)

    def test_omit(self):
        """Protects what is left out, in any of the data; of one chunk there is nothing left."""
        x, y, sigma = T.copy(), Y.copy(), SIGMA.copy()
        x[5], y[17], sigma[2900] = np.nan, np.nan, np.nan
        y[1000:2000] = np.nan
        expected = curve_fit(peak, x, y, START, sigma=sigma, nan_policy="omit")
        found = curve_fit(peak, x, y, START, sigma=sigma, nan_policy="omit", chunk=1000)
        assert found.dof == 1997 - 4
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
        with pytest.raises(TypeError, match="number of data points=0"):
            curve_fit(peak, T, Y * np.nan, START, nan_policy="omit", chunk=1000)

    @pytest.mark.parametrize(
        "f",
        [
            lambda t, a, b: a * (t - t.mean()) + b,
            lambda t, a, b: a * np.sort(t) + b,
            lambda t, a, b: np.cumsum(a * t) + b,
            lambda t, a, b: a * np.arange(t.size) + b,
        ],
    )
    def test_model_of_neighbours(self, f):
        """Protects from another model than the one that was meant, which nobody would notice."""
        with pytest.raises(ValueError, match="cannot be fitted in chunks"):
            curve_fit(f, T, Y, chunk=1000)

    def test_misuse(self):
        def line(t, a, b):
            return a + b * t

        for options, error, match in (
            ({"chunk": 0}, ValueError, "chunk is 0; want a positive"),
            ({"chunk": 1.5}, TypeError, "chunk is float 1.5"),
            ({"sigma": np.eye(M)}, ValueError, r"sigma has the shape \(3000, 3000\); in chunks"),
            ({"sigma": SIGMA[:-1]}, ValueError, r"sigma has the shape \(2999,\)"),
            ({"sigma": 0.0}, ValueError, "want standard deviations other than 0"),
            ({"method": "lm", "bounds": (0, 9)}, ValueError, "method='lm'"),
            ({"xdata": T[:-1]}, ValueError, r"xdata has the shape \(2999,\); in chunks"),
            ({"xdata": {"t": T[:-1]}}, ValueError, r"xdata\['t'\] has the shape"),
            ({"xdata": None}, TypeError, "xdata is NoneType None; in chunks, want an array"),
            ({"ydata": Y.reshape(3, -1)}, ValueError, r"ydata have the shape \(3, 1000\)"),
            ({"p0": [1.0, 2.0, 3.0]}, TypeError, "takes"),
            ({"nan_policy": "some"}, ValueError, "nan_policy must be one of"),
            ({"frobnicate": 3}, TypeError, "unexpected keyword argument 'frobnicate'"),
            ({"f": lambda t, a, b: t[:-1] * a + b}, ValueError, "f returned shape"),
            ({"ydata": Y[:1], "xdata": T[:1]}, TypeError, "number of func parameters=2"),
        ):
            arguments = {"f": line, "xdata": T, "ydata": Y, "chunk": 1000, **options}
            with pytest.raises(error, match=match):
                curve_fit(**arguments)
        with pytest.raises(TypeError, match="checkpoint is for data in chunks; want chunk"):
            curve_fit(line, T, Y, checkpoint="fit.npz")

    def test_overwriting(self):
        def careless(t, a, b):
            t *= a
            return t + b

        before = T.copy()
        with pytest.raises(ValueError, match="f has overwritten its xdata"):
            curve_fit(careless, T, Y, [2.0, 1.0], chunk=1000)
        np.testing.assert_array_equal(T, before)

    def test_error_of_the_model(self):
        def picky(t, a, b):
            if t[0] == T[2000]:
                raise LookupError("there")
            return a + b * t

        with pytest.raises(LookupError, match="there") as caught:
            curve_fit(picky, T, Y, chunk=1000)
        assert "block 2 (from 0)" in caught.value.__notes__[0]


class TestCovariance:
    def test_dependent(self):
        """Protects the warning that names the cause, from a sample of the data."""
        with pytest.warns(
            OptimizeWarning, match="do not tell apart parameter 0 .* and parameter 1"
        ):
            _, pcov = curve_fit(lambda t, a, b: (a + b) * t, T, Y, chunk=1000)
        assert np.isinf(pcov).all()
        with pytest.warns(OptimizeWarning, match="does not depend on parameter 1"):
            curve_fit(lambda t, a, b: a * t + 0.0 * b, T, Y, chunk=1000)

    def test_better_derivatives(self):
        """Protects the standard errors where forward differences are not good enough for them."""
        place = 1e6 + T

        def date(t, height, place, width):
            return height * np.exp(-(((t - place) / width) ** 2))

        y = date(place, 3.0, 1e6 + 5.0, 1.2) + rng.normal(scale=0.3, size=M)
        start = [2.0, 1e6 + 4.8, 1.0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)
            found = curve_fit(date, place, y, start, chunk=1000)
        expected = curve_fit(date, place, y, start)
        np.testing.assert_allclose(np.diag(found[1]), np.diag(expected[1]), rtol=0.02)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-8)

    def test_stopped(self):
        def stop(iteration):
            raise StopIteration

        with pytest.warns(OptimizeWarning, match="the callback has stopped the fit"):
            _, pcov = curve_fit(peak, T, Y, START, chunk=1000, callback=stop)
        assert np.isinf(pcov).all()

    def test_not_found(self):
        with pytest.raises(RuntimeError, match="Optimal parameters not found: Number of calls"):
            curve_fit(peak, T, Y, START, chunk=1000, maxfev=3)


class TestResult:
    def test_report(self):
        result = curve_fit(peak, T, Y, START, sigma=SIGMA, chunk=1000)
        expected = curve_fit(peak, T, Y, START, sigma=SIGMA)
        assert str(result) == str(expected)

    def test_keeps_no_data(self):
        result = curve_fit(peak, T, Y, START, chunk=1000, full_output=True)
        with pytest.raises(ValueError, match="keeps no data; want x"):
            result.band()
        with pytest.raises(ValueError, match="keeps no data: there is nothing to plot"):
            result.plot()
        for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
            np.testing.assert_array_equal(again.popt, result.popt)
            assert (again.chisqr, again.dof) == (result.chisqr, result.dof)
            np.testing.assert_array_equal(again.band([5.0]), result.band([5.0]))
            with pytest.raises(ValueError, match="their norm alone"):
                list(again.infodict["fvec"])


def test_checkpoint(tmp_path):
    """Protects the way on from a file, of the second fit with better derivatives as well."""
    path = tmp_path / "fit.npz"
    expected = curve_fit(peak, T, Y, START, chunk=1000)

    def stop(iteration):
        raise StopIteration

    with pytest.warns(OptimizeWarning):
        curve_fit(peak, T, Y, START, chunk=1000, checkpoint=path, callback=stop)
    found = curve_fit(peak, T, Y, START, chunk=1000, checkpoint=path)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]
    assert found.nfev == expected.nfev
