"""The short ways of eager recording give the rows and the numbers that the long ways give."""

import itertools

import numpy as np
import pytest

import wengert as wg
from wengert.ir.aval import aval_of
from wengert.ir.primitive import registry
from wengert.tracing.core import Array, Traced, raw_of
from wengert.tracing.creation import begin, end
from wengert.transforms.reverse import ReverseTrace

OPERANDS = {
    "vector": lambda: np.array([0.5, 1.5, 2.5]),
    "view": lambda: np.array([0.5, 9.0, 1.5, 9.0, 2.5, 9.0])[::2],
    "column": lambda: np.array([[0.5], [1.5]]),
    "single": lambda: np.array([0.5, 1.5, 2.5], dtype=np.float32),
    "complex": lambda: np.array([0.5 + 1j, 1.5, 2.5 - 2j]),
    "nothing": lambda: np.zeros((0, 3)),
    "one entry": lambda: np.array(1.5),
    "number": lambda: 1.5,
    "scalar": lambda: np.float64(1.5),
}
PRIMITIVES = ["add", "subtract", "multiply", "divide", "power_operator", "less"]


def _recorded(primitive, first, second, which, *, shortly):
    """Return the result, and the cotangents of a fixed seed, by `pair` or by `process`."""
    given = [value() for value in (first, second)]
    inputs = [given[index] for index in which]
    trace = ReverseTrace("a test", inputs)
    begin(trace)
    try:
        operands = list(given)
        for position, index in enumerate(which):
            operands[index] = Traced(trace, given[index], position)
        if shortly:
            found = trace.pair(primitive, *operands)
        else:
            found = trace.process(primitive, operands, {})
        raw = raw_of(found)
    finally:
        end(trace)
    if type(raw) is not Traced:
        return raw, None
    seed = np.linspace(0.3, 0.7, max(np.size(raw._below), 1))[: np.size(raw._below)]
    seed = seed.reshape(np.shape(raw._below)).astype(aval_of(raw).dtype)[()]
    try:
        return raw._below, trace.pull_back([(raw._payload, seed)])
    finally:
        trace.release()


@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)], ids=["first", "second", "both"])
@pytest.mark.parametrize("name", PRIMITIVES)
def test_pairs_are_recorded_as_the_general_way_records_them(name, which):
    primitive = registry[name]
    for first, second in itertools.product(OPERANDS, repeat=2):
        if {first, second} == {"nothing", "column"}:  # of no common shape
            continue
        value, pulled = _recorded(primitive, OPERANDS[first], OPERANDS[second], which, shortly=True)
        expected, wanted = _recorded(
            primitive, OPERANDS[first], OPERANDS[second], which, shortly=False
        )
        np.testing.assert_array_equal(value, expected, err_msg=f"{first}, {second}")
        assert type(value) is type(expected)
        assert (pulled is None) == (wanted is None)
        for one, other in zip(pulled or [], wanted or [], strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"{first}, {second}")
            assert np.asarray(one).dtype == np.asarray(other).dtype


def test_a_value_that_is_used_three_times_gets_the_sum_in_order():
    x = np.array([0.1, 0.2, 0.7])

    def f(x):
        y = x * 3.0
        return np.sum(y * 0.1 + y * 0.2 + y * 0.3)

    expected = ((0.3 + np.zeros(3)) + 0.2) + 0.1  # backwards, as recorded
    np.testing.assert_array_equal(wg.grad(f)(x), expected * 3.0)


def test_views_read_again_after_each_write():
    def f(x):
        whole = x * 1.0
        part = whole[1:]
        whole[2] = 5.0
        assert type(part) is Array
        part[0] = part[0] * 2.0
        return np.sum(part * whole[:-1])

    x = np.array([1.0, 2.0, 3.0])
    # whole = (x0, 2 x1, 5); part = (2 x1, 5): f = 2 x1 x0 + 10 x1
    np.testing.assert_array_equal(wg.grad(f)(x), [4.0, 12.0, 0.0])


def test_arguments_kept_by_a_tape_are_protected_whichever_way_recorded():
    x = np.array([1.0, 2.0, 3.0])
    constant = np.array([2.0, 3.0, 4.0])
    _, pull = wg.vjp(lambda x: x * constant * x, x)
    expected = pull(np.ones(3))[0].copy()
    x[:] = 0.0
    constant[:] = 0.0
    np.testing.assert_array_equal(pull(np.ones(3))[0], expected)
