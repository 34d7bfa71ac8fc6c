"""A copy within another package stands alone: it never asks for pyminpack by that name."""

import shutil
import subprocess
import sys
from pathlib import Path

import pyminpack

PROGRAM = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyminpack":
            raise ImportError(f"another copy: {name}")

sys.meta_path.insert(0, Refuse())
import pickle
import numpy as np
from app._vendor import pyminpack
from app._vendor.pyminpack import __main__, patch

t = np.arange(9.0)
y = 3 * np.exp(-0.5 * t) + 0.01 * np.cos(t)
fit = pyminpack.curve_fit(lambda t, a, b: a * np.exp(-b * t), t, y)
again = pickle.loads(pickle.dumps(tuple(fit)))
print(np.round(again[0], 2).tolist())
# Not float64 vectors: the extension asks for the conversions, and for their errors.
print(pyminpack.leastsq(lambda x: [x[0] - 1, x[0] - 2], [0], Dfun=lambda x: [[1], [1]])[0])
try:
    pyminpack.leastsq(lambda x: "text", [0.0])
except TypeError as error:
    print(error)
print(bool(pyminpack.check_jacobian(lambda x: x**2, lambda x: [[2 * x[0]]], [1.0])))
print([name for name in sys.modules if name.startswith("pyminpack")])
"""


def test_vendored(tmp_path):
    vendor = tmp_path / "app" / "_vendor"
    shutil.copytree(Path(pyminpack.__file__).parent, vendor / "pyminpack")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    assert run.stdout.splitlines() == [
        "[3.01, 0.5]",
        "[1.5]",
        "leastsq: func returned str 'text', of dtype <U4; want real numbers.",
        "True",
        "[]",
    ]
