"""The logarithm of a weighted sum of exponentials, with SciPy's values: log Σ b exp a.

`wengert.scipy.special.logsumexp` is made of it; ``np.logaddexp.reduce`` is in `reductions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from ..tracing.core import bind
from ..tracing.decisions import possible
from . import projection
from .axes import Axes, all_axes, kept, reduced_shape
from .batch_rules import BatchRule, batch_size, logical_ndim, shifted, spread_over
from .reductions import weigh_extreme
from .samples import Fail, Sample, array


def _values(a: Any, b: Any, axes: Axes, keepdims: bool) -> tuple[Any, Any]:
    """Return SciPy's log |Σ b exp a| and the sign of that sum."""
    from scipy.special import logsumexp  # 0.1 s: at first use

    found = logsumexp(a, axis=axes, b=b, keepdims=keepdims, return_sign=True)
    return found[0], found[1]


def _evaluate(a: Any, b: Any, *, axes: Axes, keepdims: bool, signed: bool, weighted: bool) -> Any:
    if signed:
        return _values(a, b if weighted else None, axes, keepdims)[0]
    from scipy.special import logsumexp

    return logsumexp(a, axis=axes, b=b if weighted else None, keepdims=keepdims)


def _infer(a: Aval, b: Aval, *, axes: Axes, keepdims: bool, weighted: bool, **params: Any) -> Aval:
    if weighted and a.shape != b.shape:
        raise ValueError(f"values {a} and weights {b} of a sum of exponentials differ in shape")
    shape = reduced_shape(a.shape, all_axes(axes, a.ndim), keepdims)
    dtype = np.zeros((), a.dtype).real.dtype if params["signed"] else a.dtype
    return Aval(shape, dtype, kind_of_result(shape))


def _slopes(a: Any, b: Any, ans: Any, params: dict[str, Any]) -> tuple[Any, Any]:
    """Return exp(a - ans), times the sign of the sum, and b: their product is the slope by a.

    An infinite result is that of its largest entries, which share. A weight of 0 takes its entry
    out, also where that is infinite or nan.
    """
    shape = aval_of(a).shape
    axes = all_axes(params["axes"], len(shape))
    top = kept(ans, shape, axes)
    used = np.not_equal(b, 0) if params["weighted"] else True
    infinite = np.isinf(top)
    factor = np.exp(a - top)
    if params["signed"] and params["weighted"]:
        factor = factor * np.sign(np.sum(b * factor, axis=axes, keepdims=True, where=used))
    if not params["weighted"]:
        b = 1.0
    if not possible(infinite):
        return factor, b
    with np.errstate(all="ignore"):
        shares = weigh_extreme(a, None, used, top, axes)
    shared = infinite & np.any(shares.mask, axis=axes, keepdims=True)
    share = np.where(shares.mask, shares.entries, 0.0)
    return np.where(shared, share, factor), np.where(shared, 1.0, b)


def _tangent(
    ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
) -> Any:
    a, b = primals
    axes = all_axes(params["axes"], np.ndim(a))
    factor, weight = _slopes(a, b, ans, params)
    total = None
    if tangents[0] is not None:
        used = np.not_equal(b, 0) if params["weighted"] else True
        change = tangents[0] * (factor * weight)
        total = np.sum(change, axis=axes, keepdims=params["keepdims"], where=used)
    if params["weighted"] and tangents[1] is not None:
        change = tangents[1] * factor
        total = projection.add(total, np.sum(change, axis=axes, keepdims=params["keepdims"]))
    return None if total is None else projection.expand(total, aval_of(ans))


def _reverse(
    which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
) -> Any:
    return _pull, (which, values[0], values[1], ans, params)


