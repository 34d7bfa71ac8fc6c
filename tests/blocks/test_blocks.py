"""Fits in blocks: the same fit as in memory, the same bits whoever works, and what may go wrong."""

import _thread
import itertools
import signal
import threading
from array import array
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from block_models import T, line_less_five
from block_models import decay_jacobian as jacobian
from block_models import decay_residuals as residuals

from pyminpack import leastsq
from pyminpack._blocks.crew import AHEAD, Crew
from pyminpack._errors import add_note

rng = np.random.default_rng(13)
START = [1.0, 1.0, 1.0]
WHOLE = slice(None)
#: Of different sizes, one of them empty, and not a power of two of them.
BLOCKS = [slice(*ends) for ends in itertools.pairwise([0, 1, 90, 300, 300, 301, 610, 1001])]


def by_columns(x, rows):
    return jacobian(x, rows).T


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"Dfun": jacobian},
        {"Dfun": by_columns, "col_deriv": True},
        {"Dfun": "2-point"},
        {"Dfun": "3-point"},
        {"Dfun": "cs"},
        {"epsfcn": 1e-10},
        {"bounds": ([0, 0, 0], [2, 5, 5])},
        {"bounds": ([0, 0, 0.4], [5, 5, 0.4]), "Dfun": jacobian},
        {"bounds": ([0, 0, 0.4], [5, 5, 0.4])},
        {"maxfev": 7},
        {"max_nfev": 3},
        {"diag": [1.0, 2.0, 3.0]},
        {"factor": 0.5},
        {"gtol": 0.9},
        {"ftol": -1.0},
    ],
    ids=lambda options: ", ".join(options) or "none",
)
@pytest.mark.bundled
def test_same_as_in_memory(options):
    """Protects the promise that blocks change rounding errors only: ier, counts, text are equal."""
    start = [1.0, 1.0, options["bounds"][0][2] or 1.0] if "bounds" in options else START
    # By ftol alone, so that no rounding error decides which of the two has ended the fit.
    options = {"xtol": 1e-12, **options}
    options_whole = dict(options)
    if callable(options.get("Dfun")):
        options_whole["Dfun"] = lambda x: options["Dfun"](x, WHOLE)
    x, cov_x, info, mesg, ier = leastsq(
        lambda x: residuals(x, WHOLE), start, full_output=True, **options_whole
    )
    found = leastsq(residuals, start, blocks=BLOCKS, full_output=True, **options)
    assert (found[4], found[3]) == (ier, mesg)
    assert found[2].get("njev") == info.get("njev")
    if ier:  # improper input is seen before any call
        assert found[2]["nfev"] == info["nfev"]
    # A forward difference of residuals of size 1 is wrong by 1e-8 of it.
    np.testing.assert_allclose(found[0], x, rtol=1e-7)
    if cov_x is None:
        assert found[1] is None
    else:
        np.testing.assert_allclose(found[1], cov_x, rtol=1e-6, atol=1e-20)
    if "bounds" in options:
        np.testing.assert_array_equal(found[2]["active_mask"], info["active_mask"])


def test_factors():
    """Protects R, ipvt and qtf: RᵀR is JᵀJ and Rᵀ(Qᵀf) is Jᵀf, in the order of the pivots."""
    _, _, info, *_ = leastsq(
        residuals, START, Dfun=jacobian, blocks=BLOCKS, full_output=True, maxfev=4
    )
    trace = []
    leastsq(
        lambda x, b: residuals(x, b), START, Dfun=lambda x, b: trace.append(x) or jacobian(x, b),
        blocks=[WHOLE], full_output=True, maxfev=4,
    )  # fmt: skip
    j, f = jacobian(trace[-1], WHOLE), residuals(trace[-1], WHOLE)
    pivots = info["ipvt"] - 1
    r = info["fjac"].T
    np.testing.assert_array_equal(r, np.triu(r))
    np.testing.assert_allclose(r.T @ r, (j.T @ j)[np.ix_(pivots, pivots)], rtol=1e-12)
    np.testing.assert_allclose(r.T @ info["qtf"], (j.T @ f)[pivots], rtol=1e-9)


