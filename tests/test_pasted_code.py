"""Code as users paste it: lists given to NumPy, text, SciPy's solvers, threads, failures, loops."""

import functools
import logging
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from scipy import integrate, optimize

import wengert as wg
from reference import close, jacobian, same
from wengert.tracing.creation import is_patched

POINT = np.array([0.7, -0.4, 1.3])

GIVEN_LISTS = {
    "sum": lambda x: np.sum([x[0], x[1] * 2]),
    "sum of rows": lambda x: np.sum([x, x * x], axis=0),
    "prod": lambda x: np.prod((x[0], x[1])),
    "mean": lambda x: np.mean([v * v for v in x]),
    "std and var": lambda x: np.std([x[0], x[2]]) + np.var([x[0], x[1], 1.0]),
    "max and min": lambda x: np.max([x[0], x[1]]) - 2 * np.min([x[2], x[1], 0.3]),
    "amax and amin": lambda x: np.amax([x[0], x[1]]) - 2 * np.amin([x[2], x[1], 0.3]),
    "median": lambda x: np.median([x[2], x[0], x[1]]),
    "average": lambda x: np.average([x[0], x[1]], weights=[1.0, 3.0]),
    "dot": lambda x: np.dot([x[0], x[1]], [x[1], x[2]]),
    "dot with a constant": lambda x: np.dot([1.0, 2.0], (x[1], x[2])),
    "cross": lambda x: np.cross([x[0], x[1], x[2]], [x[1], 1.0, 2.0]),
    "outer": lambda x: np.outer([x[0], 1.0], [x[1], x[2]]),
    "cumsum": lambda x: np.cumsum([x[0], x[1], 2.0]),
    "sort": lambda x: np.sort([x[2], x[0], x[1]]),
    "positions": lambda x: x[np.argsort([x[2], x[0]])] * x[np.argmax([x[0], x[1]])],
    "diff": lambda x: np.diff([x[0], x[1], 2.0]),
    "norm": lambda x: np.linalg.norm([x[0], x[1]]),
    "det": lambda x: np.linalg.det([[x[0], x[1]], [x[2], 2.0]]),
    "inv": lambda x: np.linalg.inv([[x[0], x[1]], [x[2], 2.0]]),
    "solve": lambda x: np.linalg.solve([[x[0], x[1]], [x[2], 2.0]], [x[1], 1.0]),
    "solve with a constant": lambda x: np.linalg.solve(np.eye(2) * 2, [x[1], 1.0]),
    "trapezoid": lambda x: np.trapezoid([x[0], x[1], x[2]], [0.0, 1.0, 3.0]),
    "diag": lambda x: np.diag([x[0], x[1]]) @ np.diag((x[2], 1.0)),
    "vander": lambda x: np.vander([x[0], x[1]], 3),
    "full": lambda x: np.full(2, [x[0], x[1]]),
    "fromiter": lambda x: np.fromiter((v * v for v in x), dtype=float),
    "fromiter, counted": lambda x: np.fromiter((v for v in x), float, 2),
    "fromiter of constants": lambda x: np.fromiter((1.0, 2.0), dtype=np.float32) * x[0],
    "nested": lambda x: np.mean([np.max([x[0], x[1]]), np.sum([[x[2], 1.0], [x[0], x[1]]])]),
}


@pytest.mark.parametrize("program", GIVEN_LISTS.values(), ids=GIVEN_LISTS.keys())
def test_lists_of_traced_numbers_are_arrays(program):
    expected = program(POINT)
    same(wg.vjp(program, POINT)[0], expected)
    close(wg.jacfwd(program)(POINT), jacobian(program, POINT), 1e-9)
    close(wg.jacrev(program)(POINT), jacobian(program, POINT), 1e-9)


