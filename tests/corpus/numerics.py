"""Programs of classical numerical analysis: quadrature, roots, interpolation, series, splines."""

import math
from functools import reduce

import numpy as np

from .registry import normal, program, uniform


@program({"a": 0.2, "b": 1.7, "decay": 0.6}, "branches", step=0.005)
def adaptive_simpson(p):
    """Recursion that refines where two estimates differ."""

    def f(x):
        return np.exp(-p["decay"] * x) * np.sin(3 * x)

    def simpson(left, right):
        middle = (left + right) / 2
        return middle, (right - left) / 6 * (f(left) + 4 * f(middle) + f(right))

    def refine(left, right, whole, middle, tolerance):
        left_middle, first = simpson(left, middle)
        right_middle, second = simpson(middle, right)
        delta = first + second - whole
        if np.abs(delta) <= 15 * tolerance:
            return first + second + delta / 15
        return refine(left, middle, first, left_middle, tolerance / 2) + refine(
            middle, right, second, right_middle, tolerance / 2
        )

    middle, whole = simpson(p["a"], p["b"])
    return refine(p["a"], p["b"], whole, middle, 1e-5)


@program((0.8, 2.1))
def romberg_quadrature(parameters):
    power, end = parameters
    f = lambda x: (1 + x) ** power  # noqa: E731
    table = [[end / 2 * (f(0.0) + f(end))]]
    for k in range(1, 4):
        h = end / 2**k
        middle = sum(f((2 * i - 1) * h) for i in range(1, 2 ** (k - 1) + 1))
        row = [0.5 * table[-1][0] + h * middle]
        for j in range(1, k + 1):
            row.append(row[-1] + (row[-1] - table[-1][j - 1]) / (4**j - 1))
        table.append(row)
    return table[-1][-1]


@program({"scale": 1.4, "shift": 0.3})
def gauss_legendre_quadrature(p):
    nodes, weights = np.polynomial.legendre.leggauss(6)
    x, y = np.meshgrid(nodes, nodes)
    values = np.exp(-((p["scale"] * x - p["shift"]) ** 2) - y**2 * p["scale"])
    return np.sum(weights[:, None] * weights[None, :] * values)


@program({"target": 2.0, "curvature": 0.4}, "branches", "loops")
def bisection_then_newton(p):
    """Bisection carries no derivative of its own: two steps of Newton's method bring it in."""

    def f(x):
        return x + p["curvature"] * x**3 - p["target"]

    low, high = 0.0, 3.0
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        if f(middle) > 0:
            high = middle
        else:
            low = middle
    x = 0.5 * (low + high)
    for _ in range(3):
        x = x - f(x) / (1 + 3 * p["curvature"] * x**2)
    return x


@program(np.array([2.0, 5.0, 0.3]), "loops")
def newton_square_roots(values):
    """All entries at once, until the slowest has arrived."""
    x = np.ones_like(values)
    while np.max(np.abs(x * x - values)) > 1e-12:
        x = (x + values / x) / 2
    return (x + values / x) / 2


@program((1.0, 0.4), "loops")
def arithmetic_geometric_mean(parameters):
    a, b = parameters
    while abs(a - b) > 1e-14 * abs(a):
        a, b = (a + b) / 2, np.sqrt(a * b)
    return a


@program(np.array([1.3, 0.8]), step=0.02)
def newton_for_a_system(start):
    """The Jacobian of the residual is written by hand and inverted by ``np.linalg.solve``."""
    x = start
    for _ in range(2):
        residual = np.array([x[0] ** 2 + x[1] ** 2 - 2, np.exp(x[0] - 1) + x[1] ** 3 - 2])
        matrix = np.array([[2 * x[0], 2 * x[1]], [np.exp(x[0] - 1), 3 * x[1] ** 2]])
        x = x - np.linalg.solve(matrix, residual)
    return x


@program(
    {
        "x": np.cumsum(uniform(502, 0.5, 1.0, 6)),
        "y": normal(503, 6),
        "at": np.array([1.3, 2.6, 3.4]),
    },
    "positions",
    step=0.005,
)
def natural_cubic_spline(p):
    """Second derivatives by a tridiagonal solve, then evaluation by a search for intervals."""
    x, y = p["x"], p["y"]
    h = np.diff(x)
    n = len(x)
    system = np.zeros((n, n))
    right = np.zeros(n)
    system[0, 0] = system[-1, -1] = 1.0
    for i in range(1, n - 1):
        system[i, i - 1 : i + 2] = h[i - 1], 2 * (h[i - 1] + h[i]), h[i]
        right[i] = 6 * ((y[i + 1] - y[i]) / h[i] - (y[i] - y[i - 1]) / h[i - 1])
    m = np.linalg.solve(system, right)
    k = np.clip(np.searchsorted(x, p["at"]) - 1, 0, n - 2)
    left, right = x[k + 1] - p["at"], p["at"] - x[k]
    return (
        m[k] * left**3 / (6 * h[k])
        + m[k + 1] * right**3 / (6 * h[k])
        + (y[k] / h[k] - m[k] * h[k] / 6) * left
        + (y[k + 1] / h[k] - m[k + 1] * h[k] / 6) * right
    )


