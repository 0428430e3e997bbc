"""Re-rolling: repeated stretches of a list become loops, each one equation ``scan``.

A program that Python unrolled compiles in the time of its loop's body. What one iteration hands to
the next is carried; what a later loop reads of an earlier one is stacked, as are constants that
change from one iteration to the next. Every operation is done on the same operands as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from .periods import (
    MOST_DISTANCE,
    Reading,
    Run,
    find_runs,
    longest_range,
)
from .positions import closed, opened

# A loop has at least so many iterations, and replaces equations of at least so much weight: as
# straight-line code few equations compile sooner. An operation on arrays is a loop of its own.
_FEWEST = 4
_LEAST_WEIGHT = 600
_WEIGHT_OF_ARRAYS = 12
# Arrays of so few entries are taken apart and live in registers, but not across iterations.
_TINY = 16


def reroll(program: WengertList) -> WengertList:
    """Return the list with loops in place of repeated stretches."""
    if len(program) * _WEIGHT_OF_ARRAYS < _LEAST_WEIGHT or "scan" not in registry:
        return program
    given, program = program, opened(program)
    reading = Reading(program)
    loops: list[_Loop] = []
    light: list[_Loop] = []  # they are rolled where a heavier loop reads what they make
    for run in find_runs(reading, _FEWEST):
        loop = _loop(reading, run, [*loops, *light])
        if loop is None:
            continue
        if _weight(program, run) < _LEAST_WEIGHT:
            light.append(loop)
            continue
        loops.append(loop)
        for needed in loops:  # grows on the way
            sources = {slot.source for slot in needed.slots}
            loops += [other for other in light if other in sources]
            light = [other for other in light if other not in sources]
    if not loops:
        return given
    rolled = _Rolled(reading, loops).program
    return rolled if program is given else _closed(rolled)


def _closed(program: WengertList) -> WengertList:
    """Return a list, and the bodies of its loops, with known positions in paths again."""
    equations = []
    for equation in closed(program.equations):
        body = equation.params.get("body") if equation.primitive.name == "scan" else None
        if body is not None:
            params = {**equation.params, "body": _closed(body)}
            equation = Equation(equation.primitive, equation.operands, params, equation.outputs)
        equations.append(equation)
    return WengertList(program.inputs, equations, program.outputs)


def _weight(program: WengertList, run: Run) -> int:
    body = program.equations[run.start : run.start + run.period]
    return sum(map(_weight_of, body)) * run.count


def _weight_of(equation: Equation) -> int:
    sizes = [variable.aval.size for variable in equation.outputs]
    if all(not variable.aval.shape for variable in equation.outputs):
        return 1
    return 4 if max(sizes) <= _TINY else _WEIGHT_OF_ARRAYS


class _Slot(NamedTuple):
    """Where an operand of the body comes from.

    ``how`` is literal, table, constant, local, carried or stacked; ``code`` the operand's in the
    first iteration (for what the loop itself makes, its place in an iteration); ``distance`` how
    many iterations ago it was made; ``source`` the loop that made it.
    """

    how: str
    code: int
    distance: int = 0
    source: _Loop | None = None


class _Loop:
    """A run of iterations and how each operand of its body is found."""

    def __init__(self, run: Run, slots: list[_Slot], backwards: bool) -> None:
        self.run = run
        self.slots = slots
        self.backwards = backwards
        # How many iterations back each value is carried.
        self.distances: dict[int, int] = {}
        for slot in slots:
            if slot.how == "carried":
                known = self.distances.get(slot.code, 0)
                self.distances[slot.code] = max(known, slot.distance)
        self.stacked: dict[int, None] = {}  # places of values of which each iteration's is kept
        self.carry: dict[tuple[int, int], Variable] = {}  # the last ones, by place and distance
        self.stacks: dict[int, Variable] = {}

    def entry(self, iteration: int) -> int:
        """Return where an iteration's entry stands in stacked results."""
        return self.run.count - 1 - iteration if self.backwards else iteration


def _loop(reading: Reading, run: Run, earlier: Sequence[_Loop]) -> _Loop | None:
    """Return the loop that a run is, None where it reads what cannot be handed to it."""
    for _ in range(8):  # each time the run is shorter
        found = _slots(reading, run, earlier)
        if isinstance(found, list):
            if not _can_be_carried(reading, run):
                return None
            loop = _Loop(run, found, _runs_backwards(run, found))
            if not _ends_apart(reading, loop):
                return loop
            found = 0, run.count - 1
        low, high = found
        if high - low < _FEWEST:
            return None
        run = Run(reading, run.start + low * run.period, high - low, run.period)
    return None


