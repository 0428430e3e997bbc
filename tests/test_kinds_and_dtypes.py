"""Value, dtype and kind inside transformations are NumPy's; gradients have those of the argument.

A kind is one of: Python number (whose dtype is weak), NumPy scalar, array (of no axes, too).
Complex numbers have a file of their own, ``test_complex_numbers``.
"""

import collections
import math
import numbers
from collections.abc import Iterable, Sized

import mpmath
import numpy as np
import pytest

import wengert as wg
from reference import fresh, of_kind, same

POINTS = {
    "python float": 0.7,
    "float64 scalar": np.float64(0.7),
    "float32 scalar": np.float32(0.7),
    "float16 scalar": np.float16(0.7),
    "longdouble scalar": np.longdouble(0.7),
    "float64 0d": np.array(0.7),
    "float32 0d": np.array(0.7, dtype=np.float32),
    "float64 vector": np.array([0.7, 1.3, 0.4]),
    "float32 vector": np.array([0.7, 1.3, 0.4], dtype=np.float32),
    "float16 vector": np.array([0.7, 1.3, 0.4], dtype=np.float16),
    "longdouble vector": np.array([0.7, 1.3, 0.4], dtype=np.longdouble),
    "float64 table": np.array([[0.7, 1.3, 0.4], [0.2, 0.9, 1.1]]),
    "float32 one by one": np.array([[0.7]], dtype=np.float32),
}
ARRAYS = [name for name, point in POINTS.items() if np.ndim(point)]
each_point = pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())

# What any kind of number takes.
EVERYWHERE = {
    "x + 1": lambda x: x + 1,
    "x + 1.5": lambda x: x + 1.5,
    "1.5 - x": lambda x: 1.5 - x,
    "2 * x": lambda x: 2 * x,
    "x * 2.5": lambda x: x * 2.5,
    "x / 3": lambda x: x / 3,
    "1.0 / x": lambda x: 1.0 / x,
    "x ** 2": lambda x: x**2,
    "x ** 0.5": lambda x: x**0.5,
    "x ** -1": lambda x: x**-1,
    "2.0 ** x": lambda x: 2.0**x,
    "x ** x": lambda x: x**x,
    "x // 0.3": lambda x: x // 0.3,
    "x % 0.3": lambda x: x % 0.3,
    "2.0 % x": lambda x: 2.0 % x,
    "divmod(x, 0.3)": lambda x: divmod(x, 0.3),
    "-x": lambda x: -x,
    "+x": lambda x: +x,
    "abs(x)": abs,
    "x * x - x": lambda x: x * x - x,
    "x *= 2.0": lambda x: multiplied_in_place(x, 2.0),
    "x * True": lambda x: x * True,
    "x.real": lambda x: x.real,
    "x.conjugate()": lambda x: x.conjugate(),
    "np.sin": np.sin,
    "np.sqrt": np.sqrt,
    "np.square": np.square,
    "np.abs": np.abs,
    "np.negative": np.negative,
    "np.positive": np.positive,
    "np.floor": lambda x: np.floor(x) + 0 * x,
    "np.sin * 1.0": lambda x: np.sin(x) * 1.0,
    "np.modf": np.modf,
    "np.add": lambda x: np.add(x, 1.5),
    "np.power": lambda x: np.power(x, 3),
    "np.float_power": lambda x: np.float_power(x, 2),
    "np.maximum": lambda x: np.maximum(x, 0.5),
    "np.hypot": lambda x: np.hypot(2, x),
    "np.arctan2": lambda x: np.arctan2(x, np.float32(2.0)),
    "np.copysign": lambda x: np.copysign(x, -1.0),
    "np.where": lambda x: np.where(x > 0.5, x, 1.5),
    "np.clip": lambda x: np.clip(x, 0.5, 1.0),
    "np.sum": np.sum,
    "np.mean": np.mean,
    "np.max": np.max,
    "np.prod": np.prod,
    "np.var": np.var,
    "np.sum dtype": lambda x: np.sum(x, dtype=np.longdouble),
    "np.sin dtype": lambda x: np.sin(x, dtype=np.longdouble),
    "np.asarray": lambda x: np.asarray(x),
    "np.array": lambda x: np.array(x),
    "np.array of two": lambda x: np.array([x, x]),
    "np.array as float32": lambda x: np.array(x, dtype=np.float32),
    "np.stack": lambda x: np.stack([x, x]),
    "np.ravel": np.ravel,
    "np.reshape": lambda x: np.reshape(x, -1),
    "np.transpose": np.transpose,
    "np.squeeze": np.squeeze,
    "np.atleast_1d": np.atleast_1d,
    "np.broadcast_to": lambda x: np.broadcast_to(x, (2, *np.shape(x))),
    "np.dot with a number": lambda x: np.dot(x, 2.0),
    "zeros_like + x": lambda x: np.zeros_like(x) + x,
    "full_like * x": lambda x: np.full_like(x, 2.5) * x,
    "x * float64 scalar": lambda x: x * np.float64(2.5),
    "x * float32 scalar": lambda x: x * np.float32(2.5),
    "float32 scalar - x": lambda x: np.float32(2.5) - x,
    "x + int8 scalar": lambda x: x + np.int8(3),
    "x * float64 0d": lambda x: x * np.array(2.5),
    "x * float16 vector": lambda x: x * np.array([1.5, 2.0, 3.0], dtype=np.float16),
    "x * float32 vector": lambda x: x * np.array([1.5, 2.0, 3.0], dtype=np.float32),
    "x * float64 vector": lambda x: x * np.array([1.5, 2.0, 3.0]),
    "x + int64 vector": lambda x: x + np.array([1, 2, 3]),
    "x * bool vector": lambda x: x * np.array([True, False, True]),
    "x * complex": lambda x: x * 2j,
    "x + complex64 vector": lambda x: x + np.array([1j, 2.0, 3.0], dtype=np.complex64),
    "two kinds in a tuple": lambda x: (x * 2.0, np.sin(x), np.array([1.5, 2.5])),
}

