"""Fusion: which equations share a loop nest, which results go to memory, and in which order.

Equations get stages: a result that must be in memory before it is read separates its readers by one
stage, so that what shares a stage can share kernels. Takes time linear in the list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.paths import shape_of_part
from ..ir.wengert_list import WengertList
from .contractions import contraction_of
from .scalarise import entry_position
from .schedule import Role, Schedule

# A value that costs no more than this (in additions) is computed again rather than stored.
CHEAP = 4
# Nor is one that is read at neighbouring places: storing costs as much as these additions do.
SHIFTED = 16
# Nor is one with more entries than any array that it is made of, unless many read it: memory would
# take as long as these additions do, and there would have to be so much of it.
AGAIN = 64
_MOST_USES = 4
# An operation in a short loop of its own takes so much longer than one in the loop around.
_LOOPED = 4
# Longer chains and larger kernels are cut: code for a kernel takes time beyond linear.
DEEPEST = 48
LARGEST = 192
_MOST_COST = 1_000_000
# Views that may name an entry several times.
_REPEATING = ("tile", "repeat", "read", "take_along_axis", "sliding_windows")
# Schedules are made so many times at most, until what is carried is not stored as well.
_ATTEMPTS = 4
# Results of these kinds are read by others when all of them is there.
STORED = ("reduction", "last", "scatter")


class _Known(NamedTuple):
    """What is known of a value that a kernel may compute where it is needed."""

    stage: int
    cost: int
    depth: int
    fragile: bool = False  # made of an array that is written in place later
    source: int = 0  # the size of the largest array in memory that it is made of


class _Components:
    """Which equations are bound to share a kernel, and how many these are."""

    def __init__(self) -> None:
        self._parent: dict[Variable, Variable] = {}
        self._size: dict[Variable, int] = {}

    def find(self, variable: Variable) -> Variable:
        root = variable
        while (above := self._parent.get(root, root)) is not root:
            root = above
        while (above := self._parent.get(variable, variable)) is not root:
            self._parent[variable] = root
            variable = above
        return root

    def size(self, variable: Variable) -> int:
        return self._size.get(self.find(variable), 1)

    def join(self, first: Variable, second: Variable) -> None:
        first, second = self.find(first), self.find(second)
        if first is second:
            return
        size = self._size.get(first, 1) + self._size.get(second, 1)
        if self._size.get(first, 1) < self._size.get(second, 1):
            first, second = second, first
        self._parent[second] = first
        self._size[first] = size


def fuse(program: WengertList, role_of: Callable[[Equation], Role | None]) -> Schedule:
    """Return a schedule of a list.

    Parameters
    ----------
    program : WengertList
    role_of : callable
        Says of an equation how it may take part in kernels; None where it cannot.

    Returns
    -------
    Schedule
    """
    kept: set[Variable] = set()
    for attempt in range(_ATTEMPTS):
        fusion = _Fusion(program, role_of, kept)
        schedule = fusion.schedule()
        # What is stored after all is computed once, before all who read it.
        late = fusion.carried & fusion.stored
        if not late:
            break
        kept |= fusion.carried if attempt == _ATTEMPTS - 2 else late
    return schedule


class _Fusion:
    def __init__(
        self,
        program: WengertList,
        role_of: Callable[[Equation], Role | None],
        kept: set[Variable],
    ) -> None:
        self.program = program
        self.kept = kept  # reductions that are stored whatever they are made of
        self.carried: set[Variable] = set()  # those that are made where they are needed
        self.roles: list[Role | None] = [
            None if _is_single(equation) else role_of(equation) for equation in program.equations
        ]
        self.uses: dict[Variable, int] = {}
        self.producers: dict[Variable, Equation] = {}
        self.fused: dict[Variable, _Known] = {}  # values that kernels compute
        self.alone: dict[Variable, int] = {}  # the stages of what single equations give
        self.stored: set[Variable] = set()
        self.stages: list[int] = []
        self.components = _Components()
        self.written = {
            equation.operands[0]
            for equation, role in zip(program.equations, self.roles, strict=True)
            if role is not None and role.kind == "scatter"
        }
        self.read_until: dict[Operand, int] = {}
        self.numbers = {equation: i for i, equation in enumerate(program.equations)}

    def schedule(self) -> Schedule:
        program = self.program
        for equation in program.equations:
            for operand in equation.operands:
                if isinstance(operand, Variable):
                    self.uses[operand] = self.uses.get(operand, 0) + 1
        guarded = 0  # the stage of the last guard
        for number, equation in enumerate(program.equations):
            role = self.roles[number]
            if role is not None and self._is_entry(equation):
                role = self.roles[number] = None
            if role is None:
                # What may raise, or checks a guard, stays behind the guards before it.
                stage = max(self._stage_of_call(equation), guarded)
                self._note_readers(equation, stage)
                if not equation.outputs:
                    guarded = stage
                for variable in equation.outputs:
                    self.alone[variable] = stage
            else:
                stage = self._place(equation, role)
                self._note_readers(equation, stage)
                for variable in equation.outputs:
                    self.producers[variable] = equation
            self.stages.append(stage)
        self._store_what_is_read()
        return Schedule(program.inputs, self._steps(), program.outputs)

    # -------------------------------------------------------------- stages

    def _stage_of_call(self, equation: Equation) -> int:
        stage = 0
        for operand in equation.operands:
            if isinstance(operand, Literal):
                continue
            if operand in self.fused:
                stage = max(stage, self.fused[operand].stage + 1)
            else:
                stage = max(stage, self.alone.get(operand, 0))
        return stage

    def _place(self, equation: Equation, role: Role) -> int:
        """Give an equation that can be fused its stage, and note what must be stored for it."""
        stage = 0
        read = [operand for operand in equation.operands if isinstance(operand, Variable)]
        for operand in read:
            known = self.fused.get(operand)
            if known is None:
                stage = max(stage, self.alone.get(operand, 0))
            elif (
                operand in self.stored
                or role.kind == "scatter"
                or self._separates(operand, known, equation, role)
            ):
                self.stored.add(operand)
                stage = max(stage, known.stage + 1)
            else:
                stage = max(stage, known.stage)
        if role.kind == "scatter":  # after all who read what is overwritten
            stage = max(stage, self.read_until.get(equation.operands[0], 0))
        cost, depth, source = role.cost, 0, 0
        fragile = any(operand in self.written for operand in read)
        first = equation.outputs[0]
        for operand in read:
            known = self.fused.get(operand)
            if known is None or operand in self.stored:
                source = max(source, operand.aval.size)
                continue
            if known.stage < stage and not self._is_made_again(operand, known):
                self.stored.add(operand)
                source = max(source, operand.aval.size)
                continue
            fragile = fragile or known.fragile
            source = max(source, known.source)
            if known.stage == stage:
                size = self.components.size(operand) + self.components.size(first)
                if size > LARGEST and self.components.find(operand) is not self.components.find(
                    first
                ):
                    self.stored.add(operand)
                    stage += 1
                    return self._placed_alone(equation, role, stage)
                self.components.join(operand, first)
            cost = min(cost + known.cost, _MOST_COST)
            depth = max(depth, known.depth + 1)
        carried = first not in self.kept and _is_carried(equation, role, source)
        if carried:
            self.carried.add(first)
            cost = min(_LOOPED * cost * role.within, _MOST_COST)
        for variable in equation.outputs:
            self.fused[variable] = _Known(stage, cost, depth, fragile, source)
            if role.kind in STORED and not carried:
                self.stored.add(variable)
            self.components.join(first, variable)
        return stage

    def _is_made_again(self, operand: Variable, known: _Known) -> bool:
        """Return whether a value is computed again in a later stage, rather than stored."""
        if known.fragile or known.cost <= CHEAP:
            return not known.fragile
        larger = operand.aval.size > known.source
        return larger and known.cost <= AGAIN and self.uses[operand] <= _MOST_USES

    def _placed_alone(self, equation: Equation, role: Role, stage: int) -> int:
        """Place an equation one stage after everything it reads, which is stored."""
        for operand in equation.operands:
            if isinstance(operand, Variable) and operand in self.fused:
                known = self.fused[operand]
                if known.cost > CHEAP or known.fragile:
                    self.stored.add(operand)
                    stage = max(stage, known.stage + 1)
                else:
                    stage = max(stage, known.stage)
        for variable in equation.outputs:
            self.fused[variable] = _Known(stage, role.cost + CHEAP, 1)
            if role.kind in STORED:
                self.stored.add(variable)
        return stage

    def _is_entry(self, equation: Equation) -> bool:
        """Return whether an equation reads or gathers numbers that are there: no loop for these."""
        if equation.primitive.name == "array":
            return not any(o.aval.shape or o in self.fused for o in equation.operands)
        base = equation.operands[0] if equation.operands else None
        if isinstance(base, Variable) and base in self.fused and base not in self.stored:
            return False
        return entry_position(equation) is not None

    def _note_readers(self, equation: Equation, stage: int) -> None:
        for operand in equation.operands:
            if operand in self.written:
                self.read_until[operand] = max(stage, self.read_until.get(operand, 0))

    def _separates(self, operand: Variable, known: _Known, equation: Equation, role: Role) -> bool:
        """Return whether a value is stored rather than computed where this equation reads it."""
        if known.depth >= DEEPEST:
            return True
        if known.cost <= CHEAP:
            return False
        if _expands(operand, equation, role):
            return True
        if known.cost <= SHIFTED or self.uses[operand] == 1:
            return False
        return role.kind in ("view", "window") and not _keeps_order(equation)

    # -------------------------------------------------------------- results in memory

    def _store_what_is_read(self) -> None:
        """Store what the program gives, what calls read, and what later stages want whole."""
        for operand in self.program.outputs:
            if isinstance(operand, Variable) and operand in self.fused:
                self.stored.add(operand)
        for equation, role in zip(self.program.equations, self.roles, strict=True):
            if role is None:
                for operand in equation.operands:
                    if isinstance(operand, Variable) and operand in self.fused:
                        self.stored.add(operand)

    def _steps(self) -> list[WengertList | Equation]:
        last = max(self.stages, default=0) + 1
        calls: list[list[Equation]] = [[] for _ in range(last)]
        roots: list[list[Variable]] = [[] for _ in range(last)]
        roles = {}
        for equation, role, stage in zip(
            self.program.equations, self.roles, self.stages, strict=True
        ):
            if role is None:
                calls[stage].append(equation)
                continue
            roles[equation] = role
            roots[stage] += [v for v in equation.outputs if v in self.stored]
        steps: list[WengertList | Equation] = []
        for here, found in zip(calls, roots, strict=True):
            steps += here
            steps += self._kernels(found, roles)
        return steps

    def _kernels(self, roots: list[Variable], roles: dict[Equation, Role]) -> Iterable[WengertList]:
        """Group the results of one stage: what runs over the same space shares loops.

        Scattered writes come last: they may overwrite what the others read.
        """
        groups: dict[object, list[Variable]] = {}
        scattered = []
        for root in roots:
            role = roles[self.producers[root]]
            if role.kind == "scatter":
                scattered.append(root)
                continue
            space = _space(root, self.producers[root], role)
            groups.setdefault((space, role.kind == "last"), []).append(root)
        for group in groups.values():
            for start in range(0, len(group), _MOST_ROOTS):
                # What the parts before have stored is read.
                yield self._kernel(group[start : start + _MOST_ROOTS], frozenset(group[:start]))
        for root in scattered:
            yield self._kernel([root], frozenset())

    def _kernel(self, roots: list[Variable], known: frozenset[Variable]) -> WengertList:
        equations: dict[Equation, int] = {}
        inputs: dict[Variable, None] = {}
        for root in roots:
            self._body(root, known, equations, inputs)
        ordered = sorted(equations, key=lambda equation: equations[equation])
        given = {variable for equation in ordered for variable in equation.outputs}
        return WengertList([v for v in inputs if v not in given], ordered, roots)

    def _body(
        self,
        root: Variable,
        known: frozenset[Variable],
        equations: dict[Equation, int],
        inputs: dict[Variable, None],
    ) -> None:
        """Add the equations that compute a result, with their places, and what they read."""
        stage = self.fused[root].stage
        waiting = [root]
        while waiting:
            equation = self.producers[waiting.pop()]
            if equation in equations:
                continue
            equations[equation] = self.numbers[equation]
            for operand in equation.operands:
                if isinstance(operand, Literal):
                    continue
                if (
                    operand not in self.fused
                    or operand in known
                    or (operand in self.stored and self.fused[operand].stage < stage)
                ):
                    inputs[operand] = None
                else:
                    waiting.append(operand)


# More results than this in one kernel are more streams than a processor follows.
_MOST_ROOTS = 16


def _is_single(equation: Equation) -> bool:
    """Return whether an equation has only single numbers: no loop, so no kernel."""
    return not any(operand.aval.shape for operand in equation.operands) and not any(
        variable.aval.shape for variable in equation.outputs
    )


def _is_carried(equation: Equation, role: Role, source: int) -> bool:
    """Return whether a reduction is made where it is needed, which takes no memory.

    That is so where its result has more entries than any array that it is made of: distances
    between all points of two sets.
    """
    return role.kind == "reduction" and equation.outputs[0].aval.size > source and role.within > 0


def _space(variable: Variable, equation: Equation, role: Role) -> tuple[int, ...]:
    if role.kind == "reduction":
        return equation.operands[0].aval.shape
    return variable.aval.shape


def _expands(operand: Variable, equation: Equation, role: Role) -> bool:
    """Return whether an equation reads each entry many times, in loops that do not stand still.

    Where only the last axes are spread, the value is computed once outside the loops over them.
    """
    own = operand.aval.shape
    if role.kind == "reduction":
        return False
    if contraction_of(equation) is not None:
        return True  # an entry is read for every row, or every column, of the result
    result = equation.outputs[0].aval.shape
    if not own or operand.aval.size >= equation.outputs[0].aval.size:
        return False
    name = equation.primitive.name
    if role.kind == "window":
        if operand is not equation.operands[1]:
            return False
        return operand.aval.size < math.prod(shape_of_part(result, equation.params["path"]))
    if role.kind == "view" and name != "broadcast_to":
        return name in _REPEATING  # others put entries into a larger array
    if len(own) > len(result):  # a sum over nothing
        return False
    padded = (1,) * (len(result) - len(own)) + own
    spread = [n != m for n, m in zip(padded, result, strict=True)]
    first = spread.index(True)
    return not all(spread[k] or result[k] == 1 for k in range(first, len(result)))


def _keeps_order(equation: Equation) -> bool:
    """Return whether a view has all entries in the same order."""
    return equation.primitive.name == "reshape" and equation.params["order"] == "C"
