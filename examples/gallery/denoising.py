"""A noisy picture, smoothed where it is flat.

Total variation: the gradient of a smoothed absolute value of differences, over every pixel at
once.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize

import wengert as wg

SIZE = 48


def picture_of_shapes():
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    shapes = np.where((x - 0.35) ** 2 + (y - 0.4) ** 2 < 0.06, 1.0, 0.0)
    return shapes + np.where((abs(x - 0.7) < 0.15) & (abs(y - 0.7) < 0.2), 0.6, 0.0)


def energy(flat, noisy, weight=0.12):
    image = flat.reshape(SIZE, SIZE)
    across, down = image[:, 1:] - image[:, :-1], image[1:, :] - image[:-1, :]
    variation = np.sum(np.sqrt(across**2 + 1e-4)) + np.sum(np.sqrt(down**2 + 1e-4))
    return 0.5 * np.sum((image - noisy) ** 2) + weight * variation


def result():
    """Return the true picture, the noisy one, the smoothed one, and both errors."""
    true = picture_of_shapes()
    noisy = true + 0.2 * np.random.default_rng(0).standard_normal(true.shape)
    found = minimize(
        energy,
        noisy.ravel(),
        args=(noisy,),
        jac=wg.grad(energy),
        method="L-BFGS-B",
        options={"maxiter": 150},
    )
    smooth = found.x.reshape(true.shape)
    errors = [float(np.sqrt(np.mean((image - true) ** 2))) for image in (noisy, smooth)]
    return {"true": true, "noisy": noisy, "smooth": smooth, "errors": errors}


def picture():
    found = result()
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    names = ("true", "noisy", "smooth")
    for axes, name in zip(figure.subplots(1, 3), names, strict=True):
        axes.imshow(found[name], cmap="viridis", vmin=-0.3, vmax=1.3)
        axes.set_title(name)
        axes.axis("off")
    return figure
