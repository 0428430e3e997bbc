"""jit and arrays as they come: layouts, dtypes, overlaps; values, views and writes are NumPy's."""

import numpy as np
import pytest

import wengert as wg

SHAPES = [(3, 4), (0, 4), (5,), (), (2, 3, 4)]
DTYPES = ["f8", "f2", "g", "c8", "i8", "i1", "u8", "?"]


def entries(shape, dtype):
    count = int(np.prod(shape))
    numbers = np.arange(count)
    if dtype == "?":
        return (numbers % 3 == 0).reshape(shape)
    values = (numbers * 7 % 11 - 3.0) / 2 + 0.25
    if np.dtype(dtype).kind == "c":
        values = values + 1j * (numbers % 3 - 1)
    elif np.dtype(dtype).kind == "u":
        values = np.abs(values)
    return values.astype(dtype).reshape(shape)


def filled(array, shape, dtype):
    array[...] = entries(shape, dtype)
    return array


class Labelled(np.ndarray):
    """An array class of the user's."""


def read_only(shape, dtype):
    array = entries(shape, dtype).copy()
    array.flags.writeable = False
    return array


def misaligned(shape, dtype):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    array = np.zeros(size + 1, np.uint8)[1:].view(dtype).reshape(shape)
    return filled(array, shape, dtype)


# How an array of a shape and a dtype may lie in memory.
LAYOUTS = {
    "contiguous": lambda s, d: entries(s, d).copy(),
    "Fortran": lambda s, d: np.asfortranarray(entries(s, d)),
    "strided": lambda s, d: filled(
        np.zeros([2 * n for n in s], d)[tuple(slice(None, None, 2) for _ in s) or ...], s, d
    ),
    "reversed": lambda s, d: filled(
        np.zeros(s, d)[tuple(slice(None, None, -1) for _ in s) or ...], s, d
    ),
    "transposed": lambda s, d: filled(np.zeros(s[::-1], d).T, s, d),
    "column": lambda s, d: filled(np.zeros((*s, 3), d)[..., 1] if s else np.zeros(s, d), s, d),
    "broadcast": lambda s, d: np.broadcast_to(entries(s[1:], d), s),
    "misaligned": misaligned,
    "read-only": read_only,
    "big-endian": lambda s, d: entries(s, d).astype(np.dtype(d).newbyteorder(">")),
    "subclass": lambda s, d: entries(s, d).copy().view(Labelled),
    "masked": lambda s, d: np.ma.masked_array(entries(s, d), mask=False),
}


def writes_all(x):
    x[...] = x * 2
    return x + 1


def writes_through_transpose(x):
    y = x.T
    y[...] = y + 1
    return np.sum(x)


def writes_a_part(x):
    x[..., :1] = 1
    return x


def writes_through_another_shape(x):
    y = x.reshape(-1)
    y[:1] = 1
    return y, x * 1


def adds_in_place(x):
    x += 1


def reads_after_writing(x):
    before = x.copy()
    x.ravel()[:1] = 1
    return before, x * 2


PROGRAMS = {
    "arithmetic": lambda x: x * 2 + x / 3,
    "sum": lambda x: np.sum(x * x),
    "sum of rows": lambda x: np.sum(x, axis=0) if x.ndim else x + 0,
    "transpose": lambda x: x.T,
    "itself": lambda x: x,
    "part": lambda x: x[..., :2] if x.ndim else x,
    "ravel": lambda x: x.ravel(),
    "reshape": lambda x: x.reshape(-1),
    "reshape of a part": lambda x: x[..., ::2].reshape(-1)[1:] if x.ndim else x,
    "transposed and raveled": lambda x: x.T.ravel().reshape(-1, 1),
    "order": lambda x: np.asarray(x, order="F"),
    "product": lambda x: x @ x.T if x.ndim == 2 else x * x,
    "sort": lambda x: np.sort(x, axis=-1) if x.ndim else x,
    "running sum": lambda x: np.cumsum(x),
    "choice": lambda x: np.where(x > 0, x, x * x),
    "copy": lambda x: x.copy(),
    "several": lambda x: (x, x.T, x * 2, x.ravel()),
    "reversed": lambda x: x[::-1] if x.ndim else x,
    "gathered": lambda x: x[[0, -1]] if x.ndim and len(x) else x,
    "joined": lambda x: np.concatenate([x.ravel(), x.ravel()]),
    "root": lambda x: np.sqrt(np.abs(x)),
    "scalar": lambda x: x[(0,) * x.ndim] if x.size else 0.0,
    "writes all": writes_all,
    "writes through a transpose": writes_through_transpose,
    "writes a part": writes_a_part,
    "writes through another shape": writes_through_another_shape,
    "adds in place": adds_in_place,
    "reads after writing": reads_after_writing,
}


