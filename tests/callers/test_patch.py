"""Our functions in place of SciPy's: where they are put, for how long, and what stays SciPy's."""

import functools
import os
import pickle
import subprocess
import sys
import threading
import types
import warnings

import numpy as np
import pytest

import pyminpack
from pyminpack import _patch, patch_scipy, unpatch_scipy

optimize = pytest.importorskip("scipy.optimize", reason="SciPy is what is patched")
minpack = pytest.importorskip("scipy.optimize._minpack_py", reason="where SciPy defines them")

SCIPYS = {"leastsq": optimize.leastsq, "curve_fit": optimize.curve_fit}
T = np.linspace(0.0, 4.0, 20)
Y = 3.0 * np.exp(-0.7 * T) + 0.5 + 0.02 * np.cos(17 * T)


def decay(t, amplitude, rate, offset):
    return amplitude * np.exp(-rate * t) + offset


@pytest.fixture(autouse=True)
def _unpatched():
    """Leave SciPy as it was found, whatever a test has done."""
    yield
    unpatch_scipy()
    assert is_scipys()


@pytest.fixture
def module():
    """Return a module that has imported SciPy's functions by name."""
    held = types.ModuleType("a_module_that_fits")
    held.fit, held.leastsq, held.again = optimize.curve_fit, optimize.leastsq, optimize.curve_fit
    held.other = optimize.least_squares
    sys.modules[held.__name__] = held
    yield held
    del sys.modules[held.__name__]


@pytest.fixture
def calls(monkeypatch):
    """Return the names of our functions, as they are called."""
    names = []

    def noted(name, function):
        def call(*args, **kwargs):
            names.append(name)
            return function(*args, **kwargs)

        return call

    for name, function in _patch._OURS.items():
        monkeypatch.setitem(_patch._OURS, name, noted(name, function))
    return names


def is_scipys():
    modules = optimize, minpack
    return all(getattr(m, name) is own for m in modules for name, own in SCIPYS.items())


def is_ours():
    modules = optimize, minpack
    return all(getattr(m, name) is not own for m in modules for name, own in SCIPYS.items())


class TestWhere:
    def test_scipy_and_modules_that_hold_them_by_name(self, module, calls):
        before = dict(vars(module))
        with patch_scipy():
            assert is_ours()
            module.fit(decay, T, Y)
            module.again(decay, T, Y, [1, 1, 0])
            module.leastsq(lambda p: decay(T, *p) - Y, [1, 1, 0])
            assert module.other is optimize.least_squares
        assert calls == ["curve_fit", "curve_fit", "leastsq"]
        assert dict(vars(module)) == before

    def test_scipys_own_users(self, calls):
        """`root` finds leastsq by name in its module."""
        with patch_scipy():
            assert optimize.root(lambda x: x**2 - 4, [1.0], method="lm").x == pytest.approx([2.0])
        assert calls == ["leastsq"]

    def test_imported_meanwhile(self, module, calls):
        with patch_scipy():
            module.late = optimize.curve_fit
            module.late(decay, T, Y)
        assert module.late is SCIPYS["curve_fit"]
        assert calls == ["curve_fit"]

    def test_ours_stay_ours(self, module):
        """A module that has chosen ours is none of the patch's business."""
        module.ours = pyminpack.curve_fit
        with patch_scipy():
            assert module.ours is pyminpack.curve_fit
        assert module.ours is pyminpack.curve_fit
        assert pyminpack.leastsq is not SCIPYS["leastsq"]

    def test_modules_of_other_kinds(self, monkeypatch):
        """Some programs put other objects there, or None; and lazy ones must not wake up."""

        class Lazy(types.ModuleType):
            def __getattribute__(self, name):
                raise RuntimeError("woken up")

        monkeypatch.setitem(sys.modules, "a_lazy_module", Lazy("a_lazy_module"))
        monkeypatch.setitem(sys.modules, "no_module", object())
        monkeypatch.setitem(sys.modules, "not_there", None)
        with patch_scipy():
            assert is_ours()

    def test_taken_where_it_cannot_be_found(self, calls):
        """What took ours meanwhile turns into SciPy's."""
        with patch_scipy():
            partial = functools.partial(optimize.curve_fit, decay)
            partial(T, Y)
        assert calls == ["curve_fit"]
        np.testing.assert_array_equal(partial(T, Y)[0], SCIPYS["curve_fit"](decay, T, Y)[0])
        partial = functools.partial(_patch.leastsq, lambda p: decay(T, *p) - Y)
        np.testing.assert_array_equal(
            partial([1, 1, 0])[0], SCIPYS["leastsq"](*partial.args, [1, 1, 0])[0]
        )
        assert calls == ["curve_fit"]

    def test_scipy_wrapped_by_somebody_else(self, monkeypatch, calls):
        """What replaces a function while it is patched is left alone, and later restored."""
        with patch_scipy():
            monkeypatch.setattr(optimize, "curve_fit", "a stand-in")
            with patch_scipy():
                assert optimize.curve_fit == "a stand-in"
        assert optimize.curve_fit == "a stand-in"
        monkeypatch.undo()  # gives back what it found: the patch, over by now
        optimize.curve_fit(decay, T, Y)
        assert calls == []
        patch_scipy()
        unpatch_scipy()
        assert is_ours() is False
        optimize.curve_fit = SCIPYS["curve_fit"]


