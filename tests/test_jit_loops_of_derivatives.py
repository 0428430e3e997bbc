"""Derivatives of loops on values under jit: few recordings, and the same derivatives."""

import numpy as np
import pytest

import wengert as wg
from running import traces


@pytest.fixture(params=[False, True], ids=["evaluated", "native"], autouse=True)
def _executors(request):
    with wg.config(verify=True, native=request.param):
        yield


def is_rolled(compiled):
    return any(path.loops for known in compiled.known.values() for path in known.paths)


# One to fifty iterations of Newton's method, in no order.
POINTS = [4.0**k for k in (3, 40, 1, 7, 12, 25, 45, 5, 2, 9, 18, 33, 0, 4)] + [0.1, 2.0, 1e-6]


def newton(x):
    y = x
    while abs(y * y - x) > 1e-12 * x:
        y = 0.5 * (y + x / y)
    return y


def newton_with_break(x):
    y = x
    while True:
        following = 0.5 * (y + x / y)
        if abs(following - y) <= 1e-13 * y:
            break
        y = following
    return following * 2


def newton_twice(x):
    return newton(x) * np.log(1.0 + newton(2.0 * x))


def newton_on_arrays(x):
    y = np.array([x, x + 1.0, 2 * x])
    target = y.copy()
    while np.max(np.abs(y * y / target - 1.0)) > 1e-10:
        y[:] = 0.5 * (y + target / y)
    return y.sum()


def newton_then_a_branch(x):
    y = newton(x)
    if y > 2.0:
        return y * y * x
    return y / x


def of_tangents(fun):
    return lambda x: wg.jvp(fun, (x,), (1.0,))


def of_pullbacks(fun):
    def run(x):
        value, pull = wg.vjp(fun, x)
        return value, pull(1.0)

    return run


def seconds(fun):
    return wg.grad(wg.grad(fun))


def mixed(fun):
    return lambda x: wg.jvp(wg.grad(fun), (x,), (1.0,))


def same(found, expected, ulp):
    for mine, other in zip(wg.tree.leaves(found), wg.tree.leaves(expected), strict=True):
        assert type(mine) is type(other)
        if ulp:
            np.testing.assert_array_max_ulp(np.asarray(mine), np.asarray(other), ulp)
        else:
            np.testing.assert_allclose(mine, other, rtol=1e-12)


FUNCTIONS = [
    newton,
    newton_with_break,
    newton_twice,
    newton_on_arrays,
    newton_then_a_branch,
]


def named(fun):
    return fun.__name__


@pytest.mark.parametrize("fun", FUNCTIONS, ids=named)
@pytest.mark.parametrize(
    "transform", [wg.grad, wg.value_and_grad, of_tangents, of_pullbacks], ids=named
)
def test_a_derivative_of_a_loop_is_recorded_a_few_times(transform, fun):
    plain = transform(fun)
    compiled = wg.jit(plain)
    for x in POINTS:
        same(compiled(x), plain(x), 2)
    assert traces(compiled) <= 6, compiled.explain()
    assert is_rolled(compiled)
    assert all(known.eager is None for known in compiled.known.values())


@pytest.mark.parametrize("transform", [seconds, mixed, wg.jacobian, wg.hessian], ids=named)
def test_derivatives_of_derivatives_of_a_loop(transform):
    plain = transform(newton)
    compiled = wg.jit(plain)
    for x in POINTS:
        same(compiled(x), plain(x), 0)
    assert traces(compiled) <= 6
    assert is_rolled(compiled)


def test_a_loop_reads_values_of_the_program_around_it():
    def fun(x, scale):
        shift = np.exp(scale)

        def inner(y):
            z = y
            while abs(z * z - y * shift) > 1e-12 * y:
                z = 0.5 * (z + y * shift / z)
            return z * scale

        return wg.grad(inner)(x) + shift

    compiled = wg.jit(fun)
    for k, x in enumerate(POINTS):
        same(compiled(x, 0.1 * k), fun(x, 0.1 * k), 4)
    assert traces(compiled) <= 6
    assert is_rolled(compiled)
    outer = wg.grad(fun, 1)
    compiled = wg.jit(outer)
    for k, x in enumerate(POINTS):
        same(compiled(x, 0.1 * k), outer(x, 0.1 * k), 0)
    assert traces(compiled) <= 6


