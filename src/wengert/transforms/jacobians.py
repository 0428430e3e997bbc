"""Matrices of derivatives, and products with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from .. import tree
from ..errors import ArgumentError, NotDifferentiableError, NotScalarError
from ..ir.aval import Aval, aval_of
from ..tracing.core import raw_of, to_user
from ..tracing.creation import begin, end
from .arguments import (
    Argnums,
    Leaves,
    Selection,
    check_callable,
    immediate,
    transformed,
)
from .batching import BatchTrace
from .derivatives import (
    Recording,
    grad,
    jvp,
    tangent_aval,
    value_and_grad,
    vjp,
)
from .linearize import LinearizingTrace
from .run import Run, finish, to_result

Mode = Literal["auto", "forward", "reverse"]


class Linearization(Run):
    """A function run once, ready to push tangents forward."""

    __slots__ = ()
    kind = LinearizingTrace

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """Return finished tangents of the outputs for raw tangents of the inputs."""
        found = self.trace.push(tangents, [position for _, position in self.outputs])
        return [
            finish(entry, tangent_aval(aval_of(value)))
            for entry, (value, _) in zip(found, self.outputs, strict=True)
        ]


@immediate
def linearize(fun: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Evaluate a function and return its value and its pushforward at that point.

    Parameters
    ----------
    fun : callable
    *primals : trees
        The arguments, all differentiated.

    Returns
    -------
    value : tree
    pushforward : callable
        ``pushforward(*tangents)`` takes one tree an argument and gives the tangent of the value,
        without running `fun` again.

    Examples
    --------
    >>> import wengert as wg
    >>> value, pushforward = wg.linearize(lambda x: x**3, 2.0)
    >>> value, pushforward(1.0), pushforward(0.5)
    (8.0, 12.0, 6.0)
    """
    check_callable(fun, "linearize")
    selection = Selection(fun, tuple(range(len(primals))) if primals else 0)
    linearization = Linearization(fun, primals, {}, selection, copies=True)

    def pushforward(*tangents: Any) -> Any:
        raw = linearization.leaves.matching(tangents, "tangent")
        return linearization.tree_of(linearization.push(raw))

    return linearization.value_tree(), transformed(fun, pushforward)


# ------------------------------------------------------------------ Jacobians


def _one_hot(aval: Aval, index: int) -> Any:
    """Return a basis vector of a space, in the layout of C order."""
    if aval.shape == ():
        return 1.0 if aval.kind == "python" else aval.dtype.type(1)
    made = np.zeros(aval.size, aval.dtype)
    made[index] = 1
    return made.reshape(aval.shape)


