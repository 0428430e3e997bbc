"""Kepler's equation, by an implicit loop.

E − e·sin E = M has no formula for E. Newton's method solves it; the derivative of the solution by
the eccentricity is sin E / (1 − e·cos E), and differentiating the loop gives just that.
"""

import numpy as np
from matplotlib.figure import Figure

import wengert as wg


def anomaly(eccentricity, mean):
    return wg.while_loop(
        lambda e: abs(e - eccentricity * np.sin(e) - mean) > 1e-13,
        lambda e: e - (e - eccentricity * np.sin(e) - mean) / (1 - eccentricity * np.cos(e)),
        mean + 0.5 * np.sin(mean),
    )


def result():
    """Return anomalies, their derivatives by the eccentricity, and the largest error of these."""
    means = np.linspace(0.05, 2 * np.pi - 0.05, 60)
    eccentricity = 0.6
    solved = np.array([float(anomaly(eccentricity, m)) for m in means])
    slopes = np.array([float(wg.grad(anomaly)(eccentricity, m)) for m in means])
    exact = np.sin(solved) / (1 - eccentricity * np.cos(solved))
    return {
        "means": means,
        "solved": solved,
        "slopes": slopes,
        "error": float(np.max(abs(slopes - exact))),
    }


def picture():
    found = result()
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(found["means"], found["solved"], label="E")
    axes.plot(found["means"], found["slopes"], label="∂E/∂e")
    axes.set_xlabel("mean anomaly")
    axes.set_title(f"largest error of the derivative: {found['error']:.1e}")
    axes.legend()
    return figure
