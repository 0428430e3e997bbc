"""Bad input and half-way failures: what the message says, and that nothing is left behind."""

import contextlib
import math
import threading
import warnings

import numpy as np
import pytest
import scipy.optimize

import wengert as wg
from transformations import TRANSFORMS
from wengert import errors
from wengert.tracing import protocols
from wengert.tracing.core import depth


def square(x):
    return x * x


# ------------------------------------------------------------------ outputs of grad


def test_an_array_output_names_its_shape_and_the_alternatives():
    with pytest.raises(errors.NotScalarError, match=r"shape \(3,\).*np\.sum.*wengert\.jacobian"):
        wg.grad(square)(np.ones(3))


def test_a_tree_output_is_counted():
    with pytest.raises(TypeError, match="a tree of 2 leaves"):
        wg.value_and_grad(lambda x: (x, x))(1.0)


def test_a_complex_output_says_holomorphic():
    with pytest.raises(errors.NotScalarError, match=r"complex128.*real part.*holomorphic=True"):
        wg.grad(square)(1.0 + 2.0j)


def test_holomorphic_needs_complex_input():
    with pytest.raises(errors.NotScalarError, match="complex input and complex output"):
        wg.grad(square, holomorphic=True)(1.0)


def test_aux_must_be_a_pair():
    with pytest.raises(errors.ArgumentError, match=r"pair \(value, auxiliary output\).*float64\*"):
        wg.grad(square, has_aux=True)(1.0)


@pytest.mark.parametrize("name", ["grad", "value_and_grad", "elementwise_grad", "jacobian"])
def test_a_value_instead_of_a_function(name):
    with pytest.raises(errors.ArgumentError, match=rf"{name}\(f\)\(x\), not {name}\(f\(x\)\)"):
        getattr(wg, name)(3.0)


# ------------------------------------------------------------------ inputs


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.array([1, 2]), r"dtype int64 \(shape \(2,\)\).*x\.astype\(float\)"),
        (np.array([True]), r"dtype bool"),
        (np.array([1.0, None]), r"dtype object"),
        (np.array(["a"]), r"dtype <U1"),
        (np.int64(3), r"NumPy scalar of dtype int64.*float\(x\)"),
        (np.bool_(True), "NumPy scalar of dtype bool"),
        (True, r"type bool \(True\).*argnums"),
        ("three", r"type str \('three'\).*argnums"),
        (object, "type type"),
        (np.ma.masked_array([1.0], [True]), r"MaskedArray.*np\.asarray"),
        ([1.0, "two"], r"type str \('two'\)"),
    ],
)
@pytest.mark.parametrize(
    "transform",
    [
        lambda f, x: wg.grad(f)(x),
        lambda f, x: wg.vjp(f, x),
        lambda f, x: wg.jvp(f, (x,), (x,)),
        lambda f, x: wg.jacobian(f)(x),
    ],
    ids=["grad", "vjp", "jvp", "jacobian"],
)
def test_what_cannot_be_differentiated(transform, given, said):
    with pytest.raises(errors.NotDifferentiableError, match=said):
        transform(lambda x: x, given)


def test_a_python_int_counts_as_a_float():
    assert wg.grad(square)(3) == 6.0


# ------------------------------------------------------------------ argnums


@pytest.mark.parametrize("argnums", [None, 1.0, True, (0, 1.5), (False,), [None], object()])
def test_argnums_of_a_wrong_type(argnums):
    with pytest.raises(errors.ArgumentError, match="an int, an argument name, or a tuple"):
        wg.grad(lambda x, y: x * y, argnums)


def test_argnums_empty():
    with pytest.raises(errors.ArgumentError, match="argnums is empty"):
        wg.grad(square, ())


@pytest.mark.parametrize("argnums", [2, -3, (0, 2)])
def test_argnums_out_of_range(argnums):
    with pytest.raises(errors.ArgumentError, match="called with 2 positional arguments"):
        wg.grad(lambda x, y: x * y, argnums)(1.0, 2.0)


def test_argnums_of_an_unknown_name_lists_the_names():
    with pytest.raises(errors.ArgumentError, match=r"'z'.*the function has \(x, y\)"):
        wg.grad(lambda x, y: x * y, "z")(1.0, y=2.0)


@pytest.mark.parametrize("argnums", [(0, 0), (0, -2), (1, "y"), ("x", 0), (-1, 1)])
def test_argnums_twice(argnums):
    with pytest.raises(errors.ArgumentError, match="twice"):
        wg.grad(lambda x, y: x * y, argnums)(1.0, 2.0)


def test_argnums_twice_when_one_is_given_by_keyword():
    with pytest.raises(errors.ArgumentError, match="twice"):
        wg.grad(lambda x, y: x * y, (1, "y"))(1.0, y=2.0)


