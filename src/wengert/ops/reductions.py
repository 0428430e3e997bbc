"""Reductions by a ufunc: sum, product, largest, smallest, logarithm of a sum of exponentials.

Each is made by the family `reducer` from its partial derivatives. Means and variances are in
`statistics`, running reductions in `cumulative`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..tracing.core import Array, Traced, bind, bind_one, raw_of, to_user
from ..tracing.decisions import possible
from ..tracing.operators import install_method
from ..tracing.protocols import implements, store_results
from .axes import Axes, loop_dtype, normalised_axes, operand_of
from .cumulative import exclusive_products
from .kinds import astype
from .reducer_family import Reducer, Weigh, Weights, reducer
from .samples import Fail, Sample, array
from .taylor_products import product

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
    """Return equal shares of all entries that are the largest or smallest, or that are nan."""
    chosen = np.equal(x, ans)
    undefined = np.isnan(ans)
    if possible(undefined):
        chosen = chosen | (undefined & np.isnan(x))
    if where is not True:
        chosen = chosen & where
    count = np.sum(chosen, axis=axes, keepdims=True)
    if initial is None:
        return Weights(1.0 / count, None, chosen)
    initial = astype(initial, aval_of(ans).dtype)  # as NumPy compares it
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
        if not possible(infinite):
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


def _selected_samples(*, initial: float, empty: bool = True, smooth: bool = True) -> list[Sample]:
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
                x,
                0.0,
                np.zeros((3, 4), bool),
                **_plain((1,)),
                given=("where",),
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
    tayloring=product,
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
            x = raw_of(astype(x, dtype))
    given: tuple[str, ...] = ()
    if initial is NOT_GIVEN or initial is None:
        initial = 0.0
    else:
        given = ("initial",)
        initial = operand_of(initial)
    if where is not True:
        given += ("where",)
        where = operand_of(where)
        if type(where) is not Traced and type(where) is not np.ndarray:
            where = np.asarray(where)
    axes = None if axis is None else normalised_axes(axis, np.ndim(x))
    keepdims = keepdims is not NOT_GIVEN and bool(keepdims)
    params = {"axes": axes, "keepdims": keepdims, "dtype": dtype}
    if not given:
        return to_user(bind(made.whole, x, **params))
    return to_user(bind(made.selected, x, initial, where, given=given, **params))


@implements(np.sum)
def sum(
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
def max(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    return reduce_by(reduce_max, a, axis, None, out, keepdims, initial, where)


@implements(np.min, np.amin)
def min(
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
    largest, smallest = max(a, axis, None, keepdims), min(a, axis, None, keepdims)
    if out is None:
        return largest - smallest
    wider = loop_dtype(None, operand_of(a), out)  # NumPy subtracts in the wider precision
    if wider is not None:
        largest, smallest = largest.astype(wider), smallest.astype(wider)
    elif out.dtype.kind == "f":  # the largest has been in `out` by then
        largest = largest.astype(out.dtype)
    return store_results((out,), (largest - smallest,), "unsafe")


for _name, _function in {"sum": sum, "prod": prod, "max": max, "min": min}.items():
    install_method(_name, _function)
