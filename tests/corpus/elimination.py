"""Programs of linear algebra by hand: factorisations, triangular solves, orthogonalisation."""

import numpy as np

from .registry import definite, dominant, normal, program, uniform


@program(dominant(1, 4))
def lu_by_loops(matrix):
    a = matrix.copy()
    n = a.shape[0]
    for k in range(n - 1):
        for i in range(k + 1, n):
            a[i, k] = a[i, k] / a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    return a


@program({"A": normal(2, 4, 4), "b": normal(3, 4)}, "branches", "positions", step=0.004)
def solve_with_partial_pivoting(system):
    """Row swaps are chosen by value and made by tuple assignment of rows."""
    a = np.array(system["A"])
    b = np.array(system["b"])
    n = len(b)
    for k in range(n):
        pivot = k + int(np.argmax(np.abs(a[k:, k])))
        if pivot != k:
            a[[k, pivot]] = a[[pivot, k]]
            b[k], b[pivot] = b[pivot], b[k]
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            a[i, k:] -= factor * a[k, k:]
            b[i] -= factor * b[k]
    x = np.zeros(n)
    for i in reversed(range(n)):
        x[i] = (b[i] - np.dot(a[i, i + 1 :], x[i + 1 :])) / a[i, i]
    return x


@program(definite(4, 4))
def cholesky_by_loops(a):
    n = len(a)
    factor = np.zeros_like(a)
    for i in range(n):
        for j in range(i + 1):
            total = a[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            factor[i, j] = np.sqrt(total) if i == j else total / factor[j, j]
    return factor


@program(definite(5, 4))
def cholesky_in_place(matrix):
    """The form of the benchmark suites: the lower triangle is overwritten."""
    a = np.array(matrix)
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            a[i, j] -= np.dot(a[i, :j], a[j, :j])
            a[i, j] /= a[j, j]
        a[i, i] -= np.dot(a[i, :i], a[i, :i])
        a[i, i] = np.sqrt(a[i, i])
    return np.tril(a)


@program((dominant(6, 4), normal(7, 4)))
def triangular_solves(parameters):
    matrix, right = parameters
    n = right.size
    lower, upper = np.tril(matrix, -1), np.triu(matrix)
    y = np.empty(n)
    for i in range(n):
        y[i] = right[i]
        for j in range(i):
            y[i] -= lower[i, j] * y[j]
    x = np.empty(n)
    for i in range(n - 1, -1, -1):
        x[i] = y[i]
        for j in range(i + 1, n):
            x[i] -= upper[i, j] * x[j]
        x[i] /= upper[i, i]
    return x


@program(normal(8, 5, 3))
def gram_schmidt(vectors):
    q = np.zeros_like(vectors)
    r = np.zeros((vectors.shape[1], vectors.shape[1]))
    for j in range(vectors.shape[1]):
        v = vectors[:, j]
        for i in range(j):
            r[i, j] = q[:, i] @ vectors[:, j]
            v = v - r[i, j] * q[:, i]
        r[j, j] = np.linalg.norm(v)
        q[:, j] = v / r[j, j]
    return np.concatenate([q.ravel(), r[np.triu_indices(3)]])


@program(normal(9, 4, 3), step=0.02)
def modified_gram_schmidt(matrix):
    """Columns are views that are worked on where they lie."""
    a = matrix.copy()
    norms = []
    for k, column in enumerate(a.T):
        norms.append(np.sqrt((column**2).sum()))
        column /= norms[-1]
        for other in a.T[k + 1 :]:
            other -= (column * other).sum() * column
    return np.vstack([a, norms])


@program(normal(10, 4, 3), "branches")
def householder_qr(a):
    r = a.copy()
    m, n = r.shape
    q = np.eye(m)
    for k in range(n):
        x = r[k:, k]
        sign = -1.0 if x[0] < 0 else 1.0
        v = x.copy()
        v[0] += sign * np.sqrt(np.sum(x * x))
        v = v / np.linalg.norm(v)
        r[k:, k:] -= 2.0 * np.outer(v, v @ r[k:, k:])
        q[:, k:] -= 2.0 * np.outer(q[:, k:] @ v, v)
    return q @ np.diag([1.0, 2.0, 3.0, 4.0]) @ q.T + r @ r.T


@program(normal(11, 3, 3))
def givens_rotations(matrix):
    r = matrix.copy()
    rows, columns = r.shape
    for j in range(columns):
        for i in range(rows - 1, j, -1):
            radius = np.hypot(r[i - 1, j], r[i, j])
            c, s = r[i - 1, j] / radius, r[i, j] / radius
            rotation = np.array([[c, s], [-s, c]])
            r[i - 1 : i + 1, :] = rotation @ r[i - 1 : i + 1, :]
    return np.triu(r)


@program(
    {
        "lower": normal(12, 5),
        "diagonal": 4 + uniform(13, 0, 1, 6),
        "upper": normal(14, 5),
        "right": normal(15, 6),
    }
)
def thomas_algorithm(system):
    a, b, c, d = (system[name] for name in ("lower", "diagonal", "upper", "right"))
    n = len(d)
    c_ = np.zeros(n - 1)
    d_ = np.zeros(n)
    c_[0] = c[0] / b[0]
    d_[0] = d[0] / b[0]
    for i in range(1, n):
        w = b[i] - a[i - 1] * c_[i - 1]
        if i < n - 1:
            c_[i] = c[i] / w
        d_[i] = (d[i] - a[i - 1] * d_[i - 1]) / w
    x = np.zeros(n)
    x[-1] = d_[-1]
    for i in range(n - 2, -1, -1):
        x[i] = d_[i] - c_[i] * x[i + 1]
    return x


@program(np.array([0.5, -0.3, 0.2, 0.1, -0.15]), step=0.02)
def durbin(r):
    """Yule–Walker equations of a Toeplitz matrix by Durbin's recursion."""
    n = len(r)
    y = np.empty_like(r)
    y[0] = -r[0]
    alpha = -r[0]
    beta = 1.0
    for k in range(1, n):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.dot(np.flip(r[:k]), y[:k])) / beta
        y[:k] += alpha * np.flip(y[:k])
        y[k] = alpha
    return y