# ------------------------------------------------------------------ tangents and cotangents


@pytest.mark.parametrize(
    ("primal", "tangent", "said"),
    [
        (np.ones(3), np.ones(2), r"tangent of shape \(2,\).*value of shape \(3,\)"),
        (np.ones(3), 1.0, r"tangent of shape \(\)"),
        (np.ones(3), np.ones(3) * 1j, "tangent of dtype complex128.*dtype float64"),
        (1.0, "a", "tangent of dtype <U1"),
        ({"a": 1.0}, {"b": 1.0}, "tangent has the tree structure"),
        ({"a": 1.0}, [1.0], "tangent has the tree structure"),
    ],
)
def test_a_tangent_that_does_not_fit(primal, tangent, said):
    with pytest.raises(errors.TangentError, match=said):
        wg.jvp(lambda x: x, (primal,), (tangent,))


def test_a_tangent_too_many():
    with pytest.raises(errors.TangentError, match="2 tangents were given for 1 primals"):
        wg.jvp(square, (1.0,), (1.0, 1.0))


@pytest.mark.parametrize(("primals", "tangents"), [(1.0, (1.0,)), ((1.0,), 1.0)])
def test_jvp_without_tuples(primals, tangents):
    with pytest.raises(errors.ArgumentError, match=r"write jvp\(f, \(x,\), \(v,\)\)"):
        wg.jvp(square, primals, tangents)


@pytest.mark.parametrize(
    ("primal", "cotangent", "said"),
    [
        (np.ones(3), np.ones(4), r"cotangent of shape \(4,\).*value of shape \(3,\)"),
        (np.ones(3), np.ones(3) * 1j, "cotangent of dtype complex128"),
        (np.ones(3), np.array(["a"] * 3), "cotangent of dtype <U1"),
        ({"a": 1.0}, {"a": 1.0, "b": 2.0}, "cotangent has the tree structure"),
        ((1.0, 2.0), 1.0, "cotangent has the tree structure"),
    ],
)
def test_a_cotangent_that_does_not_fit(primal, cotangent, said):
    _, pullback = wg.vjp(lambda x: wg.tree.map(lambda leaf: leaf * 2.0, x), primal)
    with pytest.raises(errors.TangentError, match=said):
        pullback(cotangent)


# ------------------------------------------------------------------ functions without a rule


def test_a_ufunc_without_a_rule_is_named(monkeypatch):
    monkeypatch.delitem(protocols.ufuncs, np.hypot)
    with pytest.raises(errors.MissingRuleError, match=r"docs/adding-a-primitive\.md") as caught:
        wg.grad(lambda x: np.hypot(x, 1.0))(2.0)
    assert "numpy.hypot" in str(caught.value)
    assert "float64" in str(caught.value)


def test_a_function_without_a_rule_is_named(monkeypatch):
    monkeypatch.delitem(protocols.functions, np.unwrap)
    with pytest.raises(NotImplementedError, match=r"numpy\.unwrap.*float64\[3\].*stop_gradient"):
        wg.grad(lambda x: np.sum(np.unwrap(x)))(np.ones(3))


def test_an_unknown_attribute_is_named():
    with pytest.raises(AttributeError, match=r"float64\[3\].*'wobble'"):
        wg.grad(lambda x: x.wobble)(np.ones(3))


# ------------------------------------------------------------------ leaks


@pytest.mark.parametrize("point", [2.0, np.ones(3)], ids=["scalar", "array"])
@pytest.mark.parametrize(
    "use",
    [
        lambda x: x * 2.0,
        lambda x: 2.0 - x,
        lambda x: x[...] * x,
        lambda x: np.add(x, 1.0),
        lambda x: x > 0,
        lambda x: wg.grad(lambda y: y * np.sum(x))(1.0),
        lambda x: wg.grad(lambda y: np.sum(y * x))(1.0),
        lambda x: wg.jvp(lambda y: y * x, (1.0,), (1.0,)),
        lambda x: wg.grad(np.sum)(x),
        lambda x: np.asarray(x),
    ],
)
def test_a_leaked_value_names_its_function(point, use):
    kept = []

    def leaking(x):
        kept.append(x)
        return np.sum(x)

    wg.grad(leaking)(point)
    with pytest.raises(errors.LeakedArrayError, match=r"leaking.*test_errors\.py:\d+.*had ended"):
        use(kept[0])


@pytest.mark.parametrize("use", [float, int, bool, complex, math.sin])
def test_a_leaked_scalar_does_not_become_a_number(use):
    kept = []
    wg.grad(lambda x: kept.append(x) or x)(2.0)
    with pytest.raises(errors.LeakedArrayError, match="had ended"):
        use(kept[0])
    assert repr(kept[0]) == "2.0"  # printing is always allowed


