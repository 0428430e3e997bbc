"""Pytrees: nested containers of arrays, flattened and rebuilt by optree.

Lists, tuples, dictionaries, named tuples and dataclasses work as they are; ``register`` adds other
classes. `None` is a tree without leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ArgumentError

if TYPE_CHECKING:
    import optree

    Structure = optree.PyTreeSpec

_NAMESPACE = "wengert"

_loaded: list[Any] = []


def _optree() -> Any:
    """Return optree, which is loaded at the first tree: numbers and arrays do without."""
    if not _loaded:
        import optree

        _loaded.append(optree)
    return _loaded[0]


def __getattr__(name: str) -> Any:
    if name == "Structure":
        return _optree().PyTreeSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Types that are certainly leaves, so that the common call flattens without asking optree.
LEAF_TYPES: frozenset[type] = frozenset(
    {float, int, complex, bool, np.ndarray, np.float64, np.float32, np.complex128}
)


def _register_dataclass(kind: type) -> None:
    import dataclasses

    names = tuple(field.name for field in dataclasses.fields(kind))

    def take_apart(value: Any) -> tuple[tuple[Any, ...], None, tuple[str, ...]]:
        return tuple(getattr(value, name) for name in names), None, names

    def rebuild(_: None, children: Iterable[Any]) -> Any:
        # As dataclasses.replace would, but without running __init__, which may convert or check.
        made: Any = object.__new__(kind)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(made, name, child)
        return made

    _optree().register_pytree_node(kind, take_apart, rebuild, namespace=_NAMESPACE)


def register(
    kind: type,
    flatten_function: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_function: Callable[[Any, Iterable[Any]], Any],
) -> None:
    """Make a class a tree node.

    Parameters
    ----------
    kind : type
        The class.
    flatten_function : callable
        ``flatten_function(value) -> (children, metadata)``.
    unflatten_function : callable
        ``unflatten_function(metadata, children) -> value``.

    Examples
    --------
    >>> import wengert as wg
    >>> class Line:
    ...     def __init__(self, slope, start):
    ...         self.slope, self.start = slope, start
    >>> wg.tree.register(
    ...     Line, lambda line: ((line.slope, line.start), None), lambda _, parts: Line(*parts))
    >>> wg.grad(lambda line: line.slope * 2.0 + line.start)(Line(1.0, 0.0)).slope
    2.0
    """
    _optree().register_pytree_node(kind, flatten_function, unflatten_function, namespace=_NAMESPACE)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of `tree`, in order, and its structure.

    Examples
    --------
    >>> import wengert as wg
    >>> leaves, structure = wg.tree.flatten({"b": 2.0, "a": (1.0, None)})
    >>> leaves
    [1.0, 2.0]
    >>> wg.tree.unflatten(structure, [10.0, 20.0])
    {'b': 20.0, 'a': (10.0, None)}
    """
    found, structure = _optree().tree_flatten(tree, namespace=_NAMESPACE)
    kinds = {type(leaf) for leaf in found}
    if kinds <= LEAF_TYPES:
        return found, structure
    unknown = [kind for kind in kinds if _is_dataclass(kind)]
    if not unknown:
        return found, structure
    for kind in unknown:
        _register_dataclass(kind)
    return flatten(tree)


def _is_dataclass(kind: type) -> bool:
    return kind not in LEAF_TYPES and hasattr(kind, "__dataclass_fields__")


def flatten_with_none(tree: Any) -> tuple[list[Any], Structure]:
    """Return leaves and structure with every None counted as a leaf."""
    flatten(tree)  # makes dataclasses known
    found: tuple[list[Any], Structure] = _optree().tree_flatten(
        tree, none_is_leaf=True, namespace=_NAMESPACE
    )
    return found


def unflatten(structure: Structure, new_leaves: Iterable[Any]) -> Any:
    """Build the tree of a structure, as `flatten` gives it, with the given leaves.

    Parameters
    ----------
    structure : Structure
    new_leaves : iterable
        As many as the structure has.

    Examples
    --------
    >>> import wengert as wg
    >>> _, structure = wg.tree.flatten({"a": (1.0, 2.0)})
    >>> wg.tree.unflatten(structure, [3.0, 4.0])
    {'a': (3.0, 4.0)}
    """
    return _optree().tree_unflatten(structure, new_leaves)


