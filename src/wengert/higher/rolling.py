"""Loops found in a recorded path: repeated segments that a guard ends become one ``while_loop``.

The loop is the program's own: whenever it came back to its condition, all that Python could see was
the same but for traced values (see `states`), so it goes on in the same way for any number of
iterations.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from ..passes.keys import value_key
from .guarding import Decision, Visit
from .while_primitive import while_loop_primitive

# So often must a condition have been met in the same state before its loop is taken for one: the
# segments between are compared, which the states make unnecessary, to be safe.
_FEWEST_VISITS = 3


class Rolled(NamedTuple):
    """A list with loops, the questions that are left, and what tells it from other paths."""

    program: WengertList
    decisions: list[Decision]
    loops: tuple[object, ...]


def roll(program: WengertList, decisions: Sequence[Decision], visits: Sequence[Visit]) -> Rolled:
    """Return a recorded list with every loop that can be found as one equation."""
    loops: list[object] = []
    removed: set[int] = set()
    equations = list(program.equations)
    replaced: dict[Variable, Variable] = {}
    made: dict[int, tuple[int, Equation]] = {}
    for run in _runs(visits, decisions):
        going = decisions[run[0].decision].value
        loop = _loop(equations, run, going)
        if loop is None and len(run) > _FEWEST_VISITS:
            # Names that part later may still be one value at first.
            run = run[1:]
            loop = _loop(equations, run, going)
        if loop is None:
            continue
        start, stop = run[0].position, run[-1].position + 1
        inside = {v for equation in equations[start:stop] for v in equation.outputs}
        ends = dict(zip([run[-1].asked, *run[-1].variables], loop.ends, strict=True))
        if not _leaves_by_its_state(equations[stop:], program.outputs, inside, ends):
            continue
        replaced.update((v, end) for v, end in ends.items() if end is not v)
        made[start] = (stop, loop.equation)
        removed.update(range(run[0].decision, run[-1].decision + 1))
        loops.append((run[0].frame.f_code, run[0].instruction))
    if not made:
        return Rolled(program, list(decisions), ())
    return Rolled(
        _rebuilt(program, equations, made, replaced),
        [decision for number, decision in enumerate(decisions) if number not in removed],
        tuple(loops),
    )


def _rebuilt(
    program: WengertList,
    equations: Sequence[Equation],
    made: dict[int, tuple[int, Equation]],
    replaced: dict[Variable, Variable],
) -> WengertList:
    def renamed(operand: Operand) -> Operand:
        return operand if isinstance(operand, Literal) else replaced.get(operand, operand)

    found = []
    position = 0
    while position < len(equations):
        equation = equations[position]
        if position in made:
            position, equation = made[position]
        else:
            position += 1
        operands = [renamed(operand) for operand in equation.operands]
        found.append(Equation(equation.primitive, operands, equation.params, equation.outputs))
    return WengertList(program.inputs, found, [renamed(operand) for operand in program.outputs])


def _runs(visits: Sequence[Visit], decisions: Sequence[Decision]) -> list[list[Visit]]:
    """Return the visits of each loop: the same place and state, one question after the other.

    All but the last found the same value; the last one found the other.
    """
    runs: list[list[Visit]] = []
    current: list[Visit] = []
    for visit in visits:
        if current and (
            not visit.continues(current[-1])
            or value_key(decisions[current[-1].decision].value)
            != value_key(decisions[current[0].decision].value)
        ):
            runs.append(current)
            current = []
        current.append(visit)
    runs.append(current)
    return [
        run
        for run in runs
        if len(run) >= _FEWEST_VISITS
        and bool(decisions[run[-1].decision].value) != bool(decisions[run[0].decision].value)
    ]


class _Loop(NamedTuple):
    """The equation of a loop, and the variable at its end for each value of a state."""

    equation: Equation
    ends: list[Variable]


def _loop(equations: Sequence[Equation], run: Sequence[Visit], going: object) -> _Loop | None:
    """Return the loop that a run of visits is, None where it is none after all."""
    segments = [equations[one.position + 1 : two.position] for one, two in itertools.pairwise(run)]
    if any(not equation.outputs for equation in segments[0]):
        return None  # another guard, or something that acts
    if not _same(segments[0], segments[1], run):
        return None
    states = [[visit.asked, *visit.variables] for visit in run]
    # What differs between visits is carried, each variable once; the rest is the same all along.
    carried: dict[tuple[int, ...], int] = {}
    for k, column in enumerate(zip(*states, strict=True)):
        if any(variable is not column[0] for variable in column):
            carried.setdefault(tuple(map(id, column)), k)
    places = list(carried.values())
    before = [states[0][k] for k in places]
    after = [states[1][k] for k in places]
    own = set(before)
    own.update(v for equation in segments[0] for v in equation.outputs)
    constants: dict[Variable, Variable] = {}
    for operand in [*(o for e in segments[0] for o in e.operands), *after]:
        if isinstance(operand, Variable) and operand not in own:
            constants.setdefault(operand, Variable(operand.aval))
    inputs = {variable: Variable(variable.aval) for variable in before}
    if len(inputs) < len(before) or not inputs.keys().isdisjoint(
        column[0] for column in zip(*states, strict=True) if tuple(map(id, column)) not in carried
    ):
        return None  # two values that part later are one now
    fresh = {**constants, **inputs}

    def renamed(operand: Operand) -> Operand:
        return operand if isinstance(operand, Literal) else fresh.get(operand, operand)

    body = WengertList(
        [*constants.values(), *inputs.values()],
        [
            Equation(e.primitive, [renamed(o) for o in e.operands], e.params, e.outputs)
            for e in segments[0]
        ],
        [renamed(variable) for variable in after],
    )
    condition = _condition(before, going)
    outputs = [Variable(variable.aval) for variable in before]
    equation = Equation(
        while_loop_primitive,
        [*constants, *before],
        {
            "condition": condition,
            "body": body,
            "condition_constants": 0,
            "body_constants": len(constants),
        },
        outputs,
    )
    ends = []
    for k, column in enumerate(zip(*states, strict=True)):
        at = carried.get(tuple(map(id, column)))
        ends.append(states[-1][k] if at is None else outputs[places.index(at)])
    return _Loop(equation, ends)


def _condition(carry: Sequence[Variable], going: object) -> WengertList:
    """Return the condition: the first value of the carry is the one that went on."""
    inputs = [Variable(variable.aval) for variable in carry]
    if going:
        return WengertList(inputs, [], [inputs[0]])
    primitive = registry["logical_not"]
    output = Variable(primitive.infer(inputs[0].aval))
    return WengertList(inputs, [Equation(primitive, [inputs[0]], {}, [output])], [output])


def _same(first: Sequence[Equation], second: Sequence[Equation], run: Sequence[Visit]) -> bool:
    """Return whether two segments do the same to the states that they start from."""
    if len(first) != len(second):
        return False
    matched = dict(
        zip([run[0].asked, *run[0].variables], [run[1].asked, *run[1].variables], strict=True)
    )
    for one, two in zip(first, second, strict=True):
        if one.primitive is not two.primitive or len(one.operands) != len(two.operands):
            return False
        if value_key(one.params) != value_key(two.params):
            return False
        for mine, other in zip(one.operands, two.operands, strict=True):
            if isinstance(mine, Literal) or isinstance(other, Literal):
                if not (isinstance(mine, Literal) and isinstance(other, Literal)):
                    return False
                if value_key(mine.value) != value_key(other.value):
                    return False
            elif matched.get(mine, mine) is not other:
                return False
        matched.update(zip(one.outputs, two.outputs, strict=True))
    return all(
        matched.get(mine, mine) is other
        for mine, other in zip(
            [run[1].asked, *run[1].variables], [run[2].asked, *run[2].variables], strict=True
        )
    )


def _leaves_by_its_state(
    following: Sequence[Equation],
    outputs: Sequence[Operand],
    inside: set[Variable],
    ends: dict[Variable, Variable],
) -> bool:
    """Return whether what comes after a loop reads nothing of its inside but its last state."""
    read = [operand for equation in following for operand in equation.operands]
    return all(
        isinstance(operand, Literal) or operand not in inside or operand in ends
        for operand in (*read, *outputs)
    )
