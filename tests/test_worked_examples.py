"""The worked examples of the design that need derivatives only, through plain NumPy.

Each test names its row. Numbers are compared to the last digit that stands there.
"""

import math

import numpy as np
import pytest

import wengert as wg
from reference import close, directional, jacobian

POINTS = [(2.0, 1.0), (0.3, -1.7), (-1.2, 0.4)]


def forward_difference(function, x, step):
    return (function(x + step) - function(x)) / step


# Row 1.


def square(x):
    return x**2


def test_square():
    assert square(1.0) == 1.0
    assert wg.value_and_grad(square)(1.0) == (1.0, 2.0)
    assert wg.jvp(square, (1.0,), (1.0,)) == (1.0, 2.0)
    assert wg.grad(square)(2.0) == 4.0
    assert round(forward_difference(square, 2.0, 0.01), 12) == 4.01


# Row 2.


def test_logarithm_over_x():
    def f(x):
        return np.log(1 + x**2) / x

    value, derivative = wg.value_and_grad(f)(1.0)
    assert value == 0.6931471805599453
    assert derivative == 0.3068528194400547
    assert wg.jvp(f, (1.0,), (1.0,)) == (0.6931471805599453, 0.3068528194400547)


# Row 3.


def logistic_map(v, n=4):
    for _ in range(n):
        v = 4 * v * (1 - v)
    return v


def test_logistic_map():
    assert wg.value_and_grad(logistic_map)(0.25) == (0.75, -16.0)
    assert wg.jvp(logistic_map, (0.25,), (1.0,)) == (0.75, -16.0)
    assert abs(forward_difference(logistic_map, 0.25, 1e-7) - -16.00001599) <= 1e-6


@pytest.mark.parametrize("x", [0.1, 0.25, 0.4, 0.9])
def test_logistic_map_against_its_symbolic_form(x):
    def symbolic(x):
        return 64 * x * (1 - x) * (1 - 2 * x) ** 2 * (1 - 8 * x + 8 * x**2) ** 2

    # The form is that of three steps after the start: f₁ = x, f₂ = 4x(1−x), …, f₄.
    def three(v):
        return logistic_map(v, n=3)

    assert math.isclose(three(x), symbolic(x), rel_tol=1e-12, abs_tol=1e-12)
    close(wg.grad(three)(x), wg.grad(symbolic)(x), 1e-12)
    close(wg.grad(three)(x), directional(symbolic, x, 1.0), 1e-9)


def test_logistic_map_of_a_thousand_steps_follows_the_chain_rule():
    x, product = 0.3, 1.0
    for _ in range(20):
        product *= 4 * (1 - 2 * x)
        x = 4 * x * (1 - x)
    assert math.isclose(wg.grad(lambda v: logistic_map(v, n=20))(0.3), product, rel_tol=1e-12)


# Row 4.


def test_product_of_y_and_the_square_of_x():
    def f(x, y):
        return y * x**2

    # Forward with respect to x: v1' = 2, df = 2.
    assert wg.jvp(lambda x: x**2, (1.0,), (1.0,)) == (1.0, 2.0)
    assert wg.jvp(lambda x: f(x, 1.0), (1.0,), (1.0,)) == (1.0, 2.0)
    # Reverse: with v1 = x² and v2 = y·v1, df/dv2 = df/dy = df/dv1 = 1 and df/dx = 2.
    assert wg.grad(lambda v2: v2)(1.0) == 1.0
    assert wg.grad(lambda v1, y: y * v1, argnums=(0, 1))(1.0, 1.0) == (1.0, 1.0)
    assert wg.grad(f, argnums=(0, 1))(1.0, 1.0) == (2.0, 1.0)


# Row 5.


def test_quotient():
    def f(x, y):
        return (x**2 + 2 * y**2) / (x * y)

    assert wg.value_and_grad(f, argnums=(0, 1))(1.0, 1.0) == (3.0, (-1.0, 1.0))
    # v1 = x² + 2y² = 3 and v2 = x·y = 1.
    assert wg.grad(lambda v1, v2: v1 / v2, argnums=(0, 1))(3.0, 1.0) == (1.0, -3.0)


# Row 6, the derivatives that its two tables end with.


