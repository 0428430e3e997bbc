"""Functions of the user's as Wengert lists: staged on Avals, what they capture made an operand.

And the rules for values that a loop carries: they keep their shape, dtype and kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..errors import ArgumentError, CarryError
from ..ir.aval import Aval, aval_of, number_aval
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.wengert_list import WengertList
from ..ops.kinds import with_kind
from ..tracing.core import Array, Traced, raw_of
from ..tracing.staging import stage
from ..transforms.lists import evaluate_traced
from .situated import Values, stage_at


class Body(NamedTuple):
    """A staged function.

    ``program`` takes the raw values ``captured``, then one value per Aval; ``structure`` is that
    of its result.
    """

    program: WengertList
    captured: tuple[Any, ...]
    structure: tree.Structure


def raw_leaves(value: Any, name: str) -> tuple[list[Any], tree.Structure]:
    """Return the raw leaves of a tree of numbers and arrays, and its structure."""
    leaves, structure = tree.flatten(value)
    raw = [raw_of(leaf) for leaf in leaves]
    for leaf, path in zip(raw, _paths(value, name, raw), strict=True):
        if not _is_number(leaf):
            raise ArgumentError(
                f"{path} is of type {type(leaf).__name__}; control flow takes trees of numbers and "
                "arrays. Capture other objects in the function: lambda …: f(…, thing)."
            )
    return raw, structure


def _paths(value: Any, name: str, raw: Sequence[Any]) -> list[str]:
    return [name] * len(raw) if all(map(_is_number, raw)) else tree.names(value, name)


def _is_number(raw: Any) -> bool:
    return aval_of(raw).dtype.kind in "biufc" and not isinstance(raw, (str, bytes))


def stage_body(
    function: Callable[..., Any],
    avals: Sequence[Aval],
    arguments: Callable[[Sequence[Any]], tuple[Any, ...]],
    values: Values | None = None,
    moving: int | None = None,
) -> Body:
    """Stage ``function(*arguments(leaves))`` on leaves of the given Avals.

    Traced values that the function takes from outside become operands. Where `values` gives the
    leaves, the function may ask for values: the program holds where its guards do, see `stage_at`.
    """
    structures: list[tree.Structure] = []

    def program(*leaves: Any) -> list[Any]:
        found, structure = tree.flatten(function(*arguments(leaves)))
        structures.append(structure)
        return found

    if values is None:
        staged = stage(program, avals, function)
    else:
        staged = stage_at(program, avals, values, function, moving)
    hoisted, captured = hoist(staged)
    return Body(hoisted, captured, structures[0])


def hoist(program: WengertList) -> tuple[WengertList, tuple[Any, ...]]:
    """Return a list whose traced literals are inputs, in front of the others, and their values."""
    fresh: dict[int, tuple[Variable, Any]] = {}

    def moved(operand: Operand) -> Operand:
        if not isinstance(operand, Literal) or type(operand.value) is not Traced:
            return operand
        value = operand.value
        key = id(value._payload) if isinstance(value._payload, Variable) else id(value)
        return fresh.setdefault(key, (Variable(aval_of(value)), value))[0]

    equations = [
        Equation(e.primitive, [moved(operand) for operand in e.operands], e.params, e.outputs)
        for e in program.equations
    ]
    outputs = [moved(operand) for operand in program.outputs]
    if not fresh:
        return program, ()
    inputs = [variable for variable, _ in fresh.values()]
    return (
        WengertList([*inputs, *program.inputs], equations, outputs),
        tuple(value for _, value in fresh.values()),
    )


def merged_captures(bodies: Sequence[Body]) -> tuple[list[WengertList], tuple[Any, ...]]:
    """Return the programs of several bodies with the same captured inputs, and their values."""
    captured = tuple(value for body in bodies for value in body.captured)
    programs = []
    for number, body in enumerate(bodies):
        own = body.program.inputs[: len(body.captured)]
        inputs: list[Variable] = []
        for other, entry in enumerate(bodies):
            inputs += own if other == number else [Variable(aval_of(v)) for v in entry.captured]
        inputs += body.program.inputs[len(body.captured) :]
        programs.append(WengertList(inputs, body.program.equations, body.program.outputs))
    return programs, captured


def converted(program: WengertList, avals: Sequence[Aval]) -> WengertList:
    """Return a list with its outputs converted to dtypes and kinds, itself if they have them."""
    if [operand.aval for operand in program.outputs] == list(avals):
        return program

    def run(*values: Any) -> list[Any]:
        raw = [raw_of(value) for value in values]
        found = evaluate_traced(program, raw)
        return [with_kind(value, aval) for value, aval in zip(found, avals, strict=True)]

    return stage(run, [variable.aval for variable in program.inputs], "a conversion")


# ------------------------------------------------------------------ what loops carry

_ORDER = "biufc"


def is_weak(aval: Aval) -> bool:
    """Return whether a value is a Python number, which takes the dtype and kind it meets."""
    return aval.kind == "python"


def common_aval(first: Aval, second: Aval) -> Aval | None:
    """Return the Aval that both values can have: Python numbers adapt, all others must agree."""
    if first == second:
        return first
    if first.shape or second.shape:
        return None
    if is_weak(first) and is_weak(second):
        return max(first, second, key=lambda aval: _ORDER.index(aval.dtype.kind))
    if is_weak(first):
        first, second = second, first
    if is_weak(second) and _ORDER.index(second.dtype.kind) <= _ORDER.index(first.dtype.kind):
        return first
    return None


def carried_aval(given: Aval, found: Aval, path: str, what: str) -> Aval:
    """Return what a loop carries where one step turned `given` into `found`.

    A Python number at the start becomes what the step makes of it.

    Raises
    ------
    CarryError
        Where shape, dtype or kind changed.
    """
    common = common_aval(given, found)
    if common is not None:
        return common
    raise CarryError(
        f"{what}: {path} changes from {given} to {found} in one step. Carried values keep "
        f"their shape, dtype and kind; {_advice(given, found)}"
    )


def _advice(given: Aval, found: Aval) -> str:
    if given.shape != found.shape:
        return f"start with an array of shape {found.shape}, or return one of shape {given.shape}."
    if given.dtype != found.dtype:
        if is_weak(found):
            return f"return a {given.dtype} number."
        return f"start with dtype={found.dtype}, or return the value .astype({str(given.dtype)!r})."
    if given.kind == "array":
        return "0-d arrays become scalars in arithmetic: start with the scalar, x[()]."
    return "return the scalar, x[()], or start with a 0-d array."


def check_structure(given: tree.Structure, found: tree.Structure, what: str) -> None:
    """Raise unless a step returned the tree structure that it was given."""
    if given != found:
        raise CarryError(
            f"{what}: the carried tree changes from {given} to {found} in one step; the function "
            "must return the containers and keys that it was given"
        )


def settled(
    stage_step: Callable[[Sequence[Aval]], Body],
    avals: Sequence[Aval],
    paths: Sequence[str],
    what: str,
) -> tuple[Body, list[Aval]]:
    """Stage a step until what it carries is what it was given.

    ``stage_step(avals)`` stages one step; the first outputs are the carry. Python numbers at the
    start become what the step makes of them: at most a few rounds.
    """
    while True:
        body = stage_step(avals)
        found = [operand.aval for operand in body.program.outputs]
        carried = [
            carried_aval(given, now, path, what)
            for given, now, path in zip(avals, found, paths, strict=False)
        ]
        if carried == list(avals):
            wanted = [*carried, *found[len(carried) :]]
            return body._replace(program=converted(body.program, wanted)), carried
        avals = carried


def own_copy(leaf: Any) -> Any:
    """Return a leaf that a loop may write without its caller seeing it."""
    if type(leaf) is Array:
        return Array(raw_of(leaf))
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def checked_step(
    carried: Any, avals: Sequence[Aval], structure: tree.Structure, what: str
) -> list[Aval]:
    """Return the Avals of what a step returned; an error where a leaf changed."""
    leaves, found = tree.flatten(carried)
    check_structure(structure, found, what)
    now = [_aval_of_leaf(leaf) for leaf in leaves]
    if now == avals:
        return now
    paths = tree.names(carried, "init")
    return [
        carried_aval(given, found_aval, path, what)
        for given, found_aval, path in zip(avals, now, paths, strict=True)
    ]


def _aval_of_leaf(leaf: Any) -> Aval:
    """Return ``aval_of(raw_of(leaf))``, quickly for numbers: every step asks it of every leaf."""
    plain = leaf
    while type(plain) is Traced:
        plain = plain._below
    return number_aval(type(plain)) or aval_of(raw_of(leaf))
