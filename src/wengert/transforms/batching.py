"""Batching: a value stands for one value an example, and every operation is done for all at once.

`vmap` is what people call; `BatchTrace` processes the operations by the primitives' batch rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from .. import tree
from ..errors import ArgumentError, BatchingError, TracedWriteError
from ..ir.aval import Aval, aval_of
from ..ir.primitive import Primitive
from ..ops.batch_rules import moved, one_by_one, spread_over
from ..tracing.core import (
    Array,
    Batched,
    Trace,
    Traced,
    innermost,
    raw_of,
    to_user,
    write_handle,
)
from ..tracing.creation import begin, end
from ..tracing.keys import MASK_LENGTH, Length
from ..tracing.refusals import outside_line
from .arguments import check_callable, transformed

# The kind of a 0-d result of these families, and of ufuncs, is always that of a NumPy scalar.
_SCALAR_RESULTS = frozenset({"reducer", "core"})


class BatchTrace(Trace):
    """A trace whose values are `Batched`: all examples one level down, along a batch axis."""

    __slots__ = ("size",)
    batches = True

    def __init__(self, description: Callable[..., Any] | str, size: int) -> None:
        super().__init__(description)
        self.size = size

    def wrap(self, value: Any, axis: int, kind: str | None = None) -> Traced:
        """Return a traced value for a raw one with its batch axis at `axis`."""
        aval = aval_of(value)
        shape = aval.shape[:axis] + aval.shape[axis + 1 :]
        if kind is None or kind == "python" or shape:
            kind = "array" if shape else "scalar"
        return Traced(self, Batched(value, axis, Aval(shape, aval.dtype, kind)), None)  # type: ignore[arg-type]

    def examples(self, value: Any) -> Any:
        """Return the raw values of all examples, along axis 0, of a user-level value."""
        raw = raw_of(value)
        if type(raw) is Traced and raw._trace is self:
            return spread_over(raw._below._below, raw._below.axis, self.size)
        return spread_over(raw, None, self.size)

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Carry out an operation one level down, for all examples, by the batch rule."""
        values = []
        axes: list[int | None] = []
        for value in args:
            if type(value) is Traced and value._trace is self:
                batched = value._below
                values.append(batched._below)
                axes.append(batched.axis)
            else:
                values.append(self.lower(value))
                axes.append(None)
        rule = primitive.batch or one_by_one(primitive)
        ans, axis = rule(values, axes, params)
        if primitive.multiple:
            kinds = self._kinds(primitive, args, params, ans, axis)
            return tuple(
                entry if place is None else self.wrap(entry, place, kind)
                for entry, place, kind in zip(ans, axis, kinds, strict=True)
            )
        if axis is None:
            return ans
        (kind,) = self._kinds(primitive, args, params, (ans,), (axis,))
        return self.wrap(ans, axis, kind)

    def _kinds(
        self,
        primitive: Primitive,
        args: Sequence[Any],
        params: dict[str, Any],
        results: Sequence[Any],
        axes: Sequence[int | None],
    ) -> list[str | None]:
        """Return the kinds of results; only those of 0-d ones are in question."""
        if isinstance(primitive.numpy, np.ufunc) or primitive.family in _SCALAR_RESULTS:
            return [None] * len(results)
        if all(
            axis is None or np.ndim(result) > 1 for result, axis in zip(results, axes, strict=True)
        ):
            return [None] * len(results)
        inferred = primitive.infer(*map(aval_of, args), **params)
        return [aval.kind for aval in (inferred if primitive.multiple else (inferred,))]

    def demand(self, traced: Traced, purpose: str) -> NoReturn:
        """Refuse: examples differ."""
        raise self.refusal(aval_of(traced), purpose)

    def refusal(self, aval: Aval, purpose: str, line: str = "") -> BatchingError:
        """Return the error of a program that asks for what examples differ in."""
        instead = (
            "Choose with numpy.where, or with wengert.cond, wengert.while_loop and their kin, "
            "instead of if and while"
        )
        if isinstance(purpose, Length):
            instead = f"{purpose.instead}; or loop over the examples"
        elif aval.shape and aval.dtype.kind == "b":
            instead = MASK_LENGTH.instead
        elif aval.dtype.kind in "iu":
            instead = (
                "To index a plain array by it, write numpy.take(array, i, axis=0), or make the "
                "array an argument (in_axes=None), or array = np.array(array) inside the function"
            )
        return BatchingError(
            f"{purpose} at {line or outside_line()} depends on a value that differs between the "
            f"examples of vmap ({self.size} of them, each {aval}). {instead}."
        )


# ------------------------------------------------------------------ axes of arguments and results


def _prefix(axes: Any, whole: Any, name: str, what: str) -> list[Any]:
    """Return one axis a leaf of `whole` from a tree of axes that is a prefix of it."""
    if axes is None or isinstance(axes, (int, np.integer)):
        return [axes] * len(tree.leaves(whole))
    try:
        found = tree.broadcast_prefix(axes, whole)
    except ValueError:
        raise ArgumentError(
            f"{name}={axes!r} does not fit the {what}, whose structure is {tree.structure(whole)}: "
            f"it is an int or None, or a tree of these like the {what} or the upper part of it"
        ) from None
    for axis in found:
        if axis is not None and not isinstance(axis, (int, np.integer)):
            raise ArgumentError(f"{name} holds {axis!r}; an axis is an int, or None")
    return found


