"""Lowering rules: which primitives have one; NumPy's values at special operands of every dtype."""

import itertools

import numpy as np
import pytest

import wengert as wg
from native.programs import one_equation, units
from wengert.backends.llvm import compile_program, complex_functions
from wengert.backends.llvm.arrange import arrange
from wengert.backends.llvm.callback import CallBack
from wengert.ir.primitive import registry

FAMILIES = {"elementwise", "piecewise_constant", "selecting"}

# Elementwise primitives without native code, and why; they call NumPy.
WITHOUT = {
    "modified_bessel": "SciPy's Bessel functions",
    "i0": "NumPy's two Chebyshev series, of 55 terms",
    "sinc_derivative": "a series of its own near 0 for every order",
    "gcd": "a loop of its own for every entry",
    "lcm": "a loop of its own for every entry",
    "round_scalar": "Python's own rounding, of decimal digits",
    "logsumexp_sign": "a reduction",
    "iv_by_order": "SciPy's Bessel functions",
    "kv_by_order": "SciPy's Bessel functions",
    "log1p_ratio": "a series of its own near 0 for every order",
}

REALS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.5,
    -2.5,
    0.5,
    -0.5,
    3.0,
    -7.0,
    np.inf,
    -np.inf,
    np.nan,
    1e-310,
    1e300,
)
WHOLE = (0, 1, 2, 3, 5, 7, 64, 100, 127)
SIGNED = (*WHOLE, -1, -2, -3, -64, -128)

# These have NumPy's values to the last bit, in whatever dtype.
EXACT = {
    "add", "subtract", "multiply", "divide", "negative", "positive", "square", "floor_divide",
    "remainder", "fmod", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
    "absolute", "fabs", "copysign", "sign", "floor", "ceil", "rint", "trunc", "isnan", "isfinite",
    "isinf", "signbit", "logical_not", "logical_and", "logical_or", "logical_xor", "bitwise_and",
    "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "invert", "bitwise_count", "maximum",
    "minimum", "fmax", "fmin", "heaviside", "sqrt", "reciprocal", "nextafter", "conjugate",
    "spacing",
}  # fmt: skip


# Functions of complex numbers in which NumPy's own formulas cancel: as a whole they are as near.
CANCELLING = {"exp2", "expm1", "log1p"}

# Units in the last place that parts of complex results may be off, by the elementary functions
# on the way: two, of one unit, and their product; a logarithm of a modulus; quotients of products.
# NumPy's own are as far from the exact values.
COMPLEX_UNITS = {
    "exp": 2.5, "sin": 2.5, "cos": 2.5, "sinh": 2.5, "cosh": 2.5, "sqrt": 2, "log": 1, "log2": 2,
    "log10": 3, "tan": 4.5, "tanh": 5.5,
}  # fmt: skip

# Loops of NumPy's that have no native code: its own values, by calling back.
_PAIRS = "BB QQ bb ii qq"
CALLED_BACK = {
    **dict.fromkeys(["arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh"], "D F"),
    **dict.fromkeys(["power", "power_operator"], f"{_PAIRS} DD FF"),
    **dict.fromkeys(["equal", "not_equal", "less", "less_equal"], "Qq qQ"),
    **dict.fromkeys(["greater", "greater_equal"], "Qq qQ"),
    "divmod": f"{_PAIRS} dd ff",
    "float_power": "DD",
    "modf": "d f",
    "reciprocal": "B Q b i q",
    "rint": "D F",
}

EXTREMA = {"maximum", "minimum", "fmax", "fmin"}


# Of the library's own primitives: as it is imported, before tests add theirs.
NOT_LOWERED = [p.name for p in registry if p.family in FAMILIES and p.lower is None]


def test_every_elementwise_primitive_is_lowered_or_named():
    assert set(NOT_LOWERED) == set(WITHOUT)


def _ufuncs():
    for primitive in registry:
        if primitive.name.startswith("special_"):  # see test_special
            continue
        if primitive.lower is not None and isinstance(primitive.numpy, np.ufunc):
            for types in primitive.numpy.types:
                inputs = types.split("->")[0]
                if set(inputs) <= set("?bBiqQfdFD"):
                    yield primitive.name, inputs


def _values(code):
    dtype = np.dtype(code)
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind == "u":
        return np.array([*WHOLE, np.iinfo(dtype).max], dtype)
    if dtype.kind == "i":
        limits = np.iinfo(dtype)
        return np.array([*SIGNED, limits.min, limits.max], dtype)
    with np.errstate(all="ignore"):
        if dtype.kind == "f":
            return np.array(REALS).astype(dtype)
        parts = (0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan)
        return np.array([complex(a, b) for a in parts for b in parts]).astype(dtype)


def _program(name, inputs):
    rows = itertools.product(*map(_values, inputs))
    if name.startswith("power") and inputs[1:] in tuple("biq"):
        rows = [row for row in rows if row[1] >= 0]  # NumPy refuses
    columns = list(zip(*rows, strict=True))
    arrays = [np.array(column, code) for column, code in zip(columns, inputs, strict=True)]
    return one_equation(name, arrays, {})


