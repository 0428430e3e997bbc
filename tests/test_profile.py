"""Cost by line: operations, memory that the tape keeps, time where it is spent."""

import time

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError

N = 1000


def program(params, x):
    hidden = np.tanh(x * params["w"])
    shifted = hidden + 1.0
    filled = np.zeros(3)
    for i in range(3):
        filled[i] = shifted[i] * params["b"]
    return np.sum(shifted * hidden) + np.sum(filled)


PARAMS = {"w": np.linspace(0.1, 1.0, N), "b": 2.0}
X = np.linspace(-1.0, 1.0, N)


def by_source(profile):
    return {line.source: line for line in profile.lines}


def test_gradient_is_that_of_grad():
    found = wg.profile(program, PARAMS, X)
    expected = wg.grad(program, (0, 1))(PARAMS, X)
    np.testing.assert_array_equal(found.gradient[0]["w"], expected[0]["w"])
    assert found.gradient[0]["b"] == expected[0]["b"]
    np.testing.assert_array_equal(found.gradient[1], expected[1])


def test_operations_and_memory_by_line():
    lines = by_source(wg.profile(program, PARAMS, X))
    assert lines['hidden = np.tanh(x * params["w"])'].operations == 2
    # x, w and the result of tanh; x and w are arguments that are kept.
    assert lines['hidden = np.tanh(x * params["w"])'].saved_bytes == 3 * 8 * N
    assert lines["shifted = hidden + 1.0"].saved_bytes == 0
    assert lines["shifted = hidden + 1.0"].result_bytes == 8 * N
    loop = lines['filled[i] = shifted[i] * params["b"]']
    assert loop.operations == 9
    assert loop.saved_bytes < 8 * N


def test_the_peak_is_at_least_what_is_saved():
    found = wg.profile(program, PARAMS, X)
    assert found.peak_bytes >= 3 * 8 * N
    assert "source" in str(found)
    assert "saved" in found.to_markdown()
    assert "<table>" in found._repr_html_()


def test_time_is_noted_where_it_is_spent():
    def slow(x):
        time.sleep(0.02)
        y = np.sin(x)
        z = y
        for _ in range(30):
            z = np.cos(z)
        return np.sum(z)

    found = wg.profile(slow, np.linspace(0.0, 1.0, 200_000))
    lines = by_source(found)
    loop, single = lines["z = np.cos(z)"], lines["y = np.sin(x)"]
    assert loop.operations == 30
    assert loop.forward + loop.backward > 3 * (single.forward + single.backward)
    assert found.lines[0] is loop
    assert found.seconds > 0.02 + loop.forward + loop.backward


def test_errors_leave_nothing_behind():
    with pytest.raises(ArgumentError, match="one real number"):
        wg.profile(lambda x: x, np.ones(2))
    with pytest.raises(ArgumentError, match="consists of floats"):
        wg.profile(lambda n: n, 3)
    assert not wg.tracing.creation.is_patched()