@pytest.mark.parametrize(("w1", "w2"), [(2.0, 1.0), (3.5, 0.7), (1.3, 4.0)])
def test_logarithm_and_square_root(w1, w2):
    def f(w1, w2):
        return w2 * np.log(w1) + np.sqrt(w2 * np.log(w1))

    v2 = w2 * math.log(w1)
    of_v2 = 1 + 0.5 / math.sqrt(v2)
    by_hand = of_v2 * np.array([w2 / w1, math.log(w1)])
    close(wg.grad(f, argnums=(0, 1))(w1, w2), by_hand, 1e-15)
    forward = [wg.jvp(f, (w1, w2), unit)[1] for unit in [(1.0, 0.0), (0.0, 1.0)]]
    close(forward, by_hand, 1e-15)


# Row 7.


def rosenbrock(params):
    x, y = params
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


@pytest.mark.parametrize("start", [np.zeros(2), (0.0, 0.0)], ids=["array", "tuple"])
def test_gradient_descent_on_rosenbrock(start):
    gradient = wg.grad(rosenbrock)
    params = start
    for _ in range(1000):
        slope = gradient(params)
        if isinstance(params, tuple):
            params = tuple(p - 0.001 * s for p, s in zip(params, slope, strict=True))
        else:
            params = params - 0.001 * slope
    assert [round(float(p), 8) for p in params] == [0.67388605, 0.45255952]
    assert round(float(rosenbrock(params)), 8) == 0.10659457


def test_second_order_method_on_rosenbrock():
    gradient, curvature = wg.grad(rosenbrock), wg.hessian(rosenbrock)
    params = np.zeros(2)
    for _ in range(5):
        params = params - np.linalg.solve(curvature(params), gradient(params))
    close(params, [1.0, 1.0], 1e-12)
    assert np.abs(gradient(params)).max() < 1e-9


# Row 8.


@pytest.mark.parametrize(("x", "y"), POINTS)
def test_product_and_sine(x, y):
    def f(x, y):
        return x * y + np.sin(x)

    assert wg.grad(f, argnums=(0, 1))(x, y) == (y + math.cos(x), x)
    assert wg.jvp(f, (x, y), (1.0, 0.0))[1] == y + math.cos(x)
    assert wg.jvp(f, (x, y), (0.0, 1.0))[1] == x


# Row 9.


def test_sigmoid_and_hyperbolic_tangent():
    def f(x, y):
        return (x + 1 / (1 + np.exp(-y))) * np.tanh(x)

    value, (of_x, of_y) = wg.value_and_grad(f, argnums=(0, 1))(2.0, 1.0)
    assert round(float(value), 8) == 2.63281579
    assert round(float(of_x), 8) == 1.15697912
    assert round(float(of_y), 8) == 0.18953933
    assert round(float(wg.jvp(f, (2.0, 1.0), (1.0, 0.0))[1]), 8) == 1.15697912


# Row 10, the derivative itself.


@pytest.mark.parametrize("x", [-1.3, 0.0, 0.7])
def test_sine_of_a_square_and_exponential(x):
    by_hand = 2 * x * math.cos(x**2) + math.exp(x)
    close(wg.grad(lambda x: np.sin(x**2) + np.exp(x))(x), by_hand, 1e-15)
    close(wg.grad(lambda x: (x + 1) ** 10)(x), 10 * (x + 1) ** 9, 1e-15)


# Row 11.


def long_rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def hessian_product_by_two_gradients(f, x, v):
    return wg.grad(lambda x: np.vdot(wg.grad(f)(x), v))(x)


def test_hessian_products_agree():
    x = np.array([0.3, -0.8, 1.2, 0.5])
    v = np.array([1.0, -2.0, 0.5, 3.0])
    expected = wg.hessian(long_rosenbrock)(x) @ v
    close(hessian_product_by_two_gradients(long_rosenbrock, x, v), expected, 1e-14)
    close(wg.hvp(long_rosenbrock, x, v), expected, 1e-14)
    close(directional(wg.grad(long_rosenbrock), x, v), expected, 1e-9)


def test_hessian_product_without_the_matrix():
    position = np.linspace(0.0, 40.0, 1_000_000)
    x, v = np.sin(position), np.cos(3.0 * position)
    expected = np.zeros_like(x)
    expected[:-1] += (1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0) * v[:-1] - 400.0 * x[:-1] * v[1:]
    expected[1:] += 200.0 * v[1:] - 400.0 * x[:-1] * v[:-1]
    close(hessian_product_by_two_gradients(long_rosenbrock, x, v), expected, 1e-13)
    close(wg.hvp(long_rosenbrock, x, v), expected, 1e-13)


