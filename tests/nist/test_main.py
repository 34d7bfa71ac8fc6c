"""``python -m pyminpack``: what it prints, what it refuses, and its exit status."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from pyminpack.__main__ import main
from pyminpack._nist.certify import certify
from pyminpack._nist.datasets import datasets
from pyminpack._nist.reach import Settings
from pyminpack._nist.report import as_json


def usage_error(capsys, *arguments):
    """Run a command line that argparse must refuse; return what it says on stderr."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.splitlines()[-1]


class TestTable:
    def test_all_54_runs_and_exit_status_0(self, capsys):
        assert main([]) == 0
        lines = capsys.readouterr().out.splitlines()
        rows = [line.split() for line in lines if line.endswith(" ms") or " ms  " in line]
        labels = [(row[0], row[2]) for row in rows if row[0] in datasets()]
        assert labels == [(name, start) for name in datasets() for start in "12"]
        assert lines[-1].startswith("54 runs: ")
        assert " 0 failed; " in lines[-1]

    def test_a_row_has_what_its_heading_says(self, capsys):
        assert main(["Misra1a", "--start", "2", "--jacobian", "analytic"]) == 0
        title, settings, *_, headings, _, row, _, summary = capsys.readouterr().out.splitlines()
        assert "NIST StRD" in title
        assert "Jacobian: analytic; ftol = 1e-15" in settings
        assert headings.split() == (
            "data set difficulty start ier nfev njev parameters (due) std errors time".split()
        )
        name, difficulty, start, ier, nfev, njev, digits, due, errors, time, unit = row.split()
        assert (name, difficulty, start, due, unit) == ("Misra1a", "lower", "2", "(6.0)", "ms")
        assert ier in {"1", "2", "3"}
        assert int(nfev) > int(njev) > 1
        assert float(digits) > 6
        assert float(errors) > 6
        assert float(time) < 1000
        assert summary.startswith("1 runs: 1 with 6 digits or more; 1 ok, 0 out of reach, 0 failed")

    @pytest.mark.parametrize("option", ["--json", None])
    def test_reader_that_has_enough(self, option):
        """As in ``python -m pyminpack --json | head -1``, with a pipe that is closed already."""
        command = [sys.executable, "-m", "pyminpack", "Misra1a", *filter(None, [option])]
        reader, writer = os.pipe()
        os.close(reader)
        try:
            run = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60)
        finally:
            os.close(writer)
        assert (run.stderr, run.returncode) == (b"", 0)

    def test_out_of_reach_is_listed_with_its_reason_and_is_no_failure(self, capsys):
        assert main(["boxbod"]) == 0
        output = capsys.readouterr().out
        assert "Out of reach:\n  BoxBOD (1): the first step" in output
        assert "2 runs: 1 with 6 digits or more; 1 ok, 1 out of reach, 0 failed" in output

    def test_fewer_than_six_digits_are_explained(self, capsys):
        assert main(["ENSO", "Misra1a", "--ftol", "1.49e-8"]) == 0
        output = capsys.readouterr().out
        assert "Fewer than 6 digits, as is to be expected:\n  ftol ends a fit" in output
        assert "ENSO (1,2)" in output
        assert "Misra1a (" not in output

    def test_each_limit_names_its_own_runs(self, capsys):
        """ENSO has large residuals, Bennett5 nearly dependent parameters."""
        assert main(["ENSO", "Bennett5", "--start", "2", "--ftol", "1e-11"]) == 0
        notes = capsys.readouterr().out.split("to be expected:\n")[1]
        # Bennett5 falls short or not by chance: the rounding of exp, which NumPy changes, decides.
        by_ftol, _, by_differences = notes.partition("  forward differences move")
        assert "ENSO (2)" in by_ftol
        assert "Bennett5" not in by_ftol
        assert "ENSO" not in by_differences


