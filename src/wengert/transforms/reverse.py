"""Reverse mode: operations are recorded on a list, and the pullback walks it backwards once.

A row is ``(pull, positions of the traced inputs, residuals)``; its index is the position of its
output. Residuals are only what the rules name. Operations on real scalars, of which programs may
have millions, are six entries of the list instead (see `Trace.scalar_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import MissingRuleError
from ..ir.aval import aval_of, zeros_of
from ..ir.cotangent import Items, Masked, Part
from ..ir.primitive import Primitive, Pull
from ..ops.accumulation import add_part, combine, dense, dense_items, simplify
from ..ops.projection import LARGE_BYTES, fits
from ..tracing.core import PLAIN_SCALARS, Trace, Traced, bind, is_exclusive, raw_of
from ..tracing.creation import begin, end
from .protection import Protection


def _no_pull(cotangent: Any, residuals: Any) -> Any:
    raise AssertionError("inputs are not pulled through")


ndarray = np.ndarray
float64 = np.float64
Row = tuple[Pull, Any, Any]
_USED: Row = (_no_pull, (), ())


class ReverseTrace(Trace):
    """A trace whose payloads are positions on its list of rows."""

    __slots__ = ("copies", "input_count", "inputs", "protection", "rows")

    def __init__(
        self,
        description: Callable[..., Any] | str,
        inputs: Sequence[Any],
        *,
        copies: bool = False,
    ) -> None:
        self.description = description
        self.thread = None
        self.warns = False
        self.input_count = len(inputs)
        self.rows: list[Any] = [_USED] * len(inputs)
        self.scalar_rows = self.rows
        self.inputs = inputs
        self.copies = copies
        self.protection: Protection | None = None

    def guard(self) -> Protection:
        """Return the protection of kept arrays; programs of scalars never make one."""
        made = self.protection
        if made is None:
            made = self.protection = Protection(self.inputs, self.copies)
        return made

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Evaluate an operation one level down and add a row for it."""
        self.warns = True
        if len(args) == 1:
            only = args[0]
            value = only._below
            if type(value) is not Traced and primitive.record is None:
                ans = primitive.evaluate(value, **params)
                plans = primitive.plans
                if plans is None or params or not _same_space(value, ans):
                    return self.add_row(primitive, (0,), (value,), ans, params, only._payload)
                pull, needed, _ = plans[0,]
                scalars = self.scalar_rows
                if scalars is not None and type(ans) is float64:
                    scalars.extend((value, ans, None, only._payload, None, pull))
                    return Traced(self, ans, len(scalars) - 1)
                if not needed[0]:
                    value = None
                elif type(value) is ndarray:
                    value = self.guard().kept(value)
                rows = self.rows
                rows.append((pull, only._payload, (value, ans if needed[1] else None)))
                return Traced(self, ans, len(rows) - 1)
            if type(value) is Traced and primitive.record is None:
                inner = value._trace
                if inner.thread == self.thread:
                    ans = inner.process(primitive, [value], params)
                    plans = primitive.plans
                    if plans is None or params or not fits(value, ans):
                        return self.add_row(primitive, (0,), (value,), ans, params, only._payload)
                    pull, needed, _ = plans[0,]
                    kept = (value if needed[0] else None, ans if needed[1] else None)
                    rows = self.rows
                    rows.append((pull, only._payload, kept))
                    return Traced(self, ans, len(rows) - 1)
        values = []
        which: tuple[int, ...] = ()
        positions: tuple[int, ...] = ()
        nested = False
        for index, value in enumerate(args):
            if type(value) is Traced:
                if value._trace is self:
                    which += (index,)
                    positions += (value._payload,)
                    value = value._below
                else:
                    value = self.lower(value)
                nested = nested or type(value) is Traced
            values.append(value)
        inputs = positions[0] if len(positions) == 1 else positions
        if primitive.record is not None:
            values = self._safe(tuple(values), values, which)
            ans, pull, residuals = primitive.record(which, values, params)
            self.rows.append((pull, inputs, residuals))
            return self._items(ans)
        if nested:
            ans = bind(primitive, *values, **params)
        else:
            ans = primitive.evaluate(*values, **params)
        return self.add_row(primitive, which, values, ans, params, inputs)

    def add_row(
        self,
        primitive: Primitive,
        which: tuple[int, ...],
        values: Sequence[Any],
        ans: Any,
        params: dict[str, Any],
        inputs: Any,
    ) -> Any:
        """Add a row for an operation that has been evaluated, and return its traced result."""
        if primitive.zero_derivative:
            return ans
        reverse = primitive.reverse or reverse_slot(primitive)
        pull, residuals = reverse(which, values, ans, params)
        if not primitive.value_free:
            residuals = self._safe(residuals, values, which)
        rows = self.rows
        rows.append((pull, inputs, residuals))
        if primitive.multiple:
            return self._items(ans)
        return Traced(self, ans, len(rows) - 1)

    def _items(self, ans: Any) -> Any:
        """Return the traced items of the tuple in the last row, adding a row for each."""
        rows = self.rows
        bundle = len(rows) - 1
        results = []
        for index, entry in enumerate(ans):
            if aval_of(entry).dtype.kind not in "fc":
                results.append(entry)
                continue
            rows.append((_pull_item, bundle, (index, len(ans))))
            results.append(Traced(self, entry, len(rows) - 1))
        return type(ans)(*results) if hasattr(ans, "_fields") else tuple(results)

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        """Record an elementwise operation of two operands, of this trace, plain, or from around.

        The short form of `process`: which operands are traced decides on a plan, made beforehand.
        """
        first = x._below if type(x) is Traced and x._trace is self else x
        second = y._below if type(y) is Traced and y._trace is self else y
        plans = primitive.plans
        if plans is None:
            return self.process(primitive, [x, y], {})
        if type(first) is Traced:
            inner = first._trace
            if type(second) is Traced:
                if second._trace is not inner:
                    return self.process(primitive, [x, y], {})
            elif type(second) not in PLAIN_SCALARS:
                return self.process(primitive, [x, y], {})
            return self._nested_pair(primitive, x, y, inner)
        if type(second) is Traced:
            if type(first) not in PLAIN_SCALARS:
                return self.process(primitive, [x, y], {})
            return self._nested_pair(primitive, x, y, second._trace)
        self.warns = True
        ans = primitive.evaluate(first, second)
        if first is x:
            inputs: Any = y._payload
            pull, needed, projecting = plans[1,]
        elif second is y:
            inputs = x._payload
            pull, needed, projecting = plans[0,]
        else:
            inputs = (x._payload, y._payload)
            pull, needed, projecting = plans[0, 1]
        if type(ans) is not ndarray:
            which = (1,) if first is x else (0,) if second is y else (0, 1)
            return self.add_row(primitive, which, (first, second), ans, {}, inputs)
        shape = ans.shape
        dtype = ans.dtype
        avals: Any = None
        if not (
            first is x or (type(first) is ndarray and first.shape == shape and first.dtype is dtype)
        ) or not (
            second is y
            or (type(second) is ndarray and second.shape == shape and second.dtype is dtype)
        ):
            avals = [] if first is x else [aval_of(first)]
            if second is not y:
                avals.append(aval_of(second))
        # Arrays that others may write, or whose buffer we may write, are copied or locked.
        keep_first, keep_second, keep_ans = needed
        kept_first: Any = None
        kept_second: Any = None
        if keep_first:
            kept_first = first
            if type(first) is ndarray:
                guard = self.protection or self.guard()
                if first is x:
                    kept_first = guard.protected(first)
                elif first.base is not None or id(first) in guard.owners:
                    kept_first = guard.kept(first)
        if keep_second:
            kept_second = kept_first if second is first and keep_first else second
            if type(second) is ndarray and kept_second is second:
                guard = self.protection or self.guard()
                if second is y:
                    kept_second = guard.protected(second)
                elif second.base is not None or id(second) in guard.owners:
                    kept_second = guard.kept(second)
        residuals: Any = (kept_first, kept_second, ans if keep_ans else None)
        rows = self.rows
        if avals is None:
            rows.append((pull, inputs, residuals))
        else:
            rows.append((projecting, inputs, (avals, residuals)))
        return Traced(self, ans, len(rows) - 1)

    def _nested_pair(self, primitive: Primitive, x: Any, y: Any, inner: Trace) -> Any:
        """Record an operation that a trace around this one carries out: see `pair`.

        Each operand is plain, or of this trace with a number or a value of `inner` below.
        """
        if inner.thread != self.thread:
            return self.process(primitive, [x, y], {})
        first: Any = x
        second: Any = y
        if type(x) is Traced and x._trace is self:
            first = x._below
            if type(y) is Traced and y._trace is self:
                second = y._below
                which: tuple[int, ...] = (0, 1)
                inputs: Any = (x._payload, y._payload)
            else:
                which, inputs = (0,), x._payload
        else:
            second = y._below
            which, inputs = (1,), y._payload
        self.warns = True
        ans = inner.pair(primitive, first, second)
        pull, needed, projecting = primitive.plans[which]  # type: ignore[index]
        keep_first, keep_second, keep_ans = needed
        residuals: Any = (
            first if keep_first else None,
            second if keep_second else None,
            ans if keep_ans else None,
        )
        if not ((which == (1,) or fits(first, ans)) and (which == (0,) or fits(second, ans))):
            avals = [aval_of((first, second)[index]) for index in which]
            pull, residuals = projecting, (avals, residuals)
        rows = self.rows
        rows.append((pull, inputs, residuals))
        return Traced(self, ans, len(rows) - 1)

    def _safe(self, residuals: Any, values: Sequence[Any], which: tuple[int, ...]) -> Any:
        """Return residuals that later writes cannot change; see `Protection`."""
        foreign = [
            value
            for index, value in enumerate(values)
            if type(value) is ndarray and index not in which
        ]
        return self.guard().safe(residuals, foreign)

    def release(self) -> None:
        """Let go of the locks on constants."""
        if self.protection is not None:
            self.protection.release()

    def pull_back(self, seeds: Sequence[tuple[int, Any]], *, consume: bool = False) -> list[Any]:
        """Walk the rows backwards from cotangents of outputs to cotangents of inputs.

        Parameters
        ----------
        seeds : sequence of (position, cotangent)
        consume : bool
            The rows are not needed again: their residuals are let go on the way.

        Returns
        -------
        list
            The raw cotangent of each input, None where it is zero.
        """
        cotangents: list[Any] = [None] * len(self.rows)
        start = -1
        for position, cotangent in seeds:
            known = cotangents[position]
            cotangents[position] = cotangent if known is None else combine(known, cotangent)
            if position > start:
                start = position
        if self.warns:
            with np.errstate(all="ignore"):
                self._walk(cotangents, start, consume)
                return [_finished(cotangents, index) for index in range(self.input_count)]
        self._walk(cotangents, start, consume)
        return cotangents[: self.input_count]

    def _walk(self, cotangents: list[Any], start: int, consume: bool) -> None:
        """Pull every row from `start` down to the inputs.

        Real scalars are added here without a call: small problems consist of nothing else.
        """
        rows = self.rows
        first = self.input_count
        part: Any
        inputs: Any
        position = start + 1
        while position > first:
            position -= 1
            place = position
            cotangent = cotangents[place]
            row: Any = rows[place]
            if type(row) is tuple:
                if cotangent is None:
                    continue
                pull, inputs, residuals = row
                if consume:
                    rows[place] = _USED
                kind = type(cotangent)
            else:  # the last entry of an operation on real scalars
                position -= 5
                if cotangent is None:
                    continue
                x, y, ans, left, right = rows[position:place]
                kind = type(cotangent)
                if kind is float or kind is float64:
                    found = row(cotangent, (x, y, ans))
                    part = None
                    if right is not None:
                        found, part = found
                    previous = cotangents[left]
                    kind = type(found)
                    if kind is not float and kind is not float64:
                        cotangents[left] = combine(previous, found)
                    elif previous is None:
                        cotangents[left] = found
                    elif kind is type(previous):
                        cotangents[left] = previous + found
                    else:
                        cotangents[left] = combine(previous, found)
                    if part is None:
                        continue
                    previous = cotangents[right]
                    kind = type(part)
                    if kind is not float and kind is not float64:
                        cotangents[right] = combine(previous, part)
                    elif previous is None:
                        cotangents[right] = part
                    elif kind is type(previous):
                        cotangents[right] = previous + part
                    else:
                        cotangents[right] = combine(previous, part)
                    continue
                pull, residuals = row, (x, y, ans)
                inputs = left if right is None else (left, right)
            if (
                kind is float
                or (kind is ndarray and cotangent.nbytes <= LARGE_BYTES)
                or kind is float64
            ):
                cotangents[place] = None  # its memory is needed no longer
                found = pull(cotangent, residuals)
            else:
                owned = False
                if kind is ndarray:
                    cotangent = found = part = previous = None
                    owned = is_exclusive(cotangents[place])
                    cotangent = cotangents[place]
                elif kind is Masked and cotangent.mask is None and not hasattr(pull, "writes"):
                    # A sum of contributions, which nobody else has seen.
                    owned = cotangent.owned
                    cotangent = cotangent.value
                    kind = type(cotangent)
                    owned = owned and kind is ndarray and cotangent.nbytes > LARGE_BYTES
                cotangents[place] = None  # its memory is needed no longer
                if owned and hasattr(pull, "owned"):
                    found = pull.owned(cotangent, residuals)
                elif kind is Masked:
                    found = pull_through_mask(pull, cotangent, residuals)
                elif kind is Items:
                    found = pull(dense_items(cotangent), residuals)
                else:
                    found = pull(cotangent, residuals)
            if type(inputs) is int:
                previous = cotangents[inputs]
                kind = type(found)
                if kind is Part:
                    # No rule follows an input: its cotangent needs no mask.
                    cotangents[inputs] = add_part(previous, found, inputs >= first)
                elif previous is None and (kind is float or kind is float64 or kind is ndarray):
                    cotangents[inputs] = found
                elif kind is ndarray and found.nbytes > LARGE_BYTES:
                    previous = None
                    _add_large(cotangents, inputs, found)
                elif type(previous) is kind and (kind is float or kind is ndarray):
                    cotangents[inputs] = previous + found
                else:
                    cotangents[inputs] = combine(previous, found)
                continue
            for target, part in zip(inputs, found):  # noqa: B905 (the keyword costs time)
                previous = cotangents[target]
                kind = type(part)
                if kind is float or kind is float64 or kind is ndarray:
                    if previous is None:
                        cotangents[target] = part
                        continue
                    if kind is ndarray and part.nbytes > LARGE_BYTES:
                        previous = None
                        _add_large(cotangents, target, part)
                        continue
                    if type(previous) is kind:
                        cotangents[target] = previous + part
                        continue
                cotangents[target] = combine(previous, part)


