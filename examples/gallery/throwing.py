"""Throwing at a target through the wind.

The flight is stepped in a `while` loop that ends when the ball is down, so the number of steps
depends on the angle. Newton's method on the distance finds the two angles that hit.
"""

import numpy as np
from matplotlib.figure import Figure

import wengert as wg

SPEED, DRAG, TARGET, DT = 30.0, 0.01, 40.0, 0.02


def flight(angle):
    x, y = 0.0, 0.0
    u, v = SPEED * np.cos(angle), SPEED * np.sin(angle)
    path = [(x, y)]
    while y >= 0.0:
        pace = np.sqrt(u**2 + v**2)
        x0, y0 = x, y
        x, y = x + DT * u, y + DT * v
        u, v = u - DT * DRAG * pace * u, v - DT * (9.81 + DRAG * pace * v)
        path.append((x, y))
    return path, x0 + (x - x0) * y0 / (y0 - y)  # where it comes down, between two steps


def distance(angle):
    return flight(angle)[1]


def result():
    """Return the angles that hit, from a flat and from a steep first guess."""
    found = []
    for angle in (0.3, 1.3):
        for _ in range(12):
            reached, slope = wg.value_and_grad(distance)(angle)
            angle = angle - float(reached - TARGET) / float(slope)
        found.append(angle)
    return {"angles": found, "reached": [float(distance(angle)) for angle in found]}


def picture():
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for angle in result()["angles"]:
        path = np.array(flight(angle)[0], dtype=float)
        axes.plot(*path.T, label=f"{np.degrees(angle):.1f}°")
    axes.plot(TARGET, 0.0, "kx", markersize=10)
    axes.axhline(0.0, color="k", linewidth=0.6)
    axes.set_xlabel("m")
    axes.set_ylabel("m")
    axes.legend()
    return figure
