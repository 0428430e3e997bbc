"""Branches and loops as native code: the values of the straight evaluator, without call-backs."""

import random
import signal
import time
import tracemalloc

import numpy as np
import pytest

import wengert as wg
from native.fences import same_on_fenced_memory
from native.programs import same
from wengert.backends.llvm import compile_program
from wengert.compile import optimise

ARRAY = np.array([0.5, -1.0, 2.0])
MATRIX = np.arange(9.0).reshape(3, 3) / 10 + np.eye(3)


def root(a):
    return wg.while_loop(lambda x: (x * x - a) ** 2 > 1e-20, lambda x: 0.5 * (x + a / x), a)


def power(n, x):
    return wg.fori_loop(0, n, lambda i, p: p * x + i, 1.0)


def decreasing(n):
    return wg.while_loop(
        lambda state: state[0] > 0, lambda state: (state[0] - 1, state[1] * 3, state[0]), (n, 1, 0)
    )


def choice(i, x):
    return wg.switch(i, [lambda x: x * 2.0, lambda x: (x + 1.0) * x, lambda x: -x], x)


def several(x):
    return wg.cond(
        np.sum(x) > 0, lambda x: (x + 1.0, 2.0 * x[0]), lambda x: (MATRIX @ x, x[1] * 1.0), x
    )


def running(xs):
    return wg.scan(lambda c, x: (c + x, c * x), 0.0, xs)


def backwards(xs):
    return wg.scan(lambda c, x: (2.0 * c + x, (c, x)), 1.0, xs, reverse=True)


def swapping(x, y):
    return wg.scan(lambda c, t: ((c[1], c[0] * t), c[0]), (x, y), np.arange(1.0, 5.0))


def repeated(x, y):
    return wg.fori_loop(0, 5, lambda i, c: (c[1], c[1], c[2] + c[0]), (x, y, x))


def matrices(x):
    return wg.scan(lambda c, row: (MATRIX @ c + row, np.sum(c)), x, np.ones((4, 3)))


def nested(x):
    def outer(i, total):
        inner = wg.while_loop(lambda s: s < 10.0, lambda s: s * 2.0 + total * 0.0, x)
        return wg.cond(inner > 12.0, lambda t: t + inner, lambda t: t - 1.0, total)

    return wg.fori_loop(0, 4, outer, 0.0)


def constant_result(x):
    return wg.fori_loop(0, 3, lambda i, c: (1.0, c[0], x), (0.0, 5.0, x))


def captured(x, y):
    return wg.scan(lambda c, t: (c * y + t, c), x, np.arange(6.0).reshape(2, 3))


def empty(xs):
    return wg.scan(lambda c, x: (c + np.sum(x), c), 2.0, xs, length=None)


CASES = [
    (root, (2.0,)),
    (power, (7, 1.1)),
    (power, (0, 1.1)),
    (decreasing, (5,)),
    (choice, (0, 1.5)),
    (choice, (1, 1.5)),
    (choice, (2, ARRAY)),
    (choice, (9, 1.5)),
    (choice, (-3, ARRAY)),
    (several, (ARRAY,)),
    (several, (-ARRAY,)),
    (running, (ARRAY,)),
    (running, (np.arange(5),)),
    (backwards, (ARRAY,)),
    (swapping, (ARRAY, -2 * ARRAY)),
    (swapping, (1.5, 2.5)),
    (repeated, (ARRAY, MATRIX[0])),
    (repeated, (1.5, 2.5)),
    (matrices, (ARRAY,)),
    (nested, (1.5,)),
    (constant_result, (ARRAY,)),
    (captured, (ARRAY, 2.0)),
    (empty, (np.zeros((0, 3)),)),
]


def straight_and_native(function, args):
    program = wg.trace(function)(*args)
    native = compile_program(program)
    return program.evaluate(*args), native(*args), native


@pytest.mark.parametrize("index", range(len(CASES)))
def test_values(index):
    function, args = CASES[index]
    before = [np.array(value) for value in args]
    expected, found, native = straight_and_native(function, args)
    for one, other in zip(found, expected, strict=True):
        same(one, other, 4 if function in (several, matrices) else 0)
    assert native.called_back == ()
    for value, copy in zip(args, before, strict=True):
        np.testing.assert_array_equal(value, copy)


@pytest.mark.parametrize("function", [running, backwards, matrices, swapping])
def test_derivatives(function):
    args = (ARRAY, -2 * ARRAY) if function is swapping else (ARRAY,)

    def total(*args):
        return sum(np.sum(leaf) for leaf in wg.tree.leaves(function(*args)))

    expected, found, _ = straight_and_native(wg.grad(total), args)
    for one, other in zip(found, expected, strict=True):
        same(one, other, 8)


