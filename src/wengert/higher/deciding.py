"""Loops whose steps ask for values: which way each step goes is found first, on plain values.

The steps become one body that takes the number of the way as an entry and switches on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import GuardFailed
from ..ir.aval import Aval, aval_of
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import one_by_one
from ..ops.constant_family import constant
from ..ops.guards import guard
from ..ops.kinds import with_kind
from ..ops.samples import Sample
from ..tracing.core import bind, raw_of, to_user
from ..tracing.staging import stage
from .bodies import Body, merged_captures, settled
from .branches import agreeing, switch_primitive
from .situated import is_guarded, is_situated, plain_values, unguarded

# Stages one step at raw values of the carried leaves and the entries.
StageStep = Callable[[Sequence[Aval], Sequence[Any]], Body]


class Steps(NamedTuple):
    """One body for all steps, what it carries, and the way of each step where there are several."""

    body: Body
    avals: list[Aval]
    ways: np.ndarray[Any, Any] | None


def steps_of(
    stage_step: StageStep,
    leaves: Sequence[Any],
    arrays: Sequence[Any],
    order: Sequence[int],
    paths: Sequence[str],
    what: str,
) -> Steps:
    """Return the steps of a loop from `leaves` over the entries of `arrays`, all of them known.

    In a list that is being staged at values the steps hold where they go the same ways.
    """
    avals = [aval_of(leaf) for leaf in leaves]
    plain = plain_values([*leaves, *arrays]) or []
    while True:
        walk = _Walk(stage_step, avals, paths, what)
        first = walk.stage(plain[: len(leaves)], [x[order[0]] for x in plain[len(leaves) :]])
        if not is_guarded(first.program):
            return Steps(first, walk.avals, None)
        if walk.go(plain[: len(leaves)], plain[len(leaves) :], order):
            walk.hold(leaves, arrays, order)
            return walk.steps()
        avals = walk.avals  # Python numbers became what some step makes of them


class _Walk:
    """A run of a loop on plain values that notes a body for each way that a step goes."""

    def __init__(
        self, stage_step: StageStep, avals: list[Aval], paths: Sequence[str], what: str
    ) -> None:
        self.stage_step = stage_step
        self.avals = avals
        self.paths = paths
        self.what = what
        self.bodies: list[Body] = []
        self.captured: list[Sequence[Any]] = []
        self.ways = np.zeros(0, np.int64)

    def stage(self, leaves: Sequence[Any], entries: Sequence[Any]) -> Body:
        """Stage a step at values, and add it."""
        body, self.avals = settled(
            lambda avals: self.stage_step(avals, [*map(with_kind, leaves, avals), *entries]),
            self.avals,
            self.paths,
            self.what,
        )
        self.bodies.append(body)
        self.captured.append(plain_values(body.captured) or ())
        return body

    def go(self, leaves: Sequence[Any], arrays: Sequence[Any], order: Sequence[int]) -> bool:
        """Walk through all steps; False as soon as one changes what is carried."""
        avals = self.avals
        self.ways = np.zeros(len(order), np.int64)
        state = leaves
        way = 0
        for index in order:
            values = [*map(with_kind, state, avals), *(array[index] for array in arrays)]
            found = None
            for candidate in (way, *reversed(range(len(self.bodies)))):
                found = self._run(candidate, values)
                if found is not None:
                    way = candidate
                    break
            if found is None:
                self.stage(values[: len(avals)], values[len(avals) :])
                if self.avals != avals:
                    return False
                way = len(self.bodies) - 1
                found = self._evaluate(way, values)
            self.ways[index] = way
            state = found[: len(avals)]
        return True

    def _run(self, way: int, values: Sequence[Any]) -> Sequence[Any] | None:
        try:
            return self._evaluate(way, values)
        except GuardFailed:
            return None

    def _evaluate(self, way: int, values: Sequence[Any]) -> Sequence[Any]:
        with np.errstate(all="ignore"):
            return self.bodies[way].program.evaluate(*self.captured[way], *values)

    def hold(self, leaves: Sequence[Any], arrays: Sequence[Any], order: Sequence[int]) -> None:
        """Let the list being staged hold only where the steps go the same ways."""
        programs, captured = merged_captures(self.bodies)
        values = [*captured, *map(with_kind, leaves, self.avals), *arrays]
        if not is_situated(values):
            return
        params = {
            "programs": tuple(programs),
            "captured": len(captured),
            "carry": len(leaves),
            "order": tuple(order),
        }
        found = bind(ways, *values, **params)
        bind(guard, found, expected=self.ways, position=0)

    def steps(self) -> Steps:
        """Return all steps as one body."""
        bodies = [body._replace(program=unguarded(body.program)) for body in self.bodies]
        if len(bodies) == 1:
            return Steps(bodies[0], self.avals, None)
        names = [f"step {np.flatnonzero(self.ways == way)[0]}" for way in range(len(bodies))]
        bodies = agreeing(bodies, self.what, names)
        programs, captured = merged_captures(bodies)

        def step(*values: Any) -> list[Any]:
            *operands, way = map(raw_of, values)
            found = bind(switch_primitive, way, *operands, branches=tuple(programs))
            return [to_user(value) for value in found]

        inputs = [variable.aval for variable in programs[0].inputs]
        program = stage(step, [*inputs, aval_of(np.int64(0))], self.what)
        return Steps(Body(program, captured, bodies[0].structure), self.avals, self.ways)


# ------------------------------------------------------------------ the ways as an equation
#
# w = ways(*captured, *leaves, *arrays; programs, captured, carry, order): for each index of
# `arrays` the number of the first of `programs` whose guards hold at that step, -1 from the first
# step on where none does. `order` is that of the indices.


def _evaluate_ways(
    *values: Any,
    programs: tuple[WengertList, ...],
    captured: int,
    carry: int,
    order: tuple[int, ...],
) -> np.ndarray[Any, Any]:
    outside, state = values[:captured], values[captured : captured + carry]
    arrays = values[captured + carry :]
    found = np.full(len(order), -1)
    with np.errstate(all="ignore"):
        for index in order:
            entries = [array[index] for array in arrays]
            for way, program in enumerate(programs):
                try:
                    state = program.evaluate(*outside, *state, *entries)[:carry]
                except GuardFailed:
                    continue
                found[index] = way
                break
            if found[index] < 0:
                break
    return found


def _samples() -> list[Sample]:
    number = Aval((), np.float64, "scalar")
    entries = Aval((3,), np.float64)

    def program(goes_up: bool) -> WengertList:
        def step(limit: Any, state: Any, entry: Any) -> list[Any]:
            bind(guard, raw_of(state < limit), expected=np.bool_(goes_up), position=0)
            return [state + entry if goes_up else 0.5 * state]

        return stage(step, [number, number, number], "a step")

    programs = (program(True), program(False))
    params: dict[str, Any] = {"programs": programs, "captured": 1, "carry": 1, "order": (0, 1, 2)}
    limit, state = np.float64(1.0), np.float64(0.4)
    return [
        Sample(limit, state, np.ones(entries.shape), **params),
        Sample(limit, state, np.ones(entries.shape), **(params | {"programs": programs[:1]})),
    ]


ways = constant(
    "ways",
    batching=one_by_one,
    evaluate=_evaluate_ways,
    infer=lambda *avals, order, **params: Aval((len(order),), np.int64),
    samples=_samples,
)