def root(y, scale):
    z = y
    while abs(z * z - y * scale) > 1e-12 * scale * y:
        z = 0.5 * (z + y * scale / z)
    return z


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, w: wg.grad(root)(x, w),
        lambda x, w: wg.grad(lambda y: root(y, w))(x * x),
        lambda x, w: wg.jvp(lambda y: root(y, w + 1.0), (x,), (w,)),
        lambda x, w: wg.grad(lambda v: wg.grad(root, 1)(x, v))(w),
        lambda x, w: wg.grad(lambda v: wg.value_and_grad(root)(x, v)[0] * w)(w),
        lambda x, w: wg.grad(lambda y: root(y, w) * np.array([1.0, w, 3.0])[int(w)])(x),
    ],
)
def test_a_loop_computes_with_values_of_the_program_around_it(fun):
    compiled = wg.jit(fun)
    for k, x in enumerate(POINTS):
        same(compiled(x, 1.0 + 0.05 * k), fun(x, 1.0 + 0.05 * k), 0)
    assert traces(compiled) <= 6, compiled.explain()
    assert is_rolled(compiled)


def test_the_derivative_agrees_with_differences():
    compiled = wg.jit(wg.grad(newton))
    for x in (2.0, 50.0, 1e6, 0.3):
        h = 1e-4 * x
        difference = (newton(x + h) - newton(x - h)) / (2 * h)
        assert compiled(x) == pytest.approx(difference, rel=1e-6)


def test_auxiliary_output_and_trees():
    def fun(parameters):
        y = newton(parameters["a"])
        return y * parameters["b"][0], {"root": y, "name": "newton"}

    plain = wg.value_and_grad(fun, has_aux=True)
    compiled = wg.jit(plain)
    for x in POINTS:
        given = {"a": x, "b": [3.0]}
        (value, aux), gradient = compiled(given)
        (expected, other), slope = plain(given)
        same((value, gradient, aux["root"]), (expected, slope, other["root"]), 2)
        assert aux["name"] == other["name"]
    assert traces(compiled) <= 6


# ------------------------------------------------------------------ what cannot be a loop


def counting(x):
    count = 0
    while x > 1.0:
        x = x / 2.0
        count += 1
    return x * count


def collecting(x):
    seen = []
    while x > 1.0:
        x = x / 2.0
        seen.append(x)
    return sum(seen, x)


def through_a_closure(x):
    count = 0

    def halved(y):
        nonlocal count
        count += 1
        return y / 2.0 if count != 4 else y / 5.0

    while x > 1.0:
        x = halved(x)
    return x


def with_an_early_return(x):
    while x > 1.0:
        x = x / 2.0
        if 3.0 < x < 4.0:
            return x * x
    return x


def with_an_index(x):
    table = np.array([1.0, 2.0, 3.0, 5.0])
    while x > 4.0:
        x = x / 3.0
    return x * table[int(x)]


def with_text(x):
    while x > 1.0:
        x = x / 2.0
    return x * len(f"{float(f'{x:.2f}'):.1f}")


@pytest.mark.parametrize(
    "fun",
    [counting, collecting, through_a_closure, with_an_early_return, with_an_index, with_text],
    ids=named,
)
@pytest.mark.parametrize("transform", [wg.grad, of_tangents, seconds], ids=named)
def test_a_loop_whose_state_is_seen_otherwise_means_what_it_means(transform, fun):
    plain = transform(fun)
    compiled = wg.jit(plain)
    with wg.config(max_paths=64):
        for x in (300.0, 0.5, 3.0, 10.0, 40.0, 150.0, 700.0, 20.0, 5000.0, 1.5, 90.0):
            for _ in range(2):
                same(compiled(x), plain(x), 0)


