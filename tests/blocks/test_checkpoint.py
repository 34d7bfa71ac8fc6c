"""Fits that are killed and go on from their checkpoint to the same bits; files of other fits."""

import itertools
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from pyminpack import leastsq

T = np.linspace(0.0, 4.0, 400)
Y = 3.0 * np.exp(-0.7 * T) + 0.5 + 0.05 * np.sin(40.0 * T)
BLOCKS = [slice(i, i + 57) for i in range(0, 400, 57)]
START = [1.0, 1.0, 1.0]


def residuals(x, rows):
    return x[0] * np.exp(-x[1] * T[rows]) + x[2] - Y[rows]


class KilledError(Exception):
    pass


def bits(outcome):
    x, cov_x, info, mesg, ier = outcome
    return [
        x.tobytes(), cov_x.tobytes(), info["fjac"].tobytes(), info["qtf"].tobytes(),
        info["nfev"], mesg, ier,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"Dfun": "3-point"},
        {"bounds": ([0, 0, 0], [2, 5, 5])},  # ends on a wall, by a landing
        {"diag": [1.0, 2.0, 3.0], "factor": 0.1},
        {"max_nfev": 50},
    ],
    ids=repr,
)
def test_same_bits(options, tmp_path):
    """Protects the fit that is killed anywhere: each life ends after as many calls of func."""
    expected = bits(leastsq(residuals, START, blocks=BLOCKS, full_output=True, **options))
    path = tmp_path / "fit.npz"
    least = len(BLOCKS) * 10 + 3  # a Jacobian and a trial, or there would be no way on

    def live():
        calls = itertools.count()

        def func(x, rows):
            if next(calls) == least:
                raise KilledError
            return residuals(x, rows)

        return leastsq(func, START, blocks=BLOCKS, full_output=True, checkpoint=path, **options)

    lives, outcome = 0, None
    while outcome is None and lives < 60:
        lives += 1
        with suppress(KilledError):
            outcome = live()
    assert lives > 3
    assert bits(outcome) == expected

    def never(x, rows):
        raise AssertionError("a fit that has ended needs no call")

    again = leastsq(never, START, blocks=BLOCKS, full_output=True, checkpoint=path, **options)
    assert bits(again) == expected
    assert [*tmp_path.iterdir()] == [path]


PROGRAM = """
import sys, time
import numpy as np
from pyminpack import leastsq

def residuals(x, block):
    t = np.linspace(block, block + 1.0, 100)
    if sys.argv[2] == "slow":
        time.sleep(0.005)
    return x[0] * np.exp(-x[1] * t) + x[2] - 3.0 * np.exp(-0.7 * t) - np.sin(9.0 * t)

x, ier = leastsq(residuals, [1.0, 1.0, 1.0], blocks=range(4), checkpoint=sys.argv[1])
print(x.tobytes().hex(), ier)
"""


def test_sigkill(tmp_path):
    """Protects what the file is for: a process that is gone without a word."""
    path = tmp_path / "fit.npz"

    def program(checkpoint, speed):
        return [sys.executable, "-c", PROGRAM, str(checkpoint), speed]

    with subprocess.Popen(program(path, "slow")) as process:
        deadline = time.monotonic() + 30.0
        writes, before = 0, None
        while writes < 3 and process.poll() is None and time.monotonic() < deadline:
            now = path.stat().st_mtime_ns if path.exists() else None
            writes, before = writes + (now != before), now
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    resumed = subprocess.check_output(program(path, "fast"))
    assert resumed == subprocess.check_output(program(tmp_path / "other.npz", "fast"))


