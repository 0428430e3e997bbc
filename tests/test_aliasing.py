"""Programs that write in place, through views, differentiate as NumPy means them.

Values are compared bit by bit with plain NumPy; derivatives of first and second order, in both
modes and inside an outer transformation, with extrapolated differences of the plain program.
"""

import functools

import numpy as np
import pytest

import aliasing_buffers
import aliasing_indices
import aliasing_views
import wengert as wg
from aliasing_registry import PROGRAMS
from reference import (
    close,
    directional,
    fresh,
    hessian_product,
    irregular,
    jacobian,
    of_kind,
    same,
    scalarised,
)

# The modules fill the table when they are imported.
MODULES = (aliasing_buffers, aliasing_indices, aliasing_views)
assert {function.__module__ for function, _ in PROGRAMS.values()} == {m.__name__ for m in MODULES}

# The differences themselves are good to about 1e-13 (first order) and 2e-11 (second order).
FIRST, SECOND = 1e-11, 1e-9


@functools.cache
def differences(program):
    """Jacobian of ``program``, and for its scalar: gradient, products with two directions."""
    _, point = PROGRAMS[program.__name__]
    scalar = scalarised(program)
    products = [hessian_product(scalar, point, along) for along in (irregular(point), point)]
    return jacobian(program, point), jacobian(scalar, point), *products


each_program = pytest.mark.parametrize(("program", "point"), PROGRAMS.values(), ids=PROGRAMS.keys())


@each_program
def test_value_is_that_of_plain_numpy(program, point):
    expected = program(fresh(point))
    same(wg.jvp(program, (fresh(point),), (of_kind(irregular(point), point),))[0], expected)
    same(wg.vjp(program, fresh(point))[0], expected)
    same(wg.linearize(program, fresh(point))[0], expected)
    scalar = scalarised(program)
    same(wg.value_and_grad(scalar)(fresh(point))[0], scalar(fresh(point)))


@each_program
def test_input_is_left_as_it_was(program, point):
    given = fresh(point)
    tangent = of_kind(irregular(point), point)
    untouched_tangent = fresh(tangent)
    wg.jvp(program, (given,), (tangent,))
    same(given, point)
    same(tangent, untouched_tangent)
    value, pullback = wg.vjp(program, given)
    cotangent = of_kind(irregular(value), value)
    untouched_cotangent = fresh(cotangent)
    pullback(cotangent)
    same(given, point)
    same(cotangent, untouched_cotangent)
    wg.grad(scalarised(program))(given)
    same(given, point)


@each_program
def test_first_derivatives(program, point):
    expected, expected_gradient, _, _ = differences(program)
    close(wg.jacfwd(program)(fresh(point)), expected, FIRST)
    close(wg.jacrev(program)(fresh(point)), expected, FIRST)
    close(wg.jacobian(program)(fresh(point)), expected, FIRST)
    scalar = scalarised(program)
    close(wg.grad(scalar)(fresh(point)), expected_gradient, FIRST)


@each_program
def test_pushforward_and_pullback_run_any_number_of_times(program, point):
    direction = of_kind(irregular(point), point)
    expected = np.tensordot(differences(program)[0], irregular(point), np.ndim(point))
    value, pushforward = wg.linearize(program, fresh(point))
    _, pullback = wg.vjp(program, fresh(point))
    cotangent = of_kind(irregular(value), value)
    first = pullback(cotangent)[0]
    for _ in range(2):
        close(pushforward(direction), expected, FIRST)
        same(pullback(cotangent)[0], first)
    close(np.sum(first * irregular(point)), np.sum(expected * irregular(value)), FIRST)


@each_program
@pytest.mark.parametrize("outer", [wg.jacfwd, wg.jacrev], ids=["forward", "reverse"])
@pytest.mark.parametrize("inner", [wg.jacfwd, wg.jacrev], ids=["of-forward", "of-reverse"])
def test_second_derivatives(program, point, outer, inner):
    scalar = scalarised(program)
    hessian = np.asarray(outer(inner(scalar))(fresh(point)))
    assert hessian.shape == 2 * np.shape(point)
    direction = irregular(point)
    _, _, expected, _ = differences(program)
    close(np.tensordot(hessian, direction, np.ndim(point)), expected, SECOND)
    close(np.tensordot(direction, hessian, np.ndim(point)), expected, SECOND)


