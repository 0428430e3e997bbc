"""Forward mode: every value carries its tangent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import aval_of, zeros_of
from ..ir.primitive import Primitive
from ..tracing.core import Trace, Traced, bind, raw_of
from ..tracing.creation import begin, end
from .transposition import tangent_slot


class ForwardTrace(Trace):
    """A trace whose payloads are tangents, one level down."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Evaluate an operation one level down and push the tangents through it."""
        primals = []
        tangents = []
        nested = False
        for value in args:
            tangent = None
            if type(value) is Traced:
                if value.trace is self:
                    tangent = value.payload
                    value = value.value
                else:
                    value = self.lower(value)
                nested = nested or type(value) is Traced
            primals.append(value)
            tangents.append(tangent)
        if nested:
            ans = bind(primitive, *primals, **params)
        else:
            ans = primitive.evaluate(*primals, **params)
        if primitive.zero_derivative:
            return ans
        slot = primitive.tangent or tangent_slot(primitive)
        if primitive.value_free or type(ans) is float:  # no warnings to expect
            tangent = slot(ans, primals, tangents, params)
        else:
            with np.errstate(all="ignore"):
                tangent = slot(ans, primals, tangents, params)
        if primitive.multiple:
            pairs = [self._attach(*pair) for pair in zip(ans, tangent, strict=True)]
            return type(ans)(*pairs) if hasattr(ans, "_fields") else tuple(pairs)
        return self._attach(ans, tangent)

    def _attach(self, ans: Any, tangent: Any) -> Any:
        return ans if tangent is None else Traced(self, ans, raw_of(tangent))


def push(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[list[Any], list[Any], Any]:
    """Run `function` on raw primals with raw tangents (None where zero).

    `function` takes raw traced values and returns a list of raw outputs and anything else, which
    is passed on. Returns output primals, output tangents (None where zero), and that.
    """
    trace = ForwardTrace(function)
    begin(trace)
    try:
        inputs = [
            primal if tangent is None else Traced(trace, primal, tangent)
            for primal, tangent in zip(primals, tangents, strict=True)
        ]
        outputs, extra = function(inputs)
        values = [trace.lower(output) for output in outputs]
        out_tangents = [
            output.payload if type(output) is Traced and output.trace is trace else None
            for output in outputs
        ]
        return values, out_tangents, extra
    finally:
        end(trace)


def materialise(tangent: Any, value: Any) -> Any:
    """Return a tangent, or the zero of its space where it is None."""
    return zeros_of(aval_of(value)) if tangent is None else tangent