def _add_large(cotangents: list[Any], target: int, part: Any) -> None:
    """Add an array to a cotangent, in its memory where nobody else holds that."""
    if type(cotangents[target]) is ndarray and is_exclusive(cotangents[target]):
        total = cotangents[target]
        if total.shape == part.shape and total.dtype == part.dtype:
            np.add(total, part, out=total)
            cotangents[target] = Masked(total, None, owned=True)
            return
    cotangents[target] = combine(cotangents[target], part)


def _same_space(value: Any, ans: Any) -> bool:
    """Return whether a plain operand and a result are real numbers or arrays of one space."""
    if type(ans) is ndarray:
        return type(value) is ndarray and value.shape == ans.shape and value.dtype is ans.dtype
    return type(ans) is np.float64 and (type(value) is float or type(value) is np.float64)


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


def pull_through_mask(pull: Any, cotangent: Masked, residuals: Any) -> Any:
    """Pull back a masked cotangent, with its mask where the rule knows of masks."""
    masked = getattr(pull, "masked", None)
    if masked is None:
        return pull(cotangent.value, residuals)
    # Looking at the whole mask would cost a write more than its own part.
    if not hasattr(pull, "writes") and simplify(cotangent).mask is None:
        return pull(cotangent.value, residuals)
    return masked(cotangent, residuals)


def _pull_item(cotangent: Any, residuals: Any) -> Items:
    index, count = residuals
    entries: list[Any] = [None] * count
    entries[index] = cotangent
    return Items(entries)


# ------------------------------------------------------------------ the derived vjp slot


def reverse_slot(primitive: Primitive) -> Callable[..., Any]:
    """Return the vjp slot of a primitive, made by transposing its jvp where it has none."""
    if primitive.reverse is not None:
        return primitive.reverse
    record = primitive.record
    if record is not None:
        return lambda which, values, ans, params: record(which, values, params)[1:]
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
    zeros = [zeros_of(aval_of(value)) for value in like]
    trace = ReverseTrace("a derived rule", zeros)
    begin(trace)
    try:
        outputs = linear([Traced(trace, zero, i) for i, zero in enumerate(zeros)])
        wanted = cotangent if isinstance(cotangent, tuple) else (cotangent,)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        seeds = []
        for output, entry in zip(outputs, wanted, strict=True):
            raw = raw_of(output)
            if entry is not None and type(raw) is Traced and raw._trace is trace:
                seeds.append((raw._payload, entry))
        return trace.pull_back(seeds)
    finally:
        end(trace)
        trace.release()
