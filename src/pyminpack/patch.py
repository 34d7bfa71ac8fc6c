"""Run a program with our `leastsq` and `curve_fit` in place of SciPy's, without changing it.

``python -m pyminpack.patch script.py ARGUMENT...`` runs a script, and
``python -m pyminpack.patch -m module ARGUMENT...`` a module, as Python itself does.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence

from ._patch import patch_scipy, unpatch_scipy

__all__ = ["main", "patch_scipy", "unpatch_scipy"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Patch SciPy and run the program that the command line names.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of those of the command line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pyminpack.patch",
        description="Run a program with pyminpack's leastsq and curve_fit in place of SciPy's.",
    )
    parser.add_argument(
        "-m", action="store_true", dest="module", help="PROGRAM is a module, as in python -m"
    )
    parser.add_argument("program", metavar="PROGRAM", help="a script, or with -m a module")
    parser.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    if not options.module and not os.path.exists(options.program):
        parser.error(f"there is no file {options.program}")
    try:
        patch_scipy()
    except ImportError as error:
        parser.error(str(error))

    sys.argv = [options.program, *options.arguments]
    if options.module:
        runpy.run_module(options.program, run_name="__main__", alter_sys=True)
    else:
        if not getattr(sys.flags, "safe_path", False):
            sys.path[0] = os.path.dirname(os.path.abspath(options.program))
        runpy.run_path(options.program, run_name="__main__")


if __name__ == "__main__":
    main()
