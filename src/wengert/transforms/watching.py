"""Finding the culprit: traces that stop at the first operation that makes a nan or an infinity.

In force while ``config.debug_nans`` is set; nothing is looked at, and nothing paid, otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..config import config
from ..errors import NonFiniteError
from ..ir.aval import aval_of
from ..ir.cotangent import Items, Masked, Part
from ..ir.primitive import Primitive
from ..tracing.core import Array, Batched, Trace, Traced, bind, innermost, raw_of, to_user
from ..tracing.creation import begin, end
from ..tracing.refusals import outside_line
from .forward import ForwardTrace
from .linearize import LinearizingTrace
from .reverse import ReverseTrace, pull_through_mask


def plain_parts(value: Any) -> list[Any]:
    """Return the plain numbers and arrays that a value, a cotangent or a tuple of them holds."""
    kind = type(value)
    if kind is tuple or kind is list:
        return [part for entry in value for part in plain_parts(entry)]
    if kind is Masked or kind is Part:
        return plain_parts(value.value)
    if kind is Batched:
        return plain_parts(value._below)
    if kind is Items:
        return plain_parts(value.entries)
    if kind is Array or kind is Traced:
        return plain_parts(innermost(raw_of(value)))
    if not isinstance(value, (float, complex, np.generic, np.ndarray)):
        return []
    if aval_of(value).dtype.kind not in "fc":
        return []
    return [value]


def is_finite(value: Any) -> bool:
    """Return whether no nan and no infinity is in a value, as far as it is known."""
    return all(bool(np.all(np.isfinite(part))) for part in plain_parts(value))


def _shown(values: Sequence[Any]) -> str:
    parts = []
    for value in values:
        for part in plain_parts(value):
            text = np.array2string(np.asarray(part), threshold=6, precision=6).replace("\n", "")
            parts.append(f"{aval_of(part)} {text}")
    return "; ".join(parts) if parts else "no numbers"


def _what(value: Any) -> str:
    return "nan" if any(np.any(np.isnan(part)) for part in plain_parts(value)) else "inf"


def check_result(
    primitive: Primitive,
    operands: Sequence[Any],
    result: Any,
    way: str,
    params: dict[str, Any],
    again: Callable[[WatchTrace], Any] | None = None,
) -> None:
    """Raise where an operation of finite operands has a result that is not finite.

    `again` runs what is inside a function with rules of its own, to find the operation there.
    """
    if is_finite(result) or not is_finite(list(operands)):
        return
    if again is not None:
        looked_at(again)
    raise NonFiniteError(
        f"{name_of(primitive, params)} made {_what(result)} at {outside_line()} ({way}). Its "
        f"operands were {_shown(operands)}; its result is {_shown([result])}"
    )


def name_of(primitive: Primitive, params: dict[str, Any]) -> str:
    """Return the name of an operation; of a function with rules of its own, that function's."""
    return repr(params["call"]) if primitive.family == "custom" else primitive.name


def looked_at(run: Callable[[WatchTrace], Any]) -> Any:
    """Run something under a trace that looks at every operation."""
    trace = WatchTrace("a function with rules of its own")
    begin(trace)
    try:
        return run(trace)
    finally:
        end(trace)


def _inside(
    primitive: Primitive, args: Sequence[Any], params: dict[str, Any]
) -> Callable[[WatchTrace], Any] | None:
    """Return what runs a custom function again on values that are looked at."""
    if primitive.family != "custom":
        return None
    return lambda trace: params["call"].on_leaves(
        *(to_user(trace.seen(value)) for value in args[params["captured"] :])
    )


# ------------------------------------------------------------------ traces that look


def _pull_watched(cotangent: Any, residuals: Any) -> Any:
    pull, kept, name, line, is_custom = residuals
    found = pull(cotangent, kept)
    if is_custom and not is_finite(found) and is_finite(cotangent):
        looked_at(lambda trace: pull(*(tree.map(trace.seen, entry) for entry in (cotangent, kept))))
    _check_pulled(cotangent, found, kept, name, line)
    return found


def _pull_watched_masked(cotangent: Masked, residuals: Any) -> Any:
    pull, kept, name, line, _ = residuals
    found = pull_through_mask(pull, cotangent, kept)
    _check_pulled(cotangent, found, kept, name, line)
    return found


_pull_watched.masked = _pull_watched_masked  # type: ignore[attr-defined]
_pull_watched.writes = True  # type: ignore[attr-defined]  # what is behind may want the mask as it is


def _check_pulled(cotangent: Any, found: Any, kept: Any, name: str, line: str) -> None:
    if is_finite(found) or not is_finite(cotangent):
        return
    raise NonFiniteError(
        f"the derivative of {name} at {line} made {_what(found)} (backward). It was given the "
        f"cotangent {_shown([cotangent])}, and kept {_shown([kept])}. Where the function has no "
        "derivative there, choose with np.where before it, not after"
    )


