"""Branches and loops: eager, staged, differentiated in every mode and nested in each other."""

import numpy as np
import pytest

import wengert as wg
from running import staged
from wengert.errors import ArgumentError, CarryError, StagingError
from wengert.ir.verify import verify
from wengert.tracing.core import depth
from wengert.tracing.creation import is_patched

# ------------------------------------------------------------------ programs and plain references


def newton(a):
    return wg.while_loop(lambda x: abs(x * x - a) > 1e-13, lambda x: 0.5 * (x + a / x), a)


def newton_plain(a):
    x = a
    while abs(x * x - a) > 1e-13:
        x = 0.5 * (x + a / x)
    return x


def counted(x):
    """A while loop over a tree, whose number of iterations depends on values."""

    def body(state):
        return {"n": state["n"] + 1, "x": np.sin(state["x"]) * x + 0.1, "s": state["s"] * 1.3}

    end = wg.while_loop(
        lambda state: state["s"] < 5.0, body, {"n": 0, "x": x, "s": np.sum(x * x) + 0.5}
    )
    return np.sum(end["x"]) * end["s"] + end["n"]


def counted_plain(x):
    n, y, s = 0, x, np.sum(x * x) + 0.5
    while s < 5.0:
        n, y, s = n + 1, np.sin(y) * x + 0.1, s * 1.3
    return np.sum(y) * s + n


def recurrence(x):
    def step(carry, entry):
        a, b = carry
        a = np.tanh(a * entry["u"] + b)
        return (a, b * 0.9 + a * x[0]), {"a": a, "product": entry["u"] * b}

    (a, b), ys = wg.scan(step, (x * 2.0, x * 0.5), {"u": np.outer(x, x)[:, :3]}, reverse=True)
    return np.sum(a) + np.sum(b**2) + np.sum(ys["a"] * ys["product"])


def recurrence_plain(x):
    a, b = x * 2.0, x * 0.5
    us = np.outer(x, x)[:, :3]
    first, second = [None] * 3, [None] * 3
    for i in (2, 1, 0):
        u = us[i]
        second[i] = u * b
        a = np.tanh(a * u + b)
        b = b * 0.9 + a * x[0]
        first[i] = a
    return np.sum(a) + np.sum(b**2) + np.sum(np.array(first) * np.array(second))


def chosen(x):
    y = wg.cond(np.sum(x) > 0, lambda v: np.exp(v) * x[0], lambda v: v * v, x)
    return np.sum(wg.switch(1, [np.sin, lambda v: v * x[1], np.cos], y))


def chosen_plain(x):
    y = np.exp(x) * x[0] if np.sum(x) > 0 else x * x
    return np.sum(y * x[1])


def powers(x):
    return np.sum(wg.fori_loop(0, 4, lambda i, p: p * x + i, np.ones(3)))


def powers_plain(x):
    p = np.ones(3)
    for i in range(4):
        p = p * x + i
    return np.sum(p)


def mapped(x):
    return np.sum(wg.map(lambda row: np.sin(row) @ row, np.outer(x, x)) * x)


def mapped_plain(x):
    return np.sum(np.array([np.sin(row) @ row for row in np.outer(x, x)]) * x)


def nested(x):
    """A loop in a branch in a loop, with values captured at every depth."""

    def outer(carry, v):
        grown = wg.cond(
            v > 0,
            lambda c: wg.while_loop(lambda z: np.sum(z * z) < 4.0, lambda z: z * 1.5 + v * x, c),
            lambda c: wg.scan(lambda s, t: (s + t * v * x, s * t), c, x)[0],
            carry,
        )
        return grown * 0.4, np.sum(grown)

    end, sums = wg.scan(outer, x, x)
    return np.sum(end) + np.sum(sums * x)


def nested_plain(x):
    carry, sums = x, []
    for v in x:
        z = carry
        if v > 0:
            while np.sum(z * z) < 4.0:
                z = z * 1.5 + v * x
        else:
            for t in x:
                z = z + t * v * x
        sums.append(np.sum(z))
        carry = z * 0.4
    return np.sum(carry) + np.sum(np.array(sums) * x)


PROGRAMS = {
    "newton": (newton, newton_plain, 2.0),
    "counted": (counted, counted_plain, np.array([0.4, -0.7, 0.9])),
    "scan": (recurrence, recurrence_plain, np.array([0.4, -0.7, 0.9])),
    "true": (chosen, chosen_plain, np.array([0.4, -0.3, 0.9])),
    "false": (chosen, chosen_plain, np.array([0.4, -1.7, 0.9])),
    "fori": (powers, powers_plain, np.array([0.4, -0.7, 0.9])),
    "map": (mapped, mapped_plain, np.array([0.4, -0.7, 0.9])),
    "nested": (nested, nested_plain, np.array([0.4, -0.7, 0.9])),
}

