"""Forward mode on a list: a function runs once, its derivative is pushed forward many times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..ir.primitive import Primitive
from ..ops.accumulation import dense
from ..tracing.core import Trace, Traced, bind, raw_of
from .protection import Protection
from .transposition import tangent_slot


class LinearizingTrace(Trace):
    """A trace whose payloads are positions on a list that can be run on tangents."""

    __slots__ = ("copies", "input_count", "protection", "rows")

    def __init__(
        self, description: Callable[..., Any] | str, inputs: Sequence[Any], *, copies: bool
    ) -> None:
        super().__init__(description)
        self.input_count = len(inputs)
        self.copies = copies
        self.rows: list[tuple[Any, ...]] = [()] * len(inputs)
        self.protection = Protection(inputs, copies)

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Evaluate an operation one level down and note it on the list."""
        values = []
        sources: list[int | None] = []
        foreign = []
        for value in args:
            lower = self.lower(value)
            traced = type(value) is Traced and value._trace is self
            position = value._payload if traced else None
            values.append(lower)
            sources.append(position)
            if position is None:
                foreign.append(lower)
        ans = bind(primitive, *values, **params)
        if primitive.zero_derivative:
            return ans
        kept, kept_ans = values, ans
        if primitive.value_free:
            # Index operands are integers and kept as they are.
            kept = [aval_of(v) if aval_of(v).dtype.kind in "fc" else v for v in values]
            kept_ans = aval_of(ans)
            params = {key: value for key, value in params.items() if key != "in_place"}
        else:
            kept = [self.protection.safe(value, foreign) for value in values]
        self.rows.append((primitive, tuple(sources), kept, kept_ans, params))
        bundle = len(self.rows) - 1
        if not primitive.multiple:
            return Traced(self, ans, bundle)
        results = []
        for index, entry in enumerate(ans):
            if aval_of(entry).dtype.kind not in "fc":
                results.append(entry)
                continue
            self.rows.append((None, bundle, index))
            results.append(Traced(self, entry, len(self.rows) - 1))
        return tuple(results)

    def push(self, tangents: Sequence[Any], outputs: Sequence[int | None]) -> list[Any]:
        """Return the raw tangents at some positions, None where zero, for tangents of the inputs.

        A tangent of an input is None where it is zero.
        """
        known: list[Any] = [*tangents]
        with np.errstate(all="ignore"):
            for row in self.rows[self.input_count :]:
                if row[0] is None:
                    bundle = known[row[1]]
                    known.append(None if bundle is None else raw_of(bundle[row[2]]))
                    continue
                primitive, sources, values, ans, params = row
                given = [None if source is None else known[source] for source in sources]
                if all(entry is None for entry in given):
                    known.append(None)
                    continue
                result = tangent_slot(primitive)(ans, values, given, params)
                known.append(result if primitive.multiple else raw_of(dense(result)))
        return [None if position is None else known[position] for position in outputs]

    def release(self) -> None:
        """Let go of the locks on constants."""
        self.protection.release()
