"""Derivatives by complex numbers: the convention of real functions, and holomorphic ones.

The gradient of a real function f of z = x + iy is ∂f/∂x − i·∂f/∂y, for ``z - step * conj(grad)``
to descend. That of a holomorphic function is its complex derivative.
"""

import cmath

import numpy as np
import pytest

import wengert as wg
from reference import close, directional, fresh, of_kind, same

VECTOR = np.array([0.7 - 0.4j, -1.1 + 0.3j, 0.2 + 0.9j])
COEFFICIENTS = np.array([[1.0 + 0.5j, -0.3j, 0.8], [0.2, 1.1 - 0.7j, 0.4j]])


def written_into_buffer(z):
    buffer = np.zeros((2, 3), dtype=complex)
    buffer[0] = z
    buffer[1, 1:] = z[:2] * z[2]
    buffer.imag[1] += z.real
    return np.sum(np.abs(buffer) ** 2)


def parts_of_buffer(z):
    pairs = np.zeros((3, 2))
    pairs[:, 0], pairs[:, 1] = z.real, np.sin(z.imag)
    return np.sum(pairs[:, 0] * pairs[:, 1] ** 2)


REAL_VALUED = {
    "squared modulus": lambda z: np.sum((z * z.conj()).real),
    "modulus": lambda z: np.sum(np.abs(z)),
    "real of cube": lambda z: np.sum((z**3).real),
    "imaginary of exponential": lambda z: np.sum(np.exp(z).imag),
    "angle": lambda z: np.sum(np.angle(z)),
    "np.real, np.imag": lambda z: np.sum(np.real(z) * np.imag(z) ** 2),
    "conjugate": lambda z: np.sum(np.real(np.conj(z) ** 2 * 1j)),
    "quotient": lambda z: np.sum((z / (2 + np.conjugate(z))).real),
    "matrix product": lambda z: np.sum(np.abs(COEFFICIENTS @ z) ** 2),
    "vdot": lambda z: np.abs(np.vdot(z, COEFFICIENTS[0])),
    "vdot of itself": lambda z: np.vdot(z, z * z).imag,
    "norm": np.linalg.norm,
    "square root and logarithm": lambda z: np.sum(np.sqrt(z).real * np.log(z).imag),
    "trigonometric": lambda z: np.sum((np.sin(z) * np.tanh(z)).real),
    "selected": lambda z: np.sum(np.where(z.real > 0, z * z, 1j * z).imag),
    "einsum": lambda z: np.einsum("i,ji,j->", z, COEFFICIENTS, z[:2]).real,
    "polar": lambda z: np.sum((np.abs(z) * np.exp(2j * np.angle(z))).real),
    "mean and product": lambda z: np.abs(np.prod(z) + np.mean(z)),
    "variance": np.var,
    "written into a buffer": written_into_buffer,
    "parts of a buffer": parts_of_buffer,
    "solve": lambda z: np.abs(np.linalg.solve(np.outer(z, z) + 3 * np.eye(3), z)[0]),
}
each_real_valued = pytest.mark.parametrize("name", REAL_VALUED)


def gradient_by_differences(function, point):
    """∂f/∂x − i·∂f/∂y, entry by entry."""
    gradient = np.zeros(point.shape, dtype=complex)
    for index in np.ndindex(point.shape):
        unit = np.zeros(point.shape, dtype=complex)
        unit[index] = 1.0
        of_real = directional(function, point, unit)
        of_imaginary = directional(function, point, 1j * unit)
        gradient[index] = of_real - 1j * of_imaginary
    return gradient


@each_real_valued
def test_gradient_of_a_real_function(name):
    function = REAL_VALUED[name]
    expected = gradient_by_differences(function, VECTOR)
    value, gradient = wg.value_and_grad(function)(VECTOR.copy())
    same(value, function(VECTOR.copy()))
    assert gradient.dtype == np.complex128
    close(gradient, expected, 1e-10)
    close(wg.jacrev(function)(VECTOR.copy()), expected, 1e-10)


