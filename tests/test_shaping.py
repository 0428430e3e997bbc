"""Functions that change shape: value, derivative, and view or copy, as NumPy has them."""

import numpy as np
import pytest

import wengert as wg
from function_cases import check_derivatives, check_memory, check_value
from modes import agrees
from reference import same
from wengert.errors import AliasingError
from wengert.ir.aval import Aval
from wengert.tracing.staging import stage

VECTOR = np.array([0.7, -1.3, 0.4, 1.1, -0.6, 0.9])
WIDE = np.linspace(-0.9, 1.3, 6).reshape(2, 3)
TURNED = np.linspace(-0.9, 1.3, 6).reshape(2, 3).T
CUBE = np.linspace(-0.8, 1.7, 24).reshape(2, 3, 4)
SQUARE = np.linspace(-0.7, 1.2, 9).reshape(3, 3)

CASES = {
    "reshape": (lambda x: np.reshape(x, (3, 2)), WIDE),
    "reshape-int": (lambda x: np.reshape(x, -1), WIDE),
    "reshape-F": (lambda x: np.reshape(x, (3, 2), order="F"), WIDE),
    "reshape-A": (lambda x: np.reshape(x.T, (2, 3), order="A"), WIDE),
    "reshape-of-turned": (lambda x: x.reshape(6), TURNED),
    "reshape-of-sliced": (lambda x: x[:, ::2].reshape(-1), CUBE),
    "reshape-of-transposed": (lambda x: x.T.reshape(6), WIDE),
    "reshape-method": (lambda x: x.reshape(3, -1), WIDE),
    "reshape-method-tuple": (lambda x: x.reshape((1, 6), order="F"), WIDE),
    "reshape-copy": (lambda x: np.reshape(x, 6, copy=True), WIDE),
    "reshape-no-copy": (lambda x: np.reshape(x, 6, copy=False), WIDE),
    "ravel": (np.ravel, WIDE),
    "ravel-strided": (lambda x: np.ravel(x[::2]), VECTOR),
    "ravel-of-transposed": (lambda x: x.T.ravel(), WIDE),
    "ravel-F": (lambda x: x.ravel("F"), WIDE),
    "ravel-F-of-transposed": (lambda x: np.ravel(x.T, order="F"), WIDE),
    "ravel-A": (lambda x: np.ravel(x.T, order="A"), WIDE),
    "ravel-K": (lambda x: np.ravel(x.transpose(1, 0, 2), order="K"), CUBE),
    "ravel-K-reversed": (lambda x: np.ravel(x[:, ::-1], order="K"), CUBE),
    "flatten": (lambda x: x.flatten(), WIDE),
    "flatten-F": (lambda x: x.T.flatten("F"), WIDE),
    "flatten-K": (lambda x: x.transpose(2, 0, 1).flatten("K"), CUBE),
    "transpose": (np.transpose, CUBE),
    "transpose-axes": (lambda x: np.transpose(x, (1, -1, 0)), CUBE),
    "transpose-method": (lambda x: x.transpose(2, 0, 1), CUBE),
    "permute_dims": (lambda x: np.permute_dims(x, (2, 0, 1)), CUBE),
    "matrix_transpose": (np.matrix_transpose, CUBE),
    "linalg-matrix_transpose": (np.linalg.matrix_transpose, CUBE),
    "T": (lambda x: x.T, CUBE),
    "mT": (lambda x: x.mT, CUBE),
    "swapaxes": (lambda x: np.swapaxes(x, 0, -1), CUBE),
    "swapaxes-method": (lambda x: x.swapaxes(1, 2), CUBE),
    "moveaxis": (lambda x: np.moveaxis(x, 0, -1), CUBE),
    "moveaxis-several": (lambda x: np.moveaxis(x, (0, 1), (-1, 0)), CUBE),
    "rollaxis": (lambda x: np.rollaxis(x, 2), CUBE),
    "rollaxis-start": (lambda x: np.rollaxis(x, 0, 3), CUBE),
    "expand_dims": (lambda x: np.expand_dims(x, 1), WIDE),
    "expand_dims-tuple": (lambda x: np.expand_dims(x, (0, -1)), WIDE),
    "squeeze": (lambda x: np.squeeze(x[None, :, None]), WIDE),
    "squeeze-axis": (lambda x: x[None, :, None].squeeze(axis=(0, 2)), WIDE),
    "squeeze-to-nothing": (lambda x: np.squeeze(x[1:2]), VECTOR),
    "atleast_1d": (lambda x: np.atleast_1d(x[0, ...], x), VECTOR),
    "atleast_2d": (np.atleast_2d, VECTOR),
    "atleast_3d": (lambda x: np.atleast_3d(x, x[0]), WIDE),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 2, 3)), WIDE),
    "broadcast_to-same": (lambda x: np.broadcast_to(x, x.shape), WIDE),
    "broadcast-then-index": (lambda x: np.broadcast_to(x, (2, 2, 3))[1, :, 0], WIDE),
    "broadcast-of-broadcast": (
        lambda x: np.broadcast_to(np.broadcast_to(x, (2, 2, 3))[:, 1], (4, 2, 3)),
        WIDE,
    ),
    "flip": (np.flip, CUBE),
    "flip-axis": (lambda x: np.flip(x, 1), CUBE),
    "flip-axes": (lambda x: np.flip(x, (0, -1)), CUBE),
    "fliplr": (np.fliplr, CUBE),
    "flipud": (np.flipud, CUBE),
    "rot90": (np.rot90, WIDE),
    "rot90-twice": (lambda x: np.rot90(x, 2), WIDE),
    "rot90-back": (lambda x: np.rot90(x, -1), WIDE),
    "rot90-none": (lambda x: np.rot90(x, 4), WIDE),
    "rot90-axes": (lambda x: np.rot90(x, 1, (2, 0)), CUBE),
    "roll": (lambda x: np.roll(x, 2), WIDE),
    "roll-axis": (lambda x: np.roll(x, -1, axis=1), WIDE),
    "roll-tuple": (lambda x: np.roll(x, (1, 2), axis=(0, 1)), WIDE),
    "diagonal": (np.diagonal, WIDE),
    "diagonal-offset": (lambda x: x.diagonal(1), WIDE),
    "diagonal-axes": (lambda x: np.diagonal(x, -1, axis1=2, axis2=0), CUBE),
    "linalg-diagonal": (lambda x: np.linalg.diagonal(x, offset=1), CUBE),
    "diag-of-matrix": (lambda x: np.diag(x, 1), WIDE),
    "view": (lambda x: x.view(), WIDE),
    "view-complex": (lambda x: x.view(complex), VECTOR),
    "newaxis": (lambda x: x[:, None, ..., None], WIDE),
    "split": (lambda x: np.split(x, 3), VECTOR),
    "split-at": (lambda x: np.split(x, [1, 4]), VECTOR),
    "split-axis": (lambda x: np.split(x, [1], axis=1), WIDE),
    "array_split": (lambda x: np.array_split(x, 4), VECTOR),
    "hsplit": (lambda x: np.hsplit(x, 3), WIDE),
    "vsplit": (lambda x: np.vsplit(x, 2), WIDE),
    "dsplit": (lambda x: np.dsplit(x, [1, 3]), CUBE),
    "unstack": (lambda x: np.unstack(x, axis=1), CUBE),
    "unstack-vector": (np.unstack, VECTOR),
    "copy": (np.copy, TURNED),
    "copy-method": (lambda x: x.copy(), TURNED),
    "array": (lambda x: np.array(x), TURNED),
    "array-of-rows": (lambda x: np.array(list(x)), WIDE),
    "asarray": (lambda x: np.asarray(x), WIDE),
    "asarray-dtype": (lambda x: np.asarray(x, dtype=float), WIDE),
    "asarray-other-dtype": (lambda x: np.asarray(x, dtype=complex), WIDE),
    "array-ndmin": (lambda x: np.array(x, ndmin=3), WIDE),
    "array-no-copy": (lambda x: np.array(x, copy=None, ndmin=2), VECTOR),
    "ascontiguousarray": (lambda x: np.ascontiguousarray(x), TURNED),
    "ascontiguousarray-scalar": (lambda x: np.ascontiguousarray(x[0, 0]), WIDE),
    "asfortranarray": (lambda x: np.asfortranarray(x), TURNED),
    "asarray-order": (lambda x: np.asarray(x, order="F").ravel("F"), WIDE),
    "astype": (lambda x: np.astype(x, float, copy=False), WIDE),
    "meshgrid-sparse": (lambda x: np.meshgrid(x, x[:2], sparse=True, copy=False), VECTOR),
}

