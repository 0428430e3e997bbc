"""Reductions in kernels: every axis, lengths around the blocks, accuracy, several in one nest."""

import itertools

import numpy as np
import pytest

import wengert as wg
from native.programs import close
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.kernels.reductions import BLOCK, LANES
from wengert.backends.llvm.kernels.rules import role_of
from wengert.passes.fuse import fuse

SHAPES = [
    (LANES - 1,),
    (LANES + 1,),
    (BLOCK + 3,),
    (3 * BLOCK - 1,),
    (300, 40),
    (40, 300),
    (3, BLOCK + 5),
    (BLOCK + 5, 3),
    (130, 7, 33),
    (5, 200, 2),
    (2, 3, 129),
]


def subsets(ndim):
    axes = range(ndim)
    return [c for size in range(1, ndim + 1) for c in itertools.combinations(axes, size)]


def run(function, *args):
    program = wg.trace(function)(*args)
    return compile_program(program)(*args)


@pytest.mark.parametrize("shape", SHAPES)
def test_sums_over_any_axes(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    choices = subsets(len(shape))
    found = run(lambda x: [np.sum(x, axis=axes) for axes in choices], x)
    for axes, one in zip(choices, found, strict=True):
        np.testing.assert_allclose(one, np.sum(x, axis=axes), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("shape", [(BLOCK + 5, 3), (130, 7, 33), (2, 3, 129), (700,)])
def test_other_reductions_over_any_axes(shape):
    random = np.random.default_rng(1)
    x = random.uniform(0.9, 1.1, shape)
    whole = random.integers(-5, 6, shape)
    choices = subsets(len(shape))

    def reductions(x, whole):
        found = []
        for axes in choices:
            found += [np.max(x, axes), np.min(-x, axes), np.mean(x, axes), np.prod(x, axes)]
            found += [np.sum(whole, axes), np.max(whole, axes, keepdims=True)]
        return found

    expected = reductions(x, whole)
    for one, other in zip(run(reductions, x, whole), expected, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int32, np.uint8, np.bool_])
def test_dtypes_accumulate_as_numpys_do(dtype):
    x = np.random.default_rng(2).uniform(0, 2, (500, 9)).astype(dtype)
    for axes in (None, 0, 1):
        found = run(lambda x, axes=axes: np.sum(x, axis=axes), x)[0]
        expected = np.sum(x, axis=axes)
        if expected.dtype.kind in "fc":
            close(found, expected, x)
        else:
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_largest_and_smallest_pass_nan_on_and_know_infinities():
    x = np.random.default_rng(3).standard_normal((40, 300))
    x[3, 7] = np.nan
    x[5] = -np.inf
    x[6, 299] = np.inf
    found = run(lambda x: [np.max(x, 1), np.min(x, 1), np.max(x), np.max(x, 0)], x)
    for one, other in zip(found, [x.max(1), x.min(1), x.max(), x.max(0)], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_float32_sum_of_ten_million_entries_is_as_accurate_as_numpys():
    x = np.random.default_rng(4).uniform(0, 1, 10**7).astype(np.float32)
    exact = np.sum(x, dtype=np.float64)
    (found,) = run(np.sum, x)
    assert abs(found - exact) <= max(4 * abs(np.sum(x) - exact), 2 * np.spacing(np.float32(exact)))


def test_a_sum_over_nothing_and_of_negative_zeros():
    empty = np.zeros((0, 3))
    found = run(lambda x: [np.sum(x), np.sum(x, 0), np.sum(x, 1), np.prod(x, 0)], empty)
    for one, other in zip(found, [0.0, np.zeros(3), np.zeros(0), np.ones(3)], strict=True):
        np.testing.assert_array_equal(one, other)
    (zero,) = run(np.sum, np.full(300, -0.0))
    assert np.signbit(zero) == np.signbit(np.sum(np.full(300, -0.0)))


def test_value_and_gradient_share_one_nest():
    x = np.linspace(0.5, 2.0, 1000)

    def f(x):
        return np.sum(x / (1 + x * x))

    program = wg.trace(wg.value_and_grad(f))(x)
    schedule = fuse(program, role_of)
    assert len(schedule.steps) == 1
    value, gradient = compile_program(program)(x)
    np.testing.assert_allclose(value, f(x), rtol=1e-13)
    np.testing.assert_allclose(gradient, wg.grad(f)(x), rtol=1e-13)


def test_a_broadcast_that_is_summed_takes_no_memory_of_its_size():
    a = np.random.default_rng(5).standard_normal((90, 3))
    b = np.random.default_rng(6).standard_normal((70, 3))

    def distances(a, b):
        squares = (a[:, None, :] - b[None, :, :]) ** 2
        return np.sum(1.0 / (np.sum(squares, axis=2) + 1.0))

    program = wg.trace(wg.grad(distances, (0, 1)))(a, b)
    for step in fuse(program, role_of).steps:
        assert all(operand.aval.size < 90 * 70 for operand in step.outputs)
    native = compile_program(program)
    assert native.workspace < 90 * 70 * 8
    for one, other in zip(native(a, b), wg.grad(distances, (0, 1))(a, b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


def test_a_sum_over_no_entries_of_a_computed_array():
    x = np.linspace(0.0, 1.0, 20)

    def f(x):
        return np.sum(np.exp(np.sin(x))[5:5]) + np.sum(x)

    (found,) = run(f, x)
    np.testing.assert_allclose(found, f(x), rtol=1e-14)
