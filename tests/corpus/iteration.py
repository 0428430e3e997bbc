"""Programs of linear algebra that iterate: relaxation, Krylov spaces, powers, sparse matrices."""

from dataclasses import dataclass

import numpy as np

from .registry import definite, dominant, normal, program, uniform


@program((dominant(31, 4), normal(32, 4)))
def jacobi_iteration(system):
    a, b = system
    d = np.diag(a)
    rest = a - np.diagflat(d)
    x = np.zeros_like(b)
    for _ in range(12):
        x = (b - rest @ x) / d
    return x


@program({"A": dominant(33, 4), "b": normal(34, 4)})
def gauss_seidel_iteration(system):
    a, b = system["A"], system["b"]
    x = np.zeros(4)
    for _ in range(8):
        for i in range(4):
            sigma = 0.0
            for j in range(4):
                if j != i:
                    sigma += a[i, j] * x[j]
            x[i] = (b[i] - sigma) / a[i, i]
    return x


@program({"A": definite(35, 4), "b": normal(36, 4), "omega": 1.1})
def successive_over_relaxation(p):
    x = np.zeros(4)
    for _ in range(6):
        for i in range(4):
            row = p["A"][i]
            x[i] += p["omega"] * (p["b"][i] - row @ x) / row[i]
    residual = p["b"] - p["A"] @ x
    return np.append(x, np.sqrt(residual @ residual))


@program({"coefficient": uniform(37, 0.5, 1.5, 6), "source": normal(38, 5)}, "loops", step=0.01)
def conjugate_gradients_without_a_matrix(p):
    """-(k u')' = s by the action of the operator alone, to a tolerance."""
    k = p["coefficient"]

    def apply(u):
        padded = np.pad(u, 1)
        flux = k * (padded[1:] - padded[:-1])
        return flux[:-1] - flux[1:]

    b = p["source"]
    x = np.zeros(5)
    r = b - apply(x)
    direction = r.copy()
    rho = r @ r
    iterations = 0
    while rho > 1e-24 and iterations < 20:
        action = apply(direction)
        alpha = rho / (direction @ action)
        x = x + alpha * direction
        r = r - alpha * action
        rho, before = r @ r, rho
        direction = r + (rho / before) * direction
        iterations += 1
    return x


@program(normal(39, 6, 3))
def principal_component_by_power_iteration(data):
    centred = data - data.mean(axis=0)
    covariance = centred.T @ centred / (len(data) - 1)
    v = np.ones(3) / np.sqrt(3)
    for _ in range(40):
        v = covariance @ v
        v /= np.linalg.norm(v)
    variance = v @ covariance @ v
    return np.array([variance, *(v * v)])


@program(definite(40, 4))
def lanczos_tridiagonalisation(a):
    n = 3
    q = np.zeros((n + 1, 4))
    q[0, 0] = 1.0
    alpha, beta = np.zeros(n), np.zeros(n)
    for j in range(n):
        w = a @ q[j]
        alpha[j] = np.vdot(q[j], w)
        w -= alpha[j] * q[j]
        if j > 0:
            w -= beta[j - 1] * q[j - 1]
        beta[j] = np.sqrt(np.sum(w**2))
        q[j + 1] = w / beta[j]
    return np.stack([alpha, beta])


@dataclass
class CompressedRows:
    """A sparse matrix; the pattern is integers, the values are what is differentiated."""

    values: np.ndarray
    vector: np.ndarray


STARTS = np.array([0, 2, 3, 3, 6])
COLUMNS = np.array([0, 2, 1, 0, 1, 3])


@program(CompressedRows(normal(41, 6), normal(42, 4)))
def sparse_product_by_rows(sparse):
    out = np.zeros(len(STARTS) - 1)
    for row in range(len(out)):
        for k in range(STARTS[row], STARTS[row + 1]):
            out[row] += sparse.values[k] * sparse.vector[COLUMNS[k]]
    return out


@program({"values": normal(43, 6), "x": normal(44, 4)})
def sparse_product_by_scatter(p):
    """Coordinates with duplicates, summed by ``np.add.at`` and by ``np.bincount``."""
    rows = np.array([0, 0, 1, 3, 3, 3])
    products = p["values"] * p["x"][COLUMNS]
    out = np.zeros(4)
    np.add.at(out, rows, products)
    return out * np.bincount(rows, weights=products**2, minlength=4) + out


@program({"links": uniform(45, 0.1, 1.0, 4, 4), "damping": 0.85}, "loops", step=0.01)
def page_rank(p):
    transition = p["links"] / p["links"].sum(axis=0, keepdims=True)
    n = transition.shape[0]
    rank = np.full(n, 1.0 / n)
    change = 1.0
    while change > 1e-15:
        new = p["damping"] * transition @ rank + (1 - p["damping"]) / n
        change = np.abs(new - rank).sum()
        rank = new
    return rank


@program(uniform(46, 0.2, 2.0, 5, 5), "branches", step=0.001)
def floyd_warshall(weights):
    path = weights.copy()
    n = len(path)
    for k in range(n):
        for i in range(n):
            for j in range(n):
                through = path[i, k] + path[k, j]
                if through < path[i, j]:
                    path[i, j] = through
    return path


@program((uniform(47, 0.2, 2.0, 4, 4), 0.3))
def soft_shortest_paths(parameters):
    """The same relaxation with a smooth minimum of temperature t, a whole matrix at a time."""
    path, temperature = parameters
    for k in range(path.shape[0]):
        through = path[:, k, None] + path[None, k, :]
        path = -temperature * np.logaddexp(-path / temperature, -through / temperature)
    return path


@program(uniform(48, 0.5, 2.0, 3, 4))
def sinkhorn_normalisation(costs):
    log_plan = -costs / 0.5
    for _ in range(10):
        log_plan = log_plan - np.log(np.exp(log_plan).sum(axis=1, keepdims=True))
        log_plan = log_plan - np.log(np.exp(log_plan).sum(axis=0, keepdims=True))
    plan = np.exp(log_plan)
    return np.einsum("ij,ij->", plan, costs)


@program({"matrix": definite(49, 3)})
def qr_algorithm_for_eigenvalues(p):
    a = (p["matrix"] + p["matrix"].T) / 2
    for _ in range(60):
        q, r = np.linalg.qr(a)
        a = r @ q
    return np.diag(a)


@program(definite(50, 3))
def jacobi_eigenvalues(matrix):
    """Cyclic Jacobi rotations; three sweeps suffice for a matrix of this size."""
    a = (matrix + matrix.T) / 2
    for _ in range(5):
        for p in range(2):
            for q in range(p + 1, 3):
                angle = 0.5 * np.arctan2(2 * a[p, q], a[q, q] - a[p, p])
                rotation = np.eye(3)
                rotation[p, p] = rotation[q, q] = np.cos(angle)
                rotation[p, q] = np.sin(angle)
                rotation[q, p] = -rotation[p, q]
                a = rotation.T @ a @ rotation
    return np.sort(np.diagonal(a))
