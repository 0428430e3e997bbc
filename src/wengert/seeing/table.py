"""Evaluation-trace tables: each elementary step of a function with its numbers.

`explain` records a run, `Explanation` holds its rows as data; `rendering` turns them into text,
HTML, Markdown and LaTeX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir.aval import aval_of
from ..ir.primitive import registry
from ..transforms.arguments import check_callable, immediate
from . import latex, rendering
from .derivatives import adjoints, push, tangents
from .formulas import Formula, local_derivatives, name_formula, number_formula, operation
from .naming import names_of
from .record import Position, Recording, Step, record


@dataclass(frozen=True)
class Term:
    """One contribution to an adjoint.

    Attributes
    ----------
    consumer : str
        The name of the value whose adjoint it comes from.
    local : str
        The local derivative as a formula.
    local_value : number or None
        Its value; None where it is not one number.
    upstream : number or array
        The adjoint of the consumer.
    amount : number or array
        What the contribution adds.
    """

    consumer: str
    local: str
    local_value: Any
    upstream: Any
    amount: Any


@dataclass(frozen=True)
class Row:
    """One value: an input or the result of a step.

    Attributes
    ----------
    name : str
    formula : str
        The elementary operation; the empty string for an input.
    value : number or array
    tangent_rule : str
        The tangent in terms of the operands' tangents, marked by a prime; forward mode only.
    tangent : number, array or None
        None where it is zero, and in reverse mode.
    adjoint : number, array or None
        ∂result/∂value; None where it is zero, and in forward mode.
    terms : tuple of Term
        The contributions to the adjoint, in the order in which they are added.
    file, line, source
        Where the user's code takes the step, and that line's text.
    latex : dict
        ``name``, ``formula``, ``tangent_rule`` and the local derivatives in LaTeX.
    """

    name: str
    formula: str
    value: Any
    tangent_rule: str = ""
    tangent: Any = None
    adjoint: Any = None
    terms: tuple[Term, ...] = ()
    file: str = ""
    line: int = 0
    source: str = ""
    key: Any = None
    latex: Any = None


class Explanation:
    """The evaluation trace of a function at a point, as rows and in print.

    ``str`` and ``print`` give text, notebooks show HTML, ``to_html``, ``to_markdown`` and
    ``to_latex`` give those, and ``rich.print`` a table in colours. Printed forms fold repeated
    loops when there are many rows; ``rows`` holds them all.

    Attributes
    ----------
    mode : str
        ``"forward"`` or ``"reverse"``.
    result : str
        The name of the output.
    wrt : str
        What forward mode differentiates by; empty in reverse mode.
    value : number or array
        The output.
    rows : tuple of Row
        Inputs first, then the steps in order.
    """

    def __init__(
        self, mode: str, result: str, wrt: str, value: Any, rows: Iterable[Row], title: str
    ) -> None:
        self.mode = mode
        self.result = result
        self.wrt = wrt
        self.value = value
        self.rows = tuple(rows)
        self.title = title

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Row:
        """Return the row of a value by its name."""
        for row in self.rows:
            if row.name == name:
                return row
        known = ", ".join(row.name for row in self.rows[:20])
        raise KeyError(f"no value is called {name!r}; there are {known}")

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()

    def __rich__(self) -> Any:
        return rendering.to_rich(self)

    def to_text(self, *, full: bool = False) -> str:
        """Return the table as plain text; `full` unfolds loops and shows arrays whole."""
        return rendering.to_text(self, full=full)

    def to_markdown(self, *, full: bool = False) -> str:
        """Return the table in Markdown."""
        return rendering.to_markdown(self, full=full)

    def to_latex(self, *, full: bool = False) -> str:
        """Return the table as a LaTeX ``tabular`` (two in reverse mode)."""
        return rendering.to_latex(self, full=full)

    def to_html(self, *, full: bool = False) -> str:
        """Return the table as HTML that needs nothing else."""
        return rendering.to_html(self, full=full)

    def to_pandas(self) -> Any:
        """Return the rows as a ``pandas.DataFrame`` (pandas must be installed)."""
        import pandas

        hidden = ("latex", "key")
        fields = [name for name in Row.__dataclass_fields__ if name not in hidden]
        return pandas.DataFrame(
            [{name: getattr(row, name) for name in fields} for row in self.rows]
        )


@immediate
def explain(
    fun: Callable[..., Any],
    *args: Any,
    mode: str = "reverse",
    wrt: str | tuple[Any, ...] | None = None,
    **kwargs: Any,
) -> Explanation:
    """Show each elementary step of a function with its value and its derivative.

    The function runs once. The derivatives come from the same rules that `grad` and `jvp` use.

    Parameters
    ----------
    fun : callable
        Returns one number or array; in reverse mode one real number.
    *args, **kwargs : trees
        The point. Every float, and every array of floats, is an input.
    mode : {"reverse", "forward"}
        Forward: the tangent of each value beside it, for one input. Reverse: the adjoint
        ∂f/∂v of each value, as the sum of its contributions, from the output back.
    wrt : str or tuple, optional
        In forward mode, the input to differentiate by: its name, such as ``"x"`` or
        ``"params['rate']"``; for an entry of an array a tuple of the name and an index,
        ``("x", 2)`` or ``("A", (0, 1))``. By default the first input, if it is a number.

    Returns
    -------
    Explanation
        Prints as a table; ``rows`` is the same as data.

    Raises
    ------
    ArgumentError
        The mode or `wrt` is not one of the above, there is no input, or reverse mode meets a
        result that is not one real number.

    References
    ----------
    R. E. Wengert, "A simple automatic derivative evaluation program", Communications of the ACM
    7(8), 1964.

    Examples
    --------
    >>> import wengert as wg
    >>> def f(x, y):
    ...     return y * x**2
    >>> print(wg.explain(f, 1.0, 1.0, mode="forward", wrt="x"))
    f at x = 1, y = 1: forward mode, with respect to x
    value  formula  at  tangent rule  ∂/∂x
    x               1                    1
    y               1                    0
    v1     x**2     1  2·x·x'            2
    f      y·v1     1  y·v1'             2
    >>> wg.explain(f, 3.0, 2.0)["v1"].adjoint
    2.0
    """
    check_callable(fun, "explain")
    if mode not in ("forward", "reverse"):
        raise ArgumentError(f"mode is 'forward' or 'reverse', got {mode!r}")
    recording = record(fun, args, kwargs)
    result = result_name(fun)
    names = names_of(recording, result)
    if recording.output is not None:
        result = names[recording.output]
    rows = _value_rows(recording, names)
    title = title_of(result, recording)
    if mode == "forward":
        position, seed, label = direction(recording, wrt)
        rows = _with_tangents(recording, names, rows, {position: seed})
        return Explanation(mode, result, label, recording.value, rows, title)
    if wrt is not None:
        raise ArgumentError(
            "reverse mode gives the derivatives by all inputs at once; leave wrt out, or say "
            'mode="forward"'
        )
    check_scalar(recording)
    rows = _with_adjoints(recording, names, rows)
    return Explanation(mode, result, "", recording.value, rows, title)


def check_scalar(recording: Recording) -> None:
    """Raise unless the output is one real number."""
    aval = aval_of(recording.value)
    if aval.size != 1 or aval.is_complex:
        raise ArgumentError(
            f"reverse mode starts from one real number, but the function returned {aval}; choose "
            'an entry, lambda x: fun(x)[0], or say mode="forward"'
        )


def result_name(fun: Callable[..., Any]) -> str:
    """Return what the output is called: the function's name if that is short, else ``f``."""
    name = getattr(fun, "__name__", "f")
    return name if name.isidentifier() and len(name) <= 8 else "f"


