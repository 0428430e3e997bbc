"""Checks of what rules of custom functions return: structures, shapes, and whose values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import tree
from ..errors import TangentError
from ..ir.aval import aval_of, is_differentiable
from ..tracing.core import Traced, raw_of
from ..transforms.arguments import fit_change


def level_of(values: Iterable[Any]) -> int:
    """Return the highest level of a derivative among raw values."""
    found = 0
    for value in values:
        while type(value) is Traced and value._trace.batches:
            value = value._below._below
        if type(value) is Traced and not value._trace.stages:
            found = max(found, value._trace.level)
    return found


def described(value: Any) -> str:
    """Return what a rule returned in place of a tuple, for an error."""
    if isinstance(value, (tuple, list)):
        return f"{len(value)}"
    return f"a {type(value).__name__}: write return (x,) for one argument"


def matching(change: Any, like: Any, what: str, kind: str) -> list[Any]:
    """Return the raw leaves of a change, checked against what it is a change of.

    None stands for zero, for the whole or for a leaf; integers have no change.
    """
    leaves, structure = tree.flatten(like)
    if change is None:
        return [None] * len(leaves)
    found, given = tree.flatten_with_none(change)
    expected = tree.flatten_with_none(like)
    if given != expected[1]:
        raise TangentError(
            f"{what} returned a {kind} of structure {tree.structure(change)} for a value of "
            f"structure {structure}"
        )
    entries: list[Any] = []
    for entry, leaf in zip(found, expected[0], strict=True):
        if leaf is None:
            continue
        aval = aval_of(raw_of(leaf))
        if entry is None or not is_differentiable(aval.dtype):
            entries.append(None)
            continue
        try:
            entries.append(raw_of(fit_change(entry, aval, kind)))
        except TangentError as error:
            raise TangentError(f"{what}: {error}") from None
    return entries
