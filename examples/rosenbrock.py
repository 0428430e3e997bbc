"""Minimise two functions written in plain NumPy: Rosenbrock's, then a real logistic regression.

Run `python examples/rosenbrock.py`; the second part needs scikit-learn for its data set.
"""

import numpy as np
import scipy.optimize
from sklearn.datasets import load_breast_cancer

import wengert as wg


def rosenbrock(params):
    """Return Rosenbrock's function, a curved valley whose lowest point is (1, 1)."""
    x, y = params
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def gradient_descent(function, start, rate, steps):
    """Go downhill in small steps of `rate` times the gradient."""
    gradient = wg.grad(function)
    params = start
    for _ in range(steps):
        params = params - rate * gradient(params)
    return params


def newton(function, start, tolerance=1e-10, max_steps=50):
    """Go to the lowest point of the local parabola until the gradient vanishes."""
    gradient, hessian = wg.grad(function), wg.hessian(function)
    params = start
    for step in range(max_steps):
        slope = gradient(params)
        if np.linalg.norm(slope) < tolerance:
            return params, step
        params = params - np.linalg.solve(hessian(params), slope)
    raise RuntimeError(f"no minimum within {max_steps} steps")


def logistic_loss(weights, features, signs, penalty=1e-3):
    """Return the mean of ``log(1 + exp(-sign * score))``, plus a penalty on large weights."""
    scores = features @ weights[:-1] + weights[-1]
    return np.mean(np.logaddexp(0, -signs * scores)) + penalty * np.sum(weights[:-1] ** 2)


def accuracy(weights, features, signs):
    """Return the part of the samples on the right side of the plane."""
    return np.mean(np.sign(features @ weights[:-1] + weights[-1]) == signs)


def breast_cancer(part_for_training=0.75):
    """Return features and signs (+1 benign, -1 malignant) to train with and to test with."""
    features, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    features, signs = features[order], 2.0 * labels[order] - 1
    count = int(part_for_training * len(labels))
    mean, deviation = features[:count].mean(axis=0), features[:count].std(axis=0)
    features = (features - mean) / deviation
    return (features[:count], signs[:count]), (features[count:], signs[count:])


def main():
    """Print where each method ends."""
    start = np.zeros(2)

    print("Rosenbrock's function, from (0, 0)")
    x, y = found = gradient_descent(rosenbrock, start, rate=0.001, steps=1000)
    print(f"  gradient descent, 1000 steps: ({x:.8f}, {y:.8f}), loss {rosenbrock(found):.8f}")
    (x, y), steps = newton(rosenbrock, start)
    print(f"  Newton's method, {steps} steps: ({x:.8f}, {y:.8f})")

    training, testing = breast_cancer()
    print(f"Logistic regression, {training[0].shape[0]} samples of breast tissue")
    weights = np.zeros(training[0].shape[1] + 1)
    fit = scipy.optimize.minimize(
        wg.value_and_grad(logistic_loss), weights, args=training, method="L-BFGS-B", jac=True
    )
    print(f"  loss before: {logistic_loss(weights, *training):.8f}")
    print(f"  loss after: {logistic_loss(fit.x, *training):.8f}, {fit.nit} iterations")
    print(f"  accuracy: {accuracy(fit.x, *training):.4f} in training")
    print(f"  accuracy: {accuracy(fit.x, *testing):.4f} on {len(testing[1])} samples kept apart")


if __name__ == "__main__":
    main()
