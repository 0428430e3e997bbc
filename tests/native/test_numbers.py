"""Operations of arrays on single numbers, in registers: NumPy's values, signs and kinds."""

import numpy as np
import pytest

import wengert as wg
from native.programs import same
from wengert.backends.llvm import compile_program


def written(x):
    y = x.copy()
    y[()] = 2 * y
    return y


OPERATIONS = {
    "sum": np.sum,
    "sum kept": lambda x: np.sum(x, keepdims=True),
    "sum of axes": lambda x: np.sum(x, axis=()),
    "sum in single": lambda x: np.sum(x, dtype=np.float32),
    "prod": np.prod,
    "mean": np.mean,
    "max": np.max,
    "min": lambda x: np.min(x, keepdims=True),
    "all": np.all,
    "any": lambda x: np.any(x, keepdims=True),
    "count": np.count_nonzero,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "read": lambda x: x[()],
    "view": lambda x: x[...],
    "reshape": lambda x: np.reshape(x, ()),
    "transpose": np.transpose,
    "broadcast": lambda x: np.broadcast_to(x, ()),
    "squeeze": np.squeeze,
    "dot": lambda x: np.dot(x, x),
    "write": written,
}
NUMBERS = [
    *(np.array(v) for v in (0.5, -0.0, 0.0, np.nan, -np.inf)),
    np.array(3),
    np.array(0, np.uint8),
    np.array(True),
    np.array(1.5, np.float32),
    np.array(0.5 - 2j),
    np.array(complex(-0.0, -0.0)),
]


@pytest.mark.parametrize("name", OPERATIONS)
def test_numbers(name):
    operation = OPERATIONS[name]
    values = list(NUMBERS)
    if name != "write":
        values += [v[()] for v in NUMBERS]
    if name not in ("write", "read", "view"):
        values += [0.5, 3]
    for value in values:
        if np.iscomplexobj(value) and name == "sum in single":
            continue
        program = wg.trace(operation)(value)
        native = compile_program(program)
        for found, expected in zip(native(value), program.evaluate(value), strict=True):
            same(found, expected)
        complex_loop = np.iscomplexobj(value) and name in ("prod", "mean")
        assert bool(native.called_back) == complex_loop
