"""Programs of statistics: likelihoods, filters, hidden states, mixtures, fixed random draws."""

from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from .registry import normal, program, uniform

TIMES = np.linspace(0.0, 2.0, 6)
OBSERVED = np.sin(2 * TIMES) + 0.1 * normal(301, 6)
COUNTS = np.array([0, 2, 1, 3, 0, 1])
RETURNS = normal(302, 10, scale=0.5)


@program({"amplitude": 1.1, "scale": 0.7, "noise": 0.3})
def gaussian_process_likelihood(hyper):
    squared = (TIMES[:, None] - TIMES[None, :]) ** 2
    kernel = hyper["amplitude"] ** 2 * np.exp(-0.5 * squared / hyper["scale"] ** 2)
    covariance = kernel + hyper["noise"] ** 2 * np.eye(len(TIMES))
    factor = np.linalg.cholesky(covariance)
    alpha = np.linalg.solve(factor.T, np.linalg.solve(factor, OBSERVED))
    fit = -0.5 * OBSERVED @ alpha
    return fit - np.log(np.diag(factor)).sum() - 0.5 * len(TIMES) * np.log(2 * np.pi)


@program({"start": normal(303, 3), "transition": normal(304, 3, 3), "emission": normal(305, 3, 4)})
def hidden_markov_model(logits):
    """The forward algorithm with scaling, from unnormalised logarithms."""

    def normalise(a):
        e = np.exp(a)
        return e / e.sum(axis=-1, keepdims=True)

    start, transition, emission = (
        normalise(logits[k]) for k in ("start", "transition", "emission")
    )
    log_likelihood = 0.0
    alpha = None
    for symbol in COUNTS:
        alpha = (
            start * emission[:, symbol]
            if alpha is None
            else (alpha @ transition) * emission[:, symbol]
        )
        scale = alpha.sum()
        alpha = alpha / scale
        log_likelihood += np.log(scale)
    return log_likelihood


@program(
    {"start": normal(306, 3), "transition": normal(307, 3, 3), "emission": normal(308, 3, 4)},
    "positions",
    step=0.004,
)
def most_likely_path(scores):
    """Max-plus recursion with back pointers; the path is integers, the score is not."""
    table = np.zeros((len(COUNTS), 3))
    pointers = np.zeros((len(COUNTS), 3), dtype=int)
    table[0] = scores["start"] + scores["emission"][:, COUNTS[0]]
    for t in range(1, len(COUNTS)):
        candidates = table[t - 1][:, None] + scores["transition"]
        pointers[t] = candidates.argmax(axis=0)
        table[t] = candidates.max(axis=0) + scores["emission"][:, COUNTS[t]]
    path = [int(np.argmax(table[-1]))]
    for t in range(len(COUNTS) - 1, 0, -1):
        path.insert(0, pointers[t][path[0]])
    return np.append(
        table[-1], sum(scores["emission"][state, c] for state, c in zip(path, COUNTS, strict=True))
    )


@dataclass
class StateSpace:
    drift: float
    process: float
    measurement: float
    start: np.ndarray


@program(StateSpace(0.9, 0.3, 0.5, np.array([0.2, -0.1])))
def kalman_filter(model):
    """Two states, one of them measured; some measurements are missing."""
    data = list(OBSERVED)
    data[2] = None
    f = np.array([[1.0, 0.1], [0.0, model.drift]])
    h = np.array([[1.0, 0.0]])
    q = np.eye(2) * model.process**2
    r = model.measurement**2
    x, cov = model.start, np.eye(2)
    log_likelihood = 0.0
    for z in data:
        x = f @ x
        cov = f @ cov @ f.T + q
        if z is None:
            continue
        innovation = z - h @ x
        s = h @ cov @ h.T + r
        gain = cov @ h.T @ np.linalg.inv(s)
        x = x + gain @ innovation
        cov = (np.eye(2) - gain @ h) @ cov
        log_likelihood -= 0.5 * (np.log(2 * np.pi * s[0, 0]) + innovation[0] ** 2 / s[0, 0])
    return log_likelihood


@program(
    {"weights": normal(309, 3), "means": normal(310, 3), "log_scales": normal(311, 3, scale=0.3)}
)
def mixture_likelihood(p):
    def logsumexp(a, axis=-1):
        top = np.max(a, axis=axis, keepdims=True)
        return np.squeeze(
            top + np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True)), axis=axis
        )

    log_weights = p["weights"] - logsumexp(p["weights"])
    z = (RETURNS[:, None] - p["means"]) / np.exp(p["log_scales"])
    log_density = -0.5 * z**2 - p["log_scales"] - 0.5 * np.log(2 * np.pi)
    return logsumexp(log_weights + log_density).sum()


@program((normal(312, 2), 0.2, 0.4))
def autoregressive_moving_average(parameters):
    """ARMA(2, 1): residuals by recursion, conditional likelihood."""
    phi, theta, log_sigma = parameters
    y = RETURNS
    residuals = [0.0, 0.0]
    for t in range(2, len(y)):
        prediction = phi[0] * y[t - 1] + phi[1] * y[t - 2] + theta * residuals[-1]
        residuals.append(y[t] - prediction)
    e = np.array(residuals[2:])
    return -0.5 * np.sum(e**2) / np.exp(2 * log_sigma) - len(e) * log_sigma


