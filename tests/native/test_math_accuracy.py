"""Native elementary functions: 2 units in the last place of mpmath, NumPy's special values."""

from __future__ import annotations

import ctypes
import functools
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llvmlite import binding

import wengert as wg
from wengert.backends.llvm import compile_program, engine, math
from wengert.backends.llvm.build import build
from wengert.backends.llvm.cache import statistics
from wengert.backends.llvm.math import coefficients, large, power, rare
from wengert.backends.llvm.writer import Module

from .accuracy import (
    PEERS,
    REFERENCES,
    SPECIAL,
    WORST_ANGLE,
    errors,
    errors_of_single,
    operands,
    worst,
)
from .loops import Loop, loop, loop_text

NAMES = sorted(math.FUNCTIONS)
DTYPES = [np.float64, np.float32]
LIMIT = 2.0


def test_every_function_has_a_reference() -> None:
    assert NAMES == sorted(REFERENCES) == sorted(PEERS)


@pytest.mark.parametrize("name", NAMES)
def test_accuracy(name: str) -> None:
    error, where = worst(name, np.float64, 2000)
    assert error <= LIMIT, where


@pytest.mark.parametrize("name", NAMES)
def test_accuracy_of_float32(name: str) -> None:
    given = operands(name, 10_000, np.float32)
    found = errors_of_single(name, given, loop(name, "f")(*given))
    i = int(np.argmax(found))
    assert found[i] <= LIMIT, [operand[i] for operand in given]


@pytest.mark.parametrize("name", NAMES)
def test_accuracy_without_fused_operations(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math, "has_fma", lambda: False)
    text = loop_text(name, np.dtype(np.float64))
    assert "llvm.fma" not in text
    given = operands(name, 400, np.float64, seed=2)
    found = errors(name, given, Loop(name, np.float64)(*given), np.float64)
    i = int(np.argmax(found))
    assert found[i] <= LIMIT, [operand[i] for operand in given]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values_are_those_of_numpy(name: str, dtype: Any) -> None:
    limits = np.finfo(dtype)
    extremes = (limits.max, -limits.max, limits.smallest_normal, -limits.smallest_subnormal, 1e6)
    arity = math.FUNCTIONS[name][0]
    rows = list(itertools.product([*SPECIAL, *map(float, extremes)], repeat=arity))
    given = [np.array(column, dtype) for column in zip(*rows, strict=True)]
    with np.errstate(all="ignore"):
        expected = PEERS[name](*given)
    result = loop(name, np.dtype(dtype).char)(*given)
    for row, ours, theirs in zip(rows, result, expected, strict=True):
        tolerance = 4 * float(limits.eps) * abs(float(theirs)) if np.isfinite(theirs) else 0.0
        same = (np.isnan(ours) and np.isnan(theirs)) or ours == theirs
        assert same or abs(float(ours) - float(theirs)) <= tolerance, (row, ours, theirs)
        if theirs == 0:
            assert np.signbit(ours) == np.signbit(theirs), (row, ours, theirs)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_of_any_size(name: str) -> None:
    """Among 10³ moderate angles, a few that take the rare path, in any lane and in the rest."""
    rng = np.random.default_rng(5)
    x = rng.uniform(-10, 10, 1003)
    x[::97] = 2.0 ** rng.uniform(29, 1023, 11)
    x[-1] = WORST_ANGLE
    found = errors(name, [x], loop(name, "d")(x), np.float64)
    assert found.max() <= LIMIT


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_angles_without_fused_operations(name: str) -> None:
    text = large.text_of(name, fma=False)
    assert "llvm.fma" not in text
    symbol = rare.symbol(name)
    code = engine.link([engine.assemble(text, 3)], [symbol])
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.addresses[symbol])
    rng = np.random.default_rng(6)
    x = rng.choice([-1.0, 1.0], 200) * 2.0 ** rng.uniform(30, 1023, 200)
    x[0] = WORST_ANGLE
    found = errors(name, [x], np.array([function(angle) for angle in x]), np.float64)
    assert found.max() <= LIMIT
    assert all(np.isnan(function(angle)) for angle in (np.inf, -np.inf, np.nan))


