"""Searches, ranges and mixed systems as native code: NumPy's results, without call-backs."""

import numpy as np
import pytest

import wengert as wg
from native.fences import same_on_fenced_memory
from native.programs import same
from wengert.backends.llvm import compile_program
from wengert.compile import optimise


def compiled(function, *args):
    native = compile_program(optimise(wg.trace(function)(*args)))
    assert native.called_back == ()
    return native


def check(function, *args, limit=None):
    """Hold native results to NumPy's own: bits, or within a relative limit."""
    native = compiled(function, *args)
    with np.errstate(all="ignore"):
        expected = wg.tree.leaves(function(*args))
        for found, other in zip(native(*args), expected, strict=True):
            if limit is None:
                same(found, other)
            else:
                assert found.dtype == other.dtype
                np.testing.assert_allclose(found, other, rtol=limit, atol=limit)
    same_on_fenced_memory(native, list(args))


# ------------------------------------------------------------------ searches


DTYPES = [("f8", "f8"), ("f4", "f8"), ("f8", "f4"), ("i8", "i8"), ("i8", "f4"), ("u4", "i8")]


@pytest.mark.parametrize("dtypes", DTYPES)
def test_searchsorted(dtypes):
    """Also in arrays without order, where the result depends on how NumPy's loop goes."""
    generator = np.random.default_rng(0)
    for size, shape, side in [(0, (3,), "left"), (17, (5, 4), "right"), (33, (70,), "left")]:
        a = generator.integers(0, 12, size).astype(dtypes[0])
        v = generator.integers(0, 14, shape).astype(dtypes[1])[..., ::-1]
        native = compiled(lambda a, v, side=side: np.searchsorted(a, v, side), a, v)
        for array in (np.sort(a), a, a[::-1]):
            same(native(array, v)[0], np.searchsorted(array, v, side))
        same_on_fenced_memory(native, [a, v])


def test_special_values_and_numbers():
    a = np.array([-np.inf, -1.0, -0.0, 0.0, 2.0, 2.0, np.inf, np.nan, np.nan])
    v = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 2.0, 1.5, -5.0])
    for side in ("left", "right"):
        check(lambda a, v, side=side: np.searchsorted(a, v, side), a, v)
        for number in (0.5, 2, np.float64(2.0), np.nan):
            check(lambda a, v, side=side: np.searchsorted(a, v, side), a, number)


def test_digitize():
    bins = np.array([-1.0, 0.0, 0.0, 0.5, 3.0])
    x = np.array([[-2.0, -1.0, 0.0], [0.25, np.nan, 7.0]])
    for right in (False, True):

        def place(x, bins=(0.0, 1.0, 2.0), right=right):
            return np.digitize(x, bins, right)

        native = compiled(place, x, bins)
        for given in (bins, np.zeros(5), bins + 0.1):
            same(native(x, given)[0], place(x, given))
        # Downwards, or not a number among them: NumPy itself.
        same(native(x, bins[::-1].copy())[0], place(x, bins[::-1]))
        with_nan = np.append(bins[:4], np.nan)
        same(native(x, with_nan)[0], place(x, with_nan))
        with pytest.raises(ValueError, match="monotonic"):
            native(x, np.array([0.0, 2.0, 1.0, 3.0, 4.0]))
        check(place, 2.5)
        check(place, np.zeros((0, 2)))


def test_what_is_made_of_searches():
    x = np.linspace(-1.0, 5.0, 23)
    xp, fp = np.array([0.0, 1.0, 1.5, 4.0]), np.array([1.0, -2.0, 0.5, 3.0])
    check(lambda x, xp, fp: np.interp(x, xp, fp), x, xp, fp, limit=1e-15)
    gradient = wg.grad(lambda x, fp: np.sum(np.interp(x, xp, fp) ** 2), (0, 1))
    check(gradient, x[1:-1] + 0.01, fp, limit=1e-13)
    check(lambda x: np.histogram(x, bins=5, range=(-1.0, 4.0))[0], x)
    check(lambda m: np.linalg.matrix_rank(m), np.ones((3, 2)))


# ------------------------------------------------------------------ ranges


@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_linspace(count, endpoint):
    ends = [
        (0.3, 1.7),
        (0.1, 0.1),
        (-0.0, 0.0),
        (5e-324, 1e-323),
        (np.nan, 1.0),
        (1, 4),
        (np.float32(0.1), np.float32(0.9)),
        (np.float32(0.1), 0.9),
        (0.5 + 1j, 2.0),
        (np.array([0.0, 0.1, 2.0]), np.array([[1.0, 0.1, -3.0], [1.0, 5.0, 2.0]])),
    ]
    for start, stop in ends:
        for axis in (0,) if np.ndim(stop) == 0 else (0, 1, -1):
            check(lambda a, b, k=axis: np.linspace(a, b, count, endpoint, axis=k), start, stop)
    derivative = wg.jacobian(lambda a, b: np.linspace(a, b, count, endpoint), (0, 1))
    check(derivative, 0.5, 2.5)


# ------------------------------------------------------------------ linear algebra

MATRICES = np.random.default_rng(1).normal(size=(3, 4, 4)) + 4 * np.eye(4)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (MATRICES[0], np.arange(4.0) * (1 + 2j)),
        (MATRICES[0] * 1j, np.arange(4.0)),
        (MATRICES[0], np.arange(4)),
        (np.eye(4, dtype=int) * 3, np.arange(8).reshape(4, 2)),
        (MATRICES[0].astype(np.float32), np.arange(4.0)),
        (MATRICES[:, None], MATRICES[None]),
        (MATRICES, np.arange(8.0).reshape(4, 2)),
        (MATRICES[0], MATRICES[:, :, ::-2]),
    ],
)
def test_systems_of_mixed_dtypes_and_batches(a, b):
    check(np.linalg.solve, a, b)
    singular = np.zeros_like(a)
    native = compiled(np.linalg.solve, a, b)
    with pytest.raises(np.linalg.LinAlgError):
        native(singular, b)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_pseudoinverses(dtype):
    tall = np.random.default_rng(2).normal(size=(2, 5, 3)).astype(dtype)
    limit = 2e-5 if dtype == np.float32 else 1e-13
    for a in (tall, np.ones((3, 4), dtype), np.zeros((2, 2), dtype)):
        check(np.linalg.pinv, a, limit=limit)
    if dtype == np.float64:
        check(wg.grad(lambda a: np.sum(np.linalg.pinv(a) ** 2)), tall[0], limit=1e-12)


@pytest.mark.parametrize("order", [0, 0.5, 3, -2, np.inf])
def test_norms_of_any_order(order):
    for x in (np.array([3.0, -4.0, 0.5]), np.array([1.0, 0.0, np.inf]), MATRICES[0]):
        axis = None if x.ndim == 1 else 1
        check(lambda x, k=axis: np.linalg.norm(x, order, axis=k), x, limit=1e-14)
    check(lambda x: np.linalg.norm(x, order), np.float32([1.5, -2.0]), limit=1e-6)
