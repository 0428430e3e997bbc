"""Joining, repeating, padding and building arrays: value, derivative and kind are NumPy's."""

import numpy as np
import pytest

import wengert as wg
from function_cases import check_derivatives, check_memory, check_value
from reference import same

VECTOR = np.array([0.7, -1.3, 0.4, 1.1, -0.6])
WIDE = np.linspace(-0.9, 1.3, 6).reshape(2, 3)
CUBE = np.linspace(-0.8, 1.7, 24).reshape(2, 3, 4)
ONES = np.ones((2, 3))

CASES = {
    "concatenate": (lambda x: np.concatenate([x, ONES, x * 2.0]), WIDE),
    "concatenate-axis": (lambda x: np.concatenate((x, x[:, :1]), axis=-1), WIDE),
    "concatenate-flat": (lambda x: np.concatenate([x, 3.0, x[0]], axis=None), WIDE),
    "concatenate-rows": (np.concatenate, CUBE),
    "concatenate-dtype": (
        lambda x: np.concatenate([x, np.arange(3)], dtype=np.complex128),
        VECTOR,
    ),
    "concat": (lambda x: np.concat([x, x]), WIDE),
    "stack": (lambda x: np.stack([x, x * 2.0, ONES]), WIDE),
    "stack-axis": (lambda x: np.stack([x, ONES], axis=-1), WIDE),
    "stack-scalars": (lambda x: np.stack([x[0], x[1] * x[2], 2.0]), VECTOR),
    "stack-dtype": (lambda x: np.stack([x, x], dtype=complex), VECTOR),
    "hstack": (lambda x: np.hstack([x, ONES]), WIDE),
    "hstack-vectors": (lambda x: np.hstack([x, 2.0, x[1:]]), VECTOR),
    "vstack": (lambda x: np.vstack([x, x[0] * 2.0]), WIDE),
    "dstack": (lambda x: np.dstack([x, ONES]), WIDE),
    "dstack-vectors": (lambda x: np.dstack([x, x * x]), VECTOR),
    "column_stack": (lambda x: np.column_stack([x, np.arange(5.0), x * 2.0]), VECTOR),
    "column_stack-mixed": (lambda x: np.column_stack([x, x[:, 0]]), WIDE),
    "append": (lambda x: np.append(x, x[0]), WIDE),
    "append-axis": (lambda x: np.append(x, [[1.0, 2.0, 3.0]], axis=0), WIDE),
    "block": (lambda x: np.block([[x, x * 2.0], [ONES, x]]), WIDE),
    "block-vectors": (lambda x: np.block([x[:2], 3.0, x]), VECTOR),
    "block-single": (np.block, WIDE),
    "insert": (lambda x: np.insert(x, 2, x[0] * 2.0), VECTOR),
    "insert-several": (lambda x: np.insert(x, [1, 3], x[:2]), VECTOR),
    "insert-axis": (lambda x: np.insert(x, 1, x[:, 0], axis=1), WIDE),
    "insert-slice": (lambda x: np.insert(x, slice(0, 4, 2), 1.5), VECTOR),
    "insert-flat": (lambda x: np.insert(x, -1, 2.0), WIDE),
    "delete": (lambda x: np.delete(x, 2), VECTOR),
    "delete-axis": (lambda x: np.delete(x, [0, 2], axis=1), WIDE),
    "delete-slice": (lambda x: np.delete(x, slice(None, None, 2)), WIDE),
    "delete-mask": (lambda x: np.delete(x, [True, False, True, False, False]), VECTOR),
    "repeat": (lambda x: np.repeat(x, 2), WIDE),
    "repeat-axis": (lambda x: np.repeat(x, 3, axis=1), WIDE),
    "repeat-array": (lambda x: np.repeat(x, [2, 0, 1], axis=1), WIDE),
    "repeat-method": (lambda x: x.repeat([1, 2], axis=0), WIDE),
    "tile": (lambda x: np.tile(x, 3), VECTOR),
    "tile-tuple": (lambda x: np.tile(x, (2, 1, 3)), WIDE),
    "resize": (lambda x: np.resize(x, (3, 4)), VECTOR),
    "resize-smaller": (lambda x: np.resize(x, 3), WIDE),
    "meshgrid": (lambda x: np.meshgrid(x, x[:2] * 2.0), VECTOR),
    "meshgrid-ij": (lambda x: np.meshgrid(x[:2], [1.0, 2.0, 3.0], x, indexing="ij"), VECTOR),
    "array-scalars": (lambda x: np.array([x[0] * x[1], 2.0, x[2]]), VECTOR),
    "array-nested": (lambda x: np.array([[x[0], 1], (x[1], x[2])]), VECTOR),
    "array-deep": (lambda x: np.array([[[x[0]], [2.0]], [[x[1]], [x[2]]]]), VECTOR),
    "array-of-arrays": (lambda x: np.array([x, x * 2.0, [1, 2, 3, 4, 5]]), VECTOR),
    "array-of-mixtures": (lambda x: np.array([[x[0], x[1]], x[2:4]]), VECTOR),
    "array-of-0d": (lambda x: np.array([x[0, ...], x[1], 1.0]), VECTOR),
    "array-complex": (lambda x: np.array([x[0], 1j * x[1]]), VECTOR),
    "array-dtype": (lambda x: np.array([x[0], 1], dtype=complex), VECTOR),
    "array-ndmin": (lambda x: np.array([x[0], 1.0], ndmin=2), VECTOR),
    "operand-list": (lambda x: x * [x[0], 1.0, 2.0, 3.0, 4.0], VECTOR),
    "pad": (lambda x: np.pad(x, 2), VECTOR),
    "pad-widths": (lambda x: np.pad(x, ((1, 0), (2, 3))), WIDE),
    "pad-dict": (lambda x: np.pad(x, {-1: (1, 2)}), WIDE),
    "pad-constant": (lambda x: np.pad(x, 1, constant_values=((1.0, 2.0), (3.0, 4.0))), WIDE),
    "pad-traced-constant": (lambda x: np.pad(x, 1, constant_values=x[0]), VECTOR),
    "pad-edge": (lambda x: np.pad(x, (1, 2), mode="edge"), WIDE),
    "pad-ramp": (lambda x: np.pad(x, (3, 2), mode="linear_ramp", end_values=(0.5, -1)), WIDE),
    "pad-traced-ramp": (lambda x: np.pad(x, 2, mode="linear_ramp", end_values=x[1]), VECTOR),
    "pad-maximum": (lambda x: np.pad(x, 2, mode="maximum", stat_length=2), WIDE),
    "pad-minimum": (lambda x: np.pad(x, ((1, 2), (2, 0)), mode="minimum"), WIDE),
    "pad-mean": (lambda x: np.pad(x, 2, mode="mean", stat_length=((1, 2), (3, 2))), WIDE),
    "pad-median": (lambda x: np.pad(x, 2, mode="median"), VECTOR),
    "pad-reflect": (lambda x: np.pad(x, (6, 7), mode="reflect"), VECTOR),
    "pad-reflect-odd": (lambda x: np.pad(x, (2, 1), mode="reflect", reflect_type="odd"), WIDE),
    "pad-symmetric": (lambda x: np.pad(x, 4, mode="symmetric"), WIDE),
    "pad-symmetric-odd": (
        lambda x: np.pad(x, (7, 2), mode="symmetric", reflect_type="odd"),
        VECTOR,
    ),
    "pad-wrap": (lambda x: np.pad(x, (7, 4), mode="wrap"), WIDE),
    "pad-empty": (lambda x: np.pad(x, 1, mode="empty")[1:-1], VECTOR),
    "pad-nothing": (lambda x: np.pad(x, 0, mode="edge"), VECTOR),
}