each_case = pytest.mark.parametrize(("function", "point"), CASES.values(), ids=CASES.keys())


@each_case
def test_value(function, point):
    check_value(function, point)


@each_case
def test_derivatives(function, point):
    check_derivatives(function, point)


@each_case
def test_view_or_copy(function, point):
    check_memory(function, point)


@pytest.mark.parametrize("name", ["reshape-F", "ravel-of-transposed", "roll", "diagonal", "flip"])
def test_complex(name):
    function, point = CASES[name]
    check_value(function, point * (1.0 + 0.5j))
    check_derivatives(function, point * (1.0 + 0.5j))


@pytest.mark.parametrize("name", ["reshape", "transpose", "expand_dims", "broadcast_to", "roll"])
def test_float32_stays(name):
    function, point = CASES[name]
    check_value(function, point.astype(np.float32))
    gradient = wg.grad(lambda x: np.sum(function(x)))(point.astype(np.float32))
    assert gradient.dtype == np.float32


SCALARS = {
    "reshape": lambda x: np.reshape(x, (1, 1)),
    "reshape-0d": lambda x: np.reshape(x, ()),
    "ravel": np.ravel,
    "transpose": np.transpose,
    "squeeze": np.squeeze,
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "atleast_1d": np.atleast_1d,
    "atleast_2d": np.atleast_2d,
    "atleast_3d": np.atleast_3d,
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3)),
    "flip": lambda x: np.flip(x, ()),
    "roll": lambda x: np.roll(x, 1),
    "moveaxis": lambda x: np.moveaxis(x, [], []),
    "copy": np.copy,
    "array": lambda x: np.array(x),
    "asarray": lambda x: np.asarray(x),
}


