"""Tiny arrays entry by entry: the list means the same, and its numbers live in registers."""

import numpy as np
import pytest

import wengert as wg
from kernels.test_fused_programs import Generator
from native.programs import one_equation, same
from primitive_calls import each, samples_of
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.arrange import arrange
from wengert.backends.llvm.recipes import can_lower
from wengert.ir.verify import verify
from wengert.passes.scalarise import scalarise


def pendulum(y, steps=3, h=0.05):
    def slope(y):
        return np.array([y[1], -np.sin(y[0])])

    for _ in range(steps):
        first = slope(y)
        second = slope(y + h / 2 * first)
        y = y + h * second
    return np.sum(y**2)


def test_a_state_of_two_numbers_needs_no_kernel():
    y = np.array([1.0, 0.5])
    program = wg.trace(wg.value_and_grad(pendulum))(y)
    kinds = {type(step).__name__ for step in arrange(program)}
    assert "KernelStep" not in kinds
    assert "CallBack" not in kinds
    for one, other in zip(compile_program(program)(y), program.evaluate(y), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_mean_the_same(seed):
    generator = Generator(300 + seed, np.float64)
    inputs = [np.ravel(x)[:3] if x.size > 8 else x for x in generator.inputs()]
    program = wg.trace(generator.program(15))(*inputs)
    scalar = scalarise(program, can_lower)
    verify(scalar)
    with np.errstate(all="ignore"):
        for one, other in zip(scalar.evaluate(*inputs), program.evaluate(*inputs), strict=True):
            same(one, other)


NAMES = {
    *("read", "write", "indexed_add", "concatenate", "stack", "array", "roll", "shift", "tril"),
    *("triu", "diagonal_matrix", "tile", "repeat", "transpose", "reshape", "broadcast_to"),
    *("sliding_windows", "convert", "sum", "mean", "max", "dot", "tensordot", "where", "clip"),
}


@pytest.mark.parametrize(
    ("name", "index"), [entry for entry in each(samples_of) if entry.values[0] in NAMES]
)
def test_primitives_of_tiny_arrays_mean_the_same(name, index):

    sample = samples_of(name)[index]
    program, values = one_equation(name, sample.args, sample.params)
    scalar = scalarise(program, can_lower, 24)
    verify(scalar)
    for one, other in zip(scalar.evaluate(*values), program.evaluate(*values), strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(
            one, other, rtol=1e-6 if np.asarray(other).dtype.itemsize < 8 else 1e-13
        )
