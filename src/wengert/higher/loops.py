"""Loops as people write them: ``while_loop``, ``fori_loop``, ``scan`` and ``map``.

Where values are known they are Python's own loops; while a program is staged, and where examples
of a batch end at different times, they are one equation that holds what is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, CarryError
from ..ir.aval import Aval, aval_of
from ..ops.kinds import with_kind
from ..tracing.core import bind, innermost, is_decided, is_staging, raw_of, to_user
from ..tracing.creation import carries_handles
from ..tracing.keys import build_array
from ..transforms.arguments import check_callable, immediate
from .bodies import (
    Body,
    check_structure,
    checked_step,
    own_copy,
    raw_leaves,
    settled,
    stage_body,
)
from .branches import one_value
from .deciding import steps_of
from .scan_checkpoint import checkpointed_scan, number_of_snapshots
from .scan_primitive import entry_aval, scan_primitive
from .situated import plain_values
from .while_primitive import while_loop_primitive

# ------------------------------------------------------------------ while


@immediate
def while_loop(cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init: Any) -> Any:
    """Return what becomes of `init` by ``while cond_fun(x): x = body_fun(x)``.

    Differentiable in both modes and to any order; reverse mode counts the iterations and keeps
    what their derivatives need.

    Parameters
    ----------
    cond_fun : callable
        Takes the carried tree, returns one truth value.
    body_fun : callable
        Takes the carried tree, returns the next one.
    init : tree of numbers or arrays
        What the loop carries. Shapes, dtypes and kinds stay; a Python number becomes what the
        first step makes of it.

    Returns
    -------
    tree

    Raises
    ------
    CarryError
        A carried leaf changes; the message names it.

    Notes
    -----
    Under ``vmap`` the loop runs until the last example has ended; examples that have ended keep
    their values.

    Examples
    --------
    >>> import wengert as wg
    >>> root = lambda a: wg.while_loop(
    ...     lambda x: abs(x * x - a) > 1e-12, lambda x: 0.5 * (x + a / x), a)
    >>> root(2.0)
    1.414213562373095
    >>> wg.grad(root)(2.0)
    0.3535533905932...
    """
    check_callable(cond_fun, "while_loop(cond_fun, body_fun, init): cond_fun")
    check_callable(body_fun, "while_loop(cond_fun, body_fun, init): body_fun")
    leaves, structure = raw_leaves(init, "init")
    if is_staging():
        return _staged_while(cond_fun, body_fun, init)
    carried = tree.map(own_copy, init)
    avals = [aval_of(leaf) for leaf in leaves]
    while True:
        flag = one_value(cond_fun(carried), "while_loop: the condition")
        if not is_decided(flag):
            return _staged_while(cond_fun, body_fun, carried)
        if not innermost(flag):
            return carried
        carried = body_fun(carried)
        avals = checked_step(carried, avals, structure, "while_loop")


def _staged_while(cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init: Any) -> Any:
    leaves, structure = raw_leaves(init, "init")

    def arguments(given: Sequence[Any]) -> tuple[Any, ...]:
        return (tree.unflatten(structure, given),)

    def stage_step(avals: Sequence[Aval]) -> Body:
        body = stage_body(body_fun, avals, arguments)
        check_structure(structure, body.structure, "while_loop")
        return body

    def condition_fun(carried: Any) -> Any:
        flag = one_value(cond_fun(carried), "while_loop: the condition")
        return flag if aval_of(flag).dtype.kind == "b" else raw_of(flag != 0)

    paths = tree.names(init, "init")
    body, avals = settled(stage_step, [aval_of(leaf) for leaf in leaves], paths, "while_loop")
    condition = stage_body(condition_fun, avals, arguments)
    found = bind(
        while_loop_primitive,
        *condition.captured,
        *body.captured,
        *(with_kind(leaf, aval) for leaf, aval in zip(leaves, avals, strict=True)),
        condition=condition.program,
        body=body.program,
        condition_constants=len(condition.captured),
        body_constants=len(body.captured),
    )
    return tree.unflatten(structure, [to_user(value) for value in found])


# ------------------------------------------------------------------ for


@immediate
def fori_loop(lower: Any, upper: Any, body_fun: Callable[..., Any], init: Any) -> Any:
    """Return what becomes of `init` by ``for i in range(lower, upper): x = body_fun(i, x)``.

    Parameters
    ----------
    lower, upper : int
        The bounds; they may be traced.
    body_fun : callable
        ``body_fun(i, x)`` returns the next carried tree.
    init : tree of numbers or arrays
        As in `while_loop`.

    Returns
    -------
    tree

    Examples
    --------
    >>> import wengert as wg
    >>> power = lambda x: wg.fori_loop(0, 5, lambda i, p: p * x, 1.0)
    >>> power(2.0), wg.grad(power)(2.0)
    (32.0, 80.0)
    """
    check_callable(body_fun, "fori_loop(lower, upper, body_fun, init): body_fun")
    bounds = [_bound(lower, "lower"), _bound(upper, "upper")]
    if not all(is_decided(bound) for bound in bounds):
        return _staged_while(
            lambda state: state[0] < state[1],
            lambda state: (state[0] + 1, state[1], body_fun(state[0], state[2])),
            (lower, upper, init),
        )[2]
    first, last = (int(innermost(bound)) for bound in bounds)
    leaves, structure = raw_leaves(init, "init")
    if is_staging() and last - first > 1:
        return _staged_scan(
            lambda state, _: ((state[0] + 1, body_fun(state[0], state[1])), None),
            (first, init),
            None,
            last - first,
            reverse=False,
            what="fori_loop",
        )[0][1]
    carried = tree.map(own_copy, init)
    avals = [aval_of(leaf) for leaf in leaves]
    for i in range(first, last):
        carried = body_fun(i, carried)
        avals = checked_step(carried, avals, structure, "fori_loop")
    return carried


def _bound(value: Any, name: str, what: str = "fori_loop") -> Any:
    raw = raw_of(value)
    aval = aval_of(raw)
    if aval.shape != () or aval.dtype.kind not in "iu":
        raise ArgumentError(f"{what}: {name} must be one integer, got {aval}; use int(n)")
    return raw


# ------------------------------------------------------------------ scan


@immediate
def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    *,
    checkpoint: int | str | None = None,
) -> tuple[Any, Any]:
    """Run ``carry, y = f(carry, x)`` over the entries of `xs` and stack the `y`.

    Parameters
    ----------
    f : callable
        ``f(carry, x) -> (carry, y)``; all are trees.
    init : tree of numbers or arrays
        The first carry; shapes, dtypes and kinds stay as in `while_loop`.
    xs : tree of arrays, or None
        What is read, one entry along the first axis a step; all of one length.
    length : int, optional
        The number of steps, needed where `xs` is None.
    reverse : bool
        From the last entry to the first; `y` stands where its `x` stood.
    checkpoint : int, "sqrt" or "log", optional
        Reverse mode keeps so many carried states and computes the others again, instead of keeping
        what every step's derivative needs. With s states each of n steps runs at most r times
        again, the least r with C(s + r, s) ≥ n: twice for ``"sqrt"``, which keeps √(2 n); about
        log₄ n times for ``"log"``, which keeps as many.

    Returns
    -------
    carry : tree
        What was carried at the end.
    ys : tree of arrays
        The results `y`, stacked along a new first axis.

    Raises
    ------
    CarryError
        A carried leaf changes, or `f` does not return a pair.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> total, sums = wg.scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> total, sums
    (np.float64(6.0), array([1., 3., 6.]))
    """
    check_callable(f, "scan")
    steps = _steps(xs, length, "scan")
    if not steps or is_staging() or checkpoint is not None:
        return _staged_scan(f, init, xs, steps, reverse=reverse, what="scan", checkpoint=checkpoint)
    leaves, structure = raw_leaves(init, "init")
    arrays, shape = tree.flatten(xs)
    carried = tree.map(own_copy, init)
    avals = [aval_of(leaf) for leaf in leaves]
    results: list[list[Any]] = [[]] * steps
    of_results: tree.Structure | None = None
    for index in range(steps)[:: -1 if reverse else 1]:
        entry = tree.unflatten(shape, [_entry(array, index) for array in arrays])
        carried, y = _pair(f(carried, entry), "scan")
        avals = checked_step(carried, avals, structure, "scan")
        results[index], found = tree.flatten(y)
        if of_results is not None and found != of_results:
            raise CarryError(_CHANGING_RESULTS.format("scan", of_results, found))
        of_results = found
    assert of_results is not None
    stacked = [stack(entries) for entries in zip(*results, strict=True)]
    return carried, tree.unflatten(of_results, stacked)


_CHANGING_RESULTS = (
    "{}: the results y change from {} to {}; every step must return the same containers and keys"
)


def _steps(xs: Any, length: int | None, what: str) -> int:
    """Return the number of steps."""
    arrays = tree.leaves(xs)
    found = {}
    for array, path in zip(arrays, tree.names(xs, "xs"), strict=True):
        shape = np.shape(array)
        if not shape:
            raise ArgumentError(f"{what}: {path} has no axis to run along: it is a number")
        found[path] = shape[0]
    if length is not None:
        found["length"] = int(length)
    if not found:
        raise ArgumentError(f"{what} without xs needs the number of steps: length=n")
    if len(set(found.values())) > 1:
        given = ", ".join(f"{path}: {number}" for path, number in found.items())
        raise ArgumentError(f"{what}: the numbers of steps differ ({given})")
    return int(next(iter(found.values())))


def _entry(array: Any, index: int) -> Any:
    """Return one entry of an array; the body may write it."""
    entry = array[index]
    return entry.copy() if type(entry) is np.ndarray else entry


def _pair(result: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        kind: Any = type(result)
        raise CarryError(
            f"{what}: the function must return a pair (carry, y), it returned a {kind.__name__}; "
            "write return carry, None where there is no result"
        )
    return result


def stack(entries: Sequence[Any]) -> Any:
    """Return values of one shape stacked along a new first axis."""
    if any(carries_handles(entry) for entry in entries):
        return build_array(list(entries))
    return np.stack([np.asarray(entry) for entry in entries])


def _staged_scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any,
    length: int,
    *,
    reverse: bool,
    what: str,
    checkpoint: Any = None,
) -> tuple[Any, Any]:
    leaves, structure = raw_leaves(init, "init")
    arrays, shape = raw_leaves(xs, "xs")
    count = len(leaves)
    entries = [entry_aval(aval_of(array)) for array in arrays]
    structures: list[tree.Structure] = []

    def step(carried: Any, entry: Any) -> list[Any]:
        next_carried, y = _pair(f(carried, entry), what)
        found, after = tree.flatten(next_carried)
        check_structure(structure, after, what)
        ys, of_results = tree.flatten(y)
        if structures and of_results != structures[-1]:
            raise CarryError(_CHANGING_RESULTS.format(what, structures[-1], of_results))
        structures.append(of_results)
        return [*found, *ys]

    def arguments(given: Sequence[Any]) -> tuple[Any, ...]:
        return tree.unflatten(structure, given[:count]), tree.unflatten(shape, given[count:])

    paths = tree.names(init, "init")
    plain = plain_values([*leaves, *arrays]) if checkpoint is not None and length else None
    if plain is None:
        body, avals = settled(
            lambda avals: stage_body(step, [*avals, *entries], arguments),
            [aval_of(leaf) for leaf in leaves],
            paths,
            what,
        )
    else:
        body, avals, ways = steps_of(
            lambda avals, at: stage_body(step, [*avals, *entries], arguments, lambda: at),
            leaves,
            arrays,
            range(length)[:: -1 if reverse else 1],
            paths,
            what,
        )
        if ways is not None:
            arrays = [*arrays, ways]
    params: dict[str, Any] = {
        "body": body.program,
        "constants": len(body.captured),
        "carry": count,
        "length": length,
        "reverse": bool(reverse),
    }
    primitive = scan_primitive
    if checkpoint is not None:
        primitive = checkpointed_scan
        state_bytes = sum(aval.size * aval.dtype.itemsize for aval in avals)
        params["snapshots"] = number_of_snapshots(checkpoint, length, state_bytes, what)
    found = bind(
        primitive,
        *body.captured,
        *(with_kind(leaf, aval) for leaf, aval in zip(leaves, avals, strict=True)),
        *arrays,
        **params,
    )
    made = [to_user(value) for value in found]
    return tree.unflatten(structure, made[:count]), tree.unflatten(structures[-1], made[count:])


@immediate
def checkpointed_loop(
    body: Callable[..., Any], init: Any, n: int, *, memory: int | None = None
) -> Any:
    """Return what becomes of `init` by ``for i in range(n): x = body(i, x)``, in little memory.

    Reverse mode keeps a few carried states, placed best (Griewank and Walther, 2000), and computes
    the others again.

    Parameters
    ----------
    body : callable
        ``body(i, x)`` returns the next carried tree. It may ask for values (`if`, `while`) where
        they are known: neither staged nor batched.
    init : tree of numbers or arrays
        As in `while_loop`.
    n : int
        The number of steps.
    memory : int, optional
        The bytes that the kept states may take. With room for s states each step runs at most r
        times again, the least r with C(s + r, s) ≥ n. By default √(2 n) states are kept: twice.

    Returns
    -------
    tree

    Raises
    ------
    ArgumentError
        `memory` does not hold one state.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> decay = lambda x: np.sum(wg.checkpointed_loop(lambda i, y: y - 0.001 * np.sin(y), x, 1000))
    >>> wg.grad(decay)(np.zeros(2))
    array([0.36769542, 0.36769542])
    """
    check_callable(body, "checkpointed_loop(body, init, n): body")
    count = int(innermost(_bound(n, "n", "checkpointed_loop")))
    return _staged_scan(
        lambda state, _: ((state[0] + 1, body(state[0], state[1])), None),
        (0, init),
        None,
        max(count, 0),
        reverse=False,
        what="checkpointed_loop",
        checkpoint="sqrt" if memory is None else ("bytes", int(memory)),
    )[0][1]


# ------------------------------------------------------------------ map


@immediate
def map(f: Callable[..., Any], xs: Any) -> Any:
    """Return the results of `f` on each entry of `xs`, stacked: a `scan` that carries nothing.

    One entry at a time, in the memory of one; ``vmap`` takes all at once.

    Parameters
    ----------
    f : callable
        Takes a tree of entries and returns a tree.
    xs : tree of arrays
        All of one length.

    Returns
    -------
    tree of arrays

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.map(lambda x: x @ x, np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([ 5., 25.])
    """
    check_callable(f, "map")
    return scan(lambda carry, x: (carry, f(x)), None, xs)[1]


# ------------------------------------------------------------------ associative scan


@immediate
def associative_scan(
    f: Callable[..., Any], xs: Any, reverse: bool = False, *, axis: int = 0
) -> Any:
    """Return all partial results x₀, x₀∘x₁, x₀∘x₁∘x₂, … of an associative operation.

    Pairs are combined first, their partial results found likewise, and the entries between filled
    in: 2 log₂ n calls on whole arrays (G. E. Blelloch, Prefix sums and their applications, 1990).

    Parameters
    ----------
    f : callable
        ``f(a, b)`` combines trees of stacked entries, entry by entry along `axis`; associative.
    xs : tree of arrays
        All of one length along `axis`.
    reverse : bool
        Combine from the end.
    axis : int
        The axis that the entries lie along.

    Returns
    -------
    tree of arrays

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.associative_scan(np.multiply, np.array([1.0, 2.0, 3.0, 4.0]))
    array([ 1.,  2.,  6., 24.])
    """
    check_callable(f, "associative_scan")
    leaves, structure = tree.flatten(xs)
    if not leaves:
        raise ArgumentError("associative_scan needs at least one array in xs")
    moved = [np.moveaxis(leaf, axis, 0) for leaf in leaves]
    _steps(moved, None, "associative_scan")
    if reverse:
        moved = [np.flip(leaf, 0) for leaf in moved]

    def combine(first: list[Any], second: list[Any]) -> list[Any]:
        def back(parts: list[Any]) -> Any:
            return tree.unflatten(structure, [np.moveaxis(part, 0, axis) for part in parts])

        made = f(back(first), back(second))
        return [np.moveaxis(leaf, axis, 0) for leaf in tree.leaves(made)]

    found = _partial_results(combine, moved)
    if reverse:
        found = [np.flip(leaf, 0) for leaf in found]
    return tree.unflatten(structure, [np.moveaxis(leaf, 0, axis) for leaf in found])


def _partial_results(
    combine: Callable[[list[Any], list[Any]], list[Any]], xs: list[Any]
) -> list[Any]:
    count = np.shape(xs[0])[0]
    if count < 2:
        return xs
    pairs = combine([x[: count - 1 : 2] for x in xs], [x[1::2] for x in xs])
    odd = _partial_results(combine, pairs)  # results at 1, 3, 5, …
    if count == 2:
        return [np.concatenate([x[:1], part]) for x, part in zip(xs, odd, strict=True)]
    before = [part[: (count - 1) // 2] for part in odd]
    even = combine(before, [x[2::2] for x in xs])  # at 2, 4, 6, …
    found = []
    for x, at_odd, at_even in zip(xs, odd, even, strict=True):
        # Interleaved: odd and even results side by side, flattened, behind the first entry.
        paired = np.shape(at_even)[0]
        rows = np.stack([at_odd[:paired], at_even], axis=1)
        woven = np.reshape(rows, (2 * paired, *np.shape(x)[1:]))
        found.append(np.concatenate([x[:1], woven, at_odd[paired:]]))
    return found
