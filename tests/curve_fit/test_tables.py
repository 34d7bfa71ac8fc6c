"""Data in tables: pandas' columns and frames, dicts, and dates, as arrays would be."""

import subprocess
import sys
from datetime import timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from pyminpack import curve_fit

T = np.linspace(0.5, 6.0, 12)
Y = 3.0 * np.exp(-0.4 * T) + 0.02 * np.cos(9 * T)
SIGMA = 0.02 + 0.01 * T
START = [1.0, 1.0]
KEEP = np.arange(12) % 5 != 2


def decay(t, amplitude, rate):
    return amplitude * np.exp(-rate * t)


class Column:
    """What polars' and pyarrow's show of themselves: no pandas' `isna`."""

    def __init__(self, values):
        self._values = np.array(values)

    def __array__(self, dtype=None, copy=None):
        return self._values if dtype is None else self._values.astype(dtype)

    def __len__(self):
        return len(self._values)

    def __str__(self):
        return str(self._values)


class OfPolars(Column):
    """With a `to_numpy` that takes no dtype."""

    @property
    def shape(self):
        return self._values.shape

    def to_numpy(self, *, writable=False, allow_copy=True):
        return self._values


class OfPyarrow(Column):
    """Without a shape."""

    def to_numpy(self, zero_copy_only=True):
        return self._values


class Table:
    """Of polars' or pyarrow's columns: no dict, nor to be indexed by rows."""

    def __init__(self, data):
        self._data = {key: self.column(values) for key, values in data.items()}
        self.shape = (len(next(iter(data.values()))), len(data))

    def __getitem__(self, name):
        return self._data[name]

    def __str__(self):
        return " ".join(map(str, self._data.values()))

    def filter(self, keep):
        return type(self)({name: np.asarray(self[name])[keep] for name in self._data})


class FrameOfPolars(Table):
    column = OfPolars

    @property
    def columns(self):
        return list(self._data)

    @property
    def height(self):
        return self.shape[0]

    def to_numpy(self):
        return np.stack([np.asarray(values) for values in self._data.values()], axis=1)


class TableOfPyarrow(Table):
    column = OfPyarrow

    @property
    def column_names(self):
        return list(self._data)

    @property
    def columns(self):
        return list(self._data.values())


class DatasetOfXarray(dict):
    """A mapping whose rows are one of its dimensions; and that looks as if it were of Dask."""

    def __init__(self, data):
        super().__init__({key: np.array(values) for key, values in data.items()})
        self.sizes = {"t": len(next(iter(data.values()))), "band": 3}

    def __array__(self, dtype=None, copy=None):
        raise TypeError("no array")

    def __dask_graph__(self):
        return None

    def isel(self, index):
        return type(self)({name: values[index["t"]] for name, values in self.items()})


class ArrayOfXarray:
    """Two predictors, on dimensions in any order; no numpy array, whose last axis is the data's."""

    def __init__(self, values, dims):
        self.values, self.dims = values, dims
        self.sizes = dict(zip(dims, values.shape, strict=True))

    def __array__(self, dtype=None, copy=None):
        return self.values

    def isel(self, index):
        at = tuple(index.get(name, slice(None)) for name in self.dims)
        return type(self)(self.values[at], self.dims)


def assert_same(fit, reference):
    for ours, due in zip(fit, reference, strict=True):
        assert type(ours) is np.ndarray
        np.testing.assert_array_equal(ours, due)


COLUMNS = {
    "Series": pd.Series,
    "Series with an index of its own": lambda a: pd.Series(a, index=np.arange(len(a))[::-1] + 7),
    "Float64": lambda a: pd.Series(a, dtype="Float64"),
    "Index": pd.Index,
    "extension array": lambda a: pd.array(a, dtype="Float64"),
    "column of a frame": lambda a: pd.DataFrame({"a": a, "b": 1})["a"],
    "of polars": OfPolars,
    "of polars, decimals": lambda a: OfPolars([Decimal(x) for x in a.tolist()]),
    "of pyarrow": OfPyarrow,
}


