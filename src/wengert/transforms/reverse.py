"""Reverse mode: operations are recorded on a list, and the pullback walks it backwards once.

A row is ``(pull, positions of the traced inputs, residuals)``; its index is the position of its
output. Residuals are only what the rules name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import MissingRuleError
from ..ir.aval import aval_of, zeros_of
from ..ir.cotangent import Items, Masked
from ..ir.primitive import Primitive
from ..ops.accumulation import combine, dense, dense_items, simplify
from ..tracing.core import Trace, Traced, bind, is_exclusive, raw_of
from ..tracing.creation import begin, end

_new = object.__new__

Row = tuple[Callable[[Any, Any], Any], Any, Any]

# A constant kept as a residual is copied up to this size; a larger one is locked against writes.
_COPIED_BYTES = 32 * 1024


def _no_pull(cotangent: Any, residuals: Any) -> Any:
    raise AssertionError("inputs are not pulled through")


class ReverseTrace(Trace):
    """A trace whose payloads are positions on its list of rows."""

    __slots__ = ("copies", "input_count", "locked", "rows")

    def __init__(
        self, description: Callable[..., Any] | str, input_count: int, *, copies: bool = False
    ) -> None:
        self.description = description
        self.thread = None
        self.warns = False
        self.rows: list[Row] = [(_no_pull, (), ())] * input_count
        self.input_count = input_count
        self.copies = copies
        self.locked: list[np.ndarray[Any, Any]] | None = None

    def note_scalar(
        self, primitive: Primitive, case: int, first: Any, second: Any, ans: Any, payloads: Any
    ) -> Any:
        rows = self.rows
        made = _new(Traced)
        made.trace = self
        made.value = ans
        made.payload = len(rows)
        rows.append((primitive.scalar_pulls[case], payloads, (first, second, ans)))  # type: ignore[index]
        return made

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        values = []
        which: list[int] = []
        positions: list[int] = []
        for index, value in enumerate(args):
            if type(value) is Traced and value.trace is self:
                which.append(index)
                positions.append(value.payload)
                values.append(value.value)
            else:
                values.append(self.lower(value))
        ans = bind(primitive, *values, **params)
        inputs = positions[0] if len(positions) == 1 else tuple(positions)
        return self._record(primitive, tuple(which), values, ans, params, inputs)

    def _record(
        self,
        primitive: Primitive,
        which: tuple[int, ...],
        values: Sequence[Any],
        ans: Any,
        params: dict[str, Any],
        inputs: Any,
    ) -> Any:
        if primitive.zero_derivative:
            return ans
        self.warns = True
        slot = primitive.reverse or reverse_slot(primitive)
        pull, residuals = slot(which, values, ans, params)
        if residuals:
            foreign = [
                value
                for index, value in enumerate(values)
                if type(value) is np.ndarray and self._is_foreign(index, which, inputs)
            ]
            residuals = self._safe(residuals, foreign)
        rows = self.rows
        rows.append((pull, inputs, residuals))
        if not primitive.multiple:
            return Traced(self, ans, len(rows) - 1)
        bundle = len(rows) - 1
        results = []
        for index, entry in enumerate(ans):
            if aval_of(entry).dtype.kind not in "fc":
                results.append(entry)
                continue
            rows.append((_pull_item, bundle, (index, len(ans))))
            results.append(Traced(self, entry, len(rows) - 1))
        return tuple(results)

    def _is_foreign(self, index: int, which: tuple[int, ...], inputs: Any) -> bool:
        """Return whether an operand may be the user's own array: a constant or an input."""
        if index not in which:
            return True
        position = inputs if type(inputs) is int else inputs[which.index(index)]
        return bool(position < self.input_count)

    def _safe(self, residual: Any, foreign: Sequence[Any]) -> Any:
        """Return residuals that later writes of the user cannot change silently.

        A part of a larger buffer is copied, so that the buffer can be written in place.
        """
        kind = type(residual)
        if kind is np.ndarray:
            for value in foreign:
                if residual is value:
                    return self._protected(residual)
            base = residual.base
            if base is not None and getattr(base, "size", residual.size) != residual.size:
                return residual.copy()
            return residual
        if kind is tuple:
            for entry in residual:
                if type(entry) is np.ndarray or type(entry) is tuple:
                    return tuple(self._safe(entry, foreign) for entry in residual)
        return residual

    def _protected(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if self.copies or array.nbytes <= _COPIED_BYTES:
            return array.copy()
        if self.locked is None:
            self.locked = []
        owner: Any = array
        while isinstance(owner, np.ndarray):
            if lock(owner):
                self.locked.append(owner)
            owner = owner.base
        return array

    def release(self) -> None:
        """Make the arrays that this tape locked writeable again."""
        if self.locked:
            for array in reversed(self.locked):
                unlock(array)
            self.locked = None

    def pull_back(self, seeds: Sequence[tuple[int, Any]]) -> list[Any]:
        """Walk the rows backwards from cotangents of outputs to cotangents of inputs.

        Parameters
        ----------
        seeds : sequence of (position, cotangent)

        Returns
        -------
        list
            The raw cotangent of each input, None where it is zero.
        """
        cotangents: list[Any] = [None] * len(self.rows)
        for position, cotangent in seeds:
            cotangents[position] = combine(cotangents[position], cotangent)
        start = max((position for position, _ in seeds), default=-1)
        if self.warns:
            with np.errstate(all="ignore"):
                self._walk(cotangents, start)
                return [_finished(cotangents, index) for index in range(self.input_count)]
        self._walk(cotangents, start)
        return cotangents[: self.input_count]

    def _walk(self, cotangents: list[Any], start: int) -> None:
        """Pull every row from `start` down to the inputs."""
        rows = self.rows
        for position in range(start, self.input_count - 1, -1):
            cotangent = cotangents[position]
            if cotangent is None:
                continue
            cotangents[position] = None
            pull, inputs, residuals = rows[position]
            kind = type(cotangent)
            if kind is Masked:
                found = _pull_through_mask(pull, cotangent, residuals)
            elif kind is Items:
                found = pull(dense_items(cotangent), residuals)
            else:
                found = pull(cotangent, residuals)
            if type(inputs) is int:
                previous = cotangents[inputs]
                kind = type(found)
                if kind is float or kind is np.float64:
                    if previous is None:
                        cotangents[inputs] = found
                        continue
                    if type(previous) is kind:
                        cotangents[inputs] = previous + found
                        continue
                cotangents[inputs] = combine(previous, found)
                continue
            for target, part in zip(inputs, found):
                previous = cotangents[target]
                kind = type(part)
                if kind is float or kind is np.float64:
                    if previous is None:
                        cotangents[target] = part
                        continue
                    if type(previous) is kind:
                        cotangents[target] = previous + part
                        continue
                cotangents[target] = combine(previous, part)


def _finished(cotangents: list[Any], index: int) -> Any:
    """Return the raw cotangent of an input in memory that nobody else holds."""
    kind = type(cotangents[index])
    if kind is float or kind is np.float64 or kind is type(None):
        return cotangents[index]
    if kind is np.ndarray and is_exclusive(cotangents[index]):
        return cotangents[index]
    cotangent = cotangents[index]
    if kind is Masked and cotangent.owned:
        return cotangent.value
    raw = raw_of(dense(cotangent))
    return raw.copy() if type(raw) is np.ndarray else raw


def _pull_through_mask(pull: Any, cotangent: Masked, residuals: Any) -> Any:
    masked = getattr(pull, "masked", None)
    if masked is None:
        return pull(cotangent.value, residuals)
    if simplify(cotangent).mask is None and not getattr(pull, "writes", False):
        return pull(cotangent.value, residuals)
    return masked(cotangent, residuals)


def _pull_item(cotangent: Any, residuals: Any) -> Items:
    index, count = residuals
    entries: list[Any] = [None] * count
    entries[index] = cotangent
    return Items(entries)


# ------------------------------------------------------------------ locks on constants

_lock = threading.Lock()
_counts: dict[int, int] = {}


def lock(array: np.ndarray[Any, Any]) -> bool:
    """Make an array read-only until as many `unlock`; False where it was read-only before."""
    with _lock:
        key = id(array)
        if key in _counts:
            _counts[key] += 1
            return True
        if not array.flags.writeable:
            return False
        array.flags.writeable = False
        _counts[key] = 1
        return True


def unlock(array: np.ndarray[Any, Any]) -> None:
    """Undo one `lock`."""
    with _lock:
        key = id(array)
        _counts[key] -= 1
        if not _counts[key]:
            del _counts[key]
            array.flags.writeable = True


# ------------------------------------------------------------------ the derived vjp slot


def reverse_slot(primitive: Primitive) -> Callable[..., Any]:
    """Return the vjp slot of a primitive, made by transposing its jvp where it has none."""
    if primitive.reverse is not None:
        return primitive.reverse
    tangent = primitive.tangent
    if tangent is None:
        raise MissingRuleError(
            f"the primitive {primitive.name!r} has neither a jvp nor a vjp; give it one "
            "(see docs/adding-a-primitive.md)"
        )

    def derived(
        which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> Any:
        def pull(cotangent: Any, residuals: Any) -> Any:
            which, values, ans, params = residuals

            def linear(tangents: Sequence[Any]) -> Any:
                full: list[Any] = [None] * len(values)
                for index, entry in zip(which, tangents, strict=True):
                    full[index] = entry
                return tangent(ans, values, full, params)

            found = transpose_linear(linear, [values[i] for i in which], cotangent)
            return found[0] if len(which) == 1 else tuple(found)

        return pull, (which, tuple(values), ans, params)

    return derived


def transpose_linear(
    linear: Callable[[Sequence[Any]], Any], like: Sequence[Any], cotangent: Any
) -> list[Any]:
    """Apply the transpose of a linear function to a cotangent (a tuple for several outputs).

    `linear` takes a list of values like those in `like`; its pullback at zero is its transpose.
    """
    trace = ReverseTrace("a derived rule", len(like))
    begin(trace)
    try:
        zeros = [zeros_of(aval_of(value)) for value in like]
        outputs = linear([Traced(trace, zero, i) for i, zero in enumerate(zeros)])
        wanted = cotangent if isinstance(cotangent, tuple) else (cotangent,)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        seeds = []
        for output, entry in zip(outputs, wanted, strict=True):
            raw = raw_of(output)
            if entry is not None and type(raw) is Traced and raw.trace is trace:
                seeds.append((raw.payload, entry))
        return trace.pull_back(seeds)
    finally:
        end(trace)
        trace.release()
