"""Wengert lists: what a program becomes, what it looks like, that it runs, and when it is wrong."""

import functools
import linecache
import re
import tracemalloc

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError, StagingError, VerificationError
from wengert.ir.aval import Aval, aval_of
from wengert.ir.equation import Equation, Literal, Variable
from wengert.ir.evaluate import evaluate
from wengert.ir.primitive import Primitive, registry
from wengert.ir.verify import verify
from wengert.ir.wengert_list import WengertList
from wengert.tracing.core import bind

SCALAR = Aval((), np.float64, "python")
VECTOR = Aval((3,), np.float64)


def polynomial(x, y):
    return (x * x + y) * 2.0


# ------------------------------------------------------------------ text


def test_text_of_a_small_program():
    assert str(wg.trace(polynomial)(1.5, np.zeros(3))) == (
        "inputs  x1: float64*, x2: float64[3]\n"
        "v1: float64* = multiply(x1, x1)\n"
        "v2: float64[3] = add(v1, x2)\n"
        "v3: float64[3] = multiply(v2, 2.0)\n"
        "outputs v3"
    )


def test_text_of_reads_writes_and_constants():
    weights = np.arange(20.0)

    def program(x):
        table = np.zeros(2)
        table[0] = x[1] * weights[3]
        return table, weights, x

    assert str(wg.trace(program)(np.ones(3, np.float32))) == (
        "inputs  x1: float32[3]\n"
        "v1: float32 = read(x1; path=(('index', 1),))\n"
        "v2: float64 = multiply(v1, 3.0)\n"
        "v3: float64[2] = write([0., 0.], v2; path=(('index', 0),))\n"
        "outputs v3, <float64[20]>, x1"
    )


def test_kinds_and_dtypes_in_the_text():
    program = wg.trace(lambda *args: args)(1, 1.0, 1j, np.float32(1), np.zeros(()), np.ones((2, 3)))
    assert str(program).splitlines()[0] == (
        "inputs  x1: int64*, x2: float64*, x3: complex128*, x4: float32, x5: float64[], "
        "x6: float64[2,3]"
    )


# ------------------------------------------------------------------ a list as a sequence


def test_a_list_is_a_sequence_of_equations():
    program = wg.trace(polynomial)(1.5, 2.0)
    assert len(program) == 3
    assert [equation.primitive.name for equation in program] == ["multiply", "add", "multiply"]
    assert program[1].primitive.name == "add"
    assert program[-1].outputs == program.outputs
    assert repr(program) == str(program)


# ------------------------------------------------------------------ evaluate


def test_evaluate_is_the_program():
    y = np.array([1.0, -2.0, 0.5])
    program = wg.trace(polynomial)(0.0, np.zeros(3))
    (found,) = program.evaluate(1.5, y)
    np.testing.assert_array_equal(found, polynomial(1.5, y))


def test_evaluate_runs_writes_anew_each_time():
    def program(x):
        table = np.zeros(3)
        table[1] = x
        table += x * x
        table[::2] *= 2.0
        return table

    staged = wg.trace(program)(0.0)
    for x in (2.0, -3.0, 2.0):
        np.testing.assert_array_equal(staged.evaluate(x)[0], program(x))


def test_evaluate_leaves_its_arguments_alone():
    def program(x):
        x[0] = 7.0
        return x * 2.0

    given = np.ones(3)
    (found,) = wg.trace(program)(given).evaluate(given)
    np.testing.assert_array_equal(found, [14.0, 2.0, 2.0])
    np.testing.assert_array_equal(given, np.ones(3))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_evaluate_counts_its_arguments(count):
    with pytest.raises(ArgumentError, match=f"takes 2 values, {count} were given"):
        wg.trace(polynomial)(1.0, 2.0).evaluate(*[1.0] * count)


def test_evaluate_carries_derivatives():
    program = wg.trace(polynomial)(1.0, 2.0)

    def run(x):
        outputs = evaluate(program.inputs, program.equations, program.outputs, (x, 2.0), apply=bind)
        return outputs[0]

    assert wg.grad(run)(3.0) == 12.0


