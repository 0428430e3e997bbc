"""Means, weighted ones too, variances and standard deviations, with every keyword of NumPy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from ..tracing.core import Traced, bind, bind_one, to_user
from ..tracing.decisions import observed, possible
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
from .batch_rules import reducing, reducing_masked
from .families import irregular, structural
from .reductions import NOT_GIVEN
from .reductions import sum as sum_of
from .samples import Fail, Sample, array
from .smooth_squares import length
from .tips import at_tip

# ------------------------------------------------------------------ mean


def _count(shape: tuple[int, ...], axes: Axes, where: Any = True) -> Any:
    """Return how many entries are averaged: a number, or an array that broadcasts if masked."""
    chosen = all_axes(axes, len(shape))
    if where is True:
        return math.prod(shape[axis] for axis in chosen)
    return np.sum(np.broadcast_to(where, shape), axis=chosen, keepdims=True)


def _infer_by(function: Callable[..., Any]) -> Callable[..., Any]:
    def infer(x: Aval, *others: Aval, axes: Axes, keepdims: bool, dtype: Any, **params: Any) -> Any:
        shape = reduced_shape(x.shape, all_axes(axes, x.ndim), keepdims)
        store = params.get("store")  # the dtype of an ``out=``: an array, 0-d ones too
        if store is not None:
            return Aval(shape, store)
        found = function(np.ones(1, x.dtype), dtype=dtype).dtype
        return Aval(shape, found, kind_of_result(shape))

    return infer


def _mean_transposed(g: Any, x_aval: Aval, axes: Axes) -> Any:
    change = g / _count(x_aval.shape, axes)
    return projection.cast(spread(change, x_aval.shape, all_axes(axes, x_aval.ndim)), x_aval.dtype)


def _plain(axes: Axes = None, keepdims: bool = False, dtype: Any = None, **more: Any) -> Any:
    return {"axes": axes, "keepdims": keepdims, "dtype": dtype, **more}


def _samples(**more: Any) -> list[Sample]:
    x = array(2, 3, 4)
    return [
        Sample(array(5), **_plain(**more)),
        Sample(array(3, 4), **_plain((0,), **more)),
        Sample(array(3, 4), **_plain((1,), True, **more)),
        Sample(x, **_plain((0, 2), **more)),
        Sample(x, **_plain(None, True, **more)),
        Sample(array(4, 3).T[:, ::-2], **_plain((1,), **more)),
        Sample(array(3, 4, dtype=np.float32), **_plain((0,), **more)),
        Sample(array(3, 4, dtype=np.float32), **_plain((1,), dtype=np.float64, **more)),
        Sample(array(2, 3, dtype=np.complex128), **_plain((1,), **more)),
        Sample(array(4, dtype=np.complex64), **_plain(**more)),
        Sample(array(0, 3), **_plain((1,), **more)),
    ]


def _numbers() -> list[Sample]:
    return [
        Sample(1.5, **_plain()),
        Sample(np.float64(1.5), **_plain()),
        Sample(np.array(1.5), **_plain(None, True)),
    ]


mean_primitive = structural(
    "mean",
    batching=reducing,
    evaluate=lambda x, *, axes, keepdims, dtype: np.mean(x, axes, dtype, None, keepdims),
    infer=_infer_by(np.mean),
    transpose=_mean_transposed,
    moves_entries=True,
    samples=lambda: _samples() + _numbers(),
    fails=lambda: [Fail(ValueError, "out of bounds", array(3), **_plain((1,)))],
)


def _evaluate_mean_selected(x: Any, where: Any, *, axes: Axes, keepdims: bool, dtype: Any) -> Any:
    return np.mean(x, axes, dtype, None, keepdims, where=where)


def _tangent_mean_selected(tangent: Any, where: Any, axes: Axes, keepdims: Any, dtype: Any) -> Any:
    return bind(mean_selected, tangent, where, axes=axes, keepdims=keepdims, dtype=dtype)


def _pull_mean_selected(g: Any, where: Any, x_aval: Aval, axes: Axes) -> Masked:
    chosen = all_axes(axes, x_aval.ndim)
    count = _count(x_aval.shape, axes, where).astype(aval_of(g).dtype)
    mask = np.broadcast_to(where, x_aval.shape)
    return Masked(projection.select(mask, kept(g, x_aval.shape, chosen) / count), mask)


def _masked_samples() -> list[Sample]:
    x, where = array(3, 4), array(3, 4, seed=20) > -0.5
    return [
        Sample(x, where, **_plain((1,))),
        Sample(x, np.array([[True], [False], [True]]), **_plain((0,), True)),
        Sample(x[:, ::-2], where[:, ::2], **_plain()),
        Sample(array(3, dtype=np.float32), np.array([True, False, True]), **_plain()),
        Sample(array(2, 3, dtype=np.complex128), where[:2, :3], **_plain((0, 1))),
    ]


mean_selected = irregular(
    "mean_selected",
    batching=lambda primitive: reducing_masked(primitive, ""),
    arguments=("x", "where"),
    evaluate=_evaluate_mean_selected,
    infer=_infer_by(np.mean),
    jvp=(_tangent_mean_selected, None),
    vjp=(_pull_mean_selected, None),
    linear=lambda which, params: which == (0,),
    samples=_masked_samples,
    fails=lambda: [Fail(ValueError, "", array(3), np.ones((2, 3), bool), **_plain())],
)


# ------------------------------------------------------------------ variance and its root


def _first(x: Any, axes: tuple[int, ...]) -> Any:
    """Return the first entry along some axes."""
    return x[tuple(slice(0, 1) if i in axes else slice(None) for i in range(np.ndim(x)))]


def _apart(x: Any, axes: tuple[int, ...], where: Any) -> Any:
    """Return by how much entries are apart: 0 for equal ones, though their mean is rounded."""
    if where is not True or not np.ndim(x):
        return x - np.mean(x, axis=axes, keepdims=True, where=where)
    apart = x - _first(x, axes)
    return apart - np.mean(apart, axis=axes, keepdims=True)


def _apart_transposed(x: Any, axes: tuple[int, ...], where: Any) -> Any:
    if where is not True or not np.ndim(x):
        return x - np.mean(x, axis=axes, keepdims=True, where=where)
    x = x - np.mean(x, axis=axes, keepdims=True)
    first = np.zeros(np.shape(x), bool)
    _first(first, axes)[...] = True
    return x - np.where(first, np.sum(x, axis=axes, keepdims=True), 0.0)


def _spread_measure(name: str, numpy: Callable[..., Any], *, root: bool) -> tuple[Primitive, ...]:
    """Make ``name(x)`` and ``name_selected(x, mean, where)``: Σ |x - m|²/(n - ddof) or its root."""

    def into(x: Any, store: Any, dtype: Any, *others: Any, **keywords: Any) -> Any:
        """Return what NumPy computes, by way of an ``out=`` of the dtype `store` where given."""
        axes, ddof, keepdims = others
        out = None
        if store is not None:
            shape = reduced_shape(np.shape(x), all_axes(axes, np.ndim(x)), keepdims)
            out = np.empty(shape, store)
        return numpy(x, axes, dtype, out, ddof, keepdims, **keywords)

    def evaluate(
        x: Any, *, axes: Axes, keepdims: bool, dtype: Any, ddof: Any, store: Any = None
    ) -> Any:
        return into(x, store, dtype, axes, ddof, keepdims)

    def evaluate_selected(
        x: Any,
        mean: Any,
        where: Any,
        *,
        axes: Axes,
        keepdims: bool,
        dtype: Any,
        ddof: Any,
        given: Any,
        store: Any = None,
    ) -> Any:
        keywords = {}
        if "mean" in given:
            keywords["mean"] = mean
        if "where" in given:
            keywords["where"] = where
        return into(x, store, dtype, axes, ddof, keepdims, **keywords)

    def split(values: Sequence[Any], params: dict[str, Any]) -> tuple[Any, Any, Any]:
        if len(values) == 1:
            return values[0], None, True
        given = params["given"]
        mean = values[1] if "mean" in given else None
        return values[0], mean, values[2] if "where" in given else True

    def slopes(x: Any, mean: Any, where: Any, ans: Any, params: dict[str, Any]) -> Any:
        """Return the deviations, what a change times them is multiplied by, and where it is 0.

        The last is None unless it is the root of a variance that may be 0: the tip of a cone.
        """
        shape = aval_of(x).shape
        axes = all_axes(params["axes"], len(shape))
        if params["dtype"] is not None and not aval_of(x).is_complex:
            x = projection.cast(x, np.dtype(params["dtype"]))
        given = mean is not None
        if not given:
            mean = np.mean(x, axis=axes, keepdims=True, where=where)
        deviation = x - mean
        if root and not given:
            # The mean is rounded: of equal entries, what is left would be divided by itself.
            deviation = deviation - np.mean(deviation, axis=axes, keepdims=True, where=where)
        freedom = np.maximum(_count(shape, axes, where) - params["ddof"], 0)
        factor = np.divide(1.0 if root else 2.0, freedom)
        if not root:
            return deviation, factor, None
        length = kept(ans, shape, axes)
        zero = np.equal(length, 0)
        if not possible(zero):
            return deviation, factor * (1.0 / length), None
        return deviation, factor * (1.0 / np.where(zero, 1.0, length)), zero

    def tangent(
        ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        x, mean, where = split(primals, params)
        change = tangents[0]
        if mean is not None and tangents[1] is not None:
            change = -tangents[1] if change is None else change - tangents[1]
        if change is None:
            return None
        axes = all_axes(params["axes"], np.ndim(x))
        deviation, factor, zero = slopes(x, mean, where, ans, params)
        product = deviation * change
        if aval_of(operand_of(product)).is_complex:
            product = np.real(np.conj(deviation) * change)
        if zero is not None:
            if mean is None:
                deviation, change = (_apart(v, axes, where) for v in (x, change))
            product = np.where(zero, np.real(at_tip(deviation, change)), product)
        total = np.sum(product, axis=axes, keepdims=True, where=where) * factor
        shown = aval_of(ans)
        return projection.expand(np.reshape(total, shown.shape), shown)

    def reverse(
        which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> Any:
        return pull, (which, split(values, params), ans, params)

    def pull(cotangent: Any, residuals: Any) -> Any:
        return pull_masked(Masked(cotangent, None), residuals)

    def pull_masked(cotangent: Masked, residuals: Any) -> Any:
        which, (x, mean, where), ans, params = residuals
        aval = aval_of(x)
        axes = all_axes(params["axes"], aval.ndim)
        deviation, factor, zero = slopes(x, mean, where, ans, params)
        spread = kept(cotangent.value, aval.shape, axes) * factor
        change = spread * (np.conj(deviation) if aval.is_complex else deviation)
        if zero is not None:
            if mean is None:
                without = _apart_transposed(at_tip(_apart(x, axes, where), spread), axes, where)
            else:
                without = at_tip(deviation, spread)
            change = np.where(zero, without, change)
        mask = cotangent.mask
        if mask is not None:
            mask = np.broadcast_to(kept(mask, aval.shape, axes), aval.shape)
        if where is not True:
            mask = np.broadcast_to(where, aval.shape) if mask is None else mask & where
        if mask is not None:
            change = projection.select(mask, change)
        found: list[Any] = []
        if 0 in which:
            back = projection.project(change, aval)
            found.append(back if mask is None or not aval.shape else Masked(back, mask))
        if 1 in which:
            found.append(None if mean is None else projection.project(-change, aval_of(mean)))
        return found[0] if len(found) == 1 else tuple(found)

    pull.masked = pull_masked  # type: ignore[attr-defined]

    whole = Primitive(
        name,
        family="irregular",
        arguments=("x",),
        evaluate=evaluate,
        infer=_infer_by(numpy),
        tangent=tangent,
        reverse=reverse,
        batching=reducing,
        samples=lambda: [
            *_samples(ddof=0),
            *_samples(ddof=1)[:5],
            Sample(array(5), **_plain(ddof=0.5)),
            Sample(array(3, 4), **_plain((1,), ddof=0, store=np.dtype(np.float32)), second=False),
        ],
        fails=lambda: [Fail(ValueError, "out of bounds", array(3), **_plain((1,), ddof=0))],
    )
    selected = Primitive(
        f"{name}_selected",
        family="irregular",
        arguments=("x", "mean", "where"),
        evaluate=evaluate_selected,
        infer=_infer_by(numpy),
        tangent=tangent,
        reverse=reverse,
        batching=lambda primitive: reducing_masked(primitive, ""),
        samples=_spread_samples,
        fails=lambda: [
            Fail(
                ValueError,
                "",
                array(3),
                0.0,
                np.ones((2, 3), bool),
                **_plain(ddof=0, given=("where",)),
            )
        ],
    )
    return whole, selected


def _spread_samples() -> list[Sample]:
    x, where, both = array(3, 4), array(3, 4, seed=20) > -0.5, ("mean", "where")
    z = array(2, 3, dtype=np.complex128)
    return [
        Sample(x, 0.0, where, **_plain((1,), ddof=0, given=("where",))),
        Sample(x, array(3, 1), where, **_plain((1,), ddof=1, given=both)),
        Sample(x, array(1, 4), True, **_plain((0,), True, ddof=0, given=("mean",))),
        Sample(x, 0.3, True, **_plain(ddof=0, given=("mean",))),
        Sample(x[:, ::-2], np.float64(0.3), where[:, ::2], **_plain(ddof=0, given=both)),
        Sample(z, 0.0, where[:2, :3], **_plain(ddof=0, given=("where",))),
        Sample(z, array(2, 1, dtype=np.complex128), True, **_plain((1,), ddof=1, given=("mean",))),
    ]


var_primitive, var_selected = _spread_measure("var", np.var, root=False)
std_primitive, std_selected = _spread_measure("std", np.std, root=True)


# ------------------------------------------------------------------ what NumPy calls them


def _common(x: Any, axis: Any, keepdims: Any, dtype: Any) -> dict[str, Any]:
    return {
        "axes": None if axis is None else strict_axes(axis, np.ndim(x)),
        "keepdims": keepdims is not NOT_GIVEN and bool(keepdims),
        "dtype": None if dtype is None else np.dtype(dtype),
    }


def strict_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return normal axes; no axis of a 0-d value, other than for the reductions of ufuncs."""
    return normalised_axes(axis if ndim or isinstance(axis, tuple) else (axis,), ndim)


