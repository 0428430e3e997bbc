"""``checkpoint``: compute intermediate values again in reverse mode instead of keeping them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError
from ..ir.aval import Aval, aval_of
from ..ir.equation import Equation, Operand, Variable
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import batch_size, entrywise
from ..ops.families import structural
from ..ops.samples import Sample, array
from ..ops.taylor_rules import Series
from ..tracing.core import Traced, bind, is_staging, levels, raw_of, to_user
from ..tracing.staging import stage
from ..transforms.arguments import check_callable, transformed
from ..transforms.lists import (
    batch_of_list,
    differentiable_outputs,
    fitted,
    is_linear_list,
    is_zero,
    jvp_of_list,
    needed_equations,
    remembered,
    varying_variables,
    vjp_of_list,
)
from ..transforms.reverse import ReverseTrace
from ..transforms.taylor_lists import of_one_list
from .bodies import raw_leaves, stage_body
from .parting import Cotangents, Part, parts_of
from .replay import Call, SavingTrace, Segment, redirect

Policy = str | Iterable[str] | None

# Families of operations that cost more than reading their operands.
_DEAR = frozenset({"core", "bilinear", "multilinear", "control", "callback", "custom"})


# ------------------------------------------------------------------ what people call


def checkpoint(
    fun: Callable[..., Any] | None = None, *, policy: Policy = None, memory: int | None = None
) -> Any:
    """Return a function that keeps little for reverse mode and runs again when it is needed.

    Values and derivatives are those of `fun`. A chain of checkpointed parts needs the memory of
    their arguments and of one part at a time, and runs each part twice.

    Parameters
    ----------
    fun : callable
        Takes and returns trees. It must depend on its arguments (and unchanging outside values)
        alone; it is run again, and a run that differs is an error.
    policy : optional
        What is kept besides the arguments: None, nothing; ``"cheap dropped"``, the results of
        products, decompositions and the like, while what is cheap is computed again; names, those
        results that `checkpoint_name` marks with them.
    memory : int, optional
        The bytes of intermediate values that may be held at a time. Where one run makes more, it is
        parted, and runs again for each part: k parts cost k runs.

    Returns
    -------
    callable

    Raises
    ------
    CheckpointError
        When the function does something else the second time.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> layer = wg.checkpoint(lambda w, h: np.tanh(w @ h))
    >>> loss = lambda w: np.sum(layer(w, layer(w, np.ones(2))))
    >>> wg.grad(loss)(np.eye(2))
    array([[0.69454575, 0.69454575],
           [0.69454575, 0.69454575]])
    """
    if fun is None:
        return functools.partial(checkpoint, policy=policy, memory=memory)
    check_callable(fun, "checkpoint")
    saved = _normal_policy(policy)
    if memory is not None and memory < 0:
        raise ArgumentError(f"checkpoint: memory is a number of bytes, got {memory}")
    saves = None if saved is None else functools.partial(_saves, saved)

    def call(*args: Any, **kwargs: Any) -> Any:
        if is_staging():
            return _staged(fun, args, kwargs, saved, memory)
        tapes = [trace for trace in levels.traces if type(trace) in (ReverseTrace, SavingTrace)]
        if not tapes:
            return fun(*args, **kwargs)
        run = Call(fun, args, kwargs, levels.traces)
        run.protect(tapes[-1])  # type: ignore[arg-type]
        segments = [Segment(tape, run, saves, memory) for tape in tapes]  # type: ignore[arg-type]
        before = [(s.tape, s.tape.rows, s.tape.scalar_rows, s.tape.__class__) for s in segments]
        try:
            for segment in segments:
                redirect(segment.tape, segment.rows)
            result = run.run()
        finally:
            for tape, rows, scalar_rows, kind in before:
                tape.rows, tape.scalar_rows, tape.__class__ = rows, scalar_rows, kind
        for segment in segments:
            segment.finish(result)
        return result

    return transformed(fun, call)


def _normal_policy(policy: Policy) -> str | tuple[str, ...] | None:
    if policy is None or policy == "cheap dropped":
        return policy
    if isinstance(policy, str):
        return (policy,)
    names = tuple(policy) if isinstance(policy, Iterable) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f'checkpoint: policy is None, "cheap dropped", or names given with checkpoint_name, '
            f"got {policy!r}"
        )
    return names


def _saves(policy: str | tuple[str, ...], primitive: Primitive, params: dict[str, Any]) -> bool:
    if policy == "cheap dropped":
        return primitive.family in _DEAR
    return primitive is named and params["name"] in policy


def checkpoint_name(x: Any, name: str) -> Any:
    """Return `x`, marked with a name by which a policy of `checkpoint` keeps it.

    Parameters
    ----------
    x : tree of numbers or arrays
    name : str

    Returns
    -------
    tree

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def f(x):
    ...     return wg.checkpoint_name(np.sin(x), "sine") ** 2
    >>> wg.grad(wg.checkpoint(f, policy=["sine"]))(np.pi / 4)
    1.0
    """
    return tree.map(lambda leaf: _marked(leaf, name), x)


def _marked(leaf: Any, name: str) -> Any:
    raw = raw_of(leaf)
    return to_user(bind(named, raw, name=name)) if type(raw) is Traced else leaf


named = structural(
    "named",
    batching=entrywise,
    evaluate=lambda x, *, name: x.copy() if hasattr(x, "copy") else x,
    infer=lambda x, *, name: x,
    transpose=lambda g: g,
    moves_entries=True,
    samples=lambda: [Sample(array(3, 4), name="a"), Sample(1.5, name="a")],
)


# ------------------------------------------------------------------ staged
#
# outputs = checkpoint(*operands; program, policy, memory): the outputs of the list `program`. The
# pullback is another such equation, which computes again what it needs. Passes leave the list in
# its equation: beside the first run, common subexpressions would undo it.


def _staged(
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    policy: str | tuple[str, ...] | None,
    memory: int | None,
) -> Any:
    leaves, structure = raw_leaves((args, kwargs), "args")

    def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return fun(*args, **kwargs)

    avals = [aval_of(leaf) for leaf in leaves]
    body = stage_body(run, avals, lambda given: tree.unflatten(structure, given))
    found = bind(
        checkpointed,
        *body.captured,
        *leaves,
        program=body.program,
        policy=policy,
        memory=memory,
    )
    return tree.unflatten(body.structure, [to_user(value) for value in found])


def _evaluate(*values: Any, program: WengertList, policy: Any, memory: Any) -> tuple[Any, ...]:
    return program.evaluate(*values)


def _infer(*avals: Aval, program: WengertList, policy: Any, memory: Any) -> tuple[Aval, ...]:
    for given, variable in zip(avals, program.inputs, strict=True):
        if not given.fits(variable.aval):
            raise ArgumentError(f"checkpoint: its program takes {variable.aval}, got {given}")
    return tuple(operand.aval for operand in program.outputs)


def _push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
    program: WengertList = params["program"]
    nonzero = [tangent is not None for tangent in tangents]
    pushing = jvp_of_list(program, nonzero)
    given = [
        fitted(tangent, aval_of(primal))
        for primal, tangent in zip(primals, tangents, strict=True)
        if tangent is not None
    ]
    found = bind(checkpointed, *primals, *given, **(params | {"program": pushing}))
    count = len(program.outputs)
    changes: list[Any] = [None] * count
    for position, index in enumerate(differentiable_outputs(program), start=count):
        if not is_zero(pushing.outputs[position]):
            changes[index] = found[position]
    return found[:count], tuple(changes)


def _taylor(series: list[Series], params: dict[str, Any]) -> list[Series]:
    def run(operands: list[Any], programs: list[WengertList]) -> Any:
        return bind(checkpointed, *operands, **(params | {"program": programs[0]}))

    return of_one_list(series, [params["program"]], run)


class _Halves:
    """The program that saves what the policy says, and the one that pulls back from there."""

    def __init__(self, program: WengertList, wanted: Sequence[bool], policy: Any) -> None:
        forward, backward = vjp_of_list(program, wanted)
        count = len(program.outputs)
        kept = [
            equation
            for equation in forward.equations
            if policy is not None and _saves(policy, equation.primitive, equation.params)
        ]
        saved = [variable for equation in kept for variable in equation.outputs]
        self.forward = WengertList(
            forward.inputs, forward.equations, [*forward.outputs[:count], *saved]
        )
        sources: dict[Variable, Operand] = dict(
            zip(backward.inputs, forward.outputs[count:], strict=False)
        )
        cotangents = backward.inputs[len(forward.outputs) - count :]

        def moved(operand: Operand) -> Operand:
            return sources.get(operand, operand) if isinstance(operand, Variable) else operand

        again = [equation for equation in forward.equations if equation not in kept]
        again += [
            Equation(e.primitive, [moved(o) for o in e.operands], e.params, e.outputs)
            for e in backward.equations
        ]
        outputs = [moved(operand) for operand in backward.outputs]
        self.backward = WengertList(
            [*forward.inputs, *saved, *cotangents],
            [e for e in needed_equations(again, outputs) if e.outputs],
            outputs,
        )


def _record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
    program: WengertList = params["program"]
    policy = params["policy"]
    wanted = tuple(index in which for index in range(len(values)))
    if len(_parts(params)) > 1:
        ans = bind(checkpointed, *values, **params)
        return ans, _pull_parts, (which, tuple(values), params)
    halves: _Halves = remembered(
        program, ("checkpoint", wanted, policy), lambda: _Halves(program, wanted, policy)
    )
    found = bind(checkpointed, *values, **(params | {"program": halves.forward}))
    count = len(program.outputs)
    seeds = [(index, program.outputs[index].aval) for index in differentiable_outputs(program)]
    residuals = (halves, tuple(values), found[count:], seeds, params)
    return found[:count], _pull, residuals


def _pull(cotangents: Sequence[Any], residuals: Any) -> Any:
    halves, values, saved, seeds, params = residuals
    given = [fitted(cotangents[index], aval) for index, aval in seeds]
    found = bind(checkpointed, *values, *saved, *given, **(params | {"program": halves.backward}))
    return found[0] if len(found) == 1 else found


def _parts(params: dict[str, Any]) -> tuple[Part, ...]:
    """Return the parts that the pullback goes through; none where there is no budget."""
    program, memory = params["program"], params["memory"]
    if memory is None:
        return ()
    return remembered(program, ("parts", memory), lambda: parts_of(program, memory))  # type: ignore[no-any-return]


def _apart(program: WengertList, values: Sequence[Any]) -> Any:
    return bind(checkpointed, *values, program=program, policy=None, memory=None)


def _pull_parts(cotangents: Sequence[Any], residuals: Any) -> Any:
    which, values, params = residuals
    program: WengertList = params["program"]
    wanted = {program.inputs[index] for index in which}
    known = Cotangents(program, cotangents)
    parts = _parts(params)
    varying = varying_variables(program, [variable in wanted for variable in program.inputs])
    for number, part in reversed(list(enumerate(parts))):
        seeded = known.known(part.outputs)
        flags = tuple(variable in varying for variable in part.inputs)
        seeds = known.take(part.outputs)
        if not any(seeded) or not any(flags):
            continue
        pulling = remembered(
            program,
            ("pull part", params["memory"], number, flags, seeded),
            functools.partial(part.pullback, flags, seeded, _apart),
        )
        found = iter(bind(checkpointed, *values, *seeds, **(params | {"program": pulling})))
        for variable, flag in zip(part.inputs, flags, strict=True):
            if flag:
                known.add(variable, next(found))
    every = tuple(known.of(program.inputs[index]) for index in which)
    return every[0] if len(every) == 1 else every


def _batch(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    batched, out_axes = batch_of_list(params["program"], axes, batch_size(values, axes))
    return bind(checkpointed, *values, **(params | {"program": batched})), out_axes


def _samples() -> list[Sample]:
    program = stage(
        lambda x, y: (np.sin(x @ y) * x[:, 0], np.tanh(y)),
        [Aval((2, 3), np.float64), Aval((3,), np.float64)],
    )
    return [
        Sample(array(2, 3), array(3), program=program, policy=policy, memory=memory)
        for policy, memory in ((None, None), ("cheap dropped", None), (None, 24))
    ]


checkpointed = Primitive(
    "checkpoint",
    family="control",
    arguments=("first",),
    evaluate=_evaluate,
    infer=_infer,
    push=_push,
    taylor=_taylor,
    record=_record,
    batch=_batch,
    linear=lambda which, params: is_linear_list(params["program"], which),
    multiple=True,
    samples=_samples,
    fails=tuple,
)
