"""Forward mode: every value carries its tangent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.primitive import Primitive
from ..tracing.core import Array, Trace, Traced, bind, raw_of
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
                if value._trace is self:
                    tangent = value._payload
                    value = value._below
                else:
                    value = self.lower(value)
                nested = nested or type(value) is Traced
            primals.append(value)
            tangents.append(tangent)
        if primitive.push is not None:
            ans, tangent = primitive.push(primals, tangents, params)
            return self._results(primitive, ans, tangent)
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
            return self._results(primitive, ans, tangent)
        if tangent is None:
            return ans
        return Traced(self, ans, raw_of(tangent) if type(tangent) is Array else tangent)

    def _results(self, primitive: Primitive, ans: Any, tangent: Any) -> Any:
        if primitive.multiple:
            pairs = [self._attach(*pair) for pair in zip(ans, tangent, strict=True)]
            return type(ans)(*pairs) if hasattr(ans, "_fields") else tuple(pairs)
        return self._attach(ans, tangent)

    def _attach(self, ans: Any, tangent: Any) -> Any:
        return ans if tangent is None else Traced(self, ans, raw_of(tangent))
