"""Exponentials, logarithms, roots and powers: the ufuncs from ``exp`` to ``float_power``.

Accurate in the tails: what a formula would lose by cancellation or overflow is written otherwise.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of
from . import lowering
from .arithmetic import binary_samples, power_in_base, power_in_exponent
from .families import elementwise
from .samples import Fail, Sample, array, positive, unary_samples
from .taylor_rules import (
    by_equation,
    raising,
    slope_of_exponential,
    slope_of_logarithm,
    slope_of_logistic,
    slope_of_root,
)

above_minus_one = functools.partial(array, low=-0.9, high=2.0)


def bad_shapes() -> list[Fail]:
    """Return the failure that every binary ufunc has."""
    return [Fail(ValueError, "broadcast", array(3), array(2))]


def logarithm_of(number: int, like: Any) -> Any:
    """Return the natural logarithm of a whole number in the precision of a value."""
    if aval_of(raw_of(like)).dtype.char in "gG":
        return np.log(np.longdouble(number))
    return math.log(number)  # weak: float16 and float32 stay what they are


# ------------------------------------------------------------------ exponentials

exp = elementwise(
    "exp",
    tayloring=lambda primitive: by_equation(primitive, slope_of_exponential),
    numpy=np.exp,
    partials=("ans",),
    lower=lowering.function("exp"),
    samples=lambda: unary_samples(extra=(np.array([-800.0, -40.0, 1e-300, 20.0]),)),
)

exp2 = elementwise(
    "exp2",
    numpy=np.exp2,
    partials=(lambda ans: ans * logarithm_of(2, ans),),
    lower=lowering.function("exp2"),
    samples=lambda: unary_samples(extra=(np.array([-2000.0, 1e-300, 10.0]),)),
)

expm1 = elementwise(
    "expm1",
    numpy=np.expm1,
    # Not ans + 1, which is 0 below -37.
    partials=(lambda x: np.exp(x),),
    lower=lowering.function("expm1"),
    samples=lambda: unary_samples(extra=(np.array([-40.0, -1e-9, 1e-300, 5.0]),)),
)


# ------------------------------------------------------------------ logarithms

log = elementwise(
    "log",
    tayloring=lambda primitive: by_equation(primitive, slope_of_logarithm),
    numpy=np.log,
    products=(lambda g, x: g / x,),
    lower=lowering.function("log"),
    samples=lambda: unary_samples(
        positive, extra=(np.array([1e-3, 1e8, 1e300]), np.array([-1.0 + 0.5j, 2j]))
    ),
)

log2 = elementwise(
    "log2",
    numpy=np.log2,
    products=(lambda g, x: g / (x * logarithm_of(2, x)),),
    lower=lowering.function("log2"),
    samples=lambda: unary_samples(positive, extra=(np.array([1e8, 1e300]),)),
)

log10 = elementwise(
    "log10",
    numpy=np.log10,
    products=(lambda g, x: g / (x * logarithm_of(10, x)),),
    lower=lowering.function("log10"),
    samples=lambda: unary_samples(positive, extra=(np.array([1e8, 1e300]),)),
)

log1p = elementwise(
    "log1p",
    numpy=np.log1p,
    products=(lambda g, x: g / (1 + x),),
    lower=lowering.function("log1p"),
    samples=lambda: unary_samples(above_minus_one, extra=(np.array([-1e-12, 0.0, 1e-300, 1e300]),)),
)


# ------------------------------------------------------------------ roots and squares

sqrt = elementwise(
    "sqrt",
    tayloring=lambda primitive: by_equation(primitive, slope_of_root),
    numpy=np.sqrt,
    products=(lambda g, ans: 0.5 * (g / ans),),
    lower=lowering.function("sqrt"),
    samples=lambda: [
        *unary_samples(positive, extra=(np.array([1e4, 1e300]), np.array([-1.0 + 0.5j, 2j]))),
        Sample(np.array([0.0, 1.0]), differentiable=False),
    ],
)

cbrt = elementwise(
    "cbrt",
    numpy=np.cbrt,
    # Of ans, not ans / (3 x), which is 0 / 0 at 0.
    products=(lambda g, ans: g / (3 * ans * ans),),
    lower=lowering.function("cbrt"),
    samples=lambda: [
        *unary_samples(
            positive, complex_too=False, extra=(np.array([-8.0, -0.5]), np.array([1e4, 1e300]))
        ),
        Sample(np.array([0.0, 1.0]), differentiable=False),
    ],
    fails=lambda: [Fail(TypeError, "not supported", array(2, dtype=np.complex128))],
)

square = elementwise(
    "square",
    numpy=np.square,
    partials=(lambda x: 2 * x,),
    lower=lowering.square,
    samples=lambda: unary_samples(extra=(np.array([0.0, 1e-300, 1e3]),)),
)

reciprocal = elementwise(
    "reciprocal",
    numpy=np.reciprocal,
    # Not through ans², which may overflow or underflow where the product does not.
    products=(lambda g, ans: -(g * ans) * ans,),
    lower=lowering.reciprocal,
    samples=lambda: [
        *unary_samples(positive, extra=(np.array([1e4, -1e300]),)),
        Sample(np.array([0.0, 1.0]), differentiable=False),
    ],
)


# ------------------------------------------------------------------ sums of exponentials


def _evaluate_logistic(x: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _infer_same_dtype(x: Aval, **params: Any) -> Aval:
    return Aval(x.shape, x.dtype, kind_of_result(x.shape))


# A primitive of its own, since 1 / (1 + exp(-x)) differentiated step by step is inf / inf at -1000,
# and 1 - ans loses all digits at 40.
logistic: Primitive = elementwise(
    "logistic",
    tayloring=lambda primitive: by_equation(primitive, slope_of_logistic),
    numpy=_evaluate_logistic,
    arguments=("x",),
    infer=_infer_same_dtype,
    products=(lambda g, x, ans: g * (ans * bind(logistic, -x)),),
    lower=lowering.function("logistic"),
    samples=lambda: unary_samples(
        complex_too=False, extra=(np.array([-1000.0, -40.0, 0.0, 40.0, 1000.0]),)
    ),
)


def _difference(x: Any, y: Any) -> Any:
    """Return x - y, and 0 for two equal infinities, which share alike."""
    return np.where(np.isinf(x) & np.equal(x, y), 0.0, x - y)


def _far_apart() -> list[Sample]:
    x, y = np.array([-1000.0, 1e4, 0.25, 30.0]), np.array([1000.0, 1e4, 0.25, -10.0])
    return [
        *binary_samples(),
        Sample(x, y),
        Sample(np.array([-np.inf, 2.0, -np.inf]), np.array([2.0, -np.inf, -np.inf]),
               differentiable=False),
    ]  # fmt: skip


logaddexp = elementwise(
    "logaddexp",
    numpy=np.logaddexp,
    partials=(
        lambda x, y: bind(logistic, _difference(x, y)),
        lambda x, y: bind(logistic, _difference(y, x)),
    ),
    lower=lowering.function("logaddexp"),
    samples=_far_apart,
    fails=bad_shapes,
)

logaddexp2 = elementwise(
    "logaddexp2",
    numpy=np.logaddexp2,
    partials=(
        lambda x, y: bind(logistic, _difference(x, y) * logarithm_of(2, x)),
        lambda x, y: bind(logistic, _difference(y, x) * logarithm_of(2, x)),
    ),
    lower=lowering.function("logaddexp2"),
    samples=_far_apart,
    fails=bad_shapes,
)


# ------------------------------------------------------------------ powers in double precision


def _in_precision_of(ans: Any, x: Any) -> Any:
    """Return an operand in the dtype of the result, which is float64 or wider."""
    dtype = aval_of(raw_of(ans)).dtype
    given = aval_of(raw_of(x))
    if given.kind == "python" or given.dtype.kind not in "fc" or given.dtype.kind != dtype.kind:
        return x
    return x if given.dtype == dtype else x.astype(dtype)


float_power = elementwise(
    "float_power",
    tayloring=raising,
    numpy=np.float_power,
    products=(
        lambda g, x, y, ans: power_in_base(g, _in_precision_of(ans, x), _in_precision_of(ans, y)),
        lambda g, x, y, ans: power_in_exponent(
            g, _in_precision_of(ans, x), _in_precision_of(ans, y), ans
        ),
    ),
    lower=lowering.function("float_power"),
    samples=lambda: [
        *binary_samples(positive),
        Sample(array(3, 4), 2),
        Sample(array(3, 4), 3.0, wrt=(0,)),
        Sample(positive(3, dtype=np.float32), -0.5),
        Sample(array(2, 3, dtype=np.complex128), array(3, dtype=np.complex128)),
    ],
    fails=bad_shapes,
)
