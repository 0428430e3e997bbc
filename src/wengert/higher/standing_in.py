"""Operands that suit a branch, for ``config.debug_nans``: where examples choose differently.

An example that does not take a branch gets the operands of one that does while the branch runs:
what it would make is not to blame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..tracing.core import Batched, Trace, Traced, ndim_of, raw_of, to_user


def choices(index: Any, count: int) -> np.ndarray[Any, Any] | None:
    """Return the numbers of the branches that all examples take, of every `vmap` around.

    They come in the order in which they lie in memory. None where they are not known.
    """
    while type(index) is Traced or type(index) is Batched:
        index = index._below
    return None if type(index) is Aval else _numbers(index, count)


def suited(
    index: Any, number: int, count: int, operands: Sequence[Any], places: Sequence[int | None]
) -> list[Any]:
    """Return operands that suit a branch, which some example takes.

    `index` has one known entry an example along axis 0, as the operands have that have a place.
    """
    chosen = to_user(index)
    if aval_of(index).dtype.kind == "b":
        mine = np.equal(chosen, bool(number))
    else:
        mine = np.equal(np.clip(chosen, 0, count - 1), number)
    around = _batches([index, *operands])
    takes = _numbers(_spread(index, around), count) == number
    if not takes.size:
        return list(operands)
    position = tuple(np.argwhere(takes)[0])
    found = []
    for value, place in zip(operands, places, strict=True):
        every = None if place is None else _spread(value, around)
        if every is not None:
            axes = takes.ndim
            example = np.broadcast_to(every, takes.shape + every.shape[axes:])[position]
            mask = np.reshape(mine, (-1,) + (1,) * (ndim_of(value) - 1))
            value = raw_of(np.where(mask, to_user(value), example))
        found.append(value)
    return found


def _numbers(index: Any, count: int) -> np.ndarray[Any, Any]:
    return np.clip(np.asarray(index).astype(np.int64), 0, count - 1)


def _batches(values: Sequence[Any]) -> list[Trace]:
    """Return the batching traces of values, innermost first."""
    found: dict[int, Trace] = {}
    for value in values:
        while type(value) is Traced or type(value) is Batched:
            if type(value) is Traced and value._trace.batches:
                found[value._trace.level] = value._trace
            value = value._below
    return [found[level] for level in sorted(found, reverse=True)]


def _spread(value: Any, around: Sequence[Trace]) -> Any:
    """Return plain values with one axis in front for each batch around, the outermost one first.

    An axis has length 1 where all examples share the value. None where values are not known.
    """
    while type(value) is Traced and not value._trace.batches:
        value = value._below
    if not around:
        return None if type(value) is Aval else np.asarray(value)
    mine = type(value) is Traced and value._trace is around[0]
    below = _spread(value._below._below if mine else value, around[1:])
    if below is None:
        return None
    front = len(around) - 1
    if mine:
        return np.moveaxis(below, front + value._below.axis, front)
    return np.expand_dims(below, front)
