"""NumPy and SciPy work as ever while a transformation is active.

Each call runs plainly, then inside differentiated functions, on constant data and with call-backs
that build arrays: the results must agree in type, dtype and every bit. Then it runs on arrays made
inside: the results must agree in dtype and every bit, and the arrays must be as they were.
"""

import types

import numpy as np
import pytest
import scipy.sparse

import library_calls_analysis
import library_calls_numpy
import library_calls_solvers
import wengert as wg
from library_calls import CALLS

# The modules fill the table when they are imported.
MODULES = (library_calls_analysis, library_calls_numpy, library_calls_solvers)
assert {function.__module__ for function in CALLS.values()} == {m.__name__ for m in MODULES}


def identical(actual, expected):
    """Assert that two results of a call agree in structure, type, dtype and bits."""
    assert type(actual) is type(expected), (type(actual), type(expected))
    if scipy.sparse.issparse(expected):
        assert actual.format == expected.format
        identical(entries(actual), entries(expected))
    elif isinstance(expected, dict):
        assert list(actual) == list(expected)
        identical(list(actual.values()), list(expected.values()))
    elif isinstance(expected, (tuple, list)):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            identical(one, other)
    elif isinstance(expected, np.ma.MaskedArray):
        identical(np.ma.getmaskarray(actual), np.ma.getmaskarray(expected))
        identical(np.ma.getdata(actual), np.ma.getdata(expected))
    elif isinstance(expected, (np.ndarray, np.generic)):
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        if expected.dtype.hasobject:
            identical(actual.tolist(), expected.tolist())
        else:
            assert actual.tobytes() == expected.tobytes(), (actual, expected)
    elif isinstance(expected, float):
        assert actual.hex() == expected.hex()
    else:
        assert isinstance(expected, (int, str, bytes, complex, set, type(None))), type(expected)
        assert actual == expected


def entries(matrix):
    """Coordinates and values of a sparse matrix."""
    triplets = matrix.tocoo()
    return triplets.shape, [np.asarray(axis) for axis in triplets.coords], triplets.data


def inside_grad(run):
    results = []

    def function(x):
        results.append(run())
        return x * 1.0

    assert wg.grad(function)(2.0) == 1.0
    return results[0]


def inside_jvp(run):
    results = []

    def function(x):
        results.append(run())
        return x * 1.0

    _, tangent = wg.jvp(function, (np.arange(3.0),), (np.ones(3),))
    assert tangent.tolist() == [1.0, 1.0, 1.0]
    return results[0]


def inside_two_levels_with_a_written_buffer(run):
    results = []

    def function(x):
        buffer = np.zeros(3)
        buffer[1:] = x
        results.append(run())
        return np.sum(buffer * buffer)

    hessian = wg.jacfwd(wg.grad(function))(np.ones(2))
    assert hessian.tolist() == [[2.0, 0.0], [0.0, 2.0]]
    return results[0]


WAYS = [inside_grad, inside_jvp, inside_two_levels_with_a_written_buffer]


@pytest.fixture(scope="module")
def plain():
    """Results outside of any transformation, computed once a call."""
    results = {}

    def compute(name):
        if name not in results:
            results[name] = CALLS[name]()
        return results[name]

    return compute


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
@pytest.mark.parametrize("name", CALLS)
def test_call_is_the_same(name, way, plain):
    expected, actual = plain(name), way(CALLS[name])
    if name.startswith("numpy.polynomial"):  # runs as the user's code: its arrays may be written
        actual = as_plain(actual, expected)
    identical(actual, expected)


def clone_with_data_made_now(function):
    """A copy of ``function`` for which the arrays of its module are made afresh, by name, now."""
    scope = dict(function.__globals__)
    for name, value in scope.items():
        if type(value) is np.ndarray and value.dtype == float:
            scope[name] = np.array(value)
    code, defaults = function.__code__, function.__defaults__
    return types.FunctionType(code, scope, function.__name__, defaults, function.__closure__)


def as_plain(actual, expected):
    """``actual`` with NumPy's own array wherever ``expected`` has one, however deep."""
    if type(expected) is np.ndarray:
        return np.asarray(actual)
    if type(expected) in (tuple, list) and len(actual) == len(expected):
        return type(actual)(map(as_plain, actual, expected))
    if type(expected) is dict:
        return {key: as_plain(actual[key], expected[key]) for key in expected}
    return actual


# Welch's method is the cross spectrum of a signal with itself, which SciPy recognises by identity.
# Any argument that it has to convert first, a list for one, takes the general formula instead.
ROUNDED = {"scipy.signal.welch"}
# C code that takes nothing but NumPy's own array refuses, loudly: wengert.stop_gradient gives one.
STRICT = {
    "numpy.random.filled_by_the_generator": (UserWarning, "Sequence"),
    "scipy.sparse.linalg.direct": (TypeError, "must be numpy.ndarray"),
}


@pytest.mark.parametrize("name", CALLS)
def test_call_is_the_same_on_arrays_made_inside(name, plain):
    clones = []

    def run():
        clones.append(clone_with_data_made_now(CALLS[name]))
        return clones[0]()

    expected = plain(name)
    if name in STRICT:
        error, message = STRICT[name]
        with pytest.raises(error, match=message):
            inside_grad(run)
        return
    actual = inside_grad(run)
    for variable, value in clones[0].__globals__.items():
        original = CALLS[name].__globals__[variable]
        if type(original) is np.ndarray and original.dtype == float:
            assert np.asarray(value).tobytes() == original.tobytes(), f"{variable} was overwritten"
    # What NumPy makes of such arrays may hold traced values too; the numbers are the same.
    if name in ROUNDED:
        np.testing.assert_allclose(actual, expected, rtol=1e-14)
    else:
        identical(as_plain(actual, expected), expected)


def test_enough_calls():
    assert len(CALLS) >= 90


CREATION = [
    *("array", "asarray", "asanyarray", "ascontiguousarray", "copy", "zeros", "ones", "empty"),
    *("full", "zeros_like", "ones_like", "empty_like", "full_like", "eye", "identity", "arange"),
    *("linspace",),
]


@pytest.mark.parametrize("name", CREATION)
def test_creation_is_numpys_own_again_afterwards(name):
    before = getattr(np, name)

    def failing(x):
        np.zeros(3)[0] = x
        raise KeyError("from the function")

    wg.grad(lambda x: np.array([x, 1.0]).sum())(1.0)
    assert getattr(np, name) is before
    for transform in (wg.grad(failing), lambda x: wg.jvp(wg.grad(failing), (x,), (x,))):
        with pytest.raises(KeyError, match="from the function"):
            transform(1.0)
        assert getattr(np, name) is before


def test_stopped_constant_is_numpys_own_array():
    def function(x):
        made = np.array([1.0, 2.0, 3.0])
        own = wg.stop_gradient(made)
        assert type(own) is np.ndarray
        own[0] = 7.0
        made[1] = x
        return made[0] * made[1] + own[0] * x

    assert wg.value_and_grad(function)(2.0) == (16.0, 8.0)
