"""Transformations of Wengert lists: the jvp, the vjp and the batch of a list are lists again.

Each is made by staging the transformation of the list's evaluation, and kept as long as the list.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, is_differentiable, zeros_of
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.evaluate import evaluate
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import moved, spread_over
from ..ops.kinds import with_kind
from ..tracing.core import Traced, bind, bind_effect, raw_of
from ..tracing.creation import begin, end
from ..tracing.staging import StagingTrace, stage
from .batching import BatchTrace
from .forward import ForwardTrace
from .reverse import ReverseTrace

_memory: weakref.WeakKeyDictionary[WengertList, dict[Hashable, Any]] = weakref.WeakKeyDictionary()


def remembered(program: WengertList, key: Hashable, make: Callable[[], Any]) -> Any:
    """Return what `make` gives for a list, made once and kept as long as the list lives.

    What is made must not refer to the list itself, which would keep it alive.
    """
    known = _memory.setdefault(program, {})
    if key not in known:
        known[key] = make()
    return known[key]


def evaluate_traced(program: WengertList, args: Sequence[Any]) -> tuple[Any, ...]:
    """Run a list on raw values of any level and return its raw outputs."""
    return evaluate(program.inputs, program.equations, program.outputs, args, _apply)


def _apply(primitive: Primitive, *args: Any, **params: Any) -> Any:
    if primitive.family == "effect":
        return bind_effect(primitive, *args, **params)
    return bind(primitive, *args, **params)


def differentiable_outputs(program: WengertList) -> tuple[int, ...]:
    """Return the indices of the outputs that carry a derivative."""
    return tuple(
        index
        for index, operand in enumerate(program.outputs)
        if is_differentiable(operand.aval.dtype)
    )


def is_zero(operand: Operand) -> bool:
    """Return whether an operand of a list is known to be zero: a literal zero."""
    return isinstance(operand, Literal) and not np.any(operand.value)


def dependent_outputs(program: WengertList, flags: Sequence[bool]) -> tuple[bool, ...]:
    """Return which outputs have a derivative with respect to the inputs that are flagged."""
    varying = varying_variables(program, flags)
    return tuple(operand in varying for operand in program.outputs)


def varying_variables(program: WengertList, flags: Sequence[bool]) -> set[Any]:
    """Return the variables that have a derivative with respect to the inputs that are flagged."""
    varying: set[Any] = {
        variable for variable, flag in zip(program.inputs, flags, strict=True) if flag
    }
    for equation in program.equations:
        if equation.primitive.zero_derivative or varying.isdisjoint(equation.operands):
            continue
        varying.update(v for v in equation.outputs if is_differentiable(v.aval.dtype))
    return varying


# ------------------------------------------------------------------ jvp


def jvp_of_list(program: WengertList, nonzero: Sequence[bool]) -> WengertList:
    """Return the list that computes the outputs of `program` and their tangents.

    Parameters
    ----------
    program : WengertList
    nonzero : sequence of bool
        For each input whether it has a tangent; the others are constants.

    Returns
    -------
    WengertList
        Inputs: those of `program`, then a tangent for each one in `nonzero`, of the same Aval.
        Outputs: those of `program`, then a tangent for each one that is differentiable (see
        `differentiable_outputs`), of the same Aval; a literal where it is zero (see `is_zero`).

    Examples
    --------
    >>> import wengert as wg
    >>> program = wg.trace(lambda x, y: x * y)(2.0, 3.0)
    >>> jvp_of_list(program, [True, False])
    inputs  x1: float64*, x2: float64*, x3: float64*
    v1: float64* = multiply(x1, x2)
    v2: float64* = multiply(x3, x2)
    outputs v1, v2
    """
    flags = _flags(program, nonzero)
    return remembered(program, ("jvp", flags), lambda: _jvp_of_list(program, flags))  # type: ignore[no-any-return]


def _jvp_of_list(program: WengertList, nonzero: tuple[bool, ...]) -> WengertList:
    count = len(program.inputs)

    def pushed(*values: Any) -> list[Any]:
        raw = [raw_of(value) for value in values]
        tangents = iter(raw[count:])
        trace = ForwardTrace("a Wengert list")
        begin(trace)
        try:
            args = [
                Traced(trace, value, next(tangents)) if traced else value
                for value, traced in zip(raw[:count], nonzero, strict=True)
            ]
            results = evaluate_traced(program, args)
        finally:
            end(trace)
        values_out = []
        tangents_out = []
        for operand, result in zip(program.outputs, results, strict=True):
            traced = type(result) is Traced and result._trace is trace
            values_out.append(result._below if traced else result)
            if is_differentiable(operand.aval.dtype):
                tangent = result._payload if traced else None
                tangents_out.append(fitted(tangent, operand.aval))
        return values_out + tangents_out

    avals = [variable.aval for variable in program.inputs]
    avals += [aval for aval, traced in zip(avals, nonzero, strict=True) if traced]
    return stage(pushed, avals, "the jvp of a Wengert list")


# ------------------------------------------------------------------ vjp


def vjp_of_list(
    program: WengertList, wanted: Sequence[bool], seeded: Sequence[bool] | None = None
) -> tuple[WengertList, WengertList]:
    """Return two lists: one computes outputs and residuals, the other pulls cotangents back.

    Parameters
    ----------
    program : WengertList
    wanted : sequence of bool
        For each input whether its cotangent is wanted.
    seeded : sequence of bool, optional
        For each output whether it has a cotangent; by default all that are differentiable have.

    Returns
    -------
    forward : WengertList
        Inputs: those of `program`. Outputs: those of `program`, then the residuals. A residual that
        is an input of `program` is that variable itself.
    backward : WengertList
        Inputs: the residuals, then a cotangent for each output that has one, of its Aval. Outputs:
        a cotangent for each wanted input, of its Aval; a literal where it is zero.

    Notes
    -----
    One list is staged of both, and parted where the pullback begins: what a rule computes while it
    pulls is computed in `backward`, so the residuals are what the rules name, as on a tape.
    """
    flags = _flags(program, wanted)
    differentiable = set(differentiable_outputs(program))
    if seeded is None:
        seeds = tuple(index in differentiable for index in range(len(program.outputs)))
    else:
        seeds = tuple(bool(flag) and index in differentiable for index, flag in enumerate(seeded))
    key = ("vjp", flags, seeds)
    return remembered(program, key, lambda: _vjp_of_list(program, flags, seeds))  # type: ignore[no-any-return]


def _vjp_of_list(
    program: WengertList, wanted: tuple[bool, ...], seeded: tuple[bool, ...]
) -> tuple[WengertList, WengertList]:
    trace = StagingTrace("the vjp of a Wengert list")
    begin(trace)
    try:
        inputs = [Variable(variable.aval) for variable in program.inputs]
        given = [_staged(trace, variable) for variable in inputs]
        tape = ReverseTrace(
            trace.description, [value for value, flag in zip(given, wanted, strict=True) if flag]
        )
        begin(tape)
        try:
            positions = iter(range(len(given)))
            args = [
                Traced(tape, value, next(positions)) if flag else value
                for value, flag in zip(given, wanted, strict=True)
            ]
            results = evaluate_traced(program, args)
        finally:
            end(tape)
        outputs = [
            result._below if type(result) is Traced and result._trace is tape else result
            for result in results
        ]
        output_operands = [trace.operand(value) for value in outputs]
        pulled_from = len(trace.equations)
        cotangents = []
        seeds = []
        for operand, result, flag in zip(program.outputs, results, seeded, strict=True):
            if not flag:
                continue
            variable = Variable(operand.aval)
            cotangents.append(variable)
            if type(result) is Traced and result._trace is tape:
                seeds.append((result._payload, _staged(trace, variable)))
        found = tape.pull_back(seeds)
        avals = [variable.aval for variable, flag in zip(inputs, wanted, strict=True) if flag]
        pulled = [
            trace.operand(fitted(entry, aval)) for entry, aval in zip(found, avals, strict=True)
        ]
    finally:
        end(trace)
    return _parted(inputs, trace.equations, pulled_from, output_operands, cotangents, pulled)


def _parted(
    inputs: list[Variable],
    equations: list[Equation],
    pulled_from: int,
    outputs: list[Operand],
    cotangents: list[Variable],
    pulled: list[Operand],
) -> tuple[WengertList, WengertList]:
    """Part a joint list into the forward list and the backward list."""
    backward = needed_equations(equations[pulled_from:], pulled)
    own = set(cotangents)
    own.update(variable for equation in backward for variable in equation.outputs)
    residuals: dict[Variable, None] = {}
    for operand in [*(o for equation in backward for o in equation.operands), *pulled]:
        if isinstance(operand, Variable) and operand not in own:
            residuals[operand] = None
    kept: list[Operand] = [*outputs, *residuals]
    forward = WengertList(inputs, needed_equations(equations[:pulled_from], kept), kept)
    # An equation of the second half that reads no cotangent, and whose residuals are inputs, may
    # stand in either; it stays where it was staged.
    return forward, _renamed(residuals, cotangents, backward, pulled)


def _renamed(
    residuals: dict[Variable, None],
    cotangents: list[Variable],
    equations: list[Equation],
    outputs: list[Operand],
) -> WengertList:
    """Return a list over fresh input variables in place of `residuals`: lists share no variable."""
    fresh = {variable: Variable(variable.aval) for variable in residuals}

    def renamed(operand: Operand) -> Operand:
        return fresh.get(operand, operand) if isinstance(operand, Variable) else operand

    return WengertList(
        [*fresh.values(), *cotangents],
        [
            Equation(
                equation.primitive,
                [renamed(operand) for operand in equation.operands],
                equation.params,
                equation.outputs,
            )
            for equation in equations
        ],
        [renamed(operand) for operand in outputs],
    )


def needed_equations(equations: Sequence[Equation], outputs: Sequence[Operand]) -> list[Equation]:
    """Return the equations that the outputs depend on, in order."""
    needed = {operand for operand in outputs if isinstance(operand, Variable)}
    kept = []
    for equation in reversed(equations):
        if equation.outputs and needed.isdisjoint(equation.outputs):
            continue  # equations without outputs (guards) act, they are kept
        kept.append(equation)
        needed.update(o for o in equation.operands if isinstance(o, Variable))
    return kept[::-1]


def is_linear_list(program: WengertList, which: Iterable[int]) -> bool:
    """Return whether the outputs are linear, up to a constant, in some inputs together."""
    varying = {program.inputs[index] for index in which}
    for equation in program.equations:
        mine = tuple(i for i, operand in enumerate(equation.operands) if operand in varying)
        if mine and not equation.primitive.linear(mine, equation.params):
            return False
        if mine:
            varying.update(equation.outputs)
    return True


# ------------------------------------------------------------------ batch


def batch_of_list(
    program: WengertList,
    axes: Sequence[int | None],
    size: int,
    forced: Sequence[bool] | None = None,
) -> tuple[WengertList, tuple[int | None, ...]]:
    """Return the list that runs `program` for `size` examples at once, and where results have them.

    Parameters
    ----------
    program : WengertList
    axes : sequence of int or None
        For each input its batch axis, None where it is the same for all examples.
    size : int
    forced : sequence of bool, optional
        Outputs that get a batch axis even where they are the same for all examples.

    Returns
    -------
    batched : WengertList
        Inputs and outputs are those of `program`, with the batch axis where they have one.
    out_axes : tuple
        0 for each output that differs between examples, None for the others.
    """
    forced = (False,) * len(program.outputs) if forced is None else tuple(map(bool, forced))
    key = ("batch", tuple(axes), size, forced)
    return remembered(program, key, lambda: _batch_of_list(program, axes, size, forced))  # type: ignore[no-any-return]


def _batch_of_list(
    program: WengertList, axes: Sequence[int | None], size: int, forced: Sequence[bool]
) -> tuple[WengertList, tuple[int | None, ...]]:
    places: list[int | None] = []

    def run(*values: Any) -> list[Any]:
        trace = BatchTrace("a Wengert list", size)
        begin(trace)
        try:
            args = [
                raw_of(value)
                if axis is None
                else trace.wrap(raw_of(value), axis, variable.aval.kind)
                for value, axis, variable in zip(values, axes, program.inputs, strict=True)
            ]
            results = evaluate_traced(program, args)
        finally:
            end(trace)
        found = []
        for result, force in zip(results, forced, strict=True):
            batched = type(result) is Traced and result._trace is trace
            if batched:
                result = moved(result._below._below, result._below.axis, 0)
            elif force:
                result = spread_over(result, None, size)
            places.append(0 if batched or force else None)
            found.append(result)
        return found

    avals = [
        batched_aval(variable.aval, axis, size)
        for variable, axis in zip(program.inputs, axes, strict=True)
    ]
    return stage(run, avals, "the batch of a Wengert list"), tuple(places)


def batched_aval(aval: Aval, axis: int | None, size: int) -> Aval:
    """Return the Aval of `size` examples along an axis; the Aval itself where that is None."""
    if axis is None:
        return aval
    return Aval((*aval.shape[:axis], size, *aval.shape[axis:]), aval.dtype)


# ------------------------------------------------------------------ parts of both


def fitted(change: Any, aval: Aval) -> Any:
    """Return a raw tangent or cotangent, None being zero, with the dtype and kind of `aval`."""
    if change is None:
        return zeros_of(aval)
    return raw_of(with_kind(raw_of(change), aval))


def _staged(trace: StagingTrace, variable: Variable) -> Traced:
    return Traced(trace, variable.aval, variable)


def _flags(program: WengertList, flags: Sequence[bool]) -> tuple[bool, ...]:
    """Return flags for the inputs of a list, False for those that carry no derivative."""
    return tuple(
        bool(flag) and is_differentiable(variable.aval.dtype)
        for flag, variable in zip(flags, program.inputs, strict=True)
    )


def jvp_in_groups(
    program: WengertList,
    flags: Sequence[bool],
    groups: Sequence[int],
    kept: Sequence[bool],
    output_groups: Sequence[int],
) -> WengertList:
    """Return the jvp of a list with the tangents behind their group of inputs and outputs.

    Parameters
    ----------
    flags : sequence of bool
        For each input whether it has a tangent.
    groups, output_groups : sequence of int
        The sizes of the groups, in order.
    kept : sequence of bool
        For each output whether its tangent is an output.
    """
    flags = _flags(program, flags)
    key = ("jvp in groups", flags, tuple(groups), tuple(kept), tuple(output_groups))

    def make() -> WengertList:
        pushing = jvp_of_list(program, flags)
        tangents = iter(pushing.inputs[len(flags) :])
        changes = dict(
            zip(differentiable_outputs(program), pushing.outputs[len(kept) :], strict=True)
        )
        inputs = [next(tangents) if flag else None for flag in flags]
        outputs = [changes[i] if keep else None for i, keep in enumerate(kept)]
        return WengertList(
            in_groups(pushing.inputs[: len(flags)], inputs, groups),
            pushing.equations,
            in_groups(pushing.outputs[: len(kept)], outputs, output_groups),
        )

    return remembered(program, key, make)  # type: ignore[no-any-return]


def in_groups(values: Sequence[Any], changes: Sequence[Any], groups: Sequence[int]) -> list[Any]:
    """Return values and their changes, each group of changes behind its values, None left out."""
    found: list[Any] = []
    start = 0
    for size in groups:
        found += values[start : start + size]
        found += [c for c in changes[start : start + size] if c is not None]
        start += size
    return found