def direction(recording: Recording, wrt: Any) -> tuple[int, Any, str]:
    """Return the position, the tangent and the name of what forward mode differentiates by."""
    index = None
    name = wrt
    if isinstance(wrt, tuple):
        if len(wrt) != 2 or not isinstance(wrt[0], str):
            raise ArgumentError(f"wrt is a name or a pair (name, index), got {wrt!r}")
        name, index = wrt
    if name is None:
        name = recording.names[0]
    if name not in recording.names:
        raise ArgumentError(
            f"wrt names {name!r}, which is not an input; there are {', '.join(recording.names)}"
        )
    position = recording.names.index(name)
    value = recording.inputs[position]
    if np.ndim(value) == 0:
        return position, 1.0 if type(value) is float else np.ones_like(value)[()], str(name)
    if index is None:
        raise ArgumentError(
            f"{name} is an array of shape {np.shape(value)}; say which entry: wrt=({name!r}, 0)"
            if np.ndim(value) == 1
            else f"{name} is an array of shape {np.shape(value)}; say which entry: "
            f"wrt=({name!r}, {(0,) * np.ndim(value)})"
        )
    seed = np.zeros_like(value)
    seed[index] = 1
    shown = ", ".join(map(str, index)) if isinstance(index, tuple) else str(index)
    return position, seed, f"{name}[{shown}]"


def title_of(result: str, recording: Recording) -> str:
    """Return what stands above a table or a graph: the output, and the point."""
    point = [
        f"{name} = {rendering.short(value)}"
        for name, value in zip(recording.names, recording.inputs, strict=True)
    ]
    shown = ", ".join(point[:6]) + (", …" if len(point) > 6 else "")
    return f"{result} at {shown}"


_MULTIPLY = registry["multiply"]
_ADD = registry["add"]

# ------------------------------------------------------------------ rows


