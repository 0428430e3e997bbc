"""Sensitivities of hares and foxes.

How do the numbers of Lotka and Volterra's hares depend on their birth rate, and on the foxes'
appetite, over time? Forward mode carries the derivative by one parameter through the simulation.
"""

import numpy as np
from matplotlib.figure import Figure

import wengert as wg

STEPS, DT = 600, 0.02


def simulate(births, appetite):
    hares, foxes = np.zeros(STEPS), np.zeros(STEPS)
    h, f = 10.0, 5.0
    for i in range(STEPS):
        hares[i], foxes[i] = h, f
        middle_h = h + DT / 2 * (births * h - appetite * h * f)
        middle_f = f + DT / 2 * (0.25 * appetite * h * f - 0.5 * f)
        h, f = (
            h + DT * (births * middle_h - appetite * middle_h * middle_f),
            f + DT * (0.25 * appetite * middle_h * middle_f - 0.5 * middle_f),
        )
    return hares, foxes


def result():
    """Return hares and foxes with the hares' derivatives by both parameters."""
    (hares, foxes), (by_births, _) = wg.jvp(simulate, (1.0, 0.1), (1.0, 0.0))
    _, (by_appetite, _) = wg.jvp(simulate, (1.0, 0.1), (0.0, 1.0))
    return {"hares": hares, "foxes": foxes, "births": by_births, "appetite": by_appetite}


def picture():
    found = result()
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    times = DT * np.arange(STEPS)
    above.plot(times, found["hares"], label="hares")
    above.plot(times, found["foxes"], label="foxes")
    below.plot(times, found["births"], label="∂hares/∂births")
    below.plot(times, 0.1 * found["appetite"], label="0.1 ∂hares/∂appetite")
    below.set_xlabel("time")
    for axes in (above, below):
        axes.legend()
    return figure