def columns():
    return pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS.keys())


class TestColumns:
    @columns()
    def test_all_three(self, column):
        fit = curve_fit(decay, column(T), column(Y), START, column(SIGMA))
        assert_same(fit, curve_fit(decay, T, Y, START, SIGMA))

    @columns()
    def test_model_gets_one_array(self, column):
        seen = []

        def model(t, a, b):
            seen.append(t)
            return decay(t, a, b)

        curve_fit(model, column(T), Y, START)
        assert type(seen[0]) is np.ndarray
        assert all(t is seen[0] for t in seen)

    def test_integers(self):
        days = pd.Series(np.arange(12), dtype="Int64")
        assert_same(curve_fit(decay, days, Y, START), curve_fit(decay, np.arange(12), Y, START))

    @columns()
    def test_nan_is_named(self, column):
        t = np.where(KEEP, T, np.nan)
        with pytest.raises(
            ValueError, match=r"^curve_fit: xdata must not contain .*: xdata\[2\] is nan; nan"
        ):
            curve_fit(decay, column(t), Y, START)

    def test_text_is_refused(self):
        with pytest.raises(TypeError, match=r"xdata is Series.*; want real numbers"):
            curve_fit(decay, pd.Series(list("abcdefghijkl")), Y, START)

    def test_covariance_matrix_in_a_frame(self):
        matrix = np.diag(SIGMA**2)
        fit = curve_fit(decay, T, Y, START, pd.DataFrame(matrix))
        assert_same(fit, curve_fit(decay, T, Y, START, matrix))


class Rows:
    """A model of a table, by columns."""

    def __call__(self, data, amplitude, rate):
        return decay(np.asarray(data["t"]), amplitude, rate)


TABLES = {
    "DataFrame": pd.DataFrame,
    "dict of arrays": dict,
    "dict of Series": lambda data: {key: pd.Series(values) for key, values in data.items()},
    "records": lambda data: np.rec.fromarrays(list(data.values()), names=list(data)),
    "of polars": FrameOfPolars,
    "of pyarrow": TableOfPyarrow,
    "of xarray": DatasetOfXarray,
}


def tables():
    return pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())


@pytest.mark.parametrize("dims", [("kind", "t"), ("t", "kind")])
def test_predictors_of_xarray(dims):
    values = np.stack([T, np.where(KEEP, T, np.nan)])
    data = ArrayOfXarray(values if dims[1] == "t" else values.T, dims)

    def model(data, a, b):
        first, second = np.asarray(data) if dims[1] == "t" else np.asarray(data).T
        return decay(first, a, b) + 0.0 * second

    with pytest.raises(ValueError, match=r"xdata\[(1, 2|2, 1)\] is nan"):
        curve_fit(model, data, Y, START, nan_policy="raise")
    fit = curve_fit(model, data, Y, START, nan_policy="omit")
    assert_same(fit, curve_fit(decay, T[KEEP], Y[KEEP], START))


class TestTables:
    @tables()
    def test_passes_as_it_is(self, table):
        data, seen = table({"t": T, "other": T * np.nan}), []

        def model(data, a, b):
            seen.append(data)
            return decay(np.asarray(data["t"]), a, b)

        assert_same(curve_fit(model, data, Y, START), curve_fit(decay, T, Y, START))
        assert all(one is data for one in seen)

    def test_model_that_returns_series(self):
        """Their index does not matter: they are compared in order."""
        frame = pd.DataFrame({"t": T, "y": Y}, index=np.arange(12)[::-1])
        fit = curve_fit(Rows(), frame, frame["y"], START, SIGMA, jac="3-point")
        assert_same(fit, curve_fit(decay, T, Y, START, SIGMA, jac="3-point"))

    @tables()
    def test_nan_is_named_where_the_fit_fails(self, table):
        data = table({"t": np.where(KEEP, T, np.nan)})
        with pytest.raises(
            RuntimeError, match=r"curve_fit: the data are not finite: xdata\['t'\]\[2\] is nan; na"
        ):
            curve_fit(Rows(), data, Y, START)


