"""``vmap``: axes and trees, nesting with every transformation, writes, indices, and its errors."""

import threading

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError, BatchingError, TracedWriteError

A = np.arange(12.0).reshape(3, 4) / 5
SQUARES = np.random.default_rng(0).normal(size=(5, 3, 3))
SQUARES = SQUARES @ SQUARES.swapaxes(1, 2) + np.eye(3)


def loop(function, *columns):
    return np.stack([function(*row) for row in zip(*columns, strict=True)])


def close(found, expected, tolerance=1e-12):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def objective(x):
    return np.sum(np.sin(x) * np.where(x > 1, x**2, np.exp(x)))


# ------------------------------------------------------------------ axes and trees


def test_axes_of_arguments_and_results():
    close(wg.vmap(np.sum)(A), A.sum(1))
    close(wg.vmap(np.sum, in_axes=1)(A), A.sum(0))
    close(wg.vmap(np.sum, in_axes=-2)(A), A.sum(1))
    close(wg.vmap(lambda x: 2 * x, in_axes=-1, out_axes=-1)(A), 2 * A)
    close(wg.vmap(lambda x: 2 * x, in_axes=1)(A), 2 * A.T)
    close(wg.vmap(lambda x: np.outer(x, x), out_axes=1)(A), np.einsum("bi,bj->ibj", A, A))


def test_trees_of_axes():
    def function(params, x):
        return {"y": params["w"] * x + params["b"], "parts": (params["w"], 1.0)}

    params = {"w": A.T, "b": np.array([10.0, 20.0, 30.0])}
    found = wg.vmap(function, in_axes=({"w": 1, "b": 0}, None), out_axes={"y": 1, "parts": 0})(
        params, A[0]
    )
    close(found["y"], (A * A[0] + params["b"][:, None]).T)
    close(found["parts"][0], A)
    close(found["parts"][1], np.ones(3))


def test_what_does_not_depend_on_the_example():
    table = np.array([1.0, 2.0])
    found = wg.vmap(lambda x, t: (x, t, 3.0, np.arange(2)), in_axes=(0, None))(A, table)
    close(found[1], np.tile(table, (3, 1)))
    close(found[2], np.full(3, 3.0))
    assert found[3].dtype == np.arange(2).dtype
    assert found[1].flags.writeable
    once = wg.vmap(lambda x, t: (x, t), in_axes=(0, None), out_axes=(0, None))(A, table)
    close(once[1], table)
    close(wg.vmap(lambda: np.ones(2), axis_size=3)(), np.ones((3, 2)))


def test_keyword_arguments_are_mapped_over_axis_0():
    found = wg.vmap(lambda x, *, scale, flag=None: x * scale)(A, scale=np.array([1.0, 2.0, 3.0]))
    close(found, A * np.array([[1.0], [2.0], [3.0]]))


def test_scalars_and_kinds_are_those_of_the_loop():
    seen = []

    def function(x, i):
        seen.append((isinstance(x, np.float64), isinstance(i, np.integer), x.shape))
        x += 1.0  # a scalar is rebound
        return x * i

    close(wg.vmap(function)(A[:, 0], np.arange(3)), (A[:, 0] + 1) * np.arange(3))
    assert seen == [(True, True, ())]
    assert wg.vmap(lambda x: x * 2.0)(A.astype(np.float32)).dtype == np.float32


def test_no_example_and_one_example():
    assert wg.vmap(lambda x: np.sort(x) @ np.ones(4))(np.zeros((0, 4))).shape == (0,)
    close(wg.vmap(objective)(A[:1]), [objective(A[0])])


def test_results_do_not_share_memory_with_arguments():
    x = A.copy()
    found = wg.vmap(lambda row: row)(x)
    found[:] = 0.0
    close(x, A)


# ------------------------------------------------------------------ nesting