def test_a_leak_from_an_inner_transformation():
    def outer(x):
        kept = []
        wg.grad(lambda y: kept.append(y) or y * x)(3.0)
        return kept[0] * x

    with pytest.raises(errors.LeakedArrayError, match="had ended"):
        wg.grad(outer)(2.0)
    with pytest.raises(errors.LeakedArrayError, match="had ended"):
        wg.jvp(outer, (2.0,), (1.0,))


def test_a_leak_through_a_cell_that_outlives():
    cell = {}

    def first(x):
        cell["table"] = np.zeros(2)
        cell["table"][0] = x
        return x

    wg.grad(first)(2.0)
    with pytest.raises(errors.LeakedArrayError, match="first"):
        wg.grad(lambda x: x * cell["table"][0])(3.0)


def test_a_cell_without_traced_values_may_outlive():
    cell = {}

    def first(x):
        cell["table"] = np.full(2, 7.0)
        return x

    wg.grad(first)(2.0)
    assert wg.grad(lambda x: x * cell["table"][0])(3.0) == 7.0
    assert float(cell["table"][1]) == 7.0


def test_a_value_in_another_thread():
    caught = []

    def use(x):
        try:
            x * 2.0
        except errors.LeakedArrayError as error:
            caught.append(str(error))

    def program(x):
        worker = threading.Thread(target=use, args=(x,))
        worker.start()
        worker.join()
        return x

    assert wg.grad(program)(2.0) == 1.0
    assert len(caught) == 1
    assert "another thread" in caught[0]
    assert "program" in caught[0]


# ------------------------------------------------------------------ aliasing


def test_overlapping_arguments_one_of_them_written():
    buffer = np.arange(4.0)

    def program(a, b):
        a[0] = b[0] * 2.0
        return np.sum(a * b)

    with pytest.raises(errors.AliasingError, match=r"shapes \(3,\) and \(3,\).*x\.copy\(\)"):
        wg.grad(program, (0, 1))(buffer[:3], buffer[1:])
    np.testing.assert_array_equal(buffer, np.arange(4.0))
    with pytest.raises(errors.AliasingError, match="shares memory"):
        wg.grad(lambda p: program(p["a"], p["b"]))({"a": buffer[:3], "b": buffer[1:]})
    first, second = wg.grad(program, (0, 1))(buffer[:3].copy(), buffer[1:])
    np.testing.assert_array_equal(first, [0.0, 2.0, 3.0])
    np.testing.assert_array_equal(second, [4.0, 1.0, 2.0])


def test_overlapping_arguments_that_are_only_read():
    buffer = np.arange(4.0)
    first, second = wg.grad(lambda a, b: np.sum(a * b), (0, 1))(buffer[:3], buffer[1:])
    np.testing.assert_array_equal(first, buffer[1:])
    np.testing.assert_array_equal(second, buffer[:3])


# ------------------------------------------------------------------ no input is used


@pytest.mark.parametrize(
    "call",
    [
        lambda: wg.grad(lambda x: 3.0)(2.0),
        lambda: wg.value_and_grad(lambda x: 3.0)(2.0)[1],
    ],
)
def test_an_unused_input_gives_zero_and_a_warning_at_the_users_line(call):
    with pytest.warns(errors.UnusedInputWarning, match="does not depend") as caught:
        assert call() == 0.0
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert caught[0].lineno == call.__code__.co_firstlineno


@pytest.mark.parametrize("order", [2, 3, 4])
def test_derivatives_that_vanish_are_no_reason_to_warn(order):
    def derivative(x):
        return 3.0 * x

    for _ in range(order):
        derivative = wg.grad(derivative)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert derivative(2.0) == 0.0


def test_one_used_leaf_is_enough():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert wg.grad(lambda p: p["a"] * 2.0)({"a": 1.0, "b": 1.0}) == {"a": 2.0, "b": 0.0}


# ------------------------------------------------------------------ failures half-way


class Stop(Exception):
    """What user code raises in these tests."""


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_user_code_raises_half_way(transform, error):
    big = np.ones(100_000)  # large enough to be locked while the tape lives

    def program(x):
        y = np.zeros(3)
        y[0] = np.sum(x * big)
        if depth():
            raise error("half-way")
        return y[0]

    with pytest.raises(error, match="half-way"):
        transform(program, np.ones(100_000))
    assert big.flags.writeable
    assert type(np.zeros(2)) is np.ndarray
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x * big))(big), big)
    assert big.flags.writeable


def test_an_error_in_the_pullback_unlocks():
    big = np.ones(100_000)
    with pytest.raises(errors.NotScalarError):
        wg.grad(lambda x: x * big)(np.ones(100_000))
    assert big.flags.writeable


