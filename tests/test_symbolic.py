"""Symbolic derivatives: worked examples, agreement with AD, swell, lists there and back, errors."""

import itertools

import numpy as np
import pytest
import sympy

import wengert as wg
from wengert import symbolic
from wengert.errors import ArgumentError, MissingRuleError, StagingError

x = sympy.Symbol("x", real=True)


def logistic(n):
    def program(x):
        v = x
        for _ in range(n):
            v = 4 * v * (1 - v)
        return v

    return program


def test_worked_example_10():
    found = symbolic.derivative(lambda x: np.sin(x**2) + np.exp(x))
    assert sympy.simplify(found.expression - (2 * x * sympy.cos(x**2) + sympy.exp(x))) == 0
    rows = symbolic.swell(lambda n: lambda x: (x + 1) ** n, range(1, 11), expanded=True)
    assert [depth for depth, _, _ in rows] == list(range(1, 11))
    assert all(function == 2 for depth, function, _ in rows if depth > 1)
    swollen = [derivative for _, _, derivative in rows]
    assert swollen == sorted(swollen)
    expanded = sympy.expand(10 * (x + 1) ** 9)
    assert swollen[-1] == expanded.count_ops()


def test_the_logistic_map_swells_while_ours_grows_by_the_step():
    written = 64 * x * (1 - x) * (1 - 2 * x) ** 2 * (1 - 8 * x + 8 * x**2) ** 2
    assert sympy.expand(symbolic.expression(logistic(3)) - written) == 0
    counts = [derivative for _, _, derivative in symbolic.swell(logistic, range(1, 9))]
    assert all(later > 2 * earlier for earlier, later in itertools.pairwise(counts))
    lengths = [len(wg.trace(wg.grad(logistic(n)))(0.25)) for n in (8, 16, 32)]
    assert lengths[2] - lengths[1] == 2 * (lengths[1] - lengths[0])
    assert symbolic.derivative(logistic(4)).evaluate(0.25) == -16.0


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.log(1 + x**2) / x,
        lambda x: np.arctan2(x, 2.0) * np.hypot(x, 1.0) + np.expm1(x) - np.log1p(x),
        lambda x: np.where(x > 1, np.tanh(x), np.cosh(x)) * np.abs(x - 3),
        lambda x: np.maximum(x, 0.3) * np.minimum(x, 2.0) ** 1.5 + np.cbrt(x) + np.exp2(-x),
        lambda x: np.logaddexp(x, 1.0) + np.square(x) * np.reciprocal(x + 1) + np.deg2rad(x),
        lambda x: np.arcsinh(x) + np.arcsin(x / 9) + np.log10(x) * np.log2(x),
    ],
)
@pytest.mark.parametrize("point", [0.7, 1.9])
def test_agreement_with_reverse_mode(function, point):
    found = symbolic.derivative(function)
    np.testing.assert_allclose(found.evaluate(point), wg.grad(function)(point), rtol=1e-13)
    second = symbolic.derivative(function, order=2)
    np.testing.assert_allclose(
        second.evaluate(point), wg.grad(wg.grad(function))(point), rtol=1e-11, atol=1e-14
    )


def test_arrays_writes_products_and_means():
    def program(matrix, vector):
        filled = np.zeros(3)
        filled[0] = matrix[0, 1] * vector[1]
        filled[1:] = (matrix @ vector)[:2]
        return np.sum(filled**2) + np.mean(vector) + np.trace(matrix) - np.prod(vector)

    matrix, vector = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([0.5, -1.5])
    for argnum in (0, 1):
        found = symbolic.derivative(program, matrix, vector, argnum=argnum)
        expected = wg.grad(program, argnum)(matrix, vector)
        np.testing.assert_allclose(found.evaluate(matrix, vector), expected, rtol=1e-14)


def test_counts_shrink_when_simplified_and_when_parts_are_shared():
    found = symbolic.derivative(lambda x: np.sin(2 * x) / (2 * np.sin(x)))
    assert found.operations_simplified < found.operations
    deep = symbolic.derivative(logistic(5))
    assert deep.operations_shared < deep.operations / 5


def test_lists_from_expressions():
    y = sympy.Symbol("y", real=True)
    formula = sympy.exp(-x * y) / (1 + x**2) + sympy.sqrt(y) * sympy.atan2(y, x) - sympy.pi * y**3
    program = symbolic.to_wengert_list(formula, [x, y])
    value = float(formula.subs({x: 0.5, y: 1.25}).evalf(30))
    np.testing.assert_allclose(program.evaluate(0.5, 1.25)[0], value, rtol=1e-14)
    shared = symbolic.to_wengert_list(sympy.sin(x) + sympy.sin(x) ** 2, [x])
    assert [equation.primitive.name for equation in shared].count("sin") == 1
    assert symbolic.to_wengert_list(sympy.Integer(3), [x]).evaluate(1.0) == (3.0,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: symbolic.derivative(lambda x: x if x > 0 else -x), StagingError, "if"),
        (lambda: symbolic.derivative(np.linalg.det, np.eye(2)), MissingRuleError, "'det'"),
        (
            lambda: symbolic.derivative(lambda v: v * 2, np.ones(3)),
            ArgumentError,
            "choose an entry",
        ),
        (lambda: symbolic.derivative(lambda x: (x, x)), ArgumentError, "returns 2"),
        (lambda: symbolic.derivative(lambda x: x, argnum=1), ArgumentError, "1 arguments"),
        (lambda: symbolic.derivative(lambda x: x, order=0), ArgumentError, "at least 1"),
        (lambda: symbolic.derivative(lambda s: s, "a"), ArgumentError, "stand for numbers"),
        (lambda: symbolic.derivative(lambda x: x).evaluate(1.0, 2.0), ArgumentError, "1 numbers"),
        (lambda: symbolic.to_wengert_list(x, []), ArgumentError, "holds x"),
        (
            lambda: symbolic.to_wengert_list(sympy.zeta(x), [x]),
            MissingRuleError,
            "zeta has no counterpart",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
