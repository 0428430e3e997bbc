"""Compiled programs of the corpus are the programs: values, derivatives, written arguments."""

import copy

import numpy as np
import pytest

import wengert as wg
from corpus import PROGRAMS
from reference import irregular
from rounding import bounds, is_within

every = pytest.mark.parametrize("entry", list(PROGRAMS.values()), ids=lambda entry: entry.name)


@pytest.fixture(params=[False, True], ids=["evaluated", "native"], autouse=True)
def native(request):
    """Run on both executors; every list is checked after every pass."""
    with wg.config(verify=True, native=request.param):
        yield request.param


def identical(found, expected):
    """Assert equal trees, types, dtypes, and equal bits."""
    mine, structure = wg.tree.flatten(found)
    other, wanted = wg.tree.flatten(expected)
    assert structure == wanted
    for a, b in zip(mine, other, strict=True):
        assert type(a) is type(b)
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def rounded(found, expected, function, point, which=0):
    """Assert equal trees, types and dtypes, and entries that differ by what rounding explains.

    Where a program consists of sums, differences, products, quotients and square roots that is not
    at all. `which` is 0 for the result, 1 for what the argument holds afterwards.
    """
    mine, structure = wg.tree.flatten(found)
    other, wanted = wg.tree.flatten(expected)
    assert structure == wanted
    bound = None
    for number, (a, b) in enumerate(zip(mine, other, strict=True)):
        assert type(a) is type(b)
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)
        if not is_within(a, b, None):
            bound = bound or bounds(function, point)
            assert is_within(a, b, bound[which][number])


# What a function may meet that is not recorded: it runs through NumPy as it is.
THROUGH_NUMPY = ("asks for all entries", "has no derivative rule")


def only_compiled(jitted):
    """Assert that nothing ran uncompiled but for what runs through NumPy."""
    for known in jitted.known.values():
        assert known.eager is None or any(part in known.eager for part in THROUGH_NUMPY), (
            jitted.explain()
        )
        assert not known.failures, jitted.explain()


def scalarised(function):
    def objective(point):
        out = function(point)
        return np.sum(irregular(out) * (out + 0.5 * out * out))

    return objective


@every
def test_value_and_written_arguments(entry, native):
    compiled = wg.jit(entry.function)
    for _ in range(3):
        mine, theirs = copy.deepcopy(entry.point), copy.deepcopy(entry.point)
        found, expected = compiled(mine), entry.function(theirs)
        if native:
            rounded(found, expected, entry.function, entry.point)
            rounded(mine, theirs, entry.function, entry.point, which=1)
        else:
            identical(found, expected)
            identical(mine, theirs)
    assert all(known.traces == 1 for known in compiled.known.values())
    only_compiled(compiled)


@every
def test_gradient(entry):
    gradient = wg.grad(scalarised(entry.function))
    compiled = wg.jit(gradient)
    expected = gradient(copy.deepcopy(entry.point))
    for _ in range(2):
        rounded(compiled(copy.deepcopy(entry.point)), expected, gradient, entry.point)
    only_compiled(compiled)


@every
def test_gradient_of_compiled(entry):
    plain = wg.grad(scalarised(entry.function))
    expected = plain(copy.deepcopy(entry.point))
    gradient = wg.grad(scalarised(wg.jit(entry.function)))
    for _ in range(2):
        rounded(gradient(copy.deepcopy(entry.point)), expected, plain, entry.point)


def test_the_bound_is_tight_where_rounding_is_little_and_nothing_where_there_is_none():
    def exact(x):
        return np.sqrt(x[0] * x[1] - x[2] / x[3]) + x[0]

    point = np.array([1.5, 0.7, 0.3, 1.1])
    assert np.all(bounds(exact, point)[0][0] == 0)
    one = bounds(lambda x: np.exp(x) * 2, point)[0][0] / (2 * np.exp(point))
    assert np.all((one > 2e-16) & (one < 1e-13))
    assert not is_within(np.exp(point) * (1 + 1e-12), np.exp(point), np.exp(point) * one)
