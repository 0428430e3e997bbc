"""Value, jvp and vjp of every sample of every primitive stage to a list that evaluates as eager."""

import numpy as np
import pytest

from primitive_calls import (
    Call,
    call_of,
    copies,
    direction,
    each,
    epsilon,
    is_number,
    pulled,
    pushed,
    results_of,
    samples_of,
)
from wengert.ir.aval import aval_of, zeros_of
from wengert.ir.primitive import registry
from wengert.ir.verify import verify
from wengert.ops.accumulation import dense
from wengert.tracing.core import bind, raw_of
from wengert.tracing.staging import stage


class StagedCall:
    """One sample as a function of all its numbers, differentiated in those that can be."""

    def __init__(self, name, index):
        self.call, self.sample = call_of(name, index)
        self.primitive = registry[name]
        self.numbers = [i for i, value in enumerate(self.sample.args) if is_number(value)]
        self.others = [i for i in self.numbers if i not in self.call.which]

    def full(self, where, values):
        args = list(self.sample.args)
        for i, value in zip(where, values, strict=True):
            args[i] = raw_of(value)
        return args

    def value(self, *values):
        result = bind(self.primitive, *self.full(self.numbers, values), **self.sample.params)
        return tuple(result) if self.primitive.multiple else (result,)

    def split(self, values):
        """Return a call of traced values, its point, and the changes that follow in `values`."""
        count = len(self.call.which)
        values = [raw_of(value) for value in values]
        point, changes = values[:count], values[count : len(values) - len(self.others)]
        others = values[len(values) - len(self.others) :]
        call = Call(self.primitive.name, self.full(self.others, others), self.sample.params)
        call.which = self.call.which
        return call, point, changes

    def jvp(self, *values):
        call, point, tangents = self.split(values)
        found, changes = pushed(call, point, tangents)
        return [filled(change, value) for change, value in zip(changes, found, strict=True)]

    def vjp(self, *values):
        call, point, cotangents = self.split(values)
        found = pulled(call, point, tuple(range(len(point))), lambda i, value: cotangents[i])
        return [filled(change, value) for change, value in zip(found, point, strict=True)]


def filled(change, value):
    return zeros_of(aval_of(value)) if change is None else raw_of(dense(change))


def evaluated(function, values):
    """Stage a function on the Avals of values, verify the list and run it."""
    staged = stage(function, [aval_of(value) for value in values], "a rule under test")
    verify(staged)
    return staged.evaluate(*copies(values))


def close(found, expected, eps):
    for entry, other in zip(found, expected, strict=True):
        assert np.shape(entry) == np.shape(other)
        finite = np.where(np.isfinite(other), np.abs(other), 0.0)
        size = float(np.max(finite, initial=1.0))
        np.testing.assert_allclose(entry, other, rtol=0, atol=500 * eps * size)


@pytest.mark.parametrize(("name", "index"), each(samples_of))
def test_values_and_derivatives_stage(name, index):
    staged = StagedCall(name, index)
    sample, call = staged.sample, staged.call
    numbers = [sample.args[i] for i in staged.numbers]
    with np.errstate(all="ignore"):
        expected = results_of(staged.primitive, copies(sample.args), sample.params)
        for entry, other in zip(evaluated(staged.value, numbers), expected, strict=True):
            np.testing.assert_array_equal(np.asarray(entry), np.asarray(other))
        if staged.primitive.zero_derivative or not call.which:
            return
        others = [sample.args[i] for i in staged.others]
        point = call.point
        tangents = direction(point, 2)
        values, changes = pushed(call, copies(point), tangents)
        cotangents = direction(values, 3)
        whole = tuple(range(len(point)))
        back = pulled(call, copies(point), whole, lambda i, value: cotangents[i])
        eps = epsilon(point, values)

        found = evaluated(staged.jvp, [*point, *tangents, *others])
        close(found, [filled(c, v) for c, v in zip(changes, values, strict=True)], eps)
        found = evaluated(staged.vjp, [*point, *cotangents, *others])
        close(found, [filled(c, v) for c, v in zip(back, point, strict=True)], eps)