class Reversed(Executor):
    """Works on what it is given last first, when somebody waits: the worst of orders."""

    def __init__(self):
        self.open = []
        self.most = 0

    def submit(self, work, /, *args):
        executor = self

        class Late(Future):
            def result(self, timeout=None):
                while executor.open:
                    late, call, arguments = executor.open.pop()
                    late.set_result(call(*arguments))
                return super().result(timeout)

        future = Late()
        self.open.append((future, work, args))
        self.most = max(self.most, len(self.open))
        return future


def all_bits(outcome):
    x, cov_x, info, mesg, ier = outcome
    return [x.tobytes(), cov_x.tobytes(), info["fjac"].tobytes(), info["qtf"].tobytes(), mesg, ier]


@pytest.mark.parametrize("options", [{}, {"Dfun": jacobian}, {"bounds": (0.0, 2.0)}])
def test_same_bits_whoever_works(options):
    def fit(**crew):
        return all_bits(
            leastsq(residuals, START, blocks=BLOCKS, full_output=True, **options, **crew)
        )

    alone = fit()
    for workers in (2, 3, 16, -1):
        assert fit(workers=workers) == alone
    late = Reversed()
    assert fit(executor=late, workers=2) == alone
    assert late.most == 2 * AHEAD
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        assert fit(executor=executor) == alone


class TestBlocks:
    def test_of_any_kind(self):
        """Protects what is iterated anew, without a length: no sequence is asked for."""

        class Anew:
            def __iter__(self):
                return iter(np.array_split(T, 5))

        x, _ = leastsq(lambda x, t: x[0] + x[1] * t - 2.0 * t, [1.0, 1.0], blocks=Anew())
        np.testing.assert_allclose(x, [0.0, 2.0], atol=1e-8)

    @pytest.mark.parametrize("blocks", [iter(BLOCKS), (b for b in BLOCKS), map(abs, [1])])
    def test_of_one_use(self, blocks):
        with pytest.raises(TypeError, match="can be gone through only once"):
            leastsq(residuals, START, blocks=blocks)

    def test_no_blocks(self):
        with pytest.raises(TypeError, match="blocks is int 3; want a sequence"):
            leastsq(residuals, START, blocks=3)
        with pytest.raises(ValueError, match="blocks is empty"):
            leastsq(residuals, START, blocks=[])

    @pytest.mark.parametrize(("later", "found"), [(3, "3"), (8, "more")])
    def test_another_number(self, later, found):
        passes = itertools.count()

        class Changing:
            def __iter__(self):
                return iter(range(5 if next(passes) < 2 else later))

        with pytest.raises(ValueError, match=f"has given 5 blocks at first, and now {found}"):
            leastsq(lambda x, b: x - b, 1.0, blocks=Changing())

    def test_another_size(self):
        calls = itertools.count(1)

        def func(x, block):
            return np.full(3 if block == 5 and next(calls) > 2 else 2, x[0] - block)

        with pytest.raises(ValueError, match="returned 3 residuals, but 2 at its first") as caught:
            leastsq(func, 0.1, blocks=[1, 5])
        assert "in block 1 (from 0)" in caught.value.__notes__[0]

    def test_fewer_than_parameters(self):
        """Protects blocks of fewer rows than parameters, which together are enough; or are not."""
        x, _ = leastsq(lambda x, b: [x[b] - b], np.ones(4), blocks=range(4))
        np.testing.assert_allclose(x, range(4), atol=1e-12)
        with pytest.raises(TypeError, match="N=4 must not exceed func output vector length M=3"):
            leastsq(lambda x, b: [x[b] - b], np.ones(4), blocks=range(3))