def test_outputs_may_be_inputs_and_constants():
    program = wg.trace(lambda x: {"same": x, "constant": 2.0, "twice": [x, x]})(1.0)
    verify(program)
    assert len(program) == 0
    assert program.evaluate(5.0) == (2.0, 5.0, 5.0, 5.0)


# ------------------------------------------------------------------ staging


def test_trees_and_keywords_are_staged():
    def program(params, *, shift):
        return params["w"] * shift + params["b"]

    staged = wg.trace(program)({"w": np.ones(3), "b": 1.0}, shift=2.0)
    verify(staged)
    (found,) = staged.evaluate(1.0, np.arange(3.0), 10.0)  # b, w, shift: keys in order
    np.testing.assert_array_equal(found, [1.0, 11.0, 21.0])


def test_what_is_no_number_is_held():
    program = wg.trace(lambda x, name, none: x * {"two": 2.0}[name])(3.0, "two", None)
    assert len(program.inputs) == 1
    assert program.evaluate(5.0) == (10.0,)


def test_an_array_that_is_no_number_is_refused():
    with pytest.raises(ArgumentError, match="dtype <U1 cannot be staged"):
        wg.trace(lambda x: x)(np.array(["a"]))


def test_tracing_runs_the_function_once_and_uses_no_value():
    calls = []

    def program(x):
        calls.append(repr(x))
        return x * x

    wg.trace(program)(np.full(3, np.nan))
    assert len(calls) == 1
    assert "nan" not in calls[0]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda x: 1.0 if x[0] > 0 else 2.0, "a truth value"),
        (lambda x: max(x[0], x[1]), "a truth value"),
        (lambda x: [10, 20, 30][int(x[0])], r"int\(x\)"),
        (lambda x: np.arange(3.0)[int(x[0])], r"int\(x\)"),
        (lambda x: x[0] in (1.0, 2.0), "a truth value"),
    ],
)
def test_asking_for_a_value_names_the_users_line(ask, said):
    with pytest.raises(StagingError, match=said) as caught:
        wg.trace(ask)(np.ones(3))
    where = re.search(r" at (\S+):(\d+) ", str(caught.value))
    assert where is not None
    assert where[1] == __file__
    assert int(where[2]) == ask.__code__.co_firstlineno
    assert "numpy.where" in str(caught.value)


def test_the_named_line_is_that_of_the_callee():
    def inner(x):
        y = x * 2.0
        return y if y > 1.0 else x  # asks here

    def outer(x):
        return inner(x) + 1.0

    for run in (lambda: wg.trace(outer)(2.0), lambda: wg.trace(wg.grad(outer))(2.0)):
        with pytest.raises(StagingError) as caught:
            run()
        line = int(re.search(r":(\d+) depends", str(caught.value))[1])
        assert linecache.getline(__file__, line).endswith("# asks here\n")


def test_a_loop_over_a_traced_count_names_its_line():
    with pytest.raises(StagingError, match=rf"{re.escape(__file__)}:\d+"):
        wg.trace(lambda x, n: sum(x for _ in range(n)))(2.0, 3)
    assert len(wg.trace(functools.partial(lambda n, x: x**n, 3))(2.0)) == 1


# ------------------------------------------------------------------ nesting


