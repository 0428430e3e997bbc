"""Lowered equations as text with gaps: an operation is lowered once for operands of one sort.

Long programs repeat few operations; filling gaps takes a tenth of the time of lowering again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.aval import Aval, aval_of
from ...ir.emitter import CannotLower, Composite
from ...ir.equation import Equation, Literal, Variable
from ...passes.scalarise import takes_root
from .emitter import TextEmitter
from .lowering import lower
from .values import Value, constant, is_supported
from .writer import Function, Module

# Names in a trial: operands and their imaginary parts, and what instructions give.
_NAME = re.compile(r"%(?:x\d+|y\d+|v\d+)\b")


class Recipe:
    """How one operation is written, given the names of its operands.

    Attributes
    ----------
    results : list of (dtype, real part, imaginary part)
        Each part a number of a name, or a constant's text.
    declines : list
        Of the bits that say that Python must evaluate.
    """

    __slots__ = (
        "_definitions",
        "_externals",
        "_fresh",
        "_template",
        "declines",
        "results",
        "takes",
    )

    def __init__(
        self, trial: Function, emitter: TextEmitter, operands: Sequence[Value], values: Any
    ) -> None:
        names: dict[str, int] = {}
        # Which part of which operand a gap stands for.
        self.takes: list[tuple[int, bool]] = []
        for number, operand in enumerate(operands):
            if operand.number is not None:
                continue
            names[operand.text] = len(names)
            self.takes.append((number, False))
            if operand.imag is not None:
                names[operand.imag] = len(names)
                self.takes.append((number, True))
        given = len(names)

        def gap(match: re.Match[str]) -> str:
            name = match.group()
            return "{" + str(names.setdefault(name, len(names))) + "}"

        text = "\n".join(trial.lines).replace("{", "{{").replace("}", "}}")
        self._template = _NAME.sub(gap, text)
        self._fresh = len(names) - given
        self.results = [
            (value.dtype, _part(names, value.text), _part(names, value.imag), value.number)
            for value in values
        ]
        declined = emitter.take_declined()
        self.declines = None if declined is None else _part(names, declined)
        self._externals = dict(trial.module.externals)
        self._definitions = dict(trial.module.definitions)

    def write(self, emitter: TextEmitter, operands: Sequence[Value | None]) -> list[Value]:
        """Write the operation and return its results; constants need no operand."""
        function = emitter.function
        names = [
            (operands[number].imag if imag else operands[number].text)  # type: ignore[union-attr]
            for number, imag in self.takes
        ]
        start = function.take_names(self._fresh)
        names += [f"%v{number}" for number in range(start, start + self._fresh)]
        if self._template:
            function.lines.append(self._template.format(*names))
        if self._externals:
            for name, text in self._externals.items():
                if name not in function.module.definitions:
                    function.module.externals.setdefault(name, text)
        for name, text in self._definitions.items():
            function.module.define(name, text)
        if self.declines is not None:
            emitter.decline_if(_filled(names, self.declines))
        return [
            Value(dtype, _filled(names, real), None if imag is None else _filled(names, imag), n)
            for dtype, real, imag, n in self.results
        ]


def _part(names: dict[str, int], text: str | None) -> int | str | None:
    return text if text is None else names.get(text, text)


def _filled(names: list[str | None], part: int | str | None) -> str:
    found = names[part] if isinstance(part, int) else part
    assert found is not None
    return found


_recipes: dict[Any, Recipe | None] = {}
# Constants are part of a recipe, and every program may bring new ones.
_MOST_RECIPES = 4_000


def recipe_of(equation: Equation, level: int = 0) -> Recipe | None:
    """Return how the entries of an equation are computed; None if native code cannot.

    Elementary functions are calls of the C library in a module of level 0, code elsewhere.
    """
    primitive = equation.primitive
    if primitive.lower is None or type(primitive.lower) is Composite:
        return None
    key: list[Any] = [primitive, level]
    for operand in equation.operands:
        if type(operand) is Variable:
            aval = operand.aval
            key.append((aval.dtype.num, aval.dtype.byteorder, aval.kind))
        else:
            key.append(_literal_key(operand))
    for variable in equation.outputs:
        aval = variable.aval
        key.append((aval.dtype.num, aval.dtype.byteorder, aval.kind))
    if primitive.numpy is np.power:
        avals = [operand.aval for operand in equation.operands]
        key.append(takes_root(primitive, avals, equation.outputs[0].aval))
    if equation.params:
        key.append(tuple(sorted(equation.params.items(), key=_name)))
    found: tuple[Any, ...] = tuple(key)
    try:
        return _recipes[found]
    except KeyError:
        if len(_recipes) > _MOST_RECIPES:
            _recipes.clear()
        made = _recipes[found] = _make(equation, level)
        return made
    except TypeError:  # a parameter without a hash
        return _make(equation, level)


def can_lower(equation: Equation) -> bool:
    """Return whether the entries of an equation have native code (shapes are not looked at)."""
    return recipe_of(equation) is not None


def _name(item: tuple[str, Any]) -> str:
    return item[0]


def _literal_key(operand: Any) -> Any:
    value = operand.value
    kind = type(value)
    if kind is np.ndarray:
        return (kind, value.dtype, value.shape, value.tobytes() if value.size == 1 else None)
    if kind is float and value and value == value:
        return (kind, value)
    if kind is int or kind is bool:
        return (kind, value)
    return (kind, repr(value))  # tells zeros apart, and nan equals itself


def _make(equation: Equation, level: int) -> Recipe | None:
    operands = [operand.aval for operand in equation.operands]
    outputs = [variable.aval for variable in equation.outputs]
    if not all(is_supported(aval.dtype) for aval in operands + outputs):
        return None
    trial = Module(level).function("trial", "void")
    emitter = TextEmitter(trial)
    given = [
        _operand(operand, aval, number)
        for number, (operand, aval) in enumerate(zip(equation.operands, operands, strict=True))
    ]
    try:
        values = lower(emitter, equation.primitive, equation.params, given, operands, outputs)
    except CannotLower:
        return None
    return Recipe(trial, emitter, given, values)


def _operand(operand: Any, aval: Aval, number: int) -> Value:
    if isinstance(operand, Literal) and not aval.shape:
        return constant(operand.value, aval_of(operand.value).dtype)
    return Value(aval.dtype, f"%x{number}", f"%y{number}" if aval.dtype.kind == "c" else None)
