"""Taking, choosing, writing by function, ``flat`` and ``item``: as NumPy has them."""

import copy

import numpy as np
import pytest

import wengert as wg
from function_cases import check_derivatives, check_memory, check_value
from reference import same
from wengert.errors import TracedWriteError

VECTOR = np.array([0.7, -1.3, 0.4, 1.1, -0.6])
WIDE = np.linspace(-0.9, 1.3, 6).reshape(2, 3)
CUBE = np.linspace(-0.8, 1.7, 24).reshape(2, 3, 4)
ORDER = np.array([[2, 0, 1], [0, 0, 2]])


def filled(write, start=None):
    """A program that writes into a buffer or a copy and returns it, weighed."""

    def program(x):
        buffer = np.array(x) if start is None else np.array(start)
        write(buffer, x)
        return buffer * np.reshape(np.arange(1.0, np.size(buffer) + 1.0), np.shape(buffer))

    return program


CASES = {
    "take": (lambda x: np.take(x, [2, 0, 2]), VECTOR),
    "take-scalar": (lambda x: np.take(x, 3), WIDE),
    "take-axis": (lambda x: np.take(x, [[1, 0], [2, 2]], axis=1), WIDE),
    "take-row": (lambda x: np.take(x, 1, axis=0), CUBE),
    "take-wrap": (lambda x: np.take(x, [-7, 8], mode="wrap"), VECTOR),
    "take-clip": (lambda x: x.take([-7, 8, 1], mode="clip"), VECTOR),
    "take_along_axis": (lambda x: np.take_along_axis(x, ORDER, axis=1), WIDE),
    "take_along_axis-flat": (lambda x: np.take_along_axis(x, np.array([4, 1]), axis=None), WIDE),
    "compress": (lambda x: np.compress([True, False, True], x), VECTOR),
    "compress-axis": (lambda x: x.compress([False, True], axis=0), WIDE),
    "extract": (lambda x: np.extract(x > 0.1, x), WIDE),
    "choose": (lambda x: np.choose([0, 1, 1, 0, 2], [x, x * 2.0, 3.0]), VECTOR),
    "choose-wrap": (lambda x: np.choose([[4], [-1]], (x, x * x), mode="wrap"), VECTOR),
    "select": (lambda x: np.select([x > 0.5, x < 0], [x * x, np.sin(x)], 7.0), VECTOR),
    "select-traced-default": (lambda x: np.select([x > 0.5], [2.0], x), VECTOR),
    "piecewise": (
        lambda x: np.piecewise(x, [x < 0.1, x > 0.5], [np.sin, 2.0, lambda v: v * v]),
        WIDE,
    ),
    "piecewise-scalar": (lambda x: np.piecewise(x[0, ...], x[0] > 0, [np.exp, np.sin]), VECTOR),
    "diag": (np.diag, VECTOR),
    "diag-offset": (lambda x: np.diag(x, -2), VECTOR),
    "diagflat": (lambda x: np.diagflat(x, 1), WIDE),
    "tril": (lambda x: np.tril(x, -1), WIDE),
    "triu": (lambda x: np.triu(x, 1), CUBE),
    "triu-vector": (np.triu, VECTOR),
    "put": (filled(lambda b, x: np.put(b, [1, 3], x[:2] * 2.0)), VECTOR),
    "put-repeated": (filled(lambda b, x: b.put([0, -1, 2], [x[0], 5.0])), VECTOR),
    "put-clip": (filled(lambda b, x: np.put(b, [9, 1], x[1], mode="clip")), WIDE),
    "put_along_axis": (filled(lambda b, x: np.put_along_axis(b, ORDER[:, :1], x[:1, :1], 1)), WIDE),
    "place": (filled(lambda b, x: np.place(b, b > 0, [x[0], 2.0])), VECTOR),
    "putmask": (filled(lambda b, x: np.putmask(b, b > 0, x[:2] * x[0])), VECTOR),
    "fill_diagonal": (
        filled(lambda b, x: np.fill_diagonal(b, x[0] * x[1]), np.ones((4, 3))),
        VECTOR,
    ),
    "fill_diagonal-wrap": (
        filled(lambda b, x: np.fill_diagonal(b, x[:2], wrap=True), np.ones((7, 2))),
        VECTOR,
    ),
    "copyto": (filled(lambda b, x: np.copyto(b, x * 2.0), np.zeros((3, 5))), VECTOR),
    "copyto-where": (filled(lambda b, x: np.copyto(b, x[0] * x, where=x > 0)), VECTOR),
    "fill": (filled(lambda b, x: b[1:].fill(x[0] * x[1])), VECTOR),
    "flat-item": (lambda x: x.T.flat[4], WIDE),
    "flat-slice": (lambda x: x.T.flat[1:5:2], WIDE),
    "flat-mask": (lambda x: x.flat[np.array([True, False, True, True, False, False])], WIDE),
    "flat-copy": (lambda x: x.T.flat[:], WIDE),
    "flat-arithmetic": (lambda x: np.sin(x.flat) * 2.0, WIDE),
    "flat-iteration": (lambda x: np.array([v * v for v in x.T.flat]), WIDE),
    "flat-write": (filled(lambda b, x: b.T.flat.__setitem__(slice(1, 4), x[0, :2])), WIDE),
    "flat-write-item": (filled(lambda b, x: b.flat.__setitem__(-2, x[0, 0] * x[1, 1])), WIDE),
    "copied": (lambda x: copy.copy(x) * copy.deepcopy(x), WIDE),
    "full": (lambda x: np.full((2, 3), x[0] * x[1]), VECTOR),
    "full-vector": (lambda x: np.full((2, 5), x), VECTOR),
    "full_like": (lambda x: np.full_like(x, x[0, 0]), WIDE),
    "full_like-of-constant": (lambda x: np.full_like(np.ones(3), x[0]), VECTOR),
    "linspace": (lambda x: np.linspace(x[0], x[1], 5), VECTOR),
    "linspace-constant-end": (lambda x: np.linspace(x[0], 2, 4, endpoint=False), VECTOR),
    "linspace-arrays": (lambda x: np.linspace(x[:2], 1.5, 3, axis=-1), VECTOR),
    "linspace-step": (lambda x: np.linspace(x[0], x[1], 4, retstep=True), VECTOR),
    "linspace-one": (lambda x: np.linspace(x[0], x[1], 1), VECTOR),
    "logspace": (lambda x: np.logspace(x[0], x[1], 4), VECTOR),
    "logspace-base": (lambda x: np.logspace(0.5, x[0], 4, base=x[3]), VECTOR),
    "geomspace": (lambda x: np.geomspace(x[0], x[3], 5), VECTOR),
    "geomspace-negative": (lambda x: np.geomspace(x[1], x[4], 4), VECTOR),
    "arange": (lambda x: np.arange(x[0], 4.6, x[3]), VECTOR),
    "arange-constant": (lambda x: np.arange(x[3] * 4.0) * x[0], VECTOR),
    "piecewise-of-constants": (
        lambda x: np.piecewise(np.arange(5.0), [np.arange(5) > 2], [lambda v: v * x[:2], 0.5]),
        VECTOR,
    ),
    "r_": (lambda x: np.r_[x, 2.0, x[0], 1:3], VECTOR),
    "r_-ranges": (lambda x: np.r_[x[0] : x[3] : 4j, x[0] : 3.5 : x[3]], VECTOR),
    "r_-directive": (lambda x: np.r_["-1", x, x * 2.0], WIDE),
    "c_": (lambda x: np.c_[x, x * 2.0, np.arange(5)], VECTOR),
    "asarray_chkfinite": (lambda x: np.asarray_chkfinite([x[0], 1.0]) * 2.0, VECTOR),
    "require": (lambda x: np.require(x.T, requirements=["C"]), WIDE),
    "vander": (np.vander, VECTOR),
    "vander-increasing": (lambda x: np.vander(x, 3, increasing=True), VECTOR),
    "fromfunction": (lambda x: np.fromfunction(lambda i, j: x[0] * i + x[1] * j, (2, 3)), VECTOR),
    "zeros_like": (lambda x: np.zeros_like(x) + np.ones_like(x) * x, WIDE),
}

