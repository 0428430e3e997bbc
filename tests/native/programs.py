"""Lists of one equation, and the comparison of native results with the straight evaluator's."""

import numpy as np

from wengert.ir.aval import aval_of
from wengert.ir.equation import Equation, Literal, Variable
from wengert.ir.primitive import registry
from wengert.ir.wengert_list import WengertList

# Sums and products of many entries: they are added up in another order than NumPy's. Logarithms of
# sums lose digits where they are near zero, NumPy's more than native ones.
ORDERED = {"sum", "mean", "prod", "sum_selected", "prod_selected", "recurrence"} | {
    f"{name}{part}"
    for name in ("logaddexp", "logaddexp2")
    for part in ("", "_reduce", "_reduce_selected", "_accumulate")
}
PRODUCTS = {"matmul", "dot", "vdot", "vecdot", "matvec", "vecmat", "tensordot", "einsum"}


def is_number(value):
    return isinstance(value, (bool, int, float, complex, np.ndarray, np.generic)) and (
        aval_of(value).dtype.kind in "biufc"
    )


def one_equation(name, args, params, *, literal=()):
    """Return the list of one primitive, and its inputs; arguments in `literal` are constants."""
    primitive = registry[name]
    inputs, values, operands = [], [], []
    for position, value in enumerate(args):
        if position in literal or not is_number(value):
            operands.append(Literal(value))
            continue
        variable = Variable(aval_of(value))
        operands.append(variable)
        inputs.append(variable)
        values.append(value)
    inferred = primitive.infer(*[operand.aval for operand in operands], **params)
    avals = inferred if isinstance(inferred, tuple) else (inferred,)
    outputs = [Variable(aval) for aval in avals]
    program = WengertList(inputs, [Equation(primitive, operands, params, outputs)], outputs)
    return program, values


def units(found, expected):
    """Return the largest distance in units in the last place of the expected values."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.dtype.kind == "c":
        return max(units(found.real, expected.real), units(found.imag, expected.imag))
    equal = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(all="ignore"):
        distance = np.abs(found - expected) / np.spacing(np.abs(expected))
    return float(np.max(np.where(equal, 0.0, distance), initial=0.0))


def same(found, expected, ulps=0):
    """Assert equal Avals, and entries that are bitwise equal or within some units."""
    assert aval_of(found) == aval_of(expected)
    if ulps and aval_of(found).dtype.kind in "fc":
        assert units(found, expected) <= ulps
        return
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    if aval_of(found).dtype.kind in "fc":
        for part in ("real", "imag"):
            mine, other = getattr(np.asarray(found), part), getattr(np.asarray(expected), part)
            numbers = ~np.isnan(other)
            np.testing.assert_array_equal(np.signbit(mine)[numbers], np.signbit(other)[numbers])


def close(found, expected, summed):
    """Assert equal Avals, and entries that differ by what another order of summation explains."""
    assert aval_of(found) == aval_of(expected)
    summed = np.abs(np.asarray(summed))
    unit = np.finfo(aval_of(expected).dtype).eps
    size = max(summed.size, 1)
    np.testing.assert_allclose(
        found,
        expected,
        rtol=4 * size * unit,
        atol=4 * unit * np.sum(summed, initial=0.0, where=np.isfinite(summed)),
    )
