"""Indexed reads and writes in kernels: every kind of index, in place, bounds checked as NumPy's."""

import numpy as np
import pytest

import wengert as wg
from native.programs import same
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.arrange import arrange
from wengert.ir.aval import Aval
from wengert.passes.memory import plan_memory

X = np.random.default_rng(0).standard_normal((6, 7, 5))
KEYS = {
    "integer": 2,
    "from the end": (-1, -2),
    "stepped": (slice(None, None, 2), slice(1, None, 3)),
    "reversed": (slice(None, None, -1), Ellipsis, slice(-1, 0, -2)),
    "array": np.array([3, 0, -1, 3]),
    "list in the middle": (slice(None), [1, 1, 6], slice(1, 4)),
    "two arrays": (np.array([0, 5, 2]), slice(None), np.array([4, 0, 0])),
    "arrays side by side": (slice(None), np.array([[0], [5]]), np.array([4, 0])),
    "array and integer": (np.array([0, 5]), 3),
    "array and integer apart": (np.array([0, 5]), slice(None), 3),
    "new axes": (None, np.array([0, 5]), None, slice(None)),
    "mask": X > 0.5,
    "mask of rows": X[:, 0, 0] > 0,
    "nothing": np.zeros(0, int),
}


def run(function, *args):
    program = wg.trace(function)(*args)
    native = compile_program(program)
    return native, native(*args), program.evaluate(*args)


def put(x, key, value, add):
    z = np.copy(x)
    if add:
        z[key] += value
    else:
        z[key] = value
    return z


@pytest.mark.parametrize("name", KEYS)
def test_every_kind_of_index_reads_writes_and_adds(name):
    key = KEYS[name]
    values = X[key] * 2

    def function(x, v):
        return [2 * x[key], put(x, key, v, False), put(x, key, v, True), put(x, key, 0.5, False)]

    native, found, expected = run(function, X, values)
    assert not native.called_back
    for one, other in zip(found, expected, strict=True):
        same(one, other)


def test_an_entry_that_is_named_twice_is_added_to_twice():
    key = np.array([1, 1, 1, 0])
    gradient = wg.grad(lambda x: np.sum(x[key] ** 2))
    native, found, _ = run(gradient, np.arange(3.0))
    assert not native.called_back
    np.testing.assert_array_equal(found[0], [0.0, 6.0, 0.0])


@pytest.mark.parametrize("place", [3, -7, 12, -1, 0])
def test_computed_indices_are_checked_as_numpys(place):
    x = np.arange(10.0)
    program = wg.trace(lambda x, i: [np.take(x, i), np.take(2 * x, i + 1) * x])(x, place)
    native = compile_program(program)
    assert not native.called_back
    if -10 <= place < 9:
        for one, other in zip(native(x, place), program.evaluate(x, place), strict=True):
            same(one, other)
    else:
        with pytest.raises(IndexError, match="out of bounds"):
            native(x, place)


def test_computed_indices_of_entries_and_rows_that_are_written():
    x = np.arange(12.0).reshape(4, 3)

    def function(x, i, rows):
        z = np.copy(x)
        z[i, 1] = 100.0
        z[rows] += x[i]
        return z

    rows = np.array([0, -1, 0])
    native, found, expected = run(function, x, 2, rows)
    assert not native.called_back
    same(found[0], expected[0])


def test_writes_are_in_place_where_nobody_reads_what_was_there():
    n = 4000

    def fill(x):
        z = np.zeros(n)
        z[0] = x[0]
        for i in range(1, 20):
            z[i] = 0.5 * z[i - 1] + x[i]
        return z

    x = np.arange(float(n))
    native, found, expected = run(fill, x)
    same(found[0], expected[0])
    assert native.workspace < 8 * n  # no second array of this size


def test_what_is_read_later_is_not_overwritten():
    def function(x):
        a = x * 2
        b = np.copy(a)
        b[3] = 100.0
        c = np.copy(b)
        c[4] = -1.0
        return np.sum(a) + np.sum(b) * np.sum(c), a[3], b

    _, found, expected = run(function, np.arange(30.0))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)


def test_running_sums_and_products_are_numpys_to_the_bit():
    x = np.random.default_rng(1).uniform(0.5, 1.5, (4, 30, 3))

    def function(x):
        found = [np.cumsum(x, axis) for axis in (0, 1, 2, None)]
        return [*found, np.cumprod(x, 1), np.cumsum((x * 2)[::-1], 0) * x]

    native, found, expected = run(function, x)
    assert not native.called_back
    for one, other in zip(found, expected, strict=True):
        same(one, other)


class Step:
    def __init__(self, reads, writes, reuses=()):
        self.reads, self.writes, self.reuses = reads, writes, reuses


def variables(count):
    from wengert.ir.equation import Variable

    return [Variable(Aval((10,), np.float64)) for _ in range(count)]


def test_memory_is_handed_on_and_never_shared_by_living_arrays():
    a, b, c, d, e = variables(5)
    steps = [Step([a], [b]), Step([b], [c]), Step([b, c], [d]), Step([d], [e])]
    plan = plan_memory([a], [e], steps, lambda variable: 100)
    assert plan.outputs == {e: 0}
    assert plan.workspace == 3 * 128
    steps = [Step([a], [b]), Step([b], [c]), Step([c], [d]), Step([d], [e])]
    plan = plan_memory([a], [e], steps, lambda variable: 100)
    assert plan.workspace == 2 * 128
    assert plan.offsets[b] == plan.offsets[d] != plan.offsets[c]


def test_memory_is_taken_over_by_the_last_reader_only():
    a, b, c, d = variables(4)
    steps = [Step([a], [b]), Step([b], [c], [(c, b)]), Step([c], [d], [(d, c)])]
    plan = plan_memory([a], [d], steps, lambda variable: 100)
    assert plan.outputs == {b: 0, c: 0, d: 0}
    assert plan.workspace == 0
    steps = [Step([a], [b]), Step([b], [c], [(c, b)]), Step([b, c], [d], [(d, c)])]
    plan = plan_memory([a], [d], steps, lambda variable: 100)
    assert plan.taken_over == {d: c}
    steps = [Step([a], [b], [(b, a)])]
    assert not plan_memory([a], [b], steps, lambda variable: 100).taken_over


def test_steps_of_a_program_run_in_the_order_of_its_guards():
    program = wg.trace(lambda x: np.sum(x * 2) + 1)(np.ones(30))
    assert [type(step).__name__ for step in arrange(program)] == ["KernelStep", "ScalarEquation"]