@each_program
def test_hessian_products(program, point):
    scalar = scalarised(program)
    _, _, expected, _ = differences(program)
    direction = of_kind(irregular(point), point)
    close(wg.hvp(scalar, fresh(point), direction), expected, SECOND)
    pushed = wg.jvp(wg.grad(scalar), (fresh(point),), (direction,))[1]
    close(pushed, expected, SECOND)
    pulled = wg.grad(lambda x: np.sum(wg.grad(scalar)(x) * direction))(fresh(point))
    close(pulled, expected, SECOND)


@each_program
def test_gradient_at_a_point_that_an_outer_transformation_traces(program, point):
    scalar = scalarised(program)
    _, _, _, expected = differences(program)

    def at_scaled_point(factor):
        return wg.grad(scalar)(scaled(point, factor))

    close(wg.jvp(at_scaled_point, (1.0,), (1.0,))[1], expected, SECOND)
    close(wg.jacrev(at_scaled_point)(1.0), expected, SECOND)


@each_program
def test_program_that_mixes_values_of_two_levels(program, point):
    scalar = scalarised(program)
    _, gradient, _, product = differences(program)
    expected = gradient + product

    def of_scaled_argument(factor):
        return wg.grad(lambda x: scalar(scaled(x, factor)))(point)

    close(wg.jvp(of_scaled_argument, (1.0,), (1.0,))[1], expected, SECOND)
    close(wg.jacrev(of_scaled_argument)(1.0), expected, SECOND)


def scaled(point, factor):
    """``factor * point``, a 0-d array if ``point`` is one, though NumPy makes that a scalar."""
    product = factor * point
    return product if isinstance(point, (float, np.float64)) else np.array(product)


# What one buffer may hold, and for how long.


def test_one_buffer_holds_values_of_two_levels():
    exponents = np.array([1.0, 2.0, 3.0])

    def outer(s):
        buffer = np.zeros(3)
        buffer[0] = s
        inner_point = np.array([0.3, 0.8])

        def inner(x):
            local = np.array(buffer)
            local[1:] = x * buffer[0]
            mixed = np.array([local[2], s, x[0]])
            return np.sum(local**exponents) + np.sum(mixed * local)

        buffer[1:] = wg.grad(inner)(inner_point)
        return buffer * buffer

    # inner = s + s²x₁² + s³x₂³ + s²x₂ + s²x₁ + s x₁x₂
    def by_hand(s):
        x1, x2 = 0.3, 0.8
        gradient = [2 * s**2 * x1 + s**2 + s * x2, 3 * s**3 * x2**2 + s**2 + s * x1]
        return np.array([s, *gradient]) ** 2

    close(outer(0.7), by_hand(0.7), FIRST)
    close(wg.jacrev(outer)(0.7), directional(by_hand, 0.7, 1.0), FIRST)
    close(wg.jacfwd(outer)(0.7), directional(by_hand, 0.7, 1.0), FIRST)
    close(wg.jacfwd(wg.jacrev(outer))(0.7), jacobian(lambda s: jacobian(by_hand, s), 0.7), SECOND)


def test_buffer_of_a_cached_helper_stays_a_valid_constant():
    made = []

    def helper():
        if not made:
            made.append(np.eye(3) + np.ones((3, 3)))
            made.append(np.linspace(1.0, 2.0, 3))
        return made

    def program(x):
        matrix, vector = helper()
        return np.sum((matrix @ x) * vector * x)

    x = np.array([0.7, -1.3, 0.4])
    inside = wg.grad(program)(x)
    assert len(made) == 2
    same(wg.grad(program)(x), inside)
    close(inside, jacobian(program, x), FIRST)
    matrix, vector = made
    same(np.linalg.solve(matrix, vector), np.linalg.solve(np.array(matrix), np.array(vector)))
    same(np.sin(vector), np.sin(np.array([1.0, 1.5, 2.0])))
    vector[0] = 5.0
    close(wg.grad(program)(x), jacobian(program, x), FIRST)


