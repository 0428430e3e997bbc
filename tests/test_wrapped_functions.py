"""Functions of C and of Python as primitives in one block: derivatives, batching, lowering."""

import ctypes
import ctypes.util

import numpy as np
import pytest

import wengert as wg
from wengert import extend
from wengert.backends.llvm import compile_program
from wengert.ir.primitive import registry
from wengert.ops.batch_rules import entrywise, moved

X = np.array([0.4, -0.7, 1.2])
CALLS = []

library = ctypes.CDLL(ctypes.util.find_library("m"))
library.erfc.restype = ctypes.c_double
library.erfc.argtypes = [ctypes.c_double]


def erfc_of_c(x):
    CALLS.append(np.size(x))
    array = np.asarray(x, dtype=float)
    found = np.array([library.erfc(entry) for entry in array.flat]).reshape(array.shape)
    return found if isinstance(x, np.ndarray) else np.float64(found)


@pytest.fixture(scope="module")
def from_c():
    """One block: value, shape, derivative, batches of any shape, and native code."""
    primitive = extend.elementwise(
        "erfc_of_c",
        arguments=("x",),
        numpy=erfc_of_c,
        implements=False,
        infer=lambda x: extend.Aval(x.shape, np.float64, "array" if x.shape else "scalar"),
        partials=(lambda x: -2 / np.sqrt(np.pi) * np.exp(-x * x),),
        batching=entrywise,
        lower=lambda e, x: e.math("erfc", x),
        samples=lambda: [extend.Sample(X), extend.Sample(np.float64(0.3))],
    )
    yield lambda x: extend.to_user(extend.bind(primitive, x))
    registry.remove("erfc_of_c")


@pytest.fixture(scope="module")
def from_python():
    """A function of rows, without lowering; its derivative by differences."""

    def median_of_three(x):
        return np.asarray(x[..., 0] + np.sort(x, axis=-1)[..., 1] ** 2)

    def batch(values, axes, params):
        return extend.bind(primitive, moved(values[0], axes[0], 0)), 0

    primitive = extend.primitive(
        "python_rows",
        arguments=("x",),
        evaluate=median_of_three,
        infer=lambda x: extend.Aval(x.shape[:-1], np.float64),
        batch=batch,
        differences="central",
        samples=lambda: [extend.Sample(X)],
    )
    yield lambda x: extend.to_user(extend.bind(primitive, x))
    registry.remove("python_rows")


def slope(x):
    return -2 / np.sqrt(np.pi) * np.exp(-x * x)


def test_a_function_of_c(from_c):
    wg.testing.check_grads(from_c, (X,), order=3)
    np.testing.assert_allclose(wg.vmap(wg.grad(from_c))(X), slope(X), rtol=1e-12)
    np.testing.assert_allclose(wg.jit(wg.vmap(wg.grad(from_c)))(X), slope(X), rtol=1e-12)
    np.testing.assert_allclose(
        wg.derivative(from_c, 3)(0.4), wg.grad(wg.grad(wg.grad(from_c)))(0.4), rtol=1e-10
    )

    def looped(x):
        return wg.scan(lambda c, s: (from_c(c) * s, None), x, X)[0]

    np.testing.assert_allclose(wg.jit(wg.grad(looped))(0.4), wg.grad(looped)(0.4), rtol=1e-10)
    np.testing.assert_allclose(
        wg.grad(wg.checkpoint(looped))(0.4), wg.grad(looped)(0.4), rtol=1e-12
    )


def test_its_batches_are_one_call_and_its_native_code_none(from_c):
    CALLS.clear()
    wg.vmap(from_c)(np.ones((5, 3)))
    assert CALLS == [15]
    native = compile_program(wg.trace(wg.grad(lambda x: np.sum(from_c(x))))(X))
    assert not native.called_back
    CALLS.clear()
    np.testing.assert_allclose(native(X)[0], slope(X), rtol=1e-12)
    np.testing.assert_allclose(compile_program(wg.trace(from_c)(X))(X)[0], erfc_of_c(X), rtol=1e-14)
    assert CALLS == [3]  # of this test itself


def test_a_function_of_python(from_python):
    expected = wg.numerical.gradient(from_python, method="richardson")(X)
    np.testing.assert_allclose(wg.grad(from_python)(X), expected, atol=1e-8)
    rows = np.stack([X, X[::-1] * 2])
    np.testing.assert_allclose(wg.vmap(from_python)(rows), [from_python(row) for row in rows])
    found = wg.vmap(wg.grad(from_python))(rows)
    np.testing.assert_allclose(found, [wg.grad(from_python)(row) for row in rows], atol=1e-8)
    compiled = wg.jit(wg.grad(lambda x: from_python(x) ** 2))
    for _ in range(3):
        np.testing.assert_allclose(compiled(X), 2 * from_python(X) * expected, atol=1e-7)