# Row 12.


def test_pullback_of_two_multiples():
    value, pullback = wg.vjp(lambda x: [3 * x, 5 * x], 2.0)
    assert value == [6.0, 10.0]
    for v1, v2 in [(1.0, 0.0), (0.0, 1.0), (2.0, -7.0)]:
        assert pullback([v1, v2]) == (3 * v1 + 5 * v2,)


def test_pullback_of_two_multiples_in_an_array():
    value, pullback = wg.vjp(lambda x: np.array([3 * x, 5 * x]), 2.0)
    assert value.tolist() == [6.0, 10.0]
    for v1, v2 in [(1.0, 0.0), (0.0, 1.0), (2.0, -7.0)]:
        assert pullback(np.array([v1, v2])) == (3 * v1 + 5 * v2,)


# Row 13.


def test_jacobians_by_one_hot_vectors():
    weights = np.array([[0.2, -0.5, 1.0], [0.7, 0.1, -0.3]])

    def f(x):
        return np.tanh(weights @ x) * x[0]

    x = np.array([0.4, -1.1, 0.6])
    value, pullback = wg.vjp(f, x)
    columns = np.stack([wg.jvp(f, (x,), (unit,))[1] for unit in np.eye(3)], axis=1)
    rows = np.stack([pullback(unit)[0] for unit in np.eye(2)])
    assert value.shape == (2,)
    np.testing.assert_array_equal(wg.jacfwd(f)(x), columns)
    np.testing.assert_array_equal(wg.jacrev(f)(x), rows)
    close(rows, columns, 1e-15)
    close(wg.jacobian(f)(x), jacobian(f, x), 1e-11)


# Row 14, the formula and the loop that it replaces.


def test_fixed_point_of_gradient_descent():
    def step(theta, phi):
        def loss(theta):
            return np.sum((theta - np.sin(phi)) ** 2) + 0.1 * np.sum(theta**4) + theta[0] * phi[1]

        return theta - 0.2 * wg.grad(loss)(theta)

    def unrolled(phi):
        theta = np.zeros(2)
        for _ in range(150):
            theta = step(theta, phi)
        return theta

    phi = np.array([0.7, -0.4])
    theta = unrolled(phi)
    close(step(theta, phi), theta, 1e-15)
    by_theorem = np.linalg.solve(
        np.eye(2) - wg.jacobian(step, argnums=0)(theta, phi),
        wg.jacobian(step, argnums=1)(theta, phi),
    )
    close(wg.jacfwd(unrolled)(phi), by_theorem, 1e-12)
    close(wg.jacrev(unrolled)(phi), by_theorem, 1e-12)


# Row 15: the error of differences falls with the step, that of a derivative is rounding alone.


@pytest.mark.parametrize("step", [0.01, 0.1, 1.0])
def test_sine_by_differences_of_a_given_step(step):
    x = np.arange(0.0, 10.0, step)
    exact = wg.elementwise_grad(np.sin)(x)
    np.testing.assert_array_equal(exact, np.cos(x))
    error = np.abs(forward_difference(np.sin, x, step) - exact)
    # (sin(x+h) − sin x)/h − cos x = −h/2 · sin x + O(h²), with |O(h²)| ≤ h²/6.
    np.testing.assert_allclose(error, np.abs(step / 2 * np.sin(x)), atol=step**2 / 6)
    assert error.max() > 0.4 * step


def test_sine_by_a_given_number_of_evaluations():
    worst = []
    for evaluations in (5, 10, 15):
        x = np.linspace(0.0, 10.0, evaluations)
        exact = wg.elementwise_grad(np.sin)(x)
        np.testing.assert_array_equal(exact, np.cos(x))
        worst.append(np.abs(np.diff(np.sin(x)) / np.diff(x) - exact[:-1]).max())
    assert worst[0] > worst[1] > worst[2] > 0.25


# Row 16.


SHAPES = [
    ((), ()),
    ((3,), ()),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((4, 1, 3), (2, 1)),
    ((0, 3), (3,)),
]


def summed_to(cotangent, shape):
    """Undo broadcasting by hand: sum the axes that were added, then those that were stretched."""
    summed = cotangent.sum(axis=tuple(range(cotangent.ndim - len(shape))))
    stretched = tuple(
        axis for axis, (had, has) in enumerate(zip(shape, summed.shape, strict=True)) if had != has
    )
    return np.asarray(summed.sum(axis=stretched, keepdims=True))


