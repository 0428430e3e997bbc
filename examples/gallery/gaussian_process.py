"""A Gaussian process learns its own smoothness.

The likelihood of the data goes through a Cholesky factorisation and triangular solves; its
gradient by length scale, amplitude and noise comes with it.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize

import wengert as wg


def kernel(log_parameters, a, b):
    length, amplitude = np.exp(log_parameters[0]), np.exp(log_parameters[1])
    return amplitude**2 * np.exp(-0.5 * ((a[:, None] - b[None, :]) / length) ** 2)


def negative_log_likelihood(log_parameters, x, y):
    covariance = kernel(log_parameters, x, x) + np.exp(2 * log_parameters[2]) * np.eye(len(x))
    factor = np.linalg.cholesky(covariance)
    whitened = np.linalg.solve(factor, y)
    return 0.5 * whitened @ whitened + np.sum(np.log(np.diagonal(factor)))


def data():
    generator = np.random.default_rng(3)
    x = np.sort(generator.uniform(0.0, 10.0, 30))
    return x, np.sin(x) + 0.15 * generator.standard_normal(30)


def result():
    """Return the parameters that maximise the likelihood, and the likelihoods before and after."""
    x, y = data()
    start = np.array([1.5, 0.0, 0.0])
    found = minimize(
        negative_log_likelihood, start, args=(x, y), jac=wg.grad(negative_log_likelihood)
    )
    return {
        "parameters": found.x,
        "before": negative_log_likelihood(start, x, y),
        "after": found.fun,
    }


def picture():
    x, y = data()
    parameters = result()["parameters"]
    where = np.linspace(0.0, 10.0, 200)
    covariance = kernel(parameters, x, x) + np.exp(2 * parameters[2]) * np.eye(len(x))
    cross = kernel(parameters, where, x)
    mean = cross @ np.linalg.solve(covariance, y)
    explained = np.einsum("ij,ji->i", cross, np.linalg.solve(covariance, cross.T))
    deviation = np.sqrt(np.maximum(np.exp(2 * parameters[1]) - explained, 0.0))
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(where, mean - 2 * deviation, mean + 2 * deviation, alpha=0.25)
    axes.plot(where, mean, label="mean and two deviations")
    axes.plot(where, np.sin(where), "k:", label="the truth")
    axes.plot(x, y, "k.", label="data")
    axes.set_title(f"length {np.exp(parameters[0]):.2f}, noise {np.exp(parameters[2]):.2f}")
    axes.legend()
    return figure
