"""Evaluation-trace tables: the worked examples' numbers, names, folding, forms and errors."""

import io
import re
import shutil
import subprocess

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError
from wengert.seeing import explain


def parabola(x, y):
    return y * x**2


def quotient(x, y):
    v1 = x**2 + 2 * y**2
    v2 = x * y
    return v1 / v2


def loss(w1, w2):
    v1 = np.log(w1)
    v2 = w2 * v1
    v3 = np.sqrt(v2)
    L = v2 + v3
    return L  # noqa: RET504 (the name is what is tested)


def neuron(x, y):
    return (x + 1 / (1 + np.exp(-y))) * np.tanh(x)


def logistic(x, n=4):
    v = x
    for _ in range(n):
        v = 4 * v * (1 - v)
    return v


def test_forward_trace_of_worked_example_4():
    shown = explain(parabola, 1.0, 1.0, mode="forward", wrt="x")
    assert [row.name for row in shown.rows] == ["x", "y", "v1", "parabola"]
    assert shown["v1"].tangent == 2.0
    assert shown["parabola"].tangent == 2.0
    assert shown["v1"].tangent_rule == "2·x·x'"
    assert shown["parabola"].tangent_rule == "y·v1'"
    assert shown["y"].tangent is None


def test_reverse_trace_of_worked_example_4():
    shown = explain(parabola, 1.0, 1.0)
    adjoints = {row.name: row.adjoint for row in shown.rows}
    assert adjoints == {"x": 2.0, "y": 1.0, "v1": 1.0, "parabola": 1.0}
    (term,) = shown["x"].terms
    assert (term.consumer, term.local, term.local_value, term.amount) == ("v1", "2·x", 2.0, 2.0)


def test_reverse_trace_of_worked_example_5():
    shown = explain(quotient, 1.0, 1.0)
    assert shown.value == 3.0
    wanted = {"v1": 1.0, "v2": -3.0, "x": -1.0, "y": 1.0}
    assert {name: shown[name].adjoint for name in wanted} == wanted
    assert [term.amount for term in shown["x"].terms] == [-3.0, 2.0]
    assert [term.local for term in shown["v2"].terms] == ["-quotient / v2"]


@pytest.mark.parametrize(("w1", "w2"), [(2.0, 3.0), (5.5, 0.25)])
def test_both_tables_of_worked_example_6(w1, w2):
    forward = explain(loss, w1, w2, mode="forward")
    assert [row.name for row in forward.rows] == ["w1", "w2", "v1", "v2", "v3", "L"]
    formulas = [row.formula for row in forward.rows[2:]]
    assert formulas == ["log(w1)", "w2·v1", "sqrt(v2)", "v2 + v3"]
    v1 = np.log(w1)
    v2 = w2 * v1
    v3 = np.sqrt(v2)
    values = [row.value for row in forward.rows]
    np.testing.assert_allclose(values, [w1, w2, v1, v2, v3, v2 + v3], rtol=1e-15)
    dv2 = w2 / w1
    tangents = [row.tangent for row in forward.rows if row.name != "w2"]
    np.testing.assert_allclose(
        tangents, [1, 1 / w1, dv2, dv2 / (2 * v3), dv2 + dv2 / (2 * v3)], rtol=1e-15
    )
    reverse = explain(loss, w1, w2)
    at_v2 = 1 + 1 / (2 * v3)
    wanted = {"L": 1, "v3": 1, "v2": at_v2, "v1": w2 * at_v2, "w2": v1 * at_v2}
    wanted["w1"] = w2 * at_v2 / w1
    for name, adjoint in wanted.items():
        np.testing.assert_allclose(reverse[name].adjoint, adjoint, rtol=1e-15)
    assert len(reverse["v2"].terms) == 2


def test_worked_example_9():
    shown = explain(neuron, 2.0, 1.0)
    np.testing.assert_allclose(shown.value, 2.63281579, atol=5e-9)
    np.testing.assert_allclose(shown["x"].adjoint, 1.15697912, atol=5e-9)
    np.testing.assert_allclose(shown["y"].adjoint, 0.18953933, atol=5e-9)