class TestExitStatus:
    def test_a_run_that_fails_gives_1_and_its_reason(self, capsys):
        assert main(["Misra1a", "--maxfev", "5"]) == 1
        output = capsys.readouterr().out
        assert "Failed:\n  Misra1a (1): Number of calls to function has reached maxfev" in output
        assert "0 ok, 0 out of reach, 2 failed" in output

    def test_with_json_too(self, capsys):
        assert main(["Misra1a", "--maxfev", "5", "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["summary"]["failed"] == 2

    @pytest.mark.parametrize(("maxfev", "status"), [("10000", 0), ("5", 1)])
    def test_of_the_process(self, maxfev, status):
        """As a shell sees it, and with nothing on stderr."""
        command = [sys.executable, "-m", "pyminpack", "DanWood", "--maxfev", maxfev]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (status, "")
        assert "DanWood" in done.stdout


class TestChoice:
    """Names in any case, each once, in the order asked for."""

    def test_names_in_any_case(self, capsys):
        main(["ENSO", "misra1A", "enso", "--json", "--start", "1"])
        runs = json.loads(capsys.readouterr().out)["runs"]
        assert [(run["dataset"], run["start"]) for run in runs] == [("ENSO", 1), ("Misra1a", 1)]

    def test_unknown_name(self, capsys):
        message = usage_error(capsys, "Misra1a", "Misra1e")
        assert "no data set 'Misra1e'; there are Misra1a, " in message
        assert ", Bennett5. " in message
        assert message.endswith("your own data are for pyminpack.curve_fit")

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["--ftol", "-1"], "argument --ftol: must be a finite number from 0 up, not '-1'"),
            (["--xtol", "nan"], "argument --xtol: must be a finite number from 0 up, not 'nan'"),
            (["--gtol", "small"], "argument --gtol: must be a finite number from 0 up"),
            (["--maxfev", "0"], "argument --maxfev: must be a whole number from 1 up, not '0'"),
            (["--start", "3"], "argument --start: invalid choice"),
            (["--jacobian", "numeric"], "argument --jacobian: invalid choice"),
        ],
    )
    def test_bad_values(self, capsys, arguments, complaint):
        assert complaint in usage_error(capsys, *arguments)

    def test_settings_reach_the_solver(self, capsys):
        arguments = ["Thurber", "--json", "--ftol", "1e-9", "--xtol", "1e-10", "--gtol", "1e-3"]
        main([*arguments, "--maxfev", "500", "--jacobian", "analytic"])
        document = json.loads(capsys.readouterr().out)
        assert document["settings"] == {
            "ftol": 1e-9,
            "xtol": 1e-10,
            "gtol": 1e-3,
            "maxfev": 500,
            "jacobian": "analytic",
        }
        assert {run["ier"] for run in document["runs"]} == {4}  # gtol is the loosest
        assert all(run["njev"] > 0 for run in document["runs"])


class TestJson:
    def test_document(self, capsys):
        main(["--json", "--jacobian", "analytic"])
        # Strict: Python writes NaN and Infinity, which JSON does not know.
        document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        assert "Statistical Reference Datasets" in document["source"]
        assert "https://www.itl.nist.gov/" in document["source"]
        assert document["config"]["minpack"] in {"bundled", "system"}
        assert document["summary"]["runs"] == len(document["runs"]) == 54
        counts = [document["summary"][key] for key in ("ok", "out_of_reach", "failed")]
        assert sum(counts) == 54
        for run in document["runs"]:
            certified = datasets()[run["dataset"]].parameters
            if run["verdict"] == "ok":
                assert run["parameters"] == pytest.approx(certified, rel=1e-5)
                assert len(run["standard_errors"]) == len(certified)
                assert run["why"] == ""

    def test_what_is_not_available_is_null(self, capsys):
        main(["--json", "Misra1a", "--maxfev", "5"])
        run, _ = json.loads(capsys.readouterr().out)["runs"]
        assert (run["njev"], run["standard_errors"], run["error_digits"]) == (None, None, None)

    def test_what_is_not_finite_is_null(self):
        settings = Settings()
        (run,) = certify([datasets()["Misra1a"]], [2], settings)
        lost = dataclasses.replace(run, parameters=np.array([np.nan, np.inf]), rss=np.inf)
        (record,) = json.loads(as_json([lost], settings), parse_constant=pytest.fail)["runs"]
        assert (record["parameters"], record["rss"]) == ([None, None], None)
        assert record["verdict"] == "failed"