def test_what_a_loop_writes_outside():
    log = []

    def fun(x, out):
        def inner(y):
            while y > 1.0:
                y = y / 2.0
            log.append("ran")
            out[0] += 1.0
            return y * y

        return wg.grad(inner)(x)

    compiled = wg.jit(fun)
    for x in (300.0, 10.0, 3.0, 5000.0, 0.5):
        mine, other = np.zeros(2), np.zeros(2)
        same(compiled(x, mine), fun(x, other), 2)
        np.testing.assert_array_equal(mine, other)


def test_values_around_a_rehearsal_that_leave_it():
    kept = []

    def by_a_list(x, w):
        kept.clear()

        def inner(y):
            kept.append(w * 2.0)
            return root(y, w)

        slope = wg.grad(inner)(x)
        return slope + kept[0]

    def by_an_array(x, w):
        out = np.zeros(2)

        def inner(y):
            out[0] = w * 2.0
            return root(y, w)

        return wg.grad(inner)(x) + out[0], out

    def by_a_name(x, w):
        found = w

        def inner(y):
            nonlocal found
            found = w * 3.0
            return root(y, w)

        return wg.grad(inner)(x), found

    for fun in (by_a_list, by_an_array, by_a_name):
        compiled = wg.jit(fun)
        for k, x in enumerate(POINTS[:6]):
            for _ in range(2):
                same(compiled(x, 1.0 + 0.1 * k), fun(x, 1.0 + 0.1 * k), 0)
                assert all(type(entry) is float for entry in kept)


def test_an_argument_that_a_differentiated_function_writes():
    def fun(x):
        while x[0] > 1.0:
            x /= 2.0
        return np.sum(x * x)

    plain = wg.grad(fun)
    compiled = wg.jit(plain)
    for size in (300.0, 10.0, 3.0, 5000.0, 0.5):
        given = np.array([size, 1.0])
        kept = given.copy()
        same(compiled(given), plain(given), 2)
        np.testing.assert_array_equal(given, kept)


def test_random_numbers_are_drawn_once():
    def fun(x, generator):
        def inner(y):
            while y > 1.0:
                y = y / 2.0
            return y * generator.normal()

        return wg.grad(inner)(x)

    compiled = wg.jit(fun)
    mine, other = np.random.default_rng(3), np.random.default_rng(3)
    for x in (300.0, 10.0, 3.0, 5000.0, 0.5):
        same(compiled(x, mine), fun(x, other), 2)


def test_warnings_that_the_function_ignores_stay_ignored():
    def fun(x):
        y = newton(x)
        with np.errstate(divide="ignore"):
            return y + np.exp(np.log(0.0 * x))

    plain = wg.value_and_grad(fun)
    compiled = wg.jit(plain)
    for x in POINTS[:8]:
        with np.errstate(invalid="ignore"):
            (mine, _), (other, _) = compiled(x), plain(x)
        same(mine, other, 2)
    assert is_rolled(compiled)


def test_errors_are_those_of_the_plain_derivative():
    def fun(x):
        while x > 1.0:
            x = x / 2.0
        if x < 0.6:
            raise ValueError("too small")
        return x * x

    compiled = wg.jit(wg.grad(fun))
    for x in (300.0, 3.0, 15.0):
        try:
            expected = wg.grad(fun)(x)
        except ValueError:
            with pytest.raises(ValueError, match="too small"):
                compiled(x)
        else:
            assert compiled(x) == expected


def test_a_dropped_derivative_is_refused_after_a_loop_too():
    def fun(x):
        y = newton(x)
        if y > 100.0:
            return float(y)
        return y

    compiled = wg.jit(wg.grad(fun))
    for x in (64.0, 3.0):
        assert compiled(x) == pytest.approx(0.5 / np.sqrt(x))
    for _ in range(2):
        with pytest.raises(wg.errors.TracedValueError):
            compiled(1e6)
