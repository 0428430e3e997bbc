"""The examples in the library's docstrings run and give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import wengert as wg
from wengert.ir.primitive import registry
from wengert.tracing.protocols import functions

PACKAGE = Path(wg.__file__).parent
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules() -> list[str]:
    """Names of all modules of the package, without importing them."""
    paths = sorted(PACKAGE.rglob("*.py"))
    parts = [path.relative_to(PACKAGE.parent).with_suffix("").parts for path in paths]
    return [".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts]


def take_out(namespace):
    """Take out what an example added to the library: other tests loop over all that is there."""
    for primitive in registry:
        if getattr(primitive.samples, "__globals__", None) is namespace:
            registry.remove(primitive.name)
    for answered, function in tuple(functions.items()):
        if getattr(function, "__globals__", None) is namespace:
            del functions[answered]


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    failures: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for example in doctest.DocTestFinder().find(importlib.import_module(name)):
        runner.run(example, out=failures.append)
        take_out(example.globs)
    assert not failures, "".join(failures)


def test_examples_leave_no_primitive():
    before = len(registry), len(functions)
    for name in ("bind", "structural", "elementwise", "implements"):
        example = getattr(wg.extend, name)
        test_examples(example.__module__)
    assert (len(registry), len(functions)) == before


def test_a_wrong_example_is_noticed():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    failures: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(wrong, out=failures.append)
    assert failures
