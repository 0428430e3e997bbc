"""Families: functions that make a primitive's record from one formula.

`elementwise` (partial derivatives), `piecewise_constant`, `structural` (linear: its transpose),
`bilinear` (two transposes) and `irregular` (a jvp and a vjp). Broadcasting is undone and results
are projected here, never in a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import RegistryError
from ..ir.aval import Aval, aval_of, kind_of_result, promotion_operand
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive, Pull, Rule
from ..tracing.core import bind
from ..tracing.operators import install_binary, install_unary
from ..tracing.protocols import implement_ufunc, primitive_call
from . import projection
from .projection import fits, project, project_masked

Partial = Callable[..., Any] | int | str
_FLOATS = (float, np.float64)


# ------------------------------------------------------------------ elementwise


class _Contribution:
    """One argument's factor in an elementwise derivative: applied to a tangent or a cotangent.

    Both modes use the same map, because a diagonal linear map is its own transpose.
    """

    __slots__ = ("apply", "name", "rule")

    def __init__(self, partial: Partial, arguments: Sequence[str], *, product: bool) -> None:
        self.rule = None
        self.name = None
        if isinstance(partial, int):
            self.apply = {1: _identity, -1: _negation}[partial]
            return
        if isinstance(partial, str):
            self.name = partial
            self.rule = Rule.naming(partial, arguments)
            self.apply = _times_residual
            return
        self.rule = Rule(partial, arguments, leading=1 if product else 0)
        self.apply = _product(partial) if product else _times(partial, len(self.rule.names))

    def on_scalars(self, order: dict[str, int]) -> Pull:
        """Return the same map for residuals ``(x, y, ans)`` in the given order."""
        apply = self.apply
        if self.rule is None:
            return apply
        picked = tuple(order[name] for name in self.rule.names)
        if self.name is not None:
            only = picked[0]
            return lambda change, known: change * known[only]
        return lambda change, known: apply(change, tuple([known[i] for i in picked]))


def _times_residual(change: Any, residuals: Any) -> Any:
    return change * residuals[0]


def _identity(change: Any, residuals: Any) -> Any:
    return change


def _negation(change: Any, residuals: Any) -> Any:
    return -change


def _times(partial: Callable[..., Any], count: int) -> Callable[[Any, Any], Any]:
    if count == 1:
        return lambda change, residuals: change * partial(residuals[0])
    return lambda change, residuals: change * partial(*residuals)


def _product(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda change, residuals: function(change, *residuals)


class _Elementwise:
    """The jvp and vjp slots of an elementwise primitive, from its contributions."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        contributions: Sequence[_Contribution],
        complex_rules: tuple[_Contribution, _Contribution] | None,
    ) -> None:
        self.arguments = arguments
        self.contributions = contributions
        self.complex_rules = complex_rules
        self.pulls: dict[tuple[int, ...], Callable[[Any, Any], Any]] = {
            which: _same_space_pull([contributions[i] for i in which])
            for which in _subsets(len(arguments))
        }

    def _chosen(self, values: Sequence[Any], forward: bool) -> Sequence[_Contribution]:
        if self.complex_rules is not None and aval_of(values[0]).is_complex:
            return [self.complex_rules[0 if forward else 1]]
        return self.contributions

    def tangent(
        self, ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        chosen = self._chosen(primals, forward=True)
        which = tuple(i for i, tangent in enumerate(tangents) if tangent is not None)
        total = None
        for i in which:
            rule = chosen[i].rule
            residuals = () if rule is None else rule.collect(which, primals, ans, params)
            term = chosen[i].apply(tangents[i], residuals)
            total = term if total is None else total + term
        return total if fits(total, ans) else projection.expand(total, aval_of(ans))

    def reverse(
        self, which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> tuple[Callable[[Any, Any], Any], Any]:
        chosen = self._chosen(values, forward=False)
        residuals = tuple(
            () if rule is None else rule.collect(which, values, ans, params)
            for rule in (chosen[i].rule for i in which)
        )
        if chosen is self.contributions and all(fits(values[i], ans) for i in which):
            return self.pulls[which], residuals
        avals = tuple(aval_of(values[i]) for i in which)
        return _projecting_pull, (tuple(chosen[i].apply for i in which), residuals, avals)


def _subsets(count: int) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for i in range(count):
        found += [(*subset, i) for subset in found]
    return [subset for subset in found if subset]


def _same_space_pull(chosen: Sequence[_Contribution]) -> Callable[[Any, Any], Any]:
    """Return the pull for arguments that have the shape and dtype of the result."""
    if len(chosen) == 1:
        apply = chosen[0].apply

        def pull(cotangent: Any, residuals: Any) -> Any:
            return apply(cotangent, residuals[0])

        def pull_masked(cotangent: Masked, residuals: Any) -> Any:
            return mask_result(apply(cotangent.value, residuals[0]), cotangent.mask)

    elif len(chosen) == 2:
        first, second = chosen[0].apply, chosen[1].apply

        def pull(cotangent: Any, residuals: Any) -> Any:
            return first(cotangent, residuals[0]), second(cotangent, residuals[1])

        def pull_masked(cotangent: Masked, residuals: Any) -> Any:
            mask = cotangent.mask
            return (
                mask_result(first(cotangent.value, residuals[0]), mask),
                mask_result(second(cotangent.value, residuals[1]), mask),
            )

    else:
        applies = tuple(contribution.apply for contribution in chosen)

        def pull(cotangent: Any, residuals: Any) -> Any:
            return tuple(
                apply(cotangent, kept) for apply, kept in zip(applies, residuals, strict=True)
            )

        def pull_masked(cotangent: Masked, residuals: Any) -> Any:
            return tuple(
                mask_result(apply(cotangent.value, kept), cotangent.mask)
                for apply, kept in zip(applies, residuals, strict=True)
            )

    pull.masked = pull_masked  # type: ignore[attr-defined]
    return pull


def mask_result(value: Any, mask: Any) -> Masked:
    """Return a cotangent that is exactly zero outside the mask."""
    return Masked(projection.select(mask, value), mask)


def _projecting_pull(cotangent: Any, residuals: Any) -> Any:
    applies, kept, avals = residuals
    found = tuple(
        project(apply(cotangent, entry), aval)
        for apply, entry, aval in zip(applies, kept, avals, strict=True)
    )
    return found[0] if len(found) == 1 else found


def _projecting_pull_masked(cotangent: Masked, residuals: Any) -> Any:
    applies, kept, avals = residuals
    found = tuple(
        project_masked(mask_result(apply(cotangent.value, entry), cotangent.mask), aval)
        for apply, entry, aval in zip(applies, kept, avals, strict=True)
    )
    return found[0] if len(found) == 1 else found


_projecting_pull.masked = _projecting_pull_masked  # type: ignore[attr-defined]


def _scalar_pulls(
    arguments: tuple[str, ...], contributions: Sequence[_Contribution]
) -> tuple[Pull, Pull, Pull]:
    """Return the pulls of two real scalars, whose residuals are ``(x, y, ans)``."""
    order = {arguments[0]: 0, arguments[1]: 1, "ans": 2}
    first, second = (contribution.on_scalars(order) for contribution in contributions)

    def both(cotangent: Any, residuals: Any) -> Any:
        return first(cotangent, residuals), second(cotangent, residuals)

    names = [contribution.name for contribution in contributions]
    if None not in names:  # a product: spare the inner calls
        i, j = (order[str(name)] for name in names)

        def both(cotangent: Any, residuals: Any) -> Any:
            return cotangent * residuals[i], cotangent * residuals[j]

    return first, second, both


def infer_elementwise(ufunc: np.ufunc, operator: bool) -> Callable[..., Any]:
    """Return the infer slot of a ufunc: broadcast shapes, NumPy's loop dtypes, and the kind.

    With `operator`, Python numbers alone give a Python number, as the operator does.
    """
    outputs = ufunc.nout

    def infer(*avals: Aval, **params: Any) -> Any:
        shape = np.broadcast_shapes(*(aval.shape for aval in avals))
        weak = all(aval.kind == "python" for aval in avals)
        if weak:
            operands = tuple(aval.dtype for aval in avals)
        else:
            operands = tuple(promotion_operand(aval) for aval in avals)
        dtypes = ufunc.resolve_dtypes((*operands, *(None,) * outputs))[-outputs:]
        kind = "python" if operator and weak else kind_of_result(shape)
        found = tuple(Aval(shape, dtype, kind) for dtype in dtypes)
        return found[0] if outputs == 1 else found

    return infer


def elementwise(
    name: str,
    *,
    numpy: np.ufunc,
    partials: Sequence[Partial] | None = None,
    products: Sequence[Callable[..., Any]] | None = None,
    complex_jvp: Callable[..., Any] | None = None,
    complex_vjp: Callable[..., Any] | None = None,
    arguments: tuple[str, ...] | None = None,
    evaluate: Callable[..., Any] | None = None,
    operator: str | None = None,
    infer: Callable[..., Any] | None = None,
    samples: Callable[[], Iterable[Any]] | None = None,
    fails: Callable[[], Iterable[Any]] = tuple,
    linear: Callable[[tuple[int, ...], dict[str, Any]], bool] | None = None,
    implements: bool = True,
) -> Primitive:
    """Make an elementwise primitive from its partial derivatives.

    Parameters
    ----------
    name : str
    numpy : ufunc
        Gives the value, the dtype rule and, with `implements`, the ufunc that is answered.
    partials : sequence, one an argument
        Each is 1, -1, the name of an argument (or ``"ans"``), or a function of any of these, by
        parameter name; only what is named is kept on the tape. For holomorphic functions it holds for complex input too.
    products : sequence of functions, instead of `partials`
        ``function(change, …)`` gives change times partial; for cases where the partial alone
        would overflow.
    complex_jvp, complex_vjp : callable, optional
        ``function(tangent, …)`` and ``function(cotangent, …)`` for complex input of a function
        that is not holomorphic.
    arguments : tuple of str
        By default ``("x",)`` or ``("x", "y")``.
    evaluate : callable
        By default `numpy`; an operator where Python numbers shall stay Python numbers.
    operator : str, optional
        Name of the special method that this primitive serves, such as ``"__mul__"``.
    """
    if arguments is None:
        arguments = ("x", "y", "z")[: numpy.nin]
    given = partials if partials is not None else products
    if given is None or len(given) != len(arguments):
        raise RegistryError(f"{name}: give partials or products, one an argument ({arguments})")
    if (complex_jvp is None) != (complex_vjp is None):
        raise RegistryError(f"{name}: give complex_jvp and complex_vjp, or neither")
    contributions = [
        _Contribution(entry, arguments, product=products is not None) for entry in given
    ]
    complex_rules = None
    if complex_jvp is not None and complex_vjp is not None:
        complex_rules = (
            _Contribution(complex_jvp, arguments, product=True),
            _Contribution(complex_vjp, arguments, product=True),
        )
    rules = _Elementwise(arguments, contributions, complex_rules)
    primitive = Primitive(
        name,
        family="elementwise",
        arguments=arguments,
        evaluate=evaluate if evaluate is not None else numpy,
        infer=infer or infer_elementwise(numpy, operator is not None),
        tangent=rules.tangent,
        reverse=rules.reverse,
        linear=linear,
        samples=samples,
        fails=fails,
        numpy=numpy,
    )
    if len(arguments) == 2:
        primitive.scalar_pulls = _scalar_pulls(arguments, contributions)
    _install(primitive, operator, implements)
    return primitive


def piecewise_constant(
    name: str,
    *,
    numpy: np.ufunc,
    evaluate: Callable[..., Any] | None = None,
    operator: str | None = None,
    reflected: bool = True,
    samples: Callable[[], Iterable[Any]] | None = None,
    fails: Callable[[], Iterable[Any]] = tuple,
    implements: bool = True,
) -> Primitive:
    """Make an elementwise primitive whose derivative is zero wherever it exists."""
    primitive = Primitive(
        name,
        family="piecewise_constant",
        arguments=("x", "y", "z")[: numpy.nin],
        evaluate=evaluate if evaluate is not None else numpy,
        infer=infer_elementwise(numpy, operator is not None),
        zero_derivative=True,
        multiple=numpy.nout > 1,
        samples=samples,
        fails=fails,
        numpy=numpy,
    )
    _install(primitive, operator, implements, reflected=reflected)
    return primitive


def _install(
    primitive: Primitive, operator: str | None, implements: bool, *, reflected: bool = True
) -> None:
    if operator is not None and len(primitive.arguments) == 2:
        mirrored = f"__r{operator[2:]}" if reflected else None
        install_binary(operator, primitive, mirrored)
    elif operator is not None:
        install_unary(operator, primitive)
    if implements and isinstance(primitive.numpy, np.ufunc):
        implement_ufunc(primitive.numpy, primitive_call(primitive, projection.as_numpy_scalar))


# ------------------------------------------------------------------ structural and bilinear


def structural(
    name: str,
    *,
    evaluate: Callable[..., Any],
    infer: Callable[..., Any],
    transpose: Callable[..., Any],
    argument: str = "x",
    moves_entries: bool = False,
    samples: Callable[[], Iterable[Any]] | None = None,
    fails: Callable[[], Iterable[Any]] = tuple,
    numpy: Any = None,
) -> Primitive:
    """Make a linear primitive of one argument from its transpose.

    Parameters
    ----------
    transpose : callable
        ``transpose(cotangent, …)`` with residuals by name (the argument's ``x_aval``, params).
    moves_entries : bool
        Every entry of the result is an entry of the argument: masks move along.
    """
    rule = Rule(transpose, (argument,))

    def tangent(ans: Any, primals: Any, tangents: Sequence[Any], params: dict[str, Any]) -> Any:
        return bind(primitive, tangents[0], **params)

    def pull(cotangent: Any, residuals: Any) -> Any:
        return transpose(cotangent, *residuals)

    def pull_masked(cotangent: Masked, residuals: Any) -> Any:
        moved = transpose(cotangent.mask.astype(np.float64), *residuals) != 0
        return Masked(transpose(cotangent.value, *residuals), moved)

    if moves_entries:
        pull.masked = pull_masked  # type: ignore[attr-defined]

    def reverse(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
        return pull, rule.collect(which, values, ans, params)

    primitive = Primitive(
        name,
        family="structural",
        arguments=(argument,),
        evaluate=evaluate,
        infer=infer,
        tangent=tangent,
        reverse=reverse,
        linear=lambda which, params: True,
        samples=samples,
        fails=fails,
        numpy=numpy,
    )
    return primitive


def bilinear(
    name: str,
    *,
    evaluate: Callable[..., Any],
    infer: Callable[..., Any],
    transposes: tuple[Callable[..., Any], Callable[..., Any]],
    arguments: tuple[str, str] = ("x", "y"),
    samples: Callable[[], Iterable[Any]] | None = None,
    fails: Callable[[], Iterable[Any]] = tuple,
    numpy: Any = None,
) -> Primitive:
    """Make a primitive that is linear in each of two arguments from its two transposes.

    ``transposes[0](cotangent, …)`` gives the cotangent of the first argument and may name the
    second argument, ``x_aval`` and parameters; likewise ``transposes[1]``.
    """

    def tangent(
        ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        terms = []
        if tangents[0] is not None:
            terms.append(bind(primitive, tangents[0], primals[1], **params))
        if tangents[1] is not None:
            terms.append(bind(primitive, primals[0], tangents[1], **params))
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]

    primitive = irregular(
        name,
        arguments=arguments,
        evaluate=evaluate,
        infer=infer,
        vjp=transposes,
        tangent=tangent,
        samples=samples,
        fails=fails,
        numpy=numpy,
        family="bilinear",
        linear=lambda which, params: len(which) == 1,
    )
    return primitive


# ------------------------------------------------------------------ irregular


def irregular(
    name: str,
    *,
    arguments: tuple[str, ...],
    evaluate: Callable[..., Any],
    infer: Callable[..., Any],
    jvp: Callable[..., Any] | tuple[Callable[..., Any] | None, ...] | None = None,
    vjp: Callable[..., Any] | tuple[Callable[..., Any] | None, ...] | None = None,
    tangent: Callable[..., Any] | None = None,
    multiple: bool = False,
    linear: Callable[[tuple[int, ...], dict[str, Any]], bool] | None = None,
    samples: Callable[[], Iterable[Any]] | None = None,
    fails: Callable[[], Iterable[Any]] = tuple,
    numpy: Any = None,
    family: str = "irregular",
) -> Primitive:
    """Make a primitive from a jvp, a vjp, or both; transforms derive a missing one by transposing.

    Parameters
    ----------
    jvp : callable or tuple
        A tuple holds one ``rule(tangent, …)`` an argument, whose results are added; one callable
        ``rule(tangents, …)`` gets the tuple of all tangents, None where zero.
    vjp : callable or tuple
        A tuple holds one ``rule(cotangent, …)`` an argument (None where the argument carries no
        derivative); one callable gives the tuple of all cotangents. ``wanted`` names the indices
        of the arguments whose cotangents are used.
    tangent : callable, instead of `jvp`
        The ready slot, ``tangent(ans, primals, tangents, params)``.

    All other parameters of a rule are residuals by name, see `wengert.ir.primitive.Rule`.
    """
    if jvp is None and vjp is None and tangent is None:
        raise RegistryError(f"{name}: give a jvp, a vjp, or both")
    reverse_slot = _reverse_of(vjp, arguments) if vjp is not None else None
    tangent_slot = tangent
    if jvp is not None:
        tangent_slot = _tangent_of(jvp, arguments, multiple)
    return Primitive(
        name,
        family=family,
        arguments=arguments,
        evaluate=evaluate,
        infer=infer,
        tangent=tangent_slot,
        reverse=reverse_slot,
        linear=linear,
        multiple=multiple,
        samples=samples,
        fails=fails,
        numpy=numpy,
    )


def _tangent_of(
    jvp: Callable[..., Any] | tuple[Callable[..., Any] | None, ...],
    arguments: tuple[str, ...],
    multiple: bool,
) -> Callable[..., Any]:
    if callable(jvp):
        joint = Rule(jvp, arguments)

        def tangent_joint(
            ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
        ) -> Any:
            which = tuple(i for i, tangent in enumerate(tangents) if tangent is not None)
            return joint.function(tangents, *joint.collect(which, primals, ans, params))

        return tangent_joint
    rules = [None if rule is None else Rule(rule, arguments) for rule in jvp]

    def tangent_by_argument(
        ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        which = tuple(i for i, tangent in enumerate(tangents) if tangent is not None)
        total = None
        for i in which:
            rule = rules[i]
            if rule is None:
                continue
            term = rule.function(tangents[i], *rule.collect(which, primals, ans, params))
            if total is None:
                total = term
            elif multiple:
                total = tuple(projection.add(a, b) for a, b in zip(total, term, strict=True))
            else:
                total = total + term
        return total

    return tangent_by_argument


def _reverse_of(
    vjp: Callable[..., Any] | tuple[Callable[..., Any] | None, ...], arguments: tuple[str, ...]
) -> Callable[..., Any]:
    if callable(vjp):
        joint = Rule(vjp, arguments)

        def pull_joint(cotangent: Any, residuals: Any) -> Any:
            which, avals, kept = residuals
            found = joint.function(cotangent, *kept)
            chosen = tuple(
                projection.project_or_none(found[i], aval)
                for i, aval in zip(which, avals, strict=True)
            )
            return chosen[0] if len(chosen) == 1 else chosen

        def reverse_joint(
            which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
        ) -> Any:
            kept = joint.collect(which, values, ans, params)
            return pull_joint, (which, tuple(aval_of(values[i]) for i in which), kept)

        return reverse_joint
    rules = [None if rule is None else Rule(rule, arguments) for rule in vjp]

    def pull_by_argument(cotangent: Any, residuals: Any) -> Any:
        found = tuple(
            None
            if rule is None
            else projection.project_or_none(rule.function(cotangent, *kept), aval)
            for rule, aval, kept in residuals
        )
        return found[0] if len(found) == 1 else found

    def reverse_by_argument(
        which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> Any:
        residuals = []
        for i in which:
            rule = rules[i]
            kept = () if rule is None else rule.collect(which, values, ans, params)
            residuals.append((rule, aval_of(values[i]), kept))
        return pull_by_argument, tuple(residuals)

    return reverse_by_argument