class WatchingReverse(ReverseTrace):
    """Reverse mode that looks at every result, forward and backward."""

    __slots__ = ()

    def __init__(
        self, description: Callable[..., Any] | str, inputs: Sequence[Any], *, copies: bool = False
    ) -> None:
        super().__init__(description, inputs, copies=copies)
        self.scalar_rows = None

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        """Take the long way, which looks."""
        return self.process(primitive, [x, y], {})

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Record an operation, and look at its result."""
        start = len(self.rows)
        result = super().process(primitive, args, params)
        inside = _inside(primitive, args, params)
        check_result(primitive, args, result, "forward", params, inside)
        if len(self.rows) > start:
            pull, inputs, residuals = self.rows[start]
            name = name_of(primitive, params)
            watched = (pull, residuals, name, outside_line(), primitive.family == "custom")
            self.rows[start] = (_pull_watched, inputs, watched)
        return result


class WatchingForward(ForwardTrace):
    """Forward mode that looks at every result and every tangent."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Process an operation, and look at what comes of it."""
        result = super().process(primitive, args, params)
        check_result(primitive, args, result, "forward", params, _inside(primitive, args, params))
        tangents = tuple(_tangents(result if isinstance(result, tuple) else [result], self))
        check_result(
            primitive,
            [*args, *_tangents(args, self)],
            tangents,
            "the tangent, forward",
            params,
            self._rule_again(primitive, args, params),
        )
        return result

    def _rule_again(
        self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]
    ) -> Callable[[WatchTrace], Any] | None:
        """Return what runs the rule of a custom function again on values that are looked at."""
        push = primitive.push
        if primitive.family != "custom" or push is None:
            return None
        mine = [type(value) is Traced and value._trace is self for value in args]
        primals = [v._below if own else v for v, own in zip(args, mine, strict=True)]
        changes = [v._payload if own else None for v, own in zip(args, mine, strict=True)]
        return lambda trace: push(
            [trace.seen(value) for value in primals],
            [None if change is None else trace.seen(change) for change in changes],
            params,
        )


def _tangents(values: Sequence[Any], trace: Trace) -> list[Any]:
    return [v._payload for v in values if type(v) is Traced and v._trace is trace]


class WatchingLinearizing(LinearizingTrace):
    """Forward mode on a list that looks at every result."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Record an operation, and look at its result."""
        result = super().process(primitive, args, params)
        check_result(primitive, args, result, "forward", params, _inside(primitive, args, params))
        return result


_WATCHING: dict[type[Trace], type[Any]] = {
    ReverseTrace: WatchingReverse,
    ForwardTrace: WatchingForward,
    LinearizingTrace: WatchingLinearizing,
}


def kind_of_trace(kind: type[Any]) -> type[Any]:
    """Return the kind of trace to use: one that looks, while ``config.debug_nans`` is set."""
    return _WATCHING.get(kind, kind) if config.debug_nans else kind


# ------------------------------------------------------------------ without a derivative


class WatchTrace(Trace):
    """A trace that does nothing but look."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Evaluate an operation one level down, and look at its result."""
        values = [self.lower(value) for value in args]
        with np.errstate(all="ignore"):  # the error says more than NumPy's warning
            result = bind(primitive, *values, **params)
        check_result(
            primitive, values, result, "forward", params, _inside(primitive, values, params)
        )
        if primitive.multiple:
            made = [self._watched(entry) for entry in result]
            return type(result)(*made) if hasattr(result, "_fields") else tuple(made)
        return self._watched(result)

    def _watched(self, raw: Any) -> Any:
        return Traced(self, raw, None) if aval_of(raw).dtype.kind in "fc" else raw

    def seen(self, leaf: Any) -> Any:
        """Return a value to be looked at, raw; anything else as it is."""
        raw = raw_of(leaf)
        known = type(raw) is Traced or isinstance(raw, (float, complex, np.generic, np.ndarray))
        return self._watched(raw) if known else leaf


def watched(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a function or transformation, and find what made its result not finite.

    Derivatives inside look for themselves, and know more: they come first. Where they found nothing
    the function runs again, and every operation is looked at.
    """
    leaves, structure = tree.flatten((args, kwargs))
    # The first run may write them, for its caller to see; the second one starts where it did.
    leaves = [leaf.copy() if type(leaf) is np.ndarray else leaf for leaf in leaves]
    result = function(*args, **kwargs)
    if all(map(is_finite, tree.leaves(result))):
        return result
    trace = WatchTrace(function)
    begin(trace)
    try:
        new_args, new_kwargs = tree.unflatten(
            structure, [to_user(trace.seen(leaf)) for leaf in leaves]
        )
        function(*new_args, **new_kwargs)
    finally:
        end(trace)
    return result