def test_small_constant_changed_after_use():
    factors = np.array([1.0, 2.0, 3.0])

    def program(x):
        factors[:] = [1.0, 2.0, 3.0]
        product = np.sin(factors * x)
        factors[:] = 100.0
        return np.sum(product)

    x = np.array([0.7, -1.3, 0.4])
    close(wg.grad(program)(x), jacobian(program, x), FIRST)


def large_constant():
    """An array that owns its memory, larger than what is copied when it is kept for later."""
    return np.linspace(0.5, 1.5, 20_000).copy()


def test_large_constant_is_locked_while_the_tape_needs_it():
    factors = np.linspace(0.5, 1.5, 20_000).copy()  # not a view: a view would be copied
    x = np.ones(20_000)

    def program(x):
        product = factors * x
        factors[0] = 100.0
        return np.sum(product)

    with pytest.raises(ValueError, match="read-only"):
        wg.grad(program)(x)
    assert factors.flags.writeable
    same(wg.grad(lambda x: np.sum(factors * x))(x), np.linspace(0.5, 1.5, 20_000))
    factors[0] = 0.25
    assert wg.grad(lambda x: np.sum(factors * x))(x)[0] == 0.25


def test_constant_that_was_locked_before_stays_so():
    factors = large_constant()
    factors.flags.writeable = False
    same(wg.grad(lambda x: np.sum(factors * x))(np.ones(20_000)), factors.copy())
    assert not factors.flags.writeable


def test_view_of_a_large_constant_changed_after_use_is_right_or_refused():
    base = large_constant()
    factors, original = base[::2], base[::2].copy()

    def program(x):
        product = factors * x
        base[0] = 100.0
        return np.sum(product)

    try:
        gradient = wg.grad(program)(np.ones(10_000))
    except ValueError:
        assert base[0] == 0.5
    else:
        same(gradient, original)
    assert base.flags.writeable
    assert factors.flags.writeable


def test_large_constant_is_unlocked_after_an_error():
    factors = large_constant()

    def program(x):
        product = factors * x
        raise KeyError(product.shape)

    for transform in (wg.grad(program), wg.jacfwd(wg.grad(program))):
        with pytest.raises(KeyError):
            transform(np.ones(20_000))
        assert factors.flags.writeable


def test_large_buffer_changed_after_use_is_right_or_refused():
    x = np.linspace(0.5, 1.5, 20_000)

    def program(x):
        factors = np.full(20_000, 3.0)
        product = factors * x
        factors[:] = 100.0
        return np.sum(product)

    try:
        gradient = wg.grad(program)(x)
    except ValueError:
        return
    same(gradient, np.full(20_000, 3.0))


@pytest.mark.parametrize("size", [3, 20_000])
def test_pullback_outlives_changes_to_what_it_was_made_from(size):
    factors = np.linspace(0.5, 1.5, size)
    x = np.linspace(-1.0, 1.0, size)
    expected = np.exp(x * factors) * factors

    value, pullback = wg.vjp(lambda x: np.exp(x * factors), x)
    _, pushforward = wg.linearize(lambda x: np.exp(x * factors), x)
    value[:] = 0.0
    factors[:] = 0.0
    x[:] = 0.0
    ones = np.ones(size)
    close(pullback(ones)[0], expected, FIRST)
    close(pushforward(ones), expected, FIRST)