# What arrays of at least one axis take besides.
OF_ARRAYS = {
    "x[0]": lambda x: x[0],
    "x[0, ...]": lambda x: x[0, ...],
    "x[..., 0]": lambda x: x[..., 0],
    "x[-1:]": lambda x: x[-1:],
    "x[()]": lambda x: x[()],
    "x[None]": lambda x: x[None],
    "x[[0, 0]]": lambda x: x[[0, 0]],
    "x[x > 0.5]": lambda x: x[x > 0.5],
    "x.T": lambda x: x.T,
    "x.sum()": lambda x: x.sum(),
    "x.sum(0)": lambda x: x.sum(0),
    "x.sum(keepdims)": lambda x: x.sum(keepdims=True),
    "x.mean(-1)": lambda x: x.mean(-1),
    "x.std()": lambda x: x.std(),
    "x.max(0)": lambda x: x.max(0),
    "x.cumsum()": lambda x: x.cumsum(),
    "x.dot(x.T)": lambda x: x.dot(x.T),
    "x @ x.T": lambda x: x @ x.T,
    "x.astype(float32)": lambda x: x.astype(np.float32),
    "x.astype(float)": lambda x: x.astype(float),
    "x.item(0)": lambda x: x.item(0),
    "x.item(0) * x": lambda x: x.item(0) * x,
    "x.tolist()": lambda x: x.tolist(),
    "first of x": lambda x: next(iter(x)),
    "x[0] * float64 vector": lambda x: x.ravel()[0] * np.array([1.5, 2.5]),
    "x[0, ...] * float16 vector": lambda x: x.ravel()[0, ...] * np.ones(2, np.float16),
    "sum of a list": lambda x: sum(list(x)),
    "np.linalg.norm": np.linalg.norm,
    "np.concatenate": lambda x: np.concatenate([x, x.astype(np.float32)]),
    "np.sort": np.sort,
    "np.einsum": lambda x: np.einsum("...i->...", x),
    "np.inner": lambda x: np.inner(x, x),
    "np.tensordot": lambda x: np.tensordot(x, x, axes=x.ndim),
    "np.outer": lambda x: np.outer(x, x),
    "np.copy": np.copy,
    "float32 buffer": lambda x: written_into(np.zeros(x.shape, dtype=np.float32), x),
    "longdouble buffer": lambda x: written_into(np.ones_like(x, dtype=np.longdouble), x),
}

# What arrays of no axes take besides.
OF_ZERO_AXES = {
    "x[()]": lambda x: x[()],
    "x[...]": lambda x: x[...],
    "x[None]": lambda x: x[None],
    "x.item()": lambda x: x.item(),
    "x.copy()": lambda x: x.copy(),
    "x.sum()": lambda x: x.sum(),
    "x.reshape(1)": lambda x: x.reshape(1),
    "x.reshape(())": lambda x: x.reshape(()),
    "x.T": lambda x: x.T,
    "x.astype(float32)": lambda x: x.astype(np.float32),
    "x.tolist()": lambda x: x.tolist(),
}