def test_a_derivative_that_keeps_the_counter():
    """The pullback of an indexed read in a loop needs the loop's integer again."""

    def function(x):
        return np.sum(wg.fori_loop(0, 4, lambda k, c: c + x[k] * c[::-1], x[:3]))

    (expected,), (found,), _ = straight_and_native(wg.grad(function), (np.arange(5.0),))
    same(found, expected, 8)


def descent(x):
    """A loop over a matrix, a vector and numbers, whose constants vary too."""

    def step(state):
        count, y, rate = state
        return count + 1, np.tanh(MATRIX @ y) * rate + x, rate * 0.99

    return np.sum(wg.while_loop(lambda state: state[0] < 40, step, (0, x, 1.0))[1] ** 2)


def growing(x):
    return wg.while_loop(lambda y: y < 1e3, lambda y: y * 1.01 + x * x, x)


def never(x):
    return wg.while_loop(lambda y: y < 0.0, lambda y: y * 2.0, x * 3.0)


def twice(function):
    return lambda x: np.sum(wg.grad(function)(x) * np.cos(x))


@pytest.mark.parametrize(
    ("function", "x"), [(root, 2.0), (growing, 0.5), (never, 1.5), (descent, ARRAY)]
)
def test_derivatives_of_loops_while_a_condition_holds(function, x):
    """The iterations are counted, and what they keep is kept, in native code."""
    for derivative in (wg.grad(function), wg.grad(twice(function))):
        program = optimise(wg.trace(derivative)(x))
        native = compile_program(program)
        assert native.called_back == ()
        np.testing.assert_allclose(native(x)[0], derivative(x), rtol=1e-13, atol=1e-15)
        same_on_fenced_memory(native, [x])


def test_errors_and_interrupts_in_a_pullback_free_what_it_kept():
    def inverses(x):
        def step(state):
            count, y = state
            return count - 1.0, np.linalg.inv(y) - np.eye(8)

        return np.sum(wg.while_loop(lambda state: state[0] > 0.0, step, (3.0, x))[1])

    good, bad = 3.0 * np.eye(8), np.eye(8)  # the second inverse is that of zero
    native = compile_program(optimise(wg.trace(wg.grad(inverses))(good)))
    np.testing.assert_allclose(native(good)[0], wg.grad(inverses)(good), rtol=1e-12)
    tracemalloc.start()
    try:
        for _ in range(3):
            with pytest.raises(np.linalg.LinAlgError):
                native(bad)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            with pytest.raises(np.linalg.LinAlgError):
                native(bad)
        assert tracemalloc.get_traced_memory()[0] - before < 8000  # a record has 1000 bytes
    finally:
        tracemalloc.stop()


def test_functions_with_a_rule_of_their_own():
    @wg.custom_jvp
    def halved(x):
        return 0.5 * np.sin(x)

    halved.defjvp(lambda primals, tangents: (halved(*primals), 3.0 * tangents[0]))

    def function(x):
        return np.sum(halved(x) * x)

    for derivative in (function, wg.grad(function)):
        program = wg.trace(derivative)(ARRAY)
        native = compile_program(program)
        assert native.called_back == ()
        np.testing.assert_allclose(native(ARRAY)[0], derivative(ARRAY), rtol=1e-14)


def test_numbers_of_python_that_leave_64_bits():
    program = wg.trace(decreasing)(5)
    assert compile_program(program)(50) == program.evaluate(50)
    assert program.evaluate(50)[1] == 3**50


def test_errors_inside_loops():
    def inverses(x):
        return wg.fori_loop(0, 3, lambda i, c: np.linalg.inv(c) - np.eye(2), x)

    program = wg.trace(inverses)(np.eye(2))
    native = compile_program(program)
    good = np.array([[3.0, 1.0], [0.5, 2.0]])
    np.testing.assert_allclose(native(good)[0], program.evaluate(good)[0], rtol=1e-12)
    with pytest.raises(np.linalg.LinAlgError):
        native(np.eye(2))  # the second inverse is that of zero