def _pull(cotangent: Any, residuals: Any) -> Any:
    which, a, b, ans, params = residuals
    shape = aval_of(a).shape
    change = kept(cotangent, shape, all_axes(params["axes"], len(shape)))
    factor, weight = _slopes(a, b, ans, params)
    found: list[Any] = []
    if 0 in which:
        back = change * (factor * weight)
        if params["weighted"]:
            used = np.not_equal(b, 0)
            back = projection.project(projection.select(used, back), aval_of(a))
            found.append(Masked(back, used) if shape else back)
        else:
            found.append(projection.project(back, aval_of(a)))
    if 1 in which:
        by_weight = projection.project(change * factor, aval_of(b)) if params["weighted"] else None
        found.append(by_weight)
    return found[0] if len(found) == 1 else tuple(found)


def _params(axes: Axes = None, keepdims: bool = False, **more: Any) -> dict[str, Any]:
    return {"axes": axes, "keepdims": keepdims, "signed": False, "weighted": False, **more}


def _samples() -> list[Sample]:
    a, b = array(3, 4), array(3, 4, low=0.3, seed=3)
    infinite = np.array([[-np.inf, 0.5, 1.0], [-np.inf, -np.inf, -np.inf], [np.inf, 0.0, np.inf]])
    return [
        Sample(a, 1.0, **_params()),
        Sample(a, 1.0, **_params((0,))),
        Sample(array(2, 3, 4)[::-1, :, ::2], 1.0, **_params((0, 2), True)),
        Sample(array(3, dtype=np.float32), 1.0, **_params()),
        Sample(array(2, 3, dtype=np.complex128), 1.0, **_params((1,))),
        Sample(a, b, **_params((1,), weighted=True)),
        Sample(a, -b, **_params((1,), True, weighted=True, signed=True)),
        Sample(a, array(3, 4, seed=5) + 1.0, **_params(weighted=True, signed=True)),
        Sample(infinite, 1.0, **_params((1,)), differentiable=False),
        Sample(infinite, np.eye(3), **_params((0,), weighted=True), differentiable=False),
        Sample(a + 1000.0, 1.0, **_params((0,)), differentiable=False),
    ]


def _batching(primitive: Primitive) -> BatchRule:
    def batch(values: Any, axes: Any, params: dict[str, Any]) -> Any:
        size, ndim = batch_size(values, axes), logical_ndim(values[0], axes[0])
        a, b = values
        a = spread_over(a, axes[0], size)
        if params["weighted"]:
            b = spread_over(b, axes[1], size)
        chosen = params["axes"]
        chosen = shifted(range(ndim) if chosen is None else chosen, 0)
        return bind(primitive, a, b, **{**params, "axes": chosen}), 0

    return batch


logsumexp_primitive = Primitive(
    "logsumexp",
    batching=_batching,
    family="irregular",
    arguments=("a", "b"),
    evaluate=_evaluate,
    infer=_infer,
    tangent=_tangent,
    reverse=_reverse,
    samples=_samples,
    fails=lambda: [Fail(ValueError, "", array(3), 1.0, **_params((1,)))],
)

sign_primitive = Primitive(
    "logsumexp_sign",
    batching=_batching,
    family="piecewise_constant",
    arguments=("a", "b"),
    evaluate=lambda a, b, *, axes, keepdims, weighted: _values(
        a, b if weighted else None, axes, keepdims
    )[1],
    infer=lambda a, b, **params: _infer(a, b, signed=False, **params),
    zero_derivative=True,
    samples=lambda: [
        Sample(array(3, 4), array(3, 4, seed=5), axes=(1,), keepdims=False, weighted=True),
        Sample(array(3), 1.0, axes=None, keepdims=True, weighted=False),
    ],
    fails=tuple,
)


def log_sum(a: Any, b: Any, axes: Axes, keepdims: bool, signed: bool) -> Any:
    """Return raw log Σ b exp a, with `signed` also the sign; b is None or of the shape of a."""
    weighted = b is not None
    weights = 1.0 if b is None else b
    params = {"axes": axes, "keepdims": keepdims, "weighted": weighted}
    found = bind(logsumexp_primitive, a, weights, signed=signed, **params)
    if not signed:
        return found
    return found, bind(sign_primitive, a, weights, **params)