def multiplied_in_place(x, factor):
    y = x
    y *= factor
    return y


def written_into(buffer, x):
    buffer[...] = x
    return buffer


def cases():
    for name, point in POINTS.items():
        programs = dict(EVERYWHERE)
        programs |= OF_ARRAYS if name in ARRAYS else {}
        programs |= OF_ZERO_AXES if isinstance(point, np.ndarray) and point.ndim == 0 else {}
        for spelling, program in programs.items():
            try:
                program(fresh(point))
            except (ValueError, TypeError):  # one shape does not fit another
                continue
            yield pytest.param(program, point, id=f"{name}: {spelling}")


def same_tree(actual, expected):
    """Assert that numbers, and lists and tuples of them, agree in kind, dtype and bits."""
    if isinstance(expected, (list, tuple)):
        assert isinstance(actual, (list, tuple))
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            same_tree(one, other)
    else:
        same(actual, expected)


def same_kinds(actual, expected):
    """Assert that numbers, and lists and tuples of them, agree in kind, dtype and shape."""
    if isinstance(expected, (list, tuple)):
        for one, other in zip(actual, expected, strict=True):
            same_kinds(one, other)
    else:
        assert type(actual) is type(expected)
        assert np.shape(actual) == np.shape(expected)
        assert np.asarray(actual).dtype == np.asarray(expected).dtype


def ones_of_kind(point):
    return of_kind(np.ones(np.shape(point)), point)


@pytest.mark.parametrize(("program", "point"), list(cases()))
def test_value_and_tangent_are_of_numpys_kind(program, point):
    expected = program(fresh(point))
    value, tangent = wg.jvp(program, (fresh(point),), (ones_of_kind(point),))
    same_tree(value, expected)
    same_kinds(tangent, expected)
    same_tree(wg.vjp(program, fresh(point))[0], expected)


@pytest.mark.parametrize(("program", "point"), list(cases()))
def test_value_is_of_numpys_kind_two_levels_down(program, point):
    def pushed(x):
        return wg.jvp(program, (x,), (ones_of_kind(point),))[0]

    def pulled(x):
        return wg.vjp(program, x)[0]

    expected = program(fresh(point))
    for outer in (pushed, pulled):
        value, tangent = wg.jvp(outer, (fresh(point),), (ones_of_kind(point),))
        same_tree(value, expected)
        same_kinds(tangent, expected)
        same_tree(wg.vjp(outer, fresh(point))[0], expected)


# What a program can ask of a number while it is traced.


QUESTIONS = {
    "x > 0.5": lambda x: x > 0.5,
    "0.5 >= x": lambda x: x <= 0.5,
    "x == x": lambda x: x == x,
    "x != 1": lambda x: x != 1,
    "np.less": lambda x: np.less(x, 0.5),
    "np.isfinite": np.isfinite,
    "np.sign": lambda x: np.asarray(np.sign(x)).dtype,
    "np.shape": np.shape,
    "np.ndim": np.ndim,
    "np.size": np.size,
    "np.argmax": np.argmax,
    "np.any": lambda x: np.any(x > 0.5),
    "np.allclose": lambda x: np.allclose(x, x),
    "np.result_type": lambda x: np.result_type(x, np.float16),
    "np.iscomplexobj": np.iscomplexobj,
}
QUESTIONS_OF_ARRAYS = {
    "x.shape": lambda x: x.shape,
    "x.dtype": lambda x: x.dtype,
    "x.ndim": lambda x: x.ndim,
    "x.size": lambda x: x.size,
    "x.T.shape": lambda x: x.T.shape,
    "x.itemsize": lambda x: x.itemsize,
    "x.nbytes": lambda x: x.nbytes,
    "x.argmin()": lambda x: x.argmin(),
    "len(x)": len,
    "np.argsort": np.argsort,
    "np.nonzero": np.nonzero,
    "bool(x.any())": lambda x: bool(x.any()),
    "x.dtype.type(2)": lambda x: x.dtype.type(2),
    "np.finfo(x.dtype)": lambda x: np.finfo(x.dtype).eps,
}


