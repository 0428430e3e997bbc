"""Writes by a mask that is not known: ``x[mask] = value`` and ``x[mask] += value``.

How many entries a mask selects decides on a shape; a write does not need to know, since it can
choose between the old and the new value at every entry.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from .core import Array, raw_of, to_user, write_handle


def set_where(array: Array, mask: Any, value: Any) -> bool:
    """Write where a mask holds: one value, or one for each place after the mask's axes.

    Returns whether that was done: with one value for each entry that is selected, which ones these
    are has to be known.
    """
    check_mask(array, mask)
    trailing = array.ndim - aval_of(mask).ndim
    given = np.shape(value)
    if len(given) == trailing + 1 and given[0] == 1:
        value = value[0]
    elif len(given) > trailing:
        return False
    _choose(array, mask, value, trailing)
    return True


def check_mask(array: Array, mask: Any) -> None:
    """Raise as NumPy does where a mask does not fit the first axes of an array."""
    shape = aval_of(mask).shape
    if shape != array.shape[: len(shape)]:
        raise IndexError(
            f"boolean index of shape {shape} did not match indexed array of shape {array.shape}"
        )


class Selected:
    """What ``x[mask]`` is in ``x[mask] += value``: all of x, of which the mask's entries count.

    Only the operator of that statement ever sees it. ``rest`` is the number of axes after the
    mask's: a value of no more axes is the same for all entries that are selected.
    """

    __slots__ = ("mask", "rest", "whole")

    def __init__(self, array: Array, mask: Any) -> None:
        check_mask(array, mask)
        self.whole: Any = to_user(raw_of(array))
        self.mask = mask
        self.rest = array.ndim - aval_of(mask).ndim

    def apply(self, function: Callable[[Any, Any], Any], other: Any) -> Any:
        """Return what the statement stores: all entries changed, or a refusal of what it needs."""
        if np.ndim(other) > self.rest:  # one value for each entry that is selected
            return function(self.whole[to_user(self.mask),], other)
        with np.errstate(all="ignore"):  # entries that do not count
            self.whole = function(self.whole, other)
        return self

    def store(self, array: Array) -> None:
        """Write the entries that count."""
        _choose(array, self.mask, self.whole, self.rest)


def _choose(array: Array, mask: Any, value: Any, rest: int) -> None:
    """Write `value` where a mask of the first axes holds; `rest` is the number of the others."""
    chosen = to_user(mask)
    if rest:
        chosen = np.reshape(chosen, (*aval_of(mask).shape, *(1,) * rest))
    write_handle(array, (("index", Ellipsis),), np.where(chosen, value, array))


def _install() -> None:
    for function in (
        operator.add,
        operator.sub,
        operator.mul,
        operator.truediv,
        operator.floordiv,
        operator.mod,
        operator.pow,
        operator.and_,
        operator.or_,
        operator.xor,
    ):

        def change(self: Selected, other: Any, function: Any = function) -> Any:
            return self.apply(function, other)

        setattr(Selected, f"__i{function.__name__.rstrip('_')}__", change)


_install()
