"""The whole NumPy surface: every listed name has NumPy's value and exact derivatives."""

import subprocess
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from surface import CALLS, GAPS, GROUPS, NOTES, ZERO
from surface.by_name import by_name
from surface.calls import Call
from surface.check import Program, check, compare_values, in_forward, in_reverse, leaves
from surface.edges import EDGES

ROOT = Path(__file__).resolve().parent.parent

EACH = [
    pytest.param(name, call, id=f"{name}: {call.text}")
    for names in GROUPS.values()
    for name in names
    for call in CALLS.get(name, ())
    if name not in GAPS
]


@pytest.mark.parametrize(("name", "call"), EACH)
def test_call(name, call):
    check(call, zero=name in ZERO)


@pytest.mark.parametrize("name", CALLS)
def test_arguments_by_name(name):
    """NumPy asks some arguments only, and by position: by name they have to be found as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in filter(None, map(by_name, CALLS[name])):
            expected = leaves(call.run(*call.points))
            program = Program(call)
            in_reverse(program, call.points or [1.0])
            compare_values(program.seen, expected, rounding=call.rounding)


@pytest.mark.parametrize("text", EDGES)
def test_edge(text):
    """At the edge of a function's domain, and beyond it, the answer is NumPy's."""
    call = Call(text)
    program = Program(call)
    points = call.points or [1.0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = leaves(call.run(*call.points))
        except Exception as refused:
            built_in = next(kind for kind in type(refused).__mro__ if kind.__module__ == "builtins")
            for transform in (in_reverse, in_forward):
                with pytest.raises(built_in):
                    transform(program, points)
            return
        for transform in (in_reverse, in_forward):
            transform(program, points)
            compare_values(program.seen, expected, rounding=False)


@pytest.mark.parametrize("group", GROUPS)
def test_no_name_is_missing(group):
    """Each listed name has calls, or stands among the gaps with its reason."""
    assert [name for name in GROUPS[group] if not CALLS.get(name) and not GAPS.get(name)] == []


def test_no_call_is_of_an_unlisted_name():
    listed = {name for names in GROUPS.values() for name in names}
    assert set(CALLS) | set(NOTES) | set(GAPS) <= listed


def test_every_function_of_numpy_is_listed():
    """What NumPy adds shows up here: a name to list, or one that is of no concern."""
    listed = {name.split(".")[-1] for names in GROUPS.values() for name in names}
    assert callables(np) - listed - UNLISTED == set()
    assert {f"linalg.{name}" for name in callables(np.linalg)} <= set(GROUPS["numpy.linalg"])
    assert callables(np.fft) <= listed


def callables(module):
    found = {name for name in module.__all__ if not name.startswith("_")}
    kinds = (type, types.ModuleType)
    return {
        name
        for name in found
        if callable(value := getattr(module, name)) and not isinstance(value, kinds)
    }


# Objects to be indexed, and names that NumPy deprecates.
UNLISTED = {"s_", "index_exp", "mgrid", "ogrid", "in1d", "row_stack", "trapz"}


def test_the_page_on_coverage_is_fresh():
    command = [sys.executable, "tools/coverage.py", "--check"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