each_case = pytest.mark.parametrize(("function", "point"), CASES.values(), ids=CASES.keys())


@each_case
def test_value(function, point):
    check_value(function, point)


@each_case
def test_derivatives(function, point):
    check_derivatives(function, point)


@pytest.mark.parametrize(
    ("function", "point"),
    [case for name, case in CASES.items() if name not in {"array-dtype", "concatenate-dtype"}],
    ids=[name for name in CASES if name not in {"array-dtype", "concatenate-dtype"}],
)
def test_result_is_a_copy(function, point):
    check_memory(function, point)


@pytest.mark.parametrize(
    "name", ["concatenate", "stack", "repeat-array", "tile", "pad-reflect-odd", "insert", "block"]
)
def test_complex(name):
    function, point = CASES[name]
    check_value(function, point * (1.0 + 0.5j))
    check_derivatives(function, point * (1.0 + 0.5j))


@pytest.mark.parametrize(
    ("point", "other"),
    [
        (np.float32(0.5), 1.0),
        (np.float32(0.5), np.float32(2.0)),
        (np.float64(0.5), np.float32(2.0)),
        (0.5, 1),
        (0.5, True),
        (0.5, 1j),
        (np.float32(0.5), np.int8(1)),
        (np.longdouble(0.5), 1.0),
        (np.float16(0.5), np.int16(3)),
    ],
)
def test_dtype_of_a_list(point, other):
    value = wg.jvp(lambda x: np.array([x, other]), (point,), (type(point)(1),))[0]
    same(value, np.array([point, other]))
    value = wg.jvp(lambda x: np.stack([x, other]), (point,), (type(point)(1),))[0]
    same(value, np.stack([point, other]))


