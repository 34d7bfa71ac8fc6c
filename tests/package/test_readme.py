"""The README files do what they say: their Python runs and prints what they show; commands exist.

Blocks of ``python`` run in order, in one namespace a document. One that is written as a session
(``>>>``) is checked as a doctest; the output of any other is compared with a ``text`` block right
after it. In blocks of ``console``, lines with a ``$`` prompt are commands.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    "README.md",
    "ci/README.md",
    "minpack/README.md",
    "src/pyminpack/README.md",
    "src/pyminpack/many.md",
    "src/pyminpack/scipy.md",
    "src/pyminpack/blocks.md",
    "tests/README.md",
    "tests/bench/README.md",
]

pytestmark = [
    pytest.mark.skipif(
        not (ROOT / "minpack").exists(), reason="checks the README files of a checkout"
    ),
    pytest.mark.optimised,  # they show what the default build prints, and how fast it is
    pytest.mark.bundled,
]


class Block(NamedTuple):
    language: str
    text: str
    line: int  # of its document, where the text begins


def read(document: str) -> str:
    path = ROOT / document
    return path.read_text(encoding="utf-8") if path.exists() else ""


def blocks(document: str) -> list[Block]:
    text = read(document)
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        Block(match[1], match[2], text.count("\n", 0, match.start(2)) + 1)
        for match in fence.finditer(text)
    ]


def commands() -> list[tuple[str, str]]:
    return [
        (document, line.removeprefix("$ "))
        for document in DOCUMENTS
        for block in blocks(document)
        if block.language == "console"
        for line in block.text.splitlines()
        if line.startswith("$ ")
    ]


def run(document: str, block: Block, namespace: dict[str, object]) -> str:
    """Run a block; return what it prints."""
    path = str(ROOT / document)
    if block.text.startswith(">>>"):
        example = doctest.DocTestParser().get_doctest(
            block.text, namespace, document, path, block.line - 1
        )
        example.globs = namespace  # get_doctest copies it
        doctest.DebugRunner().run(example, clear_globs=False)
        return ""
    code = compile("\n" * (block.line - 1) + block.text, path, "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    return printed.getvalue()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_blocks(document, tmp_path, monkeypatch):
    """Protects the reader who copies one block after the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace: dict[str, object] = {"__name__": "__main__"}
    found = blocks(document)
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.language != "python":
            continue
        printed = run(document, block, namespace)
        if following is not None and following.language == "text":
            assert printed == following.text, f"{document}: output of the block at {block.line}"


def test_there_are_python_blocks():
    """Protects against blocks written another way, which the test above would not see."""
    with_python = [
        document
        for document in DOCUMENTS
        if any(block.language == "python" for block in blocks(document))
    ]
    assert {"README.md", "src/pyminpack/README.md", "tests/README.md"} <= set(with_python)


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if "<!-- figures: end" in read(d)])
def test_tables(document, tmp_path):
    """Protects against figures that nobody has measured."""
    copy = tmp_path / "README.md"
    copy.write_text(read(document), encoding="utf-8")
    bench = ROOT / "tests" / "bench"
    command = [sys.executable, bench / "readme.py", bench / "figures.json", copy]
    subprocess.run(command, check=True)
    assert copy.read_text(encoding="utf-8") == read(document)


def anchors(document: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", read(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-").lower() for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links(document):
    """Protects whoever follows a link within the repository, or to a heading; pictures too."""
    for link in re.findall(r"\]\(([^)\s]+)\)", read(document)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / document).parent / file if file else ROOT / document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT))), link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_names_of_tests(document):
    """Protects whoever looks for the test that a table names."""
    names = {path.stem for path in (ROOT / "tests").rglob("test_*")}
    ours = re.sub(r"scipy/optimize/\S+", "", read(document))
    assert set(re.findall(r"\btest_\w+", ours)) <= names


def test_first_page():
    """Protects who reads it on an index page, where files beside it are not, or has little time."""
    text = read("README.md")
    assert text.count("\n") <= 250
    links = re.findall(r"(!?)\[([^]]+)\]\(([^)\s]+)\)", text)
    assert links
    for picture, words, link in links:
        told = picture and len(words) > 40  # what it would show, where it is not shown
        assert told or link.startswith(("#", "https://"))


def test_there_are_commands():
    """Protects against prompts written another way, which the next tests would not see."""
    assert any(command.startswith("ci/demo") for _, command in commands())
    assert any(command.startswith("ci/test") for _, command in commands())


@pytest.mark.parametrize(("document", "command"), commands())
def test_command(document, command, tmp_path):
    """Protects commands from renamed scripts, folders, options; those of the package are run."""
    words = shlex.split(command, comments=True)
    for word in words:
        if re.match(r"(ci|tests|src|minpack)/", word):
            assert (ROOT / word).exists()
    if words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]) is not None
    if words[:3] == ["python", "-m", "pyminpack"]:
        subprocess.run([sys.executable, *words[1:]], cwd=tmp_path, check=True, capture_output=True)
