"""Branches on values: ``cond`` and ``switch``.

Where the choice is known they are Python's own branches; while a program is staged, and where
examples of a batch choose differently, they are one equation ``switch`` that holds its branches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..config import config
from ..errors import ArgumentError, CarryError
from ..ir.aval import Aval, aval_of, zeros_of
from ..ir.equation import Literal, Operand, Variable
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import batch_size, front
from ..ops.samples import Fail, Sample, array
from ..ops.taylor_rules import Series
from ..tracing.core import bind, innermost, is_decided, ndim_of, raw_of, to_user
from ..tracing.staging import stage
from ..transforms.arguments import check_callable, immediate
from ..transforms.lists import (
    batch_of_list,
    differentiable_outputs,
    evaluate_traced,
    fitted,
    is_linear_list,
    is_zero,
    jvp_of_list,
    remembered,
    vjp_of_list,
)
from ..transforms.taylor_lists import of_one_list
from .bodies import Body, common_aval, converted, merged_captures, raw_leaves, stage_body
from .standing_in import choices, suited

# ------------------------------------------------------------------ what people call


@immediate
def cond(
    pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any
) -> Any:
    """Return ``true_fun(*operands)`` where `pred` holds, else ``false_fun(*operands)``.

    Where `pred` is known only the chosen function runs, as with ``if``. Under ``jit`` both are
    traced and one is executed; where examples of a ``vmap`` choose differently both are executed
    and the results selected.

    Parameters
    ----------
    pred : bool or number
        One truth value; a number counts as true where it is not zero.
    true_fun, false_fun : callable
        Take `operands` and return trees of the same structure, with leaves of the same shape,
        dtype and kind (a Python number adapts).
    *operands : trees of numbers or arrays

    Returns
    -------
    tree

    Raises
    ------
    ArgumentError
        `pred` is not one value.
    CarryError
        The branches return different structures, shapes, dtypes or kinds (found while staging).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> f = lambda x: wg.cond(x > 0, np.sqrt, lambda x: 0.0 * x, x)
    >>> wg.grad(f)(4.0), wg.grad(f)(-4.0)
    (0.25, 0.0)
    """
    check_callable(true_fun, "cond(pred, true_fun, false_fun): true_fun")
    check_callable(false_fun, "cond(pred, true_fun, false_fun): false_fun")
    index = one_value(pred, "cond: the predicate")
    if is_decided(index):
        return true_fun(*operands) if innermost(index) else false_fun(*operands)
    if aval_of(index).dtype.kind != "b":
        index = raw_of(index != 0)
    return _branch(index, (false_fun, true_fun), operands, "cond", ("false_fun", "true_fun"))


@immediate
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Return ``branches[index](*operands)``; an index outside takes the first or the last branch.

    Parameters
    ----------
    index : int
    branches : sequence of callables
        Each takes `operands`; what they return agrees as in `cond`.
    *operands : trees of numbers or arrays

    Returns
    -------
    tree

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.grad(lambda x: wg.switch(1, [np.sin, np.exp, np.square], x))(0.0)
    1.0
    """
    branches = tuple(branches)
    if not branches:
        raise ArgumentError("switch needs at least one branch")
    for number, branch in enumerate(branches):
        check_callable(branch, f"switch: branches[{number}]")
    raw = one_value(index, "switch: the index")
    if aval_of(raw).dtype.kind not in "iub":
        raise ArgumentError(
            f"switch takes an integer index, got {aval_of(raw)}; convert it: int(x)"
        )
    if is_decided(raw):
        return branches[_clamped(innermost(raw), len(branches))](*operands)
    names = [f"branches[{number}]" for number in range(len(branches))]
    return _branch(raw, branches, operands, "switch", names)


def one_value(value: Any, what: str) -> Any:
    """Return the raw value of one bool or real number; an error for anything else."""
    raw = raw_of(value)
    aval = aval_of(raw)
    if aval.shape != () or aval.dtype.kind not in "biuf":
        raise ArgumentError(
            f"{what} must be one bool or number, got {aval}; reduce it with np.all or np.any, or "
            "choose entry by entry with np.where"
        )
    return raw


def _clamped(index: Any, count: int) -> int:
    return min(max(int(index), 0), count - 1)


def _branch(
    index: Any,
    functions: Sequence[Callable[..., Any]],
    operands: tuple[Any, ...],
    what: str,
    names: Sequence[str],
) -> Any:
    leaves, structure = raw_leaves(operands, "operands")
    avals = [aval_of(leaf) for leaf in leaves]
    bodies = [
        stage_body(function, avals, lambda given: tree.unflatten(structure, given))
        for function in functions
    ]
    programs, captured = merged_captures(agreeing(bodies, what, names))
    found = bind(switch_primitive, index, *captured, *leaves, branches=tuple(programs))
    return tree.unflatten(bodies[0].structure, [to_user(value) for value in found])


