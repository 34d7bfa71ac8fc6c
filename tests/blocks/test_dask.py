"""curve_fit of Dask's arrays and tables: on its threads, and on a cluster whose workers may die."""

from functools import partial

import dask
import dask.array
import dask.dataframe
import numpy as np
import pandas
import pytest
from block_models import deadly_peak, line_less_five, peak
from dask.distributed import Client, LocalCluster

from pyminpack import OptimizeWarning, curve_fit, leastsq
from pyminpack._blocks.crew import Tree
from pyminpack._blocks.distributed import _join

pytestmark = [
    pytest.mark.bundled,
    pytest.mark.optimised,  # nothing here that the tests of chunks do not call
    pytest.mark.filterwarnings("default:::distributed", "default:::asyncio", "default:::tornado"),
]

rng = np.random.default_rng(7)
M = 3000
T = rng.uniform(0.0, 10.0, M)
Y = peak(T, 3.0, 5.0, 1.2, 0.5) + rng.normal(scale=0.3, size=M)
SIGMA = rng.uniform(0.2, 0.4, M)
START = [2.0, 4.5, 1.0, 0.0]


def arrays(x=600, y=700):
    return dask.array.from_array(T, chunks=x), dask.array.from_array(Y, chunks=y)


def bits(result):
    return [array.tobytes() for array in result[:2]]


class TestArrays:
    @pytest.mark.parametrize("options", [{}, {"sigma": SIGMA}, {"bounds": (0.0, 9.0)}])
    def test_same_as_in_chunks(self, options):
        """Protects the numbers: where partitions are chunks the bits are the same."""
        if "sigma" in options:
            local = curve_fit(peak, T, Y, START, chunk=700, sigma=SIGMA)
            for sigma in (SIGMA, dask.array.from_array(SIGMA, chunks=999)):
                assert bits(curve_fit(peak, *arrays(), START, sigma=sigma)) == bits(local)
        else:
            local = curve_fit(peak, T, Y, START, chunk=700, **options)
            found = curve_fit(peak, *arrays(), START, full_output=True, **options)
            assert bits(found) == bits(local)
            assert (found.nfev, found.dof) == (local.nfev, local.dof)
            assert [f.size for f in found.infodict["fvec"]] == [700, 700, 700, 700, 200]

    def test_in_a_dict(self):
        x, y = arrays()
        found = curve_fit(lambda data, *p: peak(data["t"], *p), {"t": x, "two": 2 * x}, y, START)
        assert bits(found) == bits(curve_fit(peak, T, Y, START, chunk=700))

    def test_large_partitions(self):
        """Protects memory: a partition is cut further where it is worked on, as `chunk` says."""
        sizes = set()

        def f(t, *p):
            sizes.add(t.size)
            return peak(t, *p)

        found = curve_fit(f, *arrays(3000, 3000), START, chunk=400)
        assert sizes == {400, 200}  # 200: the last, and the halves of a first look
        np.testing.assert_allclose(found[0], curve_fit(peak, T, Y, START)[0], rtol=1e-6)

    def test_predictors(self):
        """Protects (k, M), split along both axes, and what is no array of Dask's beside one."""

        def plane(x, a, b):
            return a * x[0] + b * x[1]

        x = rng.normal(size=(2, M))
        expected = curve_fit(plane, x, Y)[0]
        y = dask.array.from_array(Y, chunks=700)
        for data in (x, dask.array.from_array(x, chunks=(1, 500))):
            np.testing.assert_allclose(curve_fit(plane, data, y)[0], expected, rtol=1e-7)
        found = curve_fit(plane, dask.array.from_array(x, chunks=(2, 500)), Y)
        np.testing.assert_allclose(found[0], expected, rtol=1e-7)

    def test_unknown_sizes(self):
        """Protects partitions of which nobody knows the size, one of them empty."""
        x, y = arrays(700, 700)
        positive = y > 0.0
        part = (T > 1.0) & (Y > 0.0)
        part[:700] = False
        kept = dask.array.from_array(part, chunks=700)
        found = curve_fit(peak, x[kept], y[kept], START)
        expected = curve_fit(peak, T[part], Y[part], START)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
        assert found.dof == expected.dof
        with pytest.raises(ValueError, match="are of unknown sizes"):
            curve_fit(peak, x[positive], y.rechunk(500)[positive.rechunk(500)], START)

    def test_omit(self):
        y = Y.copy()
        y[:800] = np.nan
        found = curve_fit(
            peak, *arrays()[:1], dask.array.from_array(y, chunks=700), START, nan_policy="omit"
        )
        np.testing.assert_allclose(found[0], curve_fit(peak, T[800:], Y[800:], START)[0], rtol=1e-6)
        with pytest.raises(ValueError, match="infs or NaNs") as caught:
            curve_fit(peak, arrays()[0], dask.array.from_array(y, chunks=700), START)
        assert any("(from 0) of Dask's" in note for note in caught.value.__notes__)

    def test_diagnosis(self):
        """Protects the words about the covariance, from a sample of all partitions."""
        with pytest.warns(OptimizeWarning, match="do not tell apart parameter 0 .* parameter 1"):
            curve_fit(lambda t, a, b: (a + b) * t, *arrays())

    def test_misuse(self):
        x, y = arrays()
        for data, options, error, match in (
            ((x, y), {"workers": 2}, TypeError, "not for Dask's data"),
            ((x[:-1], y), {}, ValueError, r"xdata has the shape \(2999,\); in chunks"),
            ((x, y.reshape(2, -1)), {}, ValueError, r"ydata have the shape \(2, 1500\)"),
        ):
            with pytest.raises(error, match=match):
                curve_fit(peak, *data, START, **options)


