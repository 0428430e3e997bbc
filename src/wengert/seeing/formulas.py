"""Formulas: how a step and its local derivatives read, in text and in LaTeX.

The local derivatives are not typed in here: the primitive's own derivative rule is staged, and the
list that it becomes is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import StagingError
from ..ir.aval import Aval
from ..ir.equation import Literal, Operand, Variable
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..tracing.core import raw_of
from ..tracing.staging import stage
from . import latex

# How tightly a formula holds together: a looser one gets parentheses inside a tighter one.
_SUM, _NEGATION, _PRODUCT, _POWER, _ATOM = range(5)


class Formula:
    """A formula as text and as LaTeX, with what it takes to nest it in another.

    ``number`` is its value if it is a plain number, None otherwise.
    """

    __slots__ = ("latex", "number", "text", "tightness")

    def __init__(
        self, text: str, latex: str, tightness: int = _ATOM, number: float | None = None
    ) -> None:
        self.text = text
        self.latex = latex
        self.tightness = tightness
        self.number = number

    def __repr__(self) -> str:
        return f"Formula({self.text!r})"

    def inside(self, tightness: int) -> Formula:
        """Return the formula with parentheses if it is looser than what it stands in."""
        if self.tightness >= tightness:
            return self
        return Formula(f"({self.text})", rf"\left({self.latex}\right)")

    def as_factor(self) -> Formula:
        """Return the formula as it stands in a product, behind another factor."""
        return self.inside(_PRODUCT)


def name_formula(name: str) -> Formula:
    """Return a name as a formula: ``v12`` gets an index in LaTeX, Greek names their letters."""
    return Formula(name, latex.name(name))


def number_formula(value: Any) -> Formula:
    """Return a constant: numbers as they are, arrays by their shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        if value.size <= 4:
            return code_formula(entries_text(value))
        return code_formula(f"constant[{','.join(map(str, value.shape))}]")
    if isinstance(value, (bool, np.bool_, str)) or value is None:
        return code_formula(str(value))
    number = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if isinstance(number, complex):
        text = f"{number:.6g}"
        return Formula(f"({text})", rf"\left({latex.number(text)}\right)")
    text = repr(number) if isinstance(number, int) else f"{number:.6g}"
    written = latex.number(text)
    tightness = _NEGATION if number < 0 else _PRODUCT if r"\cdot" in written else _ATOM
    return Formula(text, written, tightness, float(number))


def entries_text(value: np.ndarray[Any, Any]) -> str:
    """Return the entries of an array in brackets, numbers to four digits."""
    if value.ndim == 0:
        return f"{value.item():.4g}" if value.dtype.kind in "fc" else str(value.item())
    return f"[{', '.join(map(entries_text, value))}]"


def code_formula(text: str) -> Formula:
    """Return a piece of code, such as an index or a keyword, as a formula."""
    return Formula(text, latex.code(text))


# ------------------------------------------------------------------ one operation


def _sum(x: Formula, y: Formula) -> Formula:
    if x.number == 0:
        return y
    if y.number == 0:
        return x
    if y.tightness == _NEGATION and y.text.startswith("-"):
        return Formula(f"{x.text} - {y.text[1:]}", f"{x.latex} - {y.latex[1:]}", _SUM)
    return Formula(f"{x.text} + {y.text}", f"{x.latex} + {y.latex}", _SUM)


def _difference(x: Formula, y: Formula) -> Formula:
    if y.number == 0:
        return x
    y = y.inside(_PRODUCT)
    return Formula(f"{x.text} - {y.text}", f"{x.latex} - {y.latex}", _SUM)


def _product(x: Formula, y: Formula) -> Formula:
    if x.number == 1:
        return y
    if y.number == 1:
        return x
    if x.number == 0 or y.number == 0:
        return number_formula(0)
    if x.number is not None and y.text.startswith("1 / ") and y.latex.startswith(r"\frac{1}"):
        over = y.latex.removeprefix(r"\frac{1}")  # 0.5·(1 / y) is 0.5 / y
        return Formula(f"{x.text} / {y.text[4:]}", rf"\frac{{{x.latex}}}{over}", _PRODUCT)
    if x.number == -1:
        return _negation(y)
    if y.number == -1:
        return _negation(x)
    if x.tightness == _NEGATION and x.number is None:
        return _negation(_product(Formula(x.text[1:], x.latex[1:], _PRODUCT), y))
    left, right = x.inside(_NEGATION), y.inside(_PRODUCT)
    if x.tightness == _PRODUCT and "/" in x.text:
        left = Formula(f"({x.text})", x.latex)
    if y.tightness == _PRODUCT and "/" in y.text:
        right = Formula(f"({y.text})", y.latex)
    return Formula(
        f"{left.text}·{right.text}",
        rf"{left.latex} \cdot {right.latex}",
        _NEGATION if left.text.startswith("-") else _PRODUCT,
    )