class TestErrors:
    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize("late", [0, 8])
    def test_pass_through(self, workers, late):
        """Protects the exception: the same object, and which block it was in; the first of two."""
        error = LookupError("no such file")
        calls = itertools.count()

        def func(x, block):
            if block >= 3 and next(calls) >= late:
                raise error
            return x - block

        with pytest.raises(LookupError) as caught:
            leastsq(func, 1.0, blocks=range(6), workers=workers)
        assert caught.value is error
        assert caught.value.__cause__ is None
        notes = caught.value.__notes__
        assert len(notes) == 1
        assert workers > 1 or late or "block 3 (from 0)" in notes[0]

    def test_of_another_process(self):
        pool = ProcessPoolExecutor(1, get_context("spawn"))
        with pool as executor, pytest.raises(LookupError, match="no block 5") as caught:
            leastsq(line_less_five, [1.0, 1.0], blocks=range(6), executor=executor)
        assert "block 5 (from 0)" in caught.value.__notes__[-1]
        assert caught.value.__cause__ is not None  # the traceback there

    def test_in_reading(self):
        class Broken(Sequence):
            def __len__(self):
                return 3

            def __getitem__(self, index):
                if index == 2:
                    raise OSError("disk")
                return index

        with pytest.raises(OSError, match="disk") as caught:
            leastsq(lambda x, b: x - b, 1.0, blocks=Broken())
        assert "block 2 (from 0)" in caught.value.__notes__[0]

    def test_without_add_note(self):
        class Old:
            """An exception of Python 3.10."""

        class Slots:
            __slots__ = ()

        old = Old()
        add_note(old, "one")
        add_note(old, "two")
        add_note(Slots(), "none")
        assert old.__notes__ == ["one", "two"]

    @pytest.fixture
    def handled(self):
        """Let Ctrl-C be heard, which a shell's background jobs ignore."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    @pytest.mark.usefixtures("handled")
    @pytest.mark.parametrize("workers", [1, 2])
    def test_interrupt(self, workers):
        """Protects Ctrl-C: no block begins after it, and no thread is left at work."""
        begun = array("q")
        interrupted = threading.Event()

        def func(x, block):
            begun.append(block)
            if block == 5:
                _thread.interrupt_main()
                interrupted.set()
            elif block > 5:
                interrupted.wait(1.0)
            return x - block

        threads = threading.active_count()
        with pytest.raises(KeyboardInterrupt):
            leastsq(func, 1.0, blocks=range(1000), workers=workers)
        assert len(begun) <= 6 + 4 * AHEAD * workers
        assert threading.active_count() == threads

    def test_misuse(self):
        for options, error, match in (
            ({"workers": 0}, ValueError, "workers is 0"),
            ({"workers": 1.5}, TypeError, "workers is float 1.5"),
            ({"executor": 3}, TypeError, "executor is int 3"),
            ({"Dfun": "adaptive"}, ValueError, "seeks its steps with all residuals"),
            ({"Dfun": "4-point"}, ValueError, "Dfun is '4-point'"),
        ):
            with pytest.raises(error, match=match):
                leastsq(residuals, START, blocks=BLOCKS, **options)
        with pytest.raises(TypeError, match="want blocks, too"):
            leastsq(lambda x: x, 1.0, workers=2)


class TestNotFinite:
    def fit(self, func, **options):
        return leastsq(func, 1.0, blocks=range(4), full_output=True, **options)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_start(self, workers):
        def func(x, block):
            return np.where([False, block == 2], np.inf, x - block)

        _, cov_x, _, mesg, ier = self.fit(func, workers=workers)
        assert (ier, cov_x) == (9, None)
        assert "func returned inf as residual 1 (from 0) of block 2, at x0 = [1]" in mesg
        with pytest.raises(ValueError, match=r"residual 1 .* of block 2"):
            leastsq(func, 1.0, blocks=range(4))

    def test_jacobian(self):
        def Dfun(x, block):
            return np.array([[1.0], [np.nan if block == 3 else 1.0]])

        *_, mesg, ier = self.fit(lambda x, block: np.full(2, x - block), Dfun=Dfun)
        assert ier == 9
        assert "Dfun returned a Jacobian that is not finite: column 0 (from 0) of block 3" in mesg

    def test_differences(self):
        """Protects from a warning of numpy's, here an error, for what is told by `ier`."""

        def func(x, block):
            return np.full(2, np.inf if block == 1 and x != 1.0 else x - block)

        *_, mesg, ier = self.fit(func)
        assert ier == 9
        assert (
            "difference Jacobian made with func is not finite: column 0 (from 0) of block 1" in mesg
        )

    def test_every_trial(self):
        def func(x, block):
            return np.full(2, np.nan if block == 1 and x != 1.0 else x[0] - block)

        *_, mesg, ier = self.fit(func, Dfun=lambda x, block: np.ones((2, 1)))
        assert ier == 9
        assert "where func is defined, the last time in block 1." in mesg

    def test_some_trial(self):
        """Protects the region that shrinks at the edge of where func is defined."""

        def func(x, block):
            return np.full(2, np.nan if block == 1 and x > 1.9 else x**2 - 3.0 + 0.0 * block)

        x, *_, ier = self.fit(func)
        assert 1 <= ier <= 4
        np.testing.assert_allclose(x, np.sqrt(3.0))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_any_units(scale):
    """Protects the norm, a sum over blocks, from under- and overflow."""
    x, ier = leastsq(lambda x, b: scale * residuals(x, b), START, blocks=BLOCKS)
    expected, _ = leastsq(residuals, START, blocks=BLOCKS)
    assert 1 <= ier <= 4
    np.testing.assert_allclose(x, expected, rtol=1e-7)