each_case = pytest.mark.parametrize(("function", "point"), CASES.values(), ids=CASES.keys())
READ_ONLY = {"flat-item", "take-scalar", "linspace-step"}


@each_case
def test_value(function, point):
    check_value(function, point)


@each_case
def test_derivatives(function, point):
    check_derivatives(function, point)


@pytest.mark.parametrize(
    ("function", "point"),
    [case for name, case in CASES.items() if name not in READ_ONLY],
    ids=[name for name in CASES if name not in READ_ONLY],
)
def test_result_is_a_copy(function, point):
    check_memory(function, point)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_item_and_tolist(dtype):
    seen = []

    def program(x):
        seen[:] = [x.item(1, 2), x.item(4), x[0].tolist(), x[0, 0].item(), x.T[1, 1, ...].item()]
        return [x.item((1, 2)) * 2.0, x.item(-1), *x.tolist()[1]]

    x = WIDE.astype(dtype)
    value = wg.jvp(program, (x,), (x,))[0]
    kind = complex if dtype is np.complex64 else float
    for entry, expected in zip(value, program(x), strict=True):
        same(entry, expected)
    assert isinstance(seen[0], kind)
    assert isinstance(seen[2], list)


def test_item_has_a_derivative():
    gradient = wg.grad(lambda x: x.item(1, 2) ** 2 + x[0, 0].item() * x.tolist()[0][1])(WIDE)
    expected = np.zeros((2, 3))
    expected[1, 2], expected[0, :2] = 2 * WIDE[1, 2], WIDE[0, 1::-1]
    np.testing.assert_allclose(gradient, expected)


