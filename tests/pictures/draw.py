"""Draw the pictures of the READMEs into this folder.

    python tests/pictures/draw.py

runs the Python blocks that save them. The same matplotlib writes the same files.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import matplotlib

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "package"))

from test_readme import DOCUMENTS, blocks, run  # noqa: E402


def main() -> None:
    os.chdir(HERE)
    os.environ["SOURCE_DATE_EPOCH"] = "0"  # the date in the file
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "README"  # the names of its elements
    for document in DOCUMENTS:
        python = [block for block in blocks(document) if block.language == "python"]
        drawing = [number for number, block in enumerate(python) if "savefig" in block.text]
        namespace: dict[str, object] = {"__name__": "__main__"}
        for block in python[: max(drawing, default=-1) + 1]:
            run(document, block, namespace)


if __name__ == "__main__":
    main()
