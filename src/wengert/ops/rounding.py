"""Functions whose derivative is zero almost everywhere, and those that take a number apart.

Rounding, signs, predicates and bits have zero derivative; ``modf``, ``frexp``, ``ldexp``,
``divmod`` and ``nextafter`` pass one on.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..ir.emitter import PerEntry
from ..ir.primitive import Primitive
from ..tracing.core import Traced, bind, raw_of, to_user
from ..tracing.decisions import certain
from ..tracing.operators import as_operand, install_method
from ..tracing.protocols import (
    implement_ufunc,
    implements,
    primitive_call,
    store_results,
)
from . import lowering
from .arithmetic import binary_samples
from .batch_rules import BatchRule, entrywise, one_by_one
from .elementwise_family import infer_elementwise
from .exponential import bad_shapes
from .families import elementwise, irregular, piecewise_constant
from .projection import as_numpy_scalar, expand
from .samples import Fail, Sample, array, positive, unary_samples


def whole(*shape: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    """Return reproducible numbers well away from halves and whole numbers."""
    made = array(*shape, dtype=np.float64, seed=seed)
    return (np.floor(made * 2) / 2 + 0.2).astype(dtype)


# ------------------------------------------------------------------ rounding

rounded = {
    ufunc.__name__: piecewise_constant(
        ufunc.__name__,
        numpy=ufunc,
        lower=lower,
        samples=lambda: unary_samples(
            whole, complex_too=False, extra=(np.array([-1.0, -0.0, 2.5, np.inf, np.nan]),)
        ),
    )
    for ufunc, lower in (
        (np.floor, lowering.whole("floor")),
        (np.ceil, lowering.whole("ceil")),
        (np.rint, lowering.function("rint")),
        (np.trunc, lowering.whole("trunc")),
        (np.spacing, lowering.spacing),
    )
}


def _infer_round(x: Aval, *, decimals: int) -> Aval:
    return Aval(x.shape, x.dtype, kind_of_result(x.shape))


round_primitive = Primitive(
    "round",
    family="piecewise_constant",
    batching=entrywise,
    arguments=("x",),
    evaluate=lambda x, *, decimals: np.round(x, decimals),
    infer=_infer_round,
    zero_derivative=True,
    lower=lambda e, x, decimals: lowering.rounded(e, x, decimals),
    samples=lambda: [
        Sample(whole(3, 4), decimals=0),
        Sample(whole(2, 3)[:, ::2], decimals=1),
        Sample(1.25, decimals=1),
        Sample(np.float32(17.0), decimals=-1),
        Sample(np.array(2.5), decimals=0),
        Sample(array(3, dtype=np.complex128), decimals=1),
    ],
    fails=tuple,
)


@implements(np.round, np.around)
def round_(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Answer ``np.round`` and ``x.round``: the derivative is zero."""
    decimals = operator.index(decimals)
    value = as_operand(a)
    kinds = None if out is None else (aval_of(raw_of(value)).dtype.kind, out.dtype.kind)
    if decimals > 0 and kinds == ("f", "f"):
        # NumPy scales in the operand's precision, then rounds and scales back in that of `out`.
        factor = 10.0**decimals
        scaled = np.multiply(value, factor).astype(np.result_type(value, out.dtype))
        return store_results((out,), (np.rint(scaled) / factor,))
    result = to_user(bind(round_primitive, value, decimals=decimals))
    return result if out is None else store_results((out,), (result,))


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """Answer ``np.fix``, rounding towards zero."""
    return np.trunc(as_operand(x)) if out is None else np.trunc(as_operand(x), out=out)


install_method("round", round_)


def _round_operator(self: Any, digits: int | None = None) -> Any:
    """Answer ``round(x)`` for scalars; NumPy's arrays have none."""
    if aval_of(raw_of(self)).kind == "array":
        raise TypeError("type numpy.ndarray doesn't define __round__ method")
    return bind(_round_scalar, self, digits=digits)


def _round_batched(primitive: Primitive) -> BatchRule:
    """Return the batch rule: NumPy's rounding; what is no integer of 64 bits is left to Python."""
    loop = one_by_one(primitive)

    def batch(values: Sequence[Any], axes: Sequence[Any], params: dict[str, Any]) -> Any:
        (x,), (axis,), digits = map(to_user, values), axes, params["digits"]
        if digits is not None:
            return raw_of(np.round(x, digits)), axis
        if not certain(np.less(np.abs(x), 2.0**62)):
            return loop(values, axes, params)
        return raw_of(np.rint(x).astype(np.int64)), axis

    return batch


