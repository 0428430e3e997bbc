"""Every sample of every primitive, recorded and replayed, is what it is without."""

import numpy as np
import pytest

import wengert as wg
from native.programs import ORDERED, PRODUCTS, units
from primitive_calls import call_of, copies, each, is_number, same, samples_of, unchanged
from wengert.ir.aval import aval_of
from wengert.ir.primitive import registry
from wengert.passes.expand import EXPANSIONS
from wengert.tracing.core import bind, to_user

every_sample = pytest.mark.parametrize(("name", "index"), each(samples_of))


@pytest.fixture(params=[False, True], ids=["evaluated", "native"])
def native(request):
    """Run on both executors; every list is checked after every pass."""
    with np.errstate(all="ignore"), wg.config(verify=True, native=request.param):
        yield request.param


# What rounds as NumPy does, in the same order: equal to the last bit in native code too.
_ARITHMETIC = "add subtract multiply divide sqrt negative absolute positive reciprocal square"
_SELECTION = "where maximum minimum read write clip equal less greater floor ceil rint convert"
_STRUCTURE = "reshape transpose concatenate take broadcast_to flip roll"
EXACT = frozenset(f"{_ARITHMETIC} {_SELECTION} {_STRUCTURE}".split())


# Sums and products in another order, and what is made of several functions: by their size.
COMPOSED = ORDERED | PRODUCTS | set(EXPANSIONS) | {"pinv"}


def agrees(found, expected, exact, name):
    """Assert equal Avals, and equal entries: by bits, or within 2 units in the last place."""
    if exact or aval_of(expected).dtype.kind not in "fc":
        same(found, expected)
        return
    if name not in COMPOSED and registry[name].family != "control":
        assert aval_of(found) == aval_of(expected)
        assert units(found, expected) <= 2
        return
    assert aval_of(found) == aval_of(expected)
    eps = np.finfo(aval_of(expected).dtype).eps
    finite = np.abs(np.asarray(expected))[np.isfinite(expected)]
    scale = float(np.max(finite, initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=8 * eps, atol=4 * eps * scale)


@every_sample
def test_compiled_value(name, index, native):
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
            real = all(aval_of(value).dtype.kind != "c" for value in (other, *point))
            agrees(mine, other, not native or (real and name in EXACT), name)
        unchanged(point, before)
    known = next(iter(compiled.known.values()))
    assert known.eager is None, compiled.explain()
    assert known.traces == 1
    assert not known.failures, compiled.explain()
