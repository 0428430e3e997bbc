"""The point of a numerical derivative: which numbers vary, and the function as seen from them.

Arguments and results may be any tree; here they become coordinates that go in and a vector that
comes out. Formulas are in `methods`, the shapes of the answers in `derivatives`.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, NotDifferentiableError
from ..transforms.arguments import Selection


@dataclass(frozen=True)
class Leaf:
    """One number or array of a tree, and whether it came as a Python number, scalar or array."""

    value: Any
    kind: str

    @property
    def is_complex(self) -> bool:
        """Whether the leaf holds complex numbers."""
        return bool(self.value.dtype.kind == "c")

    @property
    def promotes_as(self) -> Any:
        """What stands for this leaf in `numpy.result_type`: Python numbers have a weak dtype."""
        if self.kind == "python":
            return 0j if self.is_complex else 0.0
        return self.value.dtype


@dataclass(frozen=True)
class Coordinate:
    """One real number of the point: a real entry, or the real or imaginary part of one."""

    leaf: int
    index: tuple[int, ...]
    part: str

    def read(self, leaves: list[Leaf]) -> Any:
        """Return the number at this coordinate."""
        return getattr(leaves[self.leaf].value, self.part)[self.index]


class Problem:
    """A function, a point and the leaves to vary, evaluated as a map from numbers to a vector."""

    def __init__(
        self,
        fun: Callable[..., Any],
        selection: Selection,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.fun, self.selection, self.args, self.kwargs = fun, selection, args, kwargs
        varied = selection.take(args, kwargs)
        self.leaves: list[Leaf] = []
        self.structures: list[tree.Structure] = []
        for name, value in zip(selection.entries, varied, strict=True):
            leaves, structure = _flatten(value, f"argument {name!r}", "pass floats")
            self.leaves += leaves
            self.structures.append(structure)
        self.structure = self.structures[0] if selection.single else tree.structure(varied)
        result = self._call([leaf.value for leaf in self.leaves])
        self.results, self.result_structure = _flatten(result, "the result", "return floats")
        self.base = _vector(self.results)
        # The coarsest precision that takes part decides how well a difference is known.
        known = [float(np.finfo(leaf.value.dtype).eps) for leaf in (*self.leaves, *self.results)]
        self.eps = max(known, default=0.0)

    def coordinates(self, *, holomorphic: bool) -> list[Coordinate]:
        """Return the numbers to vary, leaf by leaf, real and imaginary part next to each other."""
        return [
            Coordinate(number, index, part)
            for number, leaf in enumerate(self.leaves)
            for index in np.ndindex(leaf.value.shape)
            for part in (("real", "imag") if leaf.is_complex and not holomorphic else ("real",))
        ]

    def moved(self, *moves: tuple[Coordinate, Any]) -> Any:
        """Return the result vector with some coordinates set to other numbers."""
        values = [leaf.value for leaf in self.leaves]
        for coordinate, _ in moves:
            values[coordinate.leaf] = values[coordinate.leaf].copy(order="K")
        if any(np.iscomplexobj(number) for _, number in moves):
            values = [value.astype(np.result_type(value, np.complex64)) for value in values]
            for coordinate, number in moves:
                values[coordinate.leaf][coordinate.index] = number
            return self.evaluate_complex(values)
        for coordinate, number in moves:
            getattr(values[coordinate.leaf], coordinate.part)[coordinate.index] = number
        return self.evaluate(values)

    def evaluate(self, values: list[Any]) -> Any:
        """Return the result vector with the varied leaves at `values`."""
        return self._checked_vector(*_flatten(self._call(values), "the result", "return floats"))

    def evaluate_complex(self, values: list[Any]) -> Any:
        """Return the result vector off the real axis, refusing a function that drops the step."""
        name, advice = function_name(self.fun), "use method='central' or 'richardson'"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                result = self._call(values)
        except (TypeError, np.exceptions.ComplexWarning) as error:
            raise NotDifferentiableError(
                f"method='complex-step' calls {name} with complex numbers, which it does not take "
                f"({error}); {advice}"
            ) from error
        leaves, structure = _flatten(result, "the result", "return floats")
        if not all(leaf.is_complex for leaf in leaves):
            raise NotDifferentiableError(
                f"{name} returned a real number for complex arguments, as abs, real and constants "
                f"do: method='complex-step' would give a derivative of zero; {advice}"
            )
        return self._checked_vector(leaves, structure)

    def _call(self, values: list[Any]) -> Any:
        """Call the function on copies of all arrays: it may write into what it is given."""
        passed = map(_as_passed, self.leaves, map(_copied, values))
        trees = [
            tree.unflatten(structure, list(itertools.islice(passed, structure.num_leaves)))
            for structure in self.structures
        ]
        args, kwargs = tree.map(_copied, (self.args, self.kwargs))
        args, kwargs = self.selection.replace(args, kwargs, trees)
        return self.fun(*args, **kwargs)

    def _checked_vector(self, leaves: list[Leaf], structure: Any) -> Any:
        here = [leaf.value.shape for leaf in self.results]
        there = [leaf.value.shape for leaf in leaves]
        if structure != self.result_structure or there != here:
            raise ArgumentError(
                f"{function_name(self.fun)} returned shapes {here} at the point and {there} one "
                "step away, so there is no difference to take; try a smaller `step`"
            )
        return _vector(leaves)


def _flatten(nested: Any, what: str, remedy: str) -> tuple[list[Leaf], tree.Structure]:
    """Return the leaves of a tree and its structure; `what` and `remedy` are for the error."""
    values, structure = tree.flatten(nested)
    leaves = []
    for accessor, value in zip(structure.accessors(), values, strict=True):
        kind = _kind(value)
        if kind is None:
            found = f"dtype {value.dtype}" if hasattr(value, "dtype") else type(value).__name__
            raise NotDifferentiableError(
                f"{accessor.codify(what)} has {found}: differences need real or complex "
                f"floating-point numbers; {remedy}"
            )
        number = float(value) if isinstance(value, int) else value
        leaves.append(Leaf(np.array(number, order="K"), kind))
    return leaves, structure


def _kind(value: Any) -> str | None:
    """Return how a leaf was given, or None if it holds nothing that can be varied."""
    if isinstance(value, np.ndarray | np.generic):
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return kind if value.dtype.kind in "fc" else None
    is_number = isinstance(value, int | float | complex) and not isinstance(value, bool)
    return "python" if is_number else None


def _as_passed(leaf: Leaf, value: Any) -> Any:
    """Return `value` as the kind of its leaf.

    A Python number moved off the real axis becomes a NumPy scalar: those can be compared, by real
    part first, so that ``if x > 0:`` means what it means for the real number.
    """
    if leaf.kind == "array":
        return value
    off_axis = value.dtype.kind == "c" and not leaf.is_complex
    return value.item() if leaf.kind == "python" and not off_axis else value[()]


def _copied(leaf: Any) -> Any:
    return np.copy(leaf, order="K", subok=True) if isinstance(leaf, np.ndarray) else leaf


def _vector(leaves: list[Leaf]) -> Any:
    """Return all entries in one vector, float64 at least: differences of float32 stay exact."""
    parts = [leaf.value.ravel() for leaf in leaves]
    dtype = np.result_type(np.float64, *(part.dtype for part in parts))
    return np.concatenate([np.empty(0, dtype), *parts])


def function_name(fun: Callable[..., Any]) -> str:
    """Return what to call `fun` in a message."""
    return str(getattr(fun, "__name__", repr(fun)))
