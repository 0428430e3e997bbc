"""Numbers in native code behave as NumPy's and Python's do: every dtype, hard points, layouts."""

import itertools
import math

import numpy as np
import pytest

import wengert as wg
from native.programs import one_equation, same
from wengert.backends.llvm import compile_program
from wengert.ir.aval import Aval
from wengert.ir.equation import Variable
from wengert.ir.primitive import registry

INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
FLOATS = [np.float32, np.float64]
COMPLEXES = [np.complex64, np.complex128]
HARD = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, np.inf, -np.inf, np.nan, 1e-320, 1e308, -7.25]


def points(dtype):
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        chosen = {limits.min, limits.max, limits.max - 1, 0, 1, 2, 3, 7, limits.min + 1}
        if dtype.kind == "i":
            chosen |= {-1, -2, -7}
        return np.array(sorted(chosen), dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind == "c":
        parts = [0.0, -0.0, 1.0, -2.5, np.inf, np.nan]
        return np.array([complex(a, b) for a in parts for b in parts], dtype)
    with np.errstate(all="ignore"):
        return np.array(HARD, dtype)


def grid(dtype):
    """Return all pairs of hard points."""
    first, second = np.meshgrid(points(dtype), points(dtype), indexing="ij")
    return first.ravel(), second.ravel()


def compare(name, args, ulps=0, scalars=3):
    """Hold arrays, and some of their entries as scalars, to the straight evaluator."""
    program, values = one_equation(name, args, {})
    native = compile_program(program)
    with np.errstate(all="ignore"):
        expected = program.evaluate(*values)[0]
        same(native(*values)[0], expected, ulps)
    entries = [tuple(arg[i] for arg in args) for i in range(len(args[0]))]
    program, _ = one_equation(name, entries[0], {})
    native = compile_program(program)
    for entry in entries[:: max(1, len(entries) // scalars)]:
        with np.errstate(all="ignore"):
            same(native(*entry)[0], program.evaluate(*entry)[0], ulps)
    return native


EXACT = ["add", "subtract", "multiply", "floor_divide", "remainder", "divide"]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", EXACT)
def test_integers(name, dtype):
    assert compare(name, grid(dtype), scalars=60).called_back == ()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", EXACT)
def test_floats(name, dtype):
    assert compare(name, grid(dtype), scalars=60).called_back == ()


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, *COMPLEXES, np.bool_])
def test_comparisons(dtype):
    for name in COMPARISONS:
        assert compare(name, grid(dtype), scalars=10).called_back == ()


@pytest.mark.parametrize("dtype", COMPLEXES)
def test_complex_numbers(dtype):
    for name in ("add", "subtract"):
        compare(name, grid(dtype), scalars=20)
    x, y = grid(dtype)
    finite = np.isfinite(x) & np.isfinite(y)
    for name in ("multiply", "divide"):
        compare(name, (x[finite], y[finite]), ulps=2, scalars=20)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_bits(dtype):
    x, y = grid(dtype)
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        compare(name, (x, y))
    for name in ("left_shift", "right_shift"):
        compare(name, (x, y), scalars=60)


def test_mixed_dtypes():
    for first, second in itertools.product([np.int8, np.uint8, np.int64, np.float32], repeat=2):
        x = points(first)[:5]
        y = points(second)[:5]
        for name in ("add", "multiply", "less"):
            compare(name, (x, y))
    for first, second in ((np.int64, np.uint64), (np.bool_, np.int8), (np.float32, np.complex128)):
        x, y = points(first)[:2], points(second)[:2]
        for name in ("add", "equal", "less"):
            compare(name, (x, y))


def test_python_numbers_are_weak():
    for dtype in (np.int8, np.float32, np.uint16):
        x = points(dtype)
        for number in (2, 3.5, True):
            for name in ("add", "multiply", "divide", "less"):
                program, values = one_equation(name, (x, number), {}, literal=(1,))
                with np.errstate(all="ignore"):
                    same(compile_program(program)(*values)[0], program.evaluate(*values)[0])
                program, values = one_equation(name, (x[0], number), {})
                with np.errstate(all="ignore"):
                    expected = program.evaluate(*values)[0]
                    same(compile_program(program)(*values)[0], expected)


@pytest.mark.parametrize("target", [*INTEGERS, *FLOATS, *COMPLEXES, np.bool_])
def test_conversions(target):
    target = np.dtype(target)
    for source in [*INTEGERS, *FLOATS, np.bool_]:
        values = points(source)
        if np.dtype(source).kind == "f" and target.kind in "iu":
            # What does not fit depends on the processor in NumPy too.
            limits = np.iinfo(target)
            values = np.array([0.0, -0.0, 1.5, 100.7, 127.0, limits.max / 2], source)
            if target.kind == "i":
                values = np.concatenate([values, -values])
        name, params = "convert", {"aval": Aval(values.shape, target)}
        if target.kind not in "fc":
            name, params = "discretise", {"dtype": target}
        program, given = one_equation(name, (values,), params)
        native = compile_program(program)
        with np.errstate(all="ignore"):
            same(native(*given)[0], program.evaluate(*given)[0])
        assert native.called_back == ()


PYTHON = {
    "add": (2, 2.5, -3, True),
    "subtract": (2, 2.5, -3),
    "multiply": (2, 2.5, -3, 2**40),
    "divide": (2, 2.5, -3, 2**60 + 1, 3),
    "floor_divide": (7, 2.5, -3, -7.5),
    "remainder": (7, 2.5, -3, -7.5),
    "power_operator": (2, 2.5, 0.5, 3),
}


@pytest.mark.parametrize("name", PYTHON)
def test_numbers_of_python(name):
    for x, y in itertools.product(PYTHON[name], repeat=2):
        if isinstance(x, bool) and isinstance(y, bool):
            continue
        program, values = one_equation(name, (x, y), {})
        expected = program.evaluate(*values)[0]
        found = compile_program(program)(*values)[0]
        assert type(found) is type(expected)
        assert math.isclose(found, expected, rel_tol=4e-16), (name, x, y)
        if name != "power_operator":
            assert found == expected


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("divide", (1.0, 0.0), ZeroDivisionError),
        ("divide", (1, 0), ZeroDivisionError),
        ("floor_divide", (1.0, 0.0), ZeroDivisionError),
        ("remainder", (1, 0), ZeroDivisionError),
        ("power_operator", (1e200, 2.0), OverflowError),
        ("power_operator", (0.0, -1.0), ZeroDivisionError),
    ],
)
def test_python_raises(name, args, error):
    program, values = one_equation(name, args, {})
    native = compile_program(program)
    with pytest.raises(error):
        native(*values)


