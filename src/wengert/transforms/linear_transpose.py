"""Linear functions: their transpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, NotLinearError
from ..ir.aval import aval_of, zeros_of
from ..ir.primitive import Primitive
from ..tracing.core import Traced, raw_of, to_user
from ..tracing.creation import begin, end
from .arguments import (
    Leaves,
    attach,
    check_callable,
    fit_change,
    immediate,
    transformed,
)
from .reverse import ReverseTrace
from .run import finish


class _LinearTrace(ReverseTrace):
    """A reverse trace that accepts linear operations only."""

    __slots__ = ()

    def __init__(self, description: Callable[..., Any] | str, inputs: Sequence[Any]) -> None:
        super().__init__(description, inputs, copies=True)
        self.scalar_rows = None  # every operation is looked at

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        """Look at the operation; the short way of reverse mode would not."""
        return self.process(primitive, [x, y], {})

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Record an operation that is linear in its traced operands together."""
        which = tuple(
            index
            for index, value in enumerate(args)
            if type(value) is Traced and value._trace is self
        )
        if not primitive.linear(which, params):
            raise NotLinearError(
                f"linear_transpose: {primitive.name} is not linear in what it is applied to here; "
                "use wengert.vjp for the transpose of the derivative at a point"
            )
        return super().process(primitive, args, params)


@immediate
def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[..., Any]:
    """Return the transpose of a linear function.

    Parameters
    ----------
    fun : callable
        Linear in all its arguments together.
    *primals : trees
        Arguments of which only structure, shapes and dtypes matter.

    Returns
    -------
    callable
        Takes a tree like the output and gives a tuple of trees, one an argument:
        ⟨c, fun(x)⟩ = ⟨transpose(c), x⟩.

    Raises
    ------
    NotLinearError
        `fun` is not linear.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> transpose = wg.linear_transpose(lambda x: np.array([3.0 * x, 5.0 * x]), 1.0)
    >>> transpose(np.array([1.0, 10.0]))
    (53.0,)
    """
    check_callable(fun, "linear_transpose")
    leaves = Leaves(primals)
    zeros = [zeros_of(aval) for aval in leaves.avals]
    trace = _LinearTrace(fun, zeros)
    begin(trace)
    try:
        value = fun(*leaves.rebuild(attach(trace, zeros)))
        found, structure = tree.flatten(value)
        raw = [raw_of(leaf) for leaf in found]
    finally:
        end(trace)
    positions = []
    avals = []
    for entry in raw:
        traced = type(entry) is Traced and entry._trace is trace
        lower = entry._below if traced else entry
        if np.any(np.not_equal(to_user(lower), 0)):
            raise NotLinearError(
                "linear_transpose: the function of zero is not zero; it adds a constant"
            )
        positions.append(entry._payload if traced else None)
        avals.append(aval_of(lower))

    def transpose(cotangent: Any) -> tuple[Any, ...]:
        parts, given = tree.flatten(cotangent)
        if given != structure:
            raise ArgumentError(
                f"the cotangent has the tree structure {given}, the output has {structure}"
            )
        seeds = [
            (position, fit_change(part, aval, "cotangent"))
            for position, part, aval in zip(positions, parts, avals, strict=True)
            if position is not None
        ]
        pulled = trace.pull_back(seeds)
        finished = [
            finish(entry, value) for entry, value in zip(pulled, leaves.values, strict=True)
        ]
        return tuple(leaves.rebuild(finished))

    return transformed(fun, transpose)
