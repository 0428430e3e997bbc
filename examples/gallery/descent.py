"""Down Rosenbrock's valley.

Gradient descent needs the gradient, Newton's method the Hessian as well; both come from the same
function. Descent creeps along the valley, Newton's method walks to the minimum in a few steps.
"""

import numpy as np
from matplotlib.figure import Figure

import wengert as wg


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def descend(p, rate=0.001, steps=1000):
    path = [p]
    for _ in range(steps):
        p = p - rate * wg.grad(rosenbrock)(p)
        path.append(p)
    return np.array(path)


def newton(p, steps=8):
    path = [p]
    for _ in range(steps):
        _, gradient, hessian = wg.value_grad_hessian(rosenbrock)(p)
        p = p - np.linalg.solve(hessian, gradient)
        path.append(p)
    return np.array(path)


def result():
    """Return both paths."""
    start = np.zeros(2)
    return {"gradient descent": descend(start), "Newton": newton(start)}


def picture():
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    x, y = np.meshgrid(np.linspace(-0.3, 1.3, 200), np.linspace(-0.3, 1.3, 200))
    axes.contour(x, y, np.log10(rosenbrock(np.array([x, y])) + 1e-3), levels=18, cmap="Greys")
    for (name, path), style in zip(result().items(), (".-", "o--"), strict=True):
        axes.plot(*path.T, style, label=f"{name}, {len(path) - 1} steps", markersize=4)
    axes.plot(1, 1, "k*", markersize=12)
    axes.legend()
    return figure