@pytest.mark.parametrize(("name", "inputs"), sorted(set(_ufuncs())))
def test_special_operands(name, inputs):
    program, values = _program(name, inputs)
    calls_back = any(isinstance(step, CallBack) for step in arrange(program))
    assert calls_back == (inputs in CALLED_BACK.get(name, "").split())
    with np.errstate(all="ignore"):
        expected = program.evaluate(*values)
        found = compile_program(program)(*values)
    complex_input = any(code in "FD" for code in inputs)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        limit = 0 if name in EXACT or calls_back else 2
        if complex_input and not calls_back:
            # The expected values are as far from the exact ones.
            limit = 2 * COMPLEX_UNITS.get(name, 1)
        bad = [
            (tuple(value[i] for value in values), ours[i], theirs[i])
            for i in range(len(theirs))
            if not _agree(ours[i], theirs[i], limit)
            # The sign of a zero chosen of two depends on the processor in NumPy.
            and not (name in EXTREMA and ours[i] == theirs[i] == 0)
        ]
        assert not bad, bad[:8]


def _agree(ours, theirs, limit):
    if theirs.dtype.kind == "c":
        if np.isnan(theirs) and np.isnan(ours):  # signs of zeros beside nan are unspecified in C
            ours, theirs = ours + 0, theirs + 0
        return _agree(ours.real, theirs.real, limit) and _agree(ours.imag, theirs.imag, limit)
    if theirs.dtype.kind != "f":
        return ours == theirs
    if np.isnan(theirs):
        return np.isnan(ours)
    if theirs == 0 or np.isinf(theirs):
        return ours == theirs and np.signbit(ours) == np.signbit(theirs)
    return np.isfinite(ours) and units(ours, theirs) <= limit


@pytest.mark.parametrize("exponent", [-3, -1, 0, 0.5, 1, 2, 3, 5, 17, 2.5])
@pytest.mark.parametrize("code", ["d", "f", "D", "F", "q", "B"])
def test_powers_of_constant_exponent(code, exponent):
    x = _values(code)
    if x.dtype.kind in "iu" and (exponent < 0 or exponent != int(exponent)):
        return
    program, values = one_equation("power", (x, exponent), {}, literal={1})
    with np.errstate(all="ignore"):
        (expected,) = program.evaluate(*values)
        (found,) = compile_program(program)(*values)
    # Products of complex numbers cancel, and nan hides which part was lost.
    limit = 4 if x.dtype.kind == "c" else 2
    for one, ours, theirs in zip(x, found, expected, strict=True):
        assert _agree(ours, theirs, limit), (one, ours, theirs)


@pytest.mark.parametrize("name", sorted(complex_functions.FUNCTIONS))
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_complex_functions_of_every_size(name, dtype):
    rng = np.random.default_rng(8)
    scales = 10.0 ** rng.uniform(-6, 2.5, (2, 2000))
    parts = rng.choice([-1.0, 1.0], (2, 2000)) * scales
    if dtype == np.complex64:
        parts = np.clip(parts, -80, 80)
    x = (parts[0] + 1j * parts[1]).astype(dtype)
    program, values = one_equation(name, (x,), {})
    assert not any(isinstance(step, CallBack) for step in arrange(program))
    # NumPy in more digits, so that its own roundings do not count.
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x if name in CANCELLING else x.astype(np.clongdouble))
        (found,) = compile_program(program)(*values)
    if name in CANCELLING:
        unit = 8 * np.finfo(dtype).eps
        np.testing.assert_allclose(found, expected, rtol=unit, atol=unit)
        return
    for part in ("real", "imag"):
        ours, theirs = getattr(found, part), getattr(expected, part)
        finite = np.abs(theirs) < np.finfo(dtype).max
        rounded = theirs[finite].astype(ours.dtype)
        distance = np.abs(ours[finite] - theirs[finite]) / np.spacing(np.abs(rounded))
        i = np.argmax(distance)
        assert distance[i] <= COMPLEX_UNITS[name], (x[finite][i], ours[finite][i])


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "bool"])
def test_integers_are_whole(dtype):
    x = np.array([0, 1, 3, 100, 127]).astype(dtype)
    for ufunc in (np.floor, np.ceil, np.trunc):
        native = compile_program(wg.trace(ufunc)(x))
        assert native.called_back == ()
        assert native(x)[0].dtype == ufunc(x).dtype
        np.testing.assert_array_equal(native(x)[0], ufunc(x))


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_fmod_of_integers(dtype):
    """The sign of the first; 0 by zero; the least integer by -1."""
    limits = np.iinfo(dtype)
    values = [limits.min, limits.max, 0, 1, 7, 5, limits.max - 1]
    values += [-1, -7, -5] if limits.min else []
    x, y = (grid.ravel() for grid in np.meshgrid(np.array(values, dtype), np.array(values, dtype)))
    native = compile_program(wg.trace(np.fmod)(x, y))
    assert native.called_back == ()
    np.testing.assert_array_equal(native(x, y)[0], np.fmod(x, y))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_spacing(dtype):
    limits = np.finfo(dtype)
    x = [0.0, 1.0, 2.0, 3.7, 1e10, limits.max, limits.tiny, limits.smallest_subnormal, np.inf]
    x = np.array([*x, *(-value for value in x)], dtype)
    native = compile_program(wg.trace(np.spacing)(x))
    assert native.called_back == ()
    np.testing.assert_array_equal(native(x)[0], np.spacing(x))
    assert np.isnan(native(np.full_like(x, np.nan))[0]).all()