HALVES = [0.5, np.float64(0.5), np.array(0.5), np.array([0.5]), np.array([0.5, 0.5])]


def _long(x):
    return np.full(100, x)


BASES = [np.float64, np.array, lambda x: np.array([x]), lambda x: np.array([x, x])]


@pytest.mark.parametrize("name", ["power", "power_operator"])
def test_roots_where_numpy_takes_them(name):
    """NumPy raises to 0.5 by the root or by a logarithm; they differ at two points."""
    for base, half, constant in itertools.product([*BASES, _long], HALVES, (False, True)):
        if base is _long and np.size(half) > 1:
            continue
        for x in (-0.0, -np.inf, 2.0):
            literal = {1} if constant else ()
            program, values = one_equation(name, (base(x), half), {}, literal=literal)
            with np.errstate(all="ignore"):
                expected = program.evaluate(*values)[0]
                same(compile_program(program)(*values)[0], expected, 0 if x < 2 else 2)


def test_integers_of_python_have_no_limit():
    for name in ("add", "multiply", "subtract"):
        program, _ = one_equation(name, (1, 1), {})
        native = compile_program(program)
        for x, y in ((2**62, 2**62), (-(2**63), -(2**63)), (2**63 - 1, -1)):
            expected = registry[name].evaluate(x, y)
            assert native(x, y)[0] == expected
    assert compile_program(one_equation("negative", (1,), {})[0])(-(2**63))[0] == 2**63
    for x, y in ((2**53, 2.0**53), (2**53 + 1, 2.0**53), (2**63 - 1, 2.0**63)):
        for name in COMPARISONS:
            program, _ = one_equation(name, (1, 1.0), {})
            assert compile_program(program)(x, y)[0] is registry[name].evaluate(x, y)


