"""Derivatives as people ask for them, composed of the two modes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, NotScalarError, TangentError, UnusedInputWarning
from ..ir.aval import Aval, aval_of
from ..tracing.core import REAL_SCALARS, Traced, levels, raw_of
from ..tracing.creation import begin, end
from .arguments import (
    Argnums,
    Leaves,
    Selection,
    attach,
    check_callable,
    detach_tree,
    fit_change,
    immediate,
    transformed,
)
from .forward import ForwardTrace
from .reverse import ReverseTrace
from .run import Run, finish, split_aux, to_result
from .watching import kind_of_trace

# ------------------------------------------------------------------ recording


class Recording(Run):
    """What a function did, ready to be pulled back."""

    __slots__ = ()
    kind = ReverseTrace

    def pull_back(self, cotangents: Sequence[Any], *, consume: bool = False) -> list[Any]:
        """Return one tree an argument from raw cotangents, one a leaf of the output."""
        found = self.pull_back_leaves(cotangents, consume=consume)
        return found if self.leaves.plain else self.leaves.rebuild(found)

    def pull_back_leaves(self, cotangents: Sequence[Any], *, consume: bool = False) -> list[Any]:
        """Return one cotangent an input leaf; None stands for a zero cotangent."""
        seeds = [
            (output[1], cotangent)
            for output, cotangent in zip(self.outputs, cotangents, strict=True)
            if output[1] is not None and cotangent is not None
        ]
        found: list[Any] = self.trace.pull_back(seeds, consume=consume)
        values = self.leaves.values
        for index, entry in enumerate(found):
            value = values[index]
            if type(entry) is not float or type(value) is not float:
                found[index] = finish(entry, value)
        return found


def _scalar_output(recording: Recording, holomorphic: bool, name: str) -> Any:
    """Return the seed for a scalar output; errors for anything else."""
    if recording.structure is not None and len(recording.outputs) != 1:
        if not recording.outputs:
            raise NotScalarError(
                f"{name} needs a function that returns one number; it returned None, or a "
                "container of nothing else. Is a return statement missing?"
            )
        raise NotScalarError(
            f"{name} needs a function that returns one number; it returned a tree of "
            f"{len(recording.outputs)} leaves. Return a pair (number, extras) and pass "
            "has_aux=True if the rest is extra, or use wengert.jacobian."
        )
    value, position = recording.outputs[0]
    if type(value) in REAL_SCALARS and position is not None and not holomorphic:
        return 1.0
    aval = aval_of(value)
    if aval.shape != ():
        raise NotScalarError(
            f"{name} needs a function that returns one number; it returned an array of shape "
            f"{aval.shape}. Reduce it (np.sum), or use wengert.jacobian for all derivatives, "
            "wengert.elementwise_grad for a function applied to each entry."
        )
    if aval.dtype.kind not in "fcbiu":
        raise NotScalarError(
            f"{name} needs a function that returns one number; it returned a "
            f"{type(value).__name__}."
        )
    if aval.is_complex and not holomorphic:
        raise NotScalarError(
            f"{name} needs a real output; it is complex ({aval.dtype}). Return its real part or "
            "abs(z)**2, or pass holomorphic=True if the function is holomorphic."
        )
    if holomorphic and not (
        aval.is_complex and all(entry.is_complex for entry in recording.leaves.avals)
    ):
        raise NotScalarError("holomorphic=True needs complex input and complex output")
    trace = recording.trace
    if position is None and not trace.warns and len(trace.rows) == trace.input_count:
        # Nothing was done with the input: not a derivative that happens to be zero, a slip.
        warnings.warn(
            f"{name}: the output does not depend on the differentiated input; the gradient is zero",
            UnusedInputWarning,
            stacklevel=4,
        )
    return 1.0 if aval.dtype == np.float64 else np.ones((), aval.dtype)[()]


# ------------------------------------------------------------------ reverse mode


def value_and_grad(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the value and the gradient of `fun` in one evaluation.

    Parameters
    ----------
    fun : callable
        Returns one real number (or a complex one with `holomorphic`).
    argnums : int, str, or tuple of them
        The arguments to differentiate, by position or by name.
    has_aux : bool
        `fun` returns a pair; its second entry is passed through without derivative.
    holomorphic : bool
        `fun` is holomorphic; the result is its complex derivative.

    Returns
    -------
    callable
        Gives ``(value, gradient)``; with `has_aux`, ``((value, aux), gradient)``.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.value_and_grad(lambda x: x**2)(3.0)
    (9.0, 6.0)
    """
    check_callable(fun, "value_and_grad")
    selection = Selection(fun, argnums)

    def call(*args: Any, **kwargs: Any) -> Any:
        recording = Recording(fun, args, kwargs, selection, has_aux=has_aux)
        try:
            seed = _scalar_output(recording, holomorphic, "value_and_grad")
            gradients = recording.pull_back([seed], consume=True)
        finally:
            recording.trace.release()
        value = recording.value_tree()
        gradient = selection.pack(gradients)
        return ((value, recording.aux), gradient) if has_aux else (value, gradient)

    return transformed(fun, call)


