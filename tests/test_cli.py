"""The command: every subcommand, points, files, safe expressions, one line for bad input."""

import json
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest

import wengert as wg
from wengert.cli import main
from wengert.cli.expressions import NAMESPACE, parse_expression
from wengert.errors import ArgumentError

FILE = """
import numpy as np
from helper_beside import factor

def loss(params, shift=0.0):
    return np.sum(params["w"] ** 2) * factor + shift * params["b"]

def broken(x):
    return math.sin(x)

def refuses(x):
    raise RuntimeError("no such luck")
"""


@pytest.fixture
def run(capsys):
    def call(*arguments):
        status = main(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def path(tmp_path):
    (tmp_path / "helper_beside.py").write_text("factor = 3.0\n", encoding="utf-8")
    file = tmp_path / "model.py"
    file.write_text(FILE, encoding="utf-8")
    yield str(file)
    sys.modules.pop("helper_beside", None)
    sys.modules.pop("wengert_user_file", None)


def test_grad_of_an_expression(run):
    status, out, err = run("grad", "log(1+x**2)/x", "--at", "x=1")
    assert (status, err) == (0, "")
    assert out.split() == ["value", "0.6931471805599453", "∂/∂x", "0.3068528194400547"]


def test_grad_of_several_arguments_in_json(run):
    _, out, _ = run("grad", "x*y + sin(x)", "--at", "y=3", "x=2", "--json")
    found = json.loads(out)
    assert found["gradient"] == {"x": 3 + np.cos(2.0), "y": 2.0}


def test_grad_of_a_function_in_a_file_with_its_own_modules(run, path):
    point = "params={'w': [1, 2], 'b': 3}"
    status, out, _ = run("grad", f"{path}:loss", "--at", point, "--json")
    assert status == 0
    assert json.loads(out) == {"value": 15.0, "gradient": {"params": {"w": [6.0, 12.0], "b": 0.0}}}
    _, out, _ = run("grad", f"{path}:loss", "--at", point, "--at", "shift=2")
    assert "'b'" in out
    assert "∂/∂shift  3.0" in out


def test_higher_orders(run):
    _, out, _ = run("grad", "exp(2*x)", "--at", "x=0", "--order", "3")
    assert out.split()[-1] == "8.0"


def test_explain_in_every_form(run):
    _, out, _ = run("explain", "y*x^2", "--at", "x=1", "y=1", "--mode", "forward", "--wrt", "x")
    assert out == str(wg.explain(parse_expression("y*x**2"), 1.0, 1.0, mode="forward")) + "\n"
    for form, mark in (("html", "<table>"), ("latex", r"\begin{tabular}"), ("markdown", "| ---")):
        assert mark in run("explain", "sin(x)", "--at", "x=1", "--format", form)[1]
    rows = json.loads(run("explain", "sin(x)*x", "--at", "x=1", "--json")[1])["rows"]
    np.testing.assert_allclose(rows[0]["adjoint"], np.sin(1) + np.cos(1))


@pytest.mark.parametrize("ending", ["html", "svg", "png", "dot"])
def test_draw(run, tmp_path, ending):
    target = tmp_path / f"graph.{ending}"
    status, out, _ = run("draw", "sin(x)*x", "--at", "x=1", "-o", str(target))
    assert status == 0
    assert "3 nodes" in out
    assert target.stat().st_size > 100


def test_compare_with_its_plot(run, tmp_path):
    target = tmp_path / "errors.png"
    _, out, _ = run("compare", "log(1+x**2)/x", "--at", "x=1", "--plot", str(target))
    assert "reverse mode" in out
    assert target.read_bytes().startswith(b"\x89PNG")
    found = json.loads(run("compare", "x**3", "--at", "x=2", "--json")[1])
    by_name = {row["name"]: row for row in found["methods"]}
    assert by_name["reverse mode"]["derivative"] == 12.0


def test_check_bench_and_info(run):
    assert "agree" in run("check", "sin(x)*y", "--at", "x=1", "y=2")[1]
    assert "× value" in run("bench", "sum(x**2)", "--at", "x=[1,2,3]")[1]
    found = json.loads(run("info", "--json")[1])
    assert found["wengert"] == wg.__version__
    assert found["numpy"] == np.__version__
    assert found == json.loads(json.dumps(wg.info(), default=list))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run, shell):
    status, out, _ = run("completion", shell)
    assert status == 0
    assert "explain" in out
    assert "{{" not in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("wengert ex", "explain"),
        ("wengert draw --o", "--output"),
        ("wengert compare --", "--help --at --json --plot"),
        ("wengert explain --w", "--wrt"),
    ],
)
def test_bash_completes(run, words, expected):
    script = run("completion", "bash")[1]
    count = len(words.split()) - 1
    probe = f"{script}\nCOMP_WORDS=({words}); COMP_CWORD={count}; _wengert; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_take_their_completions(run, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    script = run("completion", shell)[1]
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("grad", "sin(x", "--at", "x=1"), "never closed"),
        (("grad", "sin(x)"), "add --at x=1.0"),
        (("grad", "sin(x)", "--at", "x"), "NAME=VALUE"),
        (("grad", "sin(x)", "--at", "x=one"), "is a number (1.5, pi/4)"),
        (("grad", "sin(x)", "--at", "x='1'"), "not a number"),
        (("grad", "sin(x)", "--at", "x=1", "x=2"), "twice"),
        (("grad", "sin(x)", "--at", "x=1", "z=2"), "no argument z; it has x"),
        (("grad", "3", "--at", "x=1"), "no variable"),
        (("grad", "missing.py:f", "--at", "x=1"), "there is no file"),
        (("grad", "x*y", "--at", "x=1", "y=2", "--order", "2"), "one number"),
        (("grad", "x", "--at", "x=1", "--order", "0"), "at least 1"),
        (("grad", "x", "--at", "x=[1,2]"), "returns one number"),
        (("draw", "x", "--at", "x=1", "-o", "graph.pdf"), ".svg"),
        (("compare", "x*y", "--at", "x=1", "y=1"), "one argument"),
        (("explain", "x", "--at", "x=1", "--mode", "forward", "--wrt", "q"), "there are x"),
    ],
)
def test_bad_input_gets_one_clear_line_and_status_2(run, arguments, message):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(f"wengert {arguments[0]}: ")
    assert message in err