def leaves(tree: Any) -> list[Any]:
    """Return the leaves of `tree`, in order: None and empty containers have none.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.tree.leaves({"b": 2.0, "a": (1.0, None)})
    [1.0, 2.0]
    """
    return flatten(tree)[0]


def structure(tree: Any) -> Structure:
    """Return the structure of `tree`: its containers and keys, which compare equal if they are.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.tree.structure({"a": (1.0, 2.0)}) == wg.tree.structure({"a": (3, 4)})
    True
    """
    return flatten(tree)[1]


def names(tree: Any, root: str) -> list[str]:
    """Return the leaves of `tree` as one would write them, `root` being the name of the whole.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.tree.names({"b": 2.0, "a": (1.0, None)}, "params")
    ["params['a'][0]", "params['b']"]
    """
    return [accessor.codify(root) for accessor in structure(tree).accessors()]


def broadcast_prefix(prefix: Any, tree: Any) -> list[Any]:
    """Return one entry a leaf of `tree` from the upper part of such a tree; None is an entry.

    Raises ``ValueError`` where `prefix` is not the upper part of `tree`.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.tree.broadcast_prefix({"a": None, "b": 1}, {"a": [2.0, 3.0], "b": 4.0})
    [None, None, 1]
    """
    entries, structure = _optree().tree_flatten(
        prefix, is_leaf=lambda entry: entry is None, namespace=_NAMESPACE
    )
    parts = structure.flatten_up_to(tree)
    return [
        entry for entry, part in zip(entries, parts, strict=True) for _ in range(len(leaves(part)))
    ]


def map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply `function` to the leaves of one tree, or of several trees of the same structure.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.tree.map(lambda p, g: p - 0.1 * g, {"w": 1.0}, {"w": 5.0})
    {'w': 0.5}
    """
    first, shape = flatten(tree)
    columns = [first]
    for other in others:
        found, other_shape = flatten(other)
        if other_shape != shape:
            raise ArgumentError(
                f"trees of different structure: {shape} and {other_shape}; "
                "all trees given to tree.map must have the same containers and keys"
            )
        columns.append(found)
    return unflatten(shape, [function(*row) for row in zip(*columns, strict=True)])


def ravel(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Concatenate all leaves into one vector, and return the way back.

    Parameters
    ----------
    tree : tree of arrays or numbers

    Returns
    -------
    vector : array, shape (n,)
        The leaves, each raveled in C order, one after the other.
    unravel : callable
        ``unravel(vector)`` gives the tree back; leaves keep their shape, and their dtype when the
        vector is plain.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> vector, unravel = wg.tree.ravel({"a": np.ones((2, 2)), "b": 3.0})
    >>> vector
    array([1., 1., 1., 1., 3.])
    >>> unravel(2 * vector)["b"]
    6.0
    """
    found, shape = flatten(tree)
    shapes = [np.shape(leaf) for leaf in found]
    scalars = [type(leaf) in (float, int, complex) for leaf in found]
    sizes = [int(np.prod(dimensions)) for dimensions in shapes]
    total = sum(sizes)
    pieces = [np.reshape(leaf, (size,)) for leaf, size in zip(found, sizes, strict=True)]
    vector = np.concatenate(pieces) if pieces else np.zeros(0)

    def unravel(flat: Any) -> Any:
        if np.shape(flat) != (total,):
            raise ArgumentError(
                f"unravel was given an array of shape {np.shape(flat)}; "
                f"this tree needs a vector of shape ({total},)"
            )
        made = []
        start = 0
        for dimensions, size, scalar in zip(shapes, sizes, scalars, strict=True):
            if dimensions == ():
                entry = flat[start]
                made.append(entry.item() if scalar else entry)
            else:
                made.append(np.reshape(flat[start : start + size], dimensions))
            start += size
        return unflatten(shape, made)

    return vector, unravel
