"""The test of the tester: rules that are a little wrong are caught, right ones are not."""

import re
from typing import NamedTuple

import numpy as np
import pytest

import test_primitives as matrix
import wengert as wg
from wengert.errors import ArgumentError, CheckError
from wengert.ir.aval import aval_of
from wengert.ir.primitive import Primitive, registry
from wengert.ops.families import irregular
from wengert.ops.samples import Sample
from wengert.testing import check_grads, check_jvp, check_vjp
from wengert.tracing.core import bind, to_user

OFF = 1.001  # 0.1 %
X = np.array([0.3, -0.7, 1.1])


@pytest.fixture(autouse=True)
def _scratch():
    """Take the primitives that a test makes out of the registry again."""
    before = {primitive.name for primitive in registry}
    yield
    for primitive in registry:
        if primitive.name not in before:
            registry.remove(primitive.name)
    matrix.samples_of.cache_clear()
    matrix.fails_of.cache_clear()


def cube(jvp=None, vjp=None):
    """Return x³ as a function, with the given rules ``rule(change, x)``."""
    primitive = irregular(
        "cube",
        arguments=("x",),
        evaluate=lambda x: x**3,
        infer=lambda x: aval_of(np.ones(x.shape, x.dtype) ** 3),
        jvp=None if jvp is None else (jvp,),
        vjp=None if vjp is None else (vjp,),
        samples=lambda: [Sample(X)],
    )
    return lambda x: to_user(bind(primitive, x))


def right(change, x):
    return 3.0 * change * x * x


def off(change, x):
    return OFF * right(change, x)


def dropped(change, x):
    """Right at first order; the derivative by x is dropped."""
    return right(change, wg.stop_gradient(x))


def off_at_second_order(change, x):
    """Right in value; the derivative by x is 0.1 % too large."""
    return right(change, x) + (OFF - 1.0) * 6.0 * change * wg.stop_gradient(x) * (
        x - wg.stop_gradient(x)
    )


# ------------------------------------------------------------------ wrong rules are caught


def test_a_jvp_off_by_a_thousandth():
    function = cube(jvp=off, vjp=right)
    with pytest.raises(CheckError, match="forward mode: the derivative of result along"):
        check_jvp(function, (X,))
    with pytest.raises(CheckError, match="forward mode"):
        check_grads(function, (X,), order=1)
    check_vjp(function, (X,))
    check_grads(function, (X,), modes=("reverse",))


def test_a_vjp_off_by_a_thousandth():
    function = cube(jvp=right, vjp=off)
    with pytest.raises(CheckError, match=r"reverse mode: .*taken from differences"):
        check_vjp(function, (X,))
    with pytest.raises(CheckError, match=r"reverse mode: .*taken from forward mode"):
        check_grads(function, (X,), order=1)
    with pytest.raises(CheckError, match=r"reverse mode: .*taken from differences"):
        check_grads(function, (X,), order=1, modes="reverse")
    check_jvp(function, (X,))
    check_grads(function, (X,), modes="forward")


@pytest.mark.parametrize("wrong", [dropped, off_at_second_order])
@pytest.mark.parametrize("place", ["jvp", "vjp"])
def test_a_second_derivative_that_is_wrong(place, wrong):
    rules = {"jvp": right, "vjp": right} | {place: wrong}
    function = cube(**rules)
    check_grads(function, (X,), order=1)
    kind = "tangent" if place == "jvp" else "cotangent"
    with pytest.raises(CheckError, match=f"the derivative of the {kind} of"):
        check_grads(function, (X,), order=2)
    mode = "forward" if place == "jvp" else "reverse"
    with pytest.raises(CheckError, match=f"the {kind} of"):
        check_grads(function, (X,), order=2, modes=(mode,))


def test_a_third_derivative_that_is_wrong():
    def wrong(change, x):
        constant = wg.stop_gradient(x)
        step = x - constant
        return right(change, x) + (OFF - 1.0) * 3.0 * change * step * step

    function = cube(jvp=wrong, vjp=right)
    check_grads(function, (X,), order=2)
    with pytest.raises(CheckError, match="the tangent of the tangent of result"):
        check_grads(function, (X,), order=3, modes="forward")


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_a_thousandth_is_caught_in_single_precision(dtype):
    point = (X + 0.5j * X[::-1]).astype(dtype) if dtype is np.complex64 else X.astype(dtype)
    for rules in ({"jvp": off, "vjp": right}, {"jvp": right, "vjp": off}):
        function = cube(**rules)
        with pytest.raises(CheckError):
            check_grads(function, (point,), order=1)
        registry.remove("cube")
    check_grads(cube(jvp=right, vjp=right), (point,))


