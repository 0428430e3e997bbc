"""The numerical methods: accuracy, conventions, kinds, trees and errors.

References are derivatives worked out by hand, so that these tests need no automatic ones.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wengert import errors, numerical

METHODS = ["forward", "central", "complex-step", "richardson"]

# Allowed error of a first and of a second derivative of size one, in float64 and in float32.
FIRST = {"forward": 1e-7, "central": 1e-9, "complex-step": 1e-14, "richardson": 1e-11}
SECOND = {"forward": 1e-4, "central": 1e-6, "complex-step": 1e-9, "richardson": 1e-9}
FIRST_SINGLE = {"forward": 2e-3, "central": 1e-4, "complex-step": 1e-6, "richardson": 2e-5}
SECOND_SINGLE = {"forward": 5e-2, "central": 1e-2, "complex-step": 1e-3, "richardson": 1e-2}


def logistic_map(x):
    value = x
    for _ in range(4):
        value = 4 * value * (1 - value)
    return value


def mixed(p):
    return np.exp(p[0] * p[1]) * np.sin(p[2]) + p[0] ** 3


def mixed_gradient(p):
    a, b, c = p
    common = np.exp(a * b)
    sine, cosine = np.sin(c), np.cos(c)
    return np.array([b * common * sine + 3 * a * a, a * common * sine, common * cosine])


def mixed_hessian(p):
    a, b, c = p
    common = np.exp(a * b)
    sine, cosine = np.sin(c), np.cos(c)
    upper = np.array(
        [
            [b * b * common * sine + 6 * a, (1 + a * b) * common * sine, b * common * cosine],
            [0, a * a * common * sine, a * common * cosine],
            [0, 0, -common * sine],
        ]
    )
    return upper + np.triu(upper, 1).T


POINT = np.array([0.3, -0.7, 1.2])


# Worked examples ------------------------------------------------------------------------------


def test_forward_difference_of_a_square_with_a_coarse_step():
    approximate = numerical.derivative(lambda x: x**2, method="forward", step=0.01)(2.0)
    assert approximate == pytest.approx(4.01, abs=1e-12)


@pytest.mark.parametrize("of", [numerical.derivative, numerical.gradient, numerical.jacobian])
def test_forward_difference_of_the_logistic_map(of):
    assert logistic_map(0.25) == 0.75
    approximate = of(logistic_map, method="forward", step=1e-7)(0.25)
    assert approximate == pytest.approx(-16.00001599, abs=1e-6)


@pytest.mark.parametrize(
    ("step", "evaluations"), [(0.01, 1001), (0.1, 101), (1.0, 11), (None, 5), (None, 15)]
)
def test_the_error_of_differences_of_the_sine_grows_with_the_step(step, evaluations):
    x = np.linspace(0, 10, evaluations)
    h = step if step is not None else 10 / (evaluations - 1)
    one_sided = numerical.derivative(np.sin, method="forward", step=h)(x)
    two_sided = numerical.derivative(np.sin, method="central", step=h)(x)
    # The closed forms of the two differences: d sin -> cos(x + h/2) sinc(h/2), cos(x) sinc(h).
    np.testing.assert_allclose(one_sided, np.cos(x + h / 2) * np.sin(h / 2) / (h / 2), atol=1e-12)
    np.testing.assert_allclose(two_sided, np.cos(x) * np.sin(h) / h, atol=1e-12)


# Accuracy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_derivative_is_elementwise(method):
    x = np.array([[0.2, 1.0, -3.0], [4.0, 0.0, 10.0]])
    result = numerical.derivative(np.sin, method=method)(x)
    assert result.shape == x.shape
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, np.cos(x), atol=10 * FIRST[method])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("default_method", [True, False])
def test_gradient(method, default_method):
    options = {} if default_method else {"method": method}
    result = numerical.gradient(mixed, **options)(POINT)
    tolerance = FIRST["central" if default_method else method]
    np.testing.assert_allclose(result, mixed_gradient(POINT), atol=tolerance)


@pytest.mark.parametrize("method", METHODS)
def test_hessian(method):
    result = numerical.hessian(mixed, method=method)(POINT)
    np.testing.assert_allclose(result, mixed_hessian(POINT), atol=SECOND[method])
    np.testing.assert_array_equal(result, result.T)


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_has_its_own_steps(method):
    point = POINT.astype(np.float32)
    gradient = numerical.gradient(mixed, method=method)(point)
    hessian = numerical.hessian(mixed, method=method)(point)
    assert gradient.dtype == hessian.dtype == np.float32
    np.testing.assert_allclose(gradient, mixed_gradient(POINT), atol=FIRST_SINGLE[method])
    np.testing.assert_allclose(hessian, mixed_hessian(POINT), atol=SECOND_SINGLE[method])


def test_single_precision_inside_the_function_counts_too():
    def rounded(x):
        return np.sin(x.astype(np.float32))

    x = np.array([0.3, 0.9])
    result = numerical.derivative(rounded)(x)
    np.testing.assert_allclose(result, np.cos(x), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_steps_follow_the_size_of_the_point(method, size):
    result = numerical.derivative(np.square, method=method)(size)
    assert result == pytest.approx(2 * size, rel=1e-4)


def test_complex_step_keeps_all_digits_however_small_the_number():
    x = np.array([1e-12, 1e-3, 1.0, 1e12])
    np.testing.assert_allclose(
        numerical.derivative(np.log, method="complex-step")(x), 1 / x, rtol=1e-15
    )
    assert numerical.derivative(lambda v: v**3 + v, method="complex-step")(0.0) == 1.0


def test_extrapolation_prefers_the_steps_inside_the_domain():
    # The first two of the four steps leave the domain of the logarithm, where NumPy gives nan.
    with np.errstate(invalid="ignore"):
        result = numerical.derivative(np.log, method="richardson", step=0.015)(0.01)
    assert result == pytest.approx(100, rel=0.2)


@settings(deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(-2, 2))
def test_central_differences_are_exact_for_quadratics(coefficients, x):
    a, b, c = coefficients

    def quadratic(v):
        return a + b * v + c * v * v

    result = numerical.gradient(quadratic)(x)
    assert result == pytest.approx(b + 2 * c * x, abs=1e-8)
    assert numerical.hessian(quadratic)(x) == pytest.approx(2 * c, abs=1e-5)


@settings(deadline=None)
@given(st.floats(-2, 2), st.sampled_from(METHODS), st.integers(1, 5))
def test_powers(x, method, power):
    result = numerical.gradient(lambda v: v**power, method=method)(x)
    assert result == pytest.approx(power * x ** (power - 1), abs=1e-5)


# Evaluations: what the documentation of the methods promises ----------------------------------


@pytest.mark.parametrize(
    ("method", "expected"),
    [("forward", 4), ("central", 7), ("complex-step", 4), ("richardson", 25)],
)
def test_number_of_evaluations_of_a_gradient(method, expected):
    calls = 0

    def counted(p):
        nonlocal calls
        calls += 1
        return mixed(p)

    numerical.gradient(counted, method=method)(POINT)
    assert calls == expected


def test_number_of_evaluations_of_a_forward_hessian():
    calls = 0

    def counted(p):
        nonlocal calls
        calls += 1
        return mixed(p)

    numerical.hessian(counted, method="forward")(POINT)
    assert calls == (3 + 1) * (3 + 2) // 2


# Shapes, trees and kinds ----------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_jacobian_has_the_shape_of_result_and_argument(method):
    x = np.arange(1.0, 7.0).reshape(2, 3)

    def products(m):
        return m @ m.T / 10

    result = numerical.jacobian(products, method=method)(x)
    assert result.shape == (2, 2, 2, 3)
    identity = np.eye(2)
    expected = (np.einsum("ik,jl->ijkl", identity, x) + np.einsum("jk,il->ijkl", identity, x)) / 10
    np.testing.assert_allclose(result, expected, atol=10 * FIRST[method])


def test_jacobian_of_trees():
    def fun(params, scale):
        return {"a": params["w"] * scale, "b": (params["c"] ** 2, params["w"].sum())}

    params = {"w": np.array([1.0, 2.0, 3.0]), "c": 4.0}
    result = numerical.jacobian(fun, argnums=(0, 1), method="complex-step")(params, 2.0)
    by_params, by_scale = result["a"]
    np.testing.assert_allclose(by_params["w"], 2 * np.eye(3))
    np.testing.assert_array_equal(by_params["c"], np.zeros(3))
    np.testing.assert_allclose(by_scale, params["w"])
    assert result["b"][0][0]["c"] == pytest.approx(8.0)
    np.testing.assert_allclose(result["b"][1][0]["w"], np.ones(3))


def test_hessian_of_trees():
    def fun(params):
        return params["s"] ** 2 * np.sum(params["w"] ** 2)

    params = {"w": np.array([1.0, 2.0]), "s": 3.0}
    result = numerical.hessian(fun, method="richardson")(params)
    assert isinstance(result["s"]["s"], float)
    assert result["s"]["s"] == pytest.approx(10, abs=1e-8)
    np.testing.assert_allclose(result["s"]["w"], 4 * 3 * params["w"], atol=1e-8)
    np.testing.assert_allclose(result["w"]["s"], 4 * 3 * params["w"], atol=1e-8)
    np.testing.assert_allclose(result["w"]["w"], 2 * 9 * np.eye(2), atol=1e-8)


class Pair(NamedTuple):
    first: float
    second: np.ndarray


@dataclasses.dataclass
class Model:
    weights: np.ndarray
    bias: float


def test_named_tuples_and_dataclasses_are_trees():
    result = numerical.gradient(lambda p: p.first * p.second.sum())(Pair(2.0, np.ones(2)))
    assert isinstance(result, Pair)
    np.testing.assert_allclose(result.second, [2, 2])
    model = Model(np.array([1.0, 2.0]), 3.0)
    result = numerical.gradient(lambda m: (m.weights**2).sum() * m.bias)(model)
    assert isinstance(result, Model)
    np.testing.assert_allclose(result.weights, [6, 12])
    assert result.bias == pytest.approx(5)


def test_kinds_come_back_as_they_went_in():
    def fun(x):
        return x * x

    assert type(numerical.gradient(fun)(3.0)) is float
    assert type(numerical.gradient(fun)(3)) is float
    assert type(numerical.gradient(fun)(np.float64(3))) is np.float64
    assert type(numerical.gradient(fun)(np.float32(3))) is np.float32
    zero_dim = numerical.gradient(fun)(np.array(3.0))
    assert isinstance(zero_dim, np.ndarray)
    assert zero_dim.shape == ()
    assert type(numerical.jacobian(fun)(3.0)) is float
    assert type(numerical.derivative(fun)(3.0)) is float
    assert type(numerical.hessian(fun)(3.0)) is float


def test_the_function_sees_the_kinds_it_was_given():
    seen = []

    def fun(x, y, z):
        seen.append((type(x), type(y), type(z)))
        return x * y * z

    numerical.gradient(fun, argnums=(0, 1, 2))(1.0, np.float32(2), np.array(3.0))
    assert set(seen) == {(float, np.float32, np.ndarray)}


def test_float32_and_python_floats_promote_as_in_numpy():
    result = numerical.jacobian(lambda s, x: s * x, argnums=0)(2.0, np.ones(3, np.float32))
    assert result.dtype == np.float32


def test_empty_arrays():
    assert numerical.gradient(lambda x: x.sum())(np.zeros((0, 3))).shape == (0, 3)
    assert numerical.jacobian(lambda x: 2 * x)(np.zeros(0)).shape == (0, 0)
    assert numerical.jacobian(lambda x: x[:0])(np.ones(3)).shape == (0, 3)
    assert numerical.hessian(lambda x: x.sum())(np.zeros(0)).shape == (0, 0)
    assert numerical.derivative(np.sin)(np.zeros((2, 0))).shape == (2, 0)
    assert numerical.gradient(lambda x: 1.0)({}) == {}


def test_non_contiguous_points():
    x = np.arange(12.0).reshape(3, 4).T[::2]
    result = numerical.gradient(lambda m: (m**2).sum())(x)
    np.testing.assert_allclose(result, 2 * x, atol=1e-7)


def test_derivative_of_a_tree_valued_function_of_one_number():
    def curve(t):
        return {"position": np.array([np.cos(t), np.sin(t)]), "time": t}

    result = numerical.derivative(curve, method="complex-step")(0.5)
    np.testing.assert_allclose(result["position"], [-np.sin(0.5), np.cos(0.5)])
    assert result["time"] == 1.0


def test_derivative_of_a_tree_valued_elementwise_function():
    x = np.array([0.1, 0.2, 0.3])
    first, second = numerical.derivative(lambda v: (v**2, np.exp(v)))(x)
    np.testing.assert_allclose(first, 2 * x, atol=1e-9)
    np.testing.assert_allclose(second, np.exp(x), atol=1e-9)


# Arguments ------------------------------------------------------------------------------------


def test_argnums_by_position_name_and_from_the_end():
    def fun(x, y, *, scale=1.0):
        return scale * x * y**2

    assert numerical.gradient(fun, argnums=1)(2.0, 3.0) == pytest.approx(12)
    assert numerical.gradient(fun, argnums=-1)(2.0, 3.0) == pytest.approx(12)
    assert numerical.gradient(fun, argnums="y")(2.0, 3.0) == pytest.approx(12)
    assert numerical.gradient(fun, argnums="y")(2.0, y=3.0) == pytest.approx(12)
    assert numerical.gradient(fun, argnums="scale")(2.0, 3.0, scale=1.0) == pytest.approx(18)
    by_x, by_scale = numerical.gradient(fun, argnums=(0, "scale"))(2.0, 3.0, scale=2.0)
    assert by_x == pytest.approx(18)
    assert by_scale == pytest.approx(18)
    assert numerical.gradient(fun, argnums=(0,))(2.0, 3.0) == pytest.approx((9,))


def test_other_arguments_are_passed_on():
    def fun(x, label, *, options):
        assert label == "name"
        return options["gain"] * x if options["on"] else x

    result = numerical.gradient(fun)(2.0, "name", options={"on": True, "gain": 3})
    assert result == pytest.approx(3)


def test_name_and_docstring_are_kept():
    def loss(x):
        """Return the loss."""
        return x * x

    for of in (numerical.derivative, numerical.gradient, numerical.jacobian, numerical.hessian):
        made = of(loss)
        assert made.__name__ == "loss"
        assert made.__doc__ == "Return the loss."


@pytest.mark.parametrize("of", [numerical.derivative, numerical.jacobian])
def test_a_function_may_write_into_its_arguments(of):
    def in_place(x, y):
        x *= y
        y += 1  # each evaluation must see the `y` of the call
        return x

    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    result = of(in_place)(x, y)
    np.testing.assert_allclose(result, y if of is numerical.derivative else np.diag(y), atol=1e-8)
    np.testing.assert_array_equal(x, [1, 2])
    np.testing.assert_array_equal(y, [3, 4])


def test_a_function_may_return_its_argument():
    np.testing.assert_allclose(numerical.jacobian(lambda x: x)(np.arange(3.0)), np.eye(3))


# Complex numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["forward", "central", "richardson"])
def test_gradient_of_a_real_function_of_complex_numbers_descends_along_its_conjugate(method):
    def squared_modulus(z):
        return np.sum(np.abs(z) ** 2)

    z = np.array([1 + 2j, -0.5j])
    result = numerical.gradient(squared_modulus, method=method)(z)
    assert result.dtype == np.complex128
    np.testing.assert_allclose(result, 2 * np.conj(z), atol=10 * FIRST[method])
    assert squared_modulus(z - 0.1 * np.conj(result)) < squared_modulus(z)
    assert type(numerical.gradient(lambda v: abs(v) ** 2)(1 + 2j)) is complex


def test_holomorphic_functions_have_one_complex_derivative():
    z = np.array([0.3 + 0.4j, -1 + 0.1j])
    result = numerical.jacobian(np.exp, holomorphic=True)(z)
    np.testing.assert_allclose(result, np.diag(np.exp(z)), atol=1e-9)
    assert numerical.gradient(lambda v: v**3, holomorphic=True)(1 + 1j) == pytest.approx(6j)


def test_complex_results_of_real_arguments():
    result = numerical.derivative(lambda t: np.exp(1j * t))(0.5)
    assert result == pytest.approx(1j * np.exp(0.5j))
    result = numerical.jacobian(lambda t: np.exp(1j * t))(np.array([0.5, 1.0]))
    assert result.dtype == np.complex128


def test_complex_single_precision():
    z = np.array([1 + 2j], np.complex64)
    result = numerical.gradient(lambda v: np.sum(np.abs(v) ** 2))(z)
    assert result.dtype == np.complex64
    np.testing.assert_allclose(result, 2 * np.conj(z), rtol=1e-3)


# Errors ---------------------------------------------------------------------------------------

EVERY = [numerical.derivative, numerical.gradient, numerical.jacobian, numerical.hessian]


@pytest.mark.parametrize("of", EVERY)
def test_unknown_methods_name_the_alternatives(of):
    with pytest.raises(ValueError, match="forward, central, complex-step, richardson"):
        of(np.sin, method="backward")


@pytest.mark.parametrize("of", EVERY)
@pytest.mark.parametrize("step", [0.0, -1e-3, math.inf, math.nan])
def test_steps_must_be_positive(of, step):
    with pytest.raises(ValueError, match="positive"):
        of(np.sin, step=step)


@pytest.mark.parametrize("of", EVERY)
def test_only_functions_can_be_differentiated(of):
    with pytest.raises(ValueError, match="takes a function as its first argument, got float"):
        of(2.0)


@pytest.mark.parametrize("of", EVERY)
@pytest.mark.parametrize("method", ["forward", "central", "richardson"])
def test_a_step_that_changes_nothing_is_refused(of, method):
    with pytest.raises(ValueError, match="does not change x = 1e"):
        of(lambda x: x, method=method, step=1e-3)(1e20)


@pytest.mark.parametrize("of", EVERY)
@pytest.mark.parametrize(
    "value", [np.arange(3), np.int64(3), True, "word", np.array(["a"]), np.ones(2, object), None]
)
def test_what_is_not_a_floating_point_number_is_refused(of, value):
    # None is a tree without leaves: nothing to differentiate by, and no single variable either.
    if value is None and of is not numerical.derivative:
        return
    with pytest.raises(TypeError, match=r"argument 0 has|one real variable"):
        of(lambda x: 1.0)(value)


def test_errors_name_the_leaf():
    with pytest.raises(TypeError, match=r"argument 0\['count'\]\[1\] has dtype int64"):
        numerical.gradient(lambda p: 0.0)({"w": 1.0, "count": [2.0, np.arange(2, dtype=np.int64)]})


def test_integer_results_are_refused():
    with pytest.raises(TypeError, match="the result has dtype int64"):
        numerical.gradient(lambda x: np.int64(x > 0))(1.0)


@pytest.mark.parametrize("of", [numerical.gradient, numerical.hessian])
@pytest.mark.parametrize("result", [lambda x: x, lambda x: x[:1], lambda x: (x.sum(),)])
def test_gradients_and_hessians_need_a_scalar(of, result):
    with pytest.raises(errors.NotScalarError, match="sum the result, or use jacobian"):
        of(result)(np.ones(3))


@pytest.mark.parametrize("of", [numerical.gradient, numerical.hessian])
def test_gradients_and_hessians_need_a_real_number(of):
    with pytest.raises(errors.NotScalarError, match="complex"):
        of(lambda x: 1j * x)(1.0)


def test_complex_step_refuses_functions_that_do_not_take_complex_numbers():
    with pytest.raises(TypeError, match=r"does not take.*use method='central'"):
        numerical.gradient(math.sin, method="complex-step")(1.0)
    with pytest.raises(TypeError, match=r"does not take.*use method='central'"):
        numerical.gradient(lambda x: np.cbrt(x).sum(), method="complex-step")(np.ones(2))


def test_complex_step_refuses_functions_that_drop_the_imaginary_part():
    with pytest.raises(TypeError, match="returned a real number"):
        numerical.gradient(lambda x: np.abs(x).sum(), method="complex-step")(np.ones(2))
    with pytest.raises(TypeError, match="returned a real number"):
        numerical.derivative(abs, method="complex-step")(1.0)

    def through_a_real_buffer(x):
        buffer = np.zeros(2)
        buffer[:] = x
        return buffer.sum()

    with pytest.raises(TypeError, match="discards the imaginary part"):
        numerical.gradient(through_a_real_buffer, method="complex-step")(np.ones(2))


def test_complex_step_compares_by_the_real_part():
    def softened(x):
        return x * x if x > 0 else 0 * x

    assert numerical.gradient(softened, method="complex-step")(2.0) == 4.0
    assert numerical.gradient(softened, method="complex-step")(-2.0) == 0.0


def test_complex_step_refuses_complex_arguments_and_results():
    with pytest.raises(TypeError, match="real arguments and results"):
        numerical.gradient(lambda z: abs(z), method="complex-step")(1 + 1j)
    with pytest.raises(TypeError, match="real arguments and results"):
        numerical.jacobian(lambda x: x * 1j, method="complex-step")(1.0)


def test_complex_to_complex_needs_to_be_called_holomorphic():
    with pytest.raises(TypeError, match="holomorphic=True"):
        numerical.jacobian(np.exp)(np.array([1j]))
    with pytest.raises(TypeError, match="leave it out"):
        numerical.jacobian(np.exp, holomorphic=True)(np.array([1.0]))
    with pytest.raises(TypeError, match="hessian takes real arguments"):
        numerical.hessian(abs)(1j)
    with pytest.raises(TypeError, match="one real variable"):
        numerical.derivative(np.exp)(1j)


def test_derivative_is_for_one_variable_and_elementwise_functions():
    with pytest.raises(TypeError, match="trees"):
        numerical.derivative(lambda p: p[0])((1.0, 2.0))
    with pytest.raises(ValueError, match="elementwise"):
        numerical.derivative(np.sum)(np.ones(3))
    with pytest.raises(ValueError, match="one argument"):
        numerical.derivative(np.sin, argnums=(0,))


@pytest.mark.parametrize(
    ("argnums", "message"),
    [
        (2, "2 positional argument"),
        (-3, "2 positional argument"),
        ("z", r"not an argument of this call.*\(x, y\)"),
    ],
)
def test_wrong_argnums_at_the_call(argnums, message):
    def fun(x, y):
        return x * y

    with pytest.raises(ValueError, match=message):
        numerical.gradient(fun, argnums=argnums)(1.0, 2.0)


@pytest.mark.parametrize("argnums", [True, (0, True), (), (0, 0)])
def test_wrong_argnums_at_once(argnums):
    with pytest.raises(ValueError, match="argnums"):
        numerical.gradient(np.sin, argnums=argnums)


def test_results_that_change_their_shape_are_refused():
    with pytest.raises(ValueError, match="one step away"):
        numerical.jacobian(lambda x: x[x > 1])(np.array([1.0, 2.0, 0.5]))


def test_errors_of_the_function_itself_pass_through():
    def broken(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        numerical.gradient(broken)(1.0)
