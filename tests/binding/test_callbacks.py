"""What happens inside func and Dfun stays theirs: exceptions, signals, recursion."""

import gc
import json
import signal
import subprocess
import sys
import time
import traceback
import warnings
import weakref

import numpy as np
import pytest
from fits import DECAY_START, Recorder, decay, decay_jacobian

from pyminpack import leastsq

DERIVATIVE = pytest.mark.parametrize(
    "derivative", [None, decay_jacobian], ids=["differences", "Dfun"]
)


@pytest.fixture(autouse=True)
def silence(capfd):
    """Nothing may be written to stdout or stderr, looked at on the level of file descriptors."""
    yield
    assert capfd.readouterr() == ("", "")


class Awkward(Exception):
    """An exception that cannot be built again, nor printed."""

    def __init__(self, one, *, two):
        super().__init__(one, two)

    def __str__(self):
        raise RuntimeError("this exception must not be printed")


EXCEPTIONS = {
    "ValueError": ValueError("out of range"),
    "TypeError": TypeError("not what you think"),
    "StopIteration": StopIteration(),
    "MemoryError": MemoryError(),
    "RecursionError": RecursionError(),
    "awkward": Awkward(1, two=2),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "SystemExit": SystemExit(3),
    "GeneratorExit": GeneratorExit(),
    "BaseException": BaseException("of no kind"),
}