_round_scalar = Primitive(
    "round_scalar",
    family="piecewise_constant",
    batching=_round_batched,
    arguments=("x",),
    evaluate=lambda x, *, digits: round(x) if digits is None else round(x, digits),
    infer=lambda x, *, digits: Aval((), np.int64, "python") if digits is None else x,
    zero_derivative=True,
    samples=lambda: [
        Sample(1.7, digits=None),
        Sample(1.75, digits=1),
        Sample(np.float32(1.75), digits=1),
        Sample(np.float64(1.75), digits=None),
    ],
    fails=lambda: [Fail(ValueError, "NaN", float("nan"), digits=None)],
)
Traced.__round__ = _round_operator  # type: ignore[attr-defined]


# ------------------------------------------------------------------ signs

sign_of_real = piecewise_constant(
    "sign",
    numpy=np.sign,
    implements=False,
    lower=lowering.sign,
    samples=lambda: unary_samples(complex_too=False, extra=(np.array([-0.0, 0.0, np.nan]),)),
)


def _turned(g: Any, ans: Any, x: Any) -> Any:
    """Return the part of g ans at a right angle to the number line, over |x|; 0 at 0."""
    size = np.abs(x)
    return np.where(np.equal(size, 0), 0.0, np.imag(g * ans) / size)


# Of a complex number, x / |x|: it turns as x does.
sign_of_complex = elementwise(
    "sign_of_complex",
    numpy=np.sign,
    partials=(0,),
    complex_jvp=lambda t, ans, x: 1j * ans * _turned(t, np.conj(ans), x),
    complex_vjp=lambda g, ans, x: 1j * np.conj(ans) * _turned(g, ans, x),
    implements=False,
    lower=lowering.sign_of_complex,
    samples=lambda: [
        Sample(array(3, 4, dtype=np.complex128)),
        Sample(array(3, dtype=np.complex64)),
        Sample(np.complex128(1.5 - 0.5j)),
        Sample(np.array([0j, 1.0]), differentiable=False),
    ],
)

_sign_of_real = primitive_call(sign_of_real, as_numpy_scalar)
_sign_of_complex = primitive_call(sign_of_complex, as_numpy_scalar)


def _sign(x: Any) -> Any:
    return (_sign_of_complex if aval_of(raw_of(x)).is_complex else _sign_of_real)(x)


implement_ufunc(np.sign, _sign)


# ------------------------------------------------------------------ predicates and bits

predicates = {
    ufunc.__name__: piecewise_constant(
        ufunc.__name__,
        numpy=ufunc,
        lower=getattr(lowering, ufunc.__name__),
        samples=lambda: unary_samples(
            complex_too=False, extra=(np.array([-np.inf, np.nan, -0.0]), np.array([2.0, 0.0]))
        ),
    )
    for ufunc in (np.isnan, np.isfinite, np.isinf, np.signbit, np.logical_not)
}

logical = {
    ufunc.__name__: piecewise_constant(
        ufunc.__name__,
        numpy=ufunc,
        lower=lowering.logical(ufunc.__name__.removeprefix("logical_")),
        samples=binary_samples,
        fails=bad_shapes,
    )
    for ufunc in (np.logical_and, np.logical_or, np.logical_xor)
}


def _integer_pairs() -> list[Sample]:
    i = np.arange(12).reshape(3, 4)
    return [
        Sample(i, i[::-1]),
        Sample(i, np.arange(4)),
        Sample(3, i[:0]),
        Sample(np.int8(5), np.int8(2)),
        Sample(6, 1),
    ]


def _no_floats() -> list[Fail]:
    return [Fail(TypeError, "ufunc", array(3), array(3))]


_BIT_OPERATORS: dict[str, tuple[np.ufunc, str, Callable[..., Any]]] = {
    "bitwise_and": (np.bitwise_and, "__and__", operator.and_),
    "bitwise_or": (np.bitwise_or, "__or__", operator.or_),
    "bitwise_xor": (np.bitwise_xor, "__xor__", operator.xor),
    "left_shift": (np.left_shift, "__lshift__", operator.lshift),
    "right_shift": (np.right_shift, "__rshift__", operator.rshift),
}

bits = {
    name: piecewise_constant(
        name,
        numpy=ufunc,
        evaluate=function,
        operator=method,
        lower=lowering.bitwise(name.removeprefix("bitwise_")),
        samples=_integer_pairs,
        fails=_no_floats,
    )
    for name, (ufunc, method, function) in _BIT_OPERATORS.items()
}

divisors = {
    ufunc.__name__: piecewise_constant(
        ufunc.__name__, numpy=ufunc, samples=_integer_pairs, fails=_no_floats
    )
    for ufunc in (np.gcd, np.lcm)
}

invert = piecewise_constant(
    "invert",
    numpy=np.invert,
    evaluate=operator.invert,
    operator="__invert__",
    lower=lowering.bitwise("not"),
    samples=lambda: [Sample(np.arange(3)), Sample(np.array([True, False])), Sample(5)],
    fails=lambda: [Fail(TypeError, "not supported", array(3))],
)