@each_real_valued
def test_gradient_descends(name):
    function = REAL_VALUED[name]
    gradient = wg.grad(function)(VECTOR.copy())
    step = 1e-6
    after = function(VECTOR - step * np.conj(gradient))
    expected = function(VECTOR.copy()) - step * np.sum(np.abs(gradient) ** 2)
    assert abs(after - expected) < 1e-8 * step + 1e3 * step**2
    assert after < function(VECTOR.copy())


@each_real_valued
def test_tangent_of_a_real_function_is_real(name):
    function = REAL_VALUED[name]
    direction = np.array([0.3 + 1.0j, -0.5j, 0.8 - 0.2j])
    value, tangent = wg.jvp(function, (VECTOR.copy(),), (direction,))
    assert np.asarray(tangent).dtype == np.float64
    assert type(tangent) is type(value)
    close(tangent, directional(function, VECTOR, direction), 1e-10)
    close(tangent, np.sum((wg.grad(function)(VECTOR.copy()) * direction).real), 1e-13)


@each_real_valued
def test_second_derivative_of_a_real_function(name):
    function = REAL_VALUED[name]
    direction = np.array([0.3 + 1.0j, -0.5j, 0.8 - 0.2j])
    forward = wg.jvp(wg.grad(function), (VECTOR.copy(),), (direction,))[1]
    close(forward, directional(wg.grad(function), VECTOR, direction), 1e-9)
    # The real inner product of gradient and direction, differentiated again.
    reverse = wg.grad(lambda z: np.sum(wg.grad(function)(z) * direction).real)(VECTOR.copy())
    close(reverse, forward, 1e-12)


def test_modulus_at_one_number():
    z = 3.0 + 4.0j
    for function, expected in [
        (np.abs, 0.6 - 0.8j),
        (abs, 0.6 - 0.8j),
        (lambda z: z.real, 1.0 + 0.0j),
        (lambda z: z.imag, -1.0j),
        (lambda z: (z * z.conjugate()).real, 6.0 - 8.0j),
        (lambda z: (z * z).real, 6.0 + 8.0j),
    ]:
        gradient = wg.grad(function)(z)
        assert type(gradient) is complex
        assert cmath.isclose(gradient, expected, rel_tol=1e-15)


KINDS = [2.0 + 1.0j, np.complex128(2.0 + 1.0j), np.complex64(2.0 + 1.0j), np.array(2.0 + 1.0j)]
KINDS += [np.array([2.0 + 1.0j, -0.5j]), np.array([[1.5 - 1.0j]], dtype=np.complex64)]
KIND_IDS = ["python", "complex128", "complex64", "0d", "vector", "complex64 table"]

ARITHMETIC = {
    "z + 1": lambda z: z + 1,
    "z * 2j": lambda z: z * 2j,
    "1.5 - z": lambda z: 1.5 - z,
    "z / 2": lambda z: z / 2,
    "1 / z": lambda z: 1 / z,
    "z ** 2": lambda z: z**2,
    "z * z": lambda z: z * z,
    "abs(z)": abs,
    "z.real": lambda z: z.real,
    "z.imag": lambda z: z.imag,
    "z.conjugate()": lambda z: z.conjugate(),
    "np.conj": np.conj,
    "np.real": np.real,
    "np.angle": np.angle,
    "np.exp": np.exp,
    "np.sum": np.sum,
    "z * float32 vector": lambda z: z * np.array([1.0, 2.0], dtype=np.float32),
    "z * float64 vector": lambda z: z * np.array([1.0, 2.0]),
    "np.array of two": lambda z: np.array([z, z]),
}


@pytest.mark.parametrize("point", KINDS, ids=KIND_IDS)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_kinds_of_complex_values(name, point):
    program = ARITHMETIC[name]
    expected = program(fresh(point))
    one = of_kind(np.ones(np.shape(point)), point)
    value, tangent = wg.jvp(program, (fresh(point),), (one,))
    same(value, expected)
    assert type(tangent) is type(expected)
    assert np.asarray(tangent).dtype == np.asarray(expected).dtype
    same(wg.vjp(program, fresh(point))[0], expected)


