"""The family of reductions by a ufunc: both modes from the partial derivatives of the result.

`reductions` makes sum, product, largest and smallest of it, and says what NumPy calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from . import projection
from .axes import Axes, all_axes, kept, reduced_shape, spread
from .batch_rules import reducing, reducing_masked
from .samples import Fail, Sample, array
from .taylor_rules import TaylorRule


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
    tayloring: Callable[[Primitive], TaylorRule] | None = None,
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
    tayloring : callable, optional
        Makes the Taylor rule of the first.
    """
    reduce: Any = numpy.reduce  # its stub wants keywords, which cost 0.1 µs

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

    def weighed(x: Any, initial: Any, where: Any, ans: Any, params: dict[str, Any]) -> Weights:
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
        if type(cotangent) is float:
            cotangent = np.float64(cotangent)
        back = spread(cotangent, aval.shape, all_axes(axes, aval.ndim))
        return back if type(back) is np.float64 else projection.cast(back, aval.dtype)

    def pull_sum_masked(cotangent: Masked, residuals: Any) -> Any:
        aval, axes = residuals
        axes = all_axes(axes, aval.ndim)
        return Masked(
            pull_sum(cotangent.value, residuals), spread(cotangent.mask, aval.shape, axes)
        )

    pull_sum.masked = pull_sum_masked  # type: ignore[attr-defined]

    def is_linear(which: tuple[int, ...], params: dict[str, Any]) -> bool:
        return weigh is None

    whole = Primitive(
        name,
        family="reducer",
        batching=reducing,
        tayloring=tayloring,
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
        batching=lambda primitive: reducing_masked(primitive, "initial"),
        arguments=("x", "initial", "where"),
        evaluate=evaluate_selected,
        infer=infer,
        tangent=tangent,
        reverse=reverse,
        linear=is_linear,
        samples=selected,
        fails=lambda: [
            Fail(
                ValueError,
                "",
                array(3),
                0.0,
                np.ones((2, 3), bool),
                axes=None,
                keepdims=False,
                dtype=None,
                given=("where",),
            )
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
    where = True if mask is None else mask
    keywords = {"keepdims": params["keepdims"], "dtype": params["dtype"]}
    return np.sum(moved, axis=params["axes"], where=where, **keywords)


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
    return projection.selected(value, mask)
