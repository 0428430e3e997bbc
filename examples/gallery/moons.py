"""Two moons and a small network.

A network of two layers in plain NumPy, its parameters in a dictionary, learns to tell two
interleaved moons apart by gradient descent with momentum.
"""

import numpy as np
from matplotlib.figure import Figure

import wengert as wg

HIDDEN = 16


def data(count=200):
    generator = np.random.default_rng(1)
    angle = np.pi * generator.uniform(size=count)
    upper = np.arange(count) % 2 == 0
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    points = np.stack([x, y], axis=1) + 0.1 * generator.standard_normal((count, 2))
    return points, np.where(upper, 1.0, -1.0)


def scores(params, points):
    hidden = np.tanh(points @ params["w1"] + params["b1"])
    return hidden @ params["w2"] + params["b2"]


def loss(params, points, labels):
    return np.mean(np.logaddexp(0.0, -labels * scores(params, points)))


def result(steps=400):
    """Return the trained parameters, the losses on the way, and how many points are right."""
    generator = np.random.default_rng(2)
    params = {
        "w1": generator.standard_normal((2, HIDDEN)),
        "b1": np.zeros(HIDDEN),
        "w2": generator.standard_normal(HIDDEN) / np.sqrt(HIDDEN),
        "b2": 0.0,
    }
    points, labels = data()
    speed = wg.tree.map(np.zeros_like, params)
    losses = []
    for _ in range(steps):
        value, gradient = wg.value_and_grad(loss)(params, points, labels)
        speed = wg.tree.map(lambda v, g: 0.9 * v - 0.1 * g, speed, gradient)
        params = wg.tree.map(lambda p, v: p + v, params, speed)
        losses.append(float(value))
    right = float(np.mean(np.sign(scores(params, points)) == labels))
    return {"params": params, "losses": losses, "right": right}


def picture():
    found = result()
    points, labels = data()
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.semilogy(found["losses"])
    left.set_xlabel("step")
    left.set_ylabel("loss")
    x, y = np.meshgrid(np.linspace(-1.5, 2.5, 150), np.linspace(-1.0, 1.6, 150))
    grid = scores(found["params"], np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
    right.contourf(x, y, np.tanh(grid), levels=20, cmap="RdBu", alpha=0.7)
    right.scatter(*points.T, c=labels, cmap="RdBu", edgecolors="k", s=18)
    right.set_title(f"{100 * found['right']:.0f} % right")
    return figure
