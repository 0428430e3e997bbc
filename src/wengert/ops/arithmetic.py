"""Arithmetic: the operators + - * / ** % //, their ufuncs, and the comparisons."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..tracing.callsite import outside_frame
from ..tracing.core import Traced, bind, raw_of
from ..tracing.decisions import possible
from ..tracing.protocols import ufuncs
from ..tracing.refusals import is_raising
from . import lowering
from .families import elementwise, piecewise_constant
from .projection import multiply_into
from .samples import Fail, Sample, array, positive
from .taylor_rules import division, multiplication, raising


def binary_samples(make: Any = array) -> list[Sample]:
    """Return the samples of every binary elementwise primitive: broadcasting, kinds, dtypes."""
    x, y = make(3, 4, seed=2), make(3, 4, seed=3)
    return [
        Sample(x, y),
        Sample(x, make(4, seed=4)),
        Sample(make(3, 1, seed=5), make(1, 4, seed=6)),
        Sample(1.5, make(2, 3, seed=7)),
        Sample(make(2, 3, seed=7), np.float64(0.7)),
        Sample(1.25, 0.75),
        Sample(np.float64(1.25), 0.75),
        Sample(make(3, dtype=np.float32, seed=8), make(3, dtype=np.float32, seed=9)),
        Sample(make(3, dtype=np.float32, seed=8), 1.5),
        Sample(make(0, 3), make(3)),
        Sample(x[::-1, ::2], y[:, 1::2]),
    ]


def complex_samples() -> list[Sample]:
    z = array(3, dtype=np.complex128, seed=10)
    return [Sample(z, array(2, 3, seed=11)), Sample(array(2, 3, dtype=np.complex128), z)]


def _bad_shapes() -> list[Fail]:
    return [Fail(ValueError, "broadcast", array(3), array(2))]


add = elementwise(
    "add",
    numpy=np.add,
    evaluate=operator.add,
    operator="__add__",
    partials=(1, 1),
    linear=lambda which, params: True,
    lower=lambda e, x, y: e.add(x, y),
    samples=lambda: binary_samples() + complex_samples(),
    fails=_bad_shapes,
)

subtract = elementwise(
    "subtract",
    numpy=np.subtract,
    evaluate=operator.sub,
    operator="__sub__",
    partials=(1, -1),
    linear=lambda which, params: True,
    lower=lambda e, x, y: e.subtract(x, y),
    samples=lambda: binary_samples() + complex_samples(),
    fails=_bad_shapes,
)

multiply = elementwise(
    "multiply",
    tayloring=multiplication,
    numpy=np.multiply,
    evaluate=operator.mul,
    operator="__mul__",
    partials=("y", "x"),
    linear=lambda which, params: len(which) == 1,
    lower=lambda e, x, y: e.multiply(x, y),
    samples=lambda: binary_samples() + complex_samples(),
    fails=_bad_shapes,
)

divide = elementwise(
    "divide",
    tayloring=division,
    numpy=np.divide,
    evaluate=operator.truediv,
    operator="__truediv__",
    products=(lambda g, y: g / y, lambda g, ans, y: g * -(ans / y)),
    linear=lambda which, params: which == (0,),
    lower=lambda e, x, y: e.divide(x, y),
    samples=lambda: binary_samples(positive) + complex_samples(),
    fails=lambda: [*_bad_shapes(), Fail(ZeroDivisionError, "", 1.0, 0.0)],
)

negative = elementwise(
    "negative",
    numpy=np.negative,
    evaluate=operator.neg,
    operator="__neg__",
    partials=(-1,),
    linear=lambda which, params: True,
    lower=lambda e, x: e.negative(x),
    samples=lambda: [Sample(array(3, 4)), Sample(1.5), Sample(array(3, dtype=np.complex128))],
)

identity = elementwise(
    "positive",
    numpy=np.positive,
    evaluate=operator.pos,
    operator="__pos__",
    partials=(1,),
    linear=lambda which, params: True,
    lower=lambda e, x: x,
    samples=lambda: [Sample(array(3, 4)), Sample(1.5), Sample(array(3, dtype=np.complex128))],
)


# ------------------------------------------------------------------ powers


def _raised(x: Any, y: Any) -> Any:
    """Return x^y as NumPy's numbers have it: inf, where Python's raise ZeroDivisionError."""
    if aval_of(raw_of(x)).kind != "python":
        return x**y
    with np.errstate(all="ignore"):  # a program of Python numbers expects no warnings of NumPy
        return np.power(x, y)


def power_in_base(g: Any, x: Any, y: Any) -> Any:
    """Return g y x^(y-1), exactly 0 where x and y are 0."""
    if type(y) is int or type(y) is float:
        if y == 2:
            return multiply_into(2 * x, g)
        if y == 0:
            return g * (x * 0.0)
    elif aval_of(raw_of(y)).dtype.kind in "bu":  # without a sign, y - 1 would wrap around
        y = y.astype(np.int64) if type(y) is Traced else np.asarray(y).astype(np.int64)
    factor = y * _raised(x, y - 1)
    if possible(np.equal(y, 0)):
        nothing = np.equal(y, 0) & np.equal(x, 0)
        if possible(nothing):
            factor = np.where(nothing, 0.0, factor)
    return g * factor


def power_in_exponent(g: Any, x: Any, y: Any, ans: Any) -> Any:
    """Return g x^y log x, with the limit 0 at x = 0 where Re y ≥ 0."""
    at_zero = np.equal(x, 0) & np.greater_equal(np.real(y), 0)
    if possible(at_zero):
        x = np.where(at_zero, 1.0, x)
    dtype = aval_of(raw_of(ans)).dtype
    if dtype.char in "gG" and aval_of(raw_of(x)).dtype != dtype:
        x = x * dtype.type(1)  # the logarithm in the precision of the result
    with np.errstate(all="ignore"):
        return g * ans * np.log(x)


def _power_samples() -> list[Sample]:
    return [
        *binary_samples(positive),
        Sample(array(3, 4), 2),
        Sample(array(3, 4), 3.0, wrt=(0,)),
        Sample(array(3, 4), 2.0, wrt=(0,)),
        Sample(array(2, 3, dtype=np.complex128), 2),
        Sample(array(2, 3, dtype=np.complex128), array(3, dtype=np.complex128)),
        Sample(positive(2, 3), -0.5),
        Sample(np.array([0.0, 1.0]), 2.0, wrt=(0,), second=False),
    ]


power = elementwise(
    "power",
    tayloring=raising,
    numpy=np.power,
    products=(power_in_base, power_in_exponent),
    lower=lambda e, x, y: e.math("power", x, y),
    samples=_power_samples,
    fails=_bad_shapes,
)

# The operator's values may differ from the ufunc's in the last place: NumPy squares, takes roots.
power_operator = elementwise(
    "power_operator",
    tayloring=raising,
    numpy=np.power,
    evaluate=operator.pow,
    operator="__pow__",
    products=(power_in_base, power_in_exponent),
    implements=False,
    lower=lambda e, x, y: e.math("power", x, y),
    samples=_power_samples,
    fails=_bad_shapes,
)


_called = ufuncs[np.power]


def _called_or_written(x: Any, y: Any) -> Any:
    """Answer ``np.power``: by the operator for NumPy's own x, whose ``**`` calls it for handles."""
    if issubclass(type(x), (np.generic, np.ndarray)) and is_raising(outside_frame()):
        return bind(power_operator, x, y)
    return _called(x, y)