@pytest.mark.parametrize("point", [0.7, np.float64(0.7), np.array(0.7)])
@pytest.mark.parametrize("function", SCALARS.values(), ids=SCALARS.keys())
def test_scalars(function, point):
    check_value(function, point)
    gradient = wg.grad(lambda x: np.sum(function(x) * 3.0))(point)
    np.testing.assert_allclose(gradient, 3.0 * np.size(function(point)))


def test_broadcast_arrays():
    x, y = VECTOR[:3], WIDE
    value, pullback = wg.vjp(lambda x, y: list(np.broadcast_arrays(x, y)), x, y)
    for entry, expected in zip(value, np.broadcast_arrays(x, y), strict=True):
        np.testing.assert_array_equal(entry, expected)
    first, second = pullback([np.ones((2, 3)), 2.0 * np.ones((2, 3))])
    same(first, 2.0 * np.ones(3))
    same(second, 2.0 * np.ones((2, 3)))


FAILS = [
    (lambda x: x.reshape(5), ValueError, "cannot reshape"),
    (lambda x: np.reshape(x.T, 6, copy=False), ValueError, "Unable to avoid"),
    (lambda x: np.transpose(x, (0, 0)), ValueError, "repeated axis"),
    (lambda x: np.transpose(x, (0,)), ValueError, "axes"),
    (lambda x: np.swapaxes(x, 0, 2), np.exceptions.AxisError, "axis2"),
    (lambda x: np.squeeze(x, 0), ValueError, "size not equal to one"),
    (lambda x: np.expand_dims(x, 5), np.exceptions.AxisError, "out of bounds"),
    (lambda x: np.moveaxis(x, 0, (0, 1)), ValueError, "same number"),
    (lambda x: np.matrix_transpose(x[0]), ValueError, "at least 2"),
    (lambda x: np.broadcast_to(x, (3, 2)), ValueError, "broadcast"),
    (lambda x: np.split(x, 2, axis=1), ValueError, "equal division"),
    (lambda x: np.rot90(x, axes=(0, 0)), ValueError, "different"),
    (lambda x: x.resize(3), ValueError, "np.resize"),
    (lambda x: x.view(np.int64), TypeError, "reinterpret"),
    (lambda x: x.data, AttributeError, "no attribute"),
]


