"""``python -m pyminpack``: certify this installation on NIST's data for nonlinear regression."""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ._nist import plot, report
from ._nist.certify import certify
from ._nist.datasets import Dataset, datasets
from ._nist.reach import JACOBIANS, Settings

_EXIT_STATUS = """\
Exit status: 0 if every run reaches the digits that its tolerances and its Jacobian allow, or is
known to be out of reach; 1 if one does not; 2 if the command line is wrong.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of those of the command line.

    Returns
    -------
    int
        The exit status: 0, or 1 if a run that should succeed does not.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.plot and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install matplotlib")
    settings = Settings(options.ftol, options.xtol, options.gtol, options.maxfev, options.jacobian)
    chosen = options.dataset or datasets().values()
    starts = (options.start,) if options.start else (1, 2)
    runs = certify(dict.fromkeys(chosen), starts, settings)
    _print(report.as_json(runs, settings) if options.json else report.table(runs, settings))
    if options.plot:
        try:
            plot.save(runs, options.plot)
        except (OSError, ValueError) as problem:  # no such directory, no such format
            parser.error(f"--plot: {problem}")
    return int(any(run.verdict == "failed" for run in runs))


def _print(text: str) -> None:
    """Print to whoever still listens: `head` closes the pipe when it has its lines."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the exit


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pyminpack",
        description="Fit NIST's data sets for nonlinear regression and count the digits that agree"
        " with the certified parameters and standard errors.",
        epilog=_EXIT_STATUS,
    )
    parser.add_argument(
        "dataset", nargs="*", type=_dataset, help="names of data sets, in any case (default: all)"
    )
    parser.add_argument("--start", type=int, choices=(1, 2), help="one start only (default: both)")
    for name in ("ftol", "xtol", "gtol"):
        parser.add_argument(
            f"--{name}",
            type=_tolerance,
            default=getattr(Settings, name),
            metavar="TOL",
            help="tolerance of leastsq (default: %(default)g)",
        )
    parser.add_argument(
        "--maxfev",
        type=_positive,
        default=Settings.maxfev,
        metavar="N",
        help="limit on calls of the model in one fit (default: %(default)d)",
    )
    parser.add_argument(
        "--jacobian",
        choices=JACOBIANS,
        default=Settings.jacobian,
        help="where derivatives come from (default: %(default)s)",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="draw data and fitted curves into a file"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    return parser


def _dataset(name: str) -> Dataset:
    by_name = {known.casefold(): dataset for known, dataset in datasets().items()}
    try:
        return by_name[name.casefold()]
    except KeyError:
        known = ", ".join(datasets())
        raise argparse.ArgumentTypeError(
            f"no data set {name!r}; there are {known}. They are NIST's, and come with pyminpack to "
            "test it; your own data are for pyminpack.curve_fit"
        ) from None


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a finite number from 0 up, not {text!r}")
    return value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