def test_functions_that_look_into_lists_are_numpys_own_outside():
    inside = []
    before = (np.sum, np.mean, np.linalg.norm)

    def program(x):
        inside.append((np.sum, np.linalg.norm))
        assert np.sum.__name__ == "sum"
        assert np.linalg.norm.__module__ == "numpy.linalg"
        return np.sum([1.0, 2.0]) * x  # nothing traced: NumPy's own answer

    assert wg.grad(program)(2.0) == 3.0
    assert (np.sum, np.mean, np.linalg.norm) == before
    assert inside[0][0] is not np.sum


def test_other_functions_given_a_list_say_what_to_type():
    with pytest.raises(wg.errors.TracedValueError, match=r"np\.exp\(np\.array\(\[x, …\]\)\)"):
        wg.grad(lambda x: np.exp([x, 1.0])[0])(2.0)


# ------------------------------------------------------------------ text, objects, keys


def test_numbers_are_put_into_text_in_every_way():
    written = []

    def program(x):
        written.append(f"{x[0]:.3f} {x.sum():8.2e} {x}")
        written.append("%.3f and %g" % (x[0], x[1]))  # noqa: UP031
        text = "so "
        text += "%5.1f" % x.sum()  # noqa: UP031
        written.append(text)
        written.append("{:.1f}".format(x[2]))  # noqa: UP032
        record = logging.LogRecord("a", 10, "here", 1, "loss %f after %d", (x[0], 3), None)
        written.append(record.getMessage())
        return np.sum(x**2)

    gradient = wg.grad(program)(POINT)
    close(gradient, 2 * POINT, 1e-15)
    inside = list(written)
    written.clear()
    program(POINT)
    assert inside == written


def test_remainder_of_numbers_is_not_taken_for_text():
    close(wg.grad(lambda x: 5.0 % x)(2.0), -2.0, 1e-15)
    with pytest.raises(wg.errors.TracedValueError, match="would drop the derivative"):
        wg.grad(lambda x: 5.0 % float(x))(2.0)


OBJECTS = {
    "one of a list": lambda x: np.array([x, 2], dtype=object)[0],
    "sum": lambda x: np.sum(np.array([x, x * x], dtype=object)),
    "nested": lambda x: np.array([[x, 1.0], [2.0, x * x]], dtype=object)[1, 1],
    "beside anything": lambda x: np.array([x, None, "a"], dtype=object)[0],
    "converted": lambda x: (np.array([x, x * x]).astype(object) * 2).sum(),
    "dot": lambda x: np.dot(np.array([x, 1.0], dtype=object), np.array([x, 3.0], dtype=object)),
    "fractions": lambda x: Fraction(1, 2) * x**2 + x * Fraction(1, 3) - Fraction(1) / x,
}


@pytest.mark.parametrize("program", OBJECTS.values(), ids=OBJECTS.keys())
def test_arrays_of_objects_hold_traced_numbers(program):
    assert wg.value_and_grad(program)(3.0)[0] == program(3.0)
    close(wg.grad(program)(3.0), jacobian(program, 3.0), 1e-9)
    close(wg.jvp(program, (3.0,), (1.0,))[1], jacobian(program, 3.0), 1e-9)


@pytest.mark.parametrize(
    "program",
    [lambda x: {x: 1}[x], lambda x: len({x}) * x, functools.lru_cache(lambda x: x * x)],
    ids=["dictionary", "set", "cache"],
)
def test_a_traced_number_is_no_key(program):
    with pytest.raises(TypeError, match=r"cannot be a key.*functools\.lru_cache"):
        wg.grad(program)(1.5)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda x: None, "returned None.*return statement missing"),
        (lambda x: "a", "returned a str"),
        (lambda x: (v for v in x), "returned a generator"),
        (lambda x: (x, x), r"pair \(number, extras\) and pass has_aux=True"),
    ],
)
def test_outputs_that_are_no_number(program, message):
    with pytest.raises(wg.errors.NotScalarError, match=message):
        wg.grad(program)(POINT)


# ------------------------------------------------------------------ SciPy's solvers


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "TNC", "SLSQP"])
def test_minimize_with_gradients(method):
    found = optimize.minimize(rosenbrock, np.zeros(4), jac=wg.grad(rosenbrock), method=method)
    close(found.x, np.ones(4), 1e-3)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-exact", "trust-ncg", "trust-krylov"])
