"""The graph of a neuron.

What reverse mode sees: each step with its value and its adjoint, each edge with its local
derivative. `wg.draw(...).save("graph.html")` makes a page in which one can step through it.
"""

import io

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imread

import wengert as wg


def neuron(x, y):
    return (x + 1 / (1 + np.exp(-y))) * np.tanh(x)


def result():
    """Return the graph."""
    return wg.draw(neuron, 2.0, 1.0)


def picture():
    image = imread(io.BytesIO(result().to_png(dpi=90)))
    height, width = image.shape[:2]
    figure = Figure(figsize=(width / 90, height / 90))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image)
    axes.axis("off")
    return figure