def test_nested():
    outer = wg.vmap(wg.vmap(lambda x, y: x * y + objective(A[0]), (None, 0)), (0, None))
    close(outer(A[:, 0], A[0]), np.outer(A[:, 0], A[0]) + objective(A[0]))
    matmul = wg.vmap(wg.vmap(np.dot, (None, 1)), (0, None))
    close(matmul(A, A.T), A @ A.T)
    close(
        wg.vmap(wg.vmap(np.linalg.solve, (0, None)), (None, 0))(SQUARES, A[:, :3]),
        np.stack(
            [np.linalg.solve(SQUARES, np.tile(b, (5, 1))[..., None])[..., 0] for b in A[:, :3]]
        ),
    )


@pytest.mark.parametrize("derivative", [wg.grad, wg.jacfwd, wg.jacrev, wg.hessian])
def test_derivatives_of_each_example(derivative):
    close(wg.vmap(derivative(objective))(A), loop(derivative(objective), A))


def test_derivatives_through_vmap():
    batched = wg.vmap(objective)
    weights = np.array([1.0, -2.0, 0.5])
    expected = weights[:, None] * loop(wg.grad(objective), A)
    close(wg.grad(lambda x: batched(x) @ weights)(A), expected)
    value, tangent = wg.jvp(batched, (A,), (np.ones_like(A),))
    close(value, batched(A))
    close(tangent, loop(wg.grad(objective), A).sum(1))
    _, pushforward = wg.linearize(batched, A)
    close(pushforward(np.ones_like(A)), tangent)
    hessian = wg.hessian(lambda x: batched(x) @ weights)(A)
    blocks = weights[:, None, None] * loop(wg.hessian(objective), A)
    close(hessian[np.arange(3), :, np.arange(3)], blocks)
    assert not np.any(hessian[0, :, 1])


def test_jvp_and_vjp_inside():
    def push(x, v):
        return wg.jvp(objective, (x,), (v,))[1]

    close(wg.vmap(push)(A, A), loop(push, A, A))
    close(wg.vmap(push, (None, 0))(A[0], A), loop(lambda v: push(A[0], v), A))
    _, pull = wg.vjp(np.sin, A[0])
    close(wg.vmap(lambda g: pull(g)[0])(A), A * np.cos(A[0]))


def test_staged():
    program = wg.trace(wg.vmap(wg.grad(objective)))(A)
    close(program.evaluate(A)[0], loop(wg.grad(objective), A))
    inner = wg.vmap(lambda x: wg.eval_shape(objective, x) and objective(x))
    close(inner(A), wg.vmap(objective)(A))


# ------------------------------------------------------------------ writes, views, creation


def fill(x):
    y = np.zeros(4)
    for i in range(3):
        y[i + 1] = y[i] + x[i] ** 2
    row = y[1:]
    row *= x[1]
    y[::2] -= np.array([x[0], x[3]])
    return y


def test_fresh_buffers_filled_and_views_written():
    close(wg.vmap(fill)(A), loop(fill, A))
    function = wg.grad(lambda x: np.sum(fill(x)))
    close(wg.vmap(function)(A), loop(function, A))


def test_arguments_that_are_written():
    def function(x, y):
        x[1:] = y[:3] * 2.0
        x[0] += 1.0
        return x.sum()

    x, y = A.copy(), A[:, ::-1].copy()
    rows = A.copy()
    expected = np.stack([function(row, other) for row, other in zip(rows, y, strict=True)])
    close(wg.vmap(function)(x, y), expected)
    close(x, rows)
    columns = np.asfortranarray(A.T)
    close(wg.vmap(function, in_axes=(1, 0))(columns, y), expected)
    close(columns, rows.T)


def test_a_write_is_not_made_where_the_function_fails():
    def function(x):
        x[0] = 1.0
        raise RuntimeError("half-way")

    x = A.copy()
    with pytest.raises(RuntimeError, match="half-way"):
        wg.vmap(function)(x)
    close(x, A)
    close(wg.vmap(np.sum)(A), A.sum(1))


def test_writes_inside_a_derivative_reach_the_array_outside():
    def double(row):
        row *= 2.0

    def total(x):
        x = np.array(x)
        wg.vmap(double)(x)
        return np.sum(x**2)

    close(wg.grad(total)(A), 8.0 * A)