def question_cases():
    for name, point in POINTS.items():
        questions = QUESTIONS | (QUESTIONS_OF_ARRAYS if name in ARRAYS else {})
        for spelling, question in questions.items():
            yield pytest.param(question, point, id=f"{name}: {spelling}")


@pytest.mark.parametrize(("question", "point"), list(question_cases()))
def test_answers_are_plain_values_of_numpys_kind(question, point):
    answers = []

    def program(x):
        answers.append(question(x))
        return np.sum(x * x)

    wg.grad(program)(fresh(point))
    wg.jvp(program, (fresh(point),), (ones_of_kind(point),))
    wg.jacfwd(wg.grad(program))(fresh(point))
    expected = question(fresh(point))
    assert len(answers) >= 3
    for answer in answers:
        assert type(answer) is type(expected)
        np.testing.assert_array_equal(answer, expected)
        if isinstance(expected, (np.ndarray, np.generic)):
            assert answer.dtype == expected.dtype


# Gradients have the shape, dtype and kind of the argument.

FACTORS = [1, 3.0, np.float32(3.0), np.float64(3.0), np.longdouble(3.0)]


@each_point
@pytest.mark.parametrize("factor", FACTORS, ids=repr)
def test_gradient_is_of_the_arguments_kind(point, factor):
    def program(x):
        return np.sum(factor * x * x)

    expected = 2 * float(factor) * np.asarray(point)
    precision = max(np.finfo(np.asarray(x).dtype).eps for x in (point, program(fresh(point))))
    for gradient in (
        wg.grad(program)(fresh(point)),
        wg.elementwise_grad(lambda x: factor * x * x)(fresh(point)),
    ):
        same_kinds(gradient, point)
        np.testing.assert_allclose(gradient, expected, rtol=4 * precision)
    value, gradient = wg.value_and_grad(program)(fresh(point))
    same(value, program(fresh(point)))
    same_kinds(gradient, point)
    _, pullback = wg.vjp(program, fresh(point))
    same_kinds(pullback(of_kind(1.0, value))[0], point)


@each_point
def test_gradient_of_a_float32_output_is_of_the_arguments_kind(point):
    def program(x):
        buffer = np.zeros(np.shape(x), dtype=np.float32)
        buffer[...] = x
        return np.sum(buffer * buffer)

    gradient = wg.grad(program)(fresh(point))
    same_kinds(gradient, point)
    np.testing.assert_allclose(gradient, 2 * np.asarray(point), rtol=2e-3)
    same_kinds(wg.hvp(program, fresh(point), ones_of_kind(point)), point)


def test_python_integer_counts_as_a_float():
    value, gradient = wg.value_and_grad(lambda x: x * x)(3)
    assert type(value) is float
    assert value == 9.0
    assert type(gradient) is float
    assert gradient == 6.0
    assert wg.grad(lambda x, y: x * y, argnums=(0, 1))(3, 4) == (4.0, 3.0)
    assert wg.grad(wg.grad(lambda x: x**3))(2) == 12.0
    assert wg.jacfwd(lambda x: np.array([x, x / 2]))(5).tolist() == [1.0, 0.5]
    assert wg.grad(lambda p: p["a"] * p["b"])({"a": 2, "b": 0.5}) == {"a": 0.5, "b": 2.0}


