"""Trigonometric and hyperbolic functions, their inverses, angles, and ``sinc``.

Derivatives near the edges of a domain keep their digits: √((1 - x)(1 + x)), never √(1 - x²).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of, to_user
from ..tracing.operators import as_operand
from ..tracing.protocols import implements, ufuncs
from . import lowering
from .arithmetic import binary_samples
from .exponential import bad_shapes
from .families import elementwise
from .projection import as_numpy_scalar
from .samples import Fail, Sample, array, unary_samples
from .smooth_squares import length
from .taylor_rules import by_equation, circular, slope_of_hyperbolic_tangent, slope_of_tangent
from .tips import times_slope

inside_one = functools.partial(array, low=-0.9, high=0.9)
above_one = functools.partial(array, low=1.1, high=3.0)


def _is_complex(x: Any) -> bool:
    return aval_of(raw_of(x)).is_complex


# ------------------------------------------------------------------ circular functions

sin = elementwise(
    "sin",
    taylor=circular(np.sin, np.cos, -1.0, wanted=0),
    numpy=np.sin,
    partials=(lambda x: np.cos(x),),
    lower=lowering.function("sin"),
    samples=lambda: unary_samples(extra=(np.array([0.0, 1e-300, 1e5]),)),
)

cos = elementwise(
    "cos",
    taylor=circular(np.sin, np.cos, -1.0, wanted=1),
    numpy=np.cos,
    products=(lambda g, x: -(g * np.sin(x)),),
    lower=lowering.function("cos"),
    samples=lambda: unary_samples(extra=(np.array([0.0, 1e-300, 1e5]),)),
)

tan = elementwise(
    "tan",
    tayloring=lambda primitive: by_equation(primitive, slope_of_tangent),
    numpy=np.tan,
    partials=(lambda ans: 1 + ans * ans,),
    lower=lowering.function("tan"),
    samples=lambda: unary_samples(inside_one, extra=(np.array([0.0, 1e-300]),)),
)

arcsin = elementwise(
    "arcsin",
    numpy=np.arcsin,
    # Two roots put the branch cuts of the complex derivative where NumPy's arcsin has them.
    products=(lambda g, x: g / (np.sqrt(1 - x) * np.sqrt(1 + x)),),
    lower=lowering.function("arcsin"),
    samples=lambda: [
        *unary_samples(inside_one, extra=(np.array([0.0, 1e-300]), np.array([2.0 + 0.5j]))),
        Sample(np.array([1.0, -1.0]), differentiable=False),
    ],
)

arccos = elementwise(
    "arccos",
    numpy=np.arccos,
    products=(lambda g, x: -g / (np.sqrt(1 - x) * np.sqrt(1 + x)),),
    lower=lowering.function("arccos"),
    samples=lambda: [
        *unary_samples(inside_one, extra=(np.array([0.0, 1e-300]), np.array([2.0 + 0.5j]))),
        Sample(np.array([1.0, -1.0]), differentiable=False),
    ],
)


def _one_plus_square(x: Any) -> Any:
    """Return 1 + x², for complex numbers by its factors, which keep their digits near ±i."""
    return (1 + 1j * x) * (1 - 1j * x) if _is_complex(x) else 1 + x * x


arctan = elementwise(
    "arctan",
    numpy=np.arctan,
    products=(lambda g, x: g / _one_plus_square(x),),
    lower=lowering.function("arctan"),
    samples=lambda: unary_samples(extra=(np.array([0.0, 1e-300, 1e4]),)),
)


# ------------------------------------------------------------------ hyperbolic functions

sinh = elementwise(
    "sinh",
    taylor=circular(np.sinh, np.cosh, 1.0, wanted=0),
    numpy=np.sinh,
    partials=(lambda x: np.cosh(x),),
    lower=lowering.function("sinh"),
    samples=lambda: unary_samples(extra=(np.array([0.0, 1e-300, 10.0]),)),
)

cosh = elementwise(
    "cosh",
    taylor=circular(np.sinh, np.cosh, 1.0, wanted=1),
    numpy=np.cosh,
    partials=(lambda x: np.sinh(x),),
    lower=lowering.function("cosh"),
    samples=lambda: unary_samples(extra=(np.array([0.0, 1e-300, 10.0]),)),
)

tanh = elementwise(
    "tanh",
    tayloring=lambda primitive: by_equation(primitive, slope_of_hyperbolic_tangent),
    numpy=np.tanh,
    partials=(lambda ans: 1 - ans * ans,),
    lower=lowering.function("tanh"),
    samples=lambda: unary_samples(inside_one, extra=(np.array([0.0, 1e-300, 40.0, -1e200]),)),
)


def _root_of_one_plus_square(x: Any) -> Any:
    """Return √(1 + x²) without overflow, for complex numbers with the branches of arcsinh."""
    if _is_complex(x):
        return np.sqrt(1 + 1j * x) * np.sqrt(1 - 1j * x)
    return np.hypot(x, 1)


arcsinh = elementwise(
    "arcsinh",
    numpy=np.arcsinh,
    products=(lambda g, x: g / _root_of_one_plus_square(x),),
    lower=lowering.function("arcsinh"),
    samples=lambda: unary_samples(
        extra=(np.array([0.0, 1e-300, 1e4, 1e200]), np.array([0.5 + 2.0j]))
    ),
)

arccosh = elementwise(
    "arccosh",
    numpy=np.arccosh,
    products=(lambda g, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)),),
    lower=lowering.function("arccosh"),
    samples=lambda: [
        *unary_samples(above_one, extra=(np.array([1e4, 1e200]), np.array([-0.5 + 0.5j]))),
        Sample(np.array([1.0, 2.0]), differentiable=False),
    ],
)

arctanh = elementwise(
    "arctanh",
    numpy=np.arctanh,
    products=(lambda g, x: g / ((1 - x) * (1 + x)),),
    lower=lowering.function("arctanh"),
    samples=lambda: [
        *unary_samples(inside_one, extra=(np.array([0.0, 1e-300]), np.array([0.5 + 2.0j]))),
        Sample(np.array([1.0, -1.0]), differentiable=False),
    ],
)


# ------------------------------------------------------------------ two sides of a triangle


def _ratio(x: Any, r: Any) -> Any:
    """Return x / r, and exactly 0 where r is 0, whatever is differentiated."""
    return np.where(np.equal(r, 0), 0.0, x / r)


hypot = elementwise(
    "hypot",
    numpy=np.hypot,
    products=(
        lambda g, x, y, ans: times_slope(g, x, ans, y),
        lambda g, x, y, ans: times_slope(g, y, ans, x),
    ),
    lower=lowering.function("hypot"),
    samples=lambda: [
        *binary_samples(),
        Sample(np.array([3e200, 3e-5, -1.0]), np.array([-4e200, 4e-5, 0.5])),
        Sample(np.array([0.0, 1.0]), np.array([0.0, 2.0]), differentiable=False),
    ],
    fails=bad_shapes,
)


def _with_square(hypot: Any) -> Any:
    return lambda x, y: length(hypot(x, y), _sum_of_squares, x, y)


def _sum_of_squares(x: Any, y: Any) -> Any:
    return np.square(x) + np.square(y)


ufuncs[np.hypot] = _with_square(ufuncs[np.hypot])


def _by_ordinate(g: Any, y: Any, x: Any) -> Any:
    r = np.hypot(x, y)
    return g * _ratio(_ratio(x, r), r)


def _by_abscissa(g: Any, y: Any, x: Any) -> Any:
    r = np.hypot(x, y)
    return -(g * _ratio(_ratio(y, r), r))


arctan2 = elementwise(
    "arctan2",
    numpy=np.arctan2,
    arguments=("y", "x"),
    products=(_by_ordinate, _by_abscissa),
    lower=lowering.function("arctan2"),
    samples=lambda: [
        *binary_samples(),
        Sample(np.array([3e200, 3e-5, -1.0]), np.array([-4e200, 4e-5, 0.5]), second=False),
        Sample(np.array([1.0, -2.0]), np.array([0.0, 0.0])),
        Sample(np.array([0.0, 1.0]), np.array([0.0, 2.0]), differentiable=False),
    ],
    fails=bad_shapes,
)


# ------------------------------------------------------------------ units of angles


def _linear(which: tuple[int, ...], params: dict[str, Any]) -> bool:
    return True


deg2rad = elementwise(
    "deg2rad",
    numpy=np.deg2rad,
    products=(lambda g: np.deg2rad(g),),
    linear=_linear,
    lower=lowering.scaled(math.pi, 180.0),
    samples=lambda: unary_samples(complex_too=False),
    fails=lambda: [Fail(TypeError, "not supported", array(2, dtype=np.complex128))],
)

radians = elementwise(
    "radians",
    numpy=np.radians,
    products=(lambda g: np.radians(g),),
    linear=_linear,
    lower=lowering.scaled(math.pi, 180.0),
    samples=lambda: unary_samples(complex_too=False),
)

rad2deg = elementwise(
    "rad2deg",
    numpy=np.rad2deg,
    products=(lambda g: np.rad2deg(g),),
    linear=_linear,
    lower=lowering.scaled(180.0, math.pi),
    samples=lambda: unary_samples(complex_too=False),
)

degrees = elementwise(
    "degrees",
    numpy=np.degrees,
    products=(lambda g: np.degrees(g),),
    linear=_linear,
    lower=lowering.scaled(180.0, math.pi),
    samples=lambda: unary_samples(complex_too=False),
)


# ------------------------------------------------------------------ sin(πx) / (πx)


def _sinc_derivative(x: Any, *, order: int) -> Any:
    """Return the n-th derivative of sinc at x, n = `order`, to full precision everywhere.

    With u = πx and f = sin(u)/u, u f⁽ⁿ⁾ = sin⁽ⁿ⁾ u - n f⁽ⁿ⁻¹⁾ loses digits only for |u| below about
    n/e; there the series f⁽ⁿ⁾ = Σ ± u^(2k-n) / ((2k + 1) (2k - n)!) is short.
    """
    given = np.asarray(x)
    real = given.real.dtype.type
    pi = 4 * np.arctan(real(1)) if real is np.longdouble else real(math.pi)
    u = np.atleast_1d(given * pi)
    near = np.abs(u) <= max(1.0, 0.5 * order)
    found = np.empty_like(u)
    found[near] = _series(u[near], order)
    far = u[~near]
    derivatives = (np.sin(far), np.cos(far), -np.sin(far), -np.cos(far))
    value = derivatives[0] / far
    for n in range(1, order + 1):
        value = (derivatives[n % 4] - n * value) / far
    found[~near] = value
    return (found.reshape(given.shape) * pi**order)[()]


def _series(u: Any, order: int) -> Any:
    k = (order + 1) // 2
    term = u ** (2 * k - order) * (-1.0) ** k  # over (2k - n)!, which is 1 for the first
    total = term / (2 * k + 1)
    square = u * u
    while 2 * k - order < 30 + order:
        k += 1
        term = -term * square / ((2 * k - order - 1) * (2 * k - order))
        total = total + term / (2 * k + 1)
    return total


def _infer_floating(x: Aval, **params: Any) -> Aval:
    return Aval(x.shape, x.dtype, kind_of_result(x.shape))


_HARD = (np.array([0.0, 1e-9, -1e-3, 0.3, 1.0, -2.5]), np.array([1e-300, 1e3]))

sinc_derivative: Primitive = elementwise(
    "sinc_derivative",
    numpy=_sinc_derivative,
    arguments=("x",),
    parameters=("order",),
    infer=_infer_floating,
    partials=(lambda x, order: bind(sinc_derivative, x, order=order + 1),),
    samples=lambda: [
        *(Sample(point, order=order) for point in _HARD for order in (1, 2, 5)),
        *(Sample(*sample.args, order=2) for sample in unary_samples()),
    ],
)

sinc_primitive = elementwise(
    "sinc",
    numpy=np.sinc,
    arguments=("x",),
    infer=_infer_floating,
    partials=(lambda x: bind(sinc_derivative, x, order=1),),
    lower=lowering.sinc,
    samples=lambda: unary_samples(extra=_HARD),
)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    operand = as_operand(x)
    if aval_of(raw_of(operand)).kind == "python":
        operand = as_numpy_scalar(operand)
    return to_user(bind(sinc_primitive, operand))
