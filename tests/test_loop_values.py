"""What loops read and stack: each value once, numbers as rows, with the same results to the bit."""

import numpy as np
import pytest

import wengert as wg
from wengert.compile import optimise
from wengert.ir.verify import verify
from wengert.passes.loop_values import share_in_loops
from wengert.passes.recompute import recompute, scans_of
from wengert.passes.rows import stack_rows


def chain(state, inputs=None):
    """Each number moves by products with its neighbours."""
    count = min(2, len(state))
    moved = tuple(
        x + 0.125 * (state[i - 1] * (1 - x) - 0.5 * state[i - count] * x)
        for i, x in enumerate(state)
    )
    return moved if inputs is None else (moved[0] * inputs, *moved[1:])


def swept(count, length, reverse=False):
    """Return a function of one number that scans `count` numbers."""

    def function(x):
        start = tuple(x * (1 + 0.125 * i) for i in range(count))
        end, seen = wg.scan(
            lambda state, entry: (chain(state, entry), state[0] * state[-1]),
            start,
            np.linspace(0.5, 1.0, length),
            reverse=reverse,
        )
        return sum(end) + np.sum(seen * seen)

    return function


def staged(function, *args):
    compiled = wg.jit(function)
    compiled.lower(*args)
    (known,) = compiled.known.values()
    return known.paths[0].executable.staged


def bits(value):
    return np.asarray(value).tobytes()


@pytest.mark.parametrize("count", [1, 2, 3, 16, 21])
@pytest.mark.parametrize("length", [0, 1, 7])
def test_gradients_have_the_same_bits(count, length):
    gradient = wg.grad(swept(count, length, reverse=bool(count % 2)))
    with wg.config(verify=True):
        native = wg.jit(gradient, compile="now")
        native(0.25)
        with wg.config(native=False):
            evaluated = wg.jit(gradient, compile="now")
            evaluated(0.25)
            for x in (0.25, -0.75, 0.0, -0.0, 1e-200, np.inf):
                assert bits(native(x)) == bits(evaluated(x))


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_gradients_in_other_dtypes(dtype):
    def function(x):
        end, _ = wg.scan(lambda s, _: (chain(s), None), (x, x * dtype(0.5), x * x), None, 5)
        return np.real(end[0] * end[1] + end[2])

    x = dtype(0.3)
    gradient = wg.grad(function)
    with wg.config(verify=True):
        found = wg.jit(gradient, compile="now")
        found(x)
        np.testing.assert_allclose(found(x), gradient(x), rtol=8 * np.finfo(dtype).eps)


def test_second_order():
    function = swept(3, 4)
    second = wg.grad(wg.grad(function))
    compiled = wg.jit(second, compile="now")
    compiled(0.25)
    step = 1e-5
    slope = wg.grad(function)
    differences = (slope(0.25 + step) - slope(0.25 - step)) / (2 * step)
    np.testing.assert_allclose(compiled(0.25), differences, rtol=1e-8)


def test_a_loop_reads_a_value_once():
    program = optimise(staged(wg.grad(swept(4, 8)), 0.25))
    for equation in scans_of(program):
        entries = equation.operands[equation.params["constants"] + equation.params["carry"] :]
        assert len(set(entries)) == len(entries)


def test_sharing_keeps_what_a_program_computes():
    program = recompute(staged(wg.grad(swept(4, 8)), 0.25))
    shared = share_in_loops(program)
    verify(shared)
    counts = [sum(len(e.operands) for e in scans_of(p)) for p in (program, shared)]
    assert counts[1] < counts[0]
    assert [bits(v) for v in program.evaluate(0.25)] == [bits(v) for v in shared.evaluate(0.25)]


def test_numbers_are_stacked_as_rows():
    program = optimise(staged(wg.grad(swept(4, 8)), 0.25))
    rows = stack_rows(program)
    verify(rows)
    made, read = scans_of(rows)
    count = made.params["carry"]
    stacked = [variable.aval.shape for variable in made.outputs[count:]]
    assert (8, 4) in stacked or (8, 5) in stacked
    assert any(len(operand.aval.shape) == 2 for operand in read.operands)
    assert [bits(v) for v in program.evaluate(0.25)] == [bits(v) for v in rows.evaluate(0.25)]


def test_a_stack_that_others_read_stays():
    """An output of the program, and what two loops read in different orders, are no rows."""

    def function(x):
        _, (first, second) = wg.scan(
            lambda s, _: ((s[0] * s[1], s[1] - 0.25), (s[0] + 1, s[1] * 2)), (x, x), None, 6
        )
        total, _ = wg.scan(lambda s, row: (s * row[0] - row[1], None), x, (first, second[::-1]))
        return total, first

    program = optimise(staged(function, 0.5))
    assert stack_rows(program) is program
    found = wg.jit(function, compile="now")
    found(0.5)
    for value, expected in zip(found(0.5), function(0.5), strict=True):
        assert bits(value) == bits(expected)
