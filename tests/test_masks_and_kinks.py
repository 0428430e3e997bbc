"""Masks: what was not selected has derivative exactly 0, in every program that selects.

That holds whatever the partial there, inf and nan included. A zero that arithmetic produced is an
ordinary number, so that 0·inf stays nan as IEEE 754 has it. Kinks: ``test_kinks_and_ties``.
"""

import math

import numpy as np
import pytest

import wengert as wg
from modes import has_gradient, in_each_mode
from reference import close, jacobian

INF, NAN = math.inf, math.nan
WITH_ZEROS = np.array([0.0, 1.5, 0.0, 2.5])
TABLE = np.array([[0.0, 1.5, 2.5], [3.5, 0.0, 0.5]])


@pytest.fixture(autouse=True)
def quiet():
    """NumPy itself warns of log(0); the tests say what must come of it."""
    with np.errstate(all="ignore"):
        yield


# Masks: programs whose values at 0 are not selected. Each is compared, where the point is not 0,
# with differences, and has gradient exactly 0 where it is.


def product_of_logarithm_and_root(x):
    return np.sum(np.where(x > 0, np.log(x) * np.sqrt(x), 0))


def logarithm(x):
    return np.sum(np.where(x > 0, np.log(x), 0))


def selected_by_the_other_branch(x):
    return np.sum(np.where(x == 0, 0.0, np.sqrt(x) / x))


def deep_chain(x):
    return np.sum(np.where(x > 0, np.sin(np.sqrt(np.log(x) ** 2) * 3.0 + 1.0 / x), 0))


def power_of_a_logarithm(x):
    return np.sum(np.where(x > 0, (1.0 + np.log(x)) ** 3, 0))


def division(x):
    return np.sum(np.where(x != 0, np.sin(x) / x, 1.0))


def nested_choices(x):
    inner = np.where(x > 1.0, np.log(x), np.where(x > 0.0, 1.0 / x, 0.0))
    return np.sum(np.where(x < 2.0, inner, np.sqrt(x)))


def choice_within_a_logarithm(x):
    return np.sum(np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0))


def choice_used_again(x):
    chosen = np.where(x > 0, np.log(x), 0)
    return np.sum(np.sin(chosen) * x + chosen * chosen)


def both_branches_of_one_value(x):
    logarithm = np.log(x)
    return np.sum(np.where(x > 0, logarithm, 0) * 2 + np.where(x > 1, np.sqrt(x) * logarithm, 0))


def root_of_a_total(x):
    totals = np.sum(np.where(x > 0, np.log(x), 0.0) ** 2) + 1.0
    return np.sqrt(totals) * np.max(x)


def boolean_index(x):
    y = np.zeros(x.shape)
    selected = x > 0
    y[selected] = np.log(x[selected])
    return np.sum(y * y)


def boolean_index_after_the_logarithm(x):
    return np.sum(np.log(x)[x > 0] ** 2)


def boolean_write_of_selected_values(x):
    y = np.zeros(x.shape)
    y[x > 0] = (np.log(x) * np.sqrt(x))[x > 0]
    return np.sum(y * y)


def overwritten_entries(x):
    y = np.log(x)
    y[x == 0] = 0.0
    return np.sum(y)


def overwritten_by_slice(x):
    y = np.sqrt(x) / x
    y[..., ::2] = np.where(x[..., ::2] > 0, y[..., ::2], 1.0)
    return np.sum(np.where(x > 0, y, 0.0))


def ufunc_with_where(x):
    return np.sum(np.log(x, out=np.zeros(x.shape), where=x > 0))


def quotient_with_where(x):
    return np.sum(np.divide(np.cos(x), x, out=np.zeros(x.shape), where=x != 0) ** 2)


def sum_with_where(x):
    return np.sum(np.log(x) * np.sqrt(x), where=x > 0)


def mean_with_where(x):
    return np.mean(np.log(x), where=x > 0)


def clipped(x):
    return np.sum(np.clip(np.log(x), -3.0, 5.0) ** 2)


def larger_of_two(x):
    return np.sum(np.maximum(np.log(x), -2.0))