def _drops(x: Any, dtype: Any) -> bool:
    """Return whether a result has a dtype that carries no derivative."""
    return dtype is not None and np.dtype(dtype).kind not in "fc" and aval_of(x).dtype.kind in "fc"


def _mask_of(where: Any) -> Any:
    where = operand_of(where)
    if where is True or type(where) is np.ndarray or type(where) is Traced:
        return where
    return np.asarray(where)


@implements(np.mean)
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    x = operand_of(a)
    if out is not None:
        return store_results((out,), (_mean_in(out, x, axis, dtype, keepdims, where),), "unsafe")
    if _drops(x, dtype):
        return np.mean(plain_of(x), axis, dtype, None, keepdims, where=where)
    params = _common(x, axis, keepdims, dtype)
    where = True if where is NOT_GIVEN else where
    if where is True:
        return to_user(bind_one(mean_primitive, x, params))
    return to_user(bind(mean_selected, x, _mask_of(where), **params))


def _mean_in(out: Any, x: Any, axis: Any, dtype: Any, keepdims: Any, where: Any) -> Any:
    """Return a mean as NumPy computes it for an ``out=``: the sum is rounded to its dtype."""
    chosen = loop_dtype(dtype, x, out)
    found = mean(x, axis, chosen, None, keepdims, where=where)
    narrow = out.dtype
    halves = aval_of(x).dtype == np.float16 and dtype is None  # NumPy adds up in float32
    if narrow.kind not in "fc" or (aval_of(operand_of(found)).dtype == narrow and not halves):
        return found
    if halves and chosen is None:
        chosen = np.float32
    total = sum_of(x, axis, chosen, None, keepdims, NOT_GIVEN, where)
    count = np.reshape(
        _count(np.shape(x), None if axis is None else normalised_axes(axis, np.ndim(x)), where),
        np.shape(total) if where is not True else (),
    )
    return total.astype(narrow) / count


