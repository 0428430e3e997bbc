"""One run of a function under a trace that keeps a list: its leaves, outputs and what it kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError
from ..ir.aval import aval_of, zeros_of
from ..ops.kinds import with_kind
from ..tracing.core import Array, Traced, levels, raw_of, to_user
from ..tracing.creation import begin, end
from .arguments import Leaves, Selection, attach, detach_tree, note_others
from .linearize import LinearizingTrace
from .reverse import ReverseTrace
from .watching import kind_of_trace


class Run:
    """A function run once: its trace, leaves, outputs, and auxiliary output.

    ``outputs`` holds for each leaf of the output its value one level down and its position on the
    list of the trace, None where it does not depend on the leaves. Subclasses say which trace.
    """

    __slots__ = ("aux", "leaves", "outputs", "structure", "trace")
    kind: type[ReverseTrace] | type[LinearizingTrace]
    trace: Any

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        selection: Selection,
        *,
        has_aux: bool = False,
        copies: bool = False,
    ) -> None:
        leaves = Leaves(selection.take(args, kwargs))
        values = leaves.values
        trace = kind_of_trace(self.kind)(function, values, copies=copies)
        if levels.depth:
            function = levels.traces[-1].before_derivative(function)
        begin(trace)
        try:
            handles = attach(trace, values)
            inputs = handles if leaves.plain else leaves.rebuild(handles)
            args, kwargs = selection.replace(args, kwargs, inputs)
            if len(args) + len(kwargs) > len(inputs):
                note_others(handles, args, kwargs)
            value = function(*args, **kwargs)
            self.aux = None
            if has_aux:
                value, aux = split_aux(value)
                self.aux = detach_tree(trace, aux)
            kind = type(value)
            if kind is Traced or kind is Array:
                self.structure = None
                raw = [value if kind is Traced else raw_of(value)]
            else:
                found, self.structure = tree.flatten(value)
                raw = [raw_of(leaf) for leaf in found]
        except BaseException:
            end(trace)
            trace.release()
            raise
        end(trace)
        self.trace = trace
        self.leaves = leaves
        self.outputs = [
            (entry._below, entry._payload)
            if type(entry) is Traced and entry._trace is trace
            else (entry, None)
            for entry in raw
        ]

    def tree_of(self, leaves: Sequence[Any]) -> Any:
        """Return the output tree with the given leaves."""
        if self.structure is None:
            return leaves[0]
        return tree.unflatten(self.structure, leaves)

    def value_tree(self) -> Any:
        """Return the value of the function, one level down."""
        return self.tree_of([result_of(value, self.trace.copies) for value, _ in self.outputs])


def split_aux(value: Any) -> tuple[Any, Any]:
    """Take apart the pair that a function with auxiliary output returns."""
    if not isinstance(value, tuple) or len(value) != 2:
        kind: Any = type(value)
        name = str(aval_of(raw_of(value))) if kind in (Traced, Array) else kind.__name__
        raise ArgumentError(
            "with has_aux=True the function must return a pair (value, auxiliary output); "
            f"it returned {name}"
        )
    return value[0], value[1]


def result_of(raw: Any, copies: bool) -> Any:
    """Return an output for the caller, who may write it while a tape that copies lives on."""
    return raw.copy() if copies and type(raw) is np.ndarray else to_result(raw)


def to_result(raw: Any) -> Any:
    """Return a value for the caller: plain, or a handle on an outer transformation's value."""
    return to_user(raw) if type(raw) is Traced else raw


def finish(cotangent: Any, like: Any) -> Any:
    """Return a derivative for the caller, with the shape, dtype and kind of a value or Aval."""
    kind = type(cotangent)
    if kind is np.ndarray and type(like) is kind and cotangent.dtype == like.dtype:
        return cotangent
    aval = aval_of(like)
    if cotangent is None:
        return zeros_of(aval)
    if kind is np.ndarray and aval.kind == "array" and cotangent.dtype == aval.dtype:
        return cotangent
    return to_result(with_kind(cotangent, aval))
