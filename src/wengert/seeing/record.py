"""Recording: a function runs once on its own values, and each elementary step is kept.

The steps carry what the transformations see (primitive, operands, parameters, value) and what the
user sees (source line, the name that the value is assigned to).
"""

from __future__ import annotations

import dis
import linecache
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..errors import ArgumentError
from ..ir.aval import aval_of
from ..ir.primitive import Primitive
from ..tracing.callsite import outside_frame
from ..tracing.core import Trace, Traced, bind, raw_of, to_user
from ..tracing.creation import begin, end
from ..transforms.arguments import Leaves, Selection, argument_names, attach

_STORES = frozenset({"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF"})
_SKIPPED = frozenset({"CACHE", "PRECALL", "EXTENDED_ARG", "COPY"})


class Place(NamedTuple):
    """Where in the user's code a step was taken: file, line, and the instruction in its code."""

    file: str
    line: int
    instruction: tuple[int, int]

    @property
    def text(self) -> str:
        """The source line without its indentation; empty where there is no source."""
        return linecache.getline(self.file, self.line).strip()


class Step:
    """One elementary step.

    Attributes
    ----------
    operands : tuple
        The position of a traced operand, as `Position`, or a constant.
    outputs : tuple of int
        The positions of its results; position 0 is the first input.
    assigned : str or None
        The name that the user's code gives the result.
    """

    __slots__ = ("ans", "assigned", "operands", "outputs", "params", "place", "primitive", "values")

    def __init__(
        self,
        primitive: Primitive,
        operands: tuple[Any, ...],
        values: tuple[Any, ...],
        ans: Any,
        params: dict[str, Any],
        place: Place,
        assigned: str | None,
    ) -> None:
        self.primitive = primitive
        self.operands = operands
        self.values = values
        self.ans = ans
        self.params = params
        self.place = place
        self.assigned = assigned
        self.outputs: tuple[int, ...] = ()

    @property
    def sources(self) -> tuple[tuple[int, int], ...]:
        """Pairs of an operand's index and the position that it comes from."""
        return tuple(
            (index, int(operand))
            for index, operand in enumerate(self.operands)
            if isinstance(operand, Position)
        )


class Position(int):
    """An operand of a step that is an input or the result of an earlier step."""

    __slots__ = ()


class RecordingTrace(Trace):
    """A trace whose payloads are positions, and which keeps every step."""

    __slots__ = ("count", "steps")

    def __init__(self, description: Callable[..., Any] | str, inputs: int) -> None:
        super().__init__(description)
        self.steps: list[Step] = []
        self.count = inputs

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Evaluate an operation, copying what later writes could change, and keep it."""
        operands: list[Any] = []
        values: list[Any] = []
        for value in args:
            lower = self.lower(value)
            traced = type(value) is Traced and value._trace is self
            operands.append(Position(value._payload) if traced else _kept(lower))
            values.append(lower)
        if "in_place" in params:
            params = {**params, "in_place": False}
        ans = bind(primitive, *values, **params)
        results = ans if primitive.multiple else (ans,)
        if not any(aval_of(entry).dtype.kind in "fc" for entry in results):
            return ans
        place, assigned = _place()
        step = Step(
            primitive,
            tuple(operands),
            tuple(_kept(value) for value in values),
            ans if primitive.multiple else _kept(ans),
            params,
            place,
            assigned,
        )
        step.outputs = tuple(range(self.count, self.count + len(results)))
        self.count += len(results)
        self.steps.append(step)
        traced_results = tuple(
            Traced(self, entry, position)
            for entry, position in zip(results, step.outputs, strict=True)
        )
        if not primitive.multiple:
            return traced_results[0]
        return type(ans)(*traced_results) if hasattr(ans, "_fields") else traced_results


def _kept(value: Any) -> Any:
    return value.copy() if type(value) is np.ndarray else value


def _place() -> tuple[Place, str | None]:
    frame = outside_frame()
    if frame is None:
        return Place("", 0, (0, 0)), None
    code = frame.f_code
    assigned = None
    following = [entry for entry in dis.get_instructions(code) if entry.offset > frame.f_lasti]
    for entry in following:
        if entry.opname in _SKIPPED:
            continue
        if entry.opname in _STORES:
            assigned = str(entry.argval)
        break
    return Place(code.co_filename, frame.f_lineno, (id(code), frame.f_lasti)), assigned


class Recording(NamedTuple):
    """What a run left: names and values of the inputs, the steps, and where the output stands.

    ``output`` is a position, or None where the result depends on no input; ``value`` the result;
    ``wanted`` marks the inputs that belong to the arguments asked for.
    """

    names: tuple[str, ...]
    inputs: tuple[Any, ...]
    steps: tuple[Step, ...]
    output: int | None
    value: Any


def record(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Recording:
    """Run a function whose result is one number or array, and keep every step.

    Every argument that is a float, an array of floats or a tree of these is an input; Python
    integers are, as the floats that they stand for, where no argument is anything else.
    """
    selection, names = _selected(function, args, kwargs)
    leaves = Leaves(selection.take(args, kwargs), what="explain")
    if any(type(value) is Traced for value in leaves.values):
        raise ArgumentError(
            "the arguments belong to a transformation that is running; explain and draw want "
            "plain numbers and arrays. Call them outside of grad, jvp, vmap and the like."
        )
    trace = RecordingTrace(function, len(leaves.values))
    begin(trace)
    try:
        inputs = leaves.rebuild(attach(trace, [_kept(value) for value in leaves.values]))
        new_args, new_kwargs = selection.replace(args, kwargs, inputs)
        value = function(*new_args, **new_kwargs)
        found, _ = tree.flatten(value)
    finally:
        end(trace)
    if len(found) != 1:
        raise ArgumentError(
            f"the function returned {len(found)} leaves; explain and draw want one number or "
            "array. Say which: lambda *args: fun(*args)[0]."
        )
    raw = raw_of(found[0])
    traced = type(raw) is Traced and raw._trace is trace
    return Recording(
        names,
        tuple(leaves.values),
        tuple(trace.steps),
        raw._payload if traced else None,
        to_user(raw._below) if traced else raw,
    )


def _selected(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Selection, tuple[str, ...]]:
    """Return the selection of all arguments that can vary, and the names of their leaves."""
    entries: dict[int | str, Any] = dict(enumerate(args))
    entries.update(kwargs)
    leaves = {entry: tree.leaves(value) for entry, value in entries.items()}
    chosen = [entry for entry, value in entries.items() if varies(value)]
    if not chosen:
        chosen = [entry for entry, found in leaves.items() if found and all(map(_is_int, found))]
    names: list[str] = []
    known = argument_names(function, len(args))
    for entry in chosen:
        root = known[entry] if isinstance(entry, int) else entry
        names += tree.names(entries[entry], root)
    if not chosen:
        raise ArgumentError(
            "no argument is a float or an array of floats (or a tree of these), so there is "
            "nothing to explain; write 1.0 for 1 in an array: np.array([1.0, 2.0])"
        )
    return Selection(function, tuple(chosen)), tuple(names)


def varies(value: Any) -> bool:
    """Return whether a tree consists of floats and arrays of them."""
    leaves = tree.leaves(value)
    return bool(leaves) and all(map(_varies, leaves))


def _varies(leaf: Any) -> bool:
    if isinstance(leaf, (float, complex)):
        return True
    return isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "fc"


def _is_int(leaf: Any) -> bool:
    return isinstance(leaf, int) and not isinstance(leaf, bool)
