"""The batch of a function with custom rules: function and rules, each for all examples at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..ir.aval import aval_of, zeros_of
from ..ops.batch_rules import moved, spread_over
from ..tracing.core import Traced, raw_of, to_user
from ..tracing.creation import begin, end
from ..transforms.batching import BatchTrace

Axes = Sequence[int | None]


def for_all(
    function: Callable[..., Sequence[Any]], values: Sequence[Any], axes: Axes, size: int
) -> tuple[list[Any], list[bool]]:
    """Run a function of raw values for all examples; return raw results and which differ.

    Results that differ between examples have the batch axis first.
    """
    trace = BatchTrace(function, size)
    begin(trace)
    try:
        args = [
            value if axis is None else trace.wrap(value, axis)
            for value, axis in zip(values, axes, strict=True)
        ]
        raw = [raw_of(result) for result in function(*args)]
    finally:
        end(trace)
    differs = [type(entry) is Traced and entry._trace is trace for entry in raw]
    results = [
        moved(entry._below._below, entry._below.axis, 0) if flag else entry
        for entry, flag in zip(raw, differs, strict=True)
    ]
    return results, differs


class BatchedCall:
    """A call of a custom function for all examples; itself such a call, of batched leaves.

    Leaves have their batch axis first, or none: `axes` says which.
    """

    def __init__(self, call: Any, axes: Axes, size: int) -> None:
        self.call = call
        self.axes = tuple(axes)
        self.size = size
        self.function = call.function
        self._residuals: tuple[tree.Structure, list[bool]] | None = None

    def __repr__(self) -> str:
        return f"{self.call!r} under vmap"

    def is_like(self, other: Any) -> bool:
        """Return whether another call is of a like call, for as many examples."""
        return (
            type(other) is BatchedCall
            and (self.axes, self.size) == (other.axes, other.size)
            and self.call.is_like(other.call)
        )

    def structure_out(self) -> tree.Structure:
        """Return the structure of the result."""
        return self.call.structure_out()  # type: ignore[no-any-return]

    def named(self, what: str) -> str:
        """Return what an error calls a rule."""
        return str(self.call.named(what))

    def _spread(self, results: Sequence[Any], differs: Sequence[bool]) -> list[Any]:
        return [
            entry if flag else spread_over(entry, None, self.size)
            for entry, flag in zip(results, differs, strict=True)
        ]

    def on_leaves(self, *leaves: Any) -> list[Any]:
        """Run the function; all results have the batch axis."""
        raw = [raw_of(leaf) for leaf in leaves]
        found = for_all(
            lambda *given: self.call.on_leaves(*map(to_user, given)), raw, self.axes, self.size
        )
        return self._spread(*found)

    def pushed(
        self, leaves: Sequence[Any], changes: Sequence[Any]
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Run the jvp rule."""
        given = [(i, change) for i, change in enumerate(changes) if change is not None]
        count = len(leaves)
        zero: list[bool] = []

        def run(*values: Any) -> list[Any]:
            every: list[Any] = [None] * count
            for (i, _), change in zip(given, values[count:], strict=True):
                every[i] = change
            value, tangents = self.call.pushed(values[:count], every)
            zero[:] = [tangent is None for tangent in tangents]
            return [*value, *(t for t in tangents if t is not None)]

        axes = [*self.axes, *(self.axes[i] for i, _ in given)]
        values = [*leaves, *(change for _, change in given)]
        results = iter(self._spread(*for_all(run, values, axes, self.size)))
        value = tuple(next(results) for _ in zero)
        return value, tuple(None if flag else next(results) for flag in zero)

    def forward(self, leaves: Sequence[Any]) -> tuple[list[Any], Any]:
        """Run the forward rule; what its residuals look like is noted for the backward rule."""
        noted: list[Any] = []

        def run(*values: Any) -> list[Any]:
            value, residuals = self.call.forward(values)
            found, structure = tree.flatten(residuals)
            noted[:] = [len(value), structure]
            return [*value, *found]

        results, differs = for_all(run, leaves, self.axes, self.size)
        count, structure = noted
        self._residuals = (structure, differs[count:])
        value = self._spread(results[:count], differs[:count])
        return value, results[count:]

    def backward(
        self,
        residuals: Any,
        cotangents: Sequence[Any],
        value: Sequence[Any],
        leaves: Sequence[Any],
    ) -> list[Any]:
        """Run the backward rule; cotangents of leaves that are the same for all are added up."""
        assert self._residuals is not None
        structure, differs = self._residuals
        given = [(i, c) for i, c in enumerate(cotangents) if c is not None]
        kept, count, size = len(residuals), len(leaves), self.size
        zero: list[bool] = []

        def run(*values: Any) -> list[Any]:
            own = tree.unflatten(structure, values[:kept])
            every: list[Any] = [None] * len(value)
            for (i, _), cotangent in zip(given, values[kept + count :], strict=True):
                every[i] = cotangent
            likes = [zeros_of_example(entry) for entry in value]
            found = self.call.backward(own, every, likes, values[kept : kept + count])
            zero[:] = [entry is None for entry in found]
            return [entry for entry in found if entry is not None]

        axes = [*(0 if flag else None for flag in differs), *self.axes, *(0 for _ in given)]
        values = [*residuals, *leaves, *(c for _, c in given)]
        results, different = for_all(run, values, axes, size)
        pairs = iter(zip(results, different, strict=True))
        every: list[Any] = []
        for axis, is_zero in zip(self.axes, zero, strict=True):
            if is_zero:
                every.append(None)
                continue
            entry, flag = next(pairs)
            if axis is not None:
                every.append(entry if flag else spread_over(entry, None, size))
            elif flag:
                every.append(raw_of(np.sum(to_user(entry), axis=0)))
            else:
                every.append(raw_of(to_user(entry) * float(size)))
        return every


def zeros_of_example(value: Any) -> Any:
    """Return a zero like one example of a value that has its batch axis first."""
    aval = aval_of(value)
    like = aval_of(np.zeros(aval.shape[1:], aval.dtype)[()])
    return zeros_of(like)
