"""The models of c_models.c, compiled for the process, with the same in Python."""

from __future__ import annotations

import ctypes
import math
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from fits import DECAY_START, NOISY_DECAY, TIMES

INT, DOUBLES = ctypes.c_int, ctypes.POINTER(ctypes.c_double)
RESIDUALS = ctypes.CFUNCTYPE(INT, ctypes.c_void_p, INT, INT, DOUBLES, DOUBLES, INT)
BOTH = ctypes.CFUNCTYPE(INT, ctypes.c_void_p, INT, INT, DOUBLES, DOUBLES, DOUBLES, INT, INT)

M = len(TIMES)
DATA = np.stack([TIMES, NOISY_DECAY], axis=1)
START = DECAY_START


def _compile():
    source = Path(__file__).with_name("c_models.c")
    folder = Path(tempfile.mkdtemp(prefix="pyminpack-models-"))
    path = folder / "models.so"
    command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-ffp-contract=off"]
    subprocess.run([*command, str(source), "-o", str(path), "-lm"], check=True)
    library = ctypes.CDLL(str(path))
    path.unlink()
    folder.rmdir()
    return library


library = _compile()


def residuals(name):
    """A function of the library's that gives residuals alone."""
    return RESIDUALS((name, library))


def both(name):
    """One that gives derivatives as well."""
    return BOTH((name, library))


class Stopping(ctypes.Structure):
    """What `stops` and `stops_residuals` take as p."""

    _fields_ = [("calls", INT * 3), ("last", INT * 3), ("answer", INT)]


def stopping(answer, *, f=0, other=0):
    """A p that lets the f-th call for residuals, or the other one, return `answer`."""
    return Stopping((0, 0, 0), (0, f, other), answer)


def python_decay(x, data=DATA):
    """`decay` to the last bit: by the C library's exp, not numpy's."""
    return np.array([x[0] * math.exp(-x[1] * t) - y for t, y in data.tolist()])


def python_decay_columns(x, data=DATA):
    """Its Jacobian, derivatives down the columns."""
    shape = np.array([math.exp(-x[1] * t) for t, _ in data.tolist()])
    return np.stack([shape, -x[0] * data[:, 0] * shape])
