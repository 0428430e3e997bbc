"""What derivatives of sorting are made of: means over equal neighbours, entries put in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.primitive import Primitive
from ..tracing.core import bind
from .batch_rules import along_axis
from .samples import Fail, Sample, array
from .taking import along_axis_key, take_along

# ------------------------------------------------------------------ means over runs


def _evaluate_mean(x: Any, same: Any, *, axis: int) -> Any:
    _infer_mean(aval_of(x), aval_of(same), axis=axis)
    if not x.size:
        return x.copy()
    rows, going_on = np.moveaxis(x, axis, -1), np.moveaxis(same, axis, -1)
    starts = ~going_on
    starts[..., 0] = True
    places = np.flatnonzero(starts)
    totals = np.add.reduceat(rows.reshape(-1), places)
    counts = np.diff(places, append=rows.size)
    means = totals / counts.astype(x.real.dtype)
    return np.moveaxis(np.repeat(means, counts).reshape(rows.shape), -1, axis)


def _infer_mean(x: Aval, same: Aval, *, axis: int) -> Aval:
    if x.shape != same.shape or same.dtype.kind != "b":
        raise ValueError(f"means over runs need a truth value for each entry of {x}, not {same}")
    return Aval(x.shape, x.dtype)


def _run_sample(*shape: int, axis: int, **options: Any) -> Sample:
    same = array(*shape, seed=3) > 0
    return Sample(array(*shape, **options), same, axis=axis)


def _mean_again(change: Any, same: Any, params: dict[str, Any]) -> Any:
    """Return the means of a change, which are also its transpose's: the matrix is symmetric."""
    return bind(run_mean, change, same, **params)


run_mean: Primitive = Primitive(
    "run_mean",
    family="irregular",
    batching=along_axis,
    arguments=("x", "same"),
    evaluate=_evaluate_mean,
    infer=_infer_mean,
    tangent=lambda ans, primals, tangents, params: _mean_again(tangents[0], primals[1], params),
    reverse=lambda which, values, ans, params: (_pull_mean, (values[1], params)),
    linear=lambda which, params: which == (0,),
    samples=lambda: [
        _run_sample(7, axis=0),
        _run_sample(3, 5, axis=1),
        _run_sample(5, 3, axis=0),
        _run_sample(2, 5, 3, axis=1),
        _run_sample(6, axis=0, dtype=np.float32),
        _run_sample(4, 2, axis=0, dtype=np.complex128),
        _run_sample(0, 3, axis=0),
        _run_sample(3, 0, axis=1),
        Sample(array(4, 3).T[:, ::-2], array(3, 2) > 0, axis=1),
    ],
    fails=lambda: [Fail(ValueError, "truth value", array(3), np.zeros(2, bool), axis=0)],
)
"""The mean of ``x`` over each run along an axis; ``same[i]``: entry i goes on with the run."""


def _pull_mean(cotangent: Any, residuals: Any) -> Any:
    return _mean_again(cotangent, *residuals)


# ------------------------------------------------------------------ entries put in order


def _evaluate_put(x: Any, order: Any, *, axis: int) -> Any:
    _infer_put(aval_of(x), aval_of(order), axis=axis)
    made = np.zeros(x.shape, x.dtype)
    made[along_axis_key(x.shape, order, axis)] = x
    return made


def _infer_put(x: Aval, order: Aval, *, axis: int) -> Aval:
    if x.shape != order.shape:
        raise ValueError(f"entries of {x} cannot be put in the order {order}: shapes differ")
    return Aval(x.shape, x.dtype)


def _order(*shape: int, axis: int) -> Any:
    return np.argsort(array(*shape, seed=5), axis=axis)


put_along: Primitive = Primitive(
    "put_along_axis",
    family="irregular",
    batching=along_axis,
    arguments=("x", "order"),
    evaluate=_evaluate_put,
    infer=_infer_put,
    tangent=lambda ans, primals, tangents, params: bind(
        put_along, tangents[0], primals[1], **params
    ),
    reverse=lambda which, values, ans, params: (_pull_put, (values[1], params)),
    linear=lambda which, params: which == (0,),
    samples=lambda: [
        Sample(array(5), _order(5, axis=0), axis=0),
        Sample(array(3, 4), _order(3, 4, axis=1), axis=1),
        Sample(array(4, 3).T, _order(3, 4, axis=0), axis=0),
        Sample(array(2, 3, 4), _order(2, 3, 4, axis=1), axis=1),
        Sample(array(4, dtype=np.float32), _order(4, axis=0), axis=0),
        Sample(array(3, 2, dtype=np.complex128), _order(3, 2, axis=0), axis=0),
    ],
    fails=lambda: [Fail(ValueError, "shapes differ", array(3), np.arange(2), axis=0)],
)
"""``result[order[i]] = x[i]`` along an axis, for a permutation: what undoes ``take_along``."""


def _pull_put(cotangent: Any, residuals: Any) -> Any:
    order, params = residuals
    return bind(take_along, cotangent, order, **params)
