"""Primitives of the user's in native code: functions of C, and lowerings by operations."""

import ctypes
import ctypes.util

import numpy as np
import pytest

import wengert as wg
from native.programs import same
from wengert import extend
from wengert.backends.llvm import compile_program
from wengert.compile import optimise
from wengert.errors import ArgumentError, RegistryError
from wengert.ir.primitive import registry

X = np.array([0.4, -0.7, 1.2])
library = ctypes.CDLL(ctypes.util.find_library("m"))
library.hypot.restype = ctypes.c_double
library.hypot.argtypes = [ctypes.c_double, ctypes.c_double]


@pytest.fixture
def added():
    """Take out again what a test adds to the registry."""
    before = {primitive.name for primitive in registry}
    yield
    for primitive in registry:
        if primitive.name not in before:
            registry.remove(primitive.name)


def compiled(function, *args):
    program = optimise(wg.trace(function)(*args))
    native = compile_program(program)
    assert native.called_back == ()
    return native(*args), program.evaluate(*args)


# ------------------------------------------------------------------ functions of C


@pytest.fixture
def distance(added):
    """One block: the C library's hypot, with derivatives and native code."""
    function = extend.c_function(library.hypot)
    primitive = extend.elementwise(
        "hypot_of_c",
        numpy=function,
        arguments=("x", "y"),
        implements=False,
        infer=function.infer,
        lower=function.lower,
        partials=(lambda x, ans: x / ans, lambda y, ans: y / ans),
        samples=lambda: [extend.Sample(X, X + 1)],
    )
    return lambda x, y: extend.to_user(extend.bind(primitive, x, y))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (0.3, np.float64(-2.0)),
        (X, X[::-1] + 1),
        (X[:, None], np.arange(8.0)[::2]),
        (np.zeros((0, 3)), X),
        (np.array([np.nan, np.inf, 0.0, 1e300]), np.array([1.0, np.nan, -0.0, 1e300])),
        (np.float32(0.5), np.arange(3, dtype=np.float32)),
    ],
)
def test_functions_of_c(distance, x, y):
    """Numbers, arrays, strides, empty arrays, special values: the function's own bits."""
    (found,), (expected,) = compiled(distance, x, y)
    same(found, expected)
    same(distance(x, y), expected)
    np.testing.assert_array_equal(expected, np.vectorize(library.hypot, otypes=[float])(x, y))


def test_derivatives_of_functions_of_c(distance):
    def loss(x, y):
        return np.sum(np.sin(distance(x, y)) * x)

    for derivative in (wg.grad(loss, (0, 1)), wg.hessian(loss), wg.vmap(distance, (0, None))):
        args = (X, X[::-1] + 2)
        found, expected = compiled(derivative, *args)
        eager = wg.tree.leaves(derivative(*args))
        for one, other, third in zip(found, expected, eager, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13)
            np.testing.assert_allclose(one, third, rtol=1e-13)
    wg.testing.check_grads(loss, (X, X[::-1] + 2), order=2)


def test_functions_of_c_in_loops_and_large_arrays(distance):
    def looped(x):
        return wg.scan(lambda c, s: (distance(c, s) * 0.9, c), x, X)[0]

    (found,), (expected,) = compiled(wg.grad(looped), 0.4)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    x = np.linspace(-1, 1, 60_000)  # shared among threads
    (found,), _ = compiled(lambda x: distance(x, 1.0), x)
    np.testing.assert_array_equal(found, np.array([library.hypot(v, 1.0) for v in x]))


def test_integers_addresses_and_objects_with_one(added):
    class Compiled:
        """What numba.cfunc gives, as far as it matters here."""

        address = ctypes.cast(library.ldexp, ctypes.c_void_p).value

    for number, given in enumerate((Compiled.address, Compiled(), library.ldexp)):
        function = extend.c_function(given, "float64", ["float64", "int32"])
        primitive = extend.elementwise(
            f"ldexp_of_c{number}",
            numpy=function,
            arguments=("x", "n"),
            implements=False,
            infer=function.infer,
            lower=function.lower,
            partials=(lambda x, ans: ans / x, lambda x: 0.0 * x),
            samples=lambda: [extend.Sample(X, X)],
        )
        (found,), (expected,) = compiled(
            lambda x, p=primitive: extend.to_user(extend.bind(p, x, 3.0)), X
        )
        same(found, expected)
        same(found, np.ldexp(X, 3))


