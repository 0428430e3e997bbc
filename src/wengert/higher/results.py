"""What a compiled function gives back: recipes from a program's outputs to the user's tree.

Results alias arguments exactly where they are the argument, or a view of it; what an argument was
written with is committed when everything else is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..errors import StagingError
from ..ir.equation import Literal, Operand, Variable
from ..ir.paths import Path, follow, resolved
from ..tracing.aliases import Form, form_of
from ..tracing.core import Array, Traced, innermost, make_view, raw_of, read_handle, to_user
from .guarding import GuardingTrace
from .slots import Slot

# How one leaf of the result is made; the first entry says how:
# ("constant", value), ("copy", plain array), ("output", number), ("view", number, place, root),
# ("input", number, place), ("formed", number, recipe of its source, changes of shape, place, root).
# A place is a path and the numbers of the outputs that are its index operands.
Recipe = tuple[Any, ...]
_Place = tuple[Path, tuple[int, ...]]
_WHOLE: _Place = ((), ())


class Results:
    """The outputs that a program must have, and how to make results and writes of them."""

    __slots__ = (
        "exclusive",
        "operands",
        "plain",
        "recipes",
        "slots",
        "structure",
        "values",
        "writes",
    )

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
        forms = _forms(leaves, roots)
        shared = _shared_roots(leaves, forms)
        numbers: dict[Any, int] = {}
        self.recipes: list[Recipe] = []
        for leaf in leaves:
            self.recipes.append(self._recipe(trace, roots, shared, forms, numbers, leaf))
        # (input, output): what each written argument holds in the end.
        self.writes: list[tuple[int, int]] = []
        for number, handle in enumerate(handles):
            if type(handle) is Array and not _is_input(trace, handle, number):
                self.writes.append((number, self._output(trace, numbers, handle._below)))
        # Those must not overlap others, nor those of which a derivative writes a copy.
        self.exclusive = [*(number for number, _ in self.writes), *trace.copied]
        only = len(leaves) == 1 and leaves[0] is value
        self.plain = only and self.recipes == [("output", 0)] and not self.writes

    @property
    def inputs(self) -> frozenset[int]:
        """The inputs that are part of the result, and those that are written."""
        bases = [recipe[2] if recipe[0] == "formed" else recipe for recipe in self.recipes]
        shown = [base[1] for base in bases if base[0] == "input"]
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
        forms: dict[int, _Source],
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
        root = leaf if leaf._root is None else leaf._root
        if id(root) in roots:
            return (
                "input",
                roots[id(root)],
                self._place(trace, numbers, leaf._path, leaf._indices),
            )
        source = forms.get(id(root))
        if source is not None:
            base: Recipe
            if id(source.root) in roots:
                base = ("input", roots[id(source.root)], _WHOLE)
                if not _is_input(trace, source.root, base[1]):
                    raise StagingError(
                        "a result is another shape of an argument that is written; whether it is a "
                        "view depends on strides. Return a copy of it: x.reshape(…).copy()"
                    )
            else:
                number = self._output(trace, numbers, source.root._below)
                base = ("view", number, _WHOLE, id(source.root))
            number = self._output(trace, numbers, root._below)
            changes = [
                (self._place(trace, numbers, form.path, form.indices), form.how, form.arguments)
                for form in source.forms
            ]
            place = self._place(trace, numbers, leaf._path, leaf._indices)
            return ("formed", number, base, changes, place, id(root))
        if shared[id(root)] > 1:
            number = self._output(trace, numbers, root._below)
            place = self._place(trace, numbers, leaf._path, leaf._indices)
            return ("view", number, place, id(root))
        raw = read_handle(leaf)
        if type(raw) is not Traced:
            return ("copy", np.array(raw, order="K"))
        return ("output", self._output(trace, numbers, raw))

    def _place(
        self, trace: GuardingTrace, numbers: dict[Any, int], path: Path, indices: Sequence[Any]
    ) -> _Place:
        return path, tuple(self._output(trace, numbers, index) for index in indices)

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
            self.structure,
            self._leaves(users, outputs, lambda number: to_user(outputs[number]), inside=True),
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
            self.structure, self._leaves(args, outputs, lambda number: _own(outputs[number], taken))
        )

    def _leaves(
        self,
        args: Sequence[Any],
        outputs: Sequence[Any],
        output: Callable[[int], Any],
        inside: bool = False,
    ) -> list[Any]:
        """Return the leaves of the result; views of one root share it, as in the recording.

        Whether another shape is a view is for NumPy to say, but `inside` transformations.
        """
        made: dict[Any, Any] = {}
        leaves = []
        for recipe in self.recipes:
            how = recipe[0]
            if how == "constant":
                leaves.append(recipe[1])
            elif how == "copy":
                leaves.append(recipe[1].copy())
            elif how == "input":
                leaves.append(_view(args[recipe[1]], recipe[2], outputs))
            elif how == "output":
                leaves.append(output(recipe[1]))
            elif how == "view":
                _, number, place, root = recipe
                if root not in made:
                    made[root] = output(number)
                leaves.append(_view(made[root], place, outputs))
            else:
                _, number, (base, *where), changes, place, root = recipe
                if root not in made and inside:
                    made[root] = output(number)
                elif root not in made:
                    if base == "view" and where[-1] not in made:
                        made[where[-1]] = output(where[0])
                    source = args[where[0]] if base == "input" else made[where[-1]]
                    made[root] = _changed(source, changes, outputs)
                leaves.append(_view(made[root], place, outputs))
        return leaves


class _Source(NamedTuple):
    """What an array is another shape of, and by which changes, the first one first."""

    root: Array
    forms: tuple[Form, ...]


def _forms(leaves: Sequence[Any], roots: dict[int, int]) -> dict[int, _Source]:
    """Return the sources of roots that are another shape of an argument, or of another result."""
    own = [leaf if leaf._root is None else leaf._root for leaf in leaves if type(leaf) is Array]
    shown = {*map(id, own), *roots}
    found = {}
    for root in own:
        form = form_of(root)
        changes: tuple[Form, ...] = ()
        while form is not None:
            changes = (form, *changes)
            source = form.source()
            if source is not None and id(source) in shown and id(root) not in roots:
                found[id(root)] = _Source(source, changes)
            form = form.earlier
    return found


def _changed(array: Any, changes: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """Return an array in another shape: a view where NumPy makes one."""
    for place, how, arguments in changes:
        array = _view(array, place, outputs)
        if how == "reshape":
            array = array.reshape(arguments[0], order=arguments[1])
        elif how == "ravel":
            array = array.ravel(*arguments)
        else:
            array = np.asarray(array, order=arguments[0])
    return array


def _shared_roots(leaves: Sequence[Any], forms: dict[int, _Source]) -> dict[int, int]:
    """Count how many leaves show each root, or another shape of it."""
    counts: dict[int, int] = {}
    for leaf in leaves:
        if type(leaf) is Array:
            root = leaf if leaf._root is None else leaf._root
            counts[id(root)] = counts.get(id(root), 0) + 1
            if id(root) in forms:
                source = id(forms[id(root)].root)
                counts[source] = counts.get(source, 0) + 1
    return counts


def _is_input(trace: GuardingTrace, handle: Array, number: int) -> bool:
    """Return whether a handle on an argument still holds what it came with."""
    raw = handle._below
    return trace.owns(raw) and raw._payload.variable is trace.inputs[number]


def _view(array: Any, place: _Place, outputs: Sequence[Any]) -> Any:
    """Return the part of an array, or of a handle, at a place."""
    path, operands = place
    if operands:
        path = resolved(path, [innermost(raw_of(outputs[number])) for number in operands])
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