@pytest.mark.parametrize(
    ("program", "point"),
    [
        (wg.grad(lambda x: x * x * x), 2.0),
        (wg.grad(wg.grad(lambda x: x * x * x)), 2.0),
        (wg.grad(lambda x: np.sum(x * x[::-1]) * x[0]), np.arange(1.0, 4.0)),
        (lambda x: wg.jvp(lambda y: y * y * x, (x,), (1.0,))[1], 3.0),
        (lambda x: wg.vjp(lambda y: y * x, x)[1](2.0)[0], 3.0),
        (wg.hessian(lambda x: np.sum(x * x * x)), np.arange(1.0, 4.0)),
        (wg.jacfwd(lambda x: x * x), np.arange(1.0, 4.0)),
        (lambda x: wg.grad(lambda y: y * x * x)(1.0), 3.0),
    ],
)
def test_derivatives_inside_staging(program, point):
    staged = wg.trace(program)(point)
    verify(staged)
    (found,) = staged.evaluate(point)
    expected = program(point)
    assert aval_of(found) == aval_of(expected)
    np.testing.assert_array_equal(found, expected)
    # The list depends on the point: nothing was computed at the time of tracing.
    np.testing.assert_array_equal(staged.evaluate(point * 2.0)[0], program(point * 2.0))


def test_writes_inside_a_derivative_inside_staging():
    def objective(x):
        table = np.zeros(4)
        table[1:] = x * x
        table[2] *= 3.0
        return np.sum(table * table)

    point = np.array([1.0, 2.0, -1.0])
    staged = wg.trace(wg.grad(objective))(point)
    verify(staged)
    np.testing.assert_array_equal(staged.evaluate(point)[0], wg.grad(objective)(point))
    np.testing.assert_array_equal(staged.evaluate(2 * point)[0], wg.grad(objective)(2 * point))


def test_staging_inside_a_derivative():
    def program(x):
        (found,) = wg.trace(lambda y: y * y * 3.0)(x).evaluate(2.0)
        return x * found

    assert wg.grad(program)(5.0) == 12.0


# ------------------------------------------------------------------ eval_shape


def test_eval_shape_gives_a_tree_of_avals():
    def program(x, n):
        return {"outer": x[:, None] * x, "total": np.sum(x), "n": n + 1, "text": "a", "none": None}

    assert wg.eval_shape(program, np.zeros(3, np.float32), 2) == {
        "outer": Aval((3, 3), np.float32),
        "total": Aval((), np.float32, "scalar"),
        "n": Aval((), np.int64, "python"),
        "text": "a",
        "none": None,
    }


def test_eval_shape_takes_avals_and_needs_no_memory():
    huge = Aval((10**9, 10**4), np.float64)
    assert wg.eval_shape(lambda x: np.sum(x * 2.0, axis=0), huge) == Aval((10**4,), np.float64)


def test_eval_shape_keeps_errors():
    with pytest.raises(ValueError, match="broadcast"):
        wg.eval_shape(lambda x, y: x + y, np.zeros(3), np.zeros(4))
    with pytest.raises(StagingError, match="a truth value"):
        wg.eval_shape(lambda x: abs(x) if x > 0 else x, 1.0)


# ------------------------------------------------------------------ verify


def sound():
    """A list that is right: (x + y) * x, all scalars."""
    x, y, total, product = (Variable(SCALAR) for _ in range(4))
    add, multiply = registry["add"], registry["multiply"]
    equations = [
        Equation(add, [x, y], {}, [total]),
        Equation(multiply, [total, x], {}, [product]),
    ]
    return [x, y], equations, [product]


def test_a_sound_list_passes():
    verify(WengertList(*sound()))


def test_an_input_twice():
    inputs, equations, outputs = sound()
    with pytest.raises(VerificationError, match="input 2 stands twice"):
        verify(WengertList([*inputs, inputs[0]], equations, outputs))


def test_an_operand_read_before_it_is_assigned():
    inputs, equations, outputs = sound()
    with pytest.raises(VerificationError, match=r"equation 0 \(multiply\) reads a variable"):
        verify(WengertList(inputs, equations[::-1], outputs))
    with pytest.raises(VerificationError, match=r"equation 0 \(add\) reads a variable"):
        verify(WengertList(inputs[:1], equations, outputs))


