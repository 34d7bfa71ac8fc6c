"""Join Fortran sources into one, so that the compiler can inline across their modules.

Usage: join.py OUTPUT SUFFIX SOURCE...; called by meson. SUFFIX, which may be empty, goes to the
names of these modules and of what they bind to C: several variants then fit into one program.
"""

import re
import sys
from pathlib import Path

output, suffix, *sources = sys.argv[1:]
# Messages of the compiler, and debuggers, name the source.
text = "".join(f'# 1 "{path}"\n{Path(path).read_text(encoding="utf-8")}' for path in sources)
modules = "|".join(Path(path).stem for path in sources)
text = re.sub(rf"\bminpack_({modules})\b", rf"minpack_\1{suffix}", text)
text = re.sub(r'(bind\(c, name="\w+)"', rf'\1{suffix}"', text)
Path(output).write_text(text, encoding="utf-8")
