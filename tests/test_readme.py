"""README.md does what it says: its Python runs, its output is what comes, its commands exist.

Blocks of ``python`` run in order, in one namespace. One that is written as a session (``>>>``) is
checked as a doctest; the output of any other is compared with a ``text`` block right after it.
In blocks of ``console``, lines with a ``$`` prompt are commands.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

README = Path(__file__).parents[1] / "README.md"

pytestmark = [
    pytest.mark.skipif(not README.exists(), reason="checks the README.md of a checkout"),
    pytest.mark.optimised,  # it shows what the default build prints, and how fast it is
    pytest.mark.bundled,
]


class Block(NamedTuple):
    language: str
    text: str
    line: int  # of the README, where the text begins


def blocks() -> list[Block]:
    readme = README.read_text(encoding="utf-8") if README.exists() else ""
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        Block(match[1], match[2], readme.count("\n", 0, match.start(2)) + 1)
        for match in fence.finditer(readme)
    ]


def commands() -> list[str]:
    return [
        line.removeprefix("$ ")
        for block in blocks()
        if block.language == "console"
        for line in block.text.splitlines()
        if line.startswith("$ ")
    ]


def run(block: Block, namespace: dict[str, object]) -> str:
    """Run a block; return what it prints."""
    if block.text.startswith(">>>"):
        example = doctest.DocTestParser().get_doctest(
            block.text, namespace, "README.md", str(README), block.line - 1
        )
        example.globs = namespace  # get_doctest copies it
        doctest.DebugRunner().run(example, clear_globs=False)
        return ""
    code = compile("\n" * (block.line - 1) + block.text, str(README), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    return printed.getvalue()


def test_python_blocks(tmp_path, monkeypatch):
    """Protects the reader who copies one block after the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace: dict[str, object] = {"__name__": "__main__"}
    found = blocks()
    assert any(block.language == "python" for block in found)
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.language != "python":
            continue
        printed = run(block, namespace)
        if following is not None and following.language == "text":
            assert printed == following.text, f"output of the block at line {block.line}"


def test_speed_tables(tmp_path):
    """Protects against figures that nobody has measured."""
    copy = tmp_path / README.name
    shutil.copy(README, copy)
    bench = Path(__file__).parent / "bench"
    command = [sys.executable, bench / "readme.py", bench / "figures.json", copy]
    subprocess.run(command, check=True)
    assert copy.read_text(encoding="utf-8") == README.read_text(encoding="utf-8")


@pytest.mark.skipif(not (README.parent / "minpack").exists(), reason="checks a whole checkout")
@pytest.mark.parametrize("document", ["README.md", "minpack/README.md"])
def test_links(document):
    """Protects whoever follows a link within the repository, or to a heading; pictures too."""
    path = README.parent / document
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-").lower() for heading in headings}
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert links or document != "README.md"
    for link in links:
        assert link[1:] in anchors if link[0] == "#" else (path.parent / link).exists(), link


def test_there_are_commands():
    """Protects against prompts written another way, which the next tests would not see."""
    assert any(command.startswith("ci/demo") for command in commands())
    assert any(command.startswith("ci/test") for command in commands())


@pytest.mark.parametrize("command", commands())
def test_command(command, tmp_path):
    """Protects commands from renamed scripts, folders, options; those of the package are run."""
    words = shlex.split(command, comments=True)
    for word in words:
        if re.match(r"(ci|tests|src|minpack)/", word):
            assert (README.parent / word).exists()
    if words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]) is not None
    if words[:3] == ["python", "-m", "pyminpack"]:
        subprocess.run([sys.executable, *words[1:]], cwd=tmp_path, check=True, capture_output=True)
