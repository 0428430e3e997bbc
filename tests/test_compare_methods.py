"""The rivals side by side: errors, counts, scaling, swell, and what cannot be used."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError

EPSILON = np.finfo(float).eps
NAMES = ["forward difference", "central difference", "complex step", "Richardson", "symbolic"]
NAMES += ["forward mode", "reverse mode", "compiled"]


def ratio(x):
    return np.log(1 + x**2) / x


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def logistic(n):
    def program(x):
        v = x
        for _ in range(n):
            v = 4 * v * (1 - v)
        return v

    return program


@pytest.fixture(scope="module")
def of_number():
    return wg.compare_methods(ratio, 1.0, repeats=3)


@pytest.fixture(scope="module")
def of_array():
    return wg.compare_methods(rosenbrock, np.linspace(-1.2, 1.0, 5), sizes=(2, 30), repeats=2)


def test_errors_are_of_the_known_sizes(of_number):
    assert [result.name for result in of_number.results[: len(NAMES)]] == NAMES
    exact = np.log(2) * -1 + 1  # d/dx log(1+x²)/x at 1
    for result in of_number.results:
        assert abs(result.derivative - exact) == pytest.approx(result.error, abs=2 * EPSILON)
    assert 1e-10 < of_number["forward difference"].error < 1e-6
    assert 1e-14 < of_number["central difference"].error < 1e-9
    for name in ("complex step", "symbolic", "forward mode", "reverse mode", "compiled"):
        assert of_number[name].error <= 4 * EPSILON
    assert of_number.reference == "a difference of 50 digits"


def test_evaluations_and_operations(of_array):
    n = 5
    assert of_array["forward difference"].evaluations == n + 1
    assert of_array["central difference"].evaluations in (2 * n, 2 * n + 1)
    assert of_array["symbolic"].evaluations == 0
    assert of_array["reverse mode"].evaluations == 1
    once = of_array["forward difference"].operations / (n + 1)
    assert of_array["central difference"].operations == 2 * n * once
    assert of_array["reverse mode"].operations < 5 * once
    assert of_array["compiled"].evaluations == 0
    assert all(result.seconds > 0 for result in of_array.results)


def test_the_gradient_and_its_scaling(of_array):
    np.testing.assert_allclose(
        of_array["reverse mode"].derivative, wg.grad(rosenbrock)(np.linspace(-1.2, 1.0, 5))
    )
    assert list(of_array.scaling) == [2, 30]
    row = of_array.scaling[30]
    assert list(row) == NAMES
    point = np.resize(np.linspace(-1.2, 1.0, 5), 30)
    for name in ("symbolic", "forward mode", "reverse mode", "compiled"):
        np.testing.assert_allclose(row[name].derivative, wg.grad(rosenbrock)(point), rtol=1e-13)
        assert row[name].error < 1e-14
    assert row["forward difference"].evaluations == 31
    assert 1e-9 < row["forward difference"].error < 1e-4


def test_all_but_formulas_are_measured_for_a_thousand_variables():
    found = wg.compare_methods(rosenbrock, np.linspace(-1.0, 1.0, 1000), repeats=1)
    assert "at 16 of 1000 entries" in found.reference
    assert found["symbolic"].derivative is None
    assert "200 variables" in found["symbolic"].note
    assert found["reverse mode"].error < 1e-14
    for name in set(NAMES) - {"symbolic"}:
        assert found[name].error < 1e-5
        assert found[name].operations > 10_000
    assert found["reverse mode"].operations < found["forward difference"].operations / 100
    titles = [axes.get_title() for axes in found.plot().axes]
    assert titles == ["Error against step size", "Error against time"]


def test_errors_against_steps_show_truncation_and_rounding(of_number):
    by_name = {entry.name: entry for entry in of_number.steps}
    forward, central = by_name["forward difference"], by_name["central difference"]
    at = {
        name: dict(zip(np.round(np.log10(e.steps), 2), e.errors, strict=True))
        for name, e in by_name.items()
    }
    assert at["forward difference"][-3] / at["forward difference"][-5] == pytest.approx(
        100, rel=0.1
    )
    assert at["central difference"][-2] / at["central difference"][-4] == pytest.approx(
        1e4, rel=0.1
    )
    assert at["forward difference"][-14] > 1e3 * np.nanmin(forward.errors)
    assert np.nanmin(central.errors) < np.nanmin(forward.errors)
    assert by_name["complex step"].errors[-1] < 1e-15


def test_swell_of_the_logistic_map():
    found = wg.compare_methods(logistic(4), 0.3, family=logistic, depths=range(1, 8), repeats=1)
    depths, symbolic, reverse = map(np.array, zip(*found.swell, strict=True))
    assert list(depths) == list(range(1, 8))
    assert np.all(symbolic[2:] > 2 * symbolic[1:-1])
    assert np.all(np.diff(reverse) == np.diff(reverse)[0])


def test_what_cannot_be_used_says_why():
    def branching(x):
        return x[0] * x[1] if x[0] > 0 else np.abs(x[1])

    found = wg.compare_methods(branching, np.array([1.0, 2.0]), repeats=1)
    assert found["symbolic"].derivative is None
    assert "if" in found["symbolic"].note
    assert found["reverse mode"].operations is None
    assert found.reference.startswith("reverse mode")
    assert "symbolic:" in str(found)
    real = wg.compare_methods(lambda x: np.abs(x), -1.5, repeats=1)
    assert "real number for complex" in real["complex step"].note
    assert "<lambda>" in real["complex step"].note


def test_forms(of_number, of_array):
    assert "reverse mode" in str(of_number)
    assert of_array.to_markdown().count("| --- |") >= 2
    assert "<table>" in of_array._repr_html_()
    figure = of_array.plot()
    assert [axes.get_title() for axes in figure.axes] == [
        "Error against step size",
        "Error against time",
        "Time against the number of variables",
        "Operations against the number of variables",
        "Error against the number of variables",
    ]
    for axes in figure.axes[2:5]:
        assert {line.get_label() for line in axes.get_lines()} == set(NAMES)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wg.compare_methods(ratio, "1"), "float or an array"),
        (lambda: wg.compare_methods(ratio, 1.0, sizes=(2,)), "as an array"),
        (lambda: wg.compare_methods(ratio(1.0), 1.0), "takes a function"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
    with pytest.raises(KeyError, match="there are forward"):
        wg.compare_methods(ratio, 1.0, repeats=1)["newton"]
