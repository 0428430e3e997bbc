"""Batches of a primitive's samples: examples that differ, with the batch axis at any place."""

import numpy as np

from primitive_calls import Call, call_of, is_number, pulled, pushed, results_of
from wengert.ir.aval import aval_of, zeros_of
from wengert.ir.primitive import registry
from wengert.ops.accumulation import dense
from wengert.tracing.core import Batched, Traced, bind, raw_of
from wengert.tracing.creation import begin, end
from wengert.transforms.batching import BatchTrace

EXAMPLES = 3
# Primitives that hold a program or call back into Python: their batch rules are tested with the
# functions that people call.
PROGRAM_FAMILIES = {"guard", "callback", "effect"}


def holds_program(name):
    return registry[name].family in PROGRAM_FAMILIES


def variants(value, seed):
    """Return values of one Aval, the first being the sample's."""
    aval = aval_of(value)
    array = np.asarray(value)
    generator = np.random.default_rng([seed, 5])
    found = [array]
    for turn in range(1, EXAMPLES):
        if aval.dtype.kind in "fc":
            change = 1 + 0.05 * generator.uniform(-1, 1, array.shape)
            found.append((array * change).astype(aval.dtype))
        else:  # indices and truth values: the same ones in another order
            found.append(np.roll(array, turn, axis=-1) if array.ndim else array)
    return found


def numbers_of(name, index):
    """Return which arguments of a sample can be batched."""
    sample = call_of(name, index)[1]
    return [i for i, value in enumerate(sample.args) if is_number(value)]


class Batch:
    """Examples of a call: some of its arguments differ, the others are the same for all."""

    def __init__(self, name, args, params, which):
        self.name, self.args, self.params = name, list(args), params
        self.columns = {i: variants(args[i], i) for i in which}

    def example(self, k):
        """Return the arguments of one example, each of the kind that it has in the sample."""
        made = list(self.args)
        for i, column in self.columns.items():
            kind = aval_of(self.args[i]).kind
            made[i] = np.array(column[k]) if kind == "array" else column[k][()]
        return made

    def stacked(self, place):
        """Return the batched arguments with their batch axis at a place, by position."""
        made = {}
        for i, column in self.columns.items():
            whole = np.stack(column)
            axis = place % whole.ndim
            made[i] = (np.array(np.moveaxis(whole, 0, axis)), axis)
        return made

    def traced(self, trace, place):
        """Return the arguments with the batched ones traced."""
        made = list(self.args)
        for i, (whole, axis) in self.stacked(place).items():
            made[i] = trace.wrap(whole, axis, aval_of(self.args[i]).kind)
        return made


def in_trace(function):
    """Run a function of a fresh batching trace."""
    trace = BatchTrace("a batch rule under test", EXAMPLES)
    begin(trace)
    try:
        return function(trace)
    finally:
        end(trace)


def examples_of(value):
    """Return a result with its examples along axis 0; one for all is repeated."""
    raw = raw_of(value)
    if type(raw) is Traced and type(raw._below) is Batched:
        return np.moveaxis(np.asarray(raw._below._below), raw._below.axis, 0)
    return np.broadcast_to(raw, (EXAMPLES, *np.shape(raw)))


def loop_values(batch):
    rows = [results_of(registry[batch.name], batch.example(k), batch.params) for k in range(3)]
    return [np.stack([np.asarray(row[j]) for row in rows]) for j in range(len(rows[0]))]


def batched_values(batch, place):
    primitive = registry[batch.name]

    def run(trace):
        found = bind(primitive, *batch.traced(trace, place), **batch.params)
        found = tuple(found) if primitive.multiple else (found,)
        return [(aval_of(entry), examples_of(entry)) for entry in found]

    return in_trace(run)


def derivative(name, args, params, which, wrt, mode):
    """Return the jvp or vjp of one call in directions of ones, zeros filled in."""
    call = Call(name, args, params, wrt)
    call.which = which
    point = call.point
    if mode == "jvp":
        values, found = pushed(call, point, [ones(value) for value in point])
    else:
        values = point
        whole = tuple(range(len(point)))
        found = pulled(call, point, whole, lambda number, value: ones(value))
    return [
        zeros_of(aval_of(value)) if change is None else raw_of(dense(change))
        for change, value in zip(found, values, strict=True)
    ]


def ones(value):
    aval = aval_of(value)
    if aval.kind == "array":
        return np.ones(aval.shape, aval.dtype)
    return 1.0 if aval.kind == "python" and not aval.is_complex else aval.dtype.type(1)


def close(found, expected, eps=0.0):
    """Assert equal shapes and dtypes, and entries equal but for rounding, by `eps` at least."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(found, expected)
        return
    finite = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    size = float(np.max(finite, initial=1.0))
    tolerance = 1000 * max(eps, float(np.finfo(expected.dtype).eps)) * size
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