def test_the_adjoints_are_those_of_grad_for_arrays_writes_and_factorisations():
    def program(params, shift):
        matrix = params["matrix"]
        filled = np.zeros(3)
        filled[:2] = matrix[0] * 2
        for i in range(2):
            filled[i] = filled[i] * matrix[1, i]
        values, _ = np.linalg.eigh(matrix @ matrix.T)
        q, r = np.linalg.qr(matrix)
        return np.sum(np.linalg.inv(matrix) @ filled[:2]) + values[0] * shift + (q * r)[0, 1]

    params = {"matrix": np.array([[1.0, 2.0], [3.0, 5.0]])}
    shown = explain(program, params, 0.5)
    expected = wg.grad(program, (0, 1))(params, 0.5)
    np.testing.assert_allclose(shown["params['matrix']"].adjoint, expected[0]["matrix"], rtol=1e-12)
    np.testing.assert_allclose(shown["shift"].adjoint, expected[1], rtol=1e-12)
    forward = explain(program, params, 0.5, mode="forward", wrt=("params['matrix']", (0, 1)))
    np.testing.assert_allclose(forward.rows[-1].tangent, expected[0]["matrix"][0, 1], rtol=1e-12)


def test_every_row_says_where_it_was_computed():
    shown = explain(loss, 2.0, 3.0)
    assert shown["v2"].source == "v2 = w2 * v1"
    assert shown["v2"].file == __file__
    assert shown["v2"].line == loss.__code__.co_firstlineno + 2


def test_names_assigned_again_are_numbered_and_the_letters_of_the_user_are_left_to_him():
    shown = explain(logistic, 0.25, 2)
    assert [row.name for row in shown.rows] == ["x", "t1", "t2", "v₁", "t3", "t4", "v₂"]

    def shadowing(x):
        x = x * x
        return np.sin(x)

    assert [row.name for row in explain(shadowing, 2.0).rows] == ["x", "x₁", "f"]


def test_integers_are_inputs_only_where_nothing_else_is():
    assert [row.name for row in explain(logistic, 0.25, 1).rows[:2]] == ["x", "t1"]
    assert explain(parabola, 3, 2)["x"].adjoint == 12.0


def test_loops_are_folded_with_their_count_and_unfolded_on_request():
    shown = explain(logistic, 0.25, n=200)
    assert len(shown) == 601
    text = shown.to_text()
    assert "the same 3 steps" in text
    assert "more times" in text
    assert len(text.splitlines()) < 40
    assert len(shown.to_text(full=True).splitlines()) > 1200
    np.testing.assert_allclose(shown["x"].adjoint, wg.grad(logistic)(0.25, 200))


def test_a_long_program_without_loops_is_cut_in_the_middle():
    lines = ["def long(x):"]
    functions = ("np.sin", "np.cos", "np.exp", "np.tanh", "np.sinh")
    for i in range(300):
        lines.append(f"    x = {functions[(i * i) % 5]}(x) * 0.{i + 1}")
    lines.append("    return x")
    scope = {"np": np}
    exec("\n".join(lines), scope)
    text = explain(scope["long"], 0.5).to_text()
    assert "rows left out" in text


def test_large_arrays_are_shown_by_range_and_whole_on_request():
    def total(x):
        return np.sum(x * x)

    shown = explain(total, np.arange(50.0))
    assert "[50] 0 … 49" in shown.to_text()
    assert "48, 49]" in shown.to_text(full=True)


def test_comparisons_and_values_without_derivative():
    def clipped(x):
        if x > 1:
            return np.floor(x) * x
        return x

    shown = explain(clipped, 2.5)
    assert shown["x"].adjoint == 2.0
    assert shown["v1"].value == 2.0


def test_a_result_that_depends_on_no_input():
    shown = explain(lambda x: 3.0, 1.0)
    assert shown.value == 3.0
    assert shown["x"].adjoint is None


def test_markdown_has_one_cell_a_column():
    text = explain(quotient, 1.0, 1.0).to_markdown()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_html_is_escaped_and_reachable_by_keyboard():
    def masked(x):
        return np.sum(np.where(x < 1, x, 2 * x))

    page = explain(masked, np.array([0.5, 2.0]))._repr_html_()
    assert 'tabindex="0"' in page
    assert "x &lt; 1" in page
    assert not re.search(r"x < 1", page)


def test_latex_is_ascii_mathematics():
    text = explain(logistic, 0.25, 100).to_latex()
    assert r"\begin{tabular}" in text
    assert "₁" not in text
    assert text.count("{") == text.count("}")
    assert r"\operatorname" not in text  # which plain LaTeX does not have