def test_minimize_with_hessians(method):
    derivatives = {"jac": wg.grad(rosenbrock), "hess": wg.hessian(rosenbrock)}
    found = optimize.minimize(rosenbrock, np.zeros(4), method=method, **derivatives)
    close(found.x, np.ones(4), 1e-3)


def test_minimize_with_value_and_gradient_in_one_and_hessian_products():
    found = optimize.minimize(
        wg.value_and_grad(rosenbrock),
        np.zeros(3),
        jac=True,
        hessp=lambda x, v: wg.hvp(rosenbrock, x, v),
        method="Newton-CG",
    )
    close(found.x, np.ones(3), 1e-6)


def test_constraints_with_jacobians():
    constraint = lambda x: np.array([x[0] ** 2 + x[1], x[0] * x[1]])  # noqa: E731
    nonlinear = optimize.NonlinearConstraint(
        constraint,
        -np.inf,
        [1.0, 1.0],
        jac=wg.jacobian(constraint),
        hess=lambda x, v: wg.hessian(lambda x: np.dot(v, constraint(x)))(x),
    )
    cost = lambda x: (x[0] - 1) ** 2 + (x[1] - 2.5) ** 2  # noqa: E731
    found = optimize.minimize(
        cost,
        [0.5, 0.0],
        jac=wg.grad(cost),
        hess=wg.hessian(cost),
        constraints=[nonlinear],
        method="trust-constr",
    )
    assert np.all(constraint(found.x) < 1 + 1e-6)
    close(found.x, [0.2426, 0.9411], 1e-3)


@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
def test_stiff_equations_with_jacobians(method):
    """Robertson's reaction, its right-hand side a list of items as in the cookbooks."""

    def reaction(t, y):
        forth, back = 0.04 * y[0], 1e4 * y[1] * y[2]
        return np.array([back - forth, forth - back - 3e7 * y[1] ** 2, 3e7 * y[1] ** 2])

    calls = []

    def jacobian_of_reaction(t, y):
        calls.append(t)
        return wg.jacobian(reaction, argnums=1)(t, y)

    settings = {"method": method, "jac": jacobian_of_reaction, "rtol": 1e-6, "atol": 1e-9}
    found = integrate.solve_ivp(reaction, (0, 100.0), [1.0, 0.0, 0.0], **settings)
    assert found.success
    assert calls
    close(found.y[:, -1], [0.6172, 6.15e-6, 0.3828], 1e-3)


def test_roots_with_derivatives():
    system = lambda x: np.array([x[0] * np.cos(x[1]) - 4, x[1] * x[0] - x[1] - 5])  # noqa: E731
    close(system(optimize.fsolve(system, [1.0, 1.0], fprime=wg.jacobian(system))), [0, 0], 1e-9)
    cubic = lambda x: x**3 - 2 * x - 5  # noqa: E731
    slope = wg.grad(cubic)
    found = optimize.newton(cubic, 2.0, fprime=slope, fprime2=wg.grad(slope))
    close(found, 2.0945514815423265, 1e-12)


def test_a_sampler_moves_by_gradients():
    """Hamiltonian Monte Carlo with in-place steps, seeded: the covariance comes out."""
    precision = np.array([[2.0, 0.5], [0.5, 1.0]])
    energy = lambda q: 0.5 * q @ precision @ q  # noqa: E731
    force = wg.grad(energy)
    rng = np.random.default_rng(0)
    q, samples = np.zeros(2), []
    for _ in range(400):
        momentum = rng.normal(size=2)
        start, before = q.copy(), energy(q) + 0.5 * momentum @ momentum
        momentum -= 0.1 * force(q)
        for step in range(8):
            q = q + 0.2 * momentum
            momentum -= 0.2 * force(q) if step < 7 else 0.1 * force(q)
        if rng.uniform() > np.exp(before - energy(q) - 0.5 * momentum @ momentum):
            q = start
        samples.append(q)
    close(np.cov(np.array(samples).T), np.linalg.inv(precision), 0.25)


