"""Index arithmetic: where an entry is, as a linear expression in loop variables.

Views, broadcasting and flattening become such expressions, so that they cost no memory. Ranges are
known, which decides most comparisons before any code is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple


class Axis:
    """A loop variable: an integer from `low` up to, and not including, `high`."""

    __slots__ = ("depth", "high", "low", "space")

    def __init__(self, low: int, high: int, depth: int, space: int) -> None:
        self.low = low
        self.high = high
        self.depth = depth  # how many loops stand around it
        self.space = space  # which axis of the nest it runs over

    @property
    def bounds(self) -> tuple[int, int]:
        return self.low, self.high - 1


class Floor(NamedTuple):
    """``floor(inner / divisor)``, for a flattened index that does not come apart."""

    inner: Affine
    divisor: int

    @property
    def depth(self) -> int:
        return self.inner.depth

    @property
    def bounds(self) -> tuple[int, int]:
        low, high = self.inner.bounds
        return low // self.divisor, high // self.divisor


class Clamp(NamedTuple):
    """`inner` moved into a range: for loads whose result is not used outside it."""

    inner: Affine
    low: int
    high: int

    @property
    def depth(self) -> int:
        return self.inner.depth

    @property
    def bounds(self) -> tuple[int, int]:
        return self.low, self.high


class Loaded(NamedTuple):
    """An index that a node computes while the program runs, known to lie in a range."""

    node: Any
    low: int
    high: int

    @property
    def depth(self) -> int:
        depth: int = self.node.depth
        return depth

    @property
    def bounds(self) -> tuple[int, int]:
        return self.low, self.high


Atom = Axis | Floor | Clamp | Loaded


class Affine:
    """``constant + Σ coefficient · atom``; equal if constant and terms are."""

    __slots__ = ("_hash", "constant", "terms")

    def __init__(self, constant: int, terms: Iterable[tuple[Atom, int]] = ()) -> None:
        self.constant = constant
        self.terms: dict[Atom, int] = dict(terms)
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Affine)
            and self.constant == other.constant
            and self.terms == other.terms
        )

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.constant, frozenset(self.terms.items())))
        return self._hash

    def __repr__(self) -> str:
        parts = [f"{coefficient}*{atom}" for atom, coefficient in self.terms.items()]
        return " + ".join([*parts, str(self.constant)])

    @property
    def depth(self) -> int:
        """How many loops must stand around a place that knows this index."""
        return max((atom.depth for atom in self.terms), default=0)

    @property
    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest value, both included."""
        low = high = self.constant
        for atom, coefficient in self.terms.items():
            first, last = atom.bounds
            low += coefficient * (first if coefficient > 0 else last)
            high += coefficient * (last if coefficient > 0 else first)
        return low, high

    def __add__(self, other: Affine) -> Affine:
        if not other.terms and not other.constant:
            return self
        if not self.terms and not self.constant:
            return other
        terms = dict(self.terms)
        for atom, coefficient in other.terms.items():
            total = terms.get(atom, 0) + coefficient
            if total:
                terms[atom] = total
            else:
                del terms[atom]
        return Affine(self.constant + other.constant, terms.items())

    def __sub__(self, other: Affine) -> Affine:
        return self + other * -1

    def __mul__(self, factor: int) -> Affine:
        if factor == 1:
            return self
        if factor == 0:
            return ZERO
        return Affine(
            self.constant * factor, [(atom, c * factor) for atom, c in self.terms.items()]
        )

    def plus(self, number: int) -> Affine:
        return Affine(self.constant + number, self.terms.items()) if number else self

    def axes(self) -> Iterator[tuple[Axis, int]]:
        """Yield the loop variables and their coefficients; atoms of other kinds count as 0."""
        for atom, coefficient in self.terms.items():
            if isinstance(atom, Axis):
                yield atom, coefficient
            else:
                yield from ((axis, 0) for axis in _axes_within(atom))


def _axes_within(atom: Atom) -> Iterator[Axis]:
    if isinstance(atom, Axis):
        yield atom
    elif isinstance(atom, Loaded):
        yield from atom.node.axes
    else:
        for inner in atom.inner.terms:
            yield from _axes_within(inner)


ZERO = Affine(0)


def constant(number: int) -> Affine:
    return Affine(number) if number else ZERO


def variable(axis: Axis) -> Affine:
    return Affine(0, ((axis, 1),))


def floor_divide(index: Affine, divisor: int) -> Affine:
    """Return ``floor(index / divisor)``, taken apart as far as the ranges allow."""
    if divisor == 1:
        return index
    whole = {atom: c // divisor for atom, c in index.terms.items() if c % divisor == 0}
    rest = Affine(
        index.constant % divisor,
        [(atom, c) for atom, c in index.terms.items() if atom not in whole],
    )
    quotient = Affine(index.constant // divisor, whole.items())
    low, high = rest.bounds
    if low // divisor == high // divisor:
        return quotient.plus(low // divisor)
    return quotient + Affine(0, ((Floor(rest, divisor), 1),))


def flattened(index: Sequence[Affine], shape: Sequence[int]) -> Affine:
    """Return the position of an entry in C order."""
    total = ZERO
    stride = 1
    for entry, length in zip(reversed(index), reversed(shape), strict=True):
        if length != 1:
            total = total + entry * stride
        stride *= length
    return total


def unflattened(position: Affine, shape: Sequence[int]) -> tuple[Affine, ...]:
    """Return the index of the entry at a position in C order."""
    found: list[Affine] = []
    for length in reversed(shape[1:]):
        quotient = floor_divide(position, length) if length else ZERO
        found.append(position - quotient * length)
        position = quotient
    if shape:
        found.append(position)
    return tuple(reversed(found))


def is_nonnegative(index: Affine) -> bool | None:
    """Return whether an index is at least 0, or None where it depends on the loop variables."""
    low, high = index.bounds
    if low >= 0:
        return True
    return False if high < 0 else None


def breakpoint_of(index: Affine) -> tuple[Axis, int] | None:
    """Return the loop variable, and its value at which ``index >= 0`` changes, if there is one."""
    if len(index.terms) != 1:
        return None
    ((atom, coefficient),) = index.terms.items()
    if not isinstance(atom, Axis):
        return None
    if coefficient > 0:
        return atom, -(index.constant // coefficient)
    return atom, index.constant // -coefficient + 1


def clamped(index: Affine, size: int) -> Affine:
    """Return an index that surely lies in an array of `size` entries."""
    low, high = index.bounds
    if low >= 0 and high < size:
        return index
    return Affine(0, ((Clamp(index, 0, max(size - 1, 0)), 1),))