def _spread_by(
    primitives: tuple[Primitive, Primitive],
    numpy: Callable[..., Any],
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    ddof: Any,
    keepdims: Any,
    where: Any,
    mean: Any,
    correction: Any,
    store: np.dtype[Any] | None = None,
) -> Any:
    """Answer ``var`` or ``std``; `store` is the dtype of an ``out=`` that is not the result's."""
    if correction is not NOT_GIVEN:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    x = operand_of(a)
    if out is not None:
        settings = (axis, dtype, None, ddof, keepdims, where, mean, NOT_GIVEN)
        other = out.dtype.kind == "f" and out.dtype != (dtype or aval_of(x).dtype)
        store = out.dtype if other and aval_of(x).dtype.kind == "f" else None
        found = _spread_by(primitives, numpy, x, *settings, store)
        return store_results((out,), (found,), "unsafe")
    if _drops(x, dtype):
        return numpy(
            plain_of(x), axis, dtype, None, ddof, keepdims, where=where, mean=plain_of(mean)
        )
    if dtype is not None and aval_of(x).is_complex and np.dtype(dtype).kind != "c":
        raise TypeError(
            f"{numpy.__name__} of complex numbers with dtype={dtype} drops their imaginary part; "
            "take np.real(x) first if that is meant"
        )
    params = _common(x, axis, keepdims, dtype)
    params["ddof"] = ddof
    if store is not None:
        params["store"] = store
    given: tuple[str, ...] = ()
    if mean is NOT_GIVEN or mean is None:
        mean = 0.0
    else:
        given = ("mean",)
        mean = operand_of(mean)
    if where is not True and where is not NOT_GIVEN:
        given += ("where",)
    mask = _mask_of(where) if "where" in given else True

    def applied(one: Primitive, selected: Primitive, x: Any, mean: Any, mask: Any) -> Any:
        if not given:
            return to_user(bind(one, x, **params))
        return to_user(bind(selected, x, mean, mask, given=given, **params))

    found = applied(*primitives, x, mean, mask)
    if numpy is np.std:
        square = functools.partial(applied, var_primitive, var_selected)
        return length(found, square, x, mean, mask)
    return found


