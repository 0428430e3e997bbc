"""One loop nest for all results over one space: which loops, in which order and parts.

A nest is built up to three times, which costs little: on the natural axes, to see what is accessed;
on merged and ordered axes, to see where conditions change; and in parts between these places.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ....ir.equation import Equation, Variable
from .affine import ZERO, Affine, Axis, Floor, constant, flattened, unflattened, variable
from .build import MAX_BREAKS, Build, Constants
from .nodes import Buffer, Combine, Fill, Load, Loop, Store
from .reductions import BLOCK, LANES, WRITTEN_OUT, Reduction
from .sequential import scatter, store_running, writes_window

# So many entries of a result that rows are added to stay in the cache, and with one thread.
COLUMNS = 512
# Innermost axes up to this length are written out.
UNROLLED = 8
# So many operations at most are made of that, if the loops around are long; else a quarter.
MOST_CODE = 512
LARGE = 4096


class Root:
    """A result of the nest: where it is stored, and what makes it.

    Attributes
    ----------
    kind : str
        ``"each"``: an entry for each point of the space. ``"reduction"``. ``"scatter"``: each point
        writes an entry somewhere. ``"running"``: an entry for each point, made of the one before.
    """

    __slots__ = ("buffer", "equation", "kind", "reduction", "variable")

    def __init__(self, variable: Variable, equation: Equation, buffer: Buffer, kind: str) -> None:
        self.variable = variable
        self.equation = equation
        self.buffer = buffer
        self.kind = kind
        self.reduction = Reduction(equation) if kind == "reduction" else None

    @property
    def axis(self) -> int | None:
        """The axis along which entries follow each other, for a running result."""
        if self.kind != "running":
            return None
        axis: int = self.equation.params["axis"]
        return axis % len(self.variable.aval.shape)


class Level:
    """One loop of a nest: the natural axes it runs over, merged, and its parts."""

    __slots__ = ("axes", "extent", "parts")

    def __init__(self, axes: tuple[int, ...], extent: int) -> None:
        self.axes = axes
        self.extent = extent
        self.parts: list[tuple[int, int]] = [(0, extent)]


class NestBuilder:
    """Builds the nest of some roots over one space."""

    def __init__(
        self,
        space: tuple[int, ...],
        roots: Sequence[Root],
        producers: dict[Variable, Equation],
        buffers: dict[Variable, Buffer],
        constants: Constants,
        outside: Buffer,
        scratch: Callable[[np.dtype[Any], int], Buffer],
    ) -> None:
        self.space = space
        self.roots = roots
        self.producers = producers
        self.buffers = buffers
        self.constants = constants
        self.outside = outside
        self.scratch = scratch
        self.operations = 1

    def nest(self) -> Build:
        """Return the finished build of the nest; its outermost scope has the statements."""
        natural = [Level((k,), n) for k, n in enumerate(self.space) if n != 1]
        probe = self._attempt(natural, dry=True)
        self.operations = max(1, probe.count)
        levels = self._merged(natural, probe)
        levels = self._ordered(levels)
        attempt = self._attempt(levels)
        if not any(attempt.breaks.values()):
            return attempt
        self._split(levels, attempt)
        return self._attempt(levels)

    # -------------------------------------------------------------- choosing the loops

    def _merged(self, levels: list[Level], probe: Build) -> list[Level]:
        """Merge neighbouring axes that every access runs through as if they were one."""
        merged: list[Level] = []
        for level in levels:
            if merged and self._can_merge(merged[-1], level, probe):
                last = merged[-1]
                merged[-1] = Level(last.axes + level.axes, last.extent * level.extent)
            else:
                merged.append(level)
        return merged

    def _can_merge(self, outer: Level, inner: Level, probe: Build) -> bool:
        first, second = outer.axes[-1], inner.axes[0]
        for root in self.roots:
            if root.axis in (first, second):
                return False
            if root.reduction is not None:
                reduced = set(root.reduction.axes)
                if (first in reduced) != (second in reduced):
                    return False
        extent = inner.extent
        return all(_runs_on(access, first, second, extent) for access in probe.accesses)

    def _ordered(self, levels: list[Level]) -> list[Level]:
        """Put the axis along which most accesses are contiguous innermost."""
        if len(levels) < 2 or any(root.kind == "scatter" for root in self.roots):
            return levels
        probe = self._attempt(levels, dry=True)
        score = [0] * len(levels)
        far = [0] * len(levels)
        for access in probe.accesses:
            for axis, coefficient in access.axes():
                if axis.space < 0:  # of a reduction within
                    continue
                if abs(coefficient) == 1:
                    score[axis.space] += 1
                elif abs(coefficient) > 1:
                    far[axis.space] += 1
        last = len(levels) - 1
        best = max(range(len(levels)), key=lambda k: (score[k] - far[k], k))
        if best == last or score[best] - far[best] <= score[last] - far[last]:
            return levels
        return [*levels[:best], *levels[best + 1 :], levels[best]]

    def _split(self, levels: list[Level], attempt: Build) -> None:
        for number, level in enumerate(levels):
            places = sorted(
                place for place in attempt.breaks.get(number, ()) if 0 < place < level.extent
            )
            if not places or len(places) > MAX_BREAKS:
                continue
            edges = [0, *places, level.extent]
            level.parts = list(itertools.pairwise(edges))

    # -------------------------------------------------------------- building

    def _attempt(self, levels: Sequence[Level], *, dry: bool = False) -> Build:
        scratch = _no_memory if dry else self.scratch
        build = Build(self.producers, self.buffers, self.constants, self.outside, scratch)
        _Attempt(self, build, levels, dry).run()
        return build


def _no_memory(dtype: np.dtype[Any], size: int) -> Buffer:
    """Return what stands for scratch memory where no code is made."""
    return Buffer("nothing", dtype, size)


def _runs_on(access: Affine, first: int, second: int, extent: int) -> bool:
    """Return whether an access steps over axis `second` as over a part of axis `first`."""
    steps = {first: 0, second: 0}
    for atom, coefficient in access.terms.items():
        if isinstance(atom, Axis):
            if atom.space in steps:
                steps[atom.space] += coefficient
        elif isinstance(atom, Floor):
            if not _runs_on(atom.inner, first, second, extent):
                return False
        elif any(axis.space in steps for axis, _ in Affine(0, ((atom, 1),)).axes()):
            return False
    return steps[first] == steps[second] * extent


class _Attempt:
    """One pass over the levels, which fills the scopes of a `Build`."""

    def __init__(
        self, owner: NestBuilder, build: Build, levels: Sequence[Level], dry: bool
    ) -> None:
        self.owner = owner
        self.build = build
        self.levels = levels
        self.roots = owner.roots
        self.places: list[Affine | None] = [None] * len(levels)
        reducing = any(root.reduction is not None for root in self.roots)
        self.looped = len(levels) if dry else self._looped_levels()
        self.vector = self.looped - 1
        self.block_level, self.block_length = self._blocks(reducing and not dry)
        self.dry = dry
        self.accumulations = (
            [_Accumulation(self, root) for root in self.roots if root.reduction] if not dry else []
        )
        self.lanes = any(entry.in_lanes for entry in self.accumulations)
        self.lane: Affine = ZERO
        self.block = ZERO
        self.divides = not dry and self._divides()
        if self.divides:
            for entry in self.accumulations:
                entry.keep_private()
        self.columns: Affine | None = None
        if not dry and self._takes_columns():
            self.columns = ZERO
            self.block_length = 0  # no lanes are cleared

    def _looped_levels(self) -> int:
        """Return how many levels are loops; those within are written out."""
        looped = len(self.levels)
        written = 1
        size = int(np.prod([level.extent for level in self.levels], dtype=np.int64))
        most = (MOST_CODE if size >= LARGE else MOST_CODE // 4) // self.owner.operations
        while looped:
            extent = self.levels[looped - 1].extent
            if extent > UNROLLED or written * extent > min(WRITTEN_OUT, most):
                break
            written *= extent
            looped -= 1
        return looped

    def _blocks(self, reducing: bool) -> tuple[int, int]:
        """Return the level that is cut into blocks, and how long these are (0 for none)."""
        if not reducing or self.vector < 0:
            return 0, 0
        inner = int(np.prod([level.extent for level in self.levels[self.looped :]], dtype=int))
        level = self.vector
        while level > 0 and inner * self.levels[level].extent <= BLOCK:
            inner *= self.levels[level].extent
            level -= 1
        length = max(1, BLOCK // max(inner, 1))
        if level == self.vector:
            length = max(LANES, length // LANES * LANES)
        return level, length if self.levels[level].extent > length else 0

    def _takes_columns(self) -> bool:
        """Return whether rows are added up in the result, a part of the columns at a time."""
        if self.divides or not self.accumulations or self.looped != len(self.levels):
            return False
        level = self.levels[self.vector]
        if len(level.parts) > 1 or level.extent <= COLUMNS:
            return False
        apart = all(root.kind != "scatter" and root.axis not in level.axes for root in self.roots)
        return apart and not any(entry.in_lanes for entry in self.accumulations)

    def _divides(self) -> bool:
        """Return whether iterations of the outermost loop write nothing in common."""
        if not self.looped:
            return False
        axes = self.levels[0].axes
        for root in self.roots:
            if root.axis in axes or (root.kind == "scatter" and not writes_window(root.equation)):
                return False
        return all(entry.divides for entry in self.accumulations)

    def run(self) -> None:
        for accumulation in self.accumulations:
            accumulation.start()
        if all(self.owner.space):
            self._opened(-1)
            if self.columns is None:
                self._descend(0)
            else:
                last = -(-self.levels[self.vector].extent // COLUMNS)
                part = Axis(0, last, self.build.depth + 1, -1)
                loop = self._open(Loop(part, [ZERO], [constant(last)]))
                loop.divides = True
                self.columns = variable(part) * COLUMNS
                self._descend(0)
                self._close(loop)
            self._closing(-1)
        else:
            for accumulation in self.accumulations:
                accumulation.empty()
        for accumulation in self.accumulations:
            accumulation.end()

    # -------------------------------------------------------------- loops

    def _descend(self, number: int) -> None:
        if number == len(self.levels):
            self._innermost()
            return
        level = self.levels[number]
        if number >= self.looped:
            for place in range(level.extent):
                self.places[number] = constant(place)
                self._descend(number + 1)
            return
        if self.block_length and number == self.block_level:
            length = self.block_length
            block = Axis(0, -(-level.extent // length), self.build.depth + 1, -1)
            loop = self._open(Loop(block, [ZERO], [constant(block.high)]))
            loop.divides = self.divides and number == 0
            self.block = variable(block)
            for accumulation in self.accumulations:
                accumulation.open_block()
            start = self.block * length
            self._parts(number, [start], [start.plus(length)])
            for accumulation in self.accumulations:
                accumulation.close_block()
            self._close(loop)
        elif self.columns is not None and number == self.vector:
            self._parts(number, [self.columns], [self.columns.plus(COLUMNS)])
        else:
            self._parts(number, [], [])

    def _parts(self, number: int, starts: list[Affine], stops: list[Affine]) -> None:
        level = self.levels[number]
        in_lanes = self.lanes and number == self.vector
        for low, high in level.parts:
            first = [*starts, constant(low)] if low or not starts else starts
            last = [*stops, constant(high)]
            if high - low == 1 and not starts and not in_lanes:
                self.places[number] = constant(low)
                self._enter(number)
                continue
            if not in_lanes:
                self._loop(number, low, high, first, last)
                continue
            if level.extent <= LANES:
                self._loop(number, low, high, first, last, lane_start=ZERO)
                continue
            chunk = Axis(low, high, self.build.depth + 1, -1)
            loop = self._open(Loop(chunk, first, last, LANES))
            start = variable(chunk)
            self._loop(number, low, high, [start], [start.plus(LANES), *last], lane_start=start)
            self._close(loop)

    def _loop(
        self,
        number: int,
        low: int,
        high: int,
        starts: list[Affine],
        stops: list[Affine],
        lane_start: Affine | None = None,
    ) -> None:
        axis = Axis(low, high, self.build.depth + 1, number)
        loop = self._open(Loop(axis, starts, stops))
        loop.divides = self.divides and self.build.depth == 1
        self.places[number] = variable(axis)
        if lane_start is not None:
            self.lane = variable(axis) - lane_start
        self._enter(number)
        self._close(loop)

    def _enter(self, number: int) -> None:
        self._opened(number)
        self._descend(number + 1)
        self._closing(number)

    def _open(self, loop: Loop) -> Loop:
        self.build.scopes.append(loop.body)
        return loop

    def _close(self, loop: Loop) -> None:
        self.build.scopes.pop()
        if loop.body.items:
            self.build.emit(loop)

    def _opened(self, number: int) -> None:
        for accumulation in self.accumulations:
            accumulation.open_level(number)

    def _closing(self, number: int) -> None:
        for accumulation in self.accumulations:
            accumulation.close_level(number)

    # -------------------------------------------------------------- entries

    def natural_index(self) -> tuple[Affine, ...]:
        """Return the index along the axes of the space."""
        found = [ZERO] * len(self.owner.space)
        for level, place in zip(self.levels, self.places, strict=True):
            assert place is not None
            lengths = [self.owner.space[axis] for axis in level.axes]
            for axis, entry in zip(level.axes, unflattened(place, lengths), strict=True):
                found[axis] = entry
        return tuple(found)

    def _innermost(self) -> None:
        index = self.natural_index()
        build = self.build
        accumulations = iter(self.accumulations)
        for root in self.roots:
            reduction = root.reduction
            if root.kind == "scatter":
                scatter(build, root.equation, root.buffer, index)
            elif root.kind == "running":
                store_running(build, root.equation, root.buffer, index)
            elif reduction is None:
                node = build.value(root.variable, index)
                position = flattened(index, self.owner.space)
                build.emit(Store(root.buffer, build.access(position), node))
            elif self.dry:
                reduction.entry(build, index)
                build.access(kept_position(reduction, index))
            else:
                next(accumulations).add(index)


def kept_position(reduction: Reduction, index: tuple[Affine, ...]) -> Affine:
    """Return where an entry of the space goes in the result of a reduction."""
    shape = reduction.equation.operands[0].aval.shape
    return flattened(
        [index[axis] for axis in reduction.kept], [shape[axis] for axis in reduction.kept]
    )


class _Accumulation:
    """How one reduction is accumulated in a nest.

    In lanes, if the innermost loop goes over a reduced axis: the lanes start at the deepest loop
    over a kept axis and are combined at its end (and at the end of every block within). Else
    directly in the result, which the innermost loop runs along.
    """

    def __init__(self, attempt: _Attempt, root: Root) -> None:
        assert root.reduction is not None
        self.attempt = attempt
        self.root = root
        self.reduction = reduction = root.reduction
        reduced = set(reduction.axes)
        levels = attempt.levels
        kept = [k for k, level in enumerate(levels) if level.axes[0] not in reduced]
        self.home = max((k for k in kept if k < attempt.looped), default=-1)
        self.in_lanes = self.home < attempt.vector or attempt.vector < 0
        self.written = [
            levels[k].extent if k in kept else 1 for k in range(attempt.looped, len(levels))
        ]
        reduced_outside = any(
            k not in kept and levels[k].extent > 1 for k in range(max(self.home, 0))
        )
        self.joins = reduced_outside or not self.in_lanes
        self.blocked = (
            self.in_lanes and bool(attempt.block_length) and attempt.block_level > self.home
        )
        vector_extent = levels[attempt.vector].extent if attempt.vector >= 0 else 1
        self.lane_count = min(LANES, vector_extent)
        self.places = list(itertools.product(*(range(n) for n in self.written)))
        self.lanes: dict[tuple[int, ...], Buffer] = {}
        self.slots: dict[tuple[int, ...], Buffer] = {}
        self.slot_count = 1
        if self.in_lanes:
            count = self.lane_count
            for place in self.places:
                self.lanes[place] = attempt.owner.scratch(reduction.dtype, count)
            if self.blocked:
                for level in levels[self.home + 1 : attempt.block_level]:
                    self.slot_count *= level.extent
                self.blocks = -(-levels[attempt.block_level].extent // attempt.block_length)
                self.slot_count *= self.blocks
                for place in self.places:
                    self.slots[place] = attempt.owner.scratch(reduction.dtype, self.slot_count)

    @property
    def divides(self) -> bool:
        """Whether iterations of the outermost loop accumulate apart from each other."""
        if self.home < 0:
            return self.blocked and self.attempt.block_level == 0
        return self.attempt.levels[0].axes[0] not in self.reduction.axes

    def keep_private(self) -> None:
        """Give what is accumulated within one iteration of the outermost loop to each thread."""
        inner = [*self.lanes.values(), *(self.slots.values() if self.home >= 0 else ())]
        for buffer in inner:
            buffer.private = True

    # What happens outside the nest, at its levels, and in its blocks.

    def start(self) -> None:
        if self.joins:
            buffer = self.root.buffer
            self.attempt.build.emit(Fill(buffer, buffer.size, self.reduction.identity))

    def end(self) -> None:
        if self.joins and self.reduction.has_finish:
            self._finish_all()

    def empty(self) -> None:
        """Give the result of a reduction over no entries."""
        if not self.joins:
            buffer = self.root.buffer
            self.attempt.build.emit(Fill(buffer, buffer.size, self.reduction.identity))
            if self.reduction.has_finish:
                self._finish_all()

    def open_level(self, number: int) -> None:
        if self.in_lanes and number == self.home and not self.blocked:
            self._clear()

    def close_level(self, number: int) -> None:
        if not self.in_lanes or number != self.home:
            return
        build = self.attempt.build
        reduction = self.reduction
        for place in self.places:
            buffer, count = (
                (self.slots[place], self.slot_count)
                if self.blocked
                else (self.lanes[place], self.lane_count)
            )
            node: Any = build.place(
                Combine(buffer, count, reduction.name, reduction.combine, build.depth)
            )
            if not self.joins:
                node = reduction.finish(build, node)
            combine = reduction.combine if self.joins else None
            build.emit(Store(self.root.buffer, self._position(place), node, combine))

    def open_block(self) -> None:
        if self.blocked:
            self._clear()

    def close_block(self) -> None:
        if not self.blocked:
            return
        attempt = self.attempt
        build = attempt.build
        slot = ZERO
        for number in range(self.home + 1, attempt.block_level):
            place = attempt.places[number]
            assert place is not None
            slot = slot * attempt.levels[number].extent + place
        slot = slot * self.blocks + attempt.block
        reduction = self.reduction
        for written in self.places:
            node = build.place(
                Combine(
                    self.lanes[written],
                    self.lane_count,
                    reduction.name,
                    reduction.combine,
                    build.depth,
                )
            )
            build.emit(Store(self.slots[written], slot, node))

    def add(self, index: tuple[Affine, ...]) -> None:
        """Accumulate one entry."""
        attempt = self.attempt
        build = attempt.build
        reduction = self.reduction
        node = reduction.entry(build, index)
        if not self.in_lanes:
            position = build.access(kept_position(reduction, index))
            build.emit(Store(self.root.buffer, position, node, reduction.combine))
            return
        place = []
        for written, entry in zip(self.written, attempt.places[attempt.looped :], strict=True):
            assert entry is not None
            place.append(entry.constant if written > 1 else 0)
        lane = attempt.lane if attempt.vector >= 0 else ZERO
        build.emit(Store(self.lanes[tuple(place)], lane, node, reduction.combine))

    def _clear(self) -> None:
        for place in self.places:
            self.attempt.build.emit(
                Fill(self.lanes[place], self.lane_count, self.reduction.identity)
            )

    def _position(self, place: tuple[int, ...]) -> Affine:
        attempt = self.attempt
        saved = list(attempt.places)
        for number in range(len(attempt.levels)):
            if number >= attempt.looped:
                attempt.places[number] = constant(place[number - attempt.looped])
            elif number > self.home:
                attempt.places[number] = ZERO
        position = kept_position(self.reduction, attempt.natural_index())
        attempt.places[:] = saved
        return attempt.build.access(position)

    def _finish_all(self) -> None:
        """Turn every combination in the result into the result."""
        attempt = self.attempt
        build = attempt.build
        buffer = self.root.buffer
        axis = Axis(0, buffer.size, build.depth + 1, -1)
        loop = attempt._open(Loop(axis, [ZERO], [constant(buffer.size)]))
        node = self.reduction.finish(build, build.place(Load(buffer, variable(axis))))
        build.emit(Store(buffer, variable(axis), node))
        attempt._close(loop)