def test_an_argument_held_fixed_cannot_take_what_differs():
    def function(x, table):
        table[0] = x[0]
        return x

    with pytest.raises(ArgumentError, match="in_axes=None was written"):
        wg.vmap(function, in_axes=(0, None))(A, np.zeros(3))

    def same(x, table):
        table[0] = 5.0
        return x + table[0]

    table = np.zeros(3)
    close(wg.vmap(same, in_axes=(0, None))(A, table), A + 5.0)
    close(table, [5.0, 0.0, 0.0])


def test_a_traced_write_into_a_plain_argument_is_an_error():
    buffer = np.zeros((3, 4))

    def function(x):
        def write(row, target):
            target[:] = row

        wg.vmap(write)(x, buffer)
        return np.sum(x)

    with pytest.raises(TracedWriteError, match=r"A = np.array\(A\)"):
        wg.grad(function)(A)
    assert not buffer.any()


# ------------------------------------------------------------------ indices


def test_indices_that_differ_between_examples():
    places = np.array([1, 3, 0])
    close(wg.vmap(lambda x, i: x[i] * x[0])(A, places), A[np.arange(3), places] * A[:, 0])
    close(wg.vmap(lambda i, t: t[i], (0, None))(np.array([2, 0]), A), A[[2, 0]])
    cube = np.arange(24.0).reshape(2, 3, 4)

    def several(x, i, j):
        return x[i], x[:, j], x[i, 1:][j], x[1:, [0, 1], i], x[[0, 1], :, j], x[:, None, i]

    for k, found in enumerate(wg.vmap(several, (None, 0, 0))(cube, places % 2, places % 3)):
        rows = [several(cube, i, j)[k] for i, j in zip(places % 2, places % 3, strict=True)]
        close(found, np.stack(rows))


def test_writes_at_indices_that_differ():
    def function(x, i):
        y = np.array(x)
        y[i] = x[0]
        row = y[i:] if isinstance(i, int) else y[1:]
        row[i] *= 3.0
        y[[i, 0, i]] = np.array([7.0, x[1], x[2]])
        np.add.at(y, [i, i], 0.5)
        return y

    places = np.array([1, 2, 0])
    close(wg.vmap(function)(A, places), loop(lambda x, i: function(x, np.intp(i)), A, places))
    gradient = wg.grad(lambda x, i: np.sum(np.sin(function(x, i))))
    close(wg.vmap(gradient)(A, places), loop(lambda x, i: gradient(x, np.intp(i)), A, places))


def test_masks_and_searches():
    def function(x):
        y = np.array(x)
        y[x > 1.0] = 0.5
        y[x < 0.7] += x[0]
        order = np.argsort(-y)
        return y[order] * x[np.argmax(x)] + np.take(x, np.argmin(y)), np.any(x > 2.0)

    found = wg.vmap(function)(A)
    close(found[0], loop(lambda x: function(x)[0], A))
    assert found[1].tolist() == [bool(function(x)[1]) for x in A]


