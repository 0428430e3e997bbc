"""Periods of a Wengert list: stretches in which the same equations come again and again.

The list is read as arrays of integers once; everything else is arithmetic on them, so that a list
of 10⁵ equations takes a fraction of the time that recording it took.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..ir.aval import Aval
from ..ir.equation import Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from .dead_code import ACTING, acts
from .keys import value_key

Integers = np.ndarray[Any, np.dtype[np.int64]]

# How many equations in a row must come again to be taken for a period: short windows find the
# periods of small loops, long ones those of loops around them.
_WINDOWS = (4, 16, 64)
_MOST_PERIODS = 5  # tried for each window
_NEAR = 1024  # equations; operands from further back may be those of a reverse sweep
# Values of so many iterations ago may be carried.
MOST_DISTANCE = 4

# Constants of these operations say how they compute.
_SPECIAL_CONSTANTS = frozenset({"power", "power_operator", "float_power"})


def _is_entry(value: Any) -> bool:
    """Return whether a number can stand in an array of such numbers and be the same again."""
    if type(value) is int:
        return -(2**63) <= value < 2**63
    return isinstance(value, (bool, float, complex, np.number, np.bool_))


class _Kinds:
    """Numbers of what operands are: equal for Avals, and for literals, that are the same in a loop.

    ``by_aval`` and ``by_literal`` remember them by identity, the latter with the literal's code.
    """

    def __init__(self) -> None:
        self.literals: list[Any] = []
        self.by_aval: dict[int, int] = {}
        self.by_literal: dict[int, tuple[int, int]] = {}
        self._numbers: dict[Hashable, int] = {}
        self._codes: dict[Hashable, int] = {}

    def of_aval(self, aval: Aval) -> int:
        number = self._number((aval.dtype.str, aval.kind, aval.shape))
        self.by_aval[id(aval)] = number
        return number

    def of_literal(self, value: Any, aval: Aval) -> tuple[int, int]:
        code = self._codes.setdefault(value_key(value), len(self.literals))
        if code == len(self.literals):
            self.literals.append(value)
        same = code if aval.shape or not _is_entry(value) else None
        number = self._number(("literal", same, aval.dtype.str, aval.kind, aval.shape))
        found = self.by_literal[id(value)] = (code, number)
        return found

    def _number(self, kind: Hashable) -> int:
        return self._numbers.setdefault(kind, len(self._numbers))


class Reading:
    """A list as integers.

    Attributes
    ----------
    keys : array, one an equation
        Equal for equations that do the same to operands and give the same Avals; the numbers of
        what acts occur once.
    first : array, one an equation and one more
        Where its operands start in the arrays below.
    codes : array, one an operand
        Who makes it: the position of an equation times `unit` plus the number of the output. For
        inputs it is negative. For literals it is the number of the value.
    literal : array of bool, one an operand
    unit : int
    """

    __slots__ = ("codes", "first", "keys", "literal", "literals", "places", "program", "unit")

    def __init__(self, program: WengertList) -> None:
        self.program = program
        equations = program.equations
        guard = registry["guard"]
        self.unit = unit = max((len(equation.outputs) for equation in equations), default=1) or 1
        places: dict[Variable, int] = {
            variable: -unit * (1 + number) for number, variable in enumerate(program.inputs)
        }
        numbers: dict[Hashable, int] = {}
        kinds = _Kinds()
        known_avals = kinds.by_aval
        known_literals = kinds.by_literal
        keys, first, codes, literal = [], [0], [], []
        for position, equation in enumerate(equations):
            primitive = equation.primitive
            key: list[Hashable] = [primitive]
            for operand in equation.operands:
                if type(operand) is Variable:
                    codes.append(places[operand])
                    literal.append(False)
                    kind = known_avals.get(id(operand.aval))
                    key.append(kinds.of_aval(operand.aval) if kind is None else kind)
                else:
                    value = operand.value  # type: ignore[union-attr]
                    found = known_literals.get(id(value)) or kinds.of_literal(value, operand.aval)
                    codes.append(found[0])
                    literal.append(True)
                    key.append(found[1])
                    if primitive.name in _SPECIAL_CONSTANTS:
                        key.append(found[0])
            if primitive is guard:  # where a question stands says nothing about its answer
                key.append(value_key(equation.params["expected"]))
            elif equation.params:
                key.append(value_key(equation.params))
            code = unit * position
            for variable in equation.outputs:
                places[variable] = code
                code += 1
                kind = known_avals.get(id(variable.aval))
                key.append(kinds.of_aval(variable.aval) if kind is None else kind)
            may_act = not equation.outputs or primitive.family in ACTING
            if may_act and primitive is not guard and acts(equation):
                keys.append(-1 - position)
            else:
                keys.append(numbers.setdefault(tuple(key), len(numbers)))
            first.append(len(codes))
        self.literals = kinds.literals
        self.places = places
        self.keys: Integers = np.array(keys, np.int64)
        self.first: Integers = np.array(first, np.int64)
        self.codes: Integers = np.array(codes, np.int64)
        self.literal = np.array(literal, np.bool_)


class Stretch(NamedTuple):
    """Equations from `start` on whose keys have a period, `length` of them."""

    start: int
    length: int
    period: int


def find_runs(reading: Reading, fewest: int) -> list[Run]:
    """Return runs of at least `fewest` iterations that do not overlap, in order.

    Of those that do, the one that spares most is taken: loops around loops first.
    """
    found = []
    for stretch in _stretches(reading, fewest):
        run = steady_run(reading, stretch, fewest)
        if run is not None:
            found.append(run)
    found.sort(key=lambda run: (run.count - 2) * run.period, reverse=True)
    taken = np.zeros(len(reading.keys), np.bool_)
    chosen = []
    for run in found:
        free = longest_range(~np.any(taken[run.start : run.stop].reshape(run.count, -1), axis=1))
        if free is None or free[1] - free[0] < fewest:
            continue
        if free != (0, run.count):
            start = run.start + free[0] * run.period
            run = Run(reading, start, free[1] - free[0], run.period)
        taken[run.start : run.stop] = True
        chosen.append(run)
    return sorted(chosen, key=lambda run: run.start)


def _stretches(reading: Reading, fewest: int) -> Iterator[Stretch]:
    keys = reading.keys
    for period in _periods(reading):
        same = keys[:-period] == keys[period:]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2).tolist():
            if stop - start >= (fewest - 1) * period:
                yield Stretch(start, stop - start + period, period)


def _periods(reading: Reading) -> list[int]:
    """Return distances at which windows of equations come again, those that do so most often.

    Where the operations of a loop's body are themselves a repetition, only their operands tell
    where it starts again; those of reverse sweeps were made at ever other distances.
    """
    keys = reading.keys
    found: set[int] = set()
    with np.errstate(over="ignore"):
        mixed = (keys.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        for window in _WINDOWS:
            found.update(_distances(mixed, window))
        near = mixed + _operand_distances(reading) * np.uint64(0xBF58476D1CE4E5B9)
        for window in _WINDOWS:
            found.update(_distances(near, window))
    return sorted(distance for distance in found if 2 * distance < len(keys))


def _operand_distances(reading: Reading) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return for each equation a number that depends on how far back its operands were made."""
    counts = np.diff(reading.first)
    users = np.repeat(np.arange(len(counts)), counts)
    back = users - reading.codes // reading.unit
    told = ~reading.literal & (reading.codes >= 0) & (back <= _NEAR)
    weights = (np.arange(len(back)) - reading.first[users] + 1) * 0x1000003
    found: Integers = np.zeros(len(counts), np.int64)
    np.add.at(found, users, np.where(told, back * weights, 0))
    return found.astype(np.uint64)