@pytest.mark.parametrize(("function", "error", "message"), FAILS)
def test_refusals(function, error, message):
    with pytest.raises(error, match=message):
        wg.grad(lambda x: np.sum(function(x)))(WIDE)


def test_views_see_later_writes_of_read_only_views():
    def program(x):
        diagonal, rows = np.diagonal(x), np.broadcast_to(x[0], (2, 3))
        x[0, 0] = x[1, 1] * 2.0
        return np.sum(diagonal * diagonal) + np.sum(rows)

    expected = program(SQUARE.copy())
    value, gradient = wg.value_and_grad(program)(SQUARE)
    same(value, expected)
    assert gradient[0, 0] == 0.0


def test_mask_travels_through_changes_of_shape():
    def program(x):
        with np.errstate(divide="ignore"):
            safe = np.where(x > 0, np.log(x), 0.0)
        moved = np.roll(np.flip(safe.T.reshape(3, 2)), 1)
        tiled = np.concatenate([np.tile(moved, (1, 2)), np.repeat(moved, 2, axis=1)])
        return np.sum(np.triu(np.stack([tiled, tiled])))

    gradient = wg.grad(program)(np.array([[1.0, 0.0, 2.0], [0.0, 4.0, 0.5]]))
    assert np.isfinite(gradient).all()
    assert (gradient[[0, 1], [1, 0]] == 0.0).all()


@pytest.mark.parametrize("left", [True, False])
def test_staged_reshape_is_a_view_or_a_copy_nobody_knows(left):
    def program(x):
        flat = x.reshape(-1)
        if left:
            x[0, 0] = 1.0
        else:
            flat[0] = 1.0
        return [flat + 0.0, x + 0.0]

    with pytest.raises(AliasingError, match="copy"):
        stage(program, [Aval((2, 3), np.float64)])

    def alone(x):
        flat = x.copy().reshape(-1)
        flat[0] = 1.0
        return [flat]

    assert stage(alone, [Aval((2, 3), np.float64)]).equations


@pytest.mark.parametrize(
    ("window", "axis"), [(3, 0), ((2, 3), None), ((2, 2), (1, 1)), (1, -1), ((3, 2), (1, 0))]
)
def test_sliding_windows(window, axis):
    view = np.lib.stride_tricks.sliding_window_view
    x = np.arange(20.0).reshape(4, 5) ** 1.5
    agrees(lambda x: view(x, window, axis) ** 2, x)
    np.testing.assert_array_equal(wg.jit(lambda x: view(x, window, axis))(x), view(x, window, axis))
    both = wg.vmap(lambda x: view(x, window, axis))(np.stack([x, 2 * x]))
    np.testing.assert_array_equal(both[1], 2 * view(x, window, axis))


def test_sliding_windows_that_do_not_fit_or_would_be_written():
    view = np.lib.stride_tricks.sliding_window_view
    with pytest.raises(ValueError, match="window shape"):
        wg.grad(lambda x: np.sum(view(x, 7)))(np.ones(5))
    with pytest.raises(wg.errors.MissingRuleError, match="write into x itself"):
        wg.grad(lambda x: np.sum(view(x, 2, writeable=True)))(np.ones(5))