class TestPlot:
    def test_png_of_one_data_set(self, capsys, tmp_path):
        picture = pixels(tmp_path / "misra1a.png", ["Misra1a"])
        assert "Misra1a" in capsys.readouterr().out  # the table is printed all the same
        assert has_colour(picture, BLUE)
        assert has_colour(picture, ORANGE)

    def test_two_predictors_give_a_curve_for_each_temperature(self, capsys, tmp_path):
        picture = pixels(tmp_path / "nelson.png", ["Nelson"])
        assert all(has_colour(picture, colour) for colour in (BLUE, ORANGE, GREEN, RED))

    @pytest.mark.parametrize("name", ["Nelson", "Kirby2"])
    def test_every_observation_once_and_the_curve_through_the_fit(self, name, figures):
        """Read from the figure's own lines: points and curves take turns."""
        assert main([name, "--start", "2", "--plot", "unused.png"]) == 0
        dataset = datasets()[name]
        (axes,) = figures[0].axes
        points, curves = axes.lines[::2], axes.lines[1::2]
        assert sorted(y for line in points for y in line.get_ydata()) == sorted(dataset.y)
        for line, curve in zip(points, curves, strict=True):
            x, curve_x = line.get_xdata(), curve.get_xdata()
            assert (curve_x[0], curve_x[-1]) == (min(x), max(x))
            observed = dataset.y if dataset.x.ndim == 1 else line.get_ydata()
            # A least-squares fit passes the mean of its data within a residual or two.
            assert np.mean(np.interp(x, curve_x, curve.get_ydata())) == pytest.approx(
                np.mean(observed), abs=3 * np.sqrt(dataset.rss / dataset.dof)
            )

    def test_the_better_of_two_starts_is_drawn(self, capsys, figures):
        """BoxBOD from start 1 ends on a horizontal line at the mean."""
        main(["BoxBOD", "--plot", "unused.png"])
        main(["BoxBOD", "--start", "2", "--plot", "unused.png"])
        both, second = (figure.axes[0].lines[1].get_ydata() for figure in figures)
        assert np.array_equal(both, second)
        assert np.ptp(both) > 100

    def test_grid_grows_with_the_number_of_data_sets(self, capsys, tmp_path):
        two = pixels(tmp_path / "two.png", ["Gauss1", "BoxBOD"])
        five = pixels(tmp_path / "five.png", ["Gauss1", "BoxBOD", "ENSO", "Rat43", "Hahn1"])
        assert five.shape[1] > two.shape[1]  # three columns, two
        assert five.shape[0] > two.shape[0]  # two rows, one

    def test_with_json_stdout_stays_json(self, capsys, tmp_path):
        main(["DanWood", "--json", "--plot", str(tmp_path / "danwood.png")])
        assert json.loads(capsys.readouterr().out)["summary"]["runs"] == 2

    def test_a_fit_that_failed_is_drawn_too(self, capsys, tmp_path):
        path = tmp_path / "failed.png"
        assert main(["Misra1a", "--maxfev", "3", "--plot", str(path)]) == 1
        assert path.exists()

    def test_without_matplotlib(self, capsys, tmp_path, monkeypatch):
        """A clear message and no fits: nothing was printed on stdout."""
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        message = usage_error(capsys, "Misra1a", "--plot", str(tmp_path / "misra1a.png"))
        assert message.endswith("--plot needs matplotlib: pip install matplotlib")

    def test_everything_else_works_without_matplotlib(self):
        code = (
            "import sys; sys.modules['matplotlib'] = None; from pyminpack.__main__ import main;"
            "sys.exit(main(['DanWood']))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")

    @pytest.mark.parametrize("name", ["no_such_directory/a.png", "a.nonsense"])
    def test_file_that_cannot_be_written(self, capsys, tmp_path, name):
        with pytest.raises(SystemExit) as stopped:
            main(["DanWood", "--plot", str(tmp_path / name)])
        assert stopped.value.code == 2
        assert "error: --plot: " in capsys.readouterr().err


@pytest.fixture
def figures(monkeypatch):
    """Catch the figures that would be written."""
    caught = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path: caught.append(figure))
    return caught


# matplotlib's first four colours, C0 to C3.
BLUE, ORANGE, GREEN, RED = "1f77b4", "ff7f0e", "2ca02c", "d62728"


def pixels(path, names):
    assert main([*names, "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    return image.imread(path)[:, :, :3]


def has_colour(picture, colour):
    """Whether some pixels have just that colour: lines are opaque and wider than a pixel."""
    rgb = np.array(list(bytes.fromhex(colour))) / 255
    return bool(np.any(np.all(np.abs(picture - rgb) < 0.05, axis=2)))
