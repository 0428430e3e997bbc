"""Indices not known while a program is staged: read, written, differentiated as NumPy does."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import StagingError
from wengert.ir.verify import verify
from wengert.testing import check_grads

TABLE = np.arange(12.0).reshape(3, 4) + 0.25


def written(x, i):
    """Write through a row found by an unknown index, and read what became of the array."""
    y = np.array(x)
    row = y[i]
    row[1] = 7.0
    row[i] *= 3.0
    y.T[i][1:] = 0.5
    return y


def masked(x):
    y = np.array(x)
    y[y > 5.0] = 1.5
    y[y[:, 0] > 1.0] = y[0]
    return y


def scattered(x, places):
    y = np.zeros((4, 4))
    y[places] = x
    np.add.at(y, places, 2.0 * x)
    np.subtract.at(y, (places, places), x[:, 0])
    return y


PROGRAMS = {
    "an entry": (lambda x, i: x[i, 2] * x[-1, i], (TABLE, 1)),
    "from the end": (lambda x, i: x[i] * 2.0, (TABLE, -1)),
    "a column": (lambda x, i: x[:, i] * 2.0, (TABLE, 3)),
    "rows by an array": (lambda x, i: x[i] ** 2, (TABLE, np.array([2, 0, 2]))),
    "columns by an array": (lambda x, i: x[1:, i] ** 2, (TABLE, np.array([[3, 0], [1, 1]]))),
    "two arrays": (lambda x, i, j: x[i, j], (TABLE, np.array([0, 2]), np.array([3, 3]))),
    "list of numbers": (lambda x, i: x[[i, 0, i]], (TABLE, 2)),
    "view of a view": (lambda x, i: x.T[i][::-1], (TABLE, 2)),
    "an entry of a row": (lambda x, i, j: x[i, 1:][j] * x[j][i], (TABLE, 2, 1)),
    "writes": (written, (TABLE, 2)),
    "writes by mask": (masked, (TABLE,)),
    "changes by mask": (
        lambda x: _changed(
            x, lambda y: [_halve(y, y > 2.0), _halve(y, y[:, 0] > 1.0), _halve(y[1], y[1] > 0.5)]
        ),
        (TABLE,),
    ),
    "scattered": (scattered, (TABLE, np.array([3, 0, 3]))),
    "largest": (lambda x: x[np.unravel_index(np.argmax(x), x.shape)], (TABLE,)),
    "sorted rows": (lambda x: x[np.argsort(-x[:, 1])], (TABLE,)),
    "take": (lambda x, i: np.take(x, i, axis=1, mode="wrap"), (TABLE, np.array([5, -1]))),
    "take along": (lambda x: np.take_along_axis(x, np.argsort(-x, axis=1), 1), (TABLE,)),
    "put along": (
        lambda x: _changed(x, lambda y: np.put_along_axis(y, np.argmax(y, 1)[:, None], -1.0, 1)),
        (TABLE,),
    ),
    "put": (lambda x, i: _changed(x, lambda y: np.put(y, [i, 5], x[0, :2])), (TABLE, 7)),
    "place": (lambda x: _changed(x, lambda y: np.place(y, y > 3.0, [9.0])), (TABLE,)),
    "putmask": (lambda x: _changed(x, lambda y: np.putmask(y, y > 3.0, x[0] * 2.0)), (TABLE,)),
    "copyto": (lambda x: _changed(x, lambda y: np.copyto(y, x * 3.0, where=x > 4.0)), (TABLE,)),
    "choose": (lambda i, x, y: np.choose(i, [x, y]), (np.array([1, 0, 1, 1]), TABLE, TABLE * 2)),
    "select": (lambda x: np.select([x > 5.0, x > 2.0], [x * 2.0, x**2], 0.0), (TABLE,)),
    "piecewise": (lambda x: np.piecewise(x, [x > 5.0], [lambda v: v**2, -1.0]), (TABLE,)),
    "searched": (lambda x: np.searchsorted(x[0], x[:, 1]) + x[:, 0], (TABLE,)),
    "nan skipped": (lambda x: np.nanquantile(np.where(x > 2.0, x, np.nan), 0.3), (TABLE,)),
    "median": (lambda x: np.median(x, axis=0) + np.nanmedian(x, axis=0), (TABLE,)),
    "weighted": (
        lambda x: np.quantile(x, [0.2, 0.7], axis=1, weights=x[0], method="inverted_cdf"),
        (TABLE,),
    ),
}


def _changed(x, change):
    y = np.array(x)
    change(y)
    return y


def _halve(y, mask):
    y[mask] *= 0.5
    y[mask] -= y[..., :1].ravel()[0]
    y[mask] **= 2


def fresh(args):
    return [np.array(value) if isinstance(value, np.ndarray) else value for value in args]


@pytest.mark.parametrize("name", PROGRAMS)
def test_staged_programs_give_what_numpy_gives(name):
    function, args = PROGRAMS[name]
    program = wg.trace(function)(*args)
    verify(program)
    np.testing.assert_allclose(program.evaluate(*fresh(args))[0], function(*fresh(args)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_their_derivatives_stage(name):
    function, args = PROGRAMS[name]
    where = next(i for i, value in enumerate(args) if np.asarray(value).dtype.kind == "f")

    def total(*values):
        return np.sum(np.cos(function(*values)))

    for derivative in (wg.grad(total, where), wg.jacfwd(total, where)):
        program = wg.trace(derivative)(*args)
        verify(program)
        np.testing.assert_allclose(
            program.evaluate(*fresh(args))[0], derivative(*fresh(args)), atol=1e-12
        )


def test_eager_derivatives_of_dynamic_reads_and_writes():
    """An index computed from the point: the derivative modes know its value."""

    def function(x):
        i = np.argmax(x[:, 0])
        y = np.array(x)
        y[i] = x[0] * x[i]
        return y[:, np.argmin(x[1])] * x[i, 1]

    check_grads(function, (TABLE,), order=2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, i: x[i : i + 2], "a slice bound"),
        (lambda x, i: x[x > 2.0], "an index by truth values, which decides on a shape"),
        (lambda x, i: np.nonzero(x), r"numpy.nonzero.*numpy.where\(mask, value, x\)"),
        (lambda x, i: np.argwhere(x > 1.0), "numpy.argwhere"),
        (lambda x, i: np.compress(x[0] > 1.0, x), "the condition of compress"),
    ],
)
def test_what_decides_on_a_shape_is_refused(function, message):
    with pytest.raises(StagingError, match=message):
        wg.trace(function)(TABLE, 1)


def test_as_many_values_as_a_mask_selects_are_not_broadcast():
    """The count equals the length of a row: choosing entry by entry would be wrong."""

    def function(x):
        y = np.zeros((2, 2))
        y[:] = x.reshape(2, 2)
        y[y > 0.5] = np.array([7.0, x[0]])
        y[y > 3.0] += np.array([1.0])
        return y

    x = np.array([0.1, 0.9, 0.2, 0.8])
    np.testing.assert_array_equal(wg.jit(function)(x), function(x))
    with pytest.raises(StagingError, match="decides on a shape"):
        wg.trace(function)(x)