def agreeing(bodies: Sequence[Body], what: str, names: Sequence[str]) -> list[Body]:
    """Return bodies whose outputs have the same Avals; Python numbers are converted."""
    first = bodies[0]
    common = [operand.aval for operand in first.program.outputs]
    for number, body in enumerate(bodies[1:], start=1):
        if body.structure != first.structure:
            raise CarryError(
                f"{what}: the branches return trees of different structure: {first.structure} "
                f"({names[0]}) and {body.structure} ({names[number]})"
            )
        for position, operand in enumerate(body.program.outputs):
            shared = common_aval(common[position], operand.aval)
            if shared is None:
                paths = [entry.codify("result") for entry in first.structure.accessors()]
                raise CarryError(
                    f"{what}: {paths[position]} is {common[position]} from {names[0]} and "
                    f"{operand.aval} from {names[number]}; branches must return the same shape, "
                    "dtype and kind"
                )
            common[position] = shared
    return [body._replace(program=converted(body.program, common)) for body in bodies]


# ------------------------------------------------------------------ the primitive
#
# outputs = switch(index, *operands; branches): `index` is one bool or integer; branch number
# min(max(index, 0), n - 1) of `branches`, a tuple of lists with the same input and output Avals,
# is run on the operands. Branches have no effect besides.


def _evaluate(index: Any, *operands: Any, branches: tuple[WengertList, ...]) -> tuple[Any, ...]:
    if aval_of(index).dtype.kind not in "biu":
        raise ArgumentError(f"switch: the index must be one bool or integer, got {index!r}")
    return branches[_clamped(index, len(branches))].evaluate(*operands)


def _infer(index: Aval, *operands: Aval, branches: tuple[WengertList, ...]) -> tuple[Aval, ...]:
    if index.shape != () or index.dtype.kind not in "biu":
        raise ArgumentError(f"switch: the index must be one bool or integer, got {index}")
    return tuple(operand.aval for operand in branches[0].outputs)


def _push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
    branches = params["branches"]
    nonzero = [tangent is not None for tangent in tangents[1:]]
    pushing = tuple(jvp_of_list(branch, nonzero) for branch in branches)
    given = [
        fitted(tangent, aval_of(primal))
        for primal, tangent in zip(primals[1:], tangents[1:], strict=True)
        if tangent is not None
    ]
    found = bind(switch_primitive, *primals, *given, branches=pushing)
    count = len(branches[0].outputs)
    changes: list[Any] = [None] * count
    for position, index in enumerate(differentiable_outputs(branches[0])):
        if not all(is_zero(program.outputs[count + position]) for program in pushing):
            changes[index] = found[count + position]
    return found[:count], tuple(changes)


def _taylor(series: list[Series], params: dict[str, Any]) -> list[Series]:
    index = series[0][0]

    def run(operands: list[Any], branches: list[WengertList]) -> Any:
        return bind(switch_primitive, index, *operands, branches=tuple(branches))

    return of_one_list(series[1:], params["branches"], run)


class _Halves:
    """The branches that keep residuals, and those that pull back, for one set of wanted operands.

    Residuals of all branches stand side by side: zeros where another branch was taken.
    """

    def __init__(self, branches: tuple[WengertList, ...], wanted: Sequence[bool]) -> None:
        count = len(branches[0].outputs)
        pairs = [vjp_of_list(branch, wanted) for branch in branches]
        inputs = [
            {variable: position for position, variable in enumerate(forward.inputs)}
            for forward, _ in pairs
        ]
        kept = [
            [o for o in forward.outputs[count:] if o not in positions]
            for (forward, _), positions in zip(pairs, inputs, strict=True)
        ]
        # Operands that a branch reads again are handed to the pullback as they are.
        self.reread = sorted(
            {
                positions[operand]
                for (forward, _), positions in zip(pairs, inputs, strict=True)
                for operand in forward.outputs[count:]
                if operand in positions
            }
        )
        self.forward = tuple(
            WengertList(
                forward.inputs,
                forward.equations,
                [
                    *forward.outputs[:count],
                    *_side_by_side(kept, number, lambda aval: Literal(zeros_of(aval))),
                ],
            )
            for number, (forward, _) in enumerate(pairs)
        )
        self.backward = tuple(
            self._pulling(number, pair, inputs[number], kept, count)
            for number, pair in enumerate(pairs)
        )

    def _pulling(
        self,
        number: int,
        pair: tuple[WengertList, WengertList],
        positions: dict[Variable, int],
        kept: list[list[Any]],
        count: int,
    ) -> WengertList:
        forward, backward = pair
        residuals = forward.outputs[count:]
        reread: list[Variable] = [Variable(forward.inputs[j].aval) for j in self.reread]
        own: list[list[Any]] = [list(entries) for entries in kept]
        own[number] = []
        for operand, variable in zip(residuals, backward.inputs, strict=False):
            if operand in positions:
                reread[self.reread.index(positions[operand])] = variable
            else:
                own[number].append(variable)
        slots = _side_by_side(own, number, Variable)
        cotangents = backward.inputs[len(residuals) :]
        return WengertList([*reread, *slots, *cotangents], backward.equations, backward.outputs)