CONTAINERS = {
    "array": (decay, np.array),
    "list": (decay, list),
    "stack": (lambda x, a, b: decay(x[0], a, b), lambda t: np.stack([t, T])),
    **{name: (decay, column) for name, column in COLUMNS.items()},
    **{name: (Rows(), lambda t, make=make: make({"t": t})) for name, make in TABLES.items()},
}


def containers():
    return pytest.mark.parametrize(
        ("model", "container"), CONTAINERS.values(), ids=CONTAINERS.keys()
    )


class TestOmit:
    """`nan_policy="omit"` is the fit of the other observations."""

    REFERENCE = staticmethod(lambda: curve_fit(decay, T[KEEP], Y[KEEP], START, SIGMA[KEEP]))

    @containers()
    @pytest.mark.parametrize("which", ["xdata", "ydata", "sigma"])
    def test_of_each(self, which, model, container):
        t, y, sigma = (
            np.where(KEEP | (which != name), a, np.nan)
            for name, a in (("xdata", T), ("ydata", Y), ("sigma", SIGMA))
        )
        fit = curve_fit(model, container(t), y, START, sigma, nan_policy="omit")
        assert_same(fit, self.REFERENCE())

    @columns()
    def test_of_columns(self, column):
        y, sigma = np.where(KEEP, Y, np.nan), np.where(KEEP, SIGMA, np.nan)
        fit = curve_fit(decay, column(T), column(y), START, column(sigma), nan_policy="omit")
        assert_same(fit, self.REFERENCE())

    def test_rows_of_a_covariance_matrix(self):
        matrix = np.diag(SIGMA**2)
        matrix[~KEEP] = np.nan
        matrix[:, ~KEEP] = np.nan
        fit = curve_fit(decay, T, Y, START, matrix, nan_policy="omit")
        due = curve_fit(decay, T[KEEP], Y[KEEP], START, np.diag(SIGMA[KEEP] ** 2))
        assert_same(fit, due)

    def test_a_number_of_all(self):
        y = np.where(KEEP, Y, np.nan)
        fit = curve_fit(decay, T, y, START, 0.1, absolute_sigma=True, nan_policy="omit")
        assert_same(fit, curve_fit(decay, T[KEEP], Y[KEEP], START, 0.1, absolute_sigma=True))

    def test_not_what_no_column_is(self):
        """Text is a model's own business, and so are numbers of another length."""
        frame = pd.DataFrame({"t": T, "label": [None, *"abcdefghijk"]})
        y = np.where(KEEP, Y, np.nan)
        fit = curve_fit(Rows(), frame, y, START, SIGMA, nan_policy="omit")
        assert_same(fit, self.REFERENCE())
        data = {"t": T, "offset": 0.0, "grid": np.ones(3), "unit": "s"}
        fit = curve_fit(Rows(), data, y, START, SIGMA, nan_policy="omit")
        assert_same(fit, self.REFERENCE())

    @containers()
    def test_the_callers_are_kept(self, model, container):
        t = np.where(KEEP, T, np.nan)
        data, again = container(t), container(t)
        curve_fit(model, data, Y, START, nan_policy="omit")
        assert str(data) == str(again)

    @pytest.mark.parametrize("which", ["xdata", "ydata", "sigma"])
    def test_raise_names_the_place(self, which):
        bad = {name: T.copy() for name in ("xdata", "ydata", "sigma")}
        bad[which][4] = np.nan
        with pytest.raises(ValueError, match=rf"input contains nan values: {which}\[4\] is nan"):
            curve_fit(decay, bad["xdata"], bad["ydata"], START, bad["sigma"], nan_policy="raise")
        frame = pd.DataFrame({"t": bad["xdata"]})
        place = r"xdata\['t'\]" if which == "xdata" else which
        with pytest.raises(ValueError, match=rf"input contains nan values: {place}\[4\] is nan"):
            curve_fit(Rows(), frame, bad["ydata"], START, bad["sigma"], nan_policy="raise")