class TestHowLong:
    def test_call(self):
        patch_scipy()
        assert is_ours()
        patch_scipy()
        unpatch_scipy()
        assert is_scipys()
        unpatch_scipy()

    def test_nested(self):
        with patch_scipy():
            with patch_scipy():
                pass
            assert is_ours()
        assert is_scipys()

    def test_context_within_a_call(self):
        patch_scipy()
        with patch_scipy():
            pass
        assert is_ours()

    def test_unpatched_within_a_context(self):
        with patch_scipy():
            unpatch_scipy()
            assert is_scipys()
            patch_scipy()
        assert is_ours()

    def test_exception(self):
        with pytest.raises(ZeroDivisionError), patch_scipy():
            raise ZeroDivisionError
        assert is_scipys()

    def test_once_more(self):
        patch = patch_scipy()
        assert "scipy.optimize's leastsq and curve_fit are patched" in repr(patch)
        for _ in range(2):
            with patch as entered:
                assert entered is patch
                assert is_ours()
            assert is_scipys()
        assert "are not patched" in repr(patch)

    def test_overlapping_in_threads(self):
        """The last context that is left takes the patch back."""
        inside, leave = threading.Barrier(3), threading.Event()
        fitted = []

        def fit(stay):
            with patch_scipy():
                inside.wait(60)
                if stay:
                    leave.wait(60)
                fitted.append(optimize.curve_fit(decay, T, Y)[0])

        threads = [threading.Thread(target=fit, args=(stay,)) for stay in (False, True)]
        for thread in threads:
            thread.start()
        inside.wait(60)
        threads[0].join(60)
        assert is_ours()
        leave.set()
        threads[1].join(60)
        assert is_scipys()
        np.testing.assert_array_equal(fitted[0], fitted[1])

    def test_many_threads(self):
        def patch():
            for _ in range(20):
                with patch_scipy():
                    assert is_ours()

        errors = []
        threads = [threading.Thread(target=_guarded, args=(patch, errors)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert errors == []
        assert is_scipys()


def _guarded(function, errors):
    try:
        function()
    except BaseException as error:
        errors.append(error)


class TestFunctions:
    @pytest.mark.parametrize(
        "options",
        [
            {"loss": "soft_l1", "method": "trf"},
            {"diff_step": [1e-6, 1e-7, 1e-8], "method": "dogbox"},
            {"workers": map, "method": "trf"},
            {"verbose": 2, "method": "trf"},
            {"callback": lambda x: None, "method": "trf"},
        ],
        ids=lambda options: next(iter(options)),
    )
    def test_left_to_scipy(self, options, calls):
        theirs = optimize.curve_fit(decay, T, Y, **options)
        with patch_scipy():
            ours = optimize.curve_fit(decay, T, Y, **options)
        assert calls == []
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])

    @pytest.mark.bundled
    @pytest.mark.parametrize(
        "options",
        [{}, {"bounds": (0, 9)}, {"method": "dogbox", "x_scale": 2.0}, {"loss": "linear"}],
        ids=str,
    )
    def test_ours(self, options, calls):
        theirs = pyminpack.curve_fit(decay, T, Y, **options)
        with patch_scipy():
            ours = optimize.curve_fit(decay, T, Y, **options)
        assert calls == ["curve_fit"]
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])

    def test_unknown_option(self):
        """SciPy has the last word on its own interface."""
        with patch_scipy(), pytest.raises(TypeError, match="max_iter"):
            optimize.curve_fit(decay, T, Y, max_iter=3)

    def test_warnings_point_at_the_caller(self):
        with patch_scipy():
            with pytest.warns(optimize.OptimizeWarning) as caught:
                optimize.curve_fit(lambda t, a, b: a * t, T, Y, [1, 1])
            with pytest.warns(RuntimeWarning, match="maxfev") as also:
                optimize.leastsq(lambda p: decay(T, *p) - Y, [1, 1, 0], maxfev=3)
        assert [warning.filename for warning in (*caught, *also)] == [__file__] * 2

    def test_pickle(self):
        """As a process started for the purpose does, which may not be patched."""
        with patch_scipy():
            functions = optimize.curve_fit, optimize.leastsq
            pickled = pickle.dumps(functions)
        assert pickle.loads(pickled) == functions
        code = f"""
import pickle
curve_fit, _ = pickle.loads({pickled!r})
print(curve_fit(lambda t, a: a*t, [1, 2], [2, 4])[0])
"""
        assert run(["-c", code]).stdout == "[2.]\n"

    def test_documentation(self):
        with patch_scipy():
            assert "drop-in replacement" in optimize.curve_fit.__doc__
            assert optimize.leastsq.__name__ == "leastsq"