def test_a_variable_assigned_twice():
    inputs, equations, outputs = sound()
    again = Equation(registry["add"], inputs, {}, equations[0].outputs)
    with pytest.raises(VerificationError, match=r"equation 1 \(add\) assigns a variable a second"):
        verify(WengertList(inputs, [equations[0], again, equations[1]], outputs))
    into_input = Equation(registry["add"], inputs, {}, [inputs[0]])
    with pytest.raises(VerificationError, match="assigns a variable a second time"):
        verify(WengertList(inputs, [into_input], [inputs[0]]))


@pytest.mark.parametrize(
    "wrong",
    [VECTOR, Aval((), np.float32, "python"), Aval((), np.float64, "scalar"), Aval((), np.float64)],
)
def test_an_output_of_the_wrong_aval(wrong):
    inputs, equations, _ = sound()
    equations[1] = Equation(registry["multiply"], equations[1].operands, {}, [Variable(wrong)])
    with pytest.raises(VerificationError, match=r"equation 1 \(multiply\) assigns .*operands give"):
        verify(WengertList(inputs, equations, equations[1].outputs))


def test_a_wrong_number_of_outputs():
    inputs, equations, outputs = sound()
    equations[1] = Equation(
        registry["multiply"], equations[1].operands, {}, [*outputs, Variable(SCALAR)]
    )
    with pytest.raises(VerificationError, match=r"equation 1 \(multiply\) assigns"):
        verify(WengertList(inputs, equations, outputs))


def test_a_primitive_that_is_not_registered():
    stranger = Primitive(
        "stranger", family="irregular", arguments=("x",), evaluate=abs, infer=lambda x: x
    )
    registry.remove("stranger")
    x, y = Variable(SCALAR), Variable(SCALAR)
    with pytest.raises(VerificationError, match=r"equation 0 \(stranger\).*not registered"):
        verify(WengertList([x], [Equation(stranger, [x], {}, [y])], [y]))


def test_another_primitive_of_a_registered_name():
    impostor = Primitive(
        "impostor", family="irregular", arguments=("x", "y"), evaluate=max, infer=lambda x, y: x
    )
    registry.remove("impostor")
    impostor.name = "add"
    inputs, equations, outputs = sound()
    equations[0] = Equation(impostor, inputs, {}, equations[0].outputs)
    with pytest.raises(VerificationError, match=r"equation 0 \(add\).*not registered"):
        verify(WengertList(inputs, equations, outputs))


def test_an_output_that_is_not_assigned():
    inputs, equations, _ = sound()
    with pytest.raises(VerificationError, match="output 1 is not assigned"):
        verify(WengertList(inputs, equations, [inputs[0], Variable(SCALAR)]))
    verify(WengertList(inputs, equations, [Literal(2.0)]))


def test_lists_that_run_often_are_the_same_as_code():
    def fun(x, n, table):
        low, high = np.divmod(x, 1.5)
        wg.debug.callback(seen.append, n)
        return {"sum": np.sum(low * high) + table[1], "n": n + 1, "constant": 2.5, "x": x}

    seen = []
    x, table = np.array([1.0, 2.0, 4.0]), np.arange(3.0)
    program = wg.trace(fun)(x, 3, table)
    first = program.evaluate(x, 3, table)
    for _ in range(20):
        found = program.evaluate(x, 3, table)
        assert [type(value) for value in found] == [type(value) for value in first]
        for value, other in zip(found, first, strict=True):
            np.testing.assert_array_equal(value, other)
    assert seen == [3] * 21
    with pytest.raises(wg.errors.ArgumentError, match="takes 3 values, 1 were given"):
        program.evaluate(x)


@pytest.mark.parametrize("runs", [1, 30])
def test_values_are_let_go_of_after_their_last_use(runs):
    def fun(x):
        for _ in range(50):
            x = x * 1.01 + 1.0
        return x

    x = np.ones(100_000)
    program = wg.trace(fun)(x)
    for _ in range(runs):
        program.evaluate(x)
    tracemalloc.start()
    try:
        program.evaluate(x)
        assert tracemalloc.get_traced_memory()[1] < 4.5 * x.nbytes
    finally:
        tracemalloc.stop()
