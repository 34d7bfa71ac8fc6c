"""What a figure means nothing without: machine, compiler, flags, settings, date, commit."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pyminpack

__all__ = ["circumstances"]

HERE = Path(__file__).parent
SIMD = ("sse", "ssse", "avx", "fma", "asimd", "sve", "neon")
CODE = ("-O", "-f", "-m", "-std")  # flags that decide what code comes out
SETTINGS = ("OMP_", "OPENBLAS_", "MKL_", "BLIS_", "MALLOC_", "FFLAGS", "CFLAGS", "LDFLAGS")


def circumstances(build: Path | None) -> dict[str, Any]:
    """Say when, where and with what, `build` being meson's folder of the installed package."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": machine(),
        "built": pyminpack.show_config(),
        "flags": flags(build),
        "settings": {k: v for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)},
    }


def commit() -> str:
    """Commit of this source tree, with "-dirty" where it was changed since."""
    run = subprocess.run(
        ["git", "-C", HERE, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        text=True,
    )
    return run.stdout.strip() if run.returncode == 0 else "unknown"


def machine() -> dict[str, Any]:
    """Processor, caches, and how busy it was with other things; from Linux where it is Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    rows = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    entries = {k.strip(): v.strip() for k, _, v in (row.partition(":") for row in rows)}
    features = entries.get("flags", entries.get("Features", "")).split()
    caches = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": entries.get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "simd": " ".join(f for f in features if f.startswith(SIMD)),
        "caches": [
            " ".join((cache / entry).read_text().strip() for entry in ("level", "type", "size"))
            for cache in caches
        ],
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def flags(build: Path | None) -> dict[str, str]:
    """Options that the Fortran was compiled with, and which files, by meson's build folder."""
    if build is None:
        return {}
    found: dict[str, list[str]] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["file"])
        if source.suffix == ".f90" and "tests" not in source.parts:
            words = shlex.split(entry["command"])
            chosen = " ".join(w for w in words if w.startswith(CODE) and "diagnostics" not in w)
            found.setdefault(chosen, []).append(source.name)
    most_first = sorted(found.items(), key=lambda item: -len(item[1]))
    return {
        chosen: ", ".join(names) if len(names) <= 3 else f"{len(names)} files"
        for chosen, names in most_first
    }
