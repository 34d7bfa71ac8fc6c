"""Types of what meson writes from build_info.py.in."""

VERSION: str
MINPACK: str
FORTRAN_COMPILER: str
C_COMPILER: str
NUMPY_AT_BUILD: str
CPU: str
