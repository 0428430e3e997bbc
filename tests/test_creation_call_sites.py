"""NumPy's creation functions are recognised in every form in which user code calls them by name.

Each form makes an array that takes a traced value; one that is missed shows itself as an error.
"""

import contextlib
import os
import subprocess
import sys
import textwrap
import types

import numpy
import numpy as anything
import numpy as np
import pytest

import wengert as wg
from modes import has_gradient

FORMS = {}


def form(function):
    """Register a function that returns an array made in one form, of three or more entries."""
    FORMS[function.__name__] = function
    return function


@form
def chained_method():
    return np.zeros(6).reshape(2, 3)


@form
def chained_methods_over_lines():
    return (
        np.arange(
            6.0,
        )
        .reshape(
            2,
            3,
        )
        .T
    )


@form
def chained_index():
    return np.ones((2, 3))[::-1][0]


@form
def keywords():
    return np.full(shape=(3,), fill_value=0.5, dtype=float)


@form
def unpacked_arguments():
    shape, options = (3,), {"dtype": np.float64}
    return np.zeros(*[shape], **options)


@form
def nested_calls():
    return np.array(np.concatenate([np.zeros(2), np.asarray(np.ones(1))]))


@form
def argument_that_is_a_call():
    return np.zeros(len(np.ones(3)))


@form
def of_a_list_comprehension():
    return np.array([float(np.ones(1)[0]) for _ in range(3)])


@form
def within_a_comprehension():
    return [np.zeros(3) for _ in range(2)][1]


@form
def within_a_generator():
    return next(np.zeros(size) for size in (3, 4))


@form
def conditional_expression():
    return np.zeros(3) if FORMS else np.ones(4)


@form
def boolean_operator():
    return None or np.zeros(3)


@form
def assignment_expression():
    if (buffer := np.zeros(3)) is not None:
        return buffer
    return None


@form
def double_assignment():
    first = second = np.zeros(3)
    assert first is second
    return second


@form
def tuple_of_calls():
    _, second = np.zeros(2), np.ones(3)
    return second


@form
def in_an_assertion():
    assert len(np.zeros(3)) == np.ones(3).sum()
    return np.zeros(3)


@form
def default_of_a_function():
    def inner(buffer=np.zeros(3)):  # noqa: B008
        return buffer

    return inner()


@form
def lambda_expression():
    return {"make": lambda size: np.zeros(size)}["make"](3)


@form
def class_body():
    class Holder:
        buffer = np.zeros(3)

    return Holder.buffer


@form
def method_of_a_class():
    class Holder:
        def __init__(self):
            self.buffer = np.zeros(3)

    return Holder().buffer


@form
def within_with_and_try():
    with contextlib.nullcontext():
        try:
            return np.zeros(3)
        finally:
            pass


@form
def within_a_formatted_string():
    assert f"{np.zeros(2).shape}" == "(2,)"
    return np.zeros(3)


@form
def whole_name_of_the_module():
    return numpy.zeros(3)


@form
def other_name_of_the_module():
    return anything.zeros(3)


@form
def local_name_of_the_module():
    namespace = np
    return namespace.zeros(3)


@form
def module_held_by_an_object():
    holder = types.SimpleNamespace(np=np)
    return holder.np.zeros(3)


@form
def module_imported_in_the_function():
    import numpy as local

    return local.zeros(3)


@form
def code_of_exec():
    scope = {"np": np}
    exec("buffer = np.zeros(3)", scope)
    return scope["buffer"]


@form
def code_of_eval():
    return eval("np.zeros(3)")


@form
def like_another():
    return np.zeros_like(np.ones(3))


@form
def arithmetic_around_a_call():
    return np.array(2.0 * np.ones(3) + np.arange(3.0))


@form
def very_many_calls_on_one_line():
    return [np.zeros(1), np.zeros(2), np.ones(2), np.zeros(3), np.zeros(4)][3]


@form
def recursion():
    def build(depth):
        return np.zeros(3) if depth == 0 else build(depth - 1)

    return build(5)


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS.keys())
def test_array_takes_a_traced_value(make):
    def program(x):
        buffer = make()
        buffer[0] = x * x
        return np.sum(buffer[0]) / buffer[0].size

    has_gradient(program, 1.5, 3.0)
    # The second run finds the decision for each call site cached.
    has_gradient(program, 1.5, 3.0)
    assert type(make()) is np.ndarray


PROGRAM = """
    import numpy as np
    import wengert as wg

    def program(x):
        buffer = np.zeros(6).reshape(2, 3)
        buffer[1] = np.array([x, x * x, np.ones(2).sum() * x])
        return buffer.sum()

    print(wg.grad(program)(1.5))
"""


@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("file", ["-OO"]),
        ("file", ["-X", "no_debug_ranges"]),  # code without the column of each instruction
        ("command", []),
        ("input", []),
    ],
    ids=["file, optimised", "file, no columns", "command", "input"],
)
def test_programs_however_they_are_started(how, options, tmp_path):
    source = textwrap.dedent(PROGRAM)
    command, given = [sys.executable, *options], None
    if how == "file":
        path = tmp_path / "program.py"
        path.write_text(source)
        command += [str(path)]
    elif how == "command":
        command += ["-c", source]
    else:
        given = source
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "6.0\n"


def test_numpy_holds_what_it_held_while_a_transformation_runs():
    before = dict(vars(np)), dict(vars(np.linalg)), type(np)

    def program(x):
        assert (dict(vars(np)), dict(vars(np.linalg))) == before[:2]
        assert isinstance(np, types.ModuleType)
        assert np.zeros is not before[0]["zeros"]
        assert np.linalg.norm is not before[1]["norm"]
        return x

    wg.grad(program)(1.0)
    assert (dict(vars(np)), dict(vars(np.linalg)), type(np)) == before
    assert np.zeros is before[0]["zeros"]
    assert np.linalg.norm is before[1]["norm"]


def test_a_name_that_somebody_set_before_stays_theirs(monkeypatch):
    calls = []

    def ones(*args):
        calls.append(args)
        return numpy.full(*args, 1.0)

    monkeypatch.setattr(np, "ones", ones)
    assert wg.grad(lambda x: np.sum(x * np.ones(3)))(1.5) == 3.0
    assert calls == [(3,)]
    assert np.ones is ones


def test_a_name_that_is_set_meanwhile_stays_set():
    ours = np.full

    def program(x):
        made = np.full
        np.full = "theirs"
        assert np.full == "theirs"
        np.full = made  # back to what it was here: afterwards it is NumPy's own
        out = np.full(2, 1.0)
        out[0] = x
        return out.sum()

    assert wg.grad(program)(1.5) == 1.0
    assert np.full is ours


def test_library_listed_as_traced_is_user_code(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "somebody"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import numpy as np\n\n\ndef pair(a, b):\n    out = np.zeros(2)\n    out[0] = a\n"
        "    out[1] = b\n    return out\n"
    )
    monkeypatch.syspath_prepend(package.parent)
    import somebody

    def program(x):
        return somebody.pair(x, x * x).sum()

    with pytest.raises(TypeError):
        wg.grad(program)(1.5)
    with wg.config(traced_packages=("somebody",)):
        assert wg.grad(program)(1.5) == 4.0
    with pytest.raises(TypeError):
        wg.grad(program)(1.5)