class TestResiduals:
    def test_by_block(self):
        x, _, info, *_ = leastsq(residuals, START, blocks=BLOCKS, full_output=True)
        fvec = info["fvec"]
        expected = residuals(x, WHOLE)
        assert [f.size for f in fvec] == [1, 89, 210, 0, 1, 309, 391]
        assert fvec.size == 1001
        np.testing.assert_array_equal(np.asarray(fvec), expected)
        np.testing.assert_allclose(fvec.norm, np.linalg.norm(expected), rtol=1e-14)
        assert repr(fvec) == f"<1001 residuals in blocks, of norm {fvec.norm:.6g}>"

    def test_same_buffer(self):
        """Protects from a func that returns one buffer: f is kept while J is made."""
        buffer = np.empty(T.size)

        def func(x, rows):
            return np.copyto(buffer[rows], residuals(x, rows)) or buffer[rows]

        expected, _ = leastsq(residuals, START, blocks=BLOCKS)
        np.testing.assert_array_equal(leastsq(func, START, blocks=BLOCKS)[0], expected)

    def test_float32(self):
        """Protects the step of a model in single precision, by default as in memory."""

        def func(x, rows):
            return residuals(x, rows).astype(np.float32)

        expected, _ = leastsq(residuals, START, blocks=BLOCKS)
        x, _ = leastsq(func, START, blocks=BLOCKS)
        np.testing.assert_allclose(x, expected, rtol=1e-3)

    def test_x_is_the_callees(self):
        def func(x, rows):
            f = residuals(x, rows)
            x[:] = np.nan
            return f

        expected, _ = leastsq(residuals, START, blocks=BLOCKS)
        np.testing.assert_array_equal(leastsq(func, START, blocks=BLOCKS)[0], expected)

    def test_within_bounds(self):
        seen = []

        def func(x, rows):
            seen.append(x)
            return residuals(x, rows)

        leastsq(func, [1.0, 1.0, 1.0], blocks=BLOCKS, bounds=([0, 0.7, 0], [2, 1.5, 1]))
        assert np.all((np.array(seen) >= [0, 0.7, 0]) & (np.array(seen) <= [2, 1.5, 1]))


class TestWatching:
    @pytest.mark.bundled
    def test_callback(self):
        told = []
        leastsq(residuals, START, blocks=BLOCKS, callback=told.append)
        whole = []
        leastsq(lambda x: residuals(x, WHOLE), START, callback=whole.append)
        assert [(it.nit, it.nfev) for it in told] == [(it.nit, it.nfev) for it in whole]
        np.testing.assert_allclose([it.cost for it in told], [it.cost for it in whole], rtol=1e-6)
        np.testing.assert_allclose(np.asarray(told[1].fun), whole[1].fun, atol=1e-7)

    def test_stop(self):
        def stop(iteration):
            if iteration.nit == 2:
                raise StopIteration

        *_, ier = leastsq(residuals, START, blocks=BLOCKS, callback=stop)
        assert ier == 10

    def test_verbose(self, capsys):
        leastsq(residuals, START, blocks=BLOCKS, verbose=1)
        assert capsys.readouterr().out.startswith("iteration  calls            cost  trust region")


def test_context_of_threads():
    """Protects what the caller has set with numpy.errstate: it holds in the threads too."""
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        leastsq(lambda x, b: x / np.zeros(1) + b, 1.0, blocks=range(4), workers=2)


def test_crew_of_an_executor():
    """Protects the number of blocks in flight where the executor tells how many workers it has."""

    class Told(Reversed):
        num_workers = 3

    executor = Told()
    part = type("Part", (), {"rows": 1})
    with Crew(1, executor) as crew:
        crew.reduce(lambda *block: part, lambda first, second: first, range(50), array("q"))
    assert executor.most == 3 * AHEAD