def _ends_apart(reading: Reading, loop: _Loop) -> bool:
    """Return whether a value is read of the last iteration only, and is not carried.

    It would be stacked for every iteration; so the last one is left outside the loop.
    """
    run = loop.run
    codes = reading.codes[reading.first[run.stop] :]
    codes = codes[run.holds(codes) & ~reading.literal[reading.first[run.stop] :]].tolist()
    outputs = [reading.places[o] for o in reading.program.outputs if isinstance(o, Variable)]
    earliest: dict[int, int] = {}
    for code in {*codes, *(code for code in outputs if run.holds(code))}:
        iteration, place = run.placed(code)
        earliest[place] = min(iteration, earliest.get(place, run.count))
    return any(
        iteration == run.count - 1 and place not in loop.distances
        for place, iteration in earliest.items()
    )


def _slots(reading: Reading, run: Run, earlier: Sequence[_Loop]) -> list[_Slot] | tuple[int, int]:
    """Return where each operand comes from, or the iterations to which that must be limited."""
    slots: list[_Slot] = []
    starts = np.repeat(
        np.arange(run.period), np.diff(reading.first[run.start : run.start + run.period + 1])
    )
    inside = np.ones(run.count, np.bool_)
    for column, (literal, position) in enumerate(
        zip(run.literal.tolist(), starts.tolist(), strict=True)
    ):
        codes = run.codes[:, column]
        first, step = int(codes[0]), int(run.step[column])
        if literal:
            slots.append(_Slot("literal" if (codes == first).all() else "table", column))
        elif step == 0:
            if first >= run.base:  # made in the first iteration, and read in all
                return 1, run.count
            slots.append(_Slot("constant", first))
        elif step == run.span and first - run.base >= -MOST_DISTANCE * run.span:
            distance = -((first - run.base) // run.span)
            if distance:
                slots.append(_Slot("carried", (first - run.base) % run.span, distance))
            elif first - run.base < position * run.unit:
                slots.append(_Slot("local", first - run.base))
            else:
                return 0, 0
        else:
            middle = int(codes[run.count // 2])
            source = next((loop for loop in earlier if loop.run.holds(middle)), None)
            if source is None or abs(step) != source.run.span:
                return 0, 0
            inside &= source.run.holds(codes)
            slots.append(_Slot("stacked", first, 0, source))
    if not inside.all():
        return longest_range(inside) or (0, 0)
    return slots


def _runs_backwards(run: Run, slots: Sequence[_Slot]) -> bool:
    """Return whether most of what is read of earlier loops was made in the other order."""
    votes = 0
    for column, slot in enumerate(slots):
        if slot.source is not None:
            same = (int(run.step[column]) > 0) != slot.source.backwards
            votes += 1 if same else -1
    return votes < 0


def _can_be_carried(reading: Reading, run: Run) -> bool:
    """Return whether all that an iteration makes can be handed on and stacked."""
    return all(
        variable.aval.dtype.kind in "biufc"
        and (variable.aval.kind != "array" or bool(variable.aval.shape))
        for equation in reading.program.equations[run.start : run.start + run.period]
        for variable in equation.outputs
    )


def _reads_much(loop: _Loop, outside: set[int]) -> bool:
    """Return whether entries that are read one by one outweigh what the loop spares."""
    read = sum(bool(loop.run.holds(code)) for code in outside)
    return 4 * read > loop.run.stop - loop.run.start


class _Rolled:
    """The list with loops, while it is made."""

    def __init__(self, reading: Reading, loops: Sequence[_Loop]) -> None:
        self.reading = reading
        self.loops = sorted(loops, key=lambda loop: loop.run.start)
        self.equations: list[Equation] = []
        self._made: dict[int, Operand] = {}
        program = reading.program
        while True:
            outside = self._note_stacks()
            poor = [loop for loop in self.loops if _reads_much(loop, outside)]
            if not poor:
                break
            while poor:  # what reads their stacks goes with them
                self.loops = [loop for loop in self.loops if loop not in poor]
                poor = [x for x in self.loops if not {s.source for s in x.slots} <= self._known()]
        position = 0
        following = iter([*self.loops, None])
        loop = next(following)
        while position < len(program):
            if loop is not None and position == loop.run.start:
                self._write(loop)
                position = loop.run.stop
                loop = next(following)
                continue
            equation = program.equations[position]
            operands = [self._operand(operand) for operand in equation.operands]
            self.equations.append(
                Equation(equation.primitive, operands, equation.params, equation.outputs)
            )
            position += 1
        outputs = [self._operand(operand) for operand in program.outputs]
        self.program = WengertList(program.inputs, self.equations, outputs)

    # -------------------------------------------------------------- what is read from outside

    def _known(self) -> set[_Loop | None]:
        return {None, *self.loops}

    def _note_stacks(self) -> set[int]:
        """Find out which values of loops must be kept for every iteration.

        Return those that are read one by one outside the loops.
        """
        outside: set[int] = set()
        for loop in self.loops:
            loop.stacked.clear()
        for loop in self.loops:
            for slot in loop.slots:
                if slot.source is not None:
                    slot.source.stacked[slot.source.run.placed(slot.code)[1]] = None
        for code in self._codes_outside():
            for loop in self.loops:
                if loop.run.holds(code):
                    iteration, place = loop.run.placed(code)
                    if loop.run.count - iteration > loop.distances.get(place, 0):
                        loop.stacked[place] = None
                        outside.add(code)
        return outside

    def _codes_outside(self) -> Iterator[int]:
        """Yield the codes that are read one by one: of loops, only what they start from."""
        reading = self.reading
        position = 0
        for loop in self.loops:
            yield from self._codes_between(position, loop.run.start)
            position = loop.run.stop
            for column, slot in enumerate(loop.slots):
                if slot.how == "constant":
                    yield slot.code
                elif slot.how == "carried":
                    yield from loop.run.codes[: slot.distance, column].tolist()
        yield from self._codes_between(position, len(reading.program))
        for operand in reading.program.outputs:
            if isinstance(operand, Variable):
                yield reading.places[operand]

    def _codes_between(self, start: int, stop: int) -> Iterator[int]:
        first = self.reading.first
        codes = self.reading.codes[first[start] : first[stop]]
        literal = self.reading.literal[first[start] : first[stop]]
        yield from codes[~literal].tolist()

    # -------------------------------------------------------------- operands

    def _operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Literal):
            return operand
        return self._value(self.reading.places[operand])

    def _value(self, code: int) -> Operand:
        """Return what stands for a value outside the loops."""
        found = self._made.get(code)
        if found is None:
            found = self._made[code] = self._found(code)
        return found

    def _found(self, code: int) -> Operand:
        variable = self._variable(code)
        for loop in self.loops:
            if loop.run.holds(code):
                iteration, place = loop.run.placed(code)
                last = loop.carry.get((place, loop.run.count - iteration))
                if last is not None:
                    return last
                stack = loop.stacks[place]
                return self._read(stack, loop.entry(iteration), variable.aval)
        return variable

    def _variable(self, code: int) -> Variable:
        if code < 0:
            return self.reading.program.inputs[-(code // self.reading.unit) - 1]
        position, number = divmod(code, self.reading.unit)
        return self.reading.program.equations[position].outputs[number]

    def _read(self, stack: Variable, key: Any, aval: Aval | None) -> Variable:
        """Return a part of a stack; an entry with its own kind."""
        read = registry["read"]
        params = {"path": (("index", key),)}
        found = Variable(read.infer(stack.aval, **params))
        self.equations.append(Equation(read, [stack], params, [found]))
        if aval is None or found.aval == aval:
            return found
        converted = Variable(aval)
        self.equations.append(Equation(registry["convert"], [found], {"aval": aval}, [converted]))
        return converted

    # -------------------------------------------------------------- loops

    def _write(self, loop: _Loop) -> None:
        """Append the equation of a loop."""
        run = loop.run
        body = _Body(self, loop)
        outputs: list[Variable] = []
        for key, variable in body.carried.items():
            loop.carry[key] = Variable(variable.aval)
            outputs.append(loop.carry[key])
        for place in loop.stacked:
            aval = self._variable(run.base + place).aval
            loop.stacks[place] = Variable(Aval((run.count, *aval.shape), aval.dtype, "array"))
            outputs.append(loop.stacks[place])
        params = {
            "body": body.program,
            "constants": len(body.constants),
            "carry": len(body.carried),
            "length": run.count,
            "reverse": loop.backwards,
        }
        operands: list[Operand] = [self._value(code) for code in body.constants]
        for place, distance in body.carried:
            operands.append(self._initial(loop, place, distance))
        operands += [entries for _, entries in body.entries]
        self.equations.append(Equation(registry["scan"], operands, params, outputs))

    def _initial(self, loop: _Loop, place: int, distance: int) -> Operand:
        """Return the value that was made `distance` iterations before the first."""
        return self._value(loop.run.base + place - distance * loop.run.span)

    def entries_of(self, loop: _Loop, column: int, slot: _Slot) -> Operand:
        """Return what a loop reads of an earlier one, in the order in which it takes entries."""
        assert slot.source is not None
        source, run = slot.source, loop.run
        first, place = source.run.placed(slot.code)
        last, _ = source.run.placed(int(run.codes[-1, column]))
        ends = [source.entry(first), source.entry(last)]
        low, high = min(ends), max(ends)
        stack = source.stacks[place]
        if (ends[0] > ends[1]) != loop.backwards:  # against the order of this loop
            return self._read(stack, slice(high, low - 1 if low else None, -1), None)
        if (low, high) == (0, source.run.count - 1):
            return stack
        return self._read(stack, slice(low, high + 1), None)

    def table_of(self, loop: _Loop, column: int) -> tuple[Aval, Literal]:
        """Return constants that differ between iterations, and the Aval of each."""
        values = [self.reading.literals[code] for code in loop.run.codes[:, column].tolist()]
        aval = aval_of(values[0])
        table = np.array(values, aval.dtype)
        return aval, Literal(np.ascontiguousarray(table[::-1]) if loop.backwards else table)


class _Body:
    """The list of one iteration.

    Attributes
    ----------
    constants : dict
        From the code of each value that is the same in all iterations to its input.
    carried : dict
        From place and distance of each carried value to its input.
    entries : list of (Variable, Operand)
        The inputs that differ between iterations, and what holds them.
    """

    def __init__(self, rolled: _Rolled, loop: _Loop) -> None:
        run = loop.run
        self.constants: dict[int, Variable] = {}
        self.carried: dict[tuple[int, int], Variable] = {}
        self.entries: list[tuple[Variable, Operand]] = []
        equations = rolled.reading.program.equations[run.start : run.start + run.period]
        for place, distance in loop.distances.items():
            for back in range(1, distance + 1):
                aval = rolled._variable(run.base + place).aval
                self.carried[place, back] = Variable(aval)
        own: dict[int, Variable] = {}
        stacked: dict[Any, Variable] = {}
        made: list[Equation] = []
        slots = iter(enumerate(loop.slots))
        for position, equation in enumerate(equations):
            operands: list[Operand] = []
            for operand in equation.operands:
                column, slot = next(slots)
                if slot.how == "literal":
                    operands.append(operand)
                elif slot.how == "local":
                    operands.append(own[slot.code])
                elif slot.how == "carried":
                    operands.append(self.carried[slot.code, slot.distance])
                elif slot.how == "constant":
                    operands.append(self.constants.setdefault(slot.code, Variable(operand.aval)))
                elif slot.how == "table":
                    aval, table = rolled.table_of(loop, column)
                    self.entries.append((Variable(aval), table))
                    operands.append(self.entries[-1][0])
                else:
                    key = (id(slot.source), slot.code, int(run.step[column]))
                    if key not in stacked:
                        stacked[key] = Variable(operand.aval)
                        self.entries.append((stacked[key], rolled.entries_of(loop, column, slot)))
                    operands.append(stacked[key])
            outputs = [Variable(variable.aval) for variable in equation.outputs]
            for number, variable in enumerate(outputs):
                own[position * run.unit + number] = variable
            made.append(Equation(equation.primitive, operands, equation.params, outputs))
        following: list[Operand] = [
            own[place] if back == 1 else self.carried[place, back - 1]
            for place, back in self.carried
        ]
        inputs = [
            *self.constants.values(),
            *self.carried.values(),
            *(variable for variable, _ in self.entries),
        ]
        results = [own[place] for place in loop.stacked]
        self.program = WengertList(inputs, made, [*following, *results])
