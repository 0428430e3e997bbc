"""Every primitive on every sample: native code gives what the straight evaluator gives."""

import functools

import numpy as np
import pytest

from native.fences import same_on_fenced_memory
from native.programs import ORDERED, PRODUCTS, close, one_equation, same
from primitive_calls import each, samples_of
from wengert.backends.llvm import compile_program
from wengert.ir.primitive import registry
from wengert.passes.expand import EXPANSIONS

# Functions whose native value is rounded once, as NumPy's is; all others may differ by 2 units.
EXACT = {
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "positive",
    "sqrt",
    "square",
    "remainder",
    "floor_divide",
    "linspace",
    "solve",
}
# Singular values and a product of matrices: rounded as products are, which are added up in another
# order than NumPy's.
FACTORED = {"pinv"}


@pytest.mark.parametrize(("name", "index"), each(samples_of))
def test_native_is_the_straight_evaluator(name, index):
    sample = samples_of(name)[index]
    program, values = one_equation(name, sample.args, sample.params)
    before = [np.array(value) for value in values]
    with np.errstate(all="ignore"):
        expected = program.evaluate(*values)
        native = compile_program(program)
        found = native(*values)
        same_on_fenced_memory(native, values)
    assert len(found) == len(expected)
    exact = name in EXACT or (registry[name].lower is None and name not in EXPANSIONS)
    if name in ORDERED:
        close(found[0], expected[0], values[0])
        return
    if name in PRODUCTS:
        close(found[0], expected[0], functools.reduce(np.multiply.outer, sample.args))
        return
    if name in FACTORED:
        largest = np.max(np.abs(expected[0]), initial=0.0)
        limit = 16 * np.finfo(expected[0].dtype).eps * largest
        np.testing.assert_allclose(found[0], expected[0], rtol=0.0, atol=limit)
        return
    for one, other in zip(found, expected, strict=True):
        # NumPy may multiply complex numbers with contraction, native code does not. Loops pass
        # differences on.
        if registry[name].family == "control":
            same(one, other, 16)
        else:
            same(one, other, 0 if exact and np.asarray(other).dtype.kind != "c" else 2)
    for value, copy in zip(values, before, strict=True):
        np.testing.assert_array_equal(value, copy, err_msg="an operand was written")