@implements(np.var)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = NOT_GIVEN,
    correction: Any = NOT_GIVEN,
) -> Any:
    return _spread_by(
        (var_primitive, var_selected),
        np.var,
        a,
        axis,
        dtype,
        out,
        ddof,
        keepdims,
        where,
        mean,
        correction,
    )


@implements(np.std)
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = NOT_GIVEN,
    correction: Any = NOT_GIVEN,
) -> Any:
    return _spread_by(
        (std_primitive, std_selected),
        np.std,
        a,
        axis,
        dtype,
        out,
        ddof,
        keepdims,
        where,
        mean,
        correction,
    )


@implements(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """Return Σ w x / Σ w in NumPy's order of operations, and with `returned` also Σ w."""
    x = operand_of(a)
    shape = np.shape(x)
    axes = None if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, len(shape))
    if weights is None:
        found = mean(x, axes, None, None, keepdims)
        size = math.prod(np.shape(found))
        total = np.asarray(math.prod(shape) / size).astype(aval_of(operand_of(found)).dtype)[()]
    else:
        w = weights_of(operand_of(weights), shape, axes)
        dtype = np.result_type(aval_of(x).dtype, aval_of(w).dtype)
        if aval_of(x).dtype.kind in "iub":
            dtype = np.result_type(dtype, np.float64)
        total = sum_of(w, axes, dtype, None, keepdims)
        if observed(np.equal(total, 0.0)):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        product = np.multiply(to_user(x), to_user(w), dtype=dtype)
        found = sum_of(product, axes, None, None, keepdims) / total
    if not returned:
        return found
    if np.shape(total) != np.shape(found):
        total = np.copy(np.broadcast_to(total, np.shape(found)))
    return found, total


def weights_of(w: Any, shape: tuple[int, ...], axes: tuple[int, ...] | None) -> Any:
    """Return raw weights in a shape that broadcasts against the values."""
    found = np.shape(w)
    if found == shape:
        return w
    if axes is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    if found != tuple(shape[axis] for axis in axes):
        raise ValueError(
            "Shape of weights must be consistent with shape of a along specified axis."
        )
    moved = np.transpose(w, tuple(int(i) for i in np.argsort(axes)))
    return operand_of(np.reshape(moved, tuple(n if i in axes else 1 for i, n in enumerate(shape))))


for _name, _function in {"mean": mean, "var": var, "std": std}.items():
    install_method(_name, _function)
