"""Namespaces that offer NumPy's names to import: each name is looked up when it is first used."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ..tracing.creation import joining, looking_into_lists, pass_for

_DISPATCHED = type(np.sum)  # of the functions that ask their arguments for an implementation
# Lists that these are given are lists of arrays, in which NumPy looks for handles itself.
_JOINING = frozenset({"concat", "stack", "dstack", "column_stack"})
_OF_SEQUENCES = frozenset({"block", "choose", "histogramdd", "lexsort", "multi_dot", "select"})
_MODULES = frozenset({"fft", "linalg", "random"})  # others are found, but not listed


def offering(
    source: ModuleType, into: dict[str, Any], own: Callable[[], dict[str, Any]] = dict
) -> tuple[Callable[[str], Any], list[str]]:
    """Return the ``__getattr__`` of a module that offers the names of `source`, and the names.

    Parameters
    ----------
    into : dict
        The globals of the module; what was found is kept there.
    own : callable
        Gives the names that the module has an answer of its own for; asked at first use.
    """
    answers = functools.cache(own)

    def find(name: str) -> Any:
        found = answers().get(name)
        if found is None:
            if name.startswith("__") and name not in source.__all__:  # what Python asks modules
                raise AttributeError(f"module {into['__name__']!r} has no attribute {name!r}")
            found = getattr(source, name)
            if type(found) is _DISPATCHED and name not in _OF_SEQUENCES:
                make = joining if name in _JOINING else looking_into_lists
                found = pass_for(make(found), found)
        into[name] = found
        return found

    listed = (
        name
        for name in source.__all__
        if name in _MODULES or not isinstance(vars(source).get(name, np), ModuleType)
    )
    return find, sorted(listed)