def run(arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, **options
    )


WITHOUT_SCIPY = """
import sys
sys.modules["scipy"] = None
import pyminpack
pyminpack.unpatch_scipy()
try:
    pyminpack.patch_scipy()
except ImportError as error:
    print(error)
"""


def test_without_scipy():
    done = run(["-c", WITHOUT_SCIPY])
    assert done.stdout.startswith(
        "patch_scipy() puts pyminpack's leastsq and curve_fit in place of those of scipy.optimize, "
        "which cannot be imported: "
    ), done.stderr


def test_scipy_is_not_loaded_by_ours():
    assert run(["-c", "import pyminpack, sys; print('scipy' in sys.modules)"]).stdout == "False\n"


class TestCommandLine:
    SCRIPT = """
import sys
from scipy.optimize import curve_fit
from beside import NAME
if __name__ == "__main__":
    print(NAME, curve_fit.__module__, sys.argv[1:])
    sys.exit(3)
"""

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "script.py").write_text(self.SCRIPT)
        (tmp_path / "beside.py").write_text("NAME = 'found'\n")
        return tmp_path

    def test_script(self, folder):
        done = run(["-m", "pyminpack.patch", folder / "script.py", "-m", "--x", "1"])
        assert done.stdout == "found pyminpack._patch ['-m', '--x', '1']\n"
        assert (done.returncode, done.stderr) == (3, "")

    def test_module(self, folder):
        done = run(["-m", "pyminpack.patch", "-m", "script", "--help"], cwd=folder)
        assert done.stdout == "found pyminpack._patch ['--help']\n"
        assert (done.returncode, done.stderr) == (3, "")

    def test_no_such_file(self):
        done = run(["-m", "pyminpack.patch", "nowhere.py"])
        assert done.returncode == 2
        assert done.stderr.endswith("error: there is no file nowhere.py\n")

    def test_nothing_to_run(self):
        done = run(["-m", "pyminpack.patch"])
        assert done.returncode == 2
        assert "the following arguments are required: PROGRAM" in done.stderr

    def test_help(self):
        done = run(["-m", "pyminpack.patch", "--help"])
        assert done.returncode == 0
        assert "in place of SciPy's" in done.stdout

    def test_without_scipy(self, folder):
        (folder / "sitecustomize.py").write_text("import sys; sys.modules['scipy'] = None\n")
        path = os.pathsep.join([".", os.environ.get("PYTHONPATH", "")])
        env = os.environ | {"PYTHONPATH": path}
        done = run(["-m", "pyminpack.patch", "script.py"], cwd=folder, env=env)
        assert done.returncode == 2
        assert "error: patch_scipy() puts pyminpack's" in done.stderr


class TestPackages:
    """Two that call SciPy, one that has imported it by name and one that asks for it each time."""

    def test_lmfit(self, calls):
        lmfit = pytest.importorskip("lmfit", reason="to be fitted with")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            model = lmfit.Model(decay)
            start = {"amplitude": 1, "rate": 1, "offset": 0}
            theirs = model.fit(Y, t=T, **start)
            with patch_scipy():
                ours = model.fit(Y, t=T, **start)
        assert calls == ["leastsq"]
        assert ours.success
        assert ours.nfev <= theirs.nfev  # SciPy calls the model once more, to see its shape
        for name, parameter in theirs.params.items():
            error = parameter.stderr
            assert ours.params[name].value == pytest.approx(parameter.value, abs=1e-4 * error)
            assert ours.params[name].stderr == pytest.approx(error, rel=1e-4)

    @pytest.mark.parametrize("bounded", [False, True])
    def test_astropy(self, bounded, calls):
        pytest.importorskip("astropy", reason="to be fitted with")
        from astropy.modeling import fitting, models

        start = models.Gaussian1D(amplitude=2.0, mean=1.5, stddev=1.0)
        if bounded:
            start.mean.bounds = (0.0, 3.0)
        y = models.Gaussian1D(3.0, 2.0, 0.7)(T) + 0.02 * np.cos(17 * T)
        theirs = fitting.LevMarLSQFitter(calc_uncertainties=True)
        expected = theirs(start, T, y)
        with patch_scipy():
            ours = fitting.LevMarLSQFitter(calc_uncertainties=True)
            fitted = ours(start, T, y)
        assert calls == ["leastsq"]
        assert ours.fit_info["ierr"] in (1, 2, 3, 4)
        errors = np.array(expected.stds.stds)
        assert np.all(np.abs(fitted.parameters - expected.parameters) < 1e-4 * errors)
        np.testing.assert_allclose(fitted.stds.stds, errors, rtol=1e-4)
