"""The straight evaluator: runs a Wengert list equation by equation.

Values are let go of after their last use. A list that runs often is written out as Python code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import PACKAGE, ArgumentError
from .equation import Equation, Literal, Operand, Variable
from .primitive import Primitive

Apply = Callable[..., Any]


def _evaluate_plainly(primitive: Primitive, *values: Any, **params: Any) -> Any:
    return primitive.evaluate(*values, **params)


def evaluate(
    inputs: Sequence[Variable],
    equations: Sequence[Equation],
    outputs: Sequence[Operand],
    args: Sequence[Any],
    apply: Apply = _evaluate_plainly,
    last_uses: Sequence[Sequence[Variable]] | None = None,
) -> tuple[Any, ...]:
    """Run a list and return its outputs.

    `apply` carries out one primitive: plain evaluation by default, ``bind`` to run the list on
    traced values. `last_uses` holds what `last_uses_of` gives, where that is known already.
    """
    check_count(inputs, args)
    values: dict[Variable, Any] = dict(zip(inputs, args, strict=True))
    if last_uses is None:
        last_uses = last_uses_of(equations, outputs)

    def value_of(operand: Operand) -> Any:
        return operand.value if isinstance(operand, Literal) else values[operand]

    for equation, dead in zip(equations, last_uses, strict=True):
        operands = [value_of(operand) for operand in equation.operands]
        result = apply(equation.primitive, *operands, **equation.params)
        if equation.primitive.multiple:
            values.update(zip(equation.outputs, result, strict=True))
        else:
            values[equation.outputs[0]] = result
        for variable in dead:
            del values[variable]
    return tuple(value_of(operand) for operand in outputs)


def check_count(inputs: Sequence[Variable], args: Sequence[Any]) -> None:
    """Raise unless there is one value for each input."""
    if len(args) != len(inputs):
        raise ArgumentError(f"this Wengert list takes {len(inputs)} values, {len(args)} were given")


def last_uses_of(equations: Sequence[Equation], outputs: Sequence[Operand]) -> list[list[Variable]]:
    """Return for each equation the variables that nothing reads after it."""
    live = {operand for operand in outputs if isinstance(operand, Variable)}
    found = []
    for equation in reversed(equations):
        dead = []
        for variable in (*equation.outputs, *equation.operands):
            if isinstance(variable, Variable) and variable not in live:
                live.add(variable)
                dead.append(variable)
        found.append(dead)
    return found[::-1]


# ------------------------------------------------------------------ written out as Python code

# Compiling a line costs as much as running it through `evaluate` some dozen times.
RUNS_BEFORE_CODE = 12
LONGEST_CODE = 2000


def code_of(
    inputs: Sequence[Variable], equations: Sequence[Equation], outputs: Sequence[Operand]
) -> Callable[..., tuple[Any, ...]]:
    """Return a Python function of the inputs that runs a list: one line an equation."""
    names = {variable: f"x{number}" for number, variable in enumerate(inputs)}
    constants: dict[str, Any] = {}

    def constant(value: Any) -> str:
        name = f"c{len(constants)}"
        constants[name] = value
        return name

    def name_of(operand: Operand) -> str:
        return constant(operand.value) if isinstance(operand, Literal) else names[operand]

    lines = [f"def run({', '.join(names[variable] for variable in inputs)}):"]
    primitives: dict[Primitive, str] = {}
    count = 0
    for equation, dead in zip(equations, last_uses_of(equations, outputs), strict=True):
        call = primitives.get(equation.primitive)
        if call is None:
            call = primitives[equation.primitive] = constant(equation.primitive.evaluate)
        operands = [name_of(operand) for operand in equation.operands]
        if equation.params:
            operands.append(f"**{constant(equation.params)}")
        for variable in equation.outputs:
            names[variable] = f"v{count}"
            count += 1
        targets = ", ".join(names[variable] for variable in equation.outputs)
        if equation.primitive.multiple:
            targets = f"({targets},)" if targets else "()"
        lines.append(f"    {targets} = {call}({', '.join(operands)})")
        if dead:
            lines.append(f"    del {', '.join(names[variable] for variable in dead)}")
    results = "".join(f"{name_of(operand)}, " for operand in outputs)
    lines.append(f"    return ({results})")
    namespace = dict(constants)
    # The file name tells that the frame is ours: errors name the user's line, not this one.
    exec(compile("\n".join(lines), f"{PACKAGE}a Wengert list", "exec"), namespace)
    return namespace["run"]  # type: ignore[no-any-return]
