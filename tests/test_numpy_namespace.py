"""``wengert.numpy`` offers NumPy's names: its values, and arrays that can hold traced values."""

import functools
import importlib
import inspect
import pkgutil
import warnings

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from surface import CALLS, GROUPS
from surface.check import compare_values, leaves
from wengert.numpy import asarray, full, zeros
from wengert.tracing.core import Array

DERIVED = [name for group, names in GROUPS.items() if "without" not in group for name in names]


@pytest.mark.parametrize("name", DERIVED)
def test_calls_through_the_namespace(name):
    """Every call of the surface gives NumPy's value when np is wengert.numpy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in CALLS[name]:
            if call.refusal or not call.variables:
                continue
            seen = []

            def program(*points, call=call, seen=seen):
                seen[:] = leaves(call.run(*points, namespace=wnp))
                return 0.0 * np.sum(np.real(points[0]))

            wg.grad(program)(*call.points)
            compare_values(seen, leaves(call.run(*call.points)), rounding=call.rounding)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(wnp, np), (wnp.linalg, np.linalg), (wnp.fft, np.fft)]
)
def test_every_name_is_there(ours, theirs):
    for name in theirs.__all__:
        original = getattr(theirs, name, None)
        if name not in dir(ours):
            assert inspect.ismodule(original)
        elif name not in ("linalg", "fft", "r_", "c_"):
            found = getattr(ours, name)
            assert found is original or found.__wrapped__ is original
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ours.nonsense


def test_no_module_hides_a_name_of_numpy():
    own = {module.name for module in pkgutil.iter_modules(wnp.__path__)}
    assert own & set(np.__all__) == {"fft", "linalg"}


def test_outside_a_transformation_arrays_are_plain():
    assert type(zeros(3)) is np.ndarray
    assert type(wnp.array([1.0, 2.0])) is np.ndarray
    assert wnp.sum([1.0, 2.0]) == 3.0
    assert importlib.import_module("wengert.numpy.linalg").norm([3.0, 4.0]) == 5.0


@pytest.mark.parametrize(
    "create",
    [
        lambda: zeros(2),
        lambda: next(map(zeros, [2])),
        functools.partial(full, 2, 0.0),
        lambda: asarray([0.0, 0.0]),
        lambda: getattr(wnp, "ones")(2),  # noqa: B009
        lambda: wnp.empty_like(np.ones(2)),
    ],
)
def test_creation_by_any_caller_holds_traced_values(create):
    def program(x):
        made = create()
        assert type(made) is Array
        made[:] = 1.0
        made[1] = x
        return np.sum(made**2)

    assert wg.grad(program)(3.0) == 6.0


def test_lists_of_traced_numbers_are_found_everywhere():
    def program(x):
        pair = [x, x * x]
        return (
            wnp.percentile(pair, 50.0)
            + wnp.linalg.cond([[x, 1.0], [0.0, 2.0]], 1)
            + wnp.real(wnp.fft.fft(pair)[0])
        )

    def plain(x):
        pair = [x, x * x]
        return (
            np.percentile(pair, 50.0)
            + np.linalg.cond([[x, 1.0], [0.0, 2.0]], 1)
            + np.real(np.fft.fft(pair)[0])
        )

    assert wg.value_and_grad(program)(3.0)[0] == plain(3.0)
    difference = (plain(3.0 + 1e-6) - plain(3.0 - 1e-6)) / 2e-6
    assert wg.grad(program)(3.0) == pytest.approx(difference, rel=1e-8)
