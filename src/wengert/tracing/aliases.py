"""Forms of arrays whose strides are not known: a new shape may be a view of them, or a copy.

Handles refuse a write of which it is not known what else it changes.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ..errors import AliasingError

if TYPE_CHECKING:
    from .core import Array


class Form:
    """How an array came of another one by a change of shape, whether that is a view or a copy.

    ``path``, with its index operands, leads from the `source`, which may be gone, to what was given
    the new shape by the method `how` with some `arguments`; `earlier` is the form of the source.
    """

    __slots__ = ("arguments", "earlier", "how", "indices", "path", "source")

    def __init__(self, given: Array, how: str, arguments: tuple[Any, ...]) -> None:
        root = given if given._root is None else given._root
        self.source = weakref.ref(root)
        self.path = given._path
        self.indices = given._indices
        self.how = how
        self.arguments = arguments
        self.earlier = form_of(root)


class _Related(weakref.ref[Any]):
    """A reference to a handle whose form is known."""

    __slots__ = ("form",)
    form: Form


def form_of(root: Array) -> Form | None:
    """Return how an array of unknown layout came of another one; None where it did not."""
    for reference in root._relatives or ():
        if type(reference) is _Related and reference() is root:
            return reference.form
    return None


def note_unknown_alias(
    first: Array, second: Array, how: str = "", arguments: tuple[Any, ...] = ()
) -> None:
    """Note that two handles may or may not share memory: strides are not known while staging.

    ``relatives`` are those handles; an empty list is had by an array of unknown layout without any.
    The second one is what the method `how` makes of the first.
    """
    roots = [handle if handle._root is None else handle._root for handle in (first, second)]
    group = roots[0]._relatives or [weakref.ref(roots[0])]
    related: weakref.ref[Any] = weakref.ref(roots[1])
    if how:
        related = _Related(roots[1])
        related.form = Form(first, how, arguments)
    group.append(related)
    for root in roots:
        root._relatives = group


def refuse_unknown_alias(root: Array) -> None:
    """Raise when a root that is about to be written may share memory with a living handle."""
    for reference in root._relatives or ():
        other = reference()
        if other is not None and other is not root:
            raise AliasingError(
                "an array is written while a reshaped or ravelled form of it is alive. Whether "
                "that is a view or a copy depends on strides, which are not known while the "
                "program is staged. Say which is meant: x.copy().reshape(…) for a copy; for a "
                "view, write before reshaping, or let go of the other name."
            )
