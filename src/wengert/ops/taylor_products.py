"""Taylor rules of products over axes, and of running products: products of two series at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of, to_user
from .axes import all_axes
from .projection import cast
from .taylor_rules import Series, TaylorRule, convolved


def product(primitive: Primitive) -> TaylorRule:
    """Return the rule of a product over axes: half as many factors a round."""

    def rule(series: list[Series], params: dict[str, Any]) -> Series:
        (x,) = series
        shape = aval_of(x[0]).shape
        axes = all_axes(params["axes"], len(shape))
        kept = [axis for axis in range(len(shape)) if axis not in axes]
        count = math.prod(shape[axis] for axis in axes)
        value = bind(primitive, x[0], **params)
        found = aval_of(value)
        if not count:
            return [value, *[None] * (len(x) - 1)]

        def rows(entry: Any) -> Any:
            moved = np.transpose(to_user(cast(entry, found.dtype)), (*axes, *kept))
            return raw_of(np.reshape(moved, (count, *(shape[axis] for axis in kept))))

        factors = [None if entry is None else rows(entry) for entry in x]
        while count > 1:
            half = count // 2
            made = convolved(_part(factors, 0, half), _part(factors, half, 2 * half))
            if count % 2:
                made = _joined(made, _part(factors, 2 * half, count))
            factors, count = made, half + count % 2

        def result(entry: Any) -> Any:
            only = to_user(entry)[0]
            return raw_of(np.reshape(only, found.shape) if params["keepdims"] else only)

        return [value, *(None if entry is None else result(entry) for entry in factors[1:])]

    return rule


def running_product(primitive: Primitive) -> TaylorRule:
    """Return the rule of a running product: of twice as many factors a round."""

    def rule(series: list[Series], params: dict[str, Any]) -> Series:
        (x,) = series
        axis = params["axis"]
        value = bind(primitive, x[0], **params)
        count, dtype = aval_of(value).shape[axis], aval_of(value).dtype
        factors = [
            None if entry is None else raw_of(np.moveaxis(to_user(cast(entry, dtype)), axis, 0))
            for entry in x
        ]
        reach = 1
        while reach < count:
            later = convolved(_part(factors, reach, count), _part(factors, 0, count - reach))
            factors = _joined(_part(factors, 0, reach), later)
            reach *= 2
        return [
            value,
            *(
                None if entry is None else raw_of(np.moveaxis(to_user(entry), 0, axis))
                for entry in factors[1:]
            ),
        ]

    return rule


def _part(series: Series, start: int, end: int) -> Series:
    return [None if entry is None else raw_of(to_user(entry)[start:end]) for entry in series]


def _joined(first: Series, second: Series) -> Series:
    """Return the coefficients of entries one behind the other, zeros where one side has none."""

    def join(one: Any, other: Any) -> Any:
        if one is None and other is None:
            return None
        sides = [
            np.zeros_like(to_user(like)) if entry is None else to_user(entry)
            for entry, like in ((one, first[0]), (other, second[0]))
        ]
        return raw_of(np.concatenate(sides))

    return [join(one, other) for one, other in zip(first, second, strict=True)]