@pytest.mark.parametrize("place", ["jvp", "vjp"])
def test_a_dropped_conjugate(place):
    def mirrored(**rules):
        primitive = irregular(
            "mirrored",
            arguments=("z",),
            evaluate=np.conj,
            infer=lambda z: z,
            **{name: (rule,) for name, rule in rules.items()},
        )
        return lambda z: to_user(bind(primitive, z))

    z = np.array([0.5 - 1.0j, 2.0 + 0.3j])
    conjugate = {"jvp": lambda t: np.conj(t), "vjp": lambda g: np.conj(g)}
    function = mirrored(**(conjugate | {place: lambda change: change}))
    with pytest.raises(CheckError, match=r"complex|j"):
        check_grads(function, (z,), order=1)
    registry.remove("mirrored")
    check_grads(mirrored(**conjugate), (z,))


def broken_sum(pull):
    """Return x + y as a function; `pull(cotangent)` gives the cotangent of y, as it is."""
    primitive = Primitive(
        "broken_sum",
        family="irregular",
        arguments=("x", "y"),
        evaluate=lambda x, y: x + y,
        infer=lambda x, y: x,
        tangent=lambda ans, primals, tangents, params: sum(t for t in tangents if t is not None),
        reverse=lambda which, values, ans, params: (
            lambda g, residuals: tuple((g, pull(g))[i] for i in which) if which[1:] else pull(g),
            (),
        ),
    )
    return lambda x, y: to_user(bind(primitive, x, y))


def test_a_missing_unbroadcast():
    function = broken_sum(lambda g: g)
    args = (np.ones((2, 3)), np.ones(3))
    with pytest.raises(CheckError, match=r"cotangent of args\[1\] is float64\[2,3\].*float64\[3\]"):
        check_vjp(function, args)
    with pytest.raises(CheckError, match=r"args\[1\]"):
        check_grads(function, args, order=1)
    registry.remove("broken_sum")
    check_vjp(broken_sum(lambda g: np.sum(g, axis=0)), args)


def test_an_unbroadcast_of_the_wrong_axis():
    args = (np.ones((3, 3)), np.ones(3))
    with pytest.raises(CheckError, match=r"cotangent of args\[1\] is not the transpose"):
        check_vjp(broken_sum(lambda g: np.sum(g, axis=1)), args)


def test_a_cotangent_of_the_wrong_dtype():
    args = (np.ones(3, np.float32), np.ones(3, np.float32))
    function = broken_sum(lambda g: g.astype(np.complex64) * 1j)
    with pytest.raises(CheckError):
        check_vjp(function, args)


def test_a_value_that_changes_under_a_transformation():
    def function(x):
        return x * 2.0 if type(x) is np.ndarray else x * 2.0 + 1e-9

    with pytest.raises(CheckError, match="under forward mode"):
        check_jvp(function, (X,))
    with pytest.raises(CheckError, match="under reverse mode"):
        check_vjp(function, (X,))


@pytest.mark.parametrize("place", ["jvp", "vjp"])
def test_a_derivative_whose_value_changes_under_a_transformation(place):
    def changing(change, x):
        return right(change, x) * (1.0 if type(x) is np.ndarray else 1.0 + 1e-9)

    function = cube(**({"jvp": right, "vjp": right} | {place: changing}))
    check_grads(function, (X,), order=1)
    with pytest.raises(CheckError, match=r"tangent of .* under forward mode"):
        check_grads(function, (X,), order=2)


def test_a_kink_that_the_rule_hides():
    with pytest.raises(CheckError):
        check_grads(lambda x: wg.stop_gradient(np.abs(x)) + 0.0 * x, (X,), order=1)


def test_a_dropped_derivative_of_one_leaf():
    def function(params, x):
        return {"y": params["w"] * x[0] + wg.stop_gradient(params["b"]) * x[1]}

    args = ({"w": 2.0, "b": np.array([0.5, 1.5])}, (X[:1], 3.0))
    with pytest.raises(CheckError) as caught:
        check_jvp(function, args)
    message = str(caught.value)
    pattern = (
        r"check_jvp of function, forward mode: the derivative of result\['y'\] along a change of "
        r"args\[0\]\['b'\] does not agree with differences, entry \(\d,\): expected (\S+), "
        r"got 0\.0, error (\S+), tolerance (\S+)\. Direction: args\[0\]\['b'\]: \["
    )
    found = re.match(pattern, message)
    assert found, message
    expected, error, tolerance = (float(group.rstrip(",")) for group in found.groups())
    assert abs(abs(expected) - error) < 1e-2 * error
    assert 0 < tolerance < 1e-6
    with pytest.raises(CheckError, match=r"the cotangent of args\[0\]\['b'\] is not the transpose"):
        check_vjp(function, args)