class TestFiles:
    def fit(self, path, **options):
        return leastsq(residuals, START, blocks=BLOCKS, checkpoint=path, **options)

    def stopped(self, path):
        """A file of a fit that has not ended."""

        def stop(iteration):
            raise StopIteration

        self.fit(path, callback=stop)
        return path

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            ({"ftol": 1e-3}, "ftol is 1.49012e-08 there, and 0.001 here"),
            ({"Dfun": "cs"}, "derivatives is 2-point there, and cs here"),
            ({"diag": [1, 1, 1]}, "diag is nan there, and .1. 1. 1.. here"),
            ({"bounds": (0, 9)}, "bounds is nan there"),
            ({"maxfev": 99}, "maxfev is 0.0 there, and 99.0 here"),
        ],
    )
    def test_other_arguments(self, tmp_path, options, what):
        path = self.stopped(tmp_path / "fit.npz")
        with pytest.raises(ValueError, match=f"fit.npz' is of another fit: {what}"):
            self.fit(path, **options)

    def test_other_start_or_size(self, tmp_path):
        path = self.stopped(tmp_path / "fit.npz")
        for start in ([1.0, 1.0, 2.0], [1.0, 1.0]):
            with pytest.raises(ValueError, match="is of another fit: x0 is"):
                leastsq(residuals, start, blocks=BLOCKS, checkpoint=path)

    def test_other_blocks(self, tmp_path):
        path = self.stopped(tmp_path / "fit.npz")
        with pytest.raises(ValueError, match="400 residuals in 8 blocks there, and 400 in 1 here"):
            leastsq(residuals, START, blocks=[slice(None)], checkpoint=path)

    def test_other_data(self, tmp_path):
        """Protects from a mixture of two fits, which nobody would notice."""
        path = self.stopped(tmp_path / "fit.npz")
        with pytest.raises(ValueError, match="func or the data are not the same"):
            leastsq(lambda x, b: residuals(x, b) + 1e-3, START, blocks=BLOCKS, checkpoint=path)

    def test_no_checkpoint(self, tmp_path):
        whole = self.stopped(tmp_path / "fit.npz").read_bytes()
        foreign = tmp_path / "foreign.npz"
        np.savez(foreign, a=np.arange(3))
        plain = tmp_path / "plain.npy"
        np.save(plain, np.arange(3))
        contents = {
            b"": "damaged",
            b"text": "damaged",
            whole[:100]: "damaged",
            whole[: len(whole) // 2]: "damaged",
            foreign.read_bytes(): "another version",
            plain.read_bytes(): "damaged",
        }
        path = tmp_path / "bad.npz"
        for content, what in contents.items():
            path.write_bytes(content)
            with pytest.raises(
                ValueError, match=f"bad.npz' is no checkpoint of a fit, or .*{what}"
            ):
                self.fit(path)
            assert path.read_bytes() == content

    def test_damaged_numbers(self, tmp_path):
        """Protects memory: a pivot or a request out of range would lead out of it."""
        path = self.stopped(tmp_path / "fit.npz")
        with np.load(path) as archive:
            arrays = dict(archive)
        for name, change in (
            ("integers", lambda a: a * 0 - 1),
            ("integers", lambda a: a[:-1]),
            ("integers", lambda a: a.astype(float)),
            ("integers", lambda a: np.concatenate([a[:-1], [99]])),
            ("reals", lambda a: a[:-1]),
            ("size", lambda a: a[:1]),
        ):
            np.savez(path, **{**arrays, name: change(arrays[name])})
            with pytest.raises(ValueError, match=r"fit.npz' is damaged"):
                self.fit(path)

    def test_paths(self, tmp_path):
        with pytest.raises(TypeError, match="checkpoint is int 3; want the path"):
            self.fit(3)
        with pytest.raises(FileNotFoundError, match="there is no"):
            self.fit(tmp_path / "missing" / "fit.npz")
        self.fit(str(tmp_path / "a name without its suffix"))
        assert [p.name for p in tmp_path.iterdir()] == ["a name without its suffix"]

    def test_failed_write(self, tmp_path, monkeypatch):
        """Protects the last good file, and the folder from what is half written."""
        path = self.stopped(tmp_path / "fit.npz")
        before = path.read_bytes()

        def full(*args, **arrays):
            raise OSError("no space left on device")

        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(OSError, match="no space left"):
            self.fit(path)
        assert path.read_bytes() == before
        assert [*tmp_path.iterdir()] == [path]