@program(dominant(16, 3))
def gauss_jordan_inverse(matrix):
    n = matrix.shape[0]
    work = np.hstack((matrix, np.eye(n)))
    for k in range(n):
        work[k] /= work[k, k]
        for i in range(n):
            if i == k:
                continue
            work[i] -= work[i, k] * work[k]
    return work[:, n:]


@program(normal(17, 4, 4))
def determinant_by_cofactors(matrix):
    def determinant(m):
        if m.shape == (1, 1):
            return m[0, 0]
        total = 0.0
        for j in range(m.shape[1]):
            minor = np.delete(np.delete(m, 0, axis=0), j, axis=1)
            total += (-1) ** j * m[0, j] * determinant(minor)
        return total

    return determinant(matrix)


@program(normal(18, 3, 3, scale=0.4))
def exponential_by_scaling_and_squaring(a):
    squarings = 3
    scaled = a / 2**squarings
    term = np.eye(3)
    total = np.eye(3)
    for k in range(1, 10):
        term = term @ scaled / k
        total += term
    for _ in range(squarings):
        total = total @ total
    return total


@program((definite(19, 4), normal(20, 4)))
def ldl_solve(parameters):
    matrix, b = parameters
    a = (matrix + matrix.T) / 2
    n = len(b)
    lower, d = np.eye(n), np.zeros(n)
    for j in range(n):
        d[j] = a[j, j] - np.sum(lower[j, :j] ** 2 * d[:j])
        for i in range(j + 1, n):
            lower[i, j] = (a[i, j] - np.sum(lower[i, :j] * lower[j, :j] * d[:j])) / d[j]
    x = b.copy()
    for i in range(n):
        x[i] -= lower[i, :i] @ x[:i]
    x /= d
    for i in range(n)[::-1]:
        x[i] -= lower[i + 1 :, i] @ x[i + 1 :]
    return np.append(x, np.log(d).sum())


@program({"roots": np.array([0.4, -1.1, 1.7]), "x": 0.3})
def newton_form_of_a_polynomial(parameters):
    """Divided differences, in a table that overwrites itself from the end."""
    nodes = parameters["roots"]
    coefficients = np.exp(-nodes) + nodes**2
    n = len(nodes)
    for level in range(1, n):
        for i in range(n - 1, level - 1, -1):
            coefficients[i] = (coefficients[i] - coefficients[i - 1]) / (
                nodes[i] - nodes[i - level]
            )
    value = coefficients[-1]
    for i in range(n - 2, -1, -1):
        value = value * (parameters["x"] - nodes[i]) + coefficients[i]
    return value