@program((normal(504, 4, 5), np.array([[1.3, 2.4], [0.6, 3.7]])), "positions", step=0.02)
def bilinear_interpolation(parameters):
    """Positions in the image are integers computed from what is differentiated."""
    image, places = parameters
    out = []
    for row, column in places:
        i, j = int(np.floor(row)), int(column)
        di, dj = row - i, column - j
        out.append(
            image[i, j] * (1 - di) * (1 - dj)
            + image[i + 1, j] * di * (1 - dj)
            + image[i, j + 1] * (1 - di) * dj
            + image[i + 1, j + 1] * di * dj
        )
    return np.array(out)


@program({"x": 0.7, "terms": np.array([1.0, 0.5, 0.25, 0.1])})
def horner_and_its_cousins(p):
    x, c = p["x"], p["terms"]
    by_reduce = reduce(lambda total, term: total * x + term, c)
    by_powers = sum(term * x**k for k, term in enumerate(c[::-1]))
    by_polyval = np.polyval(c, x)
    by_product = np.dot(c, np.vander([1.0 * x], 4)[0])
    return np.array([by_reduce, 2 * by_powers, 3 * by_polyval, 4 * by_product])


@program(np.array([0.3, 1.2]))
def continued_fraction(x):
    """Tan by Lambert's fraction, from the inside out."""
    value = np.zeros_like(x)
    for k in range(13, 0, -2):
        value = x**2 / (k - value)
    return value / x


def series(x):
    term, k = x, 1
    while True:
        yield term
        term = -term * x**2 / ((2 * k) * (2 * k + 1))
        k += 1


@program(1.3, "loops")
def sine_from_a_generator(x):
    total = 0.0
    for term in series(x):
        total += term
        if abs(term) < 1e-17:
            return total
    raise AssertionError("a series has no end")


@program({"x": uniform(505, -1, 1, 6), "rate": 1.5})
def aitken_acceleration(p):
    """A closure keeps the state of the iteration."""

    def iteration(x):
        def step():
            nonlocal x
            x = np.cos(p["rate"] * x / 2)
            return x

        return step

    step = iteration(p["x"])
    a, b, c = step(), step(), step()
    return a - (b - a) ** 2 / (c - 2 * b + a + 1e-3)


@program((0.5, 2.0), step=0.02)
def gamma_by_lanczos(parameters):
    """With ``math`` for constants only."""
    g = 5
    c = [1.000000000190015, 76.18009172947146, -86.50532032941677, 24.01409824083091,
         -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5]  # fmt: skip

    def log_gamma(z):
        total = c[0] + sum(coefficient / (z + k) for k, coefficient in enumerate(c[1:], start=1))
        base = z + g + 0.5
        return (
            math.log(math.sqrt(2 * math.pi)) + (z + 0.5) * np.log(base) - base + np.log(total / z)
        )

    a, b = parameters
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


@program({"nodes": np.array([-1.0, -0.2, 0.5, 1.1]), "x": np.array([0.1, 0.8])})
def lagrange_interpolation(p):
    nodes, x = p["nodes"], p["x"]
    values = np.exp(nodes)
    result = np.zeros_like(x)
    for i in range(len(nodes)):
        others = np.delete(np.arange(len(nodes)), i)
        result += values[i] * np.prod(
            (x[:, None] - nodes[others]) / (nodes[i] - nodes[others]), axis=1
        )
    return result


@program(np.array([0.9, -0.3]), "loops", "branches", step=0.0005)
def descent_with_line_search(start):
    """Backtracking by Armijo's rule inside a fixed number of steps."""
    f = lambda x: (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2  # noqa: E731
    x = start
    for _ in range(4):
        g = np.array([-2 * (1 - x[0]) - 20 * x[0] * (x[1] - x[0] ** 2), 10 * (x[1] - x[0] ** 2)])
        t = 0.5
        while f(x - t * g) > f(x) - 0.3 * t * np.sum(g**2):
            t *= 0.5
        x = x - t * g
    return x


@program({"z": np.array([0.3, -0.4]), "c": np.array([0.5, 0.6])}, "branches", "loops", step=0.002)
def escape_of_an_iteration(p):
    """z² + c until it leaves a disc, on pairs of reals; the smooth count of steps is returned."""
    x, y = p["z"]
    count = 0
    while True:
        if x * x + y * y > 100.0:
            break
        x, y = x * x - y * y + p["c"][0], 2 * x * y + p["c"][1]
        count += 1
    radius = np.sqrt(x**2 + y**2)
    return count + 1 - np.log(np.log(radius)) / np.log(2.0)