def _distances(mixed: np.ndarray[Any, np.dtype[np.uint64]], window: int) -> list[int]:
    if len(mixed) < 2 * window:
        return []
    sums = np.zeros(len(mixed) - window + 1, np.uint64)
    for offset in range(window):
        sums *= np.uint64(0xD6E8FEB86659FD93)
        sums += mixed[offset : len(mixed) - window + 1 + offset]
    order = np.argsort(sums, kind="stable")
    same = sums[order[1:]] == sums[order[:-1]]
    distances, counts = np.unique((order[1:] - order[:-1])[same], return_counts=True)
    often = np.argsort(-counts, kind="stable")[:_MOST_PERIODS]
    chosen: list[int] = distances[often].tolist()
    return chosen


def longest_range(wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[int, int] | None:
    """Return the longest range of true entries, None where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(np.int8)))
    if not len(edges):
        return None
    ranges = edges.reshape(-1, 2)
    start, stop = ranges[np.argmax(ranges[:, 1] - ranges[:, 0])].tolist()
    return start, stop


class Run:
    """Iterations of a loop: `count` times `period` equations from `start` on.

    Attributes
    ----------
    codes : array (count, width)
        Of the operands of each iteration, in order.
    literal : array (width,) of bool
    step : array (width,)
        By how much each code grows from one iteration to the next.
    """

    __slots__ = ("codes", "count", "literal", "period", "span", "start", "step", "stop", "unit")

    def __init__(self, reading: Reading, start: int, count: int, period: int) -> None:
        self.start = start
        self.count = count
        self.period = period
        self.unit = reading.unit
        self.stop = start + count * period
        self.span = period * reading.unit
        begin, width = int(reading.first[start]), _width(reading, start, period)
        self.codes = reading.codes[begin : begin + count * width].reshape(count, width)
        self.literal = reading.literal[begin : begin + width]
        self.step = self.codes[1] - self.codes[0]

    @property
    def base(self) -> int:
        """The least code of what the run makes."""
        return self.start * self.unit

    def holds(self, codes: Any) -> Any:
        """Return whether codes are of what the run makes."""
        return (codes >= self.base) & (codes < self.stop * self.unit)

    def placed(self, code: int) -> tuple[int, int]:
        """Return the iteration that makes a code, and its place in the iteration."""
        return divmod(code - self.base, self.span)


def _width(reading: Reading, start: int, period: int) -> int:
    return int(reading.first[start + period] - reading.first[start])


def steady_run(reading: Reading, stretch: Stretch, fewest: int) -> Run | None:
    """Return the iterations of a stretch whose operands go on steadily, None if they are too few.

    An operand is the same in all, or moves on by the same distance from each to the next.
    """
    start, length, period = stretch
    count = length // period
    width = _width(reading, start, period)
    if not width:
        return None
    run = Run(reading, start, count, period)
    steps = run.codes[1:] - run.codes[:-1]
    typical = steps[len(steps) // 2]
    steady = longest_range(((steps == typical) | run.literal).all(1))
    if steady is None:
        return None
    low, high = steady
    start, count = start + low * period, high - low + 1
    turn = _best_turn(reading, Run(reading, start, count, period)) if count >= fewest else 0
    if turn:
        start, count = start + turn, count - 1
    return Run(reading, start, count, period) if count >= fewest else None


def _best_turn(reading: Reading, run: Run) -> int:
    """Return at which equation of a period an iteration is best taken to start.

    The fewest values cross from one iteration to the next there.
    """
    begin = int(reading.first[run.start])
    positions = np.repeat(
        np.arange(run.period), np.diff(reading.first[run.start : run.start + run.period + 1])
    )
    assert len(positions) == int(reading.first[run.start + run.period]) - begin
    row = run.count - 1  # what it reads of others was made in the run, if anywhere
    makers = (run.codes[row] - run.base) // run.unit - row * run.period
    moving = ~run.literal & (run.step == run.span) & (makers > -MOST_DISTANCE * run.period)
    lives: dict[int, tuple[int, int]] = {}  # by code: its maker, and how far its last user is
    for maker, user, code in zip(
        makers[moving].tolist(),
        positions[moving].tolist(),
        run.codes[row][moving].tolist(),
        strict=True,
    ):
        place = code % run.span
        lives[place] = (maker, max(lives.get(place, (0, 0))[1], user - maker))
    changes = np.zeros(run.period + 1, np.int64)
    for maker, distance in lives.values():
        start = (maker + 1) % run.period
        stop = start + distance % run.period  # whole periods count everywhere alike
        changes[start] += 1
        changes[min(stop, run.period)] -= 1
        if stop > run.period:
            changes[0] += 1
            changes[stop - run.period] -= 1
    return int(np.argmin(np.cumsum(changes[:-1])))
