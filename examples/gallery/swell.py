"""Formulas swell, lists do not.

Each round of the logistic map v ← 4v(1 − v) uses v twice. Its symbolic derivative grows
exponentially with the rounds; the Wengert list of its gradient grows by the same number of steps
each round.
"""

import numpy as np
from matplotlib.figure import Figure

import wengert as wg
from wengert import symbolic

DEPTHS = range(1, 10)


def logistic(n):
    def program(x):
        v = x
        for _ in range(n):
            v = 4 * v * (1 - v)
        return v

    return program


def result():
    """Return operations of the derivative by depth, symbolic and as a list."""
    formulas = [count for _, _, count in symbolic.swell(logistic, DEPTHS)]
    lists = [len(wg.trace(wg.grad(logistic(n)))(0.3)) for n in DEPTHS]
    return {"symbolic": formulas, "reverse mode": lists}


def picture():
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, counts in result().items():
        axes.semilogy(np.array(DEPTHS), counts, "o-", label=name)
    axes.set_xlabel("rounds of the logistic map")
    axes.set_ylabel("operations of the derivative")
    axes.legend()
    axes.grid(alpha=0.3)
    return figure