def test_errors_of_the_users_file(run, path):
    status, _, err = run("grad", f"{path}:nothing", "--at", "x=1")
    assert status == 2
    assert "it has" in err
    assert "loss" in err


def test_what_the_users_function_raises_is_one_line_with_its_place(run, path):
    status, out, err = run("grad", f"{path}:refuses", "--at", "x=1")
    assert (status, out) == (2, "")
    assert err == f"wengert grad: RuntimeError: no such luck ({path}, line 12)\n"
    _, _, err = run("grad", f"{path}:broken", "--at", "x=1")
    assert "NameError" in err
    assert "line 9)" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["derive"], [], ["grad", "x", "--order", "two"], ["grad", "x", "--bogus"]]
)
def test_usage_errors_are_one_line_with_status_2_too(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--help" in err


def test_a_check_that_fails_has_status_1(run):
    status, _, err = run("check", "floor(x)", "--at", "x=1")
    assert status == 1
    assert "does not agree" in err


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"wengert {wg.__version__}\n"


def test_points_may_be_constant_expressions_and_stand_in_one_word(run):
    assert run("grad", "sin(x)", "--at", "x=pi/2")[1].startswith("value  1.0\n")
    assert (
        run("grad", "x*y", "--at", "x=1/4, y=[2**3][0]", "--json")[1]
        == run("grad", "x*y", "--at", "x=0.25", "y=8", "--json")[1]
    )
    status, _, err = run("grad", "x", "--at", "x=9**9**9")
    assert (status, err.count("\n")) == (2, 1)


def test_lists_in_expressions_are_arrays():
    made = parse_expression("sum([x, 2*y]**2) + [x, y][1]")
    np.testing.assert_allclose(wg.grad(made, (0, 1))(1.0, 3.0), (2.0, 8 * 3.0 + 1.0))


def test_json_has_no_number_that_is_not_finite(run):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        _, out, err = run("grad", "log(x)", "--at", "x=0", "--json")

    def refuse(name):
        raise AssertionError(name)

    found = json.loads(out, parse_constant=refuse)
    assert found == {"value": "-inf", "gradient": {"x": "inf"}}
    assert err == "wengert grad: warning: divide by zero encountered in log\n"


def test_no_colours_and_no_progress_in_a_pipe(run):
    for arguments in (["explain", "x**2"], ["compare", "x**2"], ["bench", "x**2"]):
        _, out, err = run(*arguments, "--at", "x=3")
        assert "\x1b" not in out
        assert err == ""


def test_progress_is_shown_on_a_terminal(run, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, out, err = run("compare", "x**2", "--at", "x=3")
    assert "reverse mode …" in err
    assert err.endswith("\r\x1b[K")
    assert "…" not in out


@pytest.mark.parametrize(
    "text",
    [
        "x.__class__",
        "__import__('os')",
        "(lambda: x)()",
        "[x for x in y]",
        "x if (y := 2) else 3",
        "'text' * x",
        "f'{x}'",
        "open(x)",
        "sum(x, axis=0)",
        "__builtins__ + x",
        "9**9**9 * x",
        "2**100000 * x",
        "x" * 20_000,
        "(" * 500 + "x" + ")" * 500,
        "*x",
        "x; y",
        "import os",
        "array.__class__",
    ],
)
def test_nothing_outside_mathematics_can_be_reached(text):
    with pytest.raises(ArgumentError):
        parse_expression(text)


def test_every_function_of_expressions_is_numpys():
    for name, entry in NAMESPACE.items():
        assert callable(entry) or isinstance(entry, float), name
    made = parse_expression("norm(v) + where(v[0] > 0, v[0], -v[1]) + max(v)")
    point = np.array([3.0, 4.0])
    np.testing.assert_allclose(made(point), 5.0 + 3.0 + 4.0)
    np.testing.assert_allclose(wg.grad(made)(point), [0.6 + 1, 0.8 + 1])


def test_as_a_module_and_with_a_closed_pipe():
    command = [sys.executable, "-m", "wengert", "grad", "x**2", "--at", "x=3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("6.0\n")
    piped = f"{sys.executable} -m wengert explain 'x**2' --at x=3 | head -c 1"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=True)
    assert done.stderr == ""
