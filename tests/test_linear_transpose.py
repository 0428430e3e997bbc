"""The transpose of linear functions that hold programs: compiled, checkpointed, loops, systems."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import NotLinearError

M = np.array([[0.3, -0.1, 0.05], [0.2, 0.1, -0.2], [-0.1, 0.25, 0.15]])
FACTORS = np.array([0.5, -2.0, 1.5, 0.25])
C = np.array([1.0, -2.0, 0.5])


def step(y):
    return M @ y + y


def by_scan(x, checkpoint=None):
    def body(y, factor):
        return factor * (M @ y) + x, y[::-1] * factor

    y, ys = wg.scan(body, 2.0 * x, FACTORS, checkpoint=checkpoint)
    return y + np.sum(ys, axis=0)


def by_scan_of_entries(x):
    def body(total, entry):
        return 0.5 * total + entry, total - entry

    return wg.scan(body, 0.0, x)[1]


def by_branch(x):
    return wg.vmap(lambda flag: wg.cond(flag, step, lambda y: 2.0 * y, x))(np.array([True, False]))


LINEAR = {
    "jit": wg.jit(step),
    "jit in jit": wg.jit(lambda x: wg.jit(step)(x) * 2.0 + np.flip(x)),
    "checkpoint": wg.checkpoint(step),
    "scan": by_scan,
    "compiled scan": wg.jit(by_scan),
    "scan in little memory": lambda x: by_scan(x, "sqrt"),
    "scan over entries": by_scan_of_entries,
    "compiled scan over entries": wg.jit(by_scan_of_entries),
    "loop in little memory": lambda x: wg.checkpointed_loop(lambda i, y: step(y), x, 4),
    "branch": lambda x: wg.cond(True, step, np.sin, x),
    "compiled branch": wg.jit(lambda x: wg.cond(FACTORS[0] > 0, step, lambda y: 3.0 * y, x)),
    "branches of examples": by_branch,
    "system": lambda x: wg.linear_solve(lambda u: step(u), x),
    "compiled system": wg.jit(lambda x: wg.linear_solve(lambda u: step(u), 2.0 * x)),
    "vmap": lambda x: wg.vmap(lambda entry: entry * FACTORS)(x),
    "pushforward": lambda x: wg.linearize(wg.jit(lambda y: np.sin(M @ y)), C)[1](x),
    "pushforward of a solution": lambda x: wg.linearize(
        lambda y: wg.fixed_point(lambda z: np.tanh(M @ z) + y, np.zeros(3)), C
    )[1](x),
}


@pytest.mark.parametrize("name", LINEAR)
def test_the_transpose_of_the_matrix(name):
    function = LINEAR[name]
    matrix = np.stack([function(unit) for unit in np.eye(3)], axis=-1)
    transpose = wg.linear_transpose(function, np.zeros(3))
    cotangent = np.arange(1.0, matrix[..., 0].size + 1.0).reshape(matrix.shape[:-1])
    expected = np.tensordot(cotangent, matrix, matrix.ndim - 1)
    np.testing.assert_allclose(transpose(cotangent)[0], expected, rtol=1e-9, atol=1e-12)


NOT_LINEAR = {
    "jit": wg.jit(lambda x: x * x),
    "scan": lambda x: wg.scan(lambda y, _: (y * x, None), x, None, 3, checkpoint="sqrt")[0],
    "system": lambda x: wg.linear_solve(lambda u: u + x * u, np.ones(3)) - 1.0,
    "solution": lambda x: wg.root(lambda z: z**3 + z - x, np.zeros(3)),
    "a constant": wg.jit(lambda x: x + 1.0),
    "a question": wg.jit(lambda x: wg.cond(x[0] > 0, step, lambda y: 2.0 * y, x)),
}


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_what_is_not_linear_is_refused(name):
    with pytest.raises(NotLinearError):
        wg.linear_transpose(NOT_LINEAR[name], np.zeros(3))
