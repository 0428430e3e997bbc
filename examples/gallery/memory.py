"""What a gradient keeps.

Reverse mode keeps what each step's derivative needs, so a loop of n steps needs the memory of n.
A checkpointed scan keeps a few states and computes the others again: √(2 n) of them cost each step
twice more at most, about log₄ n of them as many times.
"""

import tracemalloc

import numpy as np
from matplotlib.figure import Figure

import wengert as wg

STEPS = (25, 50, 100, 200, 400)
KEPT = {"everything": None, "sqrt": "sqrt", "log": "log"}
X = np.ones(2_000)


def gradient(steps, checkpoint):
    def loss(x):
        def step(y, _):
            return y - 0.001 * np.sin(y), None

        return np.sum(wg.scan(step, x, length=steps, checkpoint=checkpoint)[0])

    return wg.grad(loss)


def peak(function):
    """Return the most memory that a call holds, in arrays like its argument."""
    function(X)
    tracemalloc.start()
    function(X)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / X.nbytes


def result():
    """Return the peak memory by what is kept and the number of steps, in states."""
    return {
        name: [peak(gradient(steps, checkpoint)) for steps in STEPS]
        for name, checkpoint in KEPT.items()
    }


def picture():
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in result().items():
        label = name if name == "everything" else f'checkpoint="{name}"'
        axes.loglog(STEPS, values, "o-", label=label)
    axes.set_xlabel("steps")
    axes.set_ylabel("peak memory of the gradient, in states")
    axes.legend()
    axes.grid(alpha=0.3)
    return figure
