"""Write the blocked factor routines of one instruction set: sources joined, names with a suffix.

Usage: variant.py SUFFIX OUTPUT SOURCE...; called by meson.
"""

import re
import sys
from pathlib import Path

suffix, output, *sources = sys.argv[1:]
text = "".join(Path(source).read_text(encoding="utf-8") for source in sources)
modules = "|".join(Path(source).stem for source in sources)
text = re.sub(rf"\bminpack_({modules})\b", rf"minpack_\1{suffix}", text)
text = re.sub(r'(bind\(c, name="\w+)"', rf'\1{suffix}"', text)
Path(output).write_text(text, encoding="utf-8")