@pytest.mark.parametrize("point", KINDS, ids=KIND_IDS)
def test_gradient_is_of_the_arguments_kind(point):
    gradient = wg.grad(lambda z: np.sum(np.abs(z) ** 2))(fresh(point))
    assert type(gradient) is type(point)
    assert np.shape(gradient) == np.shape(point)
    assert np.asarray(gradient).dtype == np.asarray(point).dtype
    np.testing.assert_allclose(gradient, 2 * np.conj(point), rtol=1e-6)


# Pullbacks and pushforwards of complex functions.


def test_pullbacks_of_complex_functions():
    z, cotangent = 0.7 - 0.4j, 1.5 + 2.0j
    for function, expected in [
        (lambda z: z * z, 2 * z * cotangent),
        (np.conj, np.conj(cotangent)),
        (lambda z: 1j * z, 1j * cotangent),
        (np.exp, np.exp(z) * cotangent),
        (lambda z: z * z.conjugate(), z.conjugate() * cotangent + np.conj(z * cotangent)),
    ]:
        value, pullback = wg.vjp(function, z)
        (pulled,) = pullback(of_kind(cotangent, value))
        assert cmath.isclose(pulled, expected, rel_tol=1e-15)


def test_pushforwards_of_complex_functions():
    z, tangent = 0.7 - 0.4j, 1.5 + 2.0j
    for function, expected in [
        (lambda z: z * z, 2 * z * tangent),
        (np.conj, np.conj(tangent)),
        (np.real, tangent.real),
        (np.exp, np.exp(z) * tangent),
        (np.abs, (np.conj(z) * tangent).real / abs(z)),
    ]:
        assert cmath.isclose(wg.jvp(function, (z,), (tangent,))[1], expected, rel_tol=1e-15)


# Holomorphic functions.

HOLOMORPHIC = {
    "sin": (np.sin, cmath.cos),
    "exp": (np.exp, cmath.exp),
    "cube": (lambda z: z**3, lambda z: 3 * z * z),
    "reciprocal": (lambda z: 1 / z, lambda z: -1 / z**2),
    "square root": (np.sqrt, lambda z: 0.5 / cmath.sqrt(z)),
    "logarithm": (np.log, lambda z: 1 / z),
    "tanh": (np.tanh, lambda z: 1 - cmath.tanh(z) ** 2),
    "times i": (lambda z: 1j * z, lambda _: 1j),
    "composed": (
        lambda z: np.exp(np.sin(z) * z),
        lambda z: cmath.exp(cmath.sin(z) * z) * (cmath.cos(z) * z + cmath.sin(z)),
    ),
}


@pytest.mark.parametrize("name", HOLOMORPHIC)
@pytest.mark.parametrize("kind", [complex, np.complex128, np.array], ids=["python", "scalar", "0d"])
def test_holomorphic_derivatives(name, kind):
    function, derivative = HOLOMORPHIC[name]
    point, expected = 0.7 - 0.4j, derivative(0.7 - 0.4j)
    for mode in (wg.grad, wg.jacfwd, wg.jacrev, wg.jacobian):
        result = mode(function, holomorphic=True)(kind(point))
        assert cmath.isclose(complex(result), expected, rel_tol=4e-16)
    value, result = wg.value_and_grad(function, holomorphic=True)(kind(point))
    assert value == function(kind(point))
    assert type(result) is type(kind(point))


def test_holomorphic_derivative_keeps_single_precision():
    result = wg.grad(np.sin, holomorphic=True)(np.complex64(0.7 - 0.4j))
    assert type(result) is np.complex64
    assert cmath.isclose(complex(result), cmath.cos(0.7 - 0.4j), rel_tol=1e-6)


@pytest.mark.parametrize("mode", [wg.jacfwd, wg.jacrev, wg.jacobian])
def test_holomorphic_jacobian(mode):
    def function(z):
        return np.array([z[0] * z[1], np.exp(1j * z[0]), z[1] ** 3])

    z = np.array([0.7 - 0.4j, -1.1 + 0.3j])
    expected = [[z[1], z[0]], [1j * np.exp(1j * z[0]), 0.0], [0.0, 3 * z[1] ** 2]]
    close(mode(function, holomorphic=True)(z), expected, 1e-15)