class TestDates:
    DAYS = np.datetime64("2020-01-01") + np.arange(12).astype("timedelta64[D]")
    SPANS = np.arange(12).astype("timedelta64[D]")

    @staticmethod
    def model(days, amplitude, rate):
        return decay(11 * (days - days[0]) / (days[-1] - days[0]), amplitude, rate)

    @pytest.mark.parametrize("pack", [np.array, list, pd.Series, pd.DatetimeIndex])
    def test_count_in_their_unit(self, pack):
        days = self.DAYS if pack in (np.array, list) else self.DAYS.astype("datetime64[s]")
        due = curve_fit(self.model, days.astype(float), Y, START)
        assert_same(curve_fit(self.model, pack(days), Y, START), due)

    @pytest.mark.parametrize("pack", [pd.DatetimeIndex, pd.Series])
    @pytest.mark.parametrize("hours", [0, 5.5, -11])
    def test_time_zones(self, pack, hours):
        """They name an instant otherwise, and count alike: from 1970 in UTC."""
        days = self.DAYS.astype("datetime64[s]")
        local = pd.DatetimeIndex(days, tz="UTC").tz_convert(timezone(timedelta(hours=hours)))
        due = curve_fit(self.model, days.astype(float), Y, START)
        assert_same(curve_fit(self.model, pack(local), Y, START), due)

    def test_timedelta(self):
        due = curve_fit(self.model, np.arange(12.0), Y, START)
        assert_same(curve_fit(self.model, self.SPANS, Y, START), due)

    @pytest.mark.parametrize(
        ("data", "none"),
        [
            (DAYS, np.datetime64("NaT", "D")),
            (SPANS, np.timedelta64("NaT", "D")),
            (pd.Series(DAYS), pd.NaT),
            (pd.Series(SPANS), pd.NaT),
        ],
        ids=["days", "spans", "Series of days", "Series of spans"],
    )
    def test_not_a_time_is_missing(self, data, none):
        data = data.copy()
        data[3] = none
        with pytest.raises(ValueError, match=r"xdata\[3\] is nan"):
            curve_fit(self.model, data, Y, START)
        keep = np.arange(12) != 3
        fit = curve_fit(self.model, data, Y, START, nan_policy="omit")
        due = curve_fit(self.model, np.asarray(data)[keep].astype(float), Y[keep], START)
        assert_same(fit, due)


def test_pandas_is_not_imported():
    """What is asked of tables are their methods."""
    code = (
        "import sys, pyminpack; "
        "pyminpack.curve_fit(lambda t, a: a*t, (1, 2, 3), [1.0, 2.0, 3.1], nan_policy='omit'); "
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class TestRagged:
    @pytest.mark.parametrize("pack", [tuple, list])
    def test_advice_works(self, pack):
        """Two sets of data of their own lengths, in one fit."""
        t, y = T[:5], np.concatenate([Y[:5], Y])
        text = (
            r"xdata is .*ragged: its arrays have shapes \(5,\), \(12,\); want .* go to f in a dict"
        )
        with pytest.raises(TypeError, match=text):
            curve_fit(lambda x, a, b: decay(np.concatenate(x), a, b), pack([t, T]), y, START)
        fit = curve_fit(
            lambda x, a, b: decay(np.concatenate(list(x.values())), a, b),
            {"first": t, "second": T}, y, START,
        )  # fmt: skip
        assert_same(fit, curve_fit(decay, np.concatenate([t, T]), y, START))

    def test_errors_of_the_users_pass_through(self):
        class Own:
            def __array__(self, dtype=None, copy=None):
                raise ValueError("own words")

        for data in ((T, Own()), (T, Y, Own())):
            with pytest.raises(ValueError, match=r"^own words$"):
                curve_fit(decay, data[0], data[1], START, *data[2:])