# ------------------------------------------------------------------ threads, failures, size


def test_threads_differentiate_at_once():
    matrix = np.random.default_rng(0).normal(size=(40, 40))

    def program(x):
        y = np.zeros(40)
        for i in range(8):
            y[5 * i : 5 * i + 5] = np.tanh(matrix[5 * i : 5 * i + 5] @ x)
        return np.sum(y**2)

    x = np.full(40, 0.01)
    expected = wg.grad(program)(x), wg.hvp(program, x, x)

    def work(_):
        return all(
            np.array_equal(wg.grad(program)(x), expected[0])
            and np.array_equal(wg.hvp(program, x, x), expected[1])
            for _ in range(5)
        )

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(12)))
    assert not is_patched()


def test_a_traced_value_in_another_thread_is_refused():
    def program(x):
        with ThreadPoolExecutor(1) as pool:
            return sum(pool.map(lambda v: v * v, [x, x]))

    with pytest.raises(wg.errors.LeakedArrayError, match="another thread"):
        wg.grad(program)(2.0)
    assert wg.grad(lambda x: x * x)(3.0) == 6.0


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, RecursionError, StopIteration])
@pytest.mark.parametrize("transform", [wg.grad, wg.hessian, wg.jacfwd])
def test_what_a_program_raises_passes_through_and_leaves_nothing_behind(error, transform):
    def program(x):
        buffer = np.zeros(3)
        buffer[0] = x
        wg.grad(lambda y: y * x)(2.0)
        raise error("from the user")

    with pytest.raises(error, match="from the user"):
        transform(program)(2.0)
    assert not is_patched()
    assert wg.grad(lambda x: np.sum(np.zeros(2) + x * x))(3.0) == 12.0


def test_an_inner_derivative_may_fail_and_be_caught():
    def inner(y):
        if y > 1:
            raise ValueError("too far")
        return y**2

    def program(x):
        try:
            return wg.grad(inner)(x * 3)
        except ValueError:
            return x * 7

    assert wg.grad(program)(1.0) == 7.0
    assert wg.grad(program)(0.1) == 6.0


def test_endless_recursion_is_python_s_error():
    def program(x):
        return program(x) + 1.0

    with pytest.raises(RecursionError):
        wg.grad(program)(1.0)
    assert wg.grad(lambda x: x * x)(3.0) == 6.0


def test_deep_recursion_takes_no_more_of_the_stack_than_the_program_itself():
    def program(x, depth):
        return x if depth == 0 else np.sin(program(x, depth - 1))

    def slope(x, depth):
        product = 1.0
        for _ in range(depth):
            product = product * np.cos(x)
            x = np.sin(x)
        return product

    close(wg.grad(lambda x: program(x, 300))(1.0), slope(1.0, 300), 1e-12)
    second = wg.grad(wg.grad(lambda x: program(x, 150)))(1.0)
    close(second, wg.grad(lambda x: slope(x, 150))(1.0), 1e-12)


def test_long_loops_neither_overflow_nor_forget():
    """10⁵ operations in a row: kept, pulled back, and let go of without recursion."""

    def scalars(x):
        total = 0.0
        for _ in range(100_000):
            total = total + x * 0.5
        return total

    def chain(x):
        for _ in range(50_000):
            x = x * 0.99999 + 1e-6
        return x.sum()

    def writes(x):
        u = np.zeros(10)
        for i in range(10_000):
            u[i % 10] += x[i % 3] * 1e-3
        return np.sum(u)

    close(wg.grad(scalars)(1.0), 50_000.0, 1e-9)
    close(wg.grad(chain)(np.ones(3)), np.full(3, 0.99999**50_000), 1e-9)
    close(wg.grad(writes)(np.ones(3)), [3.334, 3.333, 3.333], 1e-9)
    value, pullback = wg.vjp(chain, np.ones(3))
    close(pullback(1.0)[0], np.full(3, 0.99999**50_000), 1e-9)
    del pullback
    assert value > 0