def test_what_is_no_function_of_numbers():
    with pytest.raises(ArgumentError, match="what sinh takes and returns is not known"):
        extend.c_function(library.sinh)
    with pytest.raises(ArgumentError, match="takes a function of ctypes"):
        extend.c_function(np.sin, "float64", ["float64"])
    with pytest.raises(ArgumentError, match="takes or returns complex128"):
        extend.c_function(library.hypot, "complex128", ["float64"])


# ------------------------------------------------------------------ by operations


def whiten_plainly(x, *, power):
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / (1.0 + np.sum(centred**2, axis=-1, keepdims=True)) ** power


def test_an_array_primitive_in_one_block(added):
    """Its lowering is written with NumPy's functions; native code fuses them with the rest."""
    calls = []

    def evaluate(x, *, power):
        calls.append(1)
        return whiten_plainly(x, power=power)

    primitive = extend.primitive(
        "whiten",
        arguments=("x",),
        evaluate=evaluate,
        infer=lambda x, power: extend.Aval(x.shape, x.dtype),
        jvp=(lambda t, x, power: wg.jvp(lambda x: whiten_plainly(x, power=power), (x,), (t,))[1],),
        lower=whiten_plainly,
        samples=lambda: [extend.Sample(X, power=2)],
    )

    def whiten(x):
        return extend.to_user(extend.bind(primitive, x, power=2))

    def loss(x):
        return np.sum(whiten(np.sin(x)) * x)

    for x in (X, np.arange(12.0).reshape(3, 4)[:, ::-2], X.astype(np.float32), np.zeros((0, 3))):
        calls.clear()
        with np.errstate(all="ignore"):
            native = compile_program(optimise(wg.trace(loss)(x)))
            assert native.called_back == ()
            (found,) = native(x)
            assert not calls
            limit = 1e-5 if x.dtype == np.float32 else 1e-13
            np.testing.assert_allclose(found, loss(x), rtol=limit, equal_nan=True)
    for derivative in (wg.grad(loss), wg.hessian(loss)):
        (found,), (expected,) = compiled(derivative, X)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    step = wg.jit(lambda x: wg.fori_loop(0, 3, lambda i, c: whiten(c) + x, x))
    np.testing.assert_allclose(step(X), wg.fori_loop(0, 3, lambda i, c: whiten(c) + X, X))


def test_results_in_a_tuple_operands_and_constants(added):
    def both(a, b):
        solved = np.linalg.solve(a, b)
        return solved, b, np.float64(2.5), solved

    primitive = extend.primitive(
        "solve_both",
        arguments=("a", "b"),
        evaluate=both,
        infer=lambda a, b: (b, b, extend.Aval((), np.float64, "scalar"), b),
        multiple=True,
        lower=both,
        samples=lambda: [extend.Sample(np.eye(3), X)],
    )
    found, expected = compiled(
        lambda a, b: [extend.to_user(v) for v in extend.bind(primitive, a, b)], np.eye(3) * 2, X
    )
    for one, other in zip(found, expected, strict=True):
        same(one, other)


def test_lowerings_that_ask_for_values_or_give_something_else(added):
    def signed(x):
        return x if np.sum(x) > 0 else -x

    def make(name, lower):
        primitive = extend.primitive(
            name,
            arguments=("x",),
            evaluate=signed,
            infer=lambda x: x,
            lower=lower,
            samples=lambda: [extend.Sample(X)],
        )
        return wg.trace(lambda x: extend.to_user(extend.bind(primitive, x)))(X)

    native = compile_program(make("signed_by_value", signed))
    assert native.called_back == ("signed_by_value",)
    np.testing.assert_array_equal(native(-X)[0], signed(-X))
    with pytest.raises(RegistryError, match="lowering of 'signed_wrongly' gives"):
        compile_program(make("signed_wrongly", lambda x: np.sum(x)))
