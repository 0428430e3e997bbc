"""Families: functions that make a primitive's record from one formula.

`elementwise` and `piecewise_constant` (see `elementwise_family`), `structural` (linear: its
transpose), `bilinear` (two transposes) and `irregular` (a jvp and a vjp). Results are projected
here, never in a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import MissingRuleError, RegistryError
from ..ir.aval import aval_of
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive, Rule
from ..tracing.core import bind
from . import projection
from .differences import check_method, reverse_by_differences, tangent_by_differences
from .elementwise_family import elementwise as elementwise
from .elementwise_family import mask_result as mask_result
from .elementwise_family import piecewise_constant as piecewise_constant

# ------------------------------------------------------------------ structural and bilinear


def structural(
    name: str,
    *,
    evaluate: Callable[..., Any],
    infer: Callable[..., Any],
    transpose: Callable[..., Any],
    argument: str = "x",
    moves_entries: bool = False,
    drops_entries: bool = False,
    samples: Callable[[], Iterable[Any]] | None = None,
    fails: Callable[[], Iterable[Any]] = tuple,
    numpy: Any = None,
    **slots: Any,
) -> Primitive:
    """Make a linear primitive of one argument from its transpose.

    Parameters
    ----------
    transpose : callable
        ``transpose(cotangent, …)`` with residuals by name (the argument's ``x_aval``, params).
    moves_entries : bool
        Every entry of the result is an entry of the argument (or a zero): masks move along.
    drops_entries : bool
        Some entries of the argument do not occur in the result: its cotangent carries a mask.
    """
    rule = Rule(transpose, (argument,))

    def tangent(ans: Any, primals: Any, tangents: Sequence[Any], params: dict[str, Any]) -> Any:
        return bind(primitive, tangents[0], **params)

    def pull(cotangent: Any, residuals: Any) -> Any:
        return transpose(cotangent, *residuals)

    def pull_masked(cotangent: Masked, residuals: Any) -> Any:
        moved = transpose(cotangent.mask.astype(np.float64), *residuals) != 0
        value = transpose(cotangent.value, *residuals)
        return projection.selected(value, moved)

    if drops_entries:

        def pull(cotangent: Any, residuals: Any) -> Any:
            return pull_masked(Masked(cotangent, np.ones(np.shape(cotangent), bool)), residuals)

    if moves_entries or drops_entries:
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
        **slots,
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
    **slots: Any,
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
        **slots,
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
    differences: str | None = None,
    **slots: Any,
) -> Primitive:
    """Make a primitive from a jvp, a vjp, or both; transforms derive a missing one by transposing.

    Without any it has a value everywhere, and differentiating it is an error.

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
    differences : {"forward", "central"}, instead of rules
        Differentiate by finite differences: inexact, and in reverse mode as many evaluations as
        the arguments have entries.

    All other parameters of a rule are residuals by name, see `wengert.ir.primitive.Rule`;
    `slots` are further slots of the record, as in every family: ``batch``, ``taylor``, ``lower``.
    """
    if jvp is None and vjp is None and tangent is None:
        tangent = _refused(name)
    elif differences is not None:
        raise RegistryError(f"{name}: give rules, or differences, not both")
    reverse_slot = _reverse_of(vjp, arguments) if vjp is not None else None
    tangent_slot = tangent
    if jvp is not None:
        tangent_slot = _tangent_of(jvp, arguments, multiple)
    if differences is not None:
        check_method(name, differences)
        tangent_slot = tangent_by_differences(
            differences, lambda *values, **params: bind(primitive, *values, **params)
        )
        reverse_slot = reverse_by_differences(tangent_slot)
    primitive = Primitive(
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
        **slots,
    )
    return primitive


def _refused(name: str) -> Callable[..., Any]:
    """Return the jvp slot of a primitive that has no derivative: an error that says what to do."""

    def tangent(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
        raise MissingRuleError(
            f"{name!r} was differentiated, but its block gives no derivative. Give it jvp= or vjp= "
            '(see docs/adding-a-primitive.md), or ask for differences="central".'
        )

    return tangent


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
