"""Programs of machine learning: layers by hand, cells, clustering, losses, training loops."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .registry import normal, program, uniform

IMAGES = normal(201, 2, 5, 5)
SERIES = normal(202, 4, 3)
LABELS = np.array([0, 2, 1, 2])


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def log_softmax(scores):
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


@program([(normal(203, 3, 4), normal(204, 4)), (normal(205, 4, 3), normal(206, 3))])
def multilayer_perceptron(layers):
    """A list of pairs, folded over; the loss picks the logits of the labels."""
    activation = SERIES
    for weights, bias in layers[:-1]:
        activation = np.tanh(activation @ weights + bias)
    weights, bias = layers[-1]
    scores = log_softmax(np.dot(activation, weights) + bias)
    return -scores[np.arange(len(LABELS)), LABELS].mean()


@program(
    {"W": normal(207, 3, 3, scale=0.5), "U": normal(208, 3, 3, scale=0.5), "b": normal(209, 3)}
)
def recurrent_network(p):
    h = np.zeros(3)
    outputs = []
    for x in SERIES:
        h = np.tanh(p["W"] @ x + p["U"] @ h + p["b"])
        outputs.append(h)
    return np.stack(outputs)


@dataclass
class MemoryCell:
    weights: np.ndarray
    bias: np.ndarray


class LongShortTermMemory:
    """Gates are slices of one product; the state lives in the object."""

    def __init__(self, cell, size):
        self.cell = cell
        self.hidden = np.zeros(size)
        self.memory = np.zeros(size)

    def __call__(self, x):
        n = self.hidden.size
        gates = np.concatenate([x, self.hidden]) @ self.cell.weights + self.cell.bias
        i, f, o = (sigmoid(gates[k * n : (k + 1) * n]) for k in range(3))
        self.memory = f * self.memory + i * np.tanh(gates[3 * n :])
        self.hidden = o * np.tanh(self.memory)
        return self.hidden


@program(MemoryCell(normal(210, 5, 8, scale=0.6), normal(211, 8)))
def long_short_term_memory(cell):
    network = LongShortTermMemory(cell, size=2)
    return np.array([network(x) for x in SERIES])


@program(
    {name: normal(212 + i, 3, 5, scale=0.6) for i, name in enumerate(("reset", "update", "new"))}
)
def gated_recurrent_unit(p):
    h = np.zeros((3,))
    for x in SERIES[:, :2]:
        joined = np.hstack([x, h])
        r = sigmoid(p["reset"] @ joined)
        z = sigmoid(p["update"] @ joined)
        candidate = np.tanh(p["new"] @ np.hstack([x, r * h]))
        h = (1 - z) * h + z * candidate
    return h


@program({"kernel": normal(220, 2, 2, 2), "bias": normal(221, 2)}, step=0.005)
def convolution_and_pooling_by_loops(p):
    height, width = 4, 4
    out = np.zeros((2, height, width))
    for channel in range(2):
        for i in range(height):
            for j in range(width):
                patch = IMAGES[0, i : i + 2, j : j + 2]
                out[channel, i, j] = np.sum(patch * p["kernel"][channel, :, :, ...])
                out[channel, i, j] = out[channel, i, j] + p["bias"][channel]
    pooled = np.empty((2, 2, 2))
    for i in range(2):
        for j in range(2):
            pooled[:, i, j] = out[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2))
    return pooled


@program(normal(222, 3, 3))
def convolution_by_windows(kernel):
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (3, 3), axis=(1, 2))
    return np.einsum("nijkl,kl->nij", windows, kernel)


@program({"x": normal(223, 5, 3), "gamma": normal(224, 3), "beta": normal(225, 3)})
def batch_normalisation(p):
    x = p["x"]
    running = {"mean": np.zeros(3), "var": np.ones(3)}
    mean, var = x.mean(0), x.var(0)
    for name, value in (("mean", mean), ("var", var)):
        running[name] = 0.9 * running[name] + 0.1 * value
    trained = p["gamma"] * (x - mean) / np.sqrt(var + 1e-5) + p["beta"]
    tested = p["gamma"] * (x - running["mean"]) / np.sqrt(running["var"] + 1e-5) + p["beta"]
    return trained + tested


@program({k: normal(230 + i, 4, 4, scale=0.5) for i, k in enumerate(("query", "key", "value"))})
def attention_with_heads(p):
    x = np.concatenate([SERIES, np.ones((4, 1))], axis=1)
    length, heads = len(x), 2

    def project(name):
        return (x @ p[name]).reshape(length, heads, -1).transpose(1, 0, 2)

    q, k, v = map(project, ("query", "key", "value"))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    scores = np.where(np.tril(np.ones((length, length))).astype(bool), scores, -np.inf)
    weights = np.exp(log_softmax(scores))
    return (weights @ v).transpose(1, 0, 2).reshape(length, -1)


@program((normal(240, 5, 3), normal(241, 3), normal(242, 3)))
def layer_normalisation(parameters):
    x, scale, shift = parameters
    normalised = (x - np.mean(x, axis=-1, keepdims=True)) / np.std(x, axis=-1, keepdims=True)
    return normalised * scale + shift


@program((normal(243, 3, 3), normal(244, 3)))
def softmax_regression(parameters):
    weights, bias = parameters
    one_hot = np.eye(3)[LABELS]
    loss = -np.mean(np.sum(one_hot * log_softmax(SERIES @ weights + bias), axis=1))
    return loss + 0.01 * sum(np.sum(w**2) for w in parameters)


@program({"embedding": normal(245, 5, 2), "weights": normal(246, 2, 5)})
def word_embeddings(p):
    """Words become integers; pairs of neighbours are scored."""
    text = ["the", "cat", "saw", "the", "dog", "and", "the", "dog", "saw", "a", "cat"]
    vocabulary = {word: i for i, word in enumerate(sorted(set(text) - {"and"}))}
    ids = [vocabulary[word] for word in text if word in vocabulary]
    loss = 0.0
    for centre, context in pairwise(ids):
        loss -= log_softmax(p["embedding"][centre] @ p["weights"])[context]
    return loss / len(ids)


@program(normal(247, 3, 2), "positions", step=0.002)
def k_means_step(centres):
    points = normal(248, 8, 2)
    for _ in range(2):
        squared = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(-1)
        nearest = squared.argmin(axis=1)
        new = centres.copy()
        for k in range(len(centres)):
            if np.any(nearest == k):
                new[k] = 0.5 * centres[k] + 0.5 * points[nearest == k].mean(axis=0)
        centres = new
    return np.append(centres.ravel(), squared.min(axis=1).sum())


@program({"rate": 0.1, "decay": 0.05, "start": normal(249, 3)})
def training_loop(p):
    """Momentum descent unrolled: differentiated by its own settings."""
    target = SERIES[:, 0]
    w, velocity = p["start"], np.zeros(3)
    for step in range(6):
        error = SERIES @ w - target
        gradient = SERIES.T @ error / len(error) + p["decay"] * w
        velocity = 0.9 * velocity - p["rate"] / (1 + 0.1 * step) * gradient
        w = w + velocity
    return np.append(w, np.mean((SERIES @ w - target) ** 2))


@program(normal(250, 2, 2))
def fourier_features(frequencies):
    grid = np.linspace(-1, 1, 5)
    x = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    projected = x @ frequencies
    features = np.concatenate([np.cos(projected), np.sin(projected)], axis=-1)
    gram = features.T @ features + 0.1 * np.eye(4)
    target = np.exp(-np.sum(x**2, axis=1))
    return np.linalg.solve(gram, features.T @ target)


@program({"mean": normal(251, 2), "log_var": normal(252, 2), "decoder": normal(253, 2, 3)})
def variational_bound(p):
    rng = np.random.default_rng(7)
    total = 0.0
    for _ in range(3):
        z = p["mean"] + np.exp(0.5 * p["log_var"]) * rng.standard_normal(2)
        logits = z @ p["decoder"]
        x = (rng.random(3) > 0.5).astype(float)
        total += np.sum(x * logits - np.logaddexp(0.0, logits))
    divergence = -0.5 * np.sum(1 + p["log_var"] - p["mean"] ** 2 - np.exp(p["log_var"]))
    return total / 3 - divergence


@program({"w": normal(254, 3), "b": 0.2}, step=0.005)
def support_vector_machine(p):
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    margins = signs * (SERIES @ p["w"] + p["b"])
    hinge = np.clip(1 - margins, 0, None)
    return hinge.sum() + 0.5 * np.dot(p["w"], p["w"])


@program(normal(255, 6, 2))
def stochastic_neighbours(y):
    """The cost of t-SNE: two distributions over pairs."""
    x = normal(256, 6, 3)

    def squared_distances(z):
        norms = np.sum(np.square(z), axis=1)
        return norms[:, None] + norms[None, :] - 2 * z @ z.T

    p = np.exp(-squared_distances(x))
    np.fill_diagonal(p, 0.0)
    p /= p.sum()
    q = 1 / (1 + squared_distances(y))
    np.fill_diagonal(q, 0.0)
    q = q / q.sum()
    return np.sum(p * np.log((p + 1e-9) / (q + 1e-9)))


@program({"depth_one": uniform(257, -1, 1, 3), "leaves": normal(258, 4)})
def soft_decision_tree(p):
    """Recursion over a tree of soft splits; leaves are numbered in binary."""

    def descend(x, node, depth):
        if depth == 2:
            return p["leaves"][node]
        gate = sigmoid(4 * (x - p["depth_one"][node + 2**depth - 1]))
        left, right = (descend(x, 2 * node + bit, depth + 1) for bit in (0, 1))
        return (1 - gate) * left + gate * right

    return np.array([descend(x, 0, 0) for x in (-0.5, 0.1, 0.8)])
