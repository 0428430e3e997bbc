"""What a gradient costs.

The operations of the gradient of Rosenbrock's function, counted in the programs themselves. By
reverse mode it costs a constant multiple of the function; by forward mode or differences, n times
as much for n variables.
"""

import numpy as np
from matplotlib.figure import Figure

import wengert as wg
from wengert.seeing.methods import operation_count

SIZES = (2, 5, 10, 30, 100)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def result():
    """Return operations relative to the function's own, by method and size."""
    ratios = {"reverse mode": [], "forward mode": [], "differences": []}
    for n in SIZES:
        x = np.linspace(-1.0, 1.0, n)
        once = operation_count(wg.trace(rosenbrock)(x))
        pushed = wg.trace(lambda x, v: wg.jvp(rosenbrock, (x,), (v,)))(x, x)
        ratios["reverse mode"].append(operation_count(wg.trace(wg.grad(rosenbrock))(x)) / once)
        ratios["forward mode"].append(n * operation_count(pushed) / once)
        ratios["differences"].append(n + 1)
    return ratios


def picture():
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in result().items():
        axes.loglog(SIZES, values, "o-", label=name)
    axes.set_xlabel("variables")
    axes.set_ylabel("operations / operations of the function")
    axes.legend()
    axes.grid(alpha=0.3)
    return figure