def test_layouts_of_arrays():
    base = np.arange(24.0).reshape(4, 6)
    program = wg.trace(lambda x, y: np.exp(x * 0.1) + y[::-1, ::2].T[0])(base, np.ones((6, 8)))
    native = compile_program(program)
    raw = np.zeros(base.nbytes + 1, np.uint8)
    misaligned = raw[1:].view(np.float64).reshape(base.shape)
    misaligned[...] = base
    frozen = base.copy()
    frozen.flags.writeable = False
    others = np.arange(48.0).reshape(6, 8)
    for x in (
        base,
        base[::-1],
        np.asfortranarray(base),
        np.repeat(base, 2, axis=1)[:, ::2],
        np.broadcast_to(base[0], (4, 6)),
        base.astype(">f8"),
        misaligned,
        frozen,
    ):
        for y in (others, others[::-1, ::-1], np.asfortranarray(others)):
            before = np.array(x), y.copy()
            same(native(x, y)[0], program.evaluate(np.array(x, dtype=float), y)[0], 2)
            np.testing.assert_array_equal(x, before[0])
            np.testing.assert_array_equal(y, before[1])


def test_programs_of_foreign_byte_order():
    x = np.arange(6.0).reshape(2, 3).astype(">f8")
    program = wg.trace(lambda x: (x * 2.0, x.T, x[0]))(x)
    native = compile_program(program)
    for one, other in zip(native(x[::-1]), program.evaluate(x[::-1]), strict=True):
        same(one, other)


def test_empty_and_zero_dimensional_arrays():
    for shape in ((0,), (3, 0), (0, 3), ()):
        x = np.ones(shape)
        program = wg.trace(lambda x: (np.sin(x) * 2.0, np.sum(x), x.reshape(-1)))(x)
        found = compile_program(program)(x)
        for one, other in zip(found, program.evaluate(x), strict=True):
            same(one, other, 2)


def test_results_that_are_inputs_or_constants():
    constant = np.arange(3.0)
    program = wg.trace(lambda x, y: (x, constant, y, x, 2.5, constant))(np.ones(2), 1.5)
    x = np.array([4.0, 5.0])
    first, second, third, fourth, fifth, sixth = compile_program(program)(x, 2.5)
    np.testing.assert_array_equal(first, x)
    np.testing.assert_array_equal(second, constant)
    assert (third, fifth) == (2.5, 2.5)
    for one, other in itertools.combinations([x, constant, first, second, fourth, sixth], 2):
        assert not np.shares_memory(one, other)


def test_wrong_leaves_are_refused():
    program = wg.trace(lambda x: x * 2.0)(np.ones(3))
    native = compile_program(program)
    for leaf in (np.ones(4), np.ones(3, np.float32), 1.0):
        with pytest.raises(ValueError, match=r"takes float64\[3\]"):
            native(leaf)
    with pytest.raises(ValueError, match="takes 1 values"):
        native()


def test_variables_are_not_shared():
    """Two programs from one list are independent, and a program may run inside a call-back."""
    program = wg.trace(lambda x: x + 1.0)(1.0)
    assert isinstance(program.inputs[0], Variable)
    first, second = compile_program(program), compile_program(program)
    assert first(1.0) == second(1.0) == (2.0,)


def test_what_a_call_back_gets_may_be_kept():
    """The memory of a program is used again, and the stack's is gone."""
    kept = []

    def keep(x):
        kept.append(x)
        return x.sum()

    def function(x):
        doubled = x * 2.0 + 1.0
        total = wg.pure_callback(keep, np.float64(0.0), doubled)
        return (doubled - total) * 3.0

    native = compile_program(wg.trace(function)(np.ones(3)))
    for scale in (1.0, 2.0, 3.0):
        native(np.full(3, scale))
    for scale, held in zip((1.0, 2.0, 3.0), kept, strict=True):
        np.testing.assert_array_equal(held, np.full(3, 2.0 * scale + 1.0))
