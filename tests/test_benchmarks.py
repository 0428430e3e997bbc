"""The benchmarks tell the truth: every derivative is right, and the tables say what was measured.

No time is held here; the workloads run at a tiny size, and the tables are made of invented data.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

# The benchmarks are a folder of the repository, not a part of the installed package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.__main__ import main, select, settings_of
from benchmarks.comparison import as_arrays, leaves, map_leaves, mismatch
from benchmarks.imports import measure_imports
from benchmarks.lines import format_seconds, format_spread, growth_law, judge, write_laws
from benchmarks.memory import numpy_peak, resident_peak
from benchmarks.model import (
    BEST_EAGER_PEER,
    DERIVATIVE,
    VALUE,
    Cell,
    ImportTime,
    Line,
    Memory,
    Row,
    Timing,
)
from benchmarks.report import Run, as_plain, markdown, write
from benchmarks.runner import Settings, check, known_systems, run_workload
from benchmarks.systems import SYSTEMS, bind_static
from benchmarks.workloads import WORKLOADS

STEP = 1e-6


def tiny_workloads():
    """Every workload at its tiny size, once where several differ only in size."""
    found = {}
    for workload in WORKLOADS.values():
        tiny = dataclasses.replace(workload, size=workload.tiny, static=workload.tiny_static)
        key = (workload.function, workload.by_hand, workload.driver)
        found.setdefault(key, pytest.param(tiny, id=workload.name))
    return list(found.values())


def central_differences(function, point, *data):
    """Return the gradient of `function` in every leaf of `point`, in the structure of `point`."""

    def moved(leaf, position, step):
        def move(other):
            if other is not leaf:
                return other
            array = np.array(other, dtype=float)
            array.flat[position] += step
            return float(array) if isinstance(other, float) else array

        return function(map_leaves(move, point), *data)

    def gradient(leaf):
        slopes = [
            (moved(leaf, i, STEP) - moved(leaf, i, -STEP)) / (2 * STEP)
            for i in range(np.size(leaf))
        ]
        return np.reshape(slopes, np.shape(leaf))

    return map_leaves(gradient, point)


def by_differences(workload, inputs):
    """Return what the workload asks for, with central differences for its derivative."""
    function = bind_static(workload.function, workload)

    def derivative(*arguments):
        slopes = central_differences(function, *arguments)
        return (function(*arguments), slopes) if workload.with_value else slopes

    if workload.driver is not None:
        return workload.driver(derivative, *inputs)
    if workload.per_example:
        point, *data = inputs
        rows = [derivative(point, *example) for example in zip(*data, strict=True)]
        columns = zip(*(leaves(row) for row in rows), strict=True)
        stacked = iter([np.stack(column) for column in columns])
        return map_leaves(lambda _: next(stacked), rows[0])
    return derivative(*inputs)


@pytest.mark.parametrize("workload", tiny_workloads())
def test_derivative_by_hand_is_that_of_the_function(workload):
    inputs = workload.inputs(workload.size)
    by_hand = bind_static(workload.by_hand, workload)(*inputs)
    assert not mismatch(as_arrays(by_hand), as_arrays(by_differences(workload, inputs)), 1e-6)


@pytest.mark.parametrize("system", ["wengert", "autograd", "torch"])
@pytest.mark.parametrize("workload", tiny_workloads())
def test_derivative_of_a_system_is_that_by_hand(workload, system):
    if system != "wengert":
        pytest.importorskip(system)
    if system in workload.cannot:
        pytest.skip(workload.cannot[system])
    inputs = workload.inputs(workload.size)
    prepared = SYSTEMS[system].prepare(workload, inputs)
    expected = bind_static(workload.by_hand, workload)(*inputs)
    found = prepared.operations[DERIVATIVE]()
    assert not mismatch(as_arrays(found), as_arrays(expected), workload.tolerance)
    if workload.time_value:
        value = bind_static(workload.function, workload)(*inputs)
        found = prepared.operations[VALUE]()
        assert not mismatch(as_arrays(found), as_arrays(value), workload.tolerance)


@pytest.mark.parametrize("operation", ["forward", "differences"])
def test_other_methods_of_the_cost_table_give_the_gradient(operation):
    workload = WORKLOADS["cost-10"]
    inputs = workload.inputs(workload.size)
    operations = {}
    for extra in workload.extras.values():
        operations.update(extra(*inputs))
    expected = as_arrays(workload.by_hand(*inputs))
    tolerance = workload.loose.get(operation, workload.tolerance)
    assert not mismatch(as_arrays(operations[operation]()), expected, tolerance)


def test_autograd_cannot_write_into_arrays():
    autograd = pytest.importorskip("autograd")
    workload = WORKLOADS["assign-1000-1000"]
    with pytest.raises((TypeError, ValueError)):
        autograd.grad(bind_static(workload.function, workload))(1.0)


def test_names_and_systems_of_workloads_are_known():
    for workload in WORKLOADS.values():
        for names in (workload.respelled, workload.cannot, workload.extras):
            assert set(names) <= set(SYSTEMS)
        assert {line.subject for line in workload.lines} <= set(SYSTEMS)


# --- comparing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ([np.array([1.0, 2.002])], "off by"),
        ([np.array([1.0, np.nan])], "off by"),
        ([np.array([1.0])], "shape"),
        ([np.array([1.0, 2.0], dtype=np.float32)], "dtype"),
        ([np.array([1.0, 2.0]), np.array(1.0)], "2 results"),
    ],
)
def test_a_wrong_result_is_seen(found, word):
    assert word in mismatch(found, [np.array([1.0, 2.0])], 1e-10)
    expected = {"other": [np.array([1.0, 2.0])]}
    assert "wrong derivative" in check(WORKLOADS["cost-10"], expected, {DERIVATIVE: found})


def test_leaves_keep_their_order():
    tree = ((1, 2), [3, (4,)])
    assert leaves(tree) == [1, 2, 3, 4]
    assert map_leaves(lambda leaf: 10 * leaf, tree) == ((10, 20), [30, (40,)])


# --- judging --------------------------------------------------------------------------------------


def measured(seconds, value=None, **fields):
    """Return a cell whose repeats scatter a little around `seconds`."""
    repeats = [seconds * factor for factor in (0.9, 1.0, 1.0, 1.1, 5)]
    timings = {DERIVATIVE: Timing(2 * seconds, 3, repeats, repeats)}
    if value is not None:
        timings[VALUE] = Timing(2 * value, 3, [value] * 5)
    return Cell("measured", timings=timings, start=0.1, **fields)


def row_of(lines=(), **cells):
    cells = {name.replace("_", "-"): cell for name, cell in cells.items()}
    return Row("name", "a title", "gradients", cells, lines, {"size": 1})


def test_median_and_spread_ignore_one_slow_repeat():
    timing = measured(1.0).timings[DERIVATIVE]
    assert timing.median == 1.0
    assert timing.spread == pytest.approx(0.1)


def test_lines_are_judged_by_medians():
    row = row_of(
        wengert=measured(10e-6), autograd=measured(50e-6), jax_jit=measured(5e-6, compile=[0.1])
    )
    assert judge(row, Line(20e-6)).met
    assert not judge(row, Line(9e-6)).met
    assert judge(row, Line(0.25, BEST_EAGER_PEER)).met
    assert not judge(row, Line(0.1, BEST_EAGER_PEER)).met
    assert judge(row, Line(2.0, "jax-jit")).measured == pytest.approx(2.0)
    assert judge(row, Line(2.0, "torch")).met is None
    assert judge(row, Line(1.0, subject="wengert-jit")).met is None
    assert judge(row, Line(0.2, subject="jax-jit", measure="compile")).met
    assert judge(row, Line(19e-6, measure="first call")).met is False


def test_a_wrong_peer_is_no_rival():
    row = row_of(wengert=measured(10e-6), torch=Cell("error", "wrong"), autograd=measured(40e-6))
    assert judge(row, Line(0.25, BEST_EAGER_PEER)).met


def test_laws_of_writes():
    def seconds(fixed, per_write, writes):
        return fixed + per_write * writes

    counts = (1000, 3000, 10_000)
    good = {n: {k: seconds(n * 1e-9, 2e-6, k) for k in counts} for n in (1000, 10**6)}
    costs, verdicts = write_laws(good)
    assert costs[10**6] == pytest.approx(2e-6)
    assert [verdict.met for verdict in verdicts] == [True, True, True]
    growing = {n: {k: seconds(0, n * 1e-9, k) for k in counts} for n in (1000, 10**6)}
    assert write_laws(growing)[1][-1].met is False
    quadratic = {1000: {k: 1e-9 * k * k for k in counts}}
    assert [verdict.met for verdict in write_laws(quadratic)[1]] == [False]
    assert write_laws({1000: dict.fromkeys(counts)})[1][0].met is None


def test_law_of_additions():
    assert growth_law({10: 1e6, 1000: 1e6 + 990 * 300}, 800_000).met
    assert growth_law({10: 8e6, 1000: 8e8}, 800_000).met is False
    assert growth_law({10: None, 1000: 8e8}, 800_000).met is None


def test_numbers_read_well():
    assert format_seconds(1.2345e-5) == "12.3 µs"
    assert format_seconds(0.12) == "120 ms"
    assert format_seconds(2.5e-8) == "25.0 ns"
    assert format_spread(1.5e-3, 2.04e-5) == "1.50 ± 0.020 ms"


# --- tables ---------------------------------------------------------------------------------------


def fake_run():
    """Return a run that has everything a report can meet: no number in it was measured."""
    memory = Memory(resident=3 * 2**20, numpy=1_000_000)
    cells = {
        "wengert": measured(10e-6, 5e-6, memory=memory),
        "wengert-jit": Cell("absent", "no jit"),
        "autograd": measured(50e-6, 5e-6, memory=memory),
        "torch": Cell("error", "a long story\nwrong derivative: off by 0.5"),
        "jax": Cell("cannot", "cannot: a reason"),
        "jax-jit": measured(20e-6, 10e-6, compile=[0.2, 0.3]),
        "numpy": measured(7e-6, 5e-6),
    }
    lines = (Line(20e-6), Line(0.1, "autograd"), Line(1e-6, subject="wengert-jit"))
    rows = [Row("plain", "a plain row", "gradients", cells, lines, {"size": 1})]
    for length in (1000, 1_000_000):
        for writes in (1000, 3000, 10_000):
            cells = {name: Cell("cannot", "left out: slow") for name in SYSTEMS}
            cells["wengert"] = measured(writes * 1e-6)
            parameters = {"size": 1, "length": length, "writes": writes}
            name = f"assign-{length}-{writes}"
            rows.append(Row(name, "writes", "writes", cells, (), parameters))
    for count in (10, 1000):
        cells = {name: Cell("absent") for name in SYSTEMS}
        cells["wengert"] = measured(1e-3, memory=Memory(10**6, 10**6 + 200 * count))
        cells["torch"] = measured(1e-3, memory=Memory(10**6, None))
        parameters = {"size": 1, "count": count}
        rows.append(Row(f"additions-{count}", "additions", "additions", cells, (), parameters))
    cells = {name: Cell("cannot", "left out") for name in SYSTEMS}
    cells["wengert"] = measured(3e-6, 1e-6)
    cells["numpy"] = measured(3e-6, 1e-6)
    cells["numpy"].timings["differences"] = Timing(0.1, 1, [1e-3] * 5)
    rows.append(Row("cost-10", "cost", "cost", cells, (), {"size": 10}))
    imports = [
        ImportTime("numpy", "measured", repeats=[0.05] * 7),
        ImportTime("wengert", "measured", repeats=[0.2] * 7),
        ImportTime("torch", "absent", "ModuleNotFoundError: No module named 'torch'"),
    ]
    return Run(
        machine={"processor": "an invented one", "cores": 2, "versions": {"numpy": "0.0"}},
        settings={"repeats": 5},
        systems=list(SYSTEMS),
        rows=rows,
        imports=imports,
    )


def test_markdown_says_what_was_met_missed_wrong_and_left_out():
    text = markdown(fake_run())
    assert "≤ 20.0 µs: met; ≤ 0.1 × autograd: **missed**" in text
    assert "0.200 (autograd)" in text
    assert "0.500 (jax-jit)" in text
    assert "ERROR" in text
    assert "torch, plain: ERROR: wrong derivative: off by 0.5" in text
    assert "≤ 120 ms: **missed**; ≤ 2.4 × numpy: **missed**" in text
    assert "900 ns a write in a buffer of 1,000,000" in text
    assert "wengert 200, torch 0. wengert ≤ 8,000 bytes an addition: met." in text
    assert "250 ± 50 ms" in text


def test_tables_have_as_many_cells_as_headings():
    widths = []
    for line in markdown(fake_run()).splitlines():
        if not line.startswith("|"):
            widths.clear()
            continue
        widths.append(line.count("|"))
        assert len(set(widths)) == 1, line


def test_json_holds_every_repeat_and_the_summaries(tmp_path):
    run = fake_run()
    text, data = write(run, tmp_path / "folder" / "table")
    assert text.read_text(encoding="utf-8") == markdown(run)
    plain = json.loads(data.read_text(encoding="utf-8"))
    assert plain == json.loads(json.dumps(as_plain(run)))
    timing = plain["rows"][0]["cells"]["wengert"]["timings"][DERIVATIVE]
    assert len(timing["repeats"]) == 5
    assert timing["median"] == pytest.approx(10e-6)
    assert plain["rows"][0]["verdicts"][1]["met"] is False
    assert plain["gradient_over_value"]["wengert"] == pytest.approx(2.0)


def test_a_run_of_one_system_alone_can_be_reported():
    run = fake_run()
    for row in run.rows:
        row.cells = {"wengert": row.cells["wengert"]}
    assert "a plain row" in markdown(dataclasses.replace(run, systems=["wengert"]))


def test_a_run_of_one_row_alone_can_be_reported():
    run = fake_run()
    for row in run.rows:
        alone = dataclasses.replace(run, rows=[row], imports=[])
        assert row.title in markdown(alone) or row.group == "cost"
        assert as_plain(alone)["rows"][0]["name"] == row.name


# --- measuring ------------------------------------------------------------------------------------


def test_one_workload_is_measured_in_its_own_process():
    settings = Settings(repeats=5, target=1e-4, threads=1, patience=60.0)
    row = run_workload(WORKLOADS["logistic-4"], ["numpy"], settings)
    cell = row.cells["numpy"]
    assert cell.status == "measured", cell.note
    assert set(cell.timings) == {DERIVATIVE, VALUE}
    assert all(len(timing.repeats) == 5 for timing in cell.timings.values())


def test_a_wrong_result_is_an_error_and_is_not_timed():
    # The process knows the workload by name and goes on with the right derivative.
    wrong = dataclasses.replace(WORKLOADS["logistic-4"], by_hand=lambda x, *, steps: -15.99)
    row = run_workload(wrong, ["numpy"], Settings(repeats=5, target=1e-4, threads=1))
    assert row.cells["numpy"].status == "error"
    assert "wrong derivative" in row.cells["numpy"].note
    assert not row.cells["numpy"].timings


def test_memory_of_a_call():
    def call():
        return np.ones(1_000_000).sum()

    call()
    assert numpy_peak(call) == pytest.approx(8_000_000, rel=0.01)
    resident = resident_peak(call)
    assert resident is None or resident >= 0


def test_imports_are_timed_and_a_missing_module_is_told():
    found = measure_imports(2, 1, ["json", "no_such_module"])
    assert [entry.status for entry in found] == ["measured", "absent"]
    assert len(found[0].repeats) == 2


def test_command_line(capsys):
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.split() == [*WORKLOADS, "import-time"]
    assert select(["rosen*"]) == ["rosenbrock-10", "rosenbrock-1e6"]
    assert known_systems(["torch", "wengert"]) == ["wengert", "torch"]
    with pytest.raises(SystemExit, match="no row matches"):
        select(["nothing"])
    with pytest.raises(SystemExit, match="unknown system"):
        known_systems(["matlab"])
    options = importlib.import_module("benchmarks.__main__").parse(["--repeats", "3"])
    with pytest.raises(SystemExit, match="5 or more"):
        settings_of(options)
