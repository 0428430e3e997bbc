"""The ways to a derivative, side by side.

log(1 + x²)/x at 1: the error of each difference formula against its step, with the slopes of
truncation and rounding. The logistic map, 1 to 12 rounds: operations of the symbolic derivative
and of reverse mode. Rosenbrock's function of 2 to 1000 variables: the time, the operations and the
error of one gradient by each method (formulas up to 200 variables).
"""

import numpy as np
from matplotlib.figure import Figure

import wengert as wg
from wengert.seeing.comparison_plot import (
    draw_errors,
    draw_operations,
    draw_scaling,
    draw_steps,
    draw_swell,
)

SIZES = (2, 5, 20, 100, 1000)


def ratio(x):
    return np.log(1 + x**2) / x


def logistic(n):
    def program(x):
        v = x
        for _ in range(n):
            v = 4 * v * (1 - v)
        return v

    return program


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def result():
    """Return the three comparisons."""
    return {
        "ratio": wg.compare_methods(ratio, 1.0),
        "logistic": wg.compare_methods(
            logistic(4), 0.3, family=logistic, depths=range(1, 13), repeats=1
        ),
        "rosenbrock": wg.compare_methods(
            rosenbrock, np.linspace(-1.0, 1.0, 20), sizes=SIZES, repeats=1
        ),
    }


def picture():
    found = result()
    figure = Figure(figsize=(14, 8.8), layout="constrained")
    places = figure.subplots(2, 3).ravel()
    draw_steps(places[0], found["ratio"])
    draw_swell(places[1], found["logistic"])
    for axes, draw in zip(places[2:], (draw_scaling, draw_operations, draw_errors), strict=False):
        draw(axes, found["rosenbrock"])
    for axes in places[:5]:
        axes.legend(fontsize=7)
    places[5].remove()
    return figure
