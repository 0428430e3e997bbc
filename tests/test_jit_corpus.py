"""Compiled programs of the corpus are the programs: values, derivatives, written arguments."""

import copy

import numpy as np
import pytest

import wengert as wg
from corpus import PROGRAMS
from reference import irregular

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


def nearly(found, expected):
    """Assert equal trees, types and dtypes, and entries equal but for the order of sums."""
    mine, structure = wg.tree.flatten(found)
    other, wanted = wg.tree.flatten(expected)
    assert structure == wanted
    for a, b in zip(mine, other, strict=True):
        assert type(a) is type(b)
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)
        scale = np.max(np.abs(b), initial=0.0)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14 * scale)


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
    agree = nearly if native else identical
    for _ in range(3):
        mine, theirs = copy.deepcopy(entry.point), copy.deepcopy(entry.point)
        agree(compiled(mine), entry.function(theirs))
        agree(mine, theirs)
    assert all(known.traces == 1 for known in compiled.known.values())
    only_compiled(compiled)


@every
def test_gradient(entry):
    gradient = wg.grad(scalarised(entry.function))
    compiled = wg.jit(gradient)
    expected = gradient(copy.deepcopy(entry.point))
    for _ in range(2):
        nearly(compiled(copy.deepcopy(entry.point)), expected)
    only_compiled(compiled)


@every
def test_gradient_of_compiled(entry):
    expected = wg.grad(scalarised(entry.function))(copy.deepcopy(entry.point))
    gradient = wg.grad(scalarised(wg.jit(entry.function)))
    for _ in range(2):
        nearly(gradient(copy.deepcopy(entry.point)), expected)