every_program = pytest.mark.parametrize("name", PROGRAMS)


@every_program
def test_values(name):
    fun, plain, x = PROGRAMS[name]
    np.testing.assert_allclose(fun(x), plain(x), rtol=1e-14)
    np.testing.assert_allclose(staged(fun)(x), plain(x), rtol=1e-14)
    assert type(fun(x)) is type(staged(fun)(x))


@every_program
def test_both_modes_eager_and_staged(name):
    fun, plain, x = PROGRAMS[name]
    expected = wg.numerical.gradient(plain, method="richardson")(x)
    for gradient in (wg.grad(fun), staged(wg.grad(fun))):
        np.testing.assert_allclose(gradient(x), expected, rtol=1e-8, atol=1e-9)
    v = np.array([0.3, 0.5, -0.2]) if np.ndim(x) else 0.7
    for forward in (
        lambda p: wg.jvp(fun, (p,), (v,))[1],
        staged(lambda p: wg.jvp(fun, (p,), (v,))[1]),
    ):
        np.testing.assert_allclose(forward(x), np.sum(expected * v), rtol=1e-8)


@every_program
def test_second_order_eager_and_staged(name):
    fun, plain, x = PROGRAMS[name]
    v = np.array([0.3, 0.5, -0.2]) if np.ndim(x) else 0.7

    def forward_over_reverse(p):
        return wg.jvp(wg.grad(fun), (p,), (v,))[1]

    def reverse_over_reverse(p):
        return wg.grad(lambda q: np.sum(wg.grad(fun)(q) * v))(p)

    def reverse_over_forward(p):
        return wg.grad(lambda q: wg.jvp(fun, (q,), (v,))[1])(p)

    exact = wg.grad(plain)  # of plain NumPy code: held by other tests
    expected = wg.numerical.derivative(lambda t: exact(x + t * v), method="richardson")(0.0)
    for second in (forward_over_reverse, reverse_over_reverse, reverse_over_forward):
        for form in (second, staged(second)):
            found = np.atleast_1d(form(x))
            np.testing.assert_allclose(found, np.atleast_1d(expected), rtol=1e-7, atol=1e-8)


def test_a_staged_list_is_differentiated_as_it_is():
    """The equations of loops and branches have derivatives of their own, in every mode."""
    x = np.array([0.4, -0.7, 0.9])
    for fun, plain in ((counted, counted_plain), (recurrence, recurrence_plain)):
        program = wg.trace(fun)(x)
        names = {equation.primitive.name for equation in program}
        assert names & {"while_loop", "scan"}
        expected = wg.numerical.gradient(plain, method="richardson")(x)
        again = wg.trace(wg.grad(fun))(x)
        verify(again)
        np.testing.assert_allclose(again.evaluate(x)[0], expected, rtol=1e-8)


# ------------------------------------------------------------------ long loops


def long_while(x):
    return wg.while_loop(lambda s: s[0] < 100_000, lambda s: (s[0] + 1, s[1] * x), (0, 1.0))[1]


def long_scan(x):
    return wg.scan(lambda c, _: (c * x, None), 1.0, length=100_000)[0]


@pytest.mark.parametrize("fun", [long_while, long_scan])
def test_a_hundred_thousand_steps_in_bounded_stack(fun):
    x = 1.0 + 1e-6
    expected = 1e5 * x ** (1e5 - 1)
    assert abs(wg.grad(fun)(x) - expected) < 1e-6 * expected
    assert abs(staged(wg.grad(fun))(x) - expected) < 1e-6 * expected
    assert len(wg.trace(wg.grad(fun))(x)) < 50


def test_the_gradient_of_a_scan_does_at_most_thrice_the_work():
    """600 steps, 16 scalars: equations that run, forward and backward, by those of the value."""
    count = 16

    def loss(*start):
        def step(carry, x):
            mixed = [carry[i] * 0.9 + carry[(i + 1) % count] * 0.1 for i in range(count)]
            return tuple(np.tanh(entry) + x for entry in mixed), None

        return sum(wg.scan(step, start, np.linspace(0.0, 0.01, 600))[0])

    start = tuple(np.linspace(-1.0, 1.0, count))

    def work(program):
        return sum(
            equation.params["length"] * len(equation.params["body"])
            for equation in program
            if equation.primitive.name == "scan"
        )

    value = work(wg.trace(loss)(*start))
    gradient = work(wg.trace(wg.grad(loss, argnums=tuple(range(count))))(*start))
    assert value > 600 * count
    assert gradient <= 3 * value


# ------------------------------------------------------------------ what is passed and carried


