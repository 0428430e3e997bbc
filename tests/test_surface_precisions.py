"""The NumPy surface in other precisions: values, dtypes and kinds inside transformations."""

import warnings

import numpy as np
import pytest

import wengert as wg
from surface import CALLS, GROUPS
from surface.check import Program, compare_values, leaves

COMPLEX = {np.float16: np.complex64, np.float32: np.complex64, np.longdouble: np.clongdouble}
NAMES = [name for group, names in GROUPS.items() if "without" not in group for name in names]

# A view of other bytes; objects converted back; the order of NumPy's partial sums in half.
APART = {
    "np.array(np.frompyfunc(lambda e: e * s, 1, 1)(np.arange(3.0)).tolist())": "kind of objects",
    "np.subtract.reduce(x)": "order of rounding",
    "np.linalg.cond(m, p='fro')": "order of rounding",
}


def in_precision(point, dtype):
    """A point in another precision; Python numbers have one only."""
    if not isinstance(point, (np.ndarray, np.generic)):
        return point
    wanted = COMPLEX[dtype] if np.iscomplexobj(point) else dtype
    return point.astype(wanted)


def is_comparable(call):
    """Calls with an ``out=`` of double precision round twice, here and there differently."""
    fixed = "out=np.zeros" in call.text or "out=y2" in call.text or ".view(" in call.text
    return call.variables and not call.refusal and not fixed and call.text not in APART


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
@pytest.mark.parametrize("name", NAMES)
def test_value(name, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in filter(is_comparable, CALLS[name]):
            points = [in_precision(point, dtype) for point in call.points]
            program = Program(call)
            try:
                expected = leaves(call.run(*(in_precision(point, dtype) for point in call.points)))
            except (TypeError, ValueError) as refused:  # no such precision: ours refuses alike
                with pytest.raises(type(refused)):
                    wg.vjp(program, *points)
                continue
            wg.vjp(program, *points)
            if call.rounding:
                continue  # composed: the last digits differ, and float32 has few
            compare_values(program.seen, expected, rounding=False)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
def test_out_of_another_precision(dtype):
    """NumPy rounds and subtracts in the precision of ``out=``, not in that of the argument."""
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(dtype)

    def program(x):
        rounded, spread = np.zeros((4, 6)), np.zeros(4)
        np.around(x, 2, out=rounded)
        np.ptp(x, axis=1, out=spread)
        return rounded, spread

    for found, plain in zip(wg.vjp(program, x)[0], program(x), strict=True):
        np.testing.assert_array_equal(found, plain)