def grad(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return the gradient of a scalar-valued function, as a function of the same arguments.

    The gradient has the tree structure of the argument; each leaf has its shape, dtype and kind.
    For a real function of a complex argument z = x + iy it is ∂f/∂x - i ∂f/∂y, so that
    ``z - step * conj(gradient)`` descends.

    Parameters
    ----------
    fun, argnums, has_aux, holomorphic
        As for `value_and_grad`; with `has_aux` the result is ``(gradient, aux)``.

    Returns
    -------
    callable
        Takes what `fun` takes; gives one tree for one argument, a tuple of trees for several.

    Raises
    ------
    NotScalarError
        The output is not one number.
    NotDifferentiableError
        An argument has an integer, boolean or object dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.grad(lambda x: np.log(1 + x**2) / x)(1.0)
    0.3068528194400547
    >>> wg.grad(lambda p: p["a"] * p["b"] ** 2)({"a": 3.0, "b": 2.0})
    {'a': 4.0, 'b': 12.0}
    """
    check_callable(fun, "grad")
    selection = Selection(fun, argnums)

    def call(*args: Any, **kwargs: Any) -> Any:
        recording = Recording(fun, args, kwargs, selection, has_aux=has_aux)
        try:
            seed = _scalar_output(recording, holomorphic, "grad")
            gradients = recording.pull_back([seed], consume=True)
        finally:
            recording.trace.release()
        gradient = selection.pack(gradients)
        return (gradient, recording.aux) if has_aux else gradient

    return transformed(fun, call)


def _broadcasts(shape: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Return whether a shape can be broadcast to another."""
    padded = (1,) * (len(result) - len(shape)) + shape
    return len(padded) == len(result) and all(
        n in (1, m) for n, m in zip(padded, result, strict=True)
    )


def elementwise_grad(fun: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return the derivative at each entry of a function that acts on each entry alone.

    Parameters
    ----------
    fun : callable
        Its result has the shape of its arguments, broadcast. That no entry depends on others is
        taken on your word: for other functions the result is the column sums of the Jacobian.
    argnums : int, str, or tuple of them
        The arguments to differentiate, by position or by name.

    Returns
    -------
    callable
        Gives arrays like those arguments.

    Raises
    ------
    ArgumentError
        The result has not the shape of the arguments, so that `fun` does not act on each entry.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.elementwise_grad(np.sin)(np.zeros(3))
    array([1., 1., 1.])
    """
    check_callable(fun, "elementwise_grad")
    selection = Selection(fun, argnums)

    def call(*args: Any, **kwargs: Any) -> Any:
        recording = Recording(fun, args, kwargs, selection)
        try:
            seeds = []
            for value, _ in recording.outputs:
                aval = aval_of(value)
                for given in recording.leaves.avals:
                    if not _broadcasts(given.shape, aval.shape):
                        raise ArgumentError(
                            "elementwise_grad is for functions that act on each entry alone; this "
                            f"one made an array of shape {aval.shape} of one of shape "
                            f"{given.shape}. Use wengert.grad for one number, wengert.jacobian for "
                            "all derivatives."
                        )
                seeds.append(1.0 if aval.kind == "python" else np.ones(aval.shape, aval.dtype)[()])
            return selection.pack(recording.pull_back(seeds, consume=True))
        finally:
            recording.trace.release()

    return transformed(fun, call)


@immediate
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Evaluate a function and return its value and its pullback (vector-Jacobian product).

    Parameters
    ----------
    fun : callable
    *primals : trees
        The arguments, all differentiated.
    has_aux : bool
        `fun` returns a pair; the second entry becomes the third result.

    Returns
    -------
    value : tree
    pullback : callable
        ``pullback(cotangent)`` takes a tree like the value and gives a tuple of trees, one an
        argument; it may be called any number of times.

    Examples
    --------
    >>> import wengert as wg
    >>> value, pullback = wg.vjp(lambda x, y: x * y, 2.0, 5.0)
    >>> value, pullback(1.0)
    (10.0, (5.0, 2.0))
    """
    check_callable(fun, "vjp")
    selection = Selection(fun, tuple(range(len(primals))) if primals else 0)
    recording = Recording(fun, primals, {}, selection, has_aux=has_aux, copies=True)
    avals = [aval_of(value) for value, _ in recording.outputs]

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        if recording.structure is None:
            leaves = [cotangent]
        else:
            leaves, given = tree.flatten(cotangent)
            if given != recording.structure:
                raise TangentError(
                    f"the cotangent has the tree structure {given}, "
                    f"the value has {recording.structure}"
                )
        seeds = [
            fit_change(leaf, aval, "cotangent") if aval.dtype.kind in "fc" else None
            for leaf, aval in zip(leaves, avals, strict=True)
        ]
        return tuple(recording.pull_back(seeds))

    value = recording.value_tree()
    wrapped = transformed(fun, pullback)
    return (value, wrapped, recording.aux) if has_aux else (value, wrapped)


# ------------------------------------------------------------------ forward mode


@immediate
def jvp(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """Evaluate a function and its derivative along a tangent (Jacobian-vector product).

    Parameters
    ----------
    fun : callable
    primals, tangents : tuple or list of trees
        Tangents have the structure, shapes and dtypes of the primals; None stands for a zero leaf
        tree of an argument.

    Returns
    -------
    value, tangent : trees
        And with `has_aux` the auxiliary output as a third.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.jvp(lambda x, y: x * y, (2.0, 5.0), (1.0, 0.0))
    (10.0, 5.0)
    """
    check_callable(fun, "jvp")
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise ArgumentError(
                f"jvp takes {name} as a tuple, one entry an argument of the function, got "
                f"{type(given).__name__}: write jvp(f, (x,), (v,))"
            )
    leaves = Leaves(primals)
    raw_tangents = leaves.matching(tangents, "tangent")
    trace = kind_of_trace(ForwardTrace)(fun)
    if levels.depth:
        fun = levels.traces[-1].before_derivative(fun)
    begin(trace)
    try:
        inputs = attach(trace, leaves.values)
        for handle, tangent in zip(inputs, raw_tangents, strict=True):
            (handle if type(handle) is Traced else handle._below)._payload = tangent
        value = fun(*leaves.rebuild(inputs))
        aux = None
        if has_aux:
            value, aux = split_aux(value)
            aux = detach_tree(trace, aux)
        found, structure = tree.flatten(value)
        raw = [raw_of(leaf) for leaf in found]
    finally:
        end(trace)
    values = []
    changes = []
    for entry in raw:
        traced = type(entry) is Traced and entry._trace is trace
        value = entry._below if traced else entry
        values.append(to_result(value))
        changes.append(finish(entry._payload if traced else None, tangent_aval(aval_of(value))))
    results = (tree.unflatten(structure, values), tree.unflatten(structure, changes))
    return (*results, aux) if has_aux else results


def tangent_aval(aval: Aval) -> Aval:
    """Return the Aval of tangents of a value: floats for integers and booleans."""
    if aval.dtype.kind in "fc":
        return aval
    return Aval(aval.shape, np.float64, aval.kind)