def test_holomorphic_hessian():
    z = np.array([0.7 - 0.4j, -1.1 + 0.3j])
    expected = [[2 * z[1], 2 * z[0]], [2 * z[0], 0.0]]
    close(wg.hessian(lambda z: z[0] ** 2 * z[1], holomorphic=True)(z), expected, 1e-15)
    twice = wg.grad(wg.grad(np.sin, holomorphic=True), holomorphic=True)(0.7 - 0.4j)
    assert cmath.isclose(twice, -cmath.sin(0.7 - 0.4j), rel_tol=1e-15)


def test_complex_output_needs_the_word_holomorphic():
    for mode in (wg.grad, wg.value_and_grad):
        with pytest.raises(TypeError, match="holomorphic"):
            mode(np.sin)(0.7 - 0.4j)
    with pytest.raises(TypeError, match="holomorphic"):
        wg.grad(lambda x: x * 1j)(0.7)
    with pytest.raises(TypeError, match="complex"):
        wg.grad(np.sin, holomorphic=True)(0.7)
    assert cmath.isclose(wg.grad(np.abs)(3.0 + 4.0j), 0.6 - 0.8j, rel_tol=1e-15)


# Real parameters, complex intermediate values.

THROUGH_COMPLEX = {
    "phase": lambda x: np.sum(np.abs(1 + np.exp(1j * x) * x) ** 2),
    "fourier sum": lambda x: np.sum(np.abs(np.exp(-1j * np.outer(np.arange(3), x)) @ x) ** 2),
    "real part of a power": lambda x: np.sum(((x + 0.5j) ** 3).real),
    "complex buffer": lambda x: np.sum(np.abs(np.array([x[0] + 1j * x[1], x[2] * 1j]) ** 2)),
    "astype": lambda x: np.sum((x.astype(complex) * np.array([1j, 1.0, 1 - 1j])).real ** 2),
    "complex weights": lambda x: np.abs(COEFFICIENTS @ x)[0],
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", THROUGH_COMPLEX)
def test_real_parameters_have_real_gradients(name, dtype):
    function = THROUGH_COMPLEX[name]
    x = np.array([0.7, -1.3, 0.4])
    expected = [directional(function, x, unit) for unit in np.eye(3)]
    for mode in (wg.grad, wg.jacfwd, wg.jacrev):
        gradient = mode(function)(x.astype(dtype))
        assert np.isrealobj(gradient)
        close(gradient, expected, 1e-10 if dtype is np.float64 else 1e-5)
    assert wg.grad(function)(x.astype(dtype)).dtype == dtype


def test_real_and_complex_arguments_together():
    def function(x, z):
        return np.sum((x * z * z).real)

    x, z = np.array([0.7, -1.3, 0.4]), VECTOR.copy()
    of_x, of_z = wg.grad(function, argnums=(0, 1))(x, z)
    same(of_x, (z * z).real)
    assert of_z.dtype == np.complex128
    close(of_z, 2 * x * z, 1e-15)


@pytest.mark.parametrize(
    "name", ["hessian", "jacobian", "jacfwd", "jacrev", "value_and_jacobian", "value_grad_hessian"]
)
def test_every_matrix_of_derivatives_is_holomorphic_and_passes_extras(name):
    def function(z):
        value = z[0] ** 2 * z[1] + np.exp(z[1])
        return value, {"twice": 2 * value, "text": "kept"}

    z = np.array([0.3 + 0.2j, -0.5 + 1j])
    gradient = np.array([2 * z[0] * z[1], z[0] ** 2 + np.exp(z[1])])
    hessian = np.array([[2 * z[1], 2 * z[0]], [2 * z[0], np.exp(z[1])]])
    value = z[0] ** 2 * z[1] + np.exp(z[1])
    *first, last = getattr(wg, name)(function, has_aux=True, holomorphic=True)(z)
    aux = last if name in ("hessian", "jacobian", "jacfwd", "jacrev") else first[0][1]
    assert aux["text"] == "kept"
    assert aux["twice"] == pytest.approx(2 * value)
    matrix = first[0] if name in ("hessian", "jacobian", "jacfwd", "jacrev") else last
    expected = hessian if "hessian" in name else gradient
    np.testing.assert_allclose(matrix, expected, rtol=1e-14)
    if name == "value_grad_hessian":
        np.testing.assert_allclose(first[1], gradient, rtol=1e-14)