def _side_by_side(
    entries: Sequence[Sequence[Operand]], own: int, other: Callable[[Aval], Any]
) -> list[Any]:
    """Return the entries of all branches in one row, those that are not `own` replaced."""
    return [
        entry if number == own else other(entry.aval)
        for number, branch in enumerate(entries)
        for entry in branch
    ]


def _record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
    branches = params["branches"]
    wanted = tuple(index + 1 in which for index in range(len(values) - 1))
    halves: _Halves = remembered(
        branches[0], ("switch", branches[1:], wanted), lambda: _Halves(branches, wanted)
    )
    found = bind(switch_primitive, *values, branches=halves.forward)
    count = len(branches[0].outputs)
    operands = tuple(values[1 + index] for index in halves.reread)
    seeded = tuple(branches[0].outputs[index].aval for index in differentiable_outputs(branches[0]))
    positions = differentiable_outputs(branches[0])
    residuals = (halves, values[0], operands, found[count:], positions, seeded)
    return found[:count], _pull, residuals


def _pull(cotangents: Sequence[Any], residuals: Any) -> Any:
    halves, index, operands, kept, positions, avals = residuals
    seeds = [
        fitted(cotangents[position], aval) for position, aval in zip(positions, avals, strict=True)
    ]
    found = bind(switch_primitive, index, *operands, *kept, *seeds, branches=halves.backward)
    return found[0] if len(found) == 1 else found


# ------------------------------------------------------------------ batches


def _batch(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    branches = params["branches"]
    size = batch_size(values, axes)
    operands = [front(value, axis) for value, axis in zip(values[1:], axes[1:], strict=True)]
    places = [None if axis is None else 0 for axis in axes[1:]]
    varies = axes[0] is not None
    flags = [
        varies or any(batch_of_list(branch, places, size)[1][i] == 0 for branch in branches)
        for i in range(len(branches[0].outputs))
    ]
    batched = tuple(batch_of_list(branch, places, size, flags)[0] for branch in branches)
    out_axes = tuple(0 if flag else None for flag in flags)
    if not varies:
        return bind(switch_primitive, values[0], *operands, branches=batched), out_axes
    # Which branches are taken matters where they are looked at, and spares work where that is free.
    looks = config.debug_nans
    taken = choices(values[0], len(batched)) if looks or is_decided(values[0]) else None
    chosen: list[Any] = []
    for number, branch in enumerate(batched):
        if taken is not None and taken.size and number not in taken:
            continue
        suitable = operands
        if looks and taken is not None:
            suitable = suited(values[0], number, len(batched), operands, places)
        with np.errstate(all="ignore"):  # a branch that an example does not take may not suit it
            results = evaluate_traced(branch, suitable)
        if not chosen:
            chosen = list(results)
            continue
        # Outside the range the first or the last branch is taken.
        index = to_user(values[0])
        mine = index if aval_of(values[0]).dtype.kind == "b" else index >= number
        for position, result in enumerate(results):
            mask = np.reshape(mine, (size,) + (1,) * (ndim_of(result) - 1))
            chosen[position] = raw_of(np.where(mask, to_user(result), to_user(chosen[position])))
    return tuple(chosen), out_axes


# ------------------------------------------------------------------ the record


def _branches() -> tuple[WengertList, ...]:
    avals = [Aval((3,), np.float64), Aval((), np.float64, "scalar")]
    return (
        stage(lambda x, y: (np.sin(x) * y, y * y), avals),
        stage(lambda x, y: (x * x, np.exp(y) * x[1]), avals),
        stage(lambda x, y: (np.ones(3) * y, y), avals),
    )


def _samples() -> list[Sample]:
    branches = _branches()
    x, y = array(3), np.float64(0.7)
    return [
        Sample(0, x, y, branches=branches),
        Sample(np.int64(1), x, y, branches=branches),
        Sample(7, x, y, branches=branches),
        Sample(True, x, y, branches=branches[:2]),
    ]


def _fails() -> list[Fail]:
    return [Fail(ValueError, "one bool or integer", 0.5, array(3), 0.5, branches=_branches())]


switch_primitive = Primitive(
    "switch",
    family="control",
    arguments=("index",),
    evaluate=_evaluate,
    infer=_infer,
    push=_push,
    taylor=_taylor,
    record=_record,
    batch=_batch,
    linear=lambda which, params: (
        0 not in which
        and all(is_linear_list(branch, [i - 1 for i in which]) for branch in params["branches"])
    ),
    multiple=True,
    samples=_samples,
    fails=_fails,
)
