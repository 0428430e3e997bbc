"""The NumPy surface under `jit` and `vmap`: NumPy's values, or an error that names the reason.

Calls whose result has a shape or a dtype that depends on values cannot be batched.
"""

import warnings

import numpy as np
import pytest

import wengert as wg
from surface import CALLS, GROUPS
from surface.check import is_floating, leaves, weights

NAMES = [name for group, names in GROUPS.items() if "without" not in group for name in names]

# Names of which some calls decide on a shape, a dtype, a branch or a memory order by values.
BY_VALUES = frozenset(
    [
        "real_if_close",
        "bincount",
        "histogram",
        "compress",
        "extract",
        "ix_",
        "asarray_chkfinite",
        "vectorize",
        "frompyfunc",
        "poly",
        "polymul",
        "polydiv",
        "roots",
        "unique",
        "unique_values",
        "unique_all",
        "unique_counts",
        "unique_inverse",
        "intersect1d",
        "union1d",
        "setdiff1d",
        "setxor1d",
        "trim_zeros",
        "ravel",
        "arange",
        "x.ravel",
        "x[mask]",
    ]
)


def comparable(name):
    """The calls of a name that give numbers and arrays, with their results."""
    for call in CALLS[name]:
        if call.refusal or not call.variables:
            continue
        expected = leaves(call.run(*call.points))
        if all(isinstance(entry, (np.ndarray, np.generic, float, complex)) for entry in expected):
            yield call, expected


def assert_near(found, expected, call):
    assert len(found) == len(expected)
    for entry, plain in zip(found, expected, strict=True):
        assert np.shape(entry) == np.shape(plain), call
        coarse = np.asarray(plain).dtype in (np.float16, np.float32)
        tolerance = 4e-3 if np.asarray(plain).dtype == np.float16 else 1e-5 if coarse else 1e-10
        np.testing.assert_allclose(entry, plain, tolerance, tolerance, err_msg=call.text)


@pytest.mark.parametrize("name", NAMES)
def test_compiled(name):
    """The first call answers by the list, the second one by native code; kinds are NumPy's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, (call, expected) in enumerate(comparable(name)):
            program = wg.jit(lambda *points, call=call: leaves(call.run(*points)))
            for _ in range(3 if number == 0 else 1):
                found = program(*call.points)
                assert [type(entry) for entry in found] == [type(entry) for entry in expected]
                assert_near(found, expected, call)


@pytest.mark.parametrize("name", NAMES)
def test_compiled_gradient(name):
    """The gradient of a weighted sum of the results, compiled, is that of eager reverse mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call, expected = next(differentiable(name), (None, None))
        if call is None:
            return
        factors = weights(expected)

        def objective(*points):
            parts = zip(leaves(call.run(*points)), factors, strict=True)
            return sum(np.sum(np.real(part * factor)) for part, factor in parts)

        gradient = wg.grad(objective, tuple(range(len(call.points))))
        compiled = wg.jit(gradient)
        for _ in range(2):
            assert_near(compiled(*call.points), gradient(*call.points), call)


def differentiable(name):
    """The calls of a name all of whose results are finite floating-point numbers."""
    for call, expected in comparable(name):
        finite = all(is_floating(entry) and np.isfinite(entry).all() for entry in expected)
        single = any(np.asarray(point).dtype == np.float32 for point in call.points)
        if call.orders and finite and not single:
            yield call, expected


@pytest.mark.parametrize("name", NAMES)
def test_batched(name):
    """Two examples at once are what they are one by one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call, expected in comparable(name):
            moved = [np.asarray(point)[()] * 1.01 for point in call.points]
            other = leaves(call.run(*moved))
            if [np.shape(entry) for entry in expected] != [np.shape(entry) for entry in other]:
                continue
            stacked = [np.stack(pair) for pair in zip(call.points, moved, strict=True)]
            try:
                found = wg.vmap(lambda *points, call=call: leaves(call.run(*points)))(*stacked)
            except (wg.errors.BatchingError, wg.errors.StagingError):
                assert name in BY_VALUES, call
                continue
            both = [np.stack(pair) for pair in zip(expected, other, strict=True)]
            assert_near(found, both, call)


@pytest.mark.parametrize("order", [np.inf, -np.inf])
def test_compiled_gradient_of_the_extreme_modulus(order):
    """Compiled |z| may differ from NumPy's in its last digit: the rule must not compare the two."""
    z = np.array([0.7 + 0.3j, -1.3 + 0.8j, 0.4 - 1.1j, 0.9 + 0.2j])
    gradient = wg.grad(lambda z: np.linalg.vector_norm(z, ord=order))
    compiled = wg.jit(gradient)
    for _ in range(2):
        np.testing.assert_allclose(compiled(z), gradient(z), rtol=1e-14)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(np.union1d(x, x[::2] * 2.0) ** 2),
        lambda x: np.sum(np.setxor1d(x, x[:2]) ** 2),
        lambda x: np.sum(np.polymul(x, x[:2])),
        lambda x: np.sum(np.abs(np.roots(x))),
        lambda x: np.sum(np.trim_zeros(np.pad(x, 1))),
        lambda x: np.sum(np.histogram(x, 3, weights=x)[0]),
    ],
)
def test_compiled_once_while_the_pattern_stays(function):
    """Functions whose shapes depend on values ask which entries are equal or 0, not for values."""
    runs = []

    def counted(x):
        runs.append(1)
        return function(x)

    compiled = wg.jit(counted)
    for seed in range(5):
        x = np.random.default_rng(seed).uniform(1.0, 2.0, 6)
        np.testing.assert_allclose(compiled(x), function(x), rtol=1e-13)
    assert len(runs) == 1