def test_only_the_chosen_branch_runs():
    seen = []

    def left(x):
        seen.append("left")
        return x

    def right(x):
        seen.append("right")
        return -x

    assert wg.cond(True, left, right, 2.0) == 2.0
    assert wg.grad(lambda x: wg.cond(x > 0, left, right, x))(-3.0) == -1.0
    assert seen == ["left", "right"]


def test_an_index_outside_takes_the_nearest_branch():
    branches = [lambda x: x, lambda x: 2 * x, lambda x: 3 * x]
    for index, factor in ((-5, 1.0), (0, 1.0), (2, 3.0), (9, 3.0)):
        assert wg.switch(index, branches, 1.0) == factor
        program = wg.trace(lambda i, x: wg.switch(i, branches, x))(index, 1.0)
        assert program.evaluate(index, 1.0) == (factor,)


def test_branches_may_return_numbers_for_scalars():
    program = wg.trace(lambda x: wg.cond(x[0] > 0, lambda v: np.sum(v), lambda v: 0.0, x))
    x = np.array([1.0, 2.0])
    found = program(x).evaluate(-x)[0]
    assert type(found) is np.float64
    assert found == 0.0


def test_a_python_number_becomes_what_the_step_makes_of_it():
    total, sums = wg.scan(lambda c, x: (c + x, c), 0, np.array([1.0, 2.5]))
    assert (type(total), total) == (np.float64, 3.5)
    np.testing.assert_array_equal(sums, [0.0, 1.0])
    (found, _) = wg.trace(lambda xs: wg.scan(lambda c, x: (c + x, c), 0, xs))(np.ones(2)).evaluate(
        np.array([1.0, 2.5])
    )
    assert (type(found), found) == (np.float64, 3.5)


def test_scan_over_nothing_has_results_of_the_right_form():
    carry, ys = wg.scan(lambda c, x: (c * x, {"a": x * 2, "b": c}), 2.0, np.zeros((0, 3))[:, 0])
    assert carry == 2.0
    assert ys["a"].shape == (0,)
    assert ys["b"].dtype == np.float64


def test_the_callers_arrays_are_not_written():
    init = np.zeros(3)
    xs = np.ones((2, 3))

    def step(carry, x):
        carry += x
        x[:] = 7.0
        return carry, None

    found, _ = wg.scan(step, init, xs)
    np.testing.assert_array_equal(found, [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(init, 0.0)
    np.testing.assert_array_equal(xs, 1.0)
    gradient = wg.grad(lambda v: np.sum(wg.scan(step, v, np.ones((2, 3)))[0] ** 2))
    np.testing.assert_allclose(gradient(init), [4.0, 4.0, 4.0])
    np.testing.assert_allclose(staged(gradient)(init), [4.0, 4.0, 4.0])


def test_traced_bounds():
    def fun(n, x):
        return wg.fori_loop(0, n, lambda i, p: p * x + i, 1.0)

    program = wg.trace(fun)(3, 2.0)
    for n in (0, 1, 5):
        expected = 1.0
        for i in range(n):
            expected = expected * 2.0 + i
        assert program.evaluate(n, 2.0) == (expected,)


def test_integers_and_booleans_are_carried():
    def fun(x):
        def body(state):
            n, odd, y = state
            return n + 1, np.logical_not(odd), y * x

        n, odd, y = wg.while_loop(lambda s: s[0] < 5, body, (0, np.False_, 1.0))
        return y * n + odd

    assert fun(2.0) == 161.0
    assert wg.grad(fun)(2.0) == 5 * 5 * 16.0


def test_float32_stays():
    xs = np.ones(3, np.float32)
    carry, ys = wg.scan(lambda c, x: (c * 0.5 + x, c), np.float32(0.5), xs)
    assert carry.dtype == ys.dtype == np.float32
    gradient = wg.grad(lambda v: wg.scan(lambda c, x: (c * 0.5 + x, c), np.float32(0.5), v)[0])
    assert gradient(xs).dtype == np.float32
    assert staged(gradient)(xs).dtype == np.float32


def test_complex_values():
    def fun(z):
        w = wg.while_loop(lambda w: abs(w) < 2.0, lambda w: w * w + z, z)
        return np.real(w * np.conj(w))

    z = 0.5 + 0.6j
    expected = wg.numerical.gradient(fun)(z)
    np.testing.assert_allclose(wg.grad(fun)(z), expected, rtol=1e-7)
    np.testing.assert_allclose(staged(wg.grad(fun))(z), expected, rtol=1e-7)


# ------------------------------------------------------------------ associative scan


@pytest.mark.parametrize("count", range(1, 10))
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan_is_the_running_result(count, reverse):
    generator = np.random.default_rng(count)
    matrices = generator.uniform(-1, 1, (count, 2, 2))
    vectors = generator.uniform(-1, 1, (count, 2))

    def combine(first, second):
        (a, b), (c, d) = first, second
        return c @ a, np.einsum("nij,nj->ni", c, b) + d

    found, offsets = wg.associative_scan(combine, (matrices, vectors), reverse)
    order = range(count)[:: -1 if reverse else 1]
    product, offset = np.eye(2), np.zeros(2)
    for i in order:
        product, offset = matrices[i] @ product, matrices[i] @ offset + vectors[i]
        np.testing.assert_allclose(found[i], product, atol=1e-14)
        np.testing.assert_allclose(offsets[i], offset, atol=1e-14)


def test_associative_scan_differentiates_along_any_axis():
    x = np.random.default_rng(0).uniform(0.5, 1.5, (3, 5))

    def fun(v):
        return np.sum(wg.associative_scan(np.multiply, v, axis=1) ** 2)

    expected = wg.grad(lambda v: np.sum(np.cumprod(v, axis=1) ** 2))(x)
    np.testing.assert_allclose(wg.grad(fun)(x), expected, rtol=1e-12)
    np.testing.assert_allclose(staged(wg.grad(fun))(x), expected, rtol=1e-12)


# ------------------------------------------------------------------ errors


def clean():
    assert depth() == 0
    assert not is_patched()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda c, x: ({"a": c["a"], "b": c["b"][:2]}, x), r"init\['b'\].*float64\[3\].*\[2\]"),
        (lambda c, x: ({"a": c["a"], "b": c["b"].astype(np.float32)}, x), r"'b'.*float32"),
        (lambda c, x: ({"a": c["b"][0] + 1j, "b": c["b"]}, x), r"'a'.*complex128"),
        (lambda c, x: ({"a": c["a"]}, x), "containers and keys"),
        (lambda c, x: c, r"pair \(carry, y\)"),
    ],
)
@pytest.mark.parametrize("run", [lambda f, x: f(x), lambda f, x: wg.trace(f)(x)])
def test_carried_values_that_change(step, message, run):
    init = {"a": np.float64(1.0), "b": np.ones(3)}
    with pytest.raises(CarryError, match=message):
        run(lambda xs: wg.scan(step, init, xs), np.ones(2))
    clean()