def outcome(function, *arguments):
    """Return everything that can be told of a call: its result, or the type of its error."""
    owned = [argument for argument in arguments if isinstance(argument, np.ndarray)]
    with np.errstate(all="ignore"):
        try:
            result = function(*arguments)
        except Exception as error:
            return type(error), [np.array(array) for array in owned]
    leaves = wg.tree.leaves(result)
    told = []
    for leaf in leaves:
        told.append((type(leaf), getattr(leaf, "dtype", None), np.shape(leaf)))
        if not isinstance(leaf, np.ndarray):
            continue
        shared = [np.shares_memory(leaf, other) for other in owned]
        told.append((leaf.flags.writeable, leaf.flags.aligned, shared))
        told.append([np.shares_memory(leaf, o) for o in leaves if isinstance(o, np.ndarray)])
        if any(shared):  # a fresh result is laid out as the program made it
            told.append(leaf.strides)
    return told, [np.array(leaf) for leaf in (*leaves, *owned) if leaf is not None]


def agree(found, expected):
    """Assert that two outcomes are the same: bits, but two units where complex roots are taken."""
    assert found[0] == expected[0]
    for mine, other in zip(found[1], expected[1], strict=True):
        if mine.dtype.kind == "c" or mine.dtype.char in "gf":
            exact = mine.real.dtype
            np.testing.assert_allclose(mine, other, rtol=2 * np.finfo(exact).eps, atol=0)
        else:
            np.testing.assert_array_equal(mine, other)