ufuncs[np.power] = _called_or_written

remainder = elementwise(
    "remainder",
    numpy=np.remainder,
    evaluate=operator.mod,
    operator="__mod__",
    partials=(1, lambda x, y: -np.floor_divide(x, y)),
    lower=lambda e, x, y: e.remainder(x, y),
    samples=lambda: binary_samples(positive),
    fails=_bad_shapes,
)

fmod = elementwise(
    "fmod",
    numpy=np.fmod,
    # The quotient from the result: trunc(x / y) is off by one where x / y rounds up.
    partials=(1, lambda x, y, ans: np.rint((ans - x) / y)),
    lower=lowering.fmod,
    samples=lambda: binary_samples(positive),
    fails=_bad_shapes,
)

floor_divide = piecewise_constant(
    "floor_divide",
    numpy=np.floor_divide,
    evaluate=operator.floordiv,
    operator="__floordiv__",
    lower=lambda e, x, y: e.floor_divide(x, y),
    samples=lambda: binary_samples(positive),
    fails=_bad_shapes,
)


# ------------------------------------------------------------------ comparisons

_COMPARISONS = {
    "equal": ("eq", operator.eq),
    "not_equal": ("ne", operator.ne),
    "less": ("lt", operator.lt),
    "less_equal": ("le", operator.le),
    "greater": ("gt", operator.gt),
    "greater_equal": ("ge", operator.ge),
}


def _lower_comparison(relation: str) -> Callable[..., Any]:
    return lambda e, x, y: e.compare(relation, x, y)


comparisons = {
    name: piecewise_constant(
        name,
        numpy=getattr(np, name),
        evaluate=function,
        operator=f"__{relation}__",
        reflected=False,
        lower=_lower_comparison(relation),
        samples=lambda: binary_samples(),
        fails=tuple,
    )
    for name, (relation, function) in _COMPARISONS.items()
}
