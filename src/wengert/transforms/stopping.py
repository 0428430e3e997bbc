"""Constants on purpose: ``stop_gradient``, and ``no_grad``, in which nothing is recorded."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any

from .. import tree
from ..ir.primitive import Primitive
from ..ops.kinds import stop_gradient_of
from ..tracing.core import Trace, bind, levels
from .forward import ForwardTrace
from .linearize import LinearizingTrace
from .reverse import ReverseTrace
from .watching import WatchingForward, WatchingLinearizing, WatchingReverse


def stop_gradient(x: Any) -> Any:
    """Return `x` with a derivative of zero.

    Parameters
    ----------
    x : tree of arrays or numbers

    Returns
    -------
    tree
        The same values; every transformation that is running takes them for constants.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.grad(lambda x: x * wg.stop_gradient(x))(3.0)
    3.0
    """
    return tree.map(stop_gradient_of, x)


class _Paused(Trace):
    """What a trace does while it is paused: its values count as constants."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        return bind(primitive, *[self.lower(value) for value in args], **params)

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        return self.process(primitive, [x, y], {})


class _PausedForward(_Paused, ForwardTrace):
    __slots__ = ()


class _PausedReverse(_Paused, ReverseTrace):
    __slots__ = ()


class _PausedLinearizing(_Paused, LinearizingTrace):
    __slots__ = ()


class _PausedWatchingForward(_Paused, WatchingForward):
    __slots__ = ()


class _PausedWatchingReverse(_Paused, WatchingReverse):
    __slots__ = ()


class _PausedWatchingLinearizing(_Paused, WatchingLinearizing):
    __slots__ = ()


# A live trace changes its class while it is paused: recording pays nothing for the possibility.
_PAUSED: dict[type[Trace], type[Trace]] = {
    ForwardTrace: _PausedForward,
    ReverseTrace: _PausedReverse,
    LinearizingTrace: _PausedLinearizing,
    WatchingForward: _PausedWatchingForward,
    WatchingReverse: _PausedWatchingReverse,
    WatchingLinearizing: _PausedWatchingLinearizing,
}


class no_grad(contextlib.ContextDecorator):
    """A context, or a decorator, in which nothing is recorded: what is computed is constant.

    It pauses the derivatives that are running around it; one that starts inside runs as ever.

    Examples
    --------
    >>> import wengert as wg
    >>> def f(x):
    ...     with wg.no_grad():
    ...         scale = x * x
    ...     return scale * x
    >>> wg.grad(f)(3.0)
    9.0
    """

    def __init__(self) -> None:
        self._entered: list[list[tuple[Trace, type[Trace], Any]]] = []

    def __enter__(self) -> no_grad:
        paused = []
        for trace in levels.traces:
            kind = _PAUSED.get(type(trace))
            if kind is not None:
                paused.append((trace, type(trace), trace.scalar_rows))
                trace.__class__ = kind
                trace.scalar_rows = None
        self._entered.append(paused)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for trace, before, rows in self._entered.pop():
            trace.__class__ = before
            trace.scalar_rows = rows