ARITHMETIC = {
    "add": (np.add, lambda g, x, y: (g, g)),
    "multiply": (np.multiply, lambda g, x, y: (y * g, x * g)),
    "subtract": (np.subtract, lambda g, x, y: (g, -g)),
    "divide": (np.divide, lambda g, x, y: (g / y, -g * x / y**2)),
}


@pytest.mark.parametrize(("left", "right"), SHAPES, ids=[f"{a}-{b}" for a, b in SHAPES])
@pytest.mark.parametrize("flipped", [False, True], ids=["", "flipped"])
@pytest.mark.parametrize("name", ARITHMETIC)
def test_pullbacks_of_arithmetic_undo_broadcasting(name, left, right, flipped):
    if flipped:
        left, right = right, left
    function, pullback_by_hand = ARITHMETIC[name]
    x = np.array(1.5 + np.sin(np.arange(math.prod(left)))).reshape(left)
    y = np.array(2.5 + np.cos(np.arange(math.prod(right)))).reshape(right)
    value, pullback = wg.vjp(function, x, y)
    g = np.array(np.arange(1.0, 1.0 + value.size)).reshape(value.shape)
    cotangent = g if value.ndim else type(value)(g)
    for actual, expected, of in zip(
        pullback(cotangent), pullback_by_hand(g, x, y), (x, y), strict=True
    ):
        assert type(actual) is np.ndarray
        assert actual.dtype == of.dtype
        expected = summed_to(np.broadcast_to(expected, g.shape), of.shape)
        assert actual.shape == expected.shape == of.shape
        np.testing.assert_allclose(actual, expected, rtol=1e-14)


# Row 17.


def convolution(image, kernel):
    """Valid two-dimensional correlation, written with slices."""
    height, width = kernel.shape
    rows, columns = image.shape[0] - height + 1, image.shape[1] - width + 1
    out = np.zeros((rows, columns))
    for i in range(height):
        for j in range(width):
            out += kernel[i, j] * image[i : i + rows, j : j + columns]
    return out


def softmax(scores):
    powers = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)


def self_attention(tokens, weights):
    query, key, content = np.einsum("td,pde->pte", tokens, weights)
    return softmax(query @ key.T / np.sqrt(key.shape[-1])) @ content


def spectral_norm(matrix):
    """Largest singular value by power iteration, every step of it differentiated."""
    direction = np.ones(matrix.shape[1])
    for _ in range(60):
        direction = matrix.T @ (matrix @ direction)
        direction = direction / np.linalg.norm(direction)
    return np.linalg.norm(matrix @ direction)


WAVES = np.sin(np.arange(1.0, 61.0) ** 1.3)


def waves(*shape):
    return WAVES[: math.prod(shape)].reshape(shape).copy()


def composed(image):
    features = np.tanh(convolution(image, waves(2, 2)))
    attended = self_attention(features, waves(3, 3, 2))
    return np.sum(attended @ waves(2, 4)) / spectral_norm(features) + np.log(spectral_norm(image))


LAYERS = {
    "matrix product": (lambda a: np.sum(np.sin(a @ waves(3, 4)) @ waves(4, 2)), waves(2, 3)),
    "convolution of the image": (lambda a: np.sum(convolution(a, waves(2, 3)) ** 2), waves(4, 5)),
    "convolution by the kernel": (lambda k: np.sum(convolution(waves(5, 4), k) ** 3), waves(2, 3)),
    "attention of the tokens": (
        lambda t: np.sum(self_attention(t, waves(3, 3, 2)) ** 2),
        waves(4, 3),
    ),
    "attention by the weights": (
        lambda w: np.sum(np.cos(self_attention(waves(4, 3), w))),
        waves(3, 3, 2),
    ),
    "spectral norm": (spectral_norm, waves(3, 4)),
    "composed": (composed, waves(5, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_agree_with_central_differences(name):
    function, point = LAYERS[name]
    expected = jacobian(function, point)
    close(wg.grad(function)(point), expected, 1e-9)
    close(wg.jacfwd(function)(point), expected, 1e-9)


def test_gradient_of_the_spectral_norm_is_the_product_of_singular_vectors():
    matrix = waves(3, 4)
    left, values, right = np.linalg.svd(matrix)
    close(spectral_norm(matrix), values[0], 1e-14)
    close(wg.grad(spectral_norm)(matrix), np.outer(left[:, 0], right[0]), 1e-12)