bitwise_count = piecewise_constant(
    "bitwise_count",
    numpy=np.bitwise_count,
    lower=lowering.bitwise_count,
    samples=lambda: [Sample(np.arange(3)), Sample(5)],
    fails=lambda: [Fail(TypeError, "not supported", array(3))],
)


# ------------------------------------------------------------------ taking a number apart


def _multiple(
    name: str,
    ufunc: np.ufunc,
    *,
    arguments: tuple[str, ...],
    samples: Callable[[], list[Sample]],
    keeps_python: bool = False,
    fails: Callable[[], list[Fail]] = list,
    **slots: Any,
) -> Primitive:
    """Make a primitive of a ufunc with two results."""
    primitive = irregular(
        name,
        arguments=arguments,
        infer=infer_elementwise(ufunc, keeps_python),
        multiple=True,
        samples=samples,
        fails=fails,
        numpy=ufunc,
        batching=entrywise,
        **slots,
    )
    implement_ufunc(ufunc, primitive_call(primitive, as_numpy_scalar))
    return primitive


modf = _multiple(
    "modf",
    np.modf,
    arguments=("x",),
    evaluate=np.modf,
    jvp=(lambda t: (t, None),),
    vjp=(lambda g: g[0],),
    lower=PerEntry(lowering.modf),
    samples=lambda: unary_samples(whole, complex_too=False),
)

frexp = _multiple(
    "frexp",
    np.frexp,
    arguments=("x",),
    evaluate=np.frexp,
    jvp=(lambda t, ans: (np.ldexp(t, -ans[1]), None),),
    vjp=(lambda g, ans: None if g[0] is None else np.ldexp(g[0], -ans[1]),),
    samples=lambda: [
        *unary_samples(whole, complex_too=False),
        Sample(np.array([1.5e-300, 1.5e300, -3.0]), second=False),
    ],
)

ldexp = elementwise(
    "ldexp",
    numpy=np.ldexp,
    products=(lambda g, y: np.ldexp(g, y), lambda g: None),
    linear=lambda which, params: True,
    lower=lowering.ldexp,
    samples=lambda: [
        Sample(array(3, 4), np.arange(4)),
        Sample(array(3, 1)[::-1], np.array([[-2, 0, 5, 1]])),
        Sample(array(2, 3, dtype=np.float32), 3),
        Sample(1.5, 3),
        Sample(np.float64(1.5), np.int8(-3)),
        Sample(array(0, 3), 2),
    ],
    fails=lambda: [Fail(TypeError, "not supported", array(3), array(3))],
)


def _quotients() -> list[Sample]:
    """Return samples whose quotient is well between two whole numbers."""
    x, y = array(3, 4, low=2.4, high=2.7), array(4, low=1.5, high=1.9)
    return [
        Sample(x, y),
        Sample(-x[::-1, ::2], y[1::2]),
        Sample(x[:, :1], y),
        Sample(2.5, y),
        Sample(x, np.float64(1.75)),
        Sample(2.5, 1.75),
        Sample(np.float64(2.5), -1.75),
        Sample(x.astype(np.float32), 1.75),
        Sample(x.astype(np.float32), y.astype(np.float32)),
        Sample(x[:0], y),
    ]


def _evaluate_divmod(x: Any, y: Any) -> Any:
    return divmod(x, y)


def _jvp_divmod(tangents: Any, ans: Any) -> Any:
    change, of_divisor = tangents
    if of_divisor is not None:
        of_divisor = -ans[0] * of_divisor
        change = of_divisor if change is None else change + of_divisor
    return None, expand(change, aval_of(ans[1]))


divmod_primitive = _multiple(
    "divmod",
    np.divmod,
    arguments=("x", "y"),
    evaluate=_evaluate_divmod,
    keeps_python=True,
    lower=PerEntry(lowering.divmod_),
    jvp=_jvp_divmod,
    vjp=(lambda g: g[1], lambda g, ans: None if g[1] is None else -ans[0] * g[1]),
    samples=_quotients,
    fails=bad_shapes,
)


def _divide(left: Any, right: Any) -> Any:
    first, second = as_operand(left), as_operand(right)
    if first is NotImplemented or second is NotImplemented:
        return NotImplemented
    return to_user(bind(divmod_primitive, first, second))


install_method("__divmod__", _divide)
install_method("__rdivmod__", lambda self, other: _divide(other, self))

# The neighbouring number moves with x; which neighbour it is does not change.
nextafter = elementwise(
    "nextafter",
    numpy=np.nextafter,
    partials=(1, 0),
    lower=lowering.function("nextafter"),
    samples=lambda: binary_samples(positive),
    fails=bad_shapes,
)