@program({"omega": 0.3, "alpha": 0.2, "beta": 0.4, "leverage": 0.1}, step=0.02)
def conditional_variance(p):
    """GARCH with an asymmetric term; the sign of a return is data."""
    variance = np.empty(len(RETURNS))
    variance[0] = p["omega"] / (1 - p["alpha"] - p["beta"])
    for t in range(1, len(RETURNS)):
        shock = RETURNS[t - 1] ** 2
        variance[t] = p["omega"] + p["alpha"] * shock + p["beta"] * variance[t - 1]
        if RETURNS[t - 1] < 0:
            variance[t] += p["leverage"] * shock
    return -0.5 * (np.log(variance) + RETURNS**2 / variance).sum()


@program({"coupling": 0.3, "field": normal(313, 3, 4, scale=0.5)})
def mean_field_of_spins(p):
    """Self-consistent magnetisations on a torus, damped, and the free energy."""
    m = np.tanh(p["field"])
    for _ in range(8):
        neighbours = sum(np.roll(m, s, axis=a) for s in (-1, 1) for a in (0, 1))
        m = 0.5 * m + 0.5 * np.tanh(p["coupling"] * neighbours + p["field"])
    pairs = m * np.roll(m, 1, axis=0) + m * np.roll(m, 1, axis=1)
    up, down = (1 + m) / 2, (1 - m) / 2
    entropy = -(up * np.log(up) + down * np.log(down))
    return -(p["coupling"] * pairs + p["field"] * m + entropy).sum()


@program({"means": np.array([-0.6, 0.7]), "scale": 0.5, "weight": 0.4})
def expectation_maximisation(p):
    mean, scale, weight = p["means"], p["scale"], np.array([p["weight"], 1 - p["weight"]])
    for _ in range(3):
        density = weight * np.exp(-0.5 * ((RETURNS[:, None] - mean) / scale) ** 2) / scale
        share = density / density.sum(axis=1, keepdims=True)
        total = share.sum(axis=0)
        mean = (share * RETURNS[:, None]).sum(axis=0) / total
        scale = np.sqrt((share * (RETURNS[:, None] - mean) ** 2).sum(axis=0) / total)
        weight = total / len(RETURNS)
    return np.concatenate([mean, scale, weight])


@program({"start": 0.3, "width": 0.8}, "branches", step=0.002)
def metropolis_chain(p):
    """A sampler with fixed draws: accepted moves carry the parameters along."""
    rng = np.random.default_rng(11)

    def log_density(x):
        return -0.25 * x**4 + 0.5 * x**2 + 0.2 * x

    x = p["start"]
    samples = []
    for _ in range(12):
        proposal = x + p["width"] * rng.normal()
        if np.log(rng.uniform()) < log_density(proposal) - log_density(x):
            x = proposal
        samples.append(x)
    return np.array([np.mean(samples), np.var(samples)])


@program({"drift": 0.2, "noise": 0.4, "sensor": 0.5}, "positions", step=0.0005)
def particle_filter(p):
    """Bootstrap filter; systematic resampling picks ancestors by a search in running sums."""
    rng = np.random.default_rng(5)
    particles = rng.normal(size=8)
    log_likelihood = 0.0
    for y in OBSERVED[:4]:
        particles = particles + p["drift"] + p["noise"] * rng.normal(size=8)
        weights = np.exp(-0.5 * ((y - particles) / p["sensor"]) ** 2) / p["sensor"]
        log_likelihood = log_likelihood + np.log(weights.mean())
        edges = np.cumsum(weights) / np.sum(weights)
        ancestors = np.searchsorted(edges, (np.arange(8) + rng.uniform()) / 8)
        particles = particles[np.minimum(ancestors, 7)]
    return log_likelihood


@program({"slope": normal(314, 2), "cuts": np.array([-0.5, 0.4, 1.2])})
def ordered_categories(p):
    x = normal(315, 6, 2)
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    edges = np.concatenate(([-40.0], np.sort(p["cuts"]), [40.0]))
    score = x @ p["slope"]
    probability = sigmoid(edges[COUNTS + 1] - score) - sigmoid(edges[COUNTS] - score)
    return -np.log(probability).sum()


@program(np.array([0.3, 0.8]))
def kernel_density(parameters):
    log_width, shift = parameters
    width = np.exp(log_width)

    def kernel(u, h):
        return np.exp(-0.5 * (u / h) ** 2) / (h * np.sqrt(2 * np.pi))

    smooth = partial(kernel, h=width)
    grid = np.linspace(-2, 2, 5) + shift
    density = [reduce(lambda total, r, x=x: total + smooth(x - r), RETURNS, 0.0) for x in grid]
    return np.asarray(density) / len(RETURNS)


@program({"intercept": 0.2, "slopes": normal(316, 2), "dispersion": 0.7})
def poisson_regression_by_scoring(p):
    """Iteratively reweighted least squares, started from the parameters."""
    x = np.column_stack([np.ones(6), normal(317, 6, 2, scale=0.4)])
    beta = np.r_[p["intercept"], p["slopes"]]
    for _ in range(3):
        mean = np.exp(x @ beta)
        working = x @ beta + (COUNTS - mean) / mean
        weighted = x * mean[:, None]
        beta = np.linalg.solve(weighted.T @ x + p["dispersion"] * np.eye(3), weighted.T @ working)
    return beta


@program({"loading": normal(318, 4, 2), "noise": uniform(319, 0.5, 1.0, 4)})
def factor_analysis(p):
    data = normal(320, 6, 4)
    covariance = p["loading"] @ p["loading"].T + np.diag(p["noise"] ** 2)
    sign, log_det = np.linalg.slogdet(covariance)
    inverse = np.linalg.inv(covariance)
    return -0.5 * (len(data) * sign * log_det + np.einsum("ni,ij,nj->", data, inverse, data))