def _quotient(x: Formula, y: Formula) -> Formula:
    if y.number == 1:
        return x
    if x.text.startswith("-") and x.tightness == _NEGATION:
        return _negation(_quotient(Formula(x.text[1:], x.latex[1:], _PRODUCT), y))
    above, below = x.inside(_PRODUCT), y.inside(_POWER)
    return Formula(f"{above.text} / {below.text}", rf"\frac{{{x.latex}}}{{{y.latex}}}", _PRODUCT)


def _power(x: Formula, y: Formula) -> Formula:
    if y.number == 1:
        return x
    base, exponent = x.inside(_ATOM), y.inside(_ATOM)
    return Formula(
        f"{base.text}**{exponent.text}", latex.raised(base.latex, f"^{{{y.latex}}}"), _POWER
    )


def _negation(x: Formula) -> Formula:
    if x.number is not None:
        return number_formula(-x.number if x.number % 1 else -int(x.number))
    if x.tightness == _NEGATION and x.text.startswith("-"):
        return Formula(x.text[1:], x.latex[1:], _PRODUCT)
    inner = x.inside(_NEGATION)
    return Formula(f"-{inner.text}", f"-{inner.latex}", _NEGATION)


def _square(x: Formula) -> Formula:
    return _power(x, number_formula(2))


def _absolute(x: Formula) -> Formula:
    return Formula(f"|{x.text}|", rf"\left|{x.latex}\right|")


def _root(x: Formula) -> Formula:
    return Formula(f"sqrt({x.text})", rf"\sqrt{{{x.latex}}}")


def _exponential(x: Formula) -> Formula:
    return Formula(f"exp({x.text})", f"e^{{{x.latex}}}", _POWER)


def _matrix_product(x: Formula, y: Formula) -> Formula:
    left, right = x.inside(_PRODUCT), y.inside(_POWER)
    return Formula(f"{left.text} @ {right.text}", rf"{left.latex} \, {right.latex}", _PRODUCT)


_WRITTEN: dict[str, Any] = {
    "add": _sum,
    "subtract": _difference,
    "multiply": _product,
    "divide": _quotient,
    "power": _power,
    "power_operator": _power,
    "float_power": _power,
    "negative": _negation,
    "positive": lambda x: x,
    "convert": lambda x: x,
    "broadcast_to": lambda x: x,
    "square": _square,
    "reciprocal": lambda x: _quotient(number_formula(1), x),
    "absolute": _absolute,
    "absolute_operator": _absolute,
    "fabs": _absolute,
    "sqrt": _root,
    "exp": _exponential,
    "matmul": _matrix_product,
}
_LATEX_FUNCTIONS = frozenset(
    ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")
    + ("log", "exp", "max", "min", "det")
)
_LATEX_RENAMED = {
    "logistic": r"\sigma",
    "trace": r"\mathrm{tr}",
}
_QUIET: dict[str, Any] = {"keepdims": False, "ddof": 0}
_IMPLIED = frozenset({("array", "shape")})
_INTERNAL = frozenset({"in_place", "watched"})


def operation(primitive: Primitive, operands: Sequence[Formula], params: dict[str, Any]) -> Formula:
    """Return what applying a primitive to formulas reads like."""
    name = primitive.name
    written = _WRITTEN.get(name)
    if written is not None:
        return written(*operands)  # type: ignore[no-any-return]
    if name == "read":
        return _read(operands[0], params["path"])
    if name == "write":
        key = code_formula(_path(params["path"]))
        return Formula(
            f"{operands[0].text} with {key.text} = {operands[1].text}",
            rf"{operands[0].latex} \;\mathrm{{with}}\; {key.latex} = {operands[1].latex}",
            _SUM,
        )
    shown = [
        code_formula(f"{key}={_shown(value)}")
        for key, value in params.items()
        if _says(name, key, value)
    ]
    inner = [*operands, *shown]
    head = _LATEX_RENAMED.get(name)
    if head is None:
        head = rf"\{name}" if name in _LATEX_FUNCTIONS else latex.word(name)
    return Formula(
        f"{name}({', '.join(part.text for part in inner)})",
        rf"{head}\left({', '.join(part.latex for part in inner)}\right)",
    )