def test_loops_can_be_interrupted():
    program = wg.trace(lambda x: wg.while_loop(lambda c: c < 1.0, lambda c: c * 1.0, x))(0.5)
    native = compile_program(program)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            native(0.5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert native(2.0) == (2.0,)


def test_long_bodies():
    def step(x):
        for _ in range(600):
            x = x * 0.999 + 0.001
        return x

    def run(x):
        return wg.fori_loop(0, 3, lambda i, x: step(x), x)

    expected, found, _ = straight_and_native(run, (0.5,))
    assert found == expected


# ------------------------------------------------------------------ arrays changed in place


def random_step(generator, n=5):
    """Return a step that writes, reads, shifts and exchanges two carried arrays."""
    kinds = ["write", "read", "shift", "sine", "swap", "add", "mean", "reverse", "sum", "copy"]
    drawn = [
        (
            generator.choice(kinds),
            generator.randrange(n),
            generator.randrange(n),
            generator.random(),
        )
        for _ in range(generator.randint(2, 6))
    ]

    def step(i, carried):
        a, b, s = carried
        a, b = a.copy(), b.copy()
        for kind, j, k, f in drawn:
            if kind == "write":
                a[(i + j) % n] = s * f + b[k]
            elif kind == "read":
                s = s * 0.5 + a[(i + k) % n] * f
            elif kind == "shift":
                a[1:] = a[:-1] * f + b[1:] * 0.1
            elif kind == "sine":
                b = np.sin(b) * f + a * 0.3
            elif kind == "swap":
                a, b = b * 1.0, a * 1.0
            elif kind == "add":
                a[j] += b[(i + k) % n] * f
            elif kind == "mean":
                a = a + np.sum(b) * 0.1 * f
            elif kind == "reverse":
                b = b[::-1] * 0.9
            elif kind == "sum":
                b = np.cumsum(b) * 0.3
            else:
                a[k] = a[j]
                b[j] = a[k] * f
        return (b, a, s) if drawn[0][1] % 2 else (a, b, s)

    return step


@pytest.mark.parametrize("seed", range(24))
def test_carried_arrays_are_changed_in_place(seed):
    generator = random.Random(seed)
    step, length = random_step(generator), generator.choice([1, 2, 7])
    x = np.linspace(0.1, 1.0, 5)

    def start(x):
        return x * 1.0, x[::-1] * 0.5, x[0] * 0.7

    def result(carried):
        a, b, s = carried
        return np.sum(a * np.arange(1.0, 6.0)) + np.sum(b * b) + s

    def counted(x):
        return result(wg.fori_loop(0, length, step, start(x)))

    def checked(x):
        def body(state):
            return state[0] + 1, step(state[0], state[1])

        return result(wg.while_loop(lambda state: state[0] < length, body, (0, start(x)))[1])

    for function in (counted, checked, wg.grad(counted)):
        expected = function(x)  # eager, in Python's loop
        (found,) = compile_program(wg.trace(function)(x))(x)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(x, np.linspace(0.1, 1.0, 5))


def test_a_captured_array_costs_its_entries():
    """The gradient in an array that is read entry by entry is added up in place: linear in all."""
    n = 100_000
    x = np.linspace(0.0, 1.0, n)

    def recurrence(x):
        return wg.fori_loop(0, n, lambda i, c: c * 0.9 + x[i] * np.sin(x[i]), 0.0)

    program = wg.trace(wg.grad(recurrence))(x)
    (pulling,) = [e for e in program if e.primitive.name == "scan" and e.params["reverse"]]
    whole = [e.primitive.name for e in pulling.params["body"] if e.outputs[0].aval.shape == (n,)]
    assert set(whole) == {"indexed_add"}
    native = compile_program(program)
    start = time.perf_counter()
    (found,) = native(x)
    assert time.perf_counter() - start < 1.0  # with a copy a step: 80 GB, ten seconds at least
    weights = 0.9 ** np.arange(n)[::-1]
    np.testing.assert_allclose(found, weights * (np.sin(x) + x * np.cos(x)), rtol=1e-9, atol=1e-300)


def test_large_arrays_changed_in_place():
    """By several threads: what is read and written has one name in their functions."""
    x = np.linspace(-2.0, 2.0, 30_000)

    def relaxation(x):
        return np.sum(wg.scan(lambda y, _: (y - 0.1 * np.sin(y), None), x, length=5)[0])

    for function in (relaxation, wg.grad(relaxation)):
        (found,) = compile_program(wg.trace(function)(x))(x)
        np.testing.assert_allclose(found, function(x), rtol=1e-12, atol=1e-9)
    donating = wg.jit(lambda x: np.exp(-x) * np.sin(x), donate_argnums=0, compile="now")
    np.testing.assert_allclose(donating(x.copy()), np.exp(-x) * np.sin(x), rtol=1e-12)
