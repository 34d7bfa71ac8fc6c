"""The choice of an instruction set, by the environment."""

import os
import subprocess
import sys

import numpy as np
import pytest
from factor_cases import jacobian, residuals, running_factor

from pyminpack import _config, _minpack

AVAILABLE = _config.ISAS[: _minpack.best_isa() + 1]


def run(code, isa):
    """What Python prints and complains of with PYMINPACK_ISA set, or without it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYMINPACK_ISA"}
    if isa is not None:
        environment["PYMINPACK_ISA"] = isa
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


SHOW = "import pyminpack; c = pyminpack.show_config(); print(c['isa'] + ': ' + c['isa_reason'])"


@pytest.mark.parametrize("isa", AVAILABLE)
def test_chosen(isa):
    """Protects whoever wants the bits of a weaker machine."""
    assert (
        run(SHOW, isa).stdout
        == f"{isa}: chosen by PYMINPACK_ISA; the best here is {AVAILABLE[-1]}\n"
    )


@pytest.mark.parametrize("isa", [None, ""])
def test_the_best_unless_chosen(isa):
    """Protects speed."""
    assert (
        run(SHOW, isa).stdout
        == f"{AVAILABLE[-1]}: the best that this processor and this build have\n"
    )


@pytest.mark.parametrize("isa", ["AVX2", "sse4", "avx2 "])
def test_unknown(isa):
    """Protects against a slip that nobody would notice."""
    message = run("import pyminpack", isa).stderr.splitlines()[-1]
    assert (
        message
        == f"ValueError: PYMINPACK_ISA={isa}: unknown; here it can be {' or '.join(AVAILABLE)}"
    )


def test_what_the_processor_lacks(monkeypatch):
    """Protects against an illegal instruction: told at the import, and refused below it."""
    monkeypatch.setattr(_minpack, "best_isa", lambda: 0)
    monkeypatch.setenv("PYMINPACK_ISA", "avx2")
    with pytest.raises(
        ValueError, match=r"^PYMINPACK_ISA=avx2: this processor, or this build, has "
    ):
        _config.choose_isa()
    before = _minpack.isa(), _minpack.isa_is_chosen()
    assert _minpack.choose_isa(len(AVAILABLE)) == 0
    assert (_minpack.isa(), _minpack.isa_is_chosen()) == before


def test_read_once(monkeypatch):
    """Protects a running program from a change of the environment."""
    before = _minpack.isa()
    monkeypatch.setenv("PYMINPACK_ISA", "unknown")
    running_factor(jacobian("random", 300, 7), residuals(300))
    assert _minpack.isa() == before


@pytest.mark.optimised  # the strict build has one alone
@pytest.mark.skipif(len(AVAILABLE) < 2, reason="this processor, or this build, has one alone")
def test_each_is_its_own():
    """Protects the choice from being a word only: contraction shows in the last bits."""
    j, f = jacobian("random", 300, 7), residuals(300)
    found = []
    before = _minpack.isa() if _minpack.isa_is_chosen() else -1
    try:
        for isa in range(2):
            assert _minpack.choose_isa(isa) == 1
            found.append(running_factor(j, f))
    finally:
        _minpack.choose_isa(before)
    assert not np.array_equal(*found)
    np.testing.assert_allclose(*found, atol=1e-12)