def test_a_wrong_entry_among_many():
    weights = np.ones(1000)
    weights[617] = OFF
    primitive = irregular(
        "nearly",
        arguments=("x",),
        evaluate=lambda x: x + 0.0,
        infer=lambda x: x,
        jvp=(lambda t: t * weights,),
        vjp=(lambda g: g * 1.0,),
    )
    with pytest.raises(CheckError, match=r"entry \(617,\)"):
        check_jvp(lambda x: to_user(bind(primitive, x)), (np.linspace(1.0, 2.0, 1000),))


# ------------------------------------------------------------------ right rules pass


class Pair(NamedTuple):
    first: object
    second: object


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda x: x * x * x, (2.0,)),
        (lambda x: x * x * x, (np.float64(2.0),)),
        (lambda x: x * x * x, (np.array(2.0),)),
        (lambda x: x * x * x, (np.float32(2.0),)),
        (lambda x: x * x * x, (X,)),
        (lambda x: x * x * x, (X.astype(np.float32),)),
        (lambda x: x * x * x, (np.zeros((0, 3)),)),
        (lambda x, y: x * np.sum(y), (X, np.zeros((0, 3)))),
        (lambda x: x * x * x, (X * 1e-9,)),
        (lambda x: x * x * x, (X * 1e9,)),
        (lambda x: 1.0 / (x * x), (X * 1e-3,)),
        (lambda x: x[::-1] * x.reshape(3, 1), (X,)),
        (lambda z: z * z * z, (X + 1j,)),
        (lambda z: z * z, (0.5 - 2.0j,)),
        (lambda z: np.conj(z) * z, (X - 0.5j,)),
        (lambda z: np.real(z) * np.imag(z), (X - 0.5j,)),
        (lambda z: np.abs(z) ** 2, ((X - 0.5j).astype(np.complex64),)),
        (lambda x, z: (x * z, np.abs(z) * x), (X, X + 1j)),
        (lambda x: x * (1.0 + 2.0j), (X,)),
        (lambda p: Pair(p.first * p.second, {"a": [p.first]}), (Pair(2.0, X),)),
        (lambda x, n, name: {name: x**n, "n": n}, (X + 3.0, 3, "power")),
        (lambda x, i: (x[i], np.argsort(x)), (X, np.array([2, 0, 2]))),
        (lambda x: (x, x * 0.0 + 1.0), (X,)),
    ],
)
def test_right_rules_pass(function, args):
    check_jvp(function, args)
    check_vjp(function, args)
    check_grads(function, args, order=3)
    check_grads(function, args, order=2, modes="forward")
    check_grads(function, args, order=2, modes=["reverse"])


@pytest.mark.parametrize("seed", range(6))
def test_derivatives_may_round_otherwise_under_a_transformation(seed):
    matrices = np.random.default_rng(seed).uniform(-1.0, 1.0, (2, 3, 4))
    wide, tall = matrices[0] + np.eye(3, 4), matrices[1].T + np.eye(4, 3)
    options = {"order": 2, "tolerance": 1e-6, "step": 0.02}
    check_grads(lambda x: np.linalg.qr(x).R, (wide,), **options)
    check_grads(lambda a: np.linalg.lstsq(a, X[[0, 1, 2, 0]])[0], (tall,), **options)


def test_a_function_that_writes_its_arguments():
    def function(x, y):
        x[0] = y[1] * x[2]
        y *= x
        return x, y

    given = X.copy(), X[::-1].copy()
    check_grads(function, given, order=3)
    np.testing.assert_array_equal(given[0], X)
    np.testing.assert_array_equal(given[1], X[::-1])


def test_a_function_that_is_not_finite_everywhere():
    """Steps may leave the domain; nan is compared with nan."""
    check_grads(np.sqrt, (np.array([1e-4, 1.0]),), order=1, step=1e-5)
    check_grads(lambda x: x * np.nan, (X,), order=1)


