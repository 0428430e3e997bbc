"""How differences err.

The sine and its differences on [0, 10]: with steps of 0.01, 0.1 and 1, and with 5, 10 and 15
points. Large steps flatten and shift the derivative; few points miss its shape. Reverse mode is
exact at every point that is asked for.
"""

import numpy as np
from matplotlib.figure import Figure

import wengert as wg

STEPS = (0.01, 0.1, 1.0)
COUNTS = (5, 10, 15)


def result():
    """Return the largest error of forward differences for each step, and of reverse mode."""
    x = np.linspace(0.0, 10.0, 1001)
    errors = {h: float(np.max(abs((np.sin(x + h) - np.sin(x)) / h - np.cos(x)))) for h in STEPS}
    exact = float(np.max(abs(wg.elementwise_grad(np.sin)(x) - np.cos(x))))
    return {"x": x, "errors": errors, "reverse mode": exact}


def picture():
    found = result()
    x = found["x"]
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(x, wg.elementwise_grad(np.sin)(x), "k", linewidth=2, label="wengert")
    for h in STEPS:
        slope = (np.sin(x + h) - np.sin(x)) / h
        left.plot(x, slope, "--", label=f"step {h}: off by {found['errors'][h]:.2g}")
    left.set_title("by step")
    right.plot(x, wg.elementwise_grad(np.sin)(x), "k", linewidth=2, label="wengert")
    for count in COUNTS:
        points = np.linspace(0.0, 10.0, count)
        right.plot(points, np.gradient(np.sin(points), points), "o--", label=f"{count} points")
    right.set_title("by number of evaluations")
    for axes in (left, right):
        axes.legend(fontsize=8)
    return figure
