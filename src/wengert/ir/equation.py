"""What a Wengert list is made of: variables, literals and equations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .aval import Aval, aval_of
from .primitive import Primitive


class Variable:
    """A value assigned once; two variables are the same only if they are the same object."""

    __slots__ = ("aval",)

    def __init__(self, aval: Aval) -> None:
        self.aval = aval


class Literal:
    """A constant operand, held as it is."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def aval(self) -> Aval:
        return aval_of(self.value)


Operand = Variable | Literal


class Equation:
    """``outputs = primitive(*operands; params)``."""

    __slots__ = ("operands", "outputs", "params", "primitive")

    def __init__(
        self,
        primitive: Primitive,
        operands: Sequence[Operand],
        params: dict[str, Any],
        outputs: Sequence[Variable],
    ) -> None:
        self.primitive = primitive
        self.operands = tuple(operands)
        self.params = params
        self.outputs = tuple(outputs)