def test_seed_and_tolerance_are_used():
    function = cube(jvp=off, vjp=off)
    check_grads(function, (X,), order=1, tolerance=1e-2)
    messages = set()
    for seed in (0, 1):
        with pytest.raises(CheckError) as caught:
            check_grads(function, (X,), order=1, seed=seed)
        messages.add(str(caught.value))
    assert len(messages) == 2
    registry.remove("cube")

    def nearly(change, x):
        return (1.0 + 1e-9) * right(change, x)

    function = cube(jvp=nearly, vjp=nearly)
    check_grads(function, (X,), order=1)
    with pytest.raises(CheckError):
        check_grads(function, (X,), order=1, tolerance=1e-10)


# ------------------------------------------------------------------ what cannot be checked


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: check_grads(3.0, (X,)), r"takes a function as its first argument"),
        (lambda: check_jvp(np.sin, X), r"as a tuple, got ndarray: write check_jvp\(f, \(x,\)\)"),
        (lambda: check_vjp(np.sin, 1.0), r"as a tuple, got float"),
        (lambda: check_grads(np.sin, (3, "a")), r"no floating-point number .*\(int, str\)"),
        (lambda: check_grads(lambda x: np.argmax(x), (X,)), "the result holds no floating-point"),
        (lambda: check_grads(np.sin, (X,), order=0), "order is .* got 0"),
        (lambda: check_grads(np.sin, (X,), order=1.5), r"order is .* got 1\.5"),
        (lambda: check_grads(np.sin, (X,), order=True), "order is .* got True"),
        (lambda: check_grads(np.sin, (X,), modes="both"), "modes are .*'both'"),
        (lambda: check_grads(np.sin, (X,), modes=()), "modes are"),
    ],
)
def test_what_cannot_be_checked(call, said):
    with pytest.raises(ArgumentError, match=said):
        call()


# ------------------------------------------------------------------ the matrix test is a test too

CHECKS = {
    "jvp": lambda: matrix.test_jvp_is_differences("cube", 0),
    "vjp": lambda: matrix.test_vjp_is_jvp_transposed("cube", 0),
    "second of jvp": lambda: matrix.test_second_derivatives_are_differences_of_first(
        "cube", 0, matrix.forward_of
    ),
    "second of vjp": lambda: matrix.test_second_derivatives_are_differences_of_first(
        "cube", 0, matrix.reverse_of
    ),
}


@pytest.mark.parametrize(
    ("rules", "failing"),
    [
        ({"jvp": right, "vjp": right}, set()),
        ({"jvp": off, "vjp": right}, {"jvp", "vjp"}),
        ({"jvp": right, "vjp": off}, {"vjp"}),
        ({"jvp": dropped, "vjp": right}, {"second of jvp"}),
        ({"jvp": right, "vjp": off_at_second_order}, {"second of vjp"}),
    ],
)
def test_the_matrix_catches_what_it_claims(rules, failing):
    cube(**rules)
    for name, check in CHECKS.items():
        if name in failing:
            with pytest.raises(AssertionError):
                check()
        else:
            check()


@pytest.mark.parametrize(
    ("slots", "check"),
    [
        ({"infer": lambda x: aval_of(np.float32(1))}, matrix.test_infer_is_evaluation),
        ({"infer": lambda x: x.with_kind("scalar")}, matrix.test_infer_is_evaluation),
        ({"numpy": np.exp}, matrix.test_value_is_numpys),
    ],
)
def test_the_matrix_catches_wrong_values(slots, check):
    given = {"evaluate": lambda x: x + x, "infer": lambda x: x} | slots
    Primitive(
        "doubled",
        family="irregular",
        arguments=("x",),
        samples=lambda: [Sample(X)],
        tangent=lambda ans, primals, tangents, params: tangents[0] * 2.0,
        **given,
    )
    with pytest.raises(AssertionError):
        check("doubled", 0)


@pytest.mark.parametrize(
    "evaluate",
    [lambda x: np.add(x, 1.0, out=x), lambda x: np.multiply(x, 2.0, out=x)],
)
def test_the_matrix_catches_a_written_operand(evaluate):
    Primitive(
        "writes",
        family="irregular",
        arguments=("x",),
        evaluate=evaluate,
        infer=lambda x: x,
        samples=lambda: [Sample(X.copy())],
        tangent=lambda ans, primals, tangents, params: tangents[0],
    )
    with pytest.raises(AssertionError, match="an operand was written"):
        matrix.test_value_is_numpys("writes", 0)
