"""Passes keep the meaning of a list, to the last bit, and take linear time."""

import itertools
import time

import numpy as np
import pytest

import wengert as wg
from wengert.compile import PASSES, optimise
from wengert.errors import GuardFailed
from wengert.ir.aval import Aval, aval_of
from wengert.ir.equation import Equation, Literal, Variable
from wengert.ir.primitive import registry
from wengert.ir.verify import verify
from wengert.ir.wengert_list import WengertList
from wengert.passes.common import share_common
from wengert.passes.dead_code import remove_dead_code
from wengert.passes.fold import fold_constants
from wengert.passes.inline import inline_calls
from wengert.passes.simplify import ROWS, simplify

# ------------------------------------------------------------------ the table of simplifications

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -3.0, 1e-320, -5e-324, 1.7e308, -1.7e308, np.inf, -np.inf]
SPECIAL += [np.nan, 0.1, 1 / 3, -2.0 / 3, 2.0**-1022]
INTEGERS = [0, 1, -1, 7, -128, 127]


def values_of(dtype):
    """Special values of a dtype as an array, and some of them as scalars and Python numbers."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            array = np.array(SPECIAL).astype(dtype)
    elif dtype.kind == "c":
        array = np.array([complex(a, b) for a in SPECIAL for b in SPECIAL[::3]], dtype)
    elif dtype.kind == "b":
        array = np.array([True, False])
    else:
        array = np.array(INTEGERS).astype(dtype)
    found = [array, *array[:6]]
    if dtype in (np.float64, np.complex128, np.int64, np.bool_):
        found += [entry.item() for entry in array[:6]]
    return found


def names_of(pattern):
    if isinstance(pattern, str):
        return {pattern}
    return set().union(*map(names_of, pattern[1:])) if isinstance(pattern, tuple) else set()


def evaluated(pattern, bound):
    if isinstance(pattern, str):
        return bound[pattern]
    if not isinstance(pattern, tuple):
        return pattern
    values = [evaluated(part, bound) for part in pattern[1:]]
    return registry[pattern[0]].evaluate(*values)


def bits(value):
    """The bits of a value, with one nan for all."""
    array = np.array(value)
    if array.dtype.kind == "c":
        return bits(array.real) + bits(array.imag)
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return array.tobytes()


DTYPES = ["float64", "float32", "float16", "int64", "int8", "uint8", "bool", "complex128"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.pattern}")
def test_rows_hold_to_the_last_bit(row):
    names = sorted(names_of(row.pattern))
    compared = 0
    for dtypes in itertools.product(DTYPES, repeat=len(names)):
        if len(names) > 1 and len(set(dtypes)) > 1 and "float64" not in dtypes:
            continue
        for values in zip(*map(values_of, dtypes), strict=False):
            bound = dict(zip(names, values, strict=True))
            if "c" in bound:
                bound["c"] = np.bool_(compared % 2)
            elif len(names) == 2 and all(np.ndim(value) for value in values):
                bound[names[0]] = bound[names[0]][:, None]  # every pair
            with np.errstate(all="ignore"):
                try:
                    expected = evaluated(row.pattern, bound)
                except (TypeError, ZeroDivisionError, OverflowError, ValueError) as error:
                    if isinstance(error, ZeroDivisionError):
                        with pytest.raises(ZeroDivisionError):
                            evaluated(row.replacement, bound)
                    continue
                kind = aval_of(expected).dtype.kind
                others = {aval_of(v).dtype.kind for name, v in bound.items() if name != "c"}
                if kind not in row.kinds or others != {kind}:
                    continue  # the driver does not look
                try:
                    found = evaluated(row.replacement, bound)
                except TypeError:
                    continue
            if aval_of(found) != aval_of(expected):
                continue  # the driver refuses
            assert bits(found) == bits(expected), (dtypes, found, expected)
            compared += 1
    assert compared


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.pattern}")
def test_rows_are_applied(row):
    dtype = {"f": np.float64, "i": np.int64, "u": np.uint8, "b": np.bool_}[row.kinds[0]]
    names = sorted(names_of(row.pattern))
    inputs = {name: Variable(Aval((3,), np.bool_ if name == "c" else dtype)) for name in names}
    equations = []

    def built(pattern):
        if isinstance(pattern, str):
            return inputs[pattern]
        if not isinstance(pattern, tuple):
            return Literal(pattern)
        operands = [built(part) for part in pattern[1:]]
        primitive = registry[pattern[0]]
        output = Variable(primitive.infer(*(operand.aval for operand in operands)))
        equations.append(Equation(primitive, operands, {}, [output]))
        return output

    output = built(row.pattern)
    program = WengertList(list(inputs.values()), equations, [output])
    verify(program)
    found = remove_dead_code(simplify(program))
    verify(found)
    wanted = str(row.replacement).count("(")
    assert len(found) == wanted, found
    assert [e.primitive.name for e in found] != [e.primitive.name for e in program] or not wanted


def test_what_would_change_a_bit_stays():
    for fun in (
        lambda x: x + 0.0,
        lambda x: 0.0 + x,
        lambda x: 0.0 - x,
        lambda x: x * 0.0,
        lambda x: x - x,
        lambda x: x / x,
        lambda x: x / 3.0,
        lambda x: (x + 1.0) - 1.0,
    ):
        program = wg.trace(fun)(np.ones(3))
        assert len(optimise(program)) == len(program)
    program = wg.trace(lambda x: x * 1.0)(np.ones(3, np.float32))
    assert len(optimise(program)) == 0
    program = wg.trace(lambda x: x * 1.0)(np.ones(3, np.int64))  # a change of dtype
    assert len(optimise(program)) == 1


# ------------------------------------------------------------------ the other passes


def names(program):
    return [equation.primitive.name for equation in program]


def test_common_subexpressions_are_computed_once():
    def fun(x, y):
        return np.sin(x * y) + np.sin(y * x) * np.cos(x[1:])[0] + np.cos(x[1:])[0]

    program = wg.trace(fun)(np.ones(3), 2.0)
    found = share_common(program)
    verify(found)
    assert names(found).count("sin") == 1
    assert names(found).count("cos") == 1
    point = (np.arange(3.0), 0.5)
    np.testing.assert_array_equal(found.evaluate(*point), program.evaluate(*point))


def test_literals_are_told_apart_by_sign_type_and_entries():
    def fun(x):
        return (
            x * 0.0, x * -0.0, x * np.float64(0.0), x * 0, x * np.array([1.0, 2.0]),
            x * np.array([1.0, 3.0]), x * np.array([1.0, 2.0]),
        )  # fmt: skip

    program = wg.trace(fun)(np.ones(2))
    assert len(share_common(program)) == 6


def test_a_second_guard_of_a_value_goes():
    variable = Variable(Aval((), np.bool_, "scalar"))
    guards = [
        Equation(registry["guard"], [variable], {"expected": np.True_, "position": k}, [])
        for k in range(2)
    ]
    program = WengertList([variable], guards, [variable])
    found = optimise(program)
    assert len(found) == 1
    assert found.evaluate(np.True_) == (np.True_,)
    with pytest.raises(GuardFailed):
        found.evaluate(np.False_)


def test_dead_code_goes_and_guards_stay():
    program = wg.trace(lambda x: (np.sin(x), np.cos(x))[0])(1.0)
    assert names(remove_dead_code(program)) == ["convert", "sin"]


def test_constants_are_folded_but_errors_stay():
    multiply, divide = registry["multiply"], registry["divide"]
    aval = Aval((), np.float64, "python")
    a, b, c = (Variable(aval) for _ in range(3))
    program = WengertList(
        [],
        [
            Equation(multiply, [Literal(2.0), Literal(3.0)], {}, [a]),
            Equation(multiply, [a, Literal(2.0)], {}, [b]),
            Equation(divide, [b, Literal(0.0)], {}, [c]),
        ],
        [b, c],
    )
    found = fold_constants(program)
    verify(found)
    assert names(found) == ["divide"]
    assert found.outputs[0].value == 12.0
    with pytest.raises(ZeroDivisionError):
        found.evaluate()


def test_passes_have_reasons_and_keep_lists_sound():
    def loss(x):
        return np.sum(np.sin(x) * np.exp(-x[1:].sum()) / (1.0 * x))

    program = wg.trace(wg.grad(loss))(np.ones(4))
    point = np.linspace(0.5, 1.5, 4)
    expected = program.evaluate(point)
    for transform, reason in PASSES:
        assert reason
        program = transform(program)
        verify(program)
        np.testing.assert_array_equal(program.evaluate(point), expected)


def test_passes_take_linear_time():
    def seconds(count):
        x = Variable(Aval((), np.float64, "python"))
        current, equations = x, []
        choices = np.random.default_rng(0).integers(2, size=count)  # no loop to be found
        for k in range(count):
            output = Variable(x.aval)
            primitive = registry["multiply" if choices[k] else "subtract"]
            factor = Literal(1.0 if choices[k] and k % 7 == 0 else 2.0 + k % 5)
            equations.append(Equation(primitive, [current, factor], {}, [output]))
            current = output
        program = WengertList([x], equations, [current])
        start = time.process_time()
        found = optimise(program)
        elapsed = time.process_time() - start
        # The ones go where they are neutral: about every 14th equation multiplies by 1.
        assert count * 12 // 14 < len(found) < count
        return elapsed

    small, large = min(seconds(10_000) for _ in range(3)), seconds(100_000)
    assert large < 40 * small


# ------------------------------------------------------------------ calls


def test_calls_become_a_part_of_the_program():
    inner = wg.jit(lambda x, y: (np.sin(x) * y, y))
    middle = wg.jit(lambda x: inner(x, 2.0)[0] + inner(x, x)[1])
    inner(0.3, 2.0), middle(0.3)

    def outer(x):
        return middle(x) * np.sin(x)

    for fun in (outer, wg.grad(outer)):
        program = wg.jit(fun).lower(0.3)._executable.staged
        inlined = inline_calls(program)
        verify(inlined)
        assert all(equation.primitive.name != "call" for equation in inlined)
        assert inlined.evaluate(0.3) == program.evaluate(0.3)
    shared = optimise(wg.trace(outer)(0.3))
    assert sum(equation.primitive.name == "sin" for equation in shared) == 1


def test_a_call_that_returns_what_it_was_given():
    same = wg.jit(lambda x, y: (y, x, 3.0))
    same(1.0, 2.0)
    program = wg.trace(wg.grad(lambda x: same(x, x * x)[0] * same(x, x)[1]))(1.5)
    np.testing.assert_array_equal(inline_calls(program).evaluate(1.5), program.evaluate(1.5))
