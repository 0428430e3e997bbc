"""What a compiled function gives back: recipes from a program's outputs to the user's tree.

Results alias arguments exactly where they are the argument, or a view of it; what an argument was
written with is committed when everything else is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import StagingError
from ..ir.equation import Literal, Operand, Variable
from ..ir.paths import Path, follow
from ..tracing.core import Array, Traced, make_view, read_handle, to_user
from .captures import Slot
from .guarding import GuardingTrace

# How one leaf of the result is made; the first entry says how:
# ("constant", value), ("copy", plain array), ("output", number), ("view", number, path of a shared
# root), ("input", number, path).
Recipe = tuple[Any, ...]


class Results:
    """The outputs that a program must have, and how to make results and writes of them."""

    __slots__ = ("operands", "plain", "recipes", "slots", "structure", "values", "writes")

    def __init__(
        self,
        trace: GuardingTrace,
        handles: Sequence[Any],
        value: Any,
        stores: Sequence[tuple[Slot, Any]] = (),
    ) -> None:
        self.operands: list[Operand] = []
        self.values: list[Any] = []
        self.slots = [slot for slot, _ in stores]
        if stores:
            value = (value, [stored for _, stored in stores])
        leaves, self.structure = tree.flatten(value)
        roots = {id(handle): number for number, handle in enumerate(handles)}
        shared = _shared_roots(leaves)
        numbers: dict[Any, int] = {}
        self.recipes: list[Recipe] = []
        for leaf in leaves:
            self.recipes.append(self._recipe(trace, roots, shared, numbers, leaf))
        # (input, output): what each written argument holds in the end.
        self.writes: list[tuple[int, int]] = []
        for number, handle in enumerate(handles):
            if type(handle) is Array and not _is_input(trace, handle, number):
                self.writes.append((number, self._output(trace, numbers, handle.value)))
        only = len(leaves) == 1 and leaves[0] is value
        self.plain = only and self.recipes == [("output", 0)] and not self.writes

    @property
    def inputs(self) -> frozenset[int]:
        """The inputs that are part of the result, and those that are written."""
        shown = [recipe[1] for recipe in self.recipes if recipe[0] == "input"]
        return frozenset([*shown, *(number for number, _ in self.writes)])

    def _output(self, trace: GuardingTrace, numbers: dict[Any, int], raw: Any) -> int:
        if type(raw) is Traced and not trace.owns(raw):
            raise StagingError("a result belongs to another transformation")
        operand = trace.operand(raw)
        key: Any = operand if isinstance(operand, Variable) else id(operand)
        if key not in numbers:
            numbers[key] = len(self.operands)
            self.operands.append(operand)
            self.values.append(trace.value_of(raw))
        return numbers[key]

    def _recipe(
        self,
        trace: GuardingTrace,
        roots: dict[int, int],
        shared: dict[int, int],
        numbers: dict[Any, int],
        leaf: Any,
    ) -> Recipe:
        if type(leaf) is Traced:
            return ("output", self._output(trace, numbers, leaf))
        if type(leaf) is str and trace.shown:
            raise StagingError(
                "its result holds a text, and the text of a value was asked for: a program would "
                "give the same text at every call"
            )
        if type(leaf) is not Array:
            return ("copy", leaf.copy()) if type(leaf) is np.ndarray else ("constant", leaf)
        root = leaf if leaf.root is None else leaf.root
        if id(root) in roots:
            return ("input", roots[id(root)], leaf.path)
        if shared[id(root)] > 1:
            number = self._output(trace, numbers, root.value)
            return ("view", number, leaf.path, id(root))
        raw = read_handle(leaf)
        if type(raw) is not Traced:
            return ("copy", np.array(raw, order="K"))
        return ("output", self._output(trace, numbers, raw))

    def finish(
        self,
        args: Sequence[Any],
        outputs: Sequence[Any],
        held: frozenset[int],
        donated: frozenset[int] = frozenset(),
    ) -> Any:
        """Return the result, with everything written outside that the function writes.

        Results may lie in the memory of the `donated` among `args`.
        """
        for number, _ in self.writes:
            if not args[number].flags.writeable:
                raise ValueError("assignment destination is read-only")
        if donated:
            kept = [None if number in donated else value for number, value in enumerate(args)]
            found = self._pack(kept, outputs, held)
        else:
            found = self._pack(args, outputs, held)
        for number, output in self.writes:
            args[number][...] = outputs[output]
        if not self.slots:
            return found
        found, stored = found
        for slot, value in zip(self.slots, stored, strict=True):
            slot.store(value)
        return found

    def user_level(self, users: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Return the result inside transformations, where arguments and outputs may be traced."""
        return tree.unflatten(
            self.structure, self._leaves(users, lambda number: to_user(outputs[number]))
        )

    def _pack(self, args: Sequence[Any], outputs: Sequence[Any], held: frozenset[int]) -> Any:
        """Return the tree of results.

        `held` are the identities of arrays that the program owns (its constants); results do not
        share memory with them, with the arguments or with each other.
        """
        if self.plain and type(outputs[0]) is not np.ndarray:
            return tree.unflatten(self.structure, outputs)
        taken: set[int] = {id(owner_of(value)) for value in args if type(value) is np.ndarray}
        taken.update(held)
        return tree.unflatten(
            self.structure, self._leaves(args, lambda number: _own(outputs[number], taken))
        )

    def _leaves(self, args: Sequence[Any], output: Callable[[int], Any]) -> list[Any]:
        """Return the leaves of the result; views of one root share it, as in the recording."""
        made: dict[Any, Any] = {}
        leaves = []
        for recipe in self.recipes:
            how = recipe[0]
            if how == "constant":
                leaves.append(recipe[1])
            elif how == "copy":
                leaves.append(recipe[1].copy())
            elif how == "input":
                leaves.append(_view(args[recipe[1]], recipe[2]))
            elif how == "output":
                leaves.append(output(recipe[1]))
            else:
                _, number, path, root = recipe
                if root not in made:
                    made[root] = output(number)
                leaves.append(_view(made[root], path))
        return leaves


def _shared_roots(leaves: Sequence[Any]) -> dict[int, int]:
    """Count how many leaves show each root."""
    counts: dict[int, int] = {}
    for leaf in leaves:
        if type(leaf) is Array:
            root = leaf if leaf.root is None else leaf.root
            counts[id(root)] = counts.get(id(root), 0) + 1
    return counts


def _is_input(trace: GuardingTrace, handle: Array, number: int) -> bool:
    """Return whether a handle on an argument still holds what it came with."""
    raw = handle.value
    return trace.owns(raw) and raw.payload.variable is trace.inputs[number]


def _view(array: Any, path: Path) -> Any:
    """Return the part of an array, or of a handle, that a path leads to."""
    if type(array) is not Array:
        return follow(array, path) if path else array
    for step in path:
        array = make_view(array, step)
    return array


def owner_of(array: Any) -> Any:
    """Return the array, or other object, that owns the memory of an array."""
    while type(array) is np.ndarray and array.base is not None:
        array = array.base
    return array


def _own(value: Any, taken: set[int]) -> Any:
    """Return a value that shares no memory with what was given out or belongs to others."""
    if type(value) is not np.ndarray:
        return value
    owner = id(owner_of(value))
    if owner in taken:
        return value.copy(order="K")
    taken.add(owner)
    return value


def constants_of(operands: Sequence[Operand]) -> frozenset[int]:
    """Return the identities of the owners of the arrays among literals."""
    return frozenset(
        id(owner_of(operand.value))
        for operand in operands
        if isinstance(operand, Literal) and type(operand.value) is np.ndarray
    )