def _says(primitive: str, key: str, value: Any) -> bool:
    """Return whether a parameter tells a reader something; None is always a default."""
    if value is None or key in _INTERNAL or (primitive, key) in _IMPLIED:
        return False
    return not (key in _QUIET and _QUIET[key] == value) and not (
        key == "dtype" and value == np.float64
    )


def _shown(value: Any) -> str:
    text = number_formula(value).text if isinstance(value, np.ndarray) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _read(base: Formula, path: Any) -> Formula:
    key = code_formula(_path(path))
    inner = base.inside(_ATOM)
    return Formula(f"{inner.text}{key.text}", f"{inner.latex}{key.latex}")


def _path(path: Any) -> str:
    shown = ""
    for step in path:
        if step[0] == "index":
            shown += f"[{_key(step[1])}]"
        elif step[0] == "transpose":
            shown += ".T"
        elif len(step) == 1:
            shown += f".{step[0]}"
        else:
            shown += f".{step[0]}({', '.join(_shown(entry) for entry in step[1:2])})"
    return shown


def _key(key: Any) -> str:
    if isinstance(key, tuple):
        return ", ".join(_key(entry) for entry in key)
    if isinstance(key, slice):
        parts = ["" if part is None else str(part) for part in (key.start, key.stop)]
        return ":".join(parts) + ("" if key.step is None else f":{key.step}")
    if key is Ellipsis:
        return "..."
    if isinstance(key, np.ndarray):
        return number_formula(key).text.strip("[]") if key.size <= 4 else "…"
    return str(key)


# ------------------------------------------------------------------ lists and derivative rules


def of_list(program: WengertList, inputs: Sequence[Formula]) -> list[Formula]:
    """Write a list down: one formula an output, in terms of those of the inputs."""
    known: dict[Variable, Formula] = dict(zip(program.inputs, inputs, strict=True))

    def written(operand: Operand) -> Formula:
        if isinstance(operand, Literal):
            return number_formula(operand.value)
        return known[operand]

    for equation in program.equations:
        made = operation(
            equation.primitive, [written(o) for o in equation.operands], equation.params
        )
        for variable in equation.outputs:
            known[variable] = made
    return [written(output) for output in program.outputs]


# Longer than this, a derivative is named rather than written out: it spells out special cases.
_LONGEST = 60


def local_derivatives(
    primitive: Primitive,
    operands: Sequence[Formula],
    constants: Sequence[Any],
    avals: Sequence[Aval],
    ans: Formula,
    params: dict[str, Any],
) -> list[Formula | None]:
    """Return ∂result/∂operand of an elementwise primitive as formulas, None for a constant.

    Parameters
    ----------
    operands : sequence of Formula
    constants : sequence
        For each operand its value if it is a constant, None if it varies.
    avals : sequence of Aval
        Of the operands and the result.
    ans : Formula
        The name of the result.

    Notes
    -----
    For primitives that are not elementwise the local derivative is no number: ``∂f/∂x`` is
    returned.
    """
    derivatives: list[Formula | None] = []
    for index, constant in enumerate(constants):
        if constant is not None:
            derivatives.append(None)
            continue
        found = None
        if primitive.family == "elementwise" and primitive.tangent is not None:
            found = _staged_partial(primitive, index, operands, constants, avals, ans, params)
        derivatives.append(found or _unwritten(ans, operands[index]))
    return derivatives


def _unwritten(ans: Formula, operand: Formula) -> Formula:
    return Formula(
        f"∂{ans.text}/∂{operand.text}",
        rf"\frac{{\partial {ans.latex}}}{{\partial {operand.latex}}}",
        _PRODUCT,
    )


def _staged_partial(
    primitive: Primitive,
    index: int,
    operands: Sequence[Formula],
    constants: Sequence[Any],
    avals: Sequence[Aval],
    ans: Formula,
    params: dict[str, Any],
) -> Formula | None:
    varying = [i for i, constant in enumerate(constants) if constant is None]
    rule = primitive.tangent
    assert rule is not None

    def partial(*values: Any) -> list[Any]:
        primals = list(constants)
        for i, value in zip(varying, values, strict=False):
            primals[i] = raw_of(value)
        tangents: list[Any] = [None] * len(primals)
        tangents[index] = 1.0
        return [rule(raw_of(values[-1]), primals, tangents, params)]

    try:
        scalars = [Aval((), avals[i].dtype, "scalar") for i in (*varying, -1)]
        program = stage(partial, scalars, primitive.name)
    except StagingError:  # the rule looks at values
        return None
    found = of_list(program, [*(operands[i] for i in varying), ans])
    return found[0] if len(found[0].text) <= _LONGEST else None