def test_index_array_may_be_written_afterwards():
    def program(x):
        where = np.array([2, 0, 2])
        mask = np.array([True, False, True, False, False])
        picked = x[where] * np.take_along_axis(x, where, 0)
        chosen = x[mask]
        where[:] = 1
        mask[:] = True
        return np.sum(picked * picked) + np.sum(chosen * chosen)

    x = np.linspace(0.3, 1.2, 5)
    check_derivatives(program, x)


def test_containment_flags_and_strides():
    def program(x):
        assert 0.4 in x
        assert 9.0 not in x
        assert x.flags.c_contiguous
        assert x.flags["WRITEABLE"]
        assert not np.broadcast_to(x, (2, 5)).flags.writeable
        assert x[::2].strides == (16,)
        assert x.base is None
        assert x[1:].base is x
        assert not hasattr(x, "no_such_attribute")
        return np.sum(x)

    wg.grad(program)(VECTOR)


def test_traced_values_do_not_fit_into_plain_arrays():
    plain = np.ones(5)
    for write in (np.put, np.place, np.putmask):
        with pytest.raises(TracedWriteError, match="plain"):
            wg.grad(lambda x, write=write: write(plain, [0, 1, 0, 0, 0], x))(VECTOR)
    with pytest.raises(TracedWriteError, match="plain"):
        wg.grad(lambda x: np.copyto(plain, x))(VECTOR)
    same(plain, np.ones(5))


def test_untaken_entries_have_no_gradient():
    with np.errstate(divide="ignore"):
        gradient = wg.grad(lambda x: np.sum(np.triu(np.log(x))))(np.array([[1.0, 2.0], [0.0, 4.0]]))
        same(gradient, np.array([[1.0, 0.5], [0.0, 0.25]]))
        gradient = wg.grad(lambda x: np.sum(np.take(np.log(x), [0, 0])))(np.array([2.0, 0.0]))
        same(gradient, np.array([1.0, 0.0]))


@pytest.mark.parametrize(
    "mode", ["edge", "wrap", "symmetric", "constant", "maximum", "linear_ramp"]
)
def test_pad_keeps_fortran_order_as_numpy_does(mode):
    seen = []

    def padded(x):
        made = np.pad(x, 1, mode=mode)
        seen.append((made.flags.c_contiguous, made.flags.f_contiguous))
        return np.sum(made)

    for x in (np.arange(6.0).reshape(2, 3).T, np.arange(6.0).reshape(2, 3)):
        seen.clear()
        padded(x)
        wg.grad(padded)(x)
        assert seen[0] == seen[1]


def test_flat_of_an_array_without_axes_by_positions():
    def program(x):
        x.flat[[0, 0, -1]] = [np.sin(x), np.cos(x)]
        return x.flat[[0, 0]] * np.array([1.0, 2.0])

    value, tangent = wg.jvp(program, (np.array(0.4),), (np.array(1.0),))
    assert np.array_equal(value, program(np.array(0.4)))
    assert np.allclose(tangent, np.cos(0.4) * np.array([1.0, 2.0]))