def test_huge_angles_have_no_code_in_programs() -> None:
    """The slow functions are compiled once for all programs, which refer to them by name."""
    programs = [wg.trace(lambda x, c=c: np.sin(x * c) + np.cos(x))(1.0) for c in (2.0, 3.0)]
    compile_program(programs[0])
    assert not any("i192" in module.text() for module in build(programs[1]).modules)
    compiled = statistics["compiled"] + statistics["read"]
    native = compile_program(programs[1])
    assert statistics["compiled"] + statistics["read"] == compiled + len(build(programs[1]).modules)
    assert native(1e22)[0] == pytest.approx(np.sin(3e22) + np.cos(1e22), rel=1e-14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_loops_are_vectorised(name: str, dtype: Any) -> None:
    text = engine.optimised(loop_text(name, np.dtype(dtype)), 3)
    assert "vector.body" in text
    body = text[text.index("vector.body:") :]
    assert 'call double @"wengert' not in body[: body.index("middle.block")]


def test_neighbours_of_powers_of_ten_are_exact() -> None:
    n = np.arange(-307, 308)
    assert np.array_equal(loop("log10", "d")(10.0**n)[300:330], n[300:330])
    assert np.array_equal(loop("log2", "d")(2.0**n), n)
    assert np.array_equal(loop("exp2", "d")(n.astype(float)), 2.0**n)
    assert np.array_equal(loop("cbrt", "d")((n * 1.0) ** 3), n)
    assert np.array_equal(
        loop("power", "d")(np.full(20, 3.0), np.arange(20.0)), 3.0 ** np.arange(20)
    )


def test_length_of_loops_does_not_matter() -> None:
    x = np.linspace(-3, 3, 41)
    whole = loop("tanh", "d")(x)
    for length in (0, 1, 2, 7, 8, 9, 40):
        assert np.array_equal(loop("tanh", "d")(x[:length]), whole[:length])


def test_unknown_functions_and_wrong_arity() -> None:
    function = Module(3).function("loop", "void")
    with pytest.raises(KeyError):
        math.emit(function, "zeta", np.float64, ["%x"])
    with pytest.raises(TypeError, match="2 operands"):
        math.emit(function, "power", np.float64, ["%x"])
    assert not math.has("zeta", np.float64)
    assert not math.has("exp", np.complex128)
    assert math.has("exp", np.float32)


def test_committed_coefficients_are_those_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    import derive_math_coefficients as derived

    for task in derived.APPROXIMATIONS:
        if task.name in ("EXPONENTIAL", "SINE", "LOGARITHM"):
            made, error = derived.table(task, task.single_bits)
            assert tuple(made) == getattr(coefficients, f"{task.name}_SINGLE")
            assert error < 2.0**-task.single_bits * 1.5
    for name, _, value, widths in derived.CONSTANTS:
        made = derived.parts(value, *widths)
        assert getattr(coefficients, name) == (tuple(made) if len(widths) > 1 else made[0])
    assert derived.two_over_pi_words() == list(coefficients.TWO_OVER_PI_WORDS)


@pytest.mark.parametrize("exponent", [-64, -7, -3, -2, -1, 2, 3, 4, 5, 10, 33, 64])
@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_powers(exponent: int, dtype: Any) -> None:
    body = functools.partial(power.whole_power, exponent=exponent)
    monkeypatched = {**math.FUNCTIONS, "whole_power": (1, body)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(math, "FUNCTIONS", monkeypatched)
        made = Loop("whole_power", dtype)
    rng = np.random.default_rng(exponent % 100)
    limit = np.log2(float(np.finfo(dtype).max)) / abs(exponent)
    sizes = np.exp2(np.clip(rng.uniform(-1.05, 1.05, 3000) * limit, -1073, 1023))
    with np.errstate(over="ignore"):
        x = (sizes * rng.choice([-1.0, 1.0], 3000)).astype(dtype)
    x = x[np.isfinite(x)]
    given = [x, np.full(len(x), exponent, dtype)]
    assert errors("power", given, made(x), dtype).max() <= 1.5
    special = np.array([*SPECIAL, np.finfo(dtype).max, 1e-30, -1e30], dtype)
    with np.errstate(all="ignore"):
        expected = np.power(special, dtype(exponent))
    np.testing.assert_allclose(made(special), expected, rtol=4 * np.finfo(dtype).eps)
    assert np.array_equal(np.signbit(made(special)), np.signbit(expected))


@pytest.mark.parametrize(
    ("triple", "cpu", "features", "fma", "vectors"),
    [
        ("x86_64-unknown-linux-gnu", "haswell", "", True, r"vmulpd.*ymm"),
        ("x86_64-unknown-linux-gnu", "x86-64", "", False, r"mulpd"),
        ("aarch64-unknown-linux-gnu", "generic", "", True, r"fmla\s+v\d+\.2d|fmul\s+v\d+\.2d"),
        ("wasm32-unknown-unknown", "generic", "+simd128", False, r"f64x2\.mul"),
    ],
)
def test_code_for_other_processors(
    triple: str, cpu: str, features: str, fma: bool, vectors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is of one kind of processor: loops are vectors on all of them."""
    engine.host()
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    monkeypatch.setattr(math, "has_fma", lambda: fma)
    target = binding.Target.from_triple(triple)
    machine = target.create_target_machine(cpu=cpu, features=features, opt=3)
    slow = binding.parse_assembly(large.text_of("tan", fma=fma))
    slow.triple, slow.data_layout = triple, str(machine.target_data)
    assert rare.symbol("tan") in machine.emit_assembly(slow)
    for name in ("exp", "log", "sin", "tanh", "power", "erfc"):
        module = binding.parse_assembly(loop_text(name, np.dtype(np.float64)))
        module.triple, module.data_layout = triple, str(machine.target_data)
        options = binding.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = True
        builder = binding.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        assert "vector.body" in str(module)
        assert re.search(vectors, machine.emit_assembly(module)), name
