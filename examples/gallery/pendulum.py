"""A pendulum, fitted to noisy measurements.

Runge and Kutta's method steps the pendulum in a Python loop that fills an array; SciPy's least
squares gets the exact Jacobian of the whole simulation by length and friction.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import least_squares

import wengert as wg

STEPS, DT = 120, 0.05
TRUE = np.array([1.3, 0.25])


def simulate(parameters):
    length, friction = parameters[0], parameters[1]

    def rate(state):
        return np.array([state[1], -9.81 / length * np.sin(state[0]) - friction * state[1]])

    angles = np.empty(STEPS)
    state = np.array([1.2, 0.0])
    for i in range(STEPS):
        angles[i] = state[0]
        k1 = rate(state)
        k2 = rate(state + 0.5 * DT * k1)
        k3 = rate(state + 0.5 * DT * k2)
        k4 = rate(state + DT * k3)
        state = state + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return angles


def result():
    """Return the measurements, and the parameters that least squares finds."""
    noise = 0.03 * np.random.default_rng(0).standard_normal(STEPS)
    measured = simulate(TRUE) + noise
    found = least_squares(lambda p: simulate(p) - measured, [1.0, 0.1], jac=wg.jacobian(simulate))
    return {"measured": measured, "found": found.x, "evaluations": found.nfev}


def picture():
    found = result()
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    times = DT * np.arange(STEPS)
    axes.plot(times, found["measured"], "k.", markersize=4, label="measured")
    axes.plot(times, simulate(np.array([1.0, 0.1])), "--", label="first guess")
    length, friction = found["found"]
    axes.plot(
        times, simulate(found["found"]), label=f"length {length:.3f}, friction {friction:.3f}"
    )
    axes.set_xlabel("time in s")
    axes.set_ylabel("angle in rad")
    axes.legend()
    return figure
