"""Derivatives of the user's own: ``custom_jvp`` and ``custom_vjp``.

A function with a rule is one operation to every transformation; the rules are plain functions on
values one level down, so they nest, stage and batch.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, MissingRuleError, TangentError
from ..ir.aval import Aval, aval_of, is_differentiable, zeros_of
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import batch_size, front
from ..ops.samples import Sample, array
from ..ops.taylor_rules import Series
from ..tracing.core import Traced, bind, is_staging, raw_of, to_user
from ..transforms.arguments import check_callable, transformed
from ..transforms.lists import batch_of_list
from ..transforms.reverse import transpose_linear
from ..transforms.taylor import tower
from .bodies import hoist, raw_leaves, stage_body
from .custom_batch import BatchedCall
from .custom_checks import described, level_of, matching

# ------------------------------------------------------------------ what people call


class CustomFunction:
    """A function whose derivative is given: what `custom_jvp` and `custom_vjp` return."""

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: int | Sequence[int]) -> None:
        check_callable(fun, "a custom rule")
        functools.update_wrapper(self, fun, updated=())
        self.fun = fun
        self.jvp_rule: Callable[..., Any] | None = None
        self.forward: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None
        self.symbolic_zeros = {"jvp": False, "vjp": False}
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else nondiff_argnums
        self.nondiff_argnums = tuple(sorted(numbers))
        self._call = transformed(fun, self._apply)

    def defjvp(self, rule: Callable[..., Any], *, symbolic_zeros: bool = False) -> Any:
        """Give the rule of forward mode; usable as a decorator.

        Parameters
        ----------
        rule : callable
            ``rule(*nondiff, primals, tangents) -> (value, tangent)``: tuples with one tree an
            argument; linear in the tangents.
        symbolic_zeros : bool
            Leaves whose tangent is zero are None, not arrays of zeros.
        """
        check_callable(rule, "defjvp")
        self.jvp_rule = rule
        self.symbolic_zeros["jvp"] = symbolic_zeros
        return rule

    def defvjp(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        *,
        symbolic_zeros: bool = False,
    ) -> None:
        """Give the rules of reverse mode.

        Parameters
        ----------
        forward : callable
            Takes what the function takes, returns ``(value, residuals)``.
        backward : callable
            ``backward(*nondiff, residuals, cotangent)`` gives a tuple, one tree for each argument
            that is differentiated, None for a zero; linear in the cotangent.
        symbolic_zeros : bool
            Leaves whose cotangent is zero are None, not arrays of zeros.
        """
        check_callable(forward, "defvjp(forward, backward): forward")
        check_callable(backward, "defvjp(forward, backward): backward")
        self.forward = forward
        self.backward = backward
        self.symbolic_zeros["vjp"] = symbolic_zeros

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; its rules take effect where a transformation is running."""
        return self._call(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        call, leaves = self._taken_apart(args, kwargs)
        if not is_staging():
            found = bind(custom, *leaves, call=call, program=None, captured=0)
        else:
            avals = [aval_of(leaf) for leaf in leaves]
            body = stage_body(call.on_leaves, avals, tuple)
            found = bind(
                custom,
                *body.captured,
                *leaves,
                call=call,
                program=body.program,
                captured=len(body.captured),
            )
        return tree.unflatten(call.structure_out(), [to_user(value) for value in found])

    def _taken_apart(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[_Call, list[Any]]:
        keywords: dict[str, Any] = {}
        if kwargs:
            bound = inspect.signature(self.fun).bind(*args, **kwargs)
            args, keywords = bound.args, bound.kwargs
            for name, value in keywords.items():
                if any(type(raw_of(leaf)) is Traced for leaf in tree.leaves(value)):
                    raise ArgumentError(
                        f"argument {name!r} of {self.__name__} is traced, but rules see what is "  # type: ignore[attr-defined]
                        "taken by keyword only as fixed: move it in front of the *, or pass "
                        "wengert.stop_gradient(x)"
                    )
        nondiff = {n + len(args) if n < 0 else n for n in self.nondiff_argnums}
        if any(not 0 <= n < len(args) for n in nondiff):
            raise ArgumentError(
                f"nondiff_argnums is {self.nondiff_argnums}, but {self.__name__} was called with "  # type: ignore[attr-defined]
                f"{len(args)} arguments"
            )
        for n in nondiff:
            if any(type(raw_of(leaf)) is Traced for leaf in tree.leaves(args[n])):
                raise ArgumentError(
                    f"argument {n} of {self.__name__} is traced, but nondiff_argnums says that it "  # type: ignore[attr-defined]
                    "carries no derivative: take it out of nondiff_argnums, or pass "
                    "wengert.stop_gradient(x)"
                )
        dynamic = tuple(value for n, value in enumerate(args) if n not in nondiff)
        leaves, structure = raw_leaves(dynamic, "args")
        static = {n: args[n] for n in nondiff}
        return _Call(self, structure, static, len(args), keywords), leaves


class _Call:
    """One call of a custom function: how its leaves become arguments and results."""

    __slots__ = ("_out", "count", "function", "keywords", "static", "structure")

    def __init__(
        self,
        function: CustomFunction,
        structure: tree.Structure,
        static: Any,
        count: int,
        keywords: dict[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.structure = structure
        self.static = static
        self.count = count
        self.keywords = keywords or {}  # what is taken by keyword only, which rules get as well
        self._out: list[tree.Structure] = []

    def __repr__(self) -> str:
        return str(self.function.__name__)  # type: ignore[attr-defined]

    def is_like(self, other: Any) -> bool:
        """Return whether another call is of the same function, with the same fixed arguments.

        What is like it returns alike: its structure is taken over.
        """
        is_like = (
            type(other) is _Call
            and self.function is other.function
            and self.structure == other.structure
            and self.static.keys() == other.static.keys()
            and all(value is other.static[n] for n, value in self.static.items())
            and self.keywords.keys() == other.keywords.keys()
            and all(value is other.keywords[name] for name, value in self.keywords.items())
        )
        if is_like:
            self._out[:] = other._out
        return is_like

    def structure_out(self) -> tree.Structure:
        return self._out[-1]

    def arguments(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """Return the arguments that carry derivatives."""
        return tree.unflatten(self.structure, leaves)  # type: ignore[no-any-return]

    def all_arguments(self, leaves: Sequence[Any]) -> list[Any]:
        dynamic = iter(self.arguments(leaves))
        return [self.static[n] if n in self.static else next(dynamic) for n in range(self.count)]

    def nondiff(self) -> list[Any]:
        return [self.static[n] for n in sorted(self.static)]

    def on_leaves(self, *leaves: Any) -> list[Any]:
        """Run the function on user-level leaves and return the leaves of its result."""
        return self.results(self.function.fun(*self.all_arguments(leaves), **self.keywords))

    def results(self, value: Any) -> list[Any]:
        """Return the leaves of a result, whose structure is noted."""
        found, structure = tree.flatten(value)
        self._out[:] = [structure]
        return found

    def named(self, what: str) -> str:
        return f"the {what} of {self!r}"

    def pushed(
        self, leaves: Sequence[Any], changes: Sequence[Any]
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Run the jvp rule: raw leaves of the value and of its tangent, None where zero."""
        rule = self.function.jvp_rule
        assert rule is not None
        if not self.function.symbolic_zeros["jvp"]:
            changes = [
                zeros_of(aval_of(leaf)) if change is None else change
                for leaf, change in zip(leaves, changes, strict=True)
            ]
        tangents = tree.unflatten(self.structure, _user(changes))
        result = rule(*self.nondiff(), self.arguments(_user(leaves)), tangents, **self.keywords)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TangentError(f"{self.named('jvp rule')} must return a pair (value, tangent)")
        value = [raw_of(leaf) for leaf in self.results(result[0])]
        found = matching(result[1], result[0], self.named("jvp rule"), "tangent")
        return tuple(value), tuple(found)

    def forward(self, leaves: Sequence[Any]) -> tuple[list[Any], Any]:
        """Run the forward rule: raw leaves of the value, and the tree of raw residuals."""
        assert self.function.forward is not None
        result = self.function.forward(*self.all_arguments(_user(leaves)), **self.keywords)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TangentError(
                f"{self.named('forward rule')} must return a pair (value, residuals)"
            )
        value = [raw_of(leaf) for leaf in self.results(result[0])]
        return value, tree.map(raw_of, result[1])

    def backward(
        self,
        residuals: Any,
        cotangents: Sequence[Any],
        value: Sequence[Any],
        leaves: Sequence[Any],
    ) -> list[Any]:
        """Run the backward rule: one raw cotangent a leaf, None where it is zero."""
        rule = self.function.backward
        assert rule is not None
        if not self.function.symbolic_zeros["vjp"]:
            cotangents = [
                zeros_of(aval_of(entry)) if cotangent is None else cotangent
                for entry, cotangent in zip(value, cotangents, strict=True)
            ]
        given = tree.unflatten(self.structure_out(), _user(cotangents))
        found = rule(*self.nondiff(), tree.map(to_user, residuals), given, **self.keywords)
        arguments = self.arguments(leaves)
        what = self.named("backward rule")
        if not isinstance(found, (tuple, list)) or len(found) != len(arguments):
            raise TangentError(
                f"{what} must return a tuple of {len(arguments)} cotangents, one for each argument "
                f"that is differentiated; it returned {described(found)}"
            )
        every: list[Any] = []
        for entry, argument in zip(found, arguments, strict=True):
            every += matching(entry, argument, what, "cotangent")
        return every


def custom_jvp(
    fun: Callable[..., Any] | None = None, *, nondiff_argnums: int | Sequence[int] = ()
) -> Any:
    """Return a function whose derivative is what ``.defjvp`` says.

    Reverse mode transposes the rule, unless ``.defvjp`` gives one too.

    Parameters
    ----------
    fun : callable
        Takes and returns trees of numbers and arrays.
    nondiff_argnums : int or sequence of int
        Arguments that carry no derivative, of any type; rules get them first. What the function
        takes by keyword only carries none either; rules get it by keyword.

    Returns
    -------
    CustomFunction

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> @wg.custom_jvp
    ... def softplus(x):
    ...     return np.log1p(np.exp(x))
    >>> @softplus.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return softplus(x), t / (1 + np.exp(-x))
    >>> float(wg.grad(softplus)(0.0))
    0.5
    """
    if fun is None:
        return functools.partial(custom_jvp, nondiff_argnums=nondiff_argnums)
    return CustomFunction(fun, nondiff_argnums)


def custom_vjp(
    fun: Callable[..., Any] | None = None, *, nondiff_argnums: int | Sequence[int] = ()
) -> Any:
    """Return a function whose pullback is what ``.defvjp(forward, backward)`` says.

    Forward mode transposes the rule, unless ``.defjvp`` gives one too.

    Parameters
    ----------
    fun, nondiff_argnums
        As for `custom_jvp`.

    Returns
    -------
    CustomFunction

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> @wg.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, g: (np.clip(g, -1.0, 1.0),))
    >>> wg.grad(lambda x: 100.0 * clipped(x))(2.0)
    1.0
    """
    if fun is None:
        return functools.partial(custom_vjp, nondiff_argnums=nondiff_argnums)
    return CustomFunction(fun, nondiff_argnums)


# ------------------------------------------------------------------ the primitive
#
# outputs = custom_call(*captured, *leaves; call, program, captured)
#
# Staged, `program` is the list of the function over (captured, leaves), to be run or inlined once
# no transformation is left; `captured` counts the values that the function took from outside, which
# carry no derivative. Eager, `program` is None and `call` runs the function itself.


def _evaluate(*values: Any, call: _Call, program: WengertList | None, captured: int) -> Any:
    if program is not None:
        return program.evaluate(*values)
    found = [raw_of(value) for value in call.on_leaves(*values)]
    for value in found:
        if type(value) is Traced:
            raise _captures(call, value._trace.batches)
    return tuple(found)


def _captures(call: _Call, batched: bool = False) -> ArgumentError:
    what = "has other values for every example of a vmap" if batched else "is being differentiated"
    return ArgumentError(
        f"{call!r} has a custom rule and uses a value from outside that {what}; "
        "the rule cannot know it. Make it an argument of the function."
    )


def _infer(*avals: Aval, call: _Call, program: WengertList | None, captured: int) -> Any:
    if program is None:
        program = hoist(stage_body(call.on_leaves, avals, tuple).program)[0]
    return tuple(operand.aval for operand in program.outputs)


def _user(values: Sequence[Any]) -> list[Any]:
    return [to_user(value) for value in values]


def _push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
    call, start = params["call"], params["captured"]
    if any(tangent is not None for tangent in tangents[:start]):
        raise _captures(call)
    # The rules may write their arguments, but not the caller's arrays.
    leaves = [v.copy() if type(v) is np.ndarray else v for v in primals[start:]]
    changes = tangents[start:]
    if call.function.jvp_rule is not None:
        return call.pushed(leaves, changes)
    if call.function.backward is None:
        raise _no_rule(call)
    value, residuals = call.forward(leaves)
    where = [i for i, entry in enumerate(value) if is_differentiable(aval_of(entry).dtype)]
    given = [(i, tangent) for i, tangent in enumerate(changes) if tangent is not None]

    def linear(cotangents: Sequence[Any]) -> tuple[Any, ...]:
        every: list[Any] = [None] * len(value)
        for i, cotangent in zip(where, cotangents, strict=True):
            every[i] = cotangent
        found = call.backward(residuals, every, value, leaves)
        return tuple(found[i] for i, _ in given)

    pushed = transpose_linear(
        linear, [value[i] for i in where], tuple(tangent for _, tangent in given)
    )
    result: list[Any] = [None] * len(value)
    for i, change in zip(where, pushed, strict=True):
        result[i] = change
    return tuple(value), tuple(result)


class _Found(threading.local):
    """The custom functions whose coefficients are being found in this thread.

    A rule mostly calls its own function at its own arguments: the coefficients that it needs are
    those found so far. Without them each order would find all lower ones again.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[Any, list[Series], list[Any]]] = []


_found = _Found()


def _taylor(series: list[Series], params: dict[str, Any]) -> list[Series]:
    call, start = params["call"], params["captured"]
    if any(entry is not None for each in series[:start] for entry in each[1:]):
        raise _captures(call)
    for other, given, found in reversed(_found.entries):
        if call.is_like(other) and all(map(_begins, series[start:], given)):
            return [list(column) for column in zip(*found[: len(series[0])], strict=True)]
    which = tuple(i for i, each in enumerate(series) if any(e is not None for e in each[1:]))
    ans = bind(custom, *(each[0] for each in series), **params)
    found = []
    _found.entries.append((call, series[start:], found))
    try:
        tower(custom, ans, series, which, params, call.function.fun, found)
    finally:
        _found.entries.pop()
    return [list(column) for column in zip(*found, strict=True)]


def _begins(first: Series, whole: Series) -> bool:
    """Return whether a series is the beginning of another one, the very same values."""
    return all(mine is other for mine, other in zip(first, whole, strict=False))


def _record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
    call, start = params["call"], params["captured"]
    if any(index < start for index in which):
        raise _captures(call)
    leaves = values[start:]
    numbers = tuple(index - start for index in which)
    if call.function.backward is not None:
        value, residuals = call.forward(leaves)
        if level_of((*value, *tree.leaves(residuals))) > level_of(leaves):
            raise _captures(call)
        return tuple(value), _pull, (call, residuals, value, leaves, numbers)
    if call.function.jvp_rule is None:
        raise _no_rule(call)
    ans = bind(custom, *values, **params)
    return ans, _pull_transposed, (call, leaves, numbers)


def _pull(cotangents: Sequence[Any], residuals: Any) -> Any:
    call, kept, value, leaves, numbers = residuals
    every = call.backward(kept, cotangents, value, leaves)
    chosen = tuple(every[number] for number in numbers)
    return chosen[0] if len(chosen) == 1 else chosen


def _pull_transposed(cotangents: Sequence[Any], residuals: Any) -> Any:
    call, leaves, numbers = residuals

    def linear(tangents: Sequence[Any]) -> tuple[Any, ...]:
        changes: list[Any] = [None] * len(leaves)
        for number, tangent in zip(numbers, tangents, strict=True):
            changes[number] = tangent
        return call.pushed(leaves, changes)[1]  # type: ignore[no-any-return]

    found = transpose_linear(linear, [leaves[n] for n in numbers], tuple(cotangents))
    return found[0] if len(found) == 1 else tuple(found)


def _batch(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    start, program = params["captured"], params["program"]
    size = batch_size(values, axes)
    places = [None if axis is None else 0 for axis in axes]
    call = BatchedCall(params["call"], places[start:], size)
    operands = [front(value, axis) for value, axis in zip(values, axes, strict=True)]
    if program is not None:
        program = batch_of_list(program, places, size, [True] * len(program.outputs))[0]
    found = bind(custom, *operands, call=call, program=program, captured=start)
    return found, (0,) * len(found)


def _no_rule(call: _Call) -> MissingRuleError:
    return MissingRuleError(
        f"{call!r} was made with custom_jvp or custom_vjp, but has no rule yet: give it one with "
        f"{call!r}.defjvp(rule) or {call!r}.defvjp(forward, backward)"
    )


def _sample() -> CustomFunction:
    def cube(x: Any, y: Any) -> Any:
        return {"cube": x * x * x, "product": x * y}

    function = CustomFunction(cube, ())
    function.defjvp(
        lambda primals, tangents: (
            cube(*primals),
            {
                "cube": 3 * primals[0] * primals[0] * tangents[0],
                "product": primals[0] * tangents[1] + tangents[0] * primals[1],
            },
        )
    )
    return function


def _samples() -> list[Sample]:
    structure = tree.structure((0.0, 0.0))
    call = _Call(_sample(), structure, {}, 2)
    pulled = CustomFunction(call.function.fun, ())
    pulled.defvjp(
        lambda x, y: (pulled.fun(x, y), (x, y)),
        lambda kept, g: (
            3 * kept[0] * kept[0] * g["cube"] + kept[1] * g["product"],
            kept[0] * g["product"],
        ),
    )
    other = _Call(pulled, structure, {}, 2)
    x, y = array(3), array(3, seed=1)
    return [
        Sample(x, y, call=call, program=None, captured=0),
        Sample(x, y, call=other, program=None, captured=0),
        Sample(1.5, -0.5, call=other, program=None, captured=0),
    ]


custom = Primitive(
    "custom_call",
    family="custom",
    arguments=("first",),
    evaluate=_evaluate,
    infer=_infer,
    push=_push,
    taylor=_taylor,
    record=_record,
    batch=_batch,
    multiple=True,
    samples=_samples,
    fails=tuple,
)
