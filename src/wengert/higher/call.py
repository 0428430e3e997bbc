"""A compiled function inside a transformation: the equation ``call``, which holds its program.

Its derivatives are programs too, made once for each program and compiled like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..compile import Executable
from ..errors import ArgumentError, TracedValueError
from ..ir.aval import Aval, aval_of
from ..ir.equation import Operand, Variable
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import batch_size, front
from ..ops.guards import guard
from ..ops.samples import Fail, Sample, array
from ..ops.taylor_rules import Series
from ..tracing.core import bind
from ..tracing.staging import stage
from ..transforms.lists import (
    batch_of_list,
    differentiable_outputs,
    fitted,
    is_linear_list,
    is_zero,
    jvp_of_list,
    remembered,
    varying_variables,
    vjp_of_list,
)
from ..transforms.taylor_lists import of_one_list

# outputs = call(*operands; program)


def _evaluate(*values: Any, program: WengertList) -> tuple[Any, ...]:
    executable: Executable = remembered(program, "executable", lambda: Executable(program))
    executable.prepare()
    return executable.run(values)


def _infer(*avals: Aval, program: WengertList) -> tuple[Aval, ...]:
    for given, variable in zip(avals, program.inputs, strict=True):
        if given != variable.aval:
            raise ArgumentError(f"call: its program takes {variable.aval}, got {given}")
    return tuple(operand.aval for operand in program.outputs)


def _refuse_dropped(program: WengertList, flags: Sequence[bool]) -> None:
    """Raise where a program made a plain number of a value that is being differentiated.

    It was recorded with that number, and a guard says which: without a derivative that is right.
    """
    asked = [equation for equation in program.equations if equation.primitive is guard]
    asked = [e for e in asked if aval_of(e.params["expected"]).dtype.kind in "fc"]
    if asked and not varying_variables(program, flags).isdisjoint(e.operands[0] for e in asked):
        raise TracedValueError(
            "a compiled function makes a plain number of a value that is being differentiated, "
            "which would drop its derivative: by float(x), complex(x), np.float32(x), or a "
            "function of the math or cmath module. Use numpy (np.sin for math.sin, "
            "x.astype(np.float32)), or wengert.stop_gradient(x) where a constant is meant; "
            "fun.explain() names the line."
        )


def _push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
    program = params["program"]
    flags = [tangent is not None for tangent in tangents]
    _refuse_dropped(program, flags)
    pushing = jvp_of_list(program, flags)
    given = [
        fitted(tangent, variable.aval)
        for tangent, variable in zip(tangents, program.inputs, strict=True)
        if tangent is not None and variable.aval.dtype.kind in "fc"
    ]
    found = bind(call, *primals, *given, program=pushing)
    count = len(program.outputs)
    changes: list[Any] = [None] * count
    for position, index in enumerate(differentiable_outputs(program)):
        if not is_zero(pushing.outputs[count + position]):
            changes[index] = found[count + position]
    return found[:count], tuple(changes)


def _taylor(series: list[Series], params: dict[str, Any]) -> list[Series]:
    program = params["program"]
    _refuse_dropped(program, [any(part is not None for part in own[1:]) for own in series])

    def run(operands: list[Any], programs: list[WengertList]) -> Any:
        return bind(call, *operands, program=programs[0])

    return of_one_list(series, [program], run)


class _Halves:
    """The program that keeps residuals, and the one that pulls back.

    Residuals that are operands are handed over as they are: `reread` holds for each residual the
    number of an operand, or None.
    """

    def __init__(self, program: WengertList, wanted: Sequence[bool]) -> None:
        _refuse_dropped(program, wanted)
        forward, self.backward = vjp_of_list(program, wanted)
        count = len(program.outputs)
        positions = {variable: number for number, variable in enumerate(forward.inputs)}
        residuals: Sequence[Operand] = forward.outputs[count:]
        self.reread = [
            positions.get(operand) if isinstance(operand, Variable) else None
            for operand in residuals
        ]
        kept = [o for o, n in zip(residuals, self.reread, strict=True) if n is None]
        self.forward = WengertList(
            forward.inputs, forward.equations, [*forward.outputs[:count], *kept]
        )
        self.seeded = differentiable_outputs(program)
        self.avals = [program.outputs[index].aval for index in self.seeded]


def _record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
    program = params["program"]
    wanted = tuple(index in which for index in range(len(values)))
    halves: _Halves = remembered(program, ("call", wanted), lambda: _Halves(program, wanted))
    found = bind(call, *values, program=halves.forward)
    count = len(program.outputs)
    made = iter(found[count:])
    residuals = tuple(next(made) if n is None else values[n] for n in halves.reread)
    return found[:count], _pull, (halves, residuals)


def _pull(cotangents: Sequence[Any], residuals: Any) -> Any:
    halves, kept = residuals
    seeds = [
        fitted(cotangents[index], aval)
        for index, aval in zip(halves.seeded, halves.avals, strict=True)
    ]
    found = bind(call, *kept, *seeds, program=halves.backward)
    return found[0] if len(found) == 1 else tuple(found)


def _batch(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    operands = [front(value, axis) for value, axis in zip(values, axes, strict=True)]
    places = [None if axis is None else 0 for axis in axes]
    batched, out_axes = batch_of_list(params["program"], places, batch_size(values, axes))
    return bind(call, *operands, program=batched), out_axes


def _programs() -> tuple[WengertList, WengertList]:
    avals = [Aval((3,), np.float64), Aval((), np.float64, "scalar")]
    return (
        stage(lambda x, y: (np.sin(x) * y, y * y), avals),
        stage(lambda x, y: (x * x, np.exp(y) * x[1], np.sum(x > 0)), avals),
    )


def _samples() -> list[Sample]:
    first, second = _programs()
    return [
        Sample(array(3), np.float64(0.7), program=first),
        Sample(array(3), np.float64(0.7), program=second),
    ]


def _fails() -> list[Fail]:
    return [Fail(ArgumentError, "takes", array(4), np.float64(0.7), program=_programs()[0])]


call = Primitive(
    "call",
    family="control",
    arguments=("operand",),
    evaluate=_evaluate,
    infer=_infer,
    push=_push,
    taylor=_taylor,
    record=_record,
    batch=_batch,
    linear=lambda which, params: is_linear_list(params["program"], which),
    multiple=True,
    samples=_samples,
    fails=_fails,
)