@pytest.mark.parametrize(
    "point",
    [
        np.array([1, 2]),
        np.int64(3),
        np.array(3),
        np.uint8(3),
        np.array([True]),
        np.array([1.0, 2.0], dtype=object),
        "text",
        np.array(["2020-01-01"], dtype="datetime64[D]"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("mode", [wg.grad, wg.jacfwd, wg.jacrev, wg.value_and_grad, wg.hessian])
def test_what_is_not_a_float_is_refused(point, mode):
    with pytest.raises(TypeError):
        mode(lambda x: np.sum(x * 1.0))(point)
    assert wg.grad(lambda x: x * x)(2.0) == 4.0


def test_integers_may_be_arguments_that_are_not_differentiated():
    def program(x, counts, flag, name):
        return np.sum(x**counts) if flag and name else 0.0 * x[0]

    gradient = wg.grad(program)(np.array([2.0, 3.0]), np.array([3, 2]), True, "name")
    assert gradient.tolist() == [12.0, 6.0]


Pair = collections.namedtuple("Pair", ["weight", "bias"])


def test_trees_keep_the_kind_of_every_leaf():
    tree = {
        "pair": Pair(np.ones((2, 3), dtype=np.float32), np.float64(0.5)),
        "list": [0.7, np.array(1.5), (np.arange(3, dtype=np.float16),)],
    }

    def program(tree):
        pair, (number, zero_axes, (half,)) = tree["pair"], tree["list"]
        product = pair.weight @ half + pair.bias
        return np.sum(product) * number * zero_axes

    gradient = wg.grad(program)(tree)
    assert type(gradient["pair"]) is Pair
    assert type(gradient["list"]) is list
    same_kinds(gradient["pair"].weight, tree["pair"].weight)
    same_kinds(gradient["pair"].bias, tree["pair"].bias)
    same_kinds(gradient["list"][:2], tree["list"][:2])
    same_kinds(gradient["list"][2], tree["list"][2])
    np.testing.assert_allclose(gradient["pair"].bias, 2 * 0.7 * 1.5)
    np.testing.assert_allclose(gradient["list"][2][0], 2.0 * 0.7 * 1.5, rtol=1e-3)


def test_jacobian_and_hessian_blocks_have_the_dtype_of_both_sides():
    x = np.array([0.5, 1.5], dtype=np.float32)
    for mode in (wg.jacfwd, wg.jacrev):
        block = mode(lambda x: np.sin(x))(x)
        assert block.dtype == np.float32
        assert block.shape == (2, 2)
        mixed = mode(lambda x: np.sum(x) * np.ones(3, dtype=np.float64))(x)
        assert mixed.shape == (3, 2)
    hessian = wg.hessian(lambda x: np.sum(x**3))(x)
    assert hessian.dtype == np.float32
    np.testing.assert_allclose(hessian, np.diag(6 * x), rtol=1e-6)


def test_weak_number_among_float32_arrays_stays_weak():
    features = np.array([0.5, 1.5, 2.0], dtype=np.float32)

    def program(rate):
        scaled = (1 - rate**2) / 2 * features
        assert scaled.dtype == np.float32
        strong = np.sqrt(rate) * features
        assert strong.dtype == np.float64
        return np.sum(scaled)

    gradient = wg.grad(program)(0.5)
    assert type(gradient) is float
    assert gradient == -2.0
    second = wg.grad(wg.grad(program))(0.5)
    assert type(second) is float
    assert second == -4.0


# The precision of the dtype is kept, not only its name.

FORMULAS = {
    "sin": (np.sin, mpmath.sin),
    "tan": (np.tan, mpmath.tan),
    "exp": (np.exp, mpmath.exp),
    "exp2": (np.exp2, lambda x: mpmath.power(2, x)),
    "expm1": (np.expm1, mpmath.expm1),
    "log": (np.log, mpmath.log),
    "log2": (np.log2, lambda x: mpmath.log(x, 2)),
    "log10": (np.log10, mpmath.log10),
    "log1p": (np.log1p, mpmath.log1p),
    "sqrt": (np.sqrt, mpmath.sqrt),
    "cbrt": (np.cbrt, mpmath.cbrt),
    "tanh": (np.tanh, mpmath.tanh),
    "arctan": (np.arctan, mpmath.atan),
    "arcsin": (np.arcsin, mpmath.asin),
    "deg2rad": (np.deg2rad, mpmath.radians),
    "x ** 2.5": (lambda x: x**2.5, lambda x: x ** mpmath.mpf("2.5")),
    "1 / x": (lambda x: 1 / x, lambda x: 1 / x),
    "2.0 ** x": (lambda x: 2.0**x, lambda x: mpmath.power(2, x)),
    "hypot": (lambda x: np.hypot(x, 1), lambda x: mpmath.sqrt(x * x + 1)),
    "logaddexp": (lambda x: np.logaddexp(x, 0), lambda x: mpmath.log(1 + mpmath.exp(x))),
    "norm": (
        lambda x: np.linalg.norm(np.array([x, x * x])),
        lambda x: mpmath.sqrt(x * x + x**4),
    ),
    "mean": (lambda x: np.mean(np.array([x, 1 / x, x * x])), lambda x: (x + 1 / x + x * x) / 3),
    "product": (lambda x: np.prod(np.array([x, x, 1 / x, x])), lambda x: x * x),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble], ids=lambda t: t.__name__)
@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_are_as_precise_as_the_dtype(name, dtype):
    function, formula = FORMULAS[name]
    x = dtype(1) / dtype(3)
    with mpmath.workdps(50):
        # A longdouble is the sum of two doubles, exactly.
        exact = mpmath.mpf(float(x)) + mpmath.mpf(float(x - dtype(float(x))))
        expected = mpmath.diff(formula, exact)
        for derivative in (wg.grad(function)(x), wg.jvp(function, (x,), (dtype(1),))[1]):
            assert type(derivative) is dtype
            got = mpmath.mpf(float(derivative))
            got += mpmath.mpf(float(derivative - dtype(float(derivative))))
            assert abs(got - expected) <= 16 * float(np.finfo(dtype).eps) * abs(expected)


def test_gradients_of_half_precision_are_exact_where_they_can_be():
    x = np.array([0.5, 1.25, -2.0], dtype=np.float16)
    same(wg.grad(lambda x: np.sum(x * x))(x), 2 * x)
    same(wg.grad(lambda x: np.sum(x**3))(x), 3 * x * x)
    assert math.isclose(wg.grad(np.exp)(np.float16(0.5)), math.exp(0.5), rel_tol=1e-3)


# ------------------------------------------------------------------ what code asks of a number


def asked(x):
    """What duck typing finds out: the answers decide which way a program goes."""
    return (
        [hasattr(x, name) for name in ("shape", "dtype", "ndim", "size", "T", "sum", "astype")],
        [hasattr(x, name) for name in ("real", "conjugate", "is_integer", "__len__")],
        [isinstance(x, kind) for kind in (Iterable, Sized, numbers.Real, float, np.ndarray)],
        getattr(x, "ndim", None),
        np.iterable(x),
    )


def whole(x):
    """Integers made of a number, as `math` and Python make them."""
    return math.floor(x), math.ceil(x), math.trunc(x), round(x), x.is_integer()


@pytest.mark.parametrize("point", [2.5, -1.5, 3.0, np.float64(-2.5), np.float64(4.0)])
def test_numbers_answer_as_without_transformations(point):
    for function in (asked, whole):
        expected, seen = function(point), []

        def noting(x, function=function, seen=seen):
            seen.append(function(x))
            return x * x

        wg.grad(noting)(point)
        wg.jvp(noting, (point,), (1.0,))
        wg.hessian(noting)(point)
        assert seen == [expected] * len(seen)
        compiled = wg.jit(function)
        assert [compiled(point), compiled(point)] == [expected, expected]
    assert wg.grad(lambda x: x * math.floor(x))(point) == math.floor(point)


def test_floor_of_what_is_no_number_fails_as_ever():
    for value, error in ((math.nan, ValueError), (math.inf, OverflowError)):
        for function in (math.floor, wg.jit(math.floor), wg.grad(lambda x: x * math.ceil(x))):
            with pytest.raises(error):
                function(value)
        assert not wg.jit(lambda x: x.is_integer())(value)


@pytest.mark.parametrize(
    "base",
    [np.float64(2.5), np.float32(2.5), np.complex128(2.5 + 1j), np.array(2.5), np.arange(9.0)],
)
def test_powers_of_numpys_numbers_are_those_of_the_operator_that_was_written(base):
    def operator_power(x):
        return base**x

    def in_place(x):
        found = base
        found **= x
        return found

    def function_power(x):
        return np.power(base, x)

    functions = [operator_power, function_power]
    functions += [in_place] if isinstance(base, np.generic) else []
    points = [*np.random.default_rng(4).normal(size=300), 0.5, 2.0, -1.0]
    with np.errstate(all="ignore"):
        for function in functions:
            for point in map(float, points):
                expected = function(point)
                assert_same(wg.jvp(function, (point,), (1.0,))[0], expected)
                assert_same(wg.vjp(function, point)[0], expected)


def test_powers_of_sequences_are_those_of_arrays():
    for function in (lambda x: np.power([2.0, 3.0], x), lambda x: np.power(x, (2, 3))):
        found, slope = wg.jvp(function, (1.5,), (1.0,))
        assert_same(found, function(1.5))
        step = 1e-6
        differences = (function(1.5 + step) - function(1.5 - step)) / (2 * step)
        np.testing.assert_allclose(slope, differences, rtol=1e-8)
    with pytest.raises(TypeError, match="power does not take operands of type"):
        wg.grad(lambda x: np.power(x, object()))(1.5)


def assert_same(found, expected):
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
