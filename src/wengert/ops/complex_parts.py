"""Absolute values, signs taken over, and the parts of complex numbers; the Bessel function ``i0``.

Real functions of complex numbers follow ⟨g, t⟩ = Re(g t): what Re pulls back is g, Im gives -i g.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..tracing.core import Array, bind, make_view, raw_of, to_user, write_handle
from ..tracing.operators import as_operand, install_attribute, install_method
from ..tracing.protocols import implements, ufuncs
from . import lowering
from .arithmetic import binary_samples
from .elementwise_family import infer_elementwise
from .exponential import bad_shapes
from .families import elementwise
from .kinds import with_kind
from .projection import as_numpy_scalar
from .samples import Fail, Sample, array, positive, unary_samples
from .smooth_squares import length, square_of_modulus
from .tips import times_slope


def _is_complex(x: Any) -> bool:
    return aval_of(raw_of(x)).is_complex


def _linear(which: tuple[int, ...], params: dict[str, Any]) -> bool:
    return True


def complex_samples() -> list[Sample]:
    """Return the samples of functions of complex numbers alone."""
    return [sample for sample in unary_samples() if aval_of(sample.args[0]).is_complex] + [
        Sample(np.complex128(0.5 - 1.5j)),
        Sample(array(3, 4, dtype=np.complex128)[::-1, ::2]),
        Sample(array(0, 3, dtype=np.complex128)),
    ]


# ------------------------------------------------------------------ absolute values


def _absolute_samples() -> list[Sample]:
    return [
        *unary_samples(),
        Sample(np.array([1e300, -1e-300]), second=False),
        Sample(np.array([3e200 - 4e200j]), second=False),
        Sample(np.array([0.0, -0.0, 1.0]), differentiable=False),
        Sample(np.array([0j, 1.0]), differentiable=False),
    ]


_absolute_rules: dict[str, Any] = {
    "partials": (lambda x: np.sign(x),),
    "complex_jvp": lambda t, x, ans: np.real(times_slope(t, np.conj(x), ans)),
    "complex_vjp": lambda g, x, ans: times_slope(g, np.conj(x), ans),
    "lower": lowering.absolute,
    "samples": _absolute_samples,
}

absolute = elementwise(
    "absolute",
    numpy=np.absolute,
    **_absolute_rules,
)

# The operator keeps Python numbers, and of complex scalars its last place may differ.
absolute_operator = elementwise(
    "absolute_operator",
    numpy=None,
    arguments=("x",),
    evaluate=operator.abs,
    operator="__abs__",
    infer=infer_elementwise(np.absolute, operator=True),
    **_absolute_rules,
)


def _with_square(absolute: Any) -> Any:
    return lambda x: length(absolute(x), square_of_modulus, x)


install_method("__abs__", _with_square(lambda x: to_user(bind(absolute_operator, x))))
ufuncs[np.absolute] = _with_square(ufuncs[np.absolute])

fabs = elementwise(
    "fabs",
    numpy=np.fabs,
    partials=(lambda x: np.sign(x),),
    lower=lowering.function("fabs"),
    samples=lambda: [
        *unary_samples(complex_too=False),
        Sample(np.array([0.0, -0.0, 1.0]), differentiable=False),
    ],
    fails=lambda: [Fail(TypeError, "not supported", array(2, dtype=np.complex128))],
)

ufuncs[np.fabs] = _with_square(ufuncs[np.fabs])

copysign = elementwise(
    "copysign",
    numpy=np.copysign,
    # Zeros have signs, too, so that copysign(x, x) has the slope 1 everywhere.
    products=(
        lambda g, x, ans: g * (np.copysign(1.0, x) * np.copysign(1.0, ans)),
        lambda g: None,
    ),
    lower=lowering.function("copysign"),
    samples=lambda: [
        *binary_samples(),
        Sample(np.array([1.5, -1.5, 2.0]), np.array([-0.0, 0.0, -np.inf]), wrt=(0,)),
        Sample(np.array([0.0, 1.0]), np.array([1.0, -1.0]), differentiable=False),
    ],
    fails=bad_shapes,
)


# ------------------------------------------------------------------ real and imaginary parts


def _infer_part(x: Aval) -> Aval:
    return Aval(x.shape, np.empty((), x.dtype).real.dtype, x.kind)


real_primitive = elementwise(
    "real",
    numpy=np.real,
    evaluate=lambda x: x.real,
    arguments=("x",),
    infer=_infer_part,
    partials=(1,),
    complex_jvp=lambda t: np.real(t),
    complex_vjp=lambda g: g,
    linear=_linear,
    lower=lambda e, x: e.real(x),
    samples=complex_samples,
)

imag_primitive = elementwise(
    "imag",
    numpy=np.imag,
    evaluate=lambda x: x.imag,
    arguments=("x",),
    infer=_infer_part,
    partials=(0,),
    complex_jvp=lambda t: np.imag(t),
    complex_vjp=lambda g: -1j * g,
    linear=_linear,
    lower=lambda e, x: e.imag(x),
    samples=complex_samples,
)


def _evaluate_conjugate(x: Any) -> Any:
    return x.conjugate() if isinstance(x, (complex, float)) else np.conjugate(x)


conjugate = elementwise(
    "conjugate",
    numpy=np.conjugate,
    evaluate=_evaluate_conjugate,
    infer=infer_elementwise(np.conjugate, operator=True),
    partials=(1,),
    complex_jvp=lambda t: np.conj(t),
    complex_vjp=lambda g: np.conj(g),
    linear=_linear,
    lower=lowering.conjugate,
    samples=unary_samples,
)


def real_part(self: Any) -> Any:
    """Answer ``x.real``: a view of an array, a number of a number."""
    if not _is_complex(self):
        return self
    if type(self) is Array:
        return make_view(self, ("real",))
    return to_user(bind(real_primitive, self))


def imaginary_part(self: Any) -> Any:
    """Answer ``x.imag``: a view of an array, a number of a number; of real ones plain zeros."""
    if _is_complex(self):
        if type(self) is Array:
            return make_view(self, ("imag",))
        return to_user(bind(imag_primitive, self))
    aval = aval_of(raw_of(self))
    if aval.kind != "array":
        return 0.0 if aval.kind == "python" else aval.dtype.type(0)
    zeros = np.zeros(aval.shape, aval.dtype)
    zeros.flags.writeable = False
    return zeros


def _write_real(self: Array, value: Any) -> None:
    write_handle(self, (("real",),) if _is_complex(self) else (("index", Ellipsis),), value)


def _write_imaginary(self: Array, value: Any) -> None:
    if not _is_complex(self):
        raise TypeError("array does not have imaginary part to set")
    write_handle(self, (("imag",),), value)


def conjugate_method(self: Any) -> Any:
    """Answer ``x.conj()`` and ``x.conjugate()``, which keep Python numbers."""
    return to_user(bind(conjugate, self)) if _is_complex(self) else self


install_attribute("real", real_part, _write_real)
install_attribute("imag", imaginary_part, _write_imaginary)
install_method("conj", conjugate_method)
install_method("conjugate", conjugate_method)


@implements(np.real)
def real(val: Any) -> Any:
    return as_operand(val).real


@implements(np.imag)
def imag(val: Any) -> Any:
    return as_operand(val).imag


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """Answer ``np.real_if_close``: real if all imaginary parts are `tol` roundings or smaller."""
    operand = as_operand(a)
    aval = aval_of(raw_of(operand))
    if aval.kind != "array":
        operand = to_user(with_kind(raw_of(operand), aval.with_kind("array")))
    if not aval.is_complex:
        return operand
    limit = np.finfo(aval.dtype).eps * tol if tol > 1 else tol
    close = np.less(np.abs(np.imag(operand)), limit)
    return operand.real if bool(np.all(close)) else operand


# ------------------------------------------------------------------ angle


def _inverse(x: Any) -> Any:
    """Return 1/x, 0 at 0."""
    return np.where(np.equal(x, 0), 0.0, np.reciprocal(x))


angle_primitive = elementwise(
    "angle",
    numpy=np.angle,
    arguments=("x",),
    infer=lambda x: Aval(x.shape, np.empty((), x.dtype).real.dtype, kind_of_result(x.shape)),
    partials=(0,),
    complex_jvp=lambda t, x: np.imag(t * _inverse(x)),
    complex_vjp=lambda g, x: -1j * (g * _inverse(x)),
    lower=lowering.angle,
    samples=lambda: [
        *unary_samples(positive)[8:],
        Sample(positive(3, 4, dtype=np.complex128)[::-1, ::2]),
        Sample(np.array([3e200 - 4e200j, -1.0 + 0.3j]), second=False),
        Sample(np.array([0j, -1.0]), differentiable=False),
    ],
)


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """Answer ``np.angle``, in radians or degrees."""
    operand = as_operand(z)
    if not _is_complex(operand):
        found = np.arctan2(0, operand)
    else:
        found = to_user(bind(angle_primitive, operand))
    return found * (180 / np.pi) if deg else found


# ------------------------------------------------------------------ Bessel functions


def _evaluate_bessel(x: Any, *, order: int) -> Any:
    from scipy import special

    dtype = aval_of(x).dtype
    if dtype.char not in "fd":  # SciPy has loops for these two
        x = np.asarray(x, np.float64)
    value = (special.i0, special.i1)[order](x) if order < 2 else special.iv(order, x)
    return value if value.dtype == dtype else value.astype(dtype)


def _infer_bessel(x: Aval, *, order: int) -> Aval:
    return Aval(x.shape, x.dtype, kind_of_result(x.shape))


def _bessel_slope(x: Any, order: int) -> Any:
    """Return the derivative of I_n, (I_(n-1) + I_(n+1)) / 2: no cancellation, exact at 0."""
    if order == 0:
        return bind(modified_bessel, x, order=1)
    below, above = (bind(modified_bessel, x, order=order + step) for step in (-1, 1))
    return 0.5 * (below + above)


# The modified Bessel function of the first kind and whole order; any derivative is made of it.
# DLMF 10.29.1: I_(n-1) + I_(n+1) = 2 I_n'.
modified_bessel = elementwise(
    "modified_bessel",
    numpy=_evaluate_bessel,
    arguments=("x",),
    parameters=("order",),
    infer=_infer_bessel,
    partials=(_bessel_slope,),
    samples=lambda: [
        Sample(*sample.args, order=order)
        for order, points in [(0, (np.array([0.0]),)), (1, ()), (3, (np.array([0.0, 9.0]),))]
        for sample in unary_samples(complex_too=False, extra=points)
    ],
)

i0_primitive = elementwise(
    "i0",
    numpy=np.i0,
    arguments=("x",),
    infer=lambda x: Aval(x.shape, x.dtype, "array"),
    partials=(lambda x: bind(modified_bessel, x, order=1),),
    samples=lambda: unary_samples(complex_too=False, extra=(np.array([0.0, 1e-300, -7.9, 8.1]),)),
    fails=lambda: [Fail(TypeError, "complex", array(2, dtype=np.complex128))],
)


@implements(np.i0)
def i0(x: Any) -> Any:
    operand = as_operand(x)
    if aval_of(raw_of(operand)).kind == "python":
        operand = as_numpy_scalar(raw_of(operand))
    return to_user(bind(i0_primitive, operand))
