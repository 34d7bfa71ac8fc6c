"""The examples in the docstrings of the installed package give what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pyminpack

MODULES = [
    "pyminpack",
    *(
        module.name
        for module in pkgutil.walk_packages(pyminpack.__path__, "pyminpack.")
        if not module.name.endswith("__main__")  # importing it is running it
    ),
]


BUNDLED = {"pyminpack._watch"}  # whose examples take what the original MINPACK has not


@pytest.mark.parametrize(
    "name", [pytest.param(m, marks=[pytest.mark.bundled] * (m in BUNDLED)) for m in MODULES]
)
def test_examples(name):
    """Protects readers who try an example."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", sorted(set(pyminpack.__all__) - {"__version__"}))
def test_public_function_has_examples(name):
    """Protects against a doctest run that finds nothing to run."""
    (found,) = doctest.DocTestFinder(recurse=False).find(getattr(pyminpack, name), name)
    assert found.examples
