"""Rows of a tape without their residuals, and the function that runs again to have them back.

What eager ``checkpoint`` is made of. The function runs again as its first run saw it: the traces of
that run live again, values and positions are the same, only the rows go elsewhere.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import CheckpointError
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from ..tracing.core import Batched, Trace, Traced, innermost, raw_of, to_user
from ..tracing.creation import resumed
from ..transforms.reverse import ReverseTrace, pull_through_mask

# Rows with less are kept as they are: a row without residuals takes as much.
_LIGHT_BYTES = 256

Saves = Callable[[Primitive, dict[str, Any]], bool]


class Call:
    """A function with its arguments, to be run any number of times from the same state."""

    __slots__ = ("_leaves", "_structure", "function", "traces")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        traces: Sequence[Trace],
    ) -> None:
        self.function = function
        leaves, self._structure = tree.flatten((args, kwargs))
        self._leaves = [raw_of(leaf) for leaf in leaves]
        self.traces = tuple(traces)

    def protect(self, tape: ReverseTrace) -> None:
        """Make sure that plain arrays among the arguments do not change before the next run."""
        protected = tape.guard().protected
        self._leaves = [
            protected(leaf) if type(leaf) is np.ndarray else leaf for leaf in self._leaves
        ]

    def run(self) -> Any:
        """Run the function on handles of its own."""
        args, kwargs = tree.unflatten(self._structure, [to_user(leaf) for leaf in self._leaves])
        return self.function(*args, **kwargs)


class Rows(list[Any]):
    """The rows of a tape from `offset` on; those outside a range lose their residuals at once."""

    __slots__ = ("high", "low", "offset", "replayed", "saved", "saves", "segment", "used")

    def __init__(
        self, segment: Segment, low: int, high: int, saved: list[Any], *, replayed: bool
    ) -> None:
        super().__init__()
        self.segment = segment
        self.offset = segment.start
        self.low = low
        self.high = high
        self.saves = segment.saves
        self.saved = saved
        self.used = 0
        self.replayed = replayed

    def __len__(self) -> int:
        return self.offset + super().__len__()

    def extend(self, entries: Any) -> None:
        """Add an operation on real scalars as a row of its own; see `Trace.scalar_rows`."""
        x, y, ans, first, second, pull = entries
        self.append((pull, first if second is None else (first, second), (x, y, ans)))

    def append(self, row: Any) -> None:
        """Add a row, without its residuals where they are not wanted now."""
        position = len(self)
        if self.low <= position < self.high:
            super().append(row)
            return
        pull, inputs, residuals = row
        size = bytes_of(residuals)
        if not self.replayed:
            self.segment.count(size, position)
        if size < _LIGHT_BYTES and pull is not pull_again:
            super().append(row)
        else:
            super().append((pull_again, inputs, (self.segment, position, pull)))


class Segment:
    """The rows that one run of a function added to one tape.

    Parameters
    ----------
    tape : ReverseTrace
    call : Call
    saves : callable or None
        Which operations' results are kept, so that they are not computed again.
    memory : int or None
        The bytes of residuals that may be held at a time. Beyond it the rows are parted, and the
        function runs again for each part.
    """

    def __init__(
        self, tape: ReverseTrace, call: Call, saves: Saves | None, memory: int | None
    ) -> None:
        self.tape = tape
        self.call = call
        self.saves = saves
        self.memory = memory
        self.start = len(tape.rows)
        self.end = self.start
        self.bounds = [self.start]
        self._held = 0
        self.inputs: list[Any] = []
        self.rows = Rows(self, 0, 0, [], replayed=False)
        self.fingerprint: list[Any] = []
        self._part: tuple[int, list[Any]] = (-1, [])

    def count(self, size: int, position: int) -> None:
        """Note the bytes of a row that was left out; a part ends where it would be too large."""
        self._held += size
        if self.memory is not None and self._held > self.memory and position > self.bounds[-1]:
            self.bounds.append(position)
            self._held = size

    def finish(self, result: Any) -> None:
        """End the first run: the rows are added to the tape."""
        self.end = len(self.rows)
        self.inputs = [row[1] for row in self.rows]
        self.fingerprint = fingerprint_of(result)
        for row in self.rows:
            self.tape.rows.append(row)

    def residuals(self, position: int) -> tuple[Any, Any]:
        """Return pull and residuals of a row, running the function again where need be."""
        part = bisect_right(self.bounds, position) - 1
        low = self.bounds[part]
        if self._part[0] != part or self._part[1][position - low] is None:
            self._part = (-1, [])
            high = self.bounds[part + 1] if part + 1 < len(self.bounds) else self.end
            self._part = (part, self._run_again(low, high))
        rows = self._part[1]
        pull, _, residuals = rows[position - low]
        rows[position - low] = None
        return pull, residuals

    def _run_again(self, low: int, high: int) -> list[Any]:
        tape = self.tape
        elsewhere: list[tuple[ReverseTrace, Any, Any, type]] = []
        rows = Rows(self, low, high, self.rows.saved, replayed=True)
        with resumed(self.call.traces):
            try:
                for trace in self.call.traces:
                    if isinstance(trace, ReverseTrace) and trace.level >= tape.level:
                        own = rows if trace is tape else _nowhere(trace, self.call)
                        elsewhere.append((trace, trace.rows, trace.scalar_rows, trace.__class__))
                        redirect(trace, own)
                result = self.call.run()
            finally:
                for trace, before, scalars, kind in elsewhere:
                    trace.rows, trace.scalar_rows, trace.__class__ = before, scalars, kind
        if (
            len(rows) != self.end
            or [row[1] for row in rows] != self.inputs
            or fingerprint_of(result) != self.fingerprint
        ):
            name = getattr(self.call.function, "__qualname__", repr(self.call.function))
            raise CheckpointError(
                f"{name} did something else when checkpoint ran it again for its derivative. It "
                "must depend on its arguments alone: draw random numbers outside and pass them in, "
                "and do not write to arrays from outside"
            )
        return list(rows)[low - self.start : high - self.start]


def _nowhere(trace: ReverseTrace, call: Call) -> Rows:
    """Return rows that nobody reads, for a tape that has ended and is not wanted again."""
    segment = object.__new__(Segment)
    segment.tape = trace
    segment.call = call
    segment.saves = None
    segment.start = 0
    return Rows(segment, 0, 0, [], replayed=True)


def redirect(tape: ReverseTrace, rows: Rows) -> None:
    """Let a tape write its rows elsewhere."""
    tape.rows = rows
    tape.scalar_rows = rows
    if rows.saves is not None:
        tape.__class__ = SavingTrace


class SavingTrace(ReverseTrace):
    """A tape that keeps the results of some operations, or finds them again when it is replayed."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Record an operation, with the result of its first run where that was kept."""
        rows: Any = self.rows
        if type(rows) is not Rows or rows.saves is None or not rows.saves(primitive, params):
            return super().process(primitive, args, params)
        if primitive.record is not None or primitive.multiple:
            return super().process(primitive, args, params)
        if not rows.replayed:
            result = super().process(primitive, args, params)
            rows.saved.append(result._below if type(result) is Traced else result)
            return result
        ans = rows.saved[rows.used]
        rows.used += 1
        traced = [(i, v) for i, v in enumerate(args) if type(v) is Traced and v._trace is self]
        which = tuple(i for i, _ in traced)
        positions = tuple(value._payload for _, value in traced)
        values = [self.lower(value) for value in args]
        inputs = positions[0] if len(positions) == 1 else positions
        return self.add_row(primitive, which, values, ans, params, inputs)