class TestExceptions:
    @pytest.mark.parametrize("error", EXCEPTIONS.values(), ids=EXCEPTIONS.keys())
    @pytest.mark.parametrize("full_output", [False, True])
    @DERIVATIVE
    def test_same_object_from_func(self, error, full_output, derivative):
        """Protects the exception of func, of any kind: the object itself, nothing around it."""

        def failing(x):
            if func.count == 5:
                raise error
            return decay(x)

        func = Recorder(failing)
        with pytest.raises(type(error)) as caught:
            leastsq(func, DECAY_START, Dfun=derivative, full_output=full_output)
        assert caught.value is error
        assert error.__cause__ is None
        assert error.__context__ is None
        assert func.count == 5
        error.__traceback__ = None

    @pytest.mark.parametrize("error", EXCEPTIONS.values(), ids=EXCEPTIONS.keys())
    @pytest.mark.parametrize("call", [1, 2])
    def test_same_object_from_dfun(self, error, call):
        """Protects the exception of Dfun alike, at the first Jacobian and later."""

        def failing(x):
            if dfun.count == call:
                raise error
            return decay_jacobian(x)

        dfun = Recorder(failing)
        with pytest.raises(type(error)) as caught:
            leastsq(decay, DECAY_START, Dfun=dfun)
        assert caught.value is error
        assert dfun.count == call
        error.__traceback__ = None

    @pytest.mark.parametrize("call", range(1, 24))
    def test_at_every_call(self, call):
        """Protects each place that calls func: the start, every difference, every trial."""
        error = ArithmeticError("no")

        def failing(x):
            if func.count == call:
                raise error
            return decay(x)

        func = Recorder(failing)
        with pytest.raises(ArithmeticError) as caught:
            leastsq(func, DECAY_START)
        assert caught.value is error
        assert func.count == call

    @DERIVATIVE
    def test_traceback_leads_to_the_cause(self, derivative):
        """Protects the way back: caller, leastsq, func, and the line that failed, in this order."""

        def innermost(x):
            return x["rate"]

        def model(x):
            return innermost(x) if calls.count == 3 else decay(x)

        calls = Recorder(model)
        with pytest.raises(IndexError) as caught:
            leastsq(calls, DECAY_START, Dfun=derivative)
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        ours = ["test_traceback_leads_to_the_cause", "leastsq", "__call__", "model", "innermost"]
        assert [name for name in names if name in ours] == ours
        assert names[-1] == "innermost"

    def test_context_is_the_users_own(self):
        """Protects `raise … from …` inside func."""
        inner = KeyError("inner")

        def failing(x):
            try:
                raise inner
            except KeyError as error:
                raise ValueError("outer") from error

        with pytest.raises(ValueError, match="outer") as caught:
            leastsq(failing, DECAY_START)
        assert caught.value.__cause__ is inner

    def test_caught_inside_func(self):
        """Protects a func that handles its own errors: they are nobody else's business."""

        def careful(x):
            try:
                raise KeyError
            except KeyError:
                return decay(x)

        x, ier = leastsq(careful, DECAY_START)
        np.testing.assert_array_equal(x, leastsq(decay, DECAY_START)[0])
        assert ier in {1, 2, 3, 4}

    def test_inside_an_except_block(self):
        """Protects callers who fit while they handle another exception: their context stays."""
        error = ValueError("from func")

        def failing(x):
            raise error

        other = KeyError("being handled")
        try:
            raise other
        except KeyError:
            with pytest.raises(ValueError, match="from func"):
                leastsq(failing, DECAY_START)
            assert sys.exc_info()[1] is other
        assert error.__context__ is other

    @DERIVATIVE
    def test_next_call_is_unaffected(self, derivative):
        """Protects the next fit from anything left behind by one that failed."""

        def fail_at(call):
            func = Recorder(lambda x: decay(x) if func.count < call else 1 / 0)
            leastsq(func, DECAY_START, Dfun=derivative)

        before = leastsq(decay, DECAY_START, Dfun=derivative, full_output=True)
        for call in (1, 2, 4, 7):
            with pytest.raises(ZeroDivisionError):
                fail_at(call)
            after = leastsq(decay, DECAY_START, Dfun=derivative, full_output=True)
            np.testing.assert_array_equal(after[0], before[0])
            np.testing.assert_array_equal(after[1], before[1])
            assert after[3:] == before[3:]

    def test_nothing_is_kept_alive(self):
        """Protects memory: exception, frames and callbacks go when the caller lets them go."""

        class Cargo:
            pass

        class Failure(Exception):
            pass

        def fit():
            cargo = Cargo()

            def failing(x):
                raise Failure(id(cargo))

            try:
                leastsq(failing, DECAY_START, args=(), full_output=True)
            except Failure as error:
                return weakref.ref(cargo), weakref.ref(failing), weakref.ref(error)

        references = fit()
        gc.collect()
        assert [reference() for reference in references] == [None, None, None]

    def test_warning_of_func_reaches_the_user(self):
        """Protects warnings raised in func, as warnings and as errors."""

        def noisy(x):
            warnings.warn("look at this", UserWarning, stacklevel=1)
            return decay(x)

        with pytest.warns(UserWarning, match="look at this"):
            leastsq(noisy, DECAY_START)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning, match="look at this"):
                leastsq(noisy, DECAY_START)

    def test_what_func_prints_is_all_that_is_printed(self, capfd):
        """Protects the check on silence itself: it does see what func writes."""

        def failing(x):
            print("func was here", file=sys.stderr)
            raise ArithmeticError

        with pytest.raises(ArithmeticError):
            leastsq(failing, DECAY_START)
        assert capfd.readouterr() == ("", "func was here\n")


INTERRUPTED = """
import json, signal, sys, time
import numpy as np
from pyminpack import leastsq

calls, at_signal = 0, None

def note(number, frame):
    global at_signal
    at_signal = calls
    raise KeyboardInterrupt

def slow(x):
    global calls
    calls += 1
    if calls == 5:
        print("running", flush=True)
    until = time.monotonic() + 0.01
    while time.monotonic() < until:
        pass
    return np.exp(-x)

signal.signal(signal.SIGINT, note)
try:
    leastsq(slow, [0.0, 0.0], maxfev=100_000)
    ending = "finished"
except KeyboardInterrupt:
    ending = "interrupted"
after = calls
x, ier = leastsq(lambda x: [x[0] - 1.0, x[1] - 2.0], [0.0, 0.0])
print(json.dumps([ending, after - at_signal, x.round(6).tolist(), ier]))
"""

