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
from ..ir.emitter import Composite, PerEntry
from ..ir.primitive import Primitive, Rule
from ..tracing.core import bind
from . import projection
from .differences import check_method, reverse_by_differences, tangent_by_differences
from .elementwise_family import elementwise as elementwise
from .elementwise_family import mask_result as mask_result
from .elementwise_family import piecewise_constant as piecewise_constant


def _with_lowering(slots: dict[str, Any]) -> dict[str, Any]:
    """Return slots in which a lowering by operations is marked as one."""
    rule = slots.get("lower")
    if rule is None:
        return slots
    return slots | {"lower": rule.function if type(rule) is PerEntry else Composite(rule)}


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

    For y = A x the tangent of y is A t, the operation itself, and the cotangent of x is Aᵀ g, the
    plain transpose also where A is complex: ⟨g, A t⟩ = ⟨Aᵀ g, t⟩ with ⟨g, t⟩ = Re Σ g t.

    Parameters
    ----------
    name : str
        Unique among all primitives; what a Wengert list shows.
    evaluate : callable
        ``evaluate(x, **params)`` on a plain value.
    infer : callable
        ``infer(x_aval, **params)`` gives the Aval of the result.
    transpose : callable
        ``transpose(cotangent, …)`` with residuals by name (the argument's ``x_aval``, params); its
        result is projected to shape, dtype and realness of the argument.
    argument : str
        The argument's name, which `transpose` may ask for with ``_aval`` behind it.
    moves_entries : bool
        Every entry of the result is an entry of the argument (or a zero): masks move along.
    drops_entries : bool
        Some entries of the argument do not occur in the result: its cotangent carries a mask.
    samples, fails : callable
        Give lists of `Sample` and of `Fail`, for the tests.
    numpy : callable, optional
        The function of NumPy with the same values, which the tests compare with.
    **slots
        Further slots of `Primitive`: ``batch`` or ``batching``, ``taylor`` or ``tayloring``, and
        ``lower``: the same result by operations, ``lower(*operands, **params)`` written with NumPy
        and wengert, which native code runs in the place of `evaluate`.

    Returns
    -------
    Primitive
        Registered under `name`; apply it by `bind`.

    Raises
    ------
    RegistryError
        If a primitive of this name exists.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> from wengert import extend
    >>> every_other = extend.structural(
    ...     "every_other",
    ...     evaluate=lambda x: x[::2],
    ...     infer=lambda x: extend.Aval(((x.shape[0] + 1) // 2,), x.dtype),
    ...     transpose=lambda g, x_aval: np.stack([g, 0 * g], axis=1).ravel()[: x_aval.shape[0]],
    ...     samples=lambda: [extend.Sample(np.array([1.0, 2.0, 3.0]))],
    ... )
    >>> def energy(x):
    ...     return np.sum(extend.to_user(extend.bind(every_other, x)) ** 2)
    >>> wg.grad(energy)(np.array([1.0, 2.0, 3.0]))
    array([2., 0., 6.])
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
        **_with_lowering(slots),
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

    The tangent of B(x, y) is B(x', y) + B(x, y').

    Parameters
    ----------
    name : str
        Unique among all primitives; what a Wengert list shows.
    evaluate : callable
        ``evaluate(x, y, **params)`` on plain values.
    infer : callable
        ``infer(x_aval, y_aval, **params)`` gives the Aval of the result.
    transposes : pair of callables
        ``transposes[0](cotangent, …)`` gives the cotangent of the first argument and may name the
        second argument, ``x_aval`` and parameters; likewise ``transposes[1]``.
    arguments : pair of str
        The names of the arguments.
    samples, fails : callable
        Give lists of `Sample` and of `Fail`, for the tests.
    numpy : callable, optional
        The function of NumPy with the same values, which the tests compare with.
    **slots
        Further slots of `Primitive`: ``batch`` or ``batching``, ``taylor`` or ``tayloring``, and
        ``lower``: the same result by operations, ``lower(*operands, **params)`` written with NumPy
        and wengert, which native code runs in the place of `evaluate`.

    Returns
    -------
    Primitive
        Registered under `name`; apply it by `bind`.

    Raises
    ------
    RegistryError
        If a primitive of this name exists.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> from wengert import extend
    >>> weighted = extend.bilinear(
    ...     "weighted",
    ...     evaluate=lambda w, x: np.multiply.outer(w, x),
    ...     infer=lambda w, x: extend.Aval(w.shape + x.shape, np.result_type(w.dtype, x.dtype)),
    ...     transposes=(lambda g, x: g @ x, lambda g, w: w @ g),
    ...     arguments=("w", "x"),
    ...     samples=lambda: [extend.Sample(np.ones(2), np.ones(3))],
    ... )
    >>> def corner(w, x):
    ...     return extend.to_user(extend.bind(weighted, w, x))[1, 0]
    >>> wg.grad(corner, argnums=(0, 1))(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    (array([0., 3.]), array([2., 0.]))
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
        **_with_lowering(slots),
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

    Without any it has a value everywhere, and differentiating it is an error. Its public name is
    `wengert.extend.primitive`.

    Parameters
    ----------
    name : str
        Unique among all primitives; what a Wengert list shows.
    arguments : tuple of str
        The names of the positional arguments, by which rules ask for them.
    evaluate : callable
        ``evaluate(*values, **params)`` on plain values.
    infer : callable
        ``infer(*avals, **params)`` gives the Aval of the result, or a tuple of them.
    jvp : callable or tuple
        A tuple holds one ``rule(tangent, …)`` an argument, whose results are added; one callable
        ``rule(tangents, …)`` gets the tuple of all tangents, None where zero.
    vjp : callable or tuple
        A tuple holds one ``rule(cotangent, …)`` an argument (None where the argument carries no
        derivative); one callable gives the tuple of all cotangents. ``wanted`` names the indices
        of the arguments whose cotangents are used.
    tangent : callable, instead of `jvp`
        The ready slot, ``tangent(ans, primals, tangents, params)``.
    multiple : bool
        The result is a tuple; cotangents and tangents of it are tuples too.
    linear : callable, optional
        ``linear(which, params)``: whether the result is linear in the arguments of these indices
        together. By default it is in none.
    samples, fails : callable
        Give lists of `Sample` and of `Fail`, for the tests.
    numpy : callable, optional
        The function of NumPy with the same values, which the tests compare with.
    family : str
        What the record says of where it comes from.
    differences : {"forward", "central"}, instead of rules
        Differentiate by finite differences: inexact, and in reverse mode as many evaluations as
        the arguments have entries.
    **slots
        Further slots of `Primitive`: ``batch`` or ``batching``, ``taylor`` or ``tayloring``, and
        ``lower``: the same result by operations, ``lower(*operands, **params)`` written with NumPy
        and wengert, which native code runs in the place of `evaluate`.

    Returns
    -------
    Primitive
        Registered under `name`; apply it by `bind`.

    Raises
    ------
    RegistryError
        If a primitive of this name exists, or rules and `differences` are both given.

    Notes
    -----
    All other parameters of a rule are residuals by name: an argument, ``ans``, either followed by
    ``_aval``, or a parameter of the primitive. Only what a rule names is kept. Rules are written
    with NumPy and wengert, so that they can be differentiated, staged and batched themselves.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> from wengert import extend
    >>> spread = extend.primitive(
    ...     "spread",
    ...     arguments=("x", "y"),
    ...     evaluate=lambda x, y, power: np.abs(x - y) ** power,
    ...     infer=lambda x, y, power: extend.Aval(x.shape, x.dtype),
    ...     jvp=(
    ...         lambda t, x, y, power: power * (x - y) ** (power - 1) * t,
    ...         lambda t, x, y, power: -power * (x - y) ** (power - 1) * t,
    ...     ),
    ...     lower=lambda x, y, power: np.abs(x - y) ** power,  # for native code, as evaluate is
    ...     samples=lambda: [extend.Sample(np.ones(2), np.zeros(2), power=4)],
    ... )
    >>> def total(x, y):
    ...     return np.sum(extend.to_user(extend.bind(spread, x, y, power=4)))
    >>> wg.grad(total, argnums=(0, 1))(np.array([1.0, 3.0]), np.array([0.0, 1.0]))
    (array([ 4., 32.]), array([ -4., -32.]))
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
        **_with_lowering(slots),
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
