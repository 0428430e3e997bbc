"""Simplification: a table of patterns and what stands for them, and the driver of the table.

A row holds to the last bit, for nan, infinities and zeros of either sign too. That is proved in
tests/test_simplify.py, over samples of every dtype and special values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..ir.aval import Aval
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from .rewriting import Rewriting, rewrite

# A name stands for any operand, the same wherever it occurs; a number for a literal of that value
# (-0.0 is not 0.0); a tuple for an equation: the primitive, then its operands.
Pattern = Any


class Row(NamedTuple):
    """``pattern`` may be replaced by ``replacement``.

    ``kinds`` are those of the dtype of the result; operands must be of the same kind, but for the
    condition ``c``: -i of an integer i has no sign where i is 0.
    """

    pattern: Pattern
    replacement: Pattern
    kinds: str = "fciub"


_REAL = "fiub"

ROWS: tuple[Row, ...] = (
    # Neutral elements. Not x + 0.0, which makes 0.0 of -0.0.
    Row(("multiply", "x", 1), "x", _REAL),
    Row(("multiply", 1, "x"), "x", _REAL),
    Row(("divide", "x", 1), "x", _REAL),
    Row(("subtract", "x", 0), "x"),
    Row(("add", "x", -0.0), "x", _REAL),
    Row(("add", -0.0, "x"), "x", _REAL),
    Row(("add", "x", 0), "x", "iu"),
    Row(("add", 0, "x"), "x", "iu"),
    Row(("power", "x", 1), "x", _REAL),
    Row(("power_operator", "x", 1), "x", _REAL),
    # Signs: rounding is symmetric.
    Row(("multiply", "x", -1), ("negative", "x"), "fi"),
    Row(("multiply", -1, "x"), ("negative", "x"), "fi"),
    Row(("divide", "x", -1), ("negative", "x"), "f"),
    Row(("negative", ("negative", "x")), "x"),
    Row(("add", "x", ("negative", "y")), ("subtract", "x", "y")),
    Row(("add", ("negative", "x"), "y"), ("subtract", "y", "x")),
    Row(("subtract", "x", ("negative", "y")), ("add", "x", "y")),
    Row(("multiply", ("negative", "x"), ("negative", "y")), ("multiply", "x", "y"), "fi"),
    Row(("divide", ("negative", "x"), ("negative", "y")), ("divide", "x", "y"), "f"),
    Row(("multiply", ("negative", "x"), "y"), ("negative", ("multiply", "x", "y")), "f"),
    Row(("multiply", "x", ("negative", "y")), ("negative", ("multiply", "x", "y")), "f"),
    Row(("divide", ("negative", "x"), "y"), ("negative", ("divide", "x", "y")), "f"),
    Row(("divide", "x", ("negative", "y")), ("negative", ("divide", "x", "y")), "f"),
    Row(("square", ("negative", "x")), ("square", "x"), "f"),
    Row(("absolute", ("negative", "x")), ("absolute", "x"), "f"),
    Row(("absolute", ("absolute", "x")), ("absolute", "x"), "f"),
    Row(("square", ("absolute", "x")), ("square", "x"), "f"),
    # Dividing by a power of two is multiplying with another one.
    *(
        Row(("divide", "x", power), ("multiply", "x", 1 / power), "f")
        for power in (2.0, 4.0, 8.0, 16.0)
    ),
    # What does nothing.
    Row(("positive", "x"), "x", _REAL),
    Row(("conjugate", "x"), "x", _REAL),
    Row(("real", "x"), "x", _REAL),
    Row(("stop_gradient", "x"), "x"),
    Row(("valued", "x", "y"), "x"),
    Row(("maximum", "x", "x"), "x", _REAL),
    Row(("minimum", "x", "x"), "x", _REAL),
    Row(("where", "c", "x", "x"), "x"),
    Row(("logical_not", ("logical_not", "x")), "x", "b"),
)

# The rows that an operation may match, by how its operands are made.
_candidates: dict[tuple[str, tuple[Any, ...]], list[Row]] = {}
_rows_by_name: dict[str, list[Row]] = {}
for _row in ROWS:
    _rows_by_name.setdefault(_row.pattern[0], []).append(_row)


def simplify(program: WengertList) -> WengertList:
    """Return the list with every row of the table, and every change that is none, applied."""
    return rewrite(program, _step)


def _step(rewriting: Rewriting, equation: Equation) -> None:
    for _ in range(8):  # a replacement may be replaced in turn
        if not equation.outputs:
            break
        found = _unchanged(rewriting, equation)
        if found is None:
            found = _by_table(rewriting, equation)
        if found is None:
            break
        if not isinstance(found, Equation):
            rewriting.replace(equation.outputs[0], found)
            return
        equation = found
    rewriting.append(equation)


# ------------------------------------------------------------------ the table


def _by_table(rewriting: Rewriting, equation: Equation) -> Equation | Operand | None:
    rows = _rows_by_name.get(equation.primitive.name)
    if rows is None or equation.params:
        return None
    aval = equation.outputs[0].aval
    heads = tuple([_head(rewriting, operand) for operand in equation.operands])
    key = (equation.primitive.name, heads)
    candidates = _candidates.get(key)
    if candidates is None:
        candidates = [row for row in rows if _can_match(row.pattern, heads)]
        _candidates[key] = candidates
    for row in candidates:
        if aval.dtype.kind not in row.kinds:
            continue
        bound: dict[str, Operand] = {}
        if _matches(rewriting, row.pattern, equation, bound) and all(
            operand.aval.dtype.kind == aval.dtype.kind or name == "c"
            for name, operand in bound.items()
        ):
            found = _replacement(rewriting, row.replacement, bound, equation)
            if found is not None:
                return found
    return None


def _head(rewriting: Rewriting, operand: Operand) -> Any:
    """Return the name of the primitive that makes an operand, or Literal, or None."""
    if type(operand) is Literal:
        return Literal
    maker = rewriting.maker(operand)
    return None if maker is None else maker.primitive.name


def _can_match(pattern: Pattern, heads: tuple[Any, ...]) -> bool:
    """Return whether operands made in such ways may match: most rows are passed over here."""
    for part, head in zip(pattern[1:], heads, strict=False):
        kind = type(part)
        if kind is tuple:
            if head != part[0]:
                return False
        elif kind is not str and head is not Literal:
            return False
    return True


def _matches(
    rewriting: Rewriting, pattern: Pattern, equation: Equation, bound: dict[str, Operand]
) -> bool:
    if equation.primitive.name != pattern[0] or len(equation.operands) != len(pattern) - 1:
        return False
    return all(
        _matches_operand(rewriting, part, operand, bound)
        for part, operand in zip(pattern[1:], equation.operands, strict=True)
    )


def _matches_operand(
    rewriting: Rewriting, pattern: Pattern, operand: Operand, bound: dict[str, Operand]
) -> bool:
    if isinstance(pattern, str):
        known = bound.setdefault(pattern, operand)
        return known is operand
    if isinstance(pattern, tuple):
        maker = rewriting.maker(operand)
        return maker is not None and not maker.params and _matches(rewriting, pattern, maker, bound)
    return isinstance(operand, Literal) and _is_number(operand, pattern)


def _is_number(literal: Literal, number: float) -> bool:
    """Return whether a literal is one real number with this value and sign."""
    aval = literal.aval
    if aval.shape or aval.dtype.kind not in "fiu":
        return False
    value = literal.value
    return bool(value == number) and bool(np.signbit(value) == np.signbit(number))


def _replacement(
    rewriting: Rewriting, pattern: Pattern, bound: dict[str, Operand], equation: Equation
) -> Equation | Operand | None:
    """Return what stands for an equation, None where it would have another Aval."""
    output = equation.outputs[0]
    if isinstance(pattern, str):
        return bound[pattern] if bound[pattern].aval == output.aval else None
    inner: list[Equation] = []
    made = _made(pattern, bound, inner, output)
    if made is None:
        return None
    for each in inner:
        rewriting.append(each)
    return made


def _made(
    pattern: Pattern, bound: dict[str, Operand], inner: list[Equation], output: Variable | None
) -> Equation | None:
    """Return the equation of a pattern; those that it reads are added to `inner`."""
    operands: list[Operand] = []
    for part in pattern[1:]:
        if isinstance(part, str):
            operands.append(bound[part])
        elif isinstance(part, tuple):
            below = _made(part, bound, inner, None)
            if below is None:
                return None
            inner.append(below)
            operands.append(below.outputs[0])
        else:
            operands.append(Literal(part))
    primitive = registry[pattern[0]]
    aval: Aval = primitive.infer(*(operand.aval for operand in operands))
    if output is None:
        return Equation(primitive, operands, {}, [Variable(aval)])
    return Equation(primitive, operands, {}, [output]) if aval == output.aval else None


# ------------------------------------------------------------------ changes that are none

_VIEWS = frozenset({"reshape", "transpose", "broadcast_to", "convert", "discretise"})


def _unchanged(rewriting: Rewriting, equation: Equation) -> Equation | Operand | None:
    """Return the operand of a change of shape or dtype that changes nothing, or undoes another.

    A ``tip`` is zeros, whatever it was made of: only its derivative is more.
    """
    name = equation.primitive.name
    if name == "tip":
        output = equation.outputs[0]
        zero = Literal(output.aval.dtype.type(0))
        if not output.aval.shape:
            return zero
        params = {"shape": output.aval.shape}
        return Equation(registry["broadcast_to"], [zero], params, [output])
    if name not in _VIEWS:
        return None
    operand = equation.operands[0]
    output, params = equation.outputs[0], equation.params
    if operand.aval == output.aval and (name != "transpose" or _is_identity(params)):
        return operand
    maker = rewriting.maker(operand)
    if maker is None or maker.primitive is not equation.primitive:
        return None
    source = maker.operands[0]
    if name == "convert" and source.aval.dtype == operand.aval.dtype:  # only the kind changed
        return Equation(equation.primitive, [source], params, [output])
    if name == "reshape" and params["order"] == maker.params["order"] == "C":
        return Equation(equation.primitive, [source], params, [output])
    return None


def _is_identity(params: dict[str, Any]) -> bool:
    axes = params.get("axes")
    return axes is not None and tuple(axes) == tuple(range(len(axes)))