def test_out():
    def program(x):
        target = np.zeros(6)
        np.concatenate([x, x * x], out=target)
        rows = np.empty((2, 3))
        assert np.stack([x, target[3:]], out=rows) is rows
        return rows * rows

    x = np.array([0.3, 1.2, -0.7])
    check_value(program, x)
    check_derivatives(program, x)


FAILS = [
    (lambda x: np.concatenate([]), ValueError, "at least one"),
    (lambda x: np.concatenate([x, x[0]]), ValueError, "number of dimensions"),
    (lambda x: np.concatenate([x, x[:, :1]]), ValueError, "must match exactly"),
    (lambda x: np.concatenate([x[0, 0], x[0, 0]]), ValueError, "zero-dimensional"),
    (lambda x: np.stack([x, x[0]]), ValueError, "same shape"),
    (lambda x: np.array([x[0], 1.0]), ValueError, "inhomogeneous"),
    (lambda x: np.array([[x[0, 0], 1.0], [2.0]]), ValueError, "inhomogeneous"),
    (lambda x: np.array([x[0, 0], None]), TypeError, "dtype"),
    (lambda x: np.block([x, [x]]), ValueError, "mismatched"),
    (lambda x: np.pad(x, 1, mode="unknown"), ValueError, "not supported"),
    (lambda x: np.pad(x, 1, mode="edge", end_values=1), ValueError, "unsupported keyword"),
    (lambda x: np.pad(x, -1), ValueError, "negative"),
    (lambda x: np.pad(x, 1.5), TypeError, "integral"),
    (lambda x: np.pad(x[:0], 1, mode="edge"), ValueError, "empty axis"),
    (lambda x: np.repeat(x, [1, 2], axis=1), ValueError, "broadcast"),
    (lambda x: np.repeat(x, -1), ValueError, "negative"),
    (lambda x: np.delete(x, 7, axis=0), IndexError, "out of bounds"),
]


@pytest.mark.parametrize(("function", "error", "message"), FAILS)
def test_refusals(function, error, message):
    x = np.linspace(-0.9, 1.3, 6).reshape(2, 3)
    with pytest.raises(error, match=message):
        wg.grad(lambda x: np.sum(function(x)))(x)