def pull_again(cotangent: Any, residuals: Any) -> Any:
    """Pull back through a row whose residuals were left out."""
    segment, position, _ = residuals
    pull, kept = segment.residuals(position)
    return pull(cotangent, kept)


def _pull_again_masked(cotangent: Masked, residuals: Any) -> Any:
    segment, position, _ = residuals
    pull, kept = segment.residuals(position)
    return pull_through_mask(pull, cotangent, kept)


pull_again.masked = _pull_again_masked  # type: ignore[attr-defined]
pull_again.writes = True  # type: ignore[attr-defined]  # what is behind may want the mask as it is


def bytes_of(residual: Any) -> int:
    """Return the bytes of the arrays that a residual holds."""
    kind = type(residual)
    if kind is np.ndarray:
        return int(residual.nbytes)
    if kind is tuple or kind is list:
        return sum(map(bytes_of, residual))
    if kind is Traced:
        return bytes_of(innermost(residual))
    if kind is Batched:
        return bytes_of(residual._below)
    if kind is Masked:
        return bytes_of(residual.value) + bytes_of(residual.mask)
    return 0


def fingerprint_of(result: Any) -> list[Any]:
    """Return what tells a result from another one, at the cost of reading it."""
    found: list[Any] = []
    for leaf in tree.leaves(result):
        plain = innermost(raw_of(leaf))
        while type(plain) is Batched:
            plain = innermost(plain._below)
        if type(plain) is np.ndarray and plain.dtype != object:
            found.append((plain.shape, zlib.crc32(np.ascontiguousarray(plain).tobytes())))
        else:
            found.append(repr(plain))
    return found
