"""The straight evaluator: runs a Wengert list equation by equation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError
from .equation import Equation, Literal, Operand, Variable
from .primitive import Primitive


def _evaluate_plainly(primitive: Primitive, *values: Any, **params: Any) -> Any:
    return primitive.evaluate(*values, **params)


def evaluate(
    inputs: Sequence[Variable],
    equations: Sequence[Equation],
    outputs: Sequence[Operand],
    args: Sequence[Any],
    apply: Callable[..., Any] = _evaluate_plainly,
) -> tuple[Any, ...]:
    """Run a list and return its outputs.

    `apply` carries out one primitive: plain evaluation by default, ``bind`` to run the list on
    traced values.
    """
    if len(args) != len(inputs):
        raise ArgumentError(f"this Wengert list takes {len(inputs)} values, {len(args)} were given")
    values: dict[Variable, Any] = dict(zip(inputs, args, strict=True))

    def value_of(operand: Operand) -> Any:
        return operand.value if isinstance(operand, Literal) else values[operand]

    for equation in equations:
        operands = [value_of(operand) for operand in equation.operands]
        result = apply(equation.primitive, *operands, **equation.params)
        if equation.primitive.multiple:
            values.update(zip(equation.outputs, result, strict=True))
        else:
            values[equation.outputs[0]] = result
    return tuple(value_of(operand) for operand in outputs)
