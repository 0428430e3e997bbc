"""Every primitive's batch rule gives, on every sample, what a loop over the examples gives."""

import numpy as np
import pytest

from primitive_calls import call_of, each, samples_of
from vmap.examples import (
    Batch,
    batched_values,
    close,
    derivative,
    examples_of,
    holds_program,
    in_trace,
    loop_values,
    numbers_of,
)
from wengert.ir.aval import aval_of
from wengert.ir.primitive import registry

# Primitives whose examples are done one after the other: no rule of arrays would be quicker.
ONE_BY_ONE = {
    "distinct",  # NumPy's search has no stacks
    "distinct_count",
    "lstsq",  # NumPy's has no stacks
    "places",  # as many places for every example
    "ways",  # each example's steps go their own way
}


def chosen(names=lambda name: True):
    return [p for p in each(samples_of) if not holds_program(p.values[0]) and names(p.values[0])]


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def test_which_primitives_have_no_rule_of_their_own():
    found = {
        primitive.name
        for primitive in registry
        if not holds_program(primitive.name)
        and (primitive.batch is None or hasattr(primitive.batch, "one_by_one"))
    }
    assert found == ONE_BY_ONE


def subsets(count):
    """Return all arguments together, and each alone."""
    return [tuple(count), *((i,) for i in count if len(count) > 1)]


@pytest.mark.parametrize(("name", "index"), chosen())
def test_vmap_is_the_loop(name, index):
    sample = call_of(name, index)[1]
    for which in subsets(numbers_of(name, index)):
        batch = Batch(name, sample.args, sample.params, which)
        expected = loop_values(batch)
        for place in (0, 1, -1):
            for (aval, found), other in zip(batched_values(batch, place), expected, strict=True):
                close(found, other)
                assert aval.shape == other.shape[1:]


@pytest.mark.parametrize("mode", ["jvp", "vjp"])
@pytest.mark.parametrize(("name", "index"), chosen(lambda n: not registry[n].zero_derivative))
def test_derivatives_of_examples_are_those_of_the_loop(name, index, mode):
    """``vmap(grad(f))``: the rules of derivatives run on batched values."""
    call, sample = call_of(name, index)
    if not call.which or not sample.differentiable:
        return
    numbers = numbers_of(name, index)
    for which in {tuple(numbers), tuple(call.which)}:
        batch = Batch(name, sample.args, sample.params, which)
        rows = [
            derivative(name, batch.example(k), sample.params, call.which, sample.wrt, mode)
            for k in range(3)
        ]

        def run(trace, batch=batch):
            args = batch.traced(trace, 0)
            found = derivative(name, args, sample.params, call.which, sample.wrt, mode)
            return [examples_of(entry) for entry in found]

        for found, *row in zip(in_trace(run), *rows, strict=True):
            expected = np.stack([np.asarray(entry) for entry in row])
            close(found.astype(expected.dtype), expected)
            assert aval_of(found).shape == expected.shape