def every_form(params, θ, x_max):  # noqa: PLC2401 (the letter is what is tested)
    hidden_layer = np.tanh(params["W"] @ θ + x_max)
    scores = hidden_layer * 2.5e-12
    scores[0] = hidden_layer[1]
    both = np.array([np.max(scores), np.linalg.norm(scores)])
    return np.sum(np.where(both > 0, both, 0.0)) ** x_max  # % & # _ ~ ^ \\ |


_EVERY_ARGUMENT = ({"W": np.arange(6.0).reshape(2, 3) / 7}, np.ones(3), 1.5)


def test_latex_of_names_code_and_numbers():
    text = explain(every_form, *_EVERY_ARGUMENT, mode="forward", wrt="x_max").to_latex()
    assert r"$\theta$" in text
    assert r"\mathrm{params}\mathtt{[{}'W{}']}" in text
    assert r"\mathrm{hidden\_layer}\mathtt{[1]}" in text
    assert r"2.5 \cdot 10^{-12}" in text
    assert "e-" not in text
    assert r"\_{" not in text


def test_latex_of_adjoints_has_bars_over_letters():
    text = explain(loss, 2.0, 3.0).to_latex()
    assert r"$\bar{v}_{2} = \partial L/\partial v_{2}$ & $\bar{L} + \bar{v}_{3} \cdot \frac" in text
    assert (
        r"$\bar{w}_{1} = \partial L/\partial w_{1}$ & $\bar{v}_{1} \cdot \frac{1}{w_{1}}$" in text
    )


def test_the_tangent_of_what_is_linear_in_all_operands_is_one_term():
    def built(x, y):
        both = np.array([x, 3.0, x * y])
        return np.sum(both)

    row = explain(built, 2.0, 3.0, mode="forward", wrt="x")["both"]
    assert row.tangent_rule == "array(x', 0, v1')"
    np.testing.assert_array_equal(row.tangent, [1.0, 0.0, 3.0])


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX")
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_latex_is_typeset_without_a_complaint(tmp_path, mode):
    cases = [
        (loss, (2.0, 3.0)), (quotient, (1.0, 1.0)), (logistic, (0.25, 100)),
        (every_form, _EVERY_ARGUMENT), (lambda z: np.abs(np.exp(1j * z)) ** 2, (0.3,)),
    ]  # fmt: skip
    names = ["w1", "x", "x", "x_max", "z"]
    body = "\n\n".join(
        explain(fun, *args, mode=mode, wrt=wrt if mode == "forward" else None).to_latex()
        for (fun, args), wrt in zip(cases, names, strict=True)
    )
    source = tmp_path / "table.tex"
    source.write_text(
        "\\documentclass{article}\\begin{document}\n" + body + "\n\\end{document}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", source.name],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    log = done.stdout.decode("latin-1")
    assert done.returncode == 0, log[-3000:]
    assert "Missing character" not in log


def test_rich_tables():
    console = pytest.importorskip("rich.console").Console(
        width=200, record=True, file=io.StringIO()
    )
    console.print(explain(loss, 2.0, 3.0))
    assert "∂L/∂w1" in console.export_text()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explain(loss, 2.0, 3.0, mode="backward"), "mode is"),
        (lambda: explain(loss, 2.0, 3.0, mode="forward", wrt="z"), "there are w1, w2"),
        (lambda: explain(loss, 2.0, 3.0, wrt="w1"), "all inputs at once"),
        (lambda: explain(np.sin, np.ones(3)), "one real number"),
        (lambda: explain(np.sum, np.ones((2, 2)), mode="forward"), r"wrt=\('a', \(0, 0\)\)"),
        (lambda: explain(lambda x: (x, x), 1.0), "2 leaves"),
        (lambda: explain(lambda s: s, "text"), "nothing to explain"),
        (lambda: explain(loss(2.0, 3.0)), "takes a function"),
    ],
)
def test_errors_say_what_to_type(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_inside_a_transformation_it_is_refused_and_leaves_nothing_behind():
    with pytest.raises(ArgumentError, match="outside of grad"):
        wg.grad(lambda x: explain(logistic, x).value)(0.5)
    assert wg.grad(logistic)(0.25) == -16.0
    with pytest.raises(ZeroDivisionError):
        explain(lambda x: x / 0 if 1 // 0 else x, 1.0)
    assert not wg.tracing.creation.is_patched()
