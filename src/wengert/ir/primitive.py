"""The record of one primitive operation, the registry of all of them, and rules that name needs.

A primitive's rules see values one level down and are written with the library's own operations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..errors import RegistryError
from .aval import aval_of
from .loading import put

Pull = Callable[[Any, Any], Any]
Plan = tuple[Pull, Sequence[bool], Pull]


class Primitive:
    """One operation with everything the transformations know about it, as named slots.

    Attributes
    ----------
    name : str
        Unique in the registry; what a Wengert list shows.
    family : str
        The family that built the record, or ``"irregular"``.
    arguments : tuple of str
        Names of the positional arguments; rules refer to them.
    evaluate : callable
        ``evaluate(*values, **params)`` on plain values.
    infer : callable
        ``infer(*avals, **params)`` gives the Aval of the result, or a tuple of them.
    tangent : callable or None
        The jvp slot: ``tangent(ans, primals, tangents, params)``; a tangent is None where zero.
    reverse : callable or None
        The vjp slot: ``reverse(which, values, ans, params) -> (pull, residuals)`` where `which`
        holds the indices of the traced arguments; ``pull(cotangent, residuals)`` gives one
        cotangent if one argument is traced, else a tuple in the order of `which`.
    push : callable or None
        ``push(primals, tangents, params) -> (ans, tangent)``: value and jvp in one, for primitives
        that hold a program and would run it twice; takes the place of `evaluate` and `tangent`.
    record : callable or None
        ``record(which, values, params) -> (ans, pull, residuals)``: likewise for the vjp of a
        primitive whose result is a tuple.
    linear : callable
        ``linear(which, params)`` says whether the result is linear in those arguments together, up
        to a constant (`linear_transpose` looks at the constant).
    zero_derivative : bool
        The derivative is identically zero: nothing is recorded.
    multiple : bool
        The result is a tuple.
    batch : callable or None
        ``batch(values, axes, params) -> (ans, axis)``: the operation on values whose batch axis
        stands at ``axes[i]`` (None for a value without one), and where the result has it; tuples
        of both where the result is a tuple. Given ready, or by ``batching(primitive)``, which
        makes it (see `wengert.ops.batch_rules`).
    taylor : callable or None
        ``taylor(series, params) -> series``: the coefficients of the result, order by order, from
        those of the arguments; given ready or by ``tayloring(primitive)``, which makes it (see
        `wengert.ops.taylor_rules`).
    lower : callable, Composite or None
        How the compiler makes native code of it: of an entry, in terms of an emitter, or of the
        whole, by operations (see `wengert.ir.emitter`).
    unfold : callable or None
        ``unfold(params)`` gives what native code runs in the place of Python's loops: the lists of
        the pullback of a loop (see `wengert.ir.pullback`), or a list that solves an equation, with
        one output more which says whether it did; None if there is none.
    samples, fails : callable
        Sample calls and declared failures, read by the tests; see `wengert.ops.samples`.
    numpy : callable or None
        The function of NumPy with the same values.

    Raises
    ------
    RegistryError
        If a primitive of this name exists.

    Examples
    --------
    A family makes the record; the slots can be read, and used by hand.

    >>> from wengert import extend
    >>> half = extend.primitive(
    ...     "half",
    ...     arguments=("x",),
    ...     evaluate=lambda x: x / 2,
    ...     infer=lambda x: x,
    ...     jvp=(lambda t: t / 2,),
    ...     samples=lambda: [extend.Sample(3.0)],
    ... )
    >>> half, half.family, half.evaluate(3.0)
    (<primitive half>, 'irregular', 1.5)
    >>> half.tangent(1.5, (3.0,), (1.0,), {})
    0.5
    """

    __slots__ = (
        "arguments",
        "batch",
        "evaluate",
        "fails",
        "family",
        "infer",
        "linear",
        "lower",
        "multiple",
        "name",
        "names_ans",
        "numpy",
        "plans",
        "push",
        "record",
        "reverse",
        "samples",
        "tangent",
        "taylor",
        "unfold",
        "value_free",
        "zero_derivative",
    )

    def __init__(
        self,
        name: str,
        *,
        family: str,
        arguments: tuple[str, ...],
        evaluate: Callable[..., Any],
        infer: Callable[..., Any],
        tangent: Callable[..., Any] | None = None,
        reverse: Callable[..., Any] | None = None,
        push: Callable[..., Any] | None = None,
        record: Callable[..., Any] | None = None,
        linear: Callable[[tuple[int, ...], dict[str, Any]], bool] | None = None,
        zero_derivative: bool = False,
        multiple: bool = False,
        batch: Callable[..., Any] | None = None,
        batching: Callable[[Primitive], Callable[..., Any]] | None = None,
        taylor: Callable[..., Any] | None = None,
        tayloring: Callable[[Primitive], Callable[..., Any]] | None = None,
        lower: Any = None,
        unfold: Callable[[dict[str, Any]], Any] | None = None,
        samples: Callable[[], Iterable[Any]] | None = None,
        fails: Callable[[], Iterable[Any]] | None = None,
        numpy: Any = None,
    ) -> None:
        self.name = name
        self.family = family
        self.arguments = arguments
        self.evaluate = evaluate
        self.infer = infer
        self.tangent = tangent
        self.reverse = reverse
        self.push = push
        self.record = record
        self.linear = linear if linear is not None else _never_linear
        self.zero_derivative = zero_derivative
        self.multiple = multiple
        self.batch = batch if batch is not None or batching is None else batching(self)
        self.taylor = taylor if taylor is not None or tayloring is None else tayloring(self)
        self.lower = lower
        self.unfold = unfold
        self.samples = samples
        self.fails = fails
        self.numpy = numpy
        # Filled by the elementwise family, for the fast paths of reverse mode: by which arguments
        # are traced, the pull and which of (*arguments, ans) it reads, when all of these have the
        # shape and dtype of the result, and the pull when not, whose residuals are a tuple of the
        # arguments' Avals and those.
        self.plans: dict[tuple[int, ...], Plan] | None = None
        # By which arguments are traced, whether the jvp reads the result; None where that is not
        # known. Filled by the elementwise family, for Taylor mode.
        self.names_ans: Callable[[tuple[int, ...]], bool] | None = None
        # The rules of these families ask of values no more than their Avals.
        self.value_free = family in ("structural", "path")
        registry.add(self)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def _never_linear(which: tuple[int, ...], params: dict[str, Any]) -> bool:
    return False


class Registry:
    """All primitives by name, and what is missing in their blocks.

    Some are registered when they are first used; who asks for all of them, or for one that is not
    there, gets those too.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Primitive] = {}
        self._completing: list[Callable[[], Any]] = []

    def completed_by(self, function: Callable[[], Any]) -> None:
        """Have a function register what is not there yet, before the registry is looked through."""
        self._completing.append(function)

    def _complete(self) -> None:
        for function in self._completing:
            function()

    def add(self, primitive: Primitive) -> None:
        if primitive.name in self._by_name:
            raise RegistryError(
                f"a primitive named {primitive.name!r} exists already; choose another name"
            )
        put(self._by_name, primitive.name, primitive)

    def remove(self, name: str) -> None:
        """Take a primitive out again (for tests that define their own)."""
        del self._by_name[name]

    def __iter__(self) -> Iterator[Primitive]:
        self._complete()
        return iter(tuple(self._by_name.values()))

    def __len__(self) -> int:
        self._complete()
        return len(self._by_name)

    def __getitem__(self, name: str) -> Primitive:
        if name not in self._by_name:
            self._complete()
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._by_name:
            self._complete()
        return name in self._by_name

    def gaps(self) -> list[str]:
        """Return one line for each slot that is due and empty."""
        found = []
        for primitive in self:
            due = ["evaluate", "infer", "samples", "fails"]
            given = (primitive.tangent, primitive.push, primitive.record)
            if not primitive.zero_derivative and given == (None, None, None):
                due += ["reverse"]  # transforms derive one of the two from the other
            found += [
                f"{primitive.name}: slot {slot!r} is due and empty"
                for slot in due
                if getattr(primitive, slot) is None
            ]
        return found