def test_kinds_are_kept():
    start = np.array(1.0)
    with pytest.raises(CarryError, match=r"x\[\(\)\]"):
        wg.while_loop(lambda x: x < 5, lambda x: x * 2, start)
    clean()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: wg.cond(x > 0, np.sin, np.cos, x), "one bool or number"),
        (lambda x: wg.switch(0.5, [np.sin], x), "integer index"),
        (lambda x: wg.switch(0, [], x), "at least one branch"),
        (lambda x: wg.scan(lambda c, y: (c, y), 0.0), "length=n"),
        (lambda x: wg.scan(lambda c, y: (c, y), 0.0, (x, np.ones(5))), "differ"),
        (lambda x: wg.scan(lambda c, y: (c, y), 0.0, 2.0), "no axis"),
        (lambda x: wg.fori_loop(0, 2.5, lambda i, c: c, x), "one integer"),
        (lambda x: wg.while_loop(lambda c: c > 0, lambda c: c, x), "one bool or number"),
        (lambda x: wg.while_loop(lambda c: True, lambda c: c, "text"), "trees of numbers"),
        (lambda x: wg.cond(True, 1.0, np.sin, x), "true_fun"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ArgumentError, match=message):
        call(np.ones(3))
    clean()


def test_branches_that_disagree():
    def fun(x):
        return wg.cond(x[0] > 0, lambda v: {"r": v}, lambda v: {"r": v[:1]}, x)

    with pytest.raises(
        CarryError,
        match=r"result\['r'\].*float64\[1\] from false_fun and float64\[3\] from true_fun",
    ):
        wg.trace(fun)(np.ones(3))
    with pytest.raises(CarryError, match="different structure"):
        wg.trace(lambda x: wg.cond(x > 0, lambda v: v, lambda v: (v, v), x))(1.0)
    clean()


def test_a_question_about_a_value_in_a_staged_body():
    def fun(x):
        return wg.scan(lambda c, v: (c + v if v > 0 else c, None), 0.0, x)[0]

    assert fun(np.array([1.0, -2.0, 3.0])) == 4.0
    with pytest.raises(StagingError, match=r"test_control_flow\.py"):
        wg.trace(fun)(np.ones(3))
    clean()


def test_an_exception_in_a_body_leaves_nothing_behind():
    def body(x):
        raise RuntimeError("half-way")

    for call in (lambda x: wg.while_loop(lambda c: c < 5, body, x), wg.trace(body)):
        with pytest.raises(RuntimeError, match="half-way"):
            wg.grad(lambda x, call=call: call(x))(1.0)
        clean()
    assert wg.grad(newton)(4.0) == pytest.approx(0.25)
