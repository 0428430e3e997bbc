"""The jvp slot as forward mode reads it: a missing one is the transpose of the vjp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import MissingRuleError
from ..ir.aval import aval_of, zeros_of
from ..ir.primitive import Primitive
from ..ops.accumulation import dense
from .reverse import reverse_slot, transpose_linear


def tangent_slot(primitive: Primitive) -> Callable[..., Any]:
    """Return the jvp slot of a primitive, made by transposing its vjp where it has none."""
    if primitive.tangent is not None:
        return primitive.tangent
    push = primitive.push
    if push is not None:
        return lambda ans, primals, tangents, params: push(primals, tangents, params)[1]
    reverse = reverse_slot(primitive)
    if primitive.multiple:
        raise MissingRuleError(
            f"the primitive {primitive.name!r} has several results and a vjp only; give it a jvp"
        )

    def derived(
        ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        which = tuple(i for i, tangent in enumerate(tangents) if tangent is not None)
        pull, residuals = reverse(which, primals, ans, params)

        def linear(cotangents: Sequence[Any]) -> tuple[Any, ...]:
            # The pullback is linear in the cotangent; its transpose pushes tangents forward.
            found = pull(cotangents[0], residuals)
            parts = (found,) if len(which) == 1 else found
            return tuple(dense(part) for part in parts)

        pushed = [tangents[i] for i in which]
        total: Any = None
        for index, tangent in enumerate(pushed):
            term = transpose_linear(
                lambda cotangents, index=index: linear(cotangents)[index],  # type: ignore[misc]
                [zeros_of(aval_of(ans))],
                tangent,
            )[0]
            if term is not None:
                total = term if total is None else total + term
        return total

    return derived
