"""Calls back into Python from staged and compiled programs: ``pure_callback`` and ``debug``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, MissingRuleError
from ..ir.aval import Aval, aval_of
from ..ir.primitive import Primitive
from ..ops.kinds import with_kind
from ..ops.samples import Sample, array
from ..tracing.core import bind, bind_effect, raw_of, to_user
from ..transforms.arguments import check_callable, immediate
from .bodies import raw_leaves


class _Target:
    """A Python function called on plain leaves, and how they become its arguments."""

    __slots__ = ("function", "structure")

    def __init__(self, function: Callable[..., Any], structure: tree.Structure) -> None:
        self.function = function
        self.structure = structure

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))

    def __call__(self, values: Sequence[Any]) -> Any:
        args, kwargs = tree.unflatten(self.structure, values)
        return self.function(*args, **kwargs)


# ------------------------------------------------------------------ pure_callback


@immediate
def pure_callback(fun: Callable[..., Any], result_avals: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a Python function on plain NumPy values, from any transformation or compiled code.

    Parameters
    ----------
    fun : callable
        Gets plain numbers and arrays, returns a tree of them. It must depend on its arguments
        alone and change nothing: it may be called more than once, or not at all.
    result_avals : tree of Aval, or of numbers or arrays like the result
        Shape, dtype and kind of each leaf of the result.
    *args, **kwargs : trees of numbers or arrays

    Returns
    -------
    tree

    Raises
    ------
    MissingRuleError
        When it is differentiated: what `fun` does is not seen. Give it a derivative with
        `custom_jvp` or `custom_vjp`.

    Examples
    --------
    >>> import math
    >>> import wengert as wg
    >>> wg.pure_callback(math.gamma, 0.0, 5.0)
    24.0
    """
    check_callable(fun, "pure_callback")
    leaves, structure = raw_leaves((args, kwargs), "args")
    expected, out = tree.flatten(result_avals)
    avals = tuple(aval_of(raw_of(leaf)) for leaf in expected)
    target = _Target(fun, structure)
    found = bind(callback, *leaves, target=target, avals=avals)
    return tree.unflatten(out, [to_user(value) for value in found])


# outputs = pure_callback(*leaves; target, avals): `target(values)` calls the Python function on
# plain values and returns a tree whose leaves have the Avals.


def _evaluate_callback(*values: Any, target: _Target, avals: tuple[Aval, ...]) -> tuple[Any, ...]:
    found = [raw_of(leaf) for leaf in tree.leaves(target(values))]
    if len(found) != len(avals):
        raise ArgumentError(
            f"pure_callback: {target!r} returned {len(found)} leaves, result_avals names "
            f"{len(avals)}"
        )
    results = []
    for value, aval in zip(found, avals, strict=True):
        given = aval_of(value)
        if given.shape != aval.shape or not np.can_cast(given.dtype, aval.dtype, "same_kind"):
            raise ArgumentError(
                f"pure_callback: {target!r} returned {given} where result_avals says {aval}"
            )
        results.append(_as_said(value, aval))
    return tuple(results)


def _as_said(value: Any, aval: Aval) -> Any:
    if aval.kind == "array":
        return np.asarray(value, aval.dtype)
    return with_kind(aval.dtype.type(np.asarray(value)[()]), aval)


def _infer_callback(*values: Aval, target: _Target, avals: tuple[Aval, ...]) -> tuple[Aval, ...]:
    return avals


def _no_derivative(target: _Target) -> MissingRuleError:
    return MissingRuleError(
        f"pure_callback: {target!r} was differentiated, but what a call-back computes is not seen. "
        "Give it a derivative (wengert.custom_jvp or wengert.custom_vjp around the call), or say "
        "that it is constant: pure_callback(fun, avals, wengert.stop_gradient(x))"
    )


def _push_callback(primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
    raise _no_derivative(params["target"])


def _record_callback(which: Any, values: Any, params: dict[str, Any]) -> Any:
    raise _no_derivative(params["target"])


def _samples_callback() -> list[Sample]:
    structure = tree.structure(((0.0, 0.0), {}))
    avals = (Aval((3,), np.float64), Aval((), np.float64, "scalar"))
    target = _Target(lambda x, y: (np.sin(x) * y, np.sum(x)), structure)
    return [Sample(array(3), 0.5, wrt=(), target=target, avals=avals)]


callback = Primitive(
    "pure_callback",
    family="callback",
    arguments=("first",),
    evaluate=_evaluate_callback,
    infer=_infer_callback,
    push=_push_callback,
    record=_record_callback,
    multiple=True,
    samples=_samples_callback,
    fails=tuple,
)


# ------------------------------------------------------------------ debug


class debug:
    """Looking into programs that are differentiated, staged or compiled.

    Examples
    --------
    >>> import wengert as wg
    >>> def f(x):
    ...     wg.debug.print("x is {}", x)
    ...     return x * x
    >>> wg.grad(f)(3.0)
    x is 3.0
    6.0
    """

    @staticmethod
    def print(text: str, *args: Any, **kwargs: Any) -> None:
        """Print ``text.format(*args, **kwargs)`` with plain values, each time the program runs."""

        def show(*values: Any, **named: Any) -> None:
            print(text.format(*values, **named))  # noqa: T201 (what it is for)

        debug.callback(show, *args, **kwargs)

    @staticmethod
    def callback(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call ``fun(*args, **kwargs)`` with plain values, each time the program runs.

        Its result is not used. The values carry no derivative.
        """
        check_callable(fun, "debug.callback")
        leaves, structure = raw_leaves((args, kwargs), "args")
        bind_effect(observe, *leaves, target=_Target(fun, structure))


# () = observe(*leaves; target): an effect, kept though nothing reads it; in order with the others.


def _evaluate_observe(*values: Any, target: _Target) -> tuple[()]:
    target(values)
    return ()


observe = Primitive(
    "observe",
    family="effect",
    arguments=("first",),
    evaluate=_evaluate_observe,
    infer=lambda *avals, target: (),
    zero_derivative=True,
    multiple=True,
    samples=lambda: [
        Sample(array(3), target=_Target(lambda x: None, tree.structure(((0.0,), {}))))
    ],
    fails=tuple,
)
