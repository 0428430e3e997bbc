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


# ------------------------------------------------------------------ what jit makes of it


def elementwise(x):
    y = np.log(1 + x**2)
    z = y / x
    return np.sum(z)


def with_sort(w, x):
    hidden = np.tanh(x @ w)
    ordered = np.sort(hidden, axis=0)
    return np.sum(ordered * np.arange(1.0, 41.0)[:, None])


def parts_of(profile, source):
    return [profile.compiled.parts[number] for number in by_source(profile)[source].parts]


def test_lines_that_end_in_one_kernel():
    found = wg.profile(elementwise, np.linspace(1.0, 2.0, N))
    (kernel,) = [part for part in found.compiled.parts if part.kind == "kernel"]
    first, second = (by_source(found)[line].line for line in ("y = np.log(1 + x**2)", "z = y / x"))
    assert set(kernel.forward) == set(kernel.backward) == {first, second}
    assert kernel.shape == (N,)
    assert kernel.stored_bytes == 8 * N
    assert kernel.operations["log"] == 1
    assert parts_of(found, "z = y / x") == [kernel]
    text = str(found)
    assert "1 × kernel" in text
    assert f"{first}, {second} ← {first}, {second}" in text


def test_what_calls_numpy_and_blas_is_said_by_line():
    found = wg.profile(with_sort, np.ones((30, 2)), np.linspace(-1.0, 1.0, 1200).reshape(40, 30))
    sorts = [part for part in found.compiled.parts if "sort" in part.operations]
    assert [part.kind for part in sorts] == ["NumPy"]
    assert sorts[0] in parts_of(found, "ordered = np.sort(hidden, axis=0)")
    product = parts_of(found, "hidden = np.tanh(x @ w)")[0]
    assert (product.kind, product.forward) == (
        "BLAS",
        (by_source(found)["hidden = np.tanh(x @ w)"].line,),
    )


@pytest.mark.parametrize(
    ("dtype", "size", "kind"), [(float, 30, "BLAS"), (float, 80, "product"), (complex, 80, "BLAS")]
)
def test_who_multiplies_matrices_is_said(dtype, size, kind):
    """BLAS does small ones, and complex ones; the sizes between go to code of the library's own."""
    matrix = np.eye(size, dtype=dtype)
    found = wg.profile(
        lambda w: np.sum(np.abs(matrix @ w.astype(dtype)) ** 2), np.ones((size, size))
    )
    kinds = {part.kind for part in found.compiled.parts} & {"BLAS", "product"}
    assert kinds == {kind}
    lowered = wg.jit(lambda w: matrix @ w).lower(np.ones((size, size), dtype))
    assert ("gemm" in lowered.as_text("llvm")) == (kind == "BLAS")


def test_every_recorded_line_has_its_parts():
    found = wg.profile(with_sort, np.ones((30, 2)), np.linspace(-1.0, 1.0, 1200).reshape(40, 30))
    compiled = found.compiled
    assert 0 < compiled.operations <= compiled.recorded
    assert all(part.forward or part.backward for part in compiled.parts)
    numbers = {number for cost in found.lines for number in cost.parts}
    assert numbers == set(range(len(compiled.parts)))


def test_numbers_are_machine_code_without_loops():
    found = wg.profile(lambda x: 4 * x * (1 - x), 0.25)
    (part,) = found.compiled.parts
    assert part.kind == "numbers"
    assert sum(part.operations.values()) == found.compiled.operations
    assert part.shape == ()


def test_what_is_not_compiled_says_why():
    generator = np.random.default_rng(0)
    found = wg.profile(lambda x: x * generator.normal(), 2.0)
    assert found.compiled.parts == ()
    assert "was advanced while the function ran" in found.compiled.note
    assert "jit compiles nothing" in str(found)