def test_a_caught_inner_error_leaves_the_outer_transformation_alive():
    def outer(x):
        with contextlib.suppress(ZeroDivisionError):
            wg.grad(lambda y: y * (1 // 0))(x)
        table = np.zeros(2)
        table[1] = x * x
        return table[1]

    assert wg.grad(outer)(3.0) == 6.0


# ------------------------------------------------------------------ threads


def test_threads_differentiate_at_once():
    def program(x):
        table = np.zeros((50, 2))
        for i in range(50):
            table[i, 0] = x * i
            table[i] += x
        return np.sum(table * table)

    # table[i] = (x (i + 1), x), so that the sum is x² Σ ((i + 1)² + 1).
    factor = 2.0 * sum((i + 1) ** 2 + 1 for i in range(50))
    together = threading.Barrier(4)
    found = {}

    def work(number):
        together.wait()
        slopes = [wg.grad(program)(number + k / 4) for k in range(8)]
        plain = type(np.zeros(2)) is np.ndarray
        found[number] = (slopes, plain)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(found) == [0, 1, 2, 3]
    for number, (slopes, plain) in found.items():
        assert plain
        np.testing.assert_allclose(
            slopes, [factor * (number + k / 4) for k in range(8)], rtol=1e-13
        )


def test_threads_share_a_locked_constant():
    big = np.linspace(0.0, 1.0, 50_000)
    together = threading.Barrier(3)
    failures = []

    def work():
        together.wait()
        for _ in range(20):
            slope = wg.grad(lambda x: np.sum(x * big))(np.ones(50_000))
            if not np.array_equal(slope, big):
                failures.append(slope)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    assert big.flags.writeable


# ------------------------------------------------------------------ classes


def test_every_error_has_a_built_in_base():
    found = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.WengertError)
    ]
    assert len(found) > 10
    for kind in found:
        if kind is not errors.WengertError:
            assert any(base.__module__ == "builtins" for base in kind.__bases__), kind
        assert kind.__doc__


@pytest.mark.parametrize(
    "function",
    [np.sin, np.tan, np.square, np.abs, np.floor, lambda x: x * x, lambda x: x / (1 + x)],
    ids=["sin", "tan", "square", "abs", "floor", "product", "quotient"],
)
@pytest.mark.parametrize("like", [1.0, np.ones(3)], ids=["scalar", "array"])
def test_what_is_not_linear_has_no_transpose(function, like):
    with pytest.raises(errors.NotLinearError, match="is not linear"):
        wg.linear_transpose(function, like)


# ------------------------------------------------------------------ what users mistype


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: wg.cond(True, 1.0, 2.0),
            errors.ArgumentError,
            "true_fun must be a function, got float$",
        ),
        (lambda: wg.checkpoint(np.sin, policy=3), errors.ArgumentError, "policy is None"),
        (lambda: wg.root(lambda x: x**2 + 1, 1.0), errors.SingularSystemError, "^root: .*no root"),
        (
            lambda: wg.elementwise_grad(np.sum)(np.ones(3)),
            errors.ArgumentError,
            "shape .. of one of shape",
        ),
        (lambda: wg.compare_methods(lambda x, y: x * y, 1.0), errors.ArgumentError, "one of x, y"),
        (lambda: wg.grad(lambda p: p["w"])({"w": 1.0, "n": "a"}), TypeError, "by a closure"),
        (lambda: wg.config(max_paths="many"), errors.ArgumentError, "whole number of at least 1"),
        (lambda: wg.config(verify=1), errors.ArgumentError, "verify is True or False, got 1"),
        (lambda: wg.config(traced_packages="mine"), errors.ArgumentError, "tuple of names"),
        (lambda: setattr(wg.config, "debug_nan", True), AttributeError, "it has .*debug_nans"),
    ],
)
def test_mistakes_are_told_with_what_to_type(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_solver_in_c_that_goes_on_after_a_refusal():
    """SciPy's brentq asks for the float, and goes on with the error set."""
    with pytest.raises(errors.TracedValueError, match="would drop the derivative"):
        wg.grad(lambda a: scipy.optimize.brentq(lambda x: x - a, -5.0, 5.0))(1.0)


def test_a_wrong_setting_changes_none():
    before = wg.config.verify
    with pytest.raises(errors.ArgumentError):
        wg.config(verify=not before, num_threads=0)
    assert wg.config.verify is before


def test_elementwise_grad_takes_what_is_broadcast():
    x, y = np.ones(3), np.ones((2, 1))
    found = wg.elementwise_grad(lambda x, y: x * y, (0, 1))(x, y)
    np.testing.assert_array_equal(found[0], [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(found[1], [[3.0], [3.0]])
