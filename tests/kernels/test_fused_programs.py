"""Random array programs, fused into kernels, give what NumPy gives.

Only + - * / and square roots are used, so that everything but sums is equal to the bit.
"""

import numpy as np
import pytest

import wengert as wg
from native.programs import same
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.kernels.rules import role_of
from wengert.passes.fuse import fuse
from wengert.passes.schedule import verify_schedule


class Generator:
    """Makes a random program, determined by its seed, as a function of its inputs."""

    def __init__(self, seed, dtype):
        self.random = np.random.default_rng(seed)
        self.dtype = dtype

    def shape(self):
        ndim = self.random.integers(0, 4)
        return tuple(int(n) for n in self.random.choice([0, 1, 2, 3, 5, 17], ndim, p=LENGTHS))

    def inputs(self):
        found = []
        for _ in range(self.random.integers(1, 4)):
            x = self.random.uniform(0.5, 2.0, self.shape())
            if np.dtype(self.dtype).kind == "c":
                x = x + 1j * self.random.uniform(0.5, 2.0, x.shape)
            x = np.asarray(x).astype(self.dtype)
            if x.ndim and self.random.random() < 0.4:
                x = np.flip(x, self.random.integers(x.ndim))
            if x.ndim > 1 and self.random.random() < 0.3:
                x = x.T
            found.append(x)
        return found

    def program(self, length):
        """Return a function that applies the same random steps to NumPy's arrays or handles."""
        seeds = self.random.integers(0, 2**31, length)

        def run(*inputs):
            values = list(inputs)
            for seed in seeds:
                values.append(step(np.random.default_rng(seed), values))
            return values[len(inputs) :]

        return run


LENGTHS = [0.02, 0.18, 0.2, 0.2, 0.2, 0.2]


def step(random, values):
    """Return one more value, made of the ones before."""
    x = values[random.integers(len(values))]
    y = values[random.integers(len(values))]
    kind = random.integers(15)
    shape = np.shape(x)
    ndim = len(shape)
    axis = int(random.integers(ndim)) if ndim else 0
    if kind < 5:
        try:
            np.broadcast_shapes(shape, np.shape(y))
        except ValueError:
            y = x
        if kind == 4:
            return x / (2.0 + y * y)
        return [x + y, x - y, x * y, 2 * x + y][kind]
    if kind == 5 or not ndim:
        return -x
    before = (slice(None),) * axis
    length = shape[axis]
    if kind == 6:
        return np.square(x) * 0.5
    if kind == 7:
        return np.transpose(x, random.permutation(ndim).tolist())
    if kind == 8 and 0 not in shape:
        return np.reshape(x, (-1,))
    if kind == 9:
        start = int(random.integers(-1, length + 1))
        return x[(*before, slice(start, None, int(random.choice([1, 1, 2, -1]))))]
    if kind == 10:
        return np.expand_dims(x, axis)
    if kind == 11 and length:
        return np.roll(x, 1, axis)
    if kind == 12:
        return np.concatenate([x, x * 2], axis)
    if kind == 13 and length:
        return x[(*before, int(random.integers(length)))]
    if kind == 14:
        z = np.copy(x)
        z[(*before, slice(0, max(length - 1, 0)))] += 1
        return z
    return x * x


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("seed", range(12))
def test_random_programs_are_numpys_to_the_bit(seed, dtype):
    generator = Generator(seed, dtype)
    inputs = generator.inputs()
    run = generator.program(14)
    program = wg.trace(run)(*inputs)
    with np.errstate(all="ignore"):
        expected = program.evaluate(*inputs)
        found = compile_program(program)(*inputs)
    for one, other in zip(found, expected, strict=True):
        if np.dtype(dtype).kind != "c":
            same(one, other)
        else:  # NumPy may contract the products of complex numbers
            size = np.max(np.abs(other), initial=0.0)
            np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13 * size)


@pytest.mark.parametrize("seed", range(12))
def test_one_output_of_a_random_program(seed):
    """With one output, more is computed where it is needed, and less is stored."""
    generator = Generator(100 + seed, np.float64)
    inputs = generator.inputs()
    run = generator.program(16)
    program = wg.trace(lambda *values: run(*values)[-1])(*inputs)
    with np.errstate(all="ignore"):
        expected = program.evaluate(*inputs)
        found = compile_program(program)(*inputs)
    same(found[0], expected[0])


@pytest.mark.parametrize("seed", range(8))
def test_a_schedule_means_what_its_program_means(seed):
    generator = Generator(200 + seed, np.float64)
    inputs = generator.inputs()
    program = wg.trace(generator.program(30))(*inputs)
    schedule = fuse(program, role_of)
    verify_schedule(schedule, program)
    with np.errstate(all="ignore"):
        for one, other in zip(schedule.evaluate(*inputs), program.evaluate(*inputs), strict=True):
            same(one, other)


def test_kernels_that_are_alike_share_one_function():
    """Two stretches of the same operations on other arrays: one function, called twice."""

    def smoothed(x):
        for _ in range(6):
            x = np.sort(np.exp(-x) * 2.5) + 1.0  # sorting stands between kernels
        return x

    x = np.linspace(1.0, 0.0, 40)
    lowered = wg.jit(smoothed).lower(x)
    text = lowered.as_text("llvm")
    assert text.count('call i32 @"kernel') == 7
    assert text.count('define i32 @"kernel') == 3  # the first, those between, the last
    np.testing.assert_allclose(lowered.compile()(x), smoothed(x), rtol=1e-15)
