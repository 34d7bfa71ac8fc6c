"""pytest plugin of ci/downstream: tests meet our functions where they call SciPy's.

It says at the end how many calls came to ours, and how many were left to SciPy's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import scipy.optimize

import pyminpack
from pyminpack import _patch

_calls: Counter[str] = Counter()


def _counted(function: Callable[..., Any], whose: str) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        _calls[f"{whose} {function.__name__}"] += 1
        return function(*args, **kwargs)

    return counted


pyminpack.patch_scipy()
for _functions, _whose in ((_patch._OURS, "our"), (_patch._scipys, "SciPy's")):
    for _name, _function in _functions.items():
        _functions[_name] = _counted(_function, _whose)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    calls = ", ".join(f"{count} of {name}" for name, count in sorted(_calls.items()))
    terminalreporter.write_line(f"SciPy {scipy.__version__}, patched; calls: {calls or 'none'}")