def smaller_of_two(x):
    return np.sum(np.minimum(-np.log(x) * np.cos(x), 4.0))


def largest(x):
    return np.max(np.log(x)) * np.max(np.sqrt(x))


SELECTING = [
    product_of_logarithm_and_root,
    logarithm,
    selected_by_the_other_branch,
    deep_chain,
    power_of_a_logarithm,
    division,
    nested_choices,
    choice_within_a_logarithm,
    choice_used_again,
    both_branches_of_one_value,
    root_of_a_total,
    boolean_index,
    boolean_index_after_the_logarithm,
    boolean_write_of_selected_values,
    overwritten_entries,
    overwritten_by_slice,
    ufunc_with_where,
    quotient_with_where,
    sum_with_where,
    mean_with_where,
    clipped,
    larger_of_two,
    smaller_of_two,
    largest,
]
each_selecting = pytest.mark.parametrize("function", SELECTING, ids=[f.__name__ for f in SELECTING])


def of_selected(function, point):
    """``function`` of the entries of ``point`` that are not 0; those that are stay."""

    def restricted(entries):
        x = point.copy()
        x[point > 0] = entries
        return function(x)

    return restricted, point[point > 0]


@each_selecting
@pytest.mark.parametrize("point", [WITH_ZEROS, TABLE], ids=["vector", "table"])
def test_unselected_entries_have_gradient_zero(function, point):
    expected = jacobian(*of_selected(function, point))
    assert np.abs(expected).max() > 0.01
    for gradient in in_each_mode(function, point).values():
        close(gradient[point > 0], expected, 1e-10)
        assert (gradient[point == 0] == 0.0).all()


@each_selecting
@pytest.mark.parametrize("outer", [wg.jacfwd, wg.jacrev], ids=["forward", "reverse"])
@pytest.mark.parametrize("inner", [wg.jacfwd, wg.jacrev], ids=["of-forward", "of-reverse"])
def test_unselected_entries_have_second_derivative_zero(function, outer, inner):
    point = WITH_ZEROS
    restricted, entries = of_selected(function, point)
    expected = np.zeros((4, 4))
    expected[np.ix_(point > 0, point > 0)] = jacobian(lambda e: jacobian(restricted, e), entries)
    close(outer(inner(function))(point), expected, 1e-8)


def square_of_choice(x):
    return np.where(x > 0, np.log(x) * np.sqrt(x), 0.0) ** 2


@pytest.mark.parametrize(
    "point", [0.0, np.float64(0.0), np.array(0.0)], ids=["float", "scalar", "0d"]
)
def test_unselected_value_of_a_single_number(point):
    has_gradient(lambda x: np.where(x > 0, np.log(x) * np.sqrt(x), 0), point, 0.0)
    has_gradient(lambda x: np.where(x > 0, np.log(x), 0) + x * x, point, 0.0)
    has_gradient(
        lambda x: np.where(x > 0, np.where(x > 1, np.divide(1, x), np.log(x)), 3.0 * x), point, 3.0
    )
    has_gradient(lambda x: np.maximum(np.log(x), 2.0 * x), point, 2.0)
    has_gradient(lambda x: np.clip(np.divide(1.0, x), 0.0, 5.0) + x, point, 1.0)
    assert wg.grad(wg.grad(square_of_choice))(point) == 0.0


def test_choice_on_a_total():
    def of_total(x):
        total = np.sum(x * x)
        return np.where(total > 0, np.log(total) * np.sqrt(total), 0.0)

    has_gradient(of_total, np.zeros(3), np.zeros(3))
    has_gradient(of_total, np.array([0.0, 1.0]), [0.0, 2.0])


def test_mask_that_is_broadcast():
    rows = np.array([[True], [False]])
    table = np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 5.0]])
    has_gradient(
        lambda a: np.sum(np.where(rows, np.log(a), 0.0)), table, [[1.0, 0.5, 0.25], [0.0, 0.0, 0.0]]
    )
    has_gradient(
        lambda a: np.sum(np.where(rows, 1.0, np.sqrt(a)[:1] / a)[:1]), table, np.zeros((2, 3))
    )