class TestTables:
    table = pandas.DataFrame({"t": T, "y": Y, "s": SIGMA})

    def test_columns(self):
        expected = curve_fit(peak, T, Y, START, sigma=SIGMA)
        frame = dask.dataframe.from_pandas(self.table, npartitions=4)
        for x, y, sigma in (
            (frame.t, frame.y, frame.s),
            (frame.t, frame.y, SIGMA),
            (arrays()[0], frame.y, frame.s),
            (frame.t, Y, SIGMA),
        ):
            found = curve_fit(peak, x, y, START, sigma=sigma)
            np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)

    def test_table(self):
        """Protects a model of several columns, which gets the partition's table."""
        frame = dask.dataframe.from_pandas(self.table, npartitions=4)

        def f(table, a, b):
            return a * table["t"] + b * table["s"]

        expected = curve_fit(f, self.table, Y)[0]
        np.testing.assert_allclose(curve_fit(f, frame, frame.y)[0], expected, rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 15, 17, 64, 65, 100])
def test_same_tree(count):
    """Protects the bits: groups of neighbours make the same tree as pairs that wait."""
    both = None, lambda first, second: (first, second)
    nodes = list(range(count))
    while len(nodes) > 1:
        nodes = [_join(both, nodes[k : k + 8]) for k in range(0, len(nodes), 8)]
    tree = Tree(both[1])
    for index in range(count):
        tree.add(index, index)
    assert nodes[0] == tree.root()


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


class TestCluster:
    def test_same_bits(self, client, tmp_path):
        """Protects the numbers on a cluster, also where a worker dies in the middle."""
        expected = curve_fit(peak, T, Y, START, chunk=700)
        assert bits(curve_fit(peak, *arrays(), START)) == bits(expected)
        deadly = partial(deadly_peak, str(tmp_path))
        assert bits(curve_fit(deadly, *arrays(), START)) == bits(expected)
        assert (tmp_path / "dead").exists()

    def test_executor(self, client):
        """Protects blocks of any kind on a cluster, by its executor; and the block of an error."""

        def fit(**crew):
            return leastsq(line_less_five, [1.0, 1.0], blocks=[1.0, 2.0, 4.0], **crew)

        found = fit(executor=client.get_executor(pure=False))
        assert found[0].tobytes() == fit()[0].tobytes()
        with pytest.raises(LookupError, match="no block 5") as caught:
            leastsq(
                line_less_five, [1.0, 1.0], blocks=range(9),
                executor=client.get_executor(pure=False),
            )  # fmt: skip
        assert "block 5 (from 0)" in caught.value.__notes__[-1]
