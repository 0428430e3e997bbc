"""Reductions by a ufunc: sum, product, largest, smallest, and the logarithm of a sum of exponentials.

The family `reducer` makes each from its partial derivatives. Means and variances are in
`statistics`, running reductions in `cumulative`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from ..tracing.core import Array, Traced, bind, bind_one, to_user
from ..tracing.operators import install_method
from ..tracing.protocols import implements, plain_of, store_results
from . import projection
from .axes import (
    Axes,
    all_axes,
    kept,
    loop_dtype,
    normalised_axes,
    operand_of,
    reduced_shape,
    spread,
)
from .cumulative import exclusive_products
from .samples import Fail, Sample, array

# ------------------------------------------------------------------ the family


class Weights(NamedTuple):
    """The partial derivatives of a reduction.

    ``entries`` by the entries (None for ones) and ``initial`` by the initial value, both of shapes
    that broadcast against the argument; ``mask`` marks the entries that influence the result (None
    for all).
    """

    entries: Any
    initial: Any
    mask: Any


class Reducer(NamedTuple):
    """The two primitives of a reduction, and the ufunc that gives their values.

    ``whole(x)`` reduces all entries; ``selected(x, initial, where)`` knows the other keywords, and
    uses those of the two that its parameter ``given`` names.
    """

    whole: Primitive
    selected: Primitive
    numpy: np.ufunc


Weigh = Callable[[Any, Any, Any, Any, tuple[int, ...]], Weights]


def reducer(
    name: str,
    *,
    numpy: np.ufunc,
    weigh: Weigh | None,
    samples: Callable[[], Iterable[Sample]],
    selected: Callable[[], Iterable[Sample]],
    fails: Callable[[], Iterable[Fail]],
) -> Reducer:
    """Make the primitives of a reduction from its partial derivatives.

    Parameters
    ----------
    numpy : ufunc
        Its ``reduce`` gives the values.
    weigh : callable, or None for a sum
        ``weigh(x, initial, where, ans, axes)`` gives `Weights`; `initial` is None and `where` True
        where not given, `ans` is the result in a shape that broadcasts against `x`.
    samples, selected, fails : callable
        Samples of the two primitives, and the failures of the first.
    """
    reduce = numpy.reduce

    def infer(x: Aval, *others: Aval, axes: Axes, keepdims: bool, dtype: Any, **params: Any) -> Any:
        shape = reduced_shape(x.shape, all_axes(axes, x.ndim), keepdims)
        if numpy.identity is None and not others and 0 in x.shape and 0 not in shape:
            raise ValueError(
                f"zero-size array to reduction operation {numpy.__name__} which has no identity"
            )
        found = reduce(np.ones(1, x.dtype), dtype=dtype).dtype  # NumPy widens small integers
        return Aval(shape, found, kind_of_result(shape))

    def evaluate(x: Any, *, axes: Axes, keepdims: bool, dtype: Any) -> Any:
        return reduce(x, axes, dtype, None, keepdims)

    def evaluate_selected(
        x: Any, initial: Any, where: Any, *, axes: Axes, keepdims: bool, dtype: Any, given: Any
    ) -> Any:
        keywords = _given(given, initial, where)
        return reduce(x, axis=axes, dtype=dtype, keepdims=keepdims, **keywords)

    def weighed(
        x: Any, initial: Any, where: Any, ans: Any, params: dict[str, Any]
    ) -> Weights:
        aval = aval_of(x)
        axes = all_axes(params["axes"], aval.ndim)
        if weigh is None:
            return Weights(None, 1.0, None if where is True else where)
        if params["dtype"] is not None:
            x = projection.cast(x, np.dtype(params["dtype"]))
        return weigh(x, initial, where, kept(ans, aval.shape, axes), axes)

    def tangent(
        ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        initial, where = _operands(primals, params)
        if tangents[0] is None and initial is None:
            return None
        weights = weighed(primals[0], initial, where, ans, params)
        shown = aval_of(ans)
        total = None
        if tangents[0] is not None:
            moved = tangents[0] if weights.entries is None else tangents[0] * weights.entries
            total = _total(moved, weights.mask, params)
        if initial is not None and tangents[1] is not None:
            part = weights.initial * tangents[1]
            if np.ndim(part):
                part = np.reshape(part, shown.shape)
            total = projection.add(total, part)
        return projection.expand(total, shown)

    def reverse(
        which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> Any:
        x = values[0]
        aval = aval_of(x)
        initial, where = _operands(values, params)
        if weigh is None:
            x = ans = None  # a sum keeps no array
        return pull, (which, aval, x, initial, where, ans, params)

    def pull(cotangent: Any, residuals: Any) -> Any:
        return pull_masked(Masked(cotangent, None), residuals)

    def pull_masked(cotangent: Masked, residuals: Any) -> Any:
        which, aval, x, initial, where, ans, params = residuals
        axes = all_axes(params["axes"], aval.ndim)
        change = kept(cotangent.value, aval.shape, axes)
        incoming = cotangent.mask
        if incoming is not None:
            incoming = np.broadcast_to(kept(incoming, aval.shape, axes), aval.shape)
        weights = weighed(aval if x is None else x, initial, where, ans, params)
        found = []
        if 0 in which:
            found.append(_cotangent(change, weights, incoming, aval, axes))
        if 1 in which:
            found.append(None)
            if initial is not None:
                part = np.sum(change * weights.initial)
                found[-1] = projection.project(part, aval_of(initial))
        return found[0] if len(found) == 1 else tuple(found)

    pull.masked = pull_masked  # type: ignore[attr-defined]

    def reverse_sum(
        which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> Any:
        return pull_sum, (aval_of(values[0]), params["axes"])

    def pull_sum(cotangent: Any, residuals: Any) -> Any:
        aval, axes = residuals
        back = spread(cotangent, aval.shape, all_axes(axes, aval.ndim))
        return back if type(back) is np.float64 else projection.cast(back, aval.dtype)

    def pull_sum_masked(cotangent: Masked, residuals: Any) -> Any:
        aval, axes = residuals
        axes = all_axes(axes, aval.ndim)
        return Masked(pull_sum(cotangent.value, residuals), spread(cotangent.mask, aval.shape, axes))

    pull_sum.masked = pull_sum_masked  # type: ignore[attr-defined]

    def is_linear(which: tuple[int, ...], params: dict[str, Any]) -> bool:
        return weigh is None

    whole = Primitive(
        name,
        family="reducer",
        arguments=("x",),
        evaluate=evaluate,
        infer=infer,
        tangent=tangent,
        reverse=reverse if weigh is not None else reverse_sum,
        linear=is_linear,
        samples=samples,
        fails=fails,
        numpy=numpy,
    )
    whole.value_free = weigh is None
    partial = Primitive(
        f"{name}_selected",
        family="reducer",
        arguments=("x", "initial", "where"),
        evaluate=evaluate_selected,
        infer=infer,
        tangent=tangent,
        reverse=reverse,
        linear=is_linear,
        samples=selected,
        fails=lambda: [
            Fail(ValueError, "", array(3), 0.0, np.ones((2, 3), bool), **_plain(), given=("where",))
        ],
        numpy=numpy,
    )
    return Reducer(whole, partial, numpy)


def _given(given: tuple[str, ...], initial: Any, where: Any) -> dict[str, Any]:
    keywords = {}
    if "initial" in given:
        keywords["initial"] = initial
    if "where" in given:
        keywords["where"] = where
    return keywords


def _operands(values: Sequence[Any], params: dict[str, Any]) -> tuple[Any, Any]:
    """Return the initial value, or None, and the mask, or True."""
    if len(values) == 1:
        return None, True
    given = params["given"]
    return values[1] if "initial" in given else None, values[2] if "where" in given else True


def _total(moved: Any, mask: Any, params: dict[str, Any]) -> Any:
    """Return the sum of a weighted tangent over the entries that influence the result."""
    rest = {key: params[key] for key in ("axes", "keepdims", "dtype")}
    if mask is None:
        return bind(reduce_sum.whole, moved, **rest)
    return bind(reduce_sum.selected, moved, 0.0, mask, given=("where",), **rest)


def _cotangent(
    change: Any, weights: Weights, incoming: Any, aval: Aval, axes: tuple[int, ...]
) -> Any:
    """Return the cotangent of the entries, with its mask where some have no influence."""
    mask = weights.mask
    if weights.entries is not None:
        change = change * weights.entries
    if mask is None and incoming is None:
        return projection.cast(spread(change, aval.shape, axes), aval.dtype)
    if mask is not None:
        mask = np.broadcast_to(mask, aval.shape)
    if incoming is not None:
        mask = incoming if mask is None else mask & incoming
    value = projection.cast(projection.select(mask, change), aval.dtype)
    if not aval.shape:
        return value if mask else None
    return Masked(value, mask)


# ------------------------------------------------------------------ partial derivatives


def weigh_product(x: Any, initial: Any, where: Any, ans: Any, axes: tuple[int, ...]) -> Weights:
    """Return the products of all other entries: no division, so that zeros are right."""
    mask = None if where is True else where
    if mask is not None:
        x = np.where(mask, x, aval_of(x).dtype.type(1))
    others = exclusive_products(x, axes)
    if initial is None:
        return Weights(others, None, mask)
    return Weights(others * initial, np.prod(x, axis=axes, keepdims=True), mask)


def weigh_extreme(x: Any, initial: Any, where: Any, ans: Any, axes: tuple[int, ...]) -> Weights:
    """Return equal shares of all entries that are the largest or smallest; nan where that is nan."""
    chosen = np.equal(x, ans)
    undefined = np.isnan(ans)
    if np.any(undefined):
        chosen = chosen | (undefined & np.isnan(x))
    if where is not True:
        chosen = chosen & where
    count = np.sum(chosen, axis=axes, keepdims=True)
    if initial is None:
        return Weights(1.0 / count, None, chosen)
    ties = np.equal(initial, ans) | (undefined & np.isnan(initial))
    share = 1.0 / (count + ties)
    return Weights(share, share * ties, chosen)


def _weigh_exponentials(power: Any) -> Weigh:
    """Return the rule of log Σ exp x: weights exp(x - ans), of which none exceeds 1.

    An infinite result is that of its largest entries, which share.
    """

    def weigh(x: Any, initial: Any, where: Any, ans: Any, axes: tuple[int, ...]) -> Weights:
        mask = None if where is True else where
        infinite = np.isinf(ans)
        if not np.any(infinite):
            first = None if initial is None else power(initial - ans)
            return Weights(power(x - ans), first, mask)
        shares = weigh_extreme(x, initial, where, ans, axes)
        finite = np.where(infinite, 0.0, ans)
        entries = np.where(
            infinite,
            np.where(shares.mask, shares.entries, 0.0),
            power(np.where(infinite, 0.0, x - finite)),
        )
        if initial is None:
            return Weights(entries, None, mask)
        first = power(np.where(infinite, 0.0, initial - finite))
        return Weights(entries, np.where(infinite, shares.initial, first), mask)

    return weigh


# ------------------------------------------------------------------ samples


def _plain(axes: Axes = None, keepdims: bool = False, dtype: Any = None) -> dict[str, Any]:
    return {"axes": axes, "keepdims": keepdims, "dtype": dtype}


def _samples(*, complex_too: bool = True, empty: bool = True, smooth: bool = True) -> list[Sample]:
    """Return the samples that every reduction has."""
    x = array(2, 3, 4)
    found = [
        Sample(array(5), **_plain()),
        Sample(array(3, 4), **_plain((0,))),
        Sample(array(3, 4), **_plain((1,), True)),
        Sample(x, **_plain((0, 2))),
        Sample(x, **_plain((0, 1, 2), True)),
        Sample(x, **_plain(None, True)),
        Sample(x, **_plain((), False)),
        Sample(array(4, 3).T[:, ::-2], **_plain((1,))),
        Sample(array(3, 1), **_plain((1,))),
        Sample(array(3, 4, dtype=np.float32), **_plain((0,))),
        Sample(array(3, 4, dtype=np.float32), **_plain((1,), dtype=np.float64)),
        Sample(array(0, 3), **_plain((1,))),
        Sample(1.5, **_plain()),
        Sample(np.float64(1.5), **_plain()),
        Sample(np.array(1.5), **_plain(None, True)),
    ]
    if empty:
        # The logarithm of an empty sum is -inf: there are no differences.
        found += [
            Sample(array(3, 0), **_plain((1,)), differentiable=smooth),
            Sample(array(0), **_plain(), differentiable=smooth),
        ]
    if complex_too:
        found += [
            Sample(array(2, 3, dtype=np.complex128), **_plain((1,))),
            Sample(array(4, dtype=np.complex64), **_plain()),
        ]
    return found


def _selected_samples(
    *, initial: float, empty: bool = True, smooth: bool = True
) -> list[Sample]:
    """Return the samples that every reduction with ``initial`` and ``where`` has."""
    x = array(3, 4)
    where = array(3, 4, seed=20) > -0.5
    both = ("initial", "where")
    first = np.float64(initial)
    found = [
        Sample(x, initial, where, **_plain((1,)), given=both),
        Sample(x, first, np.array([[True], [False], [True]]), **_plain((0,), True), given=both),
        Sample(x, initial, True, **_plain((0,)), given=("initial",)),
        Sample(array(2, 3, 4), first, True, **_plain((0, 2)), given=("initial",)),
        Sample(x[:, ::-2], initial, where[:, ::2], **_plain(), given=both),
        Sample(array(3, dtype=np.float32), initial, True, **_plain(), given=("initial",)),
        Sample(array(0, 3), initial, True, **_plain((0,)), given=("initial",)),
        Sample(1.5, initial, True, **_plain(), given=("initial",)),
        Sample(np.array(1.5), initial, np.array(True), **_plain(), given=both),
        Sample(x, initial, np.zeros(4, bool), **_plain((0,)), given=both),
    ]
    if empty:
        found += [
            Sample(x, 0.0, where, **_plain((0,)), given=("where",)),
            Sample(
                x, 0.0, np.zeros((3, 4), bool), **_plain((1,)), given=("where",),
                differentiable=smooth,
            ),
        ]
    return found


def _out_of_bounds() -> list[Fail]:
    return [Fail(ValueError, "out of bounds", array(3), **_plain((1,)))]


def _empty_fails() -> list[Fail]:
    return [
        *_out_of_bounds(),
        Fail(ValueError, "zero-size array to reduction", array(0), **_plain()),
        Fail(ValueError, "zero-size array to reduction", array(3, 0), **_plain((1,))),
    ]


def _zero_samples() -> list[Sample]:
    table = array(3, 4, seed=5)
    table[0, 1] = table[1, 2] = table[1, 3] = 0.0
    return [
        Sample(np.array([2.0, 0.0, 3.0]), **_plain()),
        Sample(np.array([2.0, 0.0, 3.0, 0.0]), **_plain()),
        Sample(np.zeros(3), **_plain()),
        Sample(table, **_plain((1,))),
        Sample(table[None], **_plain((0, 2), True)),
    ]


def _kinks() -> list[Sample]:
    ties = np.array([[2.0, 1.0, 2.0, 1.0], [1.0, 2.0, np.nan, 1.0], [np.inf, 2.0, -np.inf, 2.0]])
    return [
        Sample(ties, **_plain((1,)), differentiable=False),
        Sample(ties, **_plain((0,), True), differentiable=False),
    ]


# ------------------------------------------------------------------ primitives


reduce_sum = reducer(
    "sum",
    numpy=np.add,
    weigh=None,
    samples=_samples,
    selected=lambda: _selected_samples(initial=0.7),
    fails=_out_of_bounds,
)

reduce_product = reducer(
    "prod",
    numpy=np.multiply,
    weigh=weigh_product,
    samples=lambda: _samples() + _zero_samples(),
    selected=lambda: _selected_samples(initial=0.7),
    fails=_out_of_bounds,
)


def _extreme(name: str, ufunc: np.ufunc, initial: float) -> Reducer:
    return reducer(
        name,
        numpy=ufunc,
        weigh=weigh_extreme,
        samples=lambda: _samples(empty=False) + _kinks(),
        selected=lambda: _selected_samples(initial=initial, empty=False),
        fails=_empty_fails,
    )


reduce_max = _extreme("max", np.maximum, 0.7)
reduce_min = _extreme("min", np.minimum, -0.7)
reduce_fmax = _extreme("fmax_reduce", np.fmax, 0.7)
reduce_fmin = _extreme("fmin_reduce", np.fmin, -0.7)


def _exponential_samples() -> list[Sample]:
    large = np.array([[1000.0, 1001.0, 999.5], [-1000.0, -1001.0, -999.5]])
    infinite = np.array([[-np.inf, 0.5, 1.0], [-np.inf, -np.inf, -np.inf], [np.inf, 0.0, np.inf]])
    return [
        *_samples(complex_too=False, smooth=False),
        Sample(large, **_plain((1,)), differentiable=False),
        Sample(infinite, **_plain((1,)), differentiable=False),
        Sample(infinite, **_plain((0,), True), differentiable=False),
    ]


def _exponentials(name: str, ufunc: np.ufunc, power: np.ufunc) -> Reducer:
    return reducer(
        name,
        numpy=ufunc,
        weigh=_weigh_exponentials(power),
        samples=_exponential_samples,
        selected=lambda: _selected_samples(initial=0.7, smooth=False),
        fails=_out_of_bounds,
    )


reduce_logaddexp = _exponentials("logaddexp_reduce", np.logaddexp, np.exp)
reduce_logaddexp2 = _exponentials("logaddexp2_reduce", np.logaddexp2, np.exp2)

REDUCERS: dict[np.ufunc, Reducer] = {
    entry.numpy: entry
    for entry in (
        reduce_sum,
        reduce_product,
        reduce_max,
        reduce_min,
        reduce_fmax,
        reduce_fmin,
        reduce_logaddexp,
        reduce_logaddexp2,
    )
}


# ------------------------------------------------------------------ what NumPy calls them

NOT_GIVEN: Any = np._NoValue
_WHOLE: dict[str, Any] = {"axes": None, "keepdims": False, "dtype": None}


def reduce_by(
    made: Reducer,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    """Reduce a user's value by one of the reducers, with all of NumPy's keywords."""
    x = operand_of(a)
    if dtype is None and out is None and initial is NOT_GIVEN and where is True:
        axes = None if axis is None else normalised_axes(axis, aval_of(x).ndim)
        keepdims = keepdims is not NOT_GIVEN and bool(keepdims)
        return to_user(bind_one(made.whole, x, {"axes": axes, "keepdims": keepdims, "dtype": None}))
    if out is not None:
        out = out[0] if isinstance(out, tuple) else out
        chosen = loop_dtype(dtype, x, out)
        found = reduce_by(made, x, axis, chosen, None, keepdims, initial, where)
        return store_results((out,), (found,), "unsafe")
    if dtype is not None:
        dtype = np.dtype(dtype)
        if dtype.kind not in "fc" and aval_of(x).dtype.kind in "fc":
            keywords = {} if initial is NOT_GIVEN else {"initial": initial}
            return made.numpy.reduce(
                plain_of(x), axis, dtype, None, keepdims, where=where, **plain_of(keywords)
            )
    given: tuple[str, ...] = ()
    if initial is NOT_GIVEN or initial is None:
        initial = 0.0
    else:
        given = ("initial",)
        initial = operand_of(initial)
    if where is not True:
        given += ("where",)
        where = plain_of(where, "where=")
        if where is not True and type(where) is not np.ndarray:
            where = np.asarray(where)
    axes = None if axis is None else normalised_axes(axis, np.ndim(x))
    keepdims = keepdims is not NOT_GIVEN and bool(keepdims)
    params = {"axes": axes, "keepdims": keepdims, "dtype": dtype}
    if not given:
        return to_user(bind(made.whole, x, **params))
    return to_user(bind(made.selected, x, initial, where, given=given, **params))


@implements(np.sum)
def sum(  # noqa: A001 NumPy's name
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    if axis is None and dtype is None and out is None and initial is NOT_GIVEN and where is True:
        kind = type(a)
        if keepdims is False and (kind is Array or kind is Traced):  # the common call
            return bind_one(reduce_sum.whole, a, _WHOLE)
    return reduce_by(reduce_sum, a, axis, dtype, out, keepdims, initial, where)


@implements(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    return reduce_by(reduce_product, a, axis, dtype, out, keepdims, initial, where)


@implements(np.max, np.amax)
def max(  # noqa: A001 NumPy's name
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    return reduce_by(reduce_max, a, axis, None, out, keepdims, initial, where)


@implements(np.min, np.amin)
def min(  # noqa: A001 NumPy's name
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    return reduce_by(reduce_min, a, axis, None, out, keepdims, initial, where)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    found = max(a, axis, None, keepdims) - min(a, axis, None, keepdims)
    return found if out is None else store_results((out,), (found,), "unsafe")


for _name, _function in {"sum": sum, "prod": prod, "max": max, "min": min}.items():
    install_method(_name, _function)