def test_triangles():
    lower = np.array([[1.0, 0.0, 0.0], [2.0, 4.0, 0.0], [0.5, 0.25, 5.0]])
    inverse = np.tril(1.0 / np.where(lower == 0, 1.0, lower))
    has_gradient(lambda a: np.sum(np.tril(np.log(a))), lower, inverse, 1e-15)
    has_gradient(lambda a: np.sum(np.triu(np.log(a))), lower.T.copy(), inverse.T, 1e-15)
    below = np.tril_indices(3)
    has_gradient(lambda a: np.sum(np.log(a)[below]), lower, inverse, 1e-15)


def test_reads_leave_the_rest_alone():
    x = np.array([0.0, 2.0, 4.0])
    has_gradient(lambda x: np.log(x)[1], x, [0.0, 0.5, 0.0])
    has_gradient(lambda x: np.sum(np.log(x)[1:]), x, [0.0, 0.5, 0.25])
    has_gradient(lambda x: np.sum(np.log(x)[[2, 1, 2]]), x, [0.0, 0.5, 0.5])
    has_gradient(lambda x: np.sum(np.log(x)[::-1][:2]), x, [0.0, 0.5, 0.25])
    has_gradient(lambda x: np.log(x)[2, ...] * 3.0, x, [0.0, 0.0, 0.75])


@pytest.mark.parametrize(
    "middle",
    [
        np.median,
        np.nanmedian,
        lambda y: np.quantile(y, 0.5),
        lambda y: np.quantile(y, 0.5, method="inverted_cdf", weights=np.ones(3)),
        lambda y: np.sort(y)[1],
        lambda y: np.partition(y, 1)[1],
        lambda y: np.take_along_axis(y, np.argsort(y), 0)[1],
        lambda y: np.take_along_axis(y, np.array([1]), 0)[0],
    ],
)
def test_picks_leave_the_rest_alone(middle):
    with np.errstate(divide="ignore"):
        for mode in (wg.grad, wg.jacfwd, wg.jacrev):
            gradient = mode(lambda x: middle(np.log(x)))(np.array([0.0, 2.0, 4.0]))
            assert gradient.tolist() == [0.0, 0.5, 0.0]


# Zeros that arithmetic made are ordinary numbers.


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sqrt(x) ** 2,
        lambda x: np.exp(np.log(x)),
        lambda x: np.square(np.sqrt(x)),
        lambda x: np.sqrt(x * x),
        lambda x: x * np.sqrt(x),
        lambda x: 0.0 * np.log(x),
    ],
    ids=["sqrt-squared", "exp-log", "square-sqrt", "sqrt-square", "x-sqrt", "zero-log"],
)
@pytest.mark.parametrize("point", [0.0, np.array(0.0)], ids=["float", "0d"])
def test_zero_times_infinity_is_nan(function, point):
    has_gradient(function, point, NAN)


def test_zero_times_infinity_is_nan_for_its_own_entry_only():
    # In forward mode the zero of a one-hot tangent is a number as well, so that nan spreads.
    for reverse in (wg.grad, wg.jacrev):
        gradient = reverse(lambda x: np.sum(np.sqrt(x) ** 2))(np.array([0.0, 4.0]))
        np.testing.assert_array_equal(gradient, [NAN, 1.0])
    has_gradient(lambda x: np.sqrt(np.sum(x**2)), np.zeros(2), [NAN, NAN])


@pytest.mark.parametrize("inner", [wg.grad, wg.jacfwd, wg.jacrev], ids=lambda f: f.__name__)
@pytest.mark.parametrize("outer", [wg.grad, wg.jacfwd, wg.jacrev], ids=lambda f: f.__name__)
def test_second_derivative_through_a_zero_cotangent(outer, inner):
    assert outer(inner(lambda x: np.sin(x) ** 2))(0.0) == 2.0
    assert outer(inner(lambda x: np.sin(x) * np.sin(x)))(0.0) == 2.0
    assert outer(inner(lambda x: (np.exp(x) - 1) ** 2))(0.0) == 2.0
    assert outer(inner(lambda x: np.cos(x) ** 2))(0.0) == -2.0