def test_derivatives_are_fresh_writable_arrays():
    x = np.array([0.7, -1.3, 0.4])
    first, second = wg.grad(lambda a, b: np.sum(a + b), argnums=(0, 1))(x, x)
    first *= 0.0
    same(second, np.ones(3))
    same(x, np.array([0.7, -1.3, 0.4]))
    cotangent = np.array([1.0, 2.0, 3.0])
    _, pullback = wg.vjp(lambda a, b: a + b, x, x)
    first, second = pullback(cotangent)
    first += 5.0
    same(second, np.array([1.0, 2.0, 3.0]))
    same(cotangent, np.array([1.0, 2.0, 3.0]))
    same(pullback(cotangent)[0], np.array([1.0, 2.0, 3.0]))


# Writes that NumPy refuses are refused with the same exception, and leave nothing behind.


def write_into_broadcast(x):
    np.broadcast_to(x, (2, 3))[0] = 1.0


def write_into_diagonal(x):
    np.diagonal(np.outer(x, x))[0] = 1.0


def write_into_item(x):
    x[0][...] = 1.0


def write_into_total(x):
    x.sum()[()] = 1.0


def write_of_another_shape(x):
    x[:2] = x


def write_out_of_bounds(x):
    x[3] = x[0]


def write_with_too_many_indices(x):
    x[0, 0] = x[0]


def write_by_a_float_index(x):
    x[1.0] = x[0]


def augmented_assignment_that_broadcasts_up(x):
    x += np.outer(x, x)


REFUSED = [
    (write_into_broadcast, ValueError),
    (write_into_diagonal, ValueError),
    (write_into_item, TypeError),
    (write_into_total, TypeError),
    (write_of_another_shape, ValueError),
    (write_out_of_bounds, IndexError),
    (write_with_too_many_indices, IndexError),
    (write_by_a_float_index, IndexError),
    (augmented_assignment_that_broadcasts_up, ValueError),
]


@pytest.mark.parametrize(("write", "error"), REFUSED, ids=[w.__name__ for w, _ in REFUSED])
def test_refused_writes(write, error):
    x = np.array([0.7, -1.3, 0.4])

    def program(x):
        write(x)
        return np.sum(x)

    with pytest.raises(error):
        program(x.copy())
    with pytest.raises(error):
        wg.grad(program)(x)
    with pytest.raises(error):
        wg.jvp(program, (x,), (x,))
    same(wg.grad(np.sum)(x), np.ones(3))


def writing(x, y):
    x[0] = 5.0
    return np.sum(x * y)


WAYS_OF_ONE_ARRAY = {
    "grad of both": lambda f, x, y: wg.grad(f, (0, 1))(x, y),
    "grad of the first": lambda f, x, y: wg.grad(f)(x, y),
    "by name": lambda f, x, y: wg.grad(lambda x, *, y: f(x, y))(x, y=y),
    "in a tree": lambda f, x, y: wg.grad(lambda pair: f(*pair))([x, y]),
    "jvp": lambda f, x, y: wg.jvp(f, (x, y), (x, y)),
    "vjp": lambda f, x, y: wg.vjp(f, x, y),
    "hessian": lambda f, x, y: wg.hessian(f)(x, y),
    "vmap": lambda f, x, y: wg.vmap(f, (0, None))(x.reshape(1, -1), y),
}


@pytest.mark.parametrize("way", WAYS_OF_ONE_ARRAY)
def test_an_array_given_twice_and_written_is_refused(way):
    run = WAYS_OF_ONE_ARRAY[way]
    x = np.array([1.0, 2.0, 3.0])
    for other in (x, x[:]):
        with pytest.raises(wg.errors.AliasingError, match=r"x\.copy\(\)"):
            run(writing, x, other)
    np.testing.assert_array_equal(x, [1.0, 2.0, 3.0])
    run(writing, x.copy(), x)
    run(lambda x, y: np.sum(x * y), x, x)


def test_arrays_between_each_other_do_not_overlap():
    table = np.arange(6.0)
    np.testing.assert_array_equal(wg.grad(writing)(table[::2], table[1::2]), [0.0, 3.0, 5.0])


def test_an_array_given_twice_and_written_is_compiled_as_it_is():
    compiled = wg.jit(writing)
    for _ in range(3):
        x = np.array([1.0, 2.0, 3.0])
        assert compiled(x, x) == 38.0