@pytest.fixture(autouse=True)
def quiet(recwarn):
    """Writing complex numbers to reals, and the like, warns with and without jit."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_arrays_as_they_come(name):
    function = PROGRAMS[name]
    for shape in SHAPES:
        for dtype in DTYPES if shape == (3, 4) else DTYPES[:1]:
            compiled = wg.jit(function)
            for _ in range(2):
                for make in LAYOUTS.values():
                    expected = outcome(function, make(shape, dtype))
                    agree(outcome(compiled, make(shape, dtype)), expected)


@pytest.mark.parametrize("name", PROGRAMS)
def test_recorded_with_arrays_as_they_come(name):
    function = PROGRAMS[name]
    for shape in SHAPES[:3]:
        for make in LAYOUTS.values():
            compiled = wg.jit(function)
            expected = outcome(function, make(shape, "f8"))
            for _ in range(2):
                agree(outcome(compiled, make(shape, "f8")), expected)


def objective(function):
    def scalar(x):
        leaves = wg.tree.leaves(function(x))
        total = sum(np.sum(np.real(leaf * leaf) * 0.5) for leaf in leaves if leaf is not None)
        return total + np.sum(np.real(x))

    return scalar


@pytest.mark.parametrize("way", ["jit(grad)", "grad(jit)"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_at_arrays_as_they_come(name, way):
    scalar = objective(PROGRAMS[name])
    plain = wg.grad(scalar)
    for shape in [(3, 4), (0, 4), ()]:
        for dtype in ["f8", "c8", "i8"] if shape == (3, 4) else ["f8"]:
            compiled = wg.jit(plain) if way == "jit(grad)" else wg.grad(wg.jit(scalar))
            for make in LAYOUTS.values():
                mine, other = make(shape, dtype), make(shape, dtype)
                try:
                    expected = plain(other)
                except Exception as error:
                    with pytest.raises(type(error)):
                        compiled(mine)
                    continue
                found = compiled(mine)
                assert type(found) is type(expected)
                assert found.dtype == expected.dtype
                assert found.flags.writeable == expected.flags.writeable
                assert not np.shares_memory(found, mine)
                exact = found.real.dtype
                scale = np.max(np.abs(expected), initial=0.0)
                np.testing.assert_allclose(
                    found,
                    expected,
                    rtol=4 * np.finfo(exact).eps,
                    atol=4 * scale * np.finfo(exact).eps,
                )
                np.testing.assert_array_equal(mine, other)


# ------------------------------------------------------------------ arguments that overlap


# Two views of one array of eight numbers, and whether NumPy lets both be written.
OVERLAPS = {
    "the same": lambda base: (base, base),
    "a view of all": lambda base: (base, base[:]),
    "reversed": lambda base: (base, base[::-1]),
    "shifted": lambda base: (base[1:], base[:-1]),
    "interleaved": lambda base: (base[::2], base[1::2]),
    "halves": lambda base: (base[:4], base[4:]),
    "apart": lambda base: (base, base.copy()),
    "spread": lambda base: (base, np.broadcast_to(base[:1], base.shape)),
}


def writes_first(x, y):
    x[...] = y * 2
    return x + y


def writes_second(x, y):
    y[0] = x[1] * 3
    return x, y


def writes_both(x, y):
    x[0] = 5
    y[-1] = x[0] + 1
    return np.sum(x) - np.sum(y)


def exchanges(x, y):
    x[...], y[...] = y.copy(), x.copy()


def reads(x, y):
    return x * y, x, y[::-1]


OF_TWO = [writes_first, writes_second, writes_both, exchanges, reads]


@pytest.mark.parametrize("function", OF_TWO, ids=lambda function: function.__name__)
@pytest.mark.parametrize("overlap", OVERLAPS)
def test_arguments_that_overlap(function, overlap):
    compiled = wg.jit(function)

    def base():
        return np.arange(8.0) + 0.5

    apart = OVERLAPS["apart"](base())
    for make in (OVERLAPS[overlap], lambda base: tuple(a.copy() for a in apart), OVERLAPS[overlap]):
        for _ in range(2):
            mine, other = base(), base()
            agree(outcome(compiled, *make(mine)), outcome(function, *make(other)))
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("function", OF_TWO, ids=lambda function: function.__name__)
@pytest.mark.parametrize("overlap", OVERLAPS)
def test_gradients_at_arguments_that_overlap(function, overlap):
    def scalar(x, y):
        leaves = wg.tree.leaves(function(x, y))
        return sum(np.sum(leaf * leaf) for leaf in leaves if leaf is not None) + np.sum(x * y)

    gradient = wg.grad(scalar, argnums=(0, 1))
    for compiled in (wg.jit(gradient), wg.grad(wg.jit(scalar), argnums=(0, 1))):
        for _ in range(3):
            mine, other = np.arange(8.0), np.arange(8.0)
            expected = outcome(gradient, *OVERLAPS[overlap](other))
            agree(outcome(compiled, *OVERLAPS[overlap](mine)), expected)
            np.testing.assert_array_equal(mine, other)


def test_an_argument_and_what_is_captured_overlap():
    held = np.arange(4.0)

    def function(x):
        x[0] = held[1] + 1
        return held * 2

    for base in (held, held[::-1], np.arange(4.0)):
        compiled = wg.jit(function)
        for _ in range(3):
            held[:] = np.arange(4.0)
            expected = outcome(function, base)
            held[:] = np.arange(4.0)
            agree(outcome(compiled, base), expected)


# ------------------------------------------------------------------ places that values decide


def test_views_at_places_that_values_decide():
    functions = [
        lambda x, i: x[i],
        lambda x, i: (x[i], x[i : i + 2], x),
        lambda x, i: x[i + 1].reshape(2, 2),
        lambda x, i: x[np.argmin(x[:, 0]) + i].T,
        lambda x, i: (x * 2)[i],
    ]
    for function in functions:
        compiled = wg.jit(function)
        for i in (0, 1, 0, 1, 1):
            mine, other = (np.arange(12.0).reshape(3, 4) for _ in range(2))
            agree(outcome(compiled, mine, i), outcome(function, other, i))


def test_what_is_written_to_a_returned_view_is_written_to_the_argument():
    compiled = wg.jit(lambda x: (x.ravel(), x.reshape(4, 3), np.asarray(x, order="C")))
    for _ in range(3):
        x = np.zeros((3, 4))
        for number, view in enumerate(compiled(x)):
            view[:1] = number + 1
            assert np.max(x) == number + 1


@pytest.mark.parametrize("function", [np.sin, lambda x: x * x / 3, lambda x: np.exp(x) * 2])
def test_an_integer_as_the_point_of_a_derivative_counts_as_a_float(function):
    gradient = wg.grad(function)
    for compiled in (wg.jit(gradient), wg.grad(wg.jit(function))):
        for x in (3, 2, -1, 0):
            found, expected = compiled(x), gradient(x)
            assert type(found) is type(expected)
            np.testing.assert_allclose(found, expected, rtol=4e-16)
    for x in (np.int64(3), np.arange(3), True):
        for transformed in (gradient, wg.jit(gradient)):
            with pytest.raises(wg.errors.NotDifferentiableError):
                transformed(x)


def test_entries_of_arrays_in_another_byte_order():
    functions = [lambda x: x[1, 2], lambda x: x[0, 0] * 2, lambda x: x.copy()[1, 1], np.sum]
    for function in functions:
        for order in "<>":
            compiled = wg.jit(function)
            x = entries((3, 4), "f8").astype(order + "f8")
            for _ in range(3):
                agree(outcome(compiled, x), outcome(function, x))


def test_a_derivative_that_writes_a_copy_refuses_arguments_that_overlap():
    def function(x, y):
        x[...] = y * 2
        return np.sum(x * y)

    gradient = wg.grad(function, argnums=(0, 1))
    compiled = wg.jit(gradient)
    for _ in range(3):
        x, y = np.arange(4.0), np.ones(4)
        for mine, other in zip(compiled(x, y), gradient(x, y), strict=True):
            np.testing.assert_array_equal(mine, other)
        for transformed in (gradient, compiled):
            for arguments in ((x, x), (x, x[::-1]), (x[1:], x[:-1])):
                with pytest.raises(wg.errors.AliasingError):
                    transformed(*arguments)
