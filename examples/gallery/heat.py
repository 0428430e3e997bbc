"""The past of a hot rod.

Heat spreads along a rod: a stencil, written in place into a view, step after step. From the final
temperatures alone, L-BFGS with our gradient finds an initial state that explains them.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize

import wengert as wg

SIZE, STEPS = 40, 40


def spread(initial):
    u = initial.copy()
    inner = u[1:-1]
    for _ in range(STEPS):
        inner += 0.4 * (u[:-2] - 2 * u[1:-1] + u[2:])
    return u


def result():
    """Return the true initial state, the final one, and the initial state that is found."""
    x = np.linspace(0.0, 1.0, SIZE)
    true = np.exp(-(((x - 0.3) / 0.07) ** 2)) + 0.6 * np.exp(-(((x - 0.7) / 0.05) ** 2))
    final = spread(true)

    def misfit(initial):
        return np.sum((spread(initial) - final) ** 2) + 1e-7 * np.sum(np.diff(initial) ** 2)

    found = minimize(misfit, np.zeros(SIZE), jac=wg.grad(misfit), bounds=[(0.0, None)] * SIZE)
    return {"x": x, "true": true, "final": final, "found": found.x, "misfit": found.fun}


def picture():
    found = result()
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(found["x"], found["true"], "k", label="true beginning")
    axes.plot(found["x"], found["final"], label="the end, which is all we see")
    axes.plot(found["x"], found["found"], "--", label="beginning that was found")
    axes.set_xlabel("place")
    axes.set_ylabel("temperature")
    axes.legend()
    return figure