def _each_direction(
    function: Callable[[Any], Sequence[Any]], aval: Aval, results: Sequence[Aval]
) -> list[Any]:
    """Apply a linear function to every basis vector of a space: all at once, as `vmap` does.

    `function` gives one value for each of `results`, in their spaces. What it gives comes with the
    axes of the space in front. Few directions, and those of a large problem, are taken in turn: an
    operation on batched values costs more than one on plain values, and memory is bounded.
    """
    size = aval.size
    if aval.shape == ():
        return list(function(_one_hot(aval, 0)))
    if not size:
        return [np.zeros((*aval.shape, *entry.shape), entry.dtype) for entry in results]
    largest = max(entry.size * entry.dtype.itemsize for entry in (aval, *results))
    chunk = max(1, _CHUNK_BYTES // max(largest, 1))
    if size <= _FEW_DIRECTIONS or chunk < _FEW_DIRECTIONS:
        columns = zip(*(function(_one_hot(aval, i)) for i in range(size)), strict=True)
        parts = [np.stack(column) for column in columns]
    else:
        rows = [
            _some_directions(function, aval, start, min(start + chunk, size))
            for start in range(0, size, chunk)
        ]
        parts = [
            column[0] if len(column) == 1 else np.concatenate(column)
            for column in zip(*rows, strict=True)
        ]
    return [
        np.reshape(part, (*aval.shape, *entry.shape))
        for part, entry in zip(parts, results, strict=True)
    ]


# Up to this many directions a loop is quicker: the Hessian of Rosenbrock's function of 6 variables
# took 0.72 ms by a loop and 0.67 ms in one batch, of 50 variables 4.1 and 0.71 ms.
_FEW_DIRECTIONS = 5
# What one value of a batch of directions may take: more leaves the caches and gains nothing.
_CHUNK_BYTES = 2 * 2**20


def _some_directions(
    function: Callable[[Any], Sequence[Any]], aval: Aval, start: int, stop: int
) -> list[Any]:
    """Apply a linear function to the basis vectors from `start` to `stop`, in one batch."""
    count = stop - start
    basis = np.zeros((count, aval.size), aval.dtype)
    basis[np.arange(count), np.arange(start, stop)] = 1
    trace = BatchTrace("a Jacobian", count)
    begin(trace)
    try:
        found = function(to_user(trace.wrap(basis.reshape((count, *aval.shape)), 0)))
        return [to_result(trace.examples(entry)) for entry in found]
    finally:
        end(trace)


def _rows(recording: Recording, holomorphic: bool) -> list[list[Any]]:
    """Return the Jacobian blocks by output leaf and input leaf, by one pullback an output entry."""
    inputs = recording.leaves.avals
    blocks = []
    for number, (value, _) in enumerate(recording.outputs):
        aval = aval_of(value)
        _check_output(aval, holomorphic)

        def pull(direction: Any, number: int = number) -> list[Any]:
            seeds: list[Any] = [None] * len(recording.outputs)
            seeds[number] = raw_of(direction)
            return recording.pull_back_leaves(seeds)

        blocks.append(_each_direction(pull, aval, inputs))
    return blocks


def _columns(linearization: Linearization, holomorphic: bool) -> list[list[Any]]:
    """Return the same blocks by one pushforward an input entry."""
    inputs = linearization.leaves.avals
    outputs = [tangent_aval(aval_of(value)) for value, _ in linearization.outputs]
    blocks: list[list[Any]] = [[] for _ in outputs]
    for number, aval in enumerate(inputs):
        if aval.is_complex and not holomorphic:
            raise NotDifferentiableError(
                "forward mode gives the Jacobian of a complex argument only for holomorphic "
                "functions: pass holomorphic=True, or use mode='reverse' for real outputs"
            )

        def push(direction: Any, number: int = number) -> list[Any]:
            tangents: list[Any] = [None] * len(inputs)
            tangents[number] = raw_of(direction)
            return linearization.push(tangents)

        found = _each_direction(push, aval, outputs)
        for block, stacked, out in zip(blocks, found, outputs, strict=True):
            if aval.shape and out.shape:
                count = len(aval.shape)
                total = count + len(out.shape)
                stacked = np.transpose(stacked, (*range(count, total), *range(count)))
            block.append(stacked)
    return blocks


def _check_output(aval: Aval, holomorphic: bool) -> None:
    if aval.dtype.kind not in "fc":
        raise NotDifferentiableError(
            f"the Jacobian needs a floating-point output, got dtype {aval.dtype}"
        )
    if aval.is_complex and not holomorphic:
        raise NotScalarError(
            f"the output is complex ({aval.dtype}): return real and imaginary parts, or pass "
            "holomorphic=True if the function is holomorphic"
        )


def _as_tree(blocks: list[list[Any]], structure: Any, leaves: Leaves, selection: Selection) -> Any:
    made = [selection.pack(leaves.rebuild(block)) for block in blocks]
    return made[0] if structure is None else tree.unflatten(structure, made)


def _jacobian(
    fun: Callable[..., Any],
    argnums: Argnums,
    mode: Mode,
    has_aux: bool,
    holomorphic: bool,
    with_value: bool,
    name: str,
) -> Callable[..., Any]:
    check_callable(fun, name)
    if mode not in ("auto", "forward", "reverse"):
        raise ArgumentError(f"mode is 'auto', 'forward' or 'reverse', got {mode!r}")
    selection = Selection(fun, argnums)

    def call(*args: Any, **kwargs: Any) -> Any:
        run: Recording | Linearization | None = None
        if mode != "forward":
            run = Recording(fun, args, kwargs, selection, has_aux=has_aux)
            outputs = sum(aval_of(value).size for value, _ in run.outputs)
            inputs = sum(aval.size for aval in run.leaves.avals)
            if mode == "auto" and outputs > inputs and _real(run.leaves):
                run.trace.release()
                run = None
        if run is None:
            run = Linearization(fun, args, kwargs, selection, has_aux=has_aux)
        try:
            if isinstance(run, Recording):
                blocks = _rows(run, holomorphic)
            else:
                blocks = _columns(run, holomorphic)
        finally:
            run.trace.release()
        result = _as_tree(blocks, run.structure, run.leaves, selection)
        if with_value:
            value = run.value_tree()
            return ((value, run.aux), result) if has_aux else (value, result)
        return (result, run.aux) if has_aux else result

    return transformed(fun, call)


def _real(leaves: Leaves) -> bool:
    return not any(aval.is_complex for aval in leaves.avals)


def jacobian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    mode: Mode = "auto",
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return the Jacobian of a function, as a function of the same arguments.

    Each block has the shape ``output.shape + argument.shape``; the result is the tree of the
    output whose leaves are trees of the argument.

    Parameters
    ----------
    fun : callable
    argnums : int, str, or tuple of them
    mode : {"auto", "forward", "reverse"}
        ``auto`` takes reverse mode where there are at most as many outputs as inputs.
    has_aux, holomorphic : bool
        As for `wengert.grad`.

    Returns
    -------
    callable
        Takes what `fun` takes.

    Raises
    ------
    NotDifferentiableError
        An argument has an integer, boolean or object dtype.
    ArgumentError
        The mode, or an argument that is named, is none.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _jacobian(fun, argnums, mode, has_aux, holomorphic, False, "jacobian")


def jacfwd(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return the Jacobian by forward mode: all columns, in one batch of tangents.

    It costs about as much as the function for each number among the arguments: for few inputs and
    many outputs.

    Parameters
    ----------
    fun, argnums, has_aux, holomorphic
        As for `jacobian`.

    Returns
    -------
    callable
        As of `jacobian`.

    Raises
    ------
    NotDifferentiableError
        An argument has an integer, boolean or object dtype.
    ArgumentError
        An argument that is named is none.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jacfwd(lambda t: np.array([np.cos(t), np.sin(t)]))(0.0)
    array([-0.,  1.])
    """
    return _jacobian(fun, argnums, "forward", has_aux, holomorphic, False, "jacfwd")


def jacrev(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return the Jacobian by reverse mode: all rows, in one batch of cotangents.

    It costs a few times the function for each number of the result: for many inputs and few
    outputs.

    Parameters
    ----------
    fun, argnums, has_aux, holomorphic
        As for `jacobian`.

    Returns
    -------
    callable
        As of `jacobian`.

    Raises
    ------
    NotDifferentiableError
        An argument has an integer, boolean or object dtype.
    ArgumentError
        An argument that is named is none.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jacrev(lambda x: np.array([x[0] * x[1], x[0]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [1., 0.]])
    """
    return _jacobian(fun, argnums, "reverse", has_aux, holomorphic, False, "jacrev")


def value_and_jacobian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    mode: Mode = "auto",
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the value and the Jacobian in one evaluation.

    Parameters
    ----------
    fun, argnums, mode, has_aux, holomorphic
        As for `jacobian`.

    Returns
    -------
    callable
        Gives ``(value, jacobian)``; with `has_aux`, ``((value, aux), jacobian)``.

    Raises
    ------
    NotDifferentiableError
        An argument has an integer, boolean or object dtype.
    ArgumentError
        The mode, or an argument that is named, is none.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.value_and_jacobian(lambda x: x**2)(3.0)
    (9.0, 6.0)
    """
    return _jacobian(fun, argnums, mode, has_aux, holomorphic, True, "value_and_jacobian")


def hessian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return the Hessian of a function: forward mode over reverse mode.

    Parameters
    ----------
    fun : callable
        Gives one number, or several: each has a Hessian then.
    argnums : int, str, or tuple of them
        The arguments to differentiate, by position or by name.
    has_aux, holomorphic : bool
        As for `wengert.grad`.

    Returns
    -------
    callable
        Takes what `fun` takes. Blocks have the shape
        ``output.shape + argument.shape + argument.shape``; for trees, and for several arguments,
        the result is a tree of trees of them. `wengert.hvp` gives a product with the Hessian
        without the matrix.

    Raises
    ------
    NotDifferentiableError
        An argument has an integer, boolean or object dtype.
    ArgumentError
        An argument that is named is none.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([2.0, 3.0]))
    array([[6., 4.],
           [4., 0.]])
    """
    inner = jacrev(fun, argnums, has_aux=has_aux, holomorphic=holomorphic)
    return jacfwd(inner, argnums, has_aux=has_aux, holomorphic=holomorphic)


def value_grad_hessian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives value, gradient and Hessian in one evaluation of `fun`.

    Parameters
    ----------
    fun, argnums, has_aux, holomorphic
        As for `value_and_grad`.

    Returns
    -------
    callable
        Gives ``(value, gradient, hessian)``; with `has_aux`, ``((value, aux), gradient, hessian)``.

    Raises
    ------
    NotDifferentiableError
        An argument has an integer, boolean or object dtype.
    NotScalarError
        The output is not one number.
    ArgumentError
        An argument that is named is none.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.value_grad_hessian(lambda x: x**3)(2.0)
    (8.0, 12.0, 12.0)
    """
    check_callable(fun, "value_grad_hessian")
    both = value_and_grad(fun, argnums, has_aux=has_aux, holomorphic=holomorphic)

    def gradient_first(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return gradient, (value, gradient)

    second = _jacobian(gradient_first, argnums, "forward", True, holomorphic, False, "hessian")

    def call(*args: Any, **kwargs: Any) -> Any:
        matrix, (value, gradient) = second(*args, **kwargs)
        return value, gradient, matrix

    return transformed(fun, call)


# ------------------------------------------------------------------ products


@immediate
def hvp(fun: Callable[..., Any], x: Any, v: Any) -> Any:
    """Return the product of the Hessian of `fun` at `x` with `v`, without the matrix.

    Forward mode over reverse mode: the cost of a few evaluations of `fun`.

    Parameters
    ----------
    fun : callable
        A real function of one tree.
    x, v : trees of the same structure and shapes

    Returns
    -------
    tree like `x`

    Raises
    ------
    NotScalarError
        The output is not one number.
    TangentError
        `v` has not the structure and the shapes of `x`.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.hvp(lambda x: x[0] ** 2 * x[1], np.array([2.0, 3.0]), np.array([1.0, 0.0]))
    array([6., 4.])
    """
    return jvp(grad(fun), (x,), (v,))[1]


@immediate
def gnvp(fun: Callable[..., Any], loss: Callable[..., Any], x: Any, v: Any) -> Any:
    """Return the product of a generalised Gauss-Newton matrix with `v`.

    The matrix is JᵀHJ with J the Jacobian of `fun` at `x` and H the Hessian of `loss` at
    ``fun(x)`` (N. N. Schraudolph, Neural Computation 14, 2002).

    Parameters
    ----------
    fun : callable
        Of one tree, gives a tree.
    loss : callable
        A real function of that tree.
    x, v : trees of the same structure and shapes

    Returns
    -------
    tree like `x`

    Raises
    ------
    NotScalarError
        The output of `loss` is not one number.
    TangentError
        `v` has not the structure and the shapes of `x`.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.gnvp(lambda x: 3.0 * x, lambda y: np.sum(y**2), np.ones(2), np.ones(2))
    array([18., 18.])
    """
    output, tangent = jvp(fun, (x,), (v,))
    curved = hvp(loss, output, tangent)
    _, pullback = vjp(fun, x)
    return pullback(curved)[0]
