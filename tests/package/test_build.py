"""What was built and installed: the extension's symbols and needs, the files, the import."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import pyminpack
from pyminpack import _minpack

CPUINFO = Path("/proc/cpuinfo")
SOURCE = Path(__file__).parents[2] / "src" / "pyminpack"
LIBC = re.compile(r"(lib(c|m|pthread)|ld-linux.*|ld64)\.so\.\d+")  # glibc's own

needs_elf = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("readelf") is None,
    reason="reads the extension with readelf (Linux; Debian's package: binutils)",
)


@cache
def readelf(*options: str) -> str:
    command = ["readelf", "--wide", *options, _minpack.__file__]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dynamic_symbols(*, defined: bool) -> set[str]:
    """Names of global symbols that the extension gives to the process, or asks of it."""
    names = set()
    for line in readelf("--dyn-syms").splitlines():
        fields = line.split()
        # Num: Value Size Type Bind Vis Ndx Name
        if len(fields) < 8 or fields[4] not in ("GLOBAL", "WEAK"):
            continue
        if (fields[6] != "UND") == defined:
            names.add(fields[7].partition("@")[0])
    return names


def vectorised() -> dict[str, bool]:
    """Of the functions that run over many numbers: whether they take several at once."""
    packed = re.compile(
        r"\bv?(?:add|sub|mul|fn?m(?:add|sub)\d*)pd\b"  # x86-64
        r"|\bf(?:add|sub|mul|mla|mls)\s.*\.2d\b"  # aarch64
    )
    found: dict[str, bool] = {}
    for function in disassembly().split("\n\n"):
        name = re.match(r"\w+ <(\w*_kernels_\w+|lm_(?:enorm|lmpar)|reflect)[\w.]*>:", function)
        if name:
            found[name[1]] = found.get(name[1], False) or bool(packed.search(function))
    return found


@cache
def disassembly() -> str:
    command = ["objdump", "--disassemble", "--no-show-raw-insn", _minpack.__file__]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needed() -> set[str]:
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", readelf("--dynamic")))


@needs_elf
class TestExtension:
    def test_exports_its_init_function_only(self):
        """Protects us and other users of MINPACK in a process from each other's lmdif_."""
        assert dynamic_symbols(defined=True) == {"PyInit__minpack"}

    def test_stack_is_not_executable(self):
        """Protects loading with glibc 2.41 and later, which refuses libraries that ask for one."""
        flags = re.findall(r"GNU_STACK\s+(?:0x\w+\s+){5}(\S+)", readelf("--program-headers"))
        assert flags == ["RW"]

    @pytest.mark.optimised
    def test_needs_no_fortran_runtime(self):
        """Protects machines without libgfortran, and the size of the wheel."""
        wanted = dynamic_symbols(defined=False)
        assert not {name for name in wanted if name.startswith(("_gfortran", "_FortranA"))}
        assert not {name for name in needed() if "gfortran" in name or "quadmath" in name}

    @pytest.mark.optimised
    def test_needs_the_c_library_alone(self):
        """Protects a wheel that has nothing to bundle; a system build needs libminpack as well."""
        others = {name for name in needed() if not LIBC.fullmatch(name)}
        system = pyminpack.show_config()["minpack"] == "system"
        assert others == ({"libminpack.so.1"} if system else set())

    @pytest.mark.optimised
    def test_kernels_compute_with_vectors(self):
        """Protects the speed of each instruction set: a compiler that cannot does not say so."""
        kernels = vectorised()
        assert len(kernels) >= 8
        assert [name for name, packed in kernels.items() if not packed] == []

    def test_show_config_tells_whose_lmdif_it_is(self):
        """Protects what a bug report says: with "system", and only then, the original is called."""
        borrowed = {"lmdif_", "lmder_"} & dynamic_symbols(defined=False)
        expected = {"bundled": set(), "system": {"lmdif_", "lmder_"}}
        assert borrowed == expected[pyminpack.show_config()["minpack"]]


@pytest.mark.skipif(not CPUINFO.exists(), reason="no list of the processor's features")
def test_the_processor_has_the_instructions():
    """Protects against an illegal instruction, and the word of a bug report on the last bits."""
    needed = {
        "baseline": set(),
        "avx2": {"avx2", "fma"},
        "avx512": {"avx512f", "avx512vl", "avx512dq", "avx2", "fma"},
    }[pyminpack.show_config()["isa"]]
    features = re.search(r"^(?:flags|Features)\s*: (.*)$", CPUINFO.read_text(), re.MULTILINE)
    assert needed <= set(features[1].split())


@pytest.mark.skipif(not SOURCE.exists(), reason="compares with the source tree")
def test_every_file_is_installed():
    """Protects against a module, or data, that meson.build forgets: it works in the source tree."""
    installed = importlib.resources.files("pyminpack")
    files = [
        path.relative_to(SOURCE)
        for path in SOURCE.rglob("*")
        if path.suffix in (".py", ".pyi", ".json", ".typed") or path.name == "py.typed"
    ]
    assert len(files) > 5
    missing = [str(file) for file in files if not installed.joinpath(*file.parts).is_file()]
    assert not missing


def test_one_version():
    """Protects against a version that stands in two places: pip's, the package's, the build's."""
    version = importlib.metadata.version("pyminpack")
    assert pyminpack.__version__ == version
    assert pyminpack.show_config()["version"] == version


def test_import_is_silent_and_needs_numpy_alone():
    """Protects the promise of one dependency: scipy and matplotlib are for tests and plots."""
    script = (
        "import json, sys, numpy; before = set(sys.modules); import pyminpack;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stderr == ""
    (line,) = result.stdout.splitlines()
    assert set(json.loads(line)) - sys.stdlib_module_names <= {"numpy", "pyminpack"}
