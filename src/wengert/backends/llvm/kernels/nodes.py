"""What loop nests are made of, as plain data: values of one entry, statements, loops, scopes.

`build` makes them of a list's equations, `emit` writes them as code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .affine import Affine, Axis, _axes_within


class Buffer:
    """Memory with the entries of an array in C order.

    Attributes
    ----------
    name : str
        ``"input3"``, ``"output0"``; scratch has names of its own.
    size : int
        The number of entries.
    private : bool
        Each iteration of the outermost loop uses it by itself.
    """

    __slots__ = ("dtype", "name", "private", "size")

    def __init__(self, name: str, dtype: np.dtype[Any], size: int) -> None:
        self.name = name
        self.dtype = dtype
        self.size = size
        self.private = False


class Node:
    """A value of one entry, computed at the place in the nest where it stands.

    ``depth`` is the number of loops around that place, ``axes`` are those it depends on.
    """

    __slots__ = ("depth", "dtype")

    def __init__(self, dtype: np.dtype[Any], depth: int) -> None:
        self.dtype = dtype
        self.depth = depth

    @property
    def axes(self) -> Iterator[Axis]:
        raise NotImplementedError


class Constant(Node):
    """A number."""

    __slots__ = ("number",)

    def __init__(self, number: Any, dtype: np.dtype[Any]) -> None:
        super().__init__(dtype, 0)
        self.number = number

    @property
    def axes(self) -> Iterator[Axis]:
        return iter(())


class Load(Node):
    """An entry of a buffer."""

    __slots__ = ("buffer", "position")

    def __init__(self, buffer: Buffer, position: Affine, depth: int | None = None) -> None:
        super().__init__(buffer.dtype, position.depth if depth is None else depth)
        self.buffer = buffer
        self.position = position

    @property
    def axes(self) -> Iterator[Axis]:
        for atom in self.position.terms:
            yield from _axes_within(atom)


class Index(Node):
    """An index as a number."""

    __slots__ = ("value",)

    def __init__(self, value: Affine, dtype: np.dtype[Any]) -> None:
        super().__init__(dtype, value.depth)
        self.value = value

    @property
    def axes(self) -> Iterator[Axis]:
        for atom in self.value.terms:
            yield from _axes_within(atom)


class Condition(Node):
    """Whether all of some indices are at least 0."""

    __slots__ = ("indices",)

    def __init__(self, indices: Sequence[Affine]) -> None:
        super().__init__(np.dtype(bool), max(index.depth for index in indices))
        self.indices = tuple(indices)

    @property
    def axes(self) -> Iterator[Axis]:
        for index in self.indices:
            for atom in index.terms:
                yield from _axes_within(atom)


class Apply(Node):
    """``function(emitter, *operands)``: an elementwise operation on other nodes."""

    __slots__ = ("function", "operands")

    def __init__(
        self, function: Callable[..., Any], operands: Sequence[Node], dtype: np.dtype[Any]
    ) -> None:
        super().__init__(dtype, max((node.depth for node in operands), default=0))
        self.function = function
        self.operands = tuple(operands)

    @property
    def axes(self) -> Iterator[Axis]:
        for node in self.operands:
            yield from node.axes


# ------------------------------------------------------------------ statements


class Store:
    """``buffer[position] = node``, or, with `combine`, ``combine(buffer[position], node)``."""

    __slots__ = ("buffer", "combine", "node", "position")

    def __init__(
        self,
        buffer: Buffer,
        position: Affine,
        node: Node,
        combine: Callable[..., Any] | None = None,
    ) -> None:
        self.buffer = buffer
        self.position = position
        self.node = node
        self.combine = combine


class Fill:
    """``buffer[:count] = number``."""

    __slots__ = ("buffer", "count", "number")

    def __init__(self, buffer: Buffer, count: int, number: Any) -> None:
        self.buffer = buffer
        self.count = count
        self.number = number


class Copy:
    """Copy all entries of one buffer to another of the same size, unless they are one."""

    __slots__ = ("source", "target")

    def __init__(self, target: Buffer, source: Buffer) -> None:
        self.target = target
        self.source = source


class Combine(Node):
    """The entries ``buffer[:count]`` combined pairwise, in a fixed order."""

    __slots__ = ("buffer", "combine", "count", "name")

    def __init__(
        self, buffer: Buffer, count: int, name: str, combine: Callable[..., Any], depth: int
    ) -> None:
        super().__init__(buffer.dtype, depth)
        self.buffer = buffer
        self.count = count
        self.name = name
        self.combine = combine

    @property
    def axes(self) -> Iterator[Axis]:
        raise NotImplementedError("a reduction's result is not used as an index")


class Scope:
    """The statements that stand inside the same loops, in order, and the values known there."""

    __slots__ = ("items", "known")

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.known: dict[Any, Node] = {}


class Loop:
    """``for axis in range(max(starts), min(stops), step): body``.

    Attributes
    ----------
    divides : bool
        Iterations share nothing that they write, so that any may run in any thread.
    """

    __slots__ = ("axis", "body", "divides", "starts", "step", "stops")

    def __init__(
        self, axis: Axis, starts: Sequence[Affine], stops: Sequence[Affine], step: int = 1
    ) -> None:
        self.axis = axis
        self.starts = tuple(starts)
        self.stops = tuple(stops)
        self.step = step
        self.divides = False
        self.body = Scope()

    @property
    def count(self) -> int:
        """How many iterations there are at most."""
        low, high = self.axis.low, self.axis.high
        lengths = [high - low]
        for stop in self.stops:
            for start in self.starts:
                apart = stop - start
                if not apart.terms:
                    lengths.append(apart.constant)
        return max(0, -(-min(lengths) // self.step))
