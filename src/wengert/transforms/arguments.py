"""Arguments of transformations: which are selected, their leaves, and what leaves may be."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from .. import tree
from ..config import config
from ..errors import (
    ArgumentError,
    NotDifferentiableError,
    TangentError,
    hide_own_frames,
)
from ..ir.aval import Aval, aval_of, zeros_of
from ..tracing.core import Array, Trace, Traced, is_array_kind, levels, raw_of, to_user
from ..tracing.creation import settle
from ..tracing.refusals import refusal_behind
from .watching import watched

Argnums = int | str | Sequence[int | str]
Entry = TypeVar("Entry", bound=Callable[..., Any])


def transformed(function: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """Give `wrapper` the name, docstring and signature of the user's function, and clean errors."""

    @functools.wraps(function, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        depth = levels.depth
        try:
            if config.debug_nans and not depth:
                return watched(wrapper, args, kwargs)
            return wrapper(*args, **kwargs)
        except BaseException as error:
            if levels.depth != depth:  # an interrupt came when a trace was about to end
                settle(depth)
            if not isinstance(error, Exception):
                raise
            refused = refusal_behind(error)
            if not config.full_tracebacks:
                hide_own_frames(error)
            if refused is None:
                raise
            where = error.__traceback__
        raise refused.with_traceback(None if where is None else where.tb_next)

    return call


def immediate(function: Entry) -> Entry:
    """Decorate a transformation that calls the user's function at once: clean errors."""
    return cast(Entry, transformed(function, function))


def check_callable(function: Any, name: str) -> None:
    """Raise unless the first argument of a transformation is a function."""
    if callable(function):
        return
    if ":" in name or "(" in name:  # an argument of something that is called at once
        raise ArgumentError(f"{name} must be a function, got {type(function).__name__}")
    raise ArgumentError(
        f"{name} takes a function as its first argument, got {type(function).__name__}. "
        f"Write {name}(f)(x), not {name}(f(x))."
    )


# ------------------------------------------------------------------ selection


class Selection:
    """The arguments that a transformation differentiates, by position or by name."""

    def __init__(self, function: Callable[..., Any], argnums: Argnums) -> None:
        self.function = function
        self.single = isinstance(argnums, (int, np.integer, str))
        several = isinstance(argnums, Iterable) and not self.single
        entries: tuple[Any, ...] = tuple(argnums) if several else (argnums,)  # type: ignore[arg-type]
        if not entries:
            raise ArgumentError("argnums is empty; name at least one argument")
        for entry in entries:
            if isinstance(entry, bool) or not isinstance(entry, (int, np.integer, str)):
                raise ArgumentError(
                    f"argnums takes an int, an argument name, or a tuple of these, got {argnums!r}"
                )
        if len(set(entries)) != len(entries):
            raise ArgumentError(f"argnums names an argument twice: {argnums!r}")
        self.entries: tuple[int | str, ...] = entries
        # The common case, kept free of loops: one argument by position.
        self.position = entries[0] if self.single and isinstance(entries[0], int) else None

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return the selected argument values."""
        position = self.position
        if position is not None and 0 <= position < len(args):
            return (args[position],)
        keys = self._keys(args, kwargs)
        return tuple(args[key] if isinstance(key, int) else kwargs[key] for key in keys)

    def replace(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], values: Sequence[Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with the selected ones replaced."""
        position = self.position
        if position is not None and 0 <= position < len(args):
            if len(args) == 1:
                return (values[0],), kwargs
            return (*args[:position], values[0], *args[position + 1 :]), kwargs
        new_args = list(args)
        new_kwargs = dict(kwargs)
        for key, value in zip(self._keys(args, kwargs), values, strict=True):
            if isinstance(key, int):
                new_args[key] = value
            else:
                new_kwargs[key] = value
        return tuple(new_args), new_kwargs

    def _keys(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int | str]:
        """Return where each selected argument stands in this call."""
        names = positional_names(self.function)
        keys: list[int | str] = []
        for entry in self.entries:
            if isinstance(entry, str):
                if entry in kwargs:
                    keys.append(entry)
                    continue
                if entry in names and names.index(entry) < len(args):
                    keys.append(names.index(entry))
                    continue
                known = ", ".join([*names, *(k for k in kwargs if k not in names)])
                raise ArgumentError(
                    f"argnums names {entry!r}, which is not an argument of this call; "
                    f"the function has ({known})"
                )
            index = int(entry) + (len(args) if entry < 0 else 0)
            if 0 <= index < len(args):
                keys.append(index)
            elif 0 <= int(entry) < len(names) and names[int(entry)] in kwargs:
                keys.append(names[int(entry)])
            else:
                raise ArgumentError(
                    f"argnums is {entry}, but the function was called with {len(args)} "
                    f"positional argument{'s' * (len(args) != 1)}; it counts from 0, and from "
                    "the end if negative"
                )
        if len(set(keys)) != len(keys):
            raise ArgumentError(
                f"argnums names an argument of this call twice: {self.entries!r} are the "
                f"arguments {', '.join(map(repr, keys))}"
            )
        return keys

    def pack(self, results: Sequence[Any]) -> Any:
        """Return one result for a single argnum, a tuple otherwise."""
        return results[0] if self.single else tuple(results)


def positional_names(function: Callable[..., Any], *, required: bool = False) -> list[str]:
    """Return the names of the arguments that may be given by position.

    With `required`, only those without a default. Empty for a builtin without a signature.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        parameter.name
        for parameter in parameters
        if parameter.kind in kinds
        and not (required and parameter.default is not inspect.Parameter.empty)
    ]


def argument_names(function: Callable[..., Any], count: int) -> list[str]:
    """Return names of the first `count` positional arguments, ``x1, x2, …`` where unknown."""
    names = positional_names(function)[:count]
    return names + [f"x{i + 1}" for i in range(len(names), count)]


# ------------------------------------------------------------------ leaves


class Leaves:
    """The leaves of the selected arguments, checked and raw, with the way back to trees."""

    __slots__ = ("plain", "structures", "values")

    def __init__(self, trees: Sequence[Any], *, what: str = "differentiate") -> None:
        self.plain = True  # every argument is one leaf
        self.values: list[Any] = []
        self.structures: list[tuple[tree.Structure | None, int]] = []
        if len(trees) == 1 and type(trees[0]) is float:
            self.values.append(trees[0])
            self.structures.append((None, 1))
            return
        for argument in trees:
            if type(argument) in tree.LEAF_TYPES or type(argument) in (Array, Traced):
                self.values.append(as_primal(argument, what))
                self.structures.append((None, 1))
                continue
            self.plain = False
            found, structure = tree.flatten(argument)
            self.values += [as_primal(leaf, what) for leaf in found]
            self.structures.append((structure, len(found)))

    @property
    def avals(self) -> list[Aval]:
        """What is known of each leaf without its entries."""
        return [aval_of(value) for value in self.values]

    def rebuild(self, leaves: Sequence[Any]) -> list[Any]:
        """Return one tree an argument with the given leaves."""
        if self.plain:
            return list(leaves)
        made = []
        start = 0
        for structure, count in self.structures:
            if structure is None:
                made.append(leaves[start])
            else:
                made.append(tree.unflatten(structure, leaves[start : start + count]))
            start += count
        return made

    def matching(self, trees: Sequence[Any], what: str) -> list[Any]:
        """Return the raw leaves of trees that must have the same structure and spaces."""
        if len(trees) != len(self.structures):
            raise TangentError(
                f"{len(trees)} {what}s were given for {len(self.structures)} primals"
            )
        found: list[Any] = []
        for argument, (structure, _) in zip(trees, self.structures, strict=True):
            if structure is None:
                found.append(argument)
                continue
            leaves, given = tree.flatten(argument)
            if given != structure:
                raise TangentError(
                    f"the {what} has the tree structure {given}, its primal has {structure}"
                )
            found += leaves
        return [
            fit_change(change, aval, what) for change, aval in zip(found, self.avals, strict=True)
        ]


def as_primal(leaf: Any, what: str = "differentiate") -> Any:
    """Return the raw value of a leaf that is differentiated; an error where none can be."""
    kind = type(leaf)
    if kind is float or kind is np.float64 or kind is complex:
        return leaf
    if kind is int:
        return float(leaf)
    if kind is Array or kind is Traced:
        leaf = raw_of(leaf)
        kind = type(leaf)
        if kind is Traced:
            aval = aval_of(leaf)
            if aval.dtype.kind in "fc":
                return leaf
            if aval.kind == "python" and aval.dtype.kind == "i":
                return raw_of(leaf + 0.0)  # exact wherever float() is
            raise _no_neighbourhood(aval, what)
    if kind is np.ndarray or isinstance(leaf, np.generic):
        if leaf.dtype.kind in "fc":
            return leaf
        raise _no_neighbourhood(aval_of(leaf), what)
    if isinstance(leaf, (np.matrix, np.ma.MaskedArray)):
        raise NotDifferentiableError(
            f"cannot {what} with respect to a {kind.__name__}; pass a plain array: np.asarray(x)"
        )
    if isinstance(leaf, np.ndarray):
        return as_primal(np.asarray(leaf), what)
    if isinstance(getattr(leaf, "dtype", None), np.dtype) and hasattr(leaf, "__array_ufunc__"):
        return leaf  # a foreign array that speaks NumPy's protocols
    raise NotDifferentiableError(
        f"cannot {what} with respect to a leaf of type {kind.__name__} ({leaf!r:.60}). Leaves "
        "must be floats, complex numbers or arrays of them. Give what is not to be differentiated "
        "as another argument, which argnums does not name, or by a closure: lambda x: f(x, other)."
    )


def _no_neighbourhood(aval: Aval, what: str) -> NotDifferentiableError:
    if aval.kind == "array":
        return NotDifferentiableError(
            f"cannot {what} with respect to an array of dtype {aval.dtype} "
            f"(shape {aval.shape}): it has no neighbourhood. Convert it: x.astype(float)."
        )
    name = "NumPy scalar" if aval.kind == "scalar" else "number"
    return NotDifferentiableError(
        f"cannot {what} with respect to a {name} of dtype {aval.dtype}; convert it: float(x)."
    )


def fit_change(change: Any, aval: Aval, what: str) -> Any:
    """Return a raw tangent or cotangent in the space of `aval`; an error where it does not fit."""
    if change is None:
        return zeros_of(aval)
    raw = raw_of(change)
    given = aval_of(raw)
    if given.shape != aval.shape:
        raise TangentError(
            f"a {what} of shape {given.shape} was given for a value of shape {aval.shape}; "
            "they must be equal"
        )
    if given.dtype == aval.dtype:
        return raw
    if given.dtype.kind not in "biufc" or (given.is_complex and not aval.is_complex):
        raise TangentError(
            f"a {what} of dtype {given.dtype} was given for a value of dtype {aval.dtype}"
        )
    if type(raw) is Traced:
        return raw_of(raw.astype(aval.dtype))
    return np.asarray(raw, dtype=aval.dtype) if aval.shape else aval.dtype.type(raw)


def attach(trace: Trace, values: Sequence[Any]) -> list[Any]:
    """Return user-level inputs traced by position; arrays know each other, in case of overlap."""
    if len(values) == 1 and type(values[0]) is float:
        return [Traced(trace, values[0], 0)]
    inputs: list[Any] = []
    arrays = []
    for position, value in enumerate(values):
        traced = Traced(trace, value, position)
        if not is_array_kind(value):
            inputs.append(traced)
            continue
        handle = Array(traced)
        inputs.append(handle)
        if type(value) is np.ndarray or type(value) is Traced:
            arrays.append((handle, value))
    if len(arrays) > 1:
        siblings = tuple(value for _, value in arrays)
        for handle, _ in arrays:
            handle._siblings = siblings
    return inputs


def note_others(inputs: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Let traced arrays know the arrays among the other arguments, in case of overlap."""
    others = tuple(v for v in (*args, *kwargs.values()) if type(v) is np.ndarray)
    if others:
        for handle in inputs:
            if type(handle) is Array:
                known = handle._siblings or (handle._below,)
                handle._siblings = (*known, *others)


def detach_tree(trace: Trace, value: Any) -> Any:
    """Return a tree with the values of `trace` replaced by those one level down."""
    return tree.map(lambda leaf: _detach_leaf(trace, leaf), value)


def _detach_leaf(trace: Trace, leaf: Any) -> Any:
    raw = raw_of(leaf)
    if type(raw) is Traced and raw._trace is trace:
        lower = raw._below
        return to_user(lower) if type(lower) is Traced else lower
    if type(leaf) is Array and type(raw) is np.ndarray:
        return raw
    return leaf