def operand_formulas(step: Step, names: dict[int, str]) -> list[Formula]:
    """Return the operands of a step as formulas."""
    return [
        name_formula(names[int(operand)])
        if isinstance(operand, Position)
        else number_formula(operand)
        for operand in step.operands
    ]


def step_formula(step: Step, names: dict[int, str]) -> Formula:
    """Return the elementary operation of a step as a formula."""
    return operation(step.primitive, operand_formulas(step, names), step.params)


def step_locals(step: Step, names: dict[int, str]) -> list[Formula | None]:
    """Return the local derivatives of a step by its operands, None for constants."""
    constants = [
        None if isinstance(operand, Position) else value
        for operand, value in zip(step.operands, step.values, strict=True)
    ]
    ans = step.ans[0] if step.primitive.multiple else step.ans
    return local_derivatives(
        step.primitive,
        operand_formulas(step, names),
        constants,
        [aval_of(value) for value in (*step.values, ans)],
        name_formula(names[step.outputs[0]]),
        step.params,
    )


def _value_rows(recording: Recording, names: dict[int, str]) -> list[Row]:
    rows = [
        Row(names[i], "", value, latex={"name": name_formula(names[i]).latex, "formula": ""})
        for i, value in enumerate(recording.inputs)
    ]
    for step in recording.steps:
        formula = step_formula(step, names)
        results = step.ans if step.primitive.multiple else (step.ans,)
        for number, (position, value) in enumerate(zip(step.outputs, results, strict=True)):
            part = f"[{number}]" if step.primitive.multiple else ""
            name = names[position]
            rows.append(
                Row(
                    name,
                    formula.text + part,
                    value,
                    file=step.place.file,
                    line=step.place.line,
                    source=step.place.text,
                    key=(step.place.instruction, step.primitive.name, number),
                    latex={"name": name_formula(name).latex, "formula": formula.latex + part},
                )
            )
    return rows


def _with_tangents(
    recording: Recording, names: dict[int, str], rows: list[Row], seeds: dict[int, Any]
) -> list[Row]:
    known = tangents(recording, seeds)
    made = [replace(row, tangent=known.get(i)) for i, row in enumerate(rows)]
    for step in recording.steps:
        rule = _tangent_rule(step, names, known)
        for position in step.outputs:
            row = made[position]
            made[position] = replace(
                row, tangent_rule=rule.text, latex={**row.latex, "tangent_rule": rule.latex}
            )
    return made


def _tangent_rule(step: Step, names: dict[int, str], known: dict[int, Any]) -> Formula:
    """Return the tangent of a step as the sum of local derivatives times tangents."""
    if push(step, known) is None:
        return number_formula(0)
    primitive, params = step.primitive, step.params
    dots = {index: _primed(names[source]) for index, source in step.sources if source in known}
    structural = primitive.family != "elementwise"
    numbers = tuple(i for i, value in enumerate(step.values) if aval_of(value).dtype.kind in "fc")
    if structural and primitive.linear(numbers, params):  # in all of them together
        moved = operand_formulas(step, names)
        for index in numbers:
            moved[index] = dots.get(index, number_formula(0))
        return operation(primitive, moved, params)
    by_operand = step_locals(step, names)
    terms: list[Formula] = []
    for index, dot in dots.items():
        local = by_operand[index]
        if structural and primitive.linear((index,), params):
            moved = operand_formulas(step, names)
            moved[index] = dot
            terms.append(operation(primitive, moved, params))
            continue
        factor = local if local is not None else number_formula(1)
        terms.append(operation(_MULTIPLY, [factor, dot], {}))
    total = terms[0]
    for term in terms[1:]:
        total = operation(_ADD, [total, term], {})
    return total


def _primed(name: str) -> Formula:
    formula = name_formula(name)
    return Formula(f"{formula.text}'", latex.raised(formula.latex, "'"))


def _with_adjoints(recording: Recording, names: dict[int, str], rows: list[Row]) -> list[Row]:
    totals, parts = adjoints(recording)
    written = [step_locals(step, names) for step in recording.steps]
    made = []
    for position, row in enumerate(rows):
        terms = []
        latex_terms = []
        for part in parts.get(position, ()):
            step = recording.steps[part.step]
            local = written[part.step][part.operand]
            formula = local if local is not None else number_formula(1)
            consumer = names[step.outputs[0]]
            upstream = totals.get(step.outputs[0])
            terms.append(Term(consumer, formula.text, part.local, upstream, part.amount))
            factors = [latex.barred(name_formula(consumer).latex)]
            if formula.number != 1:
                factors.append(formula.as_factor().latex)
            latex_terms.append(r" \cdot ".join(factors))
        pieces = {**row.latex, "terms": latex_terms}
        made.append(replace(row, adjoint=totals.get(position), terms=tuple(terms), latex=pieces))
    return made