def test_statistics_and_linear_algebra():
    def function(m):
        values, vectors = np.linalg.eigh(m)
        spread = np.median(m) + np.quantile(m, 0.3, axis=0) + np.nanmean(m)
        return np.linalg.norm(m, axis=0) + values * np.abs(vectors[0]) + spread

    close(wg.vmap(function)(SQUARES), loop(function, SQUARES))
    gradient = wg.grad(lambda m, b: np.sum(np.linalg.solve(m, b)))
    b = np.ones((5, 3))
    close(wg.vmap(gradient)(SQUARES, b), loop(gradient, SQUARES, b), 1e-10)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: wg.vmap(lambda x: x if x[0] > 1 else -x)(A), r"test_vmap.py:\d+.*wengert.cond"),
        (lambda: wg.vmap(lambda i: A[i])(np.arange(2)), r"numpy.take\(array, i, axis=0\)"),
        (lambda: wg.vmap(lambda x: x[x > 1])(A), "numpy.where.mask, value, x."),
        (lambda: wg.vmap(lambda x: range(int(x[0])))(A), "differs between the examples"),
        (lambda: wg.grad(lambda x: wg.vmap(lambda r: r if r[0] > 1 else -r)(x).sum())(A), "cond"),
    ],
)
def test_values_that_differ_cannot_be_asked_for(run, message):
    with pytest.raises(BatchingError, match=message):
        run()
    close(wg.vmap(np.sum)(A), A.sum(1))  # nothing is left behind


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: wg.vmap(3), "takes a function"),
        (
            lambda: wg.vmap(lambda x, y: x)(A, {"a": np.ones(4)}),
            r"argument 0 has 3 along axis 0, argument 1\['a'\] has 4 along axis 0",
        ),
        (lambda: wg.vmap(np.sum, axis_size=2)(A), "axis_size=2 was asked for"),
        (lambda: wg.vmap(np.sum)(2.0), "which is 2.0 .float. and has no axes"),
        (lambda: wg.vmap(np.sum, in_axes=2)(A), r"axis 2 of argument 0, which has the shape"),
        (lambda: wg.vmap(np.sum, in_axes=(0, 0))(A), "in_axes has 2 entries"),
        (lambda: wg.vmap(lambda: 1.0)(), "nothing to map over"),
        (lambda: wg.vmap(lambda d: 1.0, ({"a": 0},))({"a": A, "b": A}), "does not fit"),
        (lambda: wg.vmap(np.sum, in_axes="x")(A), "an axis is an int, or None"),
        (lambda: wg.vmap(np.sum, out_axes=1)(A), "out_axes holds 1"),
        (lambda: wg.vmap(np.sum, out_axes=None)(A), "out_axes=None was given"),
        (lambda: wg.vmap(lambda x: "text")(A), "cannot be stacked"),
        (lambda: wg.vmap(lambda x: x)(np.array(["a", "b"])), "dtype <U1"),
        (lambda: wg.vmap(np.sum, axis_size=-1), "axis_size is a number"),
    ],
)
def test_wrong_arguments(run, message):
    with pytest.raises(ArgumentError, match=message):
        run()


def test_threads():
    results = {}

    def work(k):
        results[k] = wg.vmap(wg.grad(objective))(A + k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        close(results[k], loop(wg.grad(objective), A + k))


def test_a_leaked_value_says_so():
    leaked = []
    wg.vmap(lambda x: leaked.append(x) or x)(A)
    with pytest.raises(wg.errors.LeakedArrayError, match="was used after"):
        leaked[0] + 1.0


def test_indices_by_shape_alone():
    tables = np.arange(18.0).reshape(2, 3, 3)
    for function in (
        lambda x: x[np.diag_indices_from(x)],
        lambda x: x[np.tril_indices_from(x)],
        lambda x: x[np.triu_indices_from(x, 1)],
        lambda x: x * np.ones(1, np.common_type(x)),
    ):
        expected = np.stack([function(table) for table in tables])
        np.testing.assert_array_equal(wg.vmap(function)(tables), expected)


def test_rounding_of_numbers_is_that_of_each_example():
    x = np.array([0.5, 1.5, -2.5, 2.675, -0.0, 1e15 + 0.5])
    for digits in (None, 0, 2, -1):
        expected = np.array([round(entry, digits) for entry in x])
        found = wg.vmap(lambda e, d=digits: round(e, d))(x)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
        nested = wg.vmap(wg.vmap(lambda e, d=digits: round(e, d)))(np.stack([x, 2 * x]))
        np.testing.assert_array_equal(nested[0], expected)
        np.testing.assert_array_equal(wg.jit(wg.vmap(lambda e, d=digits: round(e, d)))(x), expected)
    for wrong in (np.nan, np.inf):
        with pytest.raises((ValueError, OverflowError)):
            wg.vmap(round)(np.array([1.0, wrong]))