# No line of Python runs during this fit, so nobody but the solver can notice the signal.
INTERRUPTED_IN_C = """
import functools, json, signal, time
import numpy as np
from pyminpack import leastsq

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
model = functools.partial(np.power, np.full(500_000, 0.999))
start = time.monotonic()
model(np.array([1.5]))
print(json.dumps(time.monotonic() - start), flush=True)
try:
    leastsq(model, [0.5], maxfev=100_000)
    print("finished")
except KeyboardInterrupt:
    print(json.dumps(time.monotonic()))
"""


def start_child(source):
    """A Python process that runs `source`, and what it prints first."""
    child = subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    return child, child.stdout.readline()


class TestKeyboardInterrupt:
    def test_signal_into_a_running_fit(self):
        """Protects Ctrl-C: the fit ends within one call of func, and the next one works."""
        child, _ = start_child(INTERRUPTED)
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=60)
        assert errors == ""
        ending, calls_after_the_signal, x, ier = json.loads(output)
        assert ending == "interrupted"
        assert calls_after_the_signal <= 1
        assert x == [1.0, 2.0]
        assert ier in {1, 2, 3, 4}

    def test_signal_into_a_model_without_python_code(self):
        """Protects Ctrl-C where func is compiled: it would run on for 1400 calls."""
        child, first_line = start_child(INTERRUPTED_IN_C)
        one_call = json.loads(first_line)
        time.sleep(20 * one_call)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=120)
        assert errors == ""
        assert output.strip() != "finished"
        # One call, and the solver's own work on half a million residuals; generous, since the
        # machine may be busy. Monotonic time is the same for all processes.
        assert json.loads(output) - sent < 100 * one_call + 0.5


def rate_of(amplitude):
    """The rate that fits a decay of given amplitude; func solves for the amplitude by a fit."""
    data = amplitude * np.exp(-0.7 * np.linspace(0.0, 4.0, 12))

    def outer(x):
        shape = np.exp(-x[0] * np.linspace(0.0, 4.0, 12))
        inner, _ = leastsq(lambda a: a[0] * shape - data, 1.0, Dfun=lambda a: shape)
        return inner[0] * shape - data

    return leastsq(outer, 0.5, full_output=True)


class TestRecursion:
    def test_fit_inside_func(self):
        """Protects variable projection: func itself fits the linear parameter."""
        x, _, _, _, ier = rate_of(3.0)
        assert ier in {1, 2, 3, 4}
        # Zero residual, quadratic convergence, but differences of a fitted function.
        np.testing.assert_allclose(x, [0.7], rtol=1e-6)

    @DERIVATIVE
    def test_to_a_depth_of_forty(self, derivative):
        """Protects every level's own state: each fit is the same as one by itself."""
        alone = leastsq(decay, DECAY_START, Dfun=derivative)[0]
        results = []

        def fit(depth):
            def func(x):
                if depth > 0 and calls.count == 4:
                    fit(depth - 1)
                return decay(x)

            calls = Recorder(func)
            results.append(leastsq(calls, DECAY_START, Dfun=derivative)[0])

        fit(40)
        assert len(results) == 41
        assert all(np.array_equal(x, alone) for x in results)

    def test_exception_through_the_levels(self):
        """Protects an exception that passes several fits on its way out."""
        error = LookupError("from below")

        def fit(depth):
            def func(x):
                if depth == 0:
                    raise error
                return fit(depth - 1)

            return leastsq(func, DECAY_START)[0]

        with pytest.raises(LookupError) as caught:
            fit(5)
        assert caught.value is error

    def test_exception_caught_half_way(self):
        """Protects an outer fit whose func catches what an inner one raised."""

        def outer(x):
            with pytest.raises(ZeroDivisionError):
                leastsq(lambda y: 1 / 0, [1.0])
            return decay(x)

        np.testing.assert_array_equal(
            leastsq(outer, DECAY_START)[0], leastsq(decay, DECAY_START)[0]
        )

    def test_dfun_that_fits(self):
        """Protects a fit inside Dfun."""

        def derivative(x):
            leastsq(decay, DECAY_START)
            return decay_jacobian(x)

        np.testing.assert_array_equal(
            leastsq(decay, DECAY_START, Dfun=derivative)[0],
            leastsq(decay, DECAY_START, Dfun=decay_jacobian)[0],
        )