registry = Registry()


def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters.

    Read off its code where it has one: ``inspect.signature`` takes 30 times as long, and every
    rule of every primitive is looked at when the library is imported.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return tuple(inspect.signature(function).parameters)
    return tuple(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


class Rule:
    """A rule function together with the residuals that its parameter names ask for.

    The first `leading` parameters are the cotangent or tangents. Every other parameter is one of
    the primitive's argument names, ``ans``, either followed by ``_aval``, ``wanted`` (the indices
    of the traced arguments) or the name of a parameter of the primitive.
    """

    __slots__ = ("_sources", "function", "names")

    def __init__(
        self, function: Callable[..., Any], arguments: Sequence[str], *, leading: int = 1
    ) -> None:
        self.function = function
        self.names = parameter_names(function)[leading:]
        self._sources = tuple(_source(name, arguments) for name in self.names)

    def collect(
        self, which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Return the residuals in the order in which the function takes them."""
        found = []
        for source, key in self._sources:
            if source == "value":
                found.append(values[key])
            elif source == "ans":
                found.append(ans)
            elif source == "value_aval":
                found.append(aval_of(values[key]))
            elif source == "ans_aval":
                found.append(aval_of(ans))
            elif source == "wanted":
                found.append(which)
            else:
                found.append(params[key])
        return tuple(found)


def _source(name: str, arguments: Sequence[str]) -> tuple[str, Any]:
    if name in {"ans", "ans_aval", "wanted"}:
        return name, None
    if name in arguments:
        return "value", arguments.index(name)
    if name.endswith("_aval") and name.removesuffix("_aval") in arguments:
        return "value_aval", arguments.index(name.removesuffix("_aval"))
    return "param", name