class _Inputs:
    """The leaves of the arguments of one call, with their axes and the number of examples."""

    def __init__(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], in_axes: Any, axis_size: int | None
    ) -> None:
        self.leaves, self.structure = tree.flatten((args, kwargs))
        if isinstance(in_axes, list):
            in_axes = tuple(in_axes)
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ArgumentError(
                f"in_axes has {len(in_axes)} entries, the function was called with {len(args)} "
                "positional arguments; give one an argument (keyword arguments have their axis 0 "
                "mapped), or one int for all"
            )
        per_argument = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
        axes: list[Any] = []
        for value, entry in zip(args, per_argument, strict=True):
            axes += _prefix(entry, value, "in_axes", "argument")
        axes += [0] * (len(self.leaves) - len(axes))
        self.axes = [self._normal(i, axis, args, kwargs) for i, axis in enumerate(axes)]
        self.size = self._size(axis_size, args, kwargs)

    def _names(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
        names = [
            name for i, value in enumerate(args) for name in tree.names(value, f"argument {i}")
        ]
        return names + [
            name for key in sorted(kwargs) for name in tree.names(kwargs[key], f"argument {key!r}")
        ]

    def _normal(
        self, i: int, axis: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> int | None:
        """Return the non-negative axis of a leaf; an error where it has none."""
        if axis is None:
            return None
        leaf = self.leaves[i]
        if type(leaf) not in (Array, Traced) and not isinstance(leaf, np.ndarray):
            known = aval_of(leaf) if hasattr(leaf, "shape") or np.isscalar(leaf) else None
            if known is None or not known.shape:
                raise ArgumentError(
                    f"vmap maps over axis {axis} of {self._names(args, kwargs)[i]}, which is "
                    f"{leaf!r:.40} ({type(leaf).__name__}) and has no axes; say in_axes=None for "
                    "it, or pass an array"
                )
        ndim = aval_of(raw_of(leaf)).ndim
        if not -ndim <= axis < ndim:
            raise ArgumentError(
                f"vmap maps over axis {axis} of {self._names(args, kwargs)[i]}, which has the "
                f"shape {aval_of(raw_of(leaf)).shape}"
            )
        return int(axis) % ndim

    def _size(self, axis_size: int | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        sizes = {}
        for i, axis in enumerate(self.axes):
            if axis is not None:
                sizes[i] = aval_of(raw_of(self.leaves[i])).shape[axis]
        if not sizes and axis_size is None:
            raise ArgumentError(
                "vmap has nothing to map over: no argument has an axis in in_axes; give one, or "
                "say how many examples there are: axis_size=n"
            )
        expected = axis_size if axis_size is not None else next(iter(sizes.values()))
        if any(size != expected for size in sizes.values()):
            names = self._names(args, kwargs)
            listed = ", ".join(
                f"{names[i]} has {size} along axis {self.axes[i]}" for i, size in sizes.items()
            )
            wanted = "" if axis_size is None else f"; axis_size={axis_size} was asked for"
            raise ArgumentError(
                f"vmap maps over axes of different lengths: {listed}{wanted}. They must be equal; "
                "in_axes=None holds an argument fixed"
            )
        return int(expected)

    def attach(self, trace: BatchTrace) -> list[Any]:
        """Return user-level inputs: traced where mapped, handles on the other arrays."""
        made: list[Any] = []
        arrays = [leaf for leaf in self.leaves if isinstance(leaf, np.ndarray)]
        for leaf, axis in zip(self.leaves, self.axes, strict=True):
            raw = raw_of(leaf)
            if axis is not None:
                if type(raw) is not Traced:
                    raw = np.asarray(raw)
                    if raw.dtype.kind not in "biufc":
                        raise ArgumentError(
                            f"vmap cannot map over an array of dtype {raw.dtype}; hold it fixed "
                            "with in_axes=None"
                        )
                made.append(to_user(trace.wrap(raw, axis)))
            elif type(leaf) is Array or (type(raw) is np.ndarray and raw.dtype.kind in "biufc"):
                made.append(Array(raw))
            else:
                made.append(leaf)
            if type(made[-1]) is Array and len(arrays) > 1:
                made[-1]._siblings = tuple(arrays)
        return made


def _write_through(trace: BatchTrace, inputs: _Inputs, made: Sequence[Any]) -> None:
    """Write to the caller's arrays what the function wrote to its arguments."""
    for leaf, axis, handle in zip(inputs.leaves, inputs.axes, made, strict=True):
        if type(handle) is not Array:
            continue
        before, after = raw_of(leaf), handle._below
        if type(after) is Traced and after._trace is trace:
            batched = after._below
            if batched._below is before and batched.axis == axis:
                continue
            if axis is None:
                raise ArgumentError(
                    "an argument with in_axes=None was written with values that differ between "
                    "examples; map over it, or write to a copy: x = x.copy()"
                )
            found = moved(batched._below, batched.axis, axis)
        elif after is before:
            continue
        else:
            found = after if axis is None else _placed(spread_over(after, None, trace.size), axis)
        if type(leaf) is Array:
            write_handle(leaf, (("index", Ellipsis),), found)
        elif type(found) is Traced:
            raise TracedWriteError(
                "a function under vmap wrote a traced value into one of its arguments, a plain "
                "array of the caller's, which cannot hold it: its derivative would be dropped. "
                "Make the array one that can, before the call: A = np.array(A)."
            )
        elif found is not leaf:
            np.copyto(leaf, found)


def _placed(value: Any, axis: int) -> Any:
    return moved(value, 0, axis)


def _result(trace: BatchTrace, leaf: Any, axis: Any, inputs: _Inputs) -> Any:
    """Return one leaf of the result with its examples along `axis`."""
    raw = raw_of(leaf)
    if not (type(raw) is Traced and raw._trace is trace):
        if axis is None:
            return leaf if type(leaf) is not Array or type(raw) is Traced else raw
        if aval_of(raw).dtype.kind not in "biufc":
            raise ArgumentError(
                f"the function under vmap returned {leaf!r:.40} ({type(leaf).__name__}), which "
                "cannot be stacked; return numbers and arrays, or say out_axes=None for it"
            )
        place, value = 0, spread_over(raw, None, trace.size)
    else:
        if axis is None:
            raise ArgumentError(
                f"out_axes=None was given for a result ({aval_of(raw)}) that differs between "
                "examples; give an axis, or reduce over the examples outside vmap"
            )
        place, value = raw._below.axis, raw._below._below
    ndim = aval_of(value).ndim
    if not -ndim <= axis < ndim:
        raise ArgumentError(
            f"out_axes holds {axis}, the result of one example has {ndim - 1} axes: it is between "
            f"{-ndim} and {ndim - 1}"
        )
    value = moved(value, place, int(axis) % ndim)
    if type(value) is np.ndarray:
        shares = not value.flags.writeable or any(
            isinstance(entry, np.ndarray) and np.may_share_memory(value, entry)
            for entry in map(_plain, inputs.leaves)
        )
        return np.array(value, order="C") if shares else value
    return to_user(value)


def _plain(leaf: Any) -> Any:
    return innermost(raw_of(leaf)) if type(leaf) is Array else leaf


# ------------------------------------------------------------------ what people call


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    axis_size: int | None = None,
) -> Callable[..., Any]:
    """Return a function that applies `fun` to each of many examples, all at once.

    The result is that of a loop over the examples with the results stacked; every operation is
    carried out once, on arrays with one axis more.

    Parameters
    ----------
    fun : callable
        Takes and returns trees of arrays and numbers.
    in_axes : int, None, or tuple of trees of these, one an argument
        The axis along which an argument holds its examples, which may be negative; None for one
        that is the same for all. A tree of axes may stop above the leaves of its argument. Keyword
        arguments hold their examples along axis 0.
    out_axes : int, None, or tree of these
        Where the results have the axis of the examples. A result that does not depend on the
        example is repeated; None returns it once.
    axis_size : int, optional
        The number of examples, where no argument tells.

    Returns
    -------
    callable
        Takes the arguments of `fun`, with the axis of examples. What `fun` writes to its arguments
        is written to the caller's arrays when the call returns.

    Raises
    ------
    ArgumentError
        The axes do not fit the arguments, or have different lengths.
    BatchingError
        The function asks for a value that differs between examples, in ``if``, ``while``,
        ``int(x)``: the message names the line.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.vmap(np.dot)(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [0.0, 2.0]]))
    array([3., 8.])

    The gradient for each example:

    >>> loss = lambda w, x, y: (x @ w - y) ** 2
    >>> w, x, y = np.zeros(2), np.eye(2), np.array([1.0, 2.0])
    >>> wg.vmap(wg.grad(loss), in_axes=(None, 0, 0))(w, x, y)
    array([[-2., -0.],
           [-0., -4.]])
    """
    check_callable(fun, "vmap")
    if axis_size is not None and (not isinstance(axis_size, (int, np.integer)) or axis_size < 0):
        raise ArgumentError(f"axis_size is a number of examples, got {axis_size!r}")

    def call(*args: Any, **kwargs: Any) -> Any:
        inputs = _Inputs(args, kwargs, in_axes, axis_size)
        trace = BatchTrace(fun, inputs.size)
        begin(trace)
        try:
            made = inputs.attach(trace)
            new_args, new_kwargs = tree.unflatten(inputs.structure, made)
            value = fun(*new_args, **new_kwargs)
            leaves, structure = tree.flatten(value)
            axes = _prefix(out_axes, value, "out_axes", "result")
            results = [
                _result(trace, leaf, axis, inputs) for leaf, axis in zip(leaves, axes, strict=True)
            ]
        finally:
            end(trace)
        _write_through(trace, inputs, made)
        return tree.unflatten(structure, results)

    return transformed(fun, call)
