"""Every sample of every primitive, recorded and replayed, is what it is without."""

import numpy as np
import pytest

import wengert as wg
from primitive_calls import call_of, copies, each, is_number, same, samples_of, unchanged
from wengert.ir.aval import aval_of
from wengert.tracing.core import bind, to_user

every_sample = pytest.mark.parametrize(("name", "index"), each(samples_of))


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"), wg.config(verify=True):
        yield


@every_sample
def test_compiled_value(name, index):
    call, sample = call_of(name, index)
    if call.primitive.family == "guard":
        return  # has no results; tests/jit/test_jit.py is about guards
    which = [
        i
        for i, value in enumerate(sample.args)
        if is_number(value) and aval_of(value).dtype.kind in "biufc"
    ]

    def program(*point):
        full = list(sample.args)
        for i, value in zip(which, point, strict=True):
            full[i] = value
        result = bind(call.primitive, *full, **sample.params)
        results = result if call.primitive.multiple else (result,)
        return tuple(to_user(entry) for entry in results)

    point = [sample.args[i] for i in which]
    before = copies(point)
    compiled = wg.jit(program)
    for _ in range(2):
        found = compiled(*point)
        expected = program(*point)
        assert len(found) == len(expected)
        for mine, other in zip(found, expected, strict=True):
            same(mine, other)
        unchanged(point, before)
    known = next(iter(compiled.known.values()))
    assert known.eager is None, compiled.explain()
    assert known.traces == 1
