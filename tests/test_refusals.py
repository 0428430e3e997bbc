"""What a traced value answers to code that wants a number, and where the traceback ends."""

import contextlib
import math
import traceback
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

import wengert as wg
from transformations import TRANSFORMS
from wengert import errors

# ------------------------------------------------------------------ conversions that drop


@pytest.mark.parametrize(
    ("convert", "said"),
    [
        (float, r"float\(x\).*np\.sin for math\.sin.*stop_gradient"),
        (math.sin, r"float\(x\).*np\.sin for math\.sin.*stop_gradient"),
        (complex, r"complex\(x\).*stop_gradient"),
        (lambda x: math.fsum([x]), r"float\(x\)"),
        (lambda x: memoryview(x), None),
        (lambda x: SimpleNamespace(f=np.asarray).f(x), r"np\.asarray\(x\).*A = np\.array\(A\)"),
    ],
    ids=["float", "math.sin", "complex", "fsum", "memoryview", "asarray"],
)
@pytest.mark.parametrize("mode", ["grad", "jvp", "grad of grad"])
def test_a_traced_scalar_does_not_become_a_number(mode, convert, said):
    def program(x):
        return x * convert(x)

    run = {
        "grad": lambda: wg.grad(program)(2.0),
        "jvp": lambda: wg.jvp(program, (2.0,), (1.0,)),
        "grad of grad": lambda: wg.grad(wg.grad(program))(2.0),
    }[mode]
    if said is None:
        with pytest.raises(TypeError, match="bytes-like"):
            run()
        return
    with pytest.raises(errors.TracedValueError, match=said):
        run()


def test_foreign_code_does_not_get_an_array():
    foreign = {}
    exec("from numpy import asarray as convert", foreign)  # not called by NumPy's name
    with pytest.raises(errors.TracedValueError, match=r"float64\[3\].*stop_gradient"):
        wg.grad(lambda x: np.sum(foreign["convert"](x)))(np.ones(3))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            lambda x: np.sum(np.lib.stride_tricks.as_strided(x, (2,), (8,))),
            r"as_strided, called at .*test_refusals\.py:\d+, .*float64\[3\].*sliding_window_view",
        ),
        (lambda x: sum(v for _, v in np.ndenumerate(x)), r"ndenumerate, called at .*np\.ndindex"),
        (lambda x: sum(v for v in np.nditer(x)), r"x\.flat"),
        (lambda x: sum(a for a, _ in np.broadcast(x, 1.0)), r"np\.broadcast_arrays"),
        (lambda x: CubicSpline(np.arange(3.0), x)(0.5), r"scipy\..*wengert\.stop_gradient"),
    ],
    ids=["as_strided", "ndenumerate", "nditer", "broadcast", "scipy"],
)
def test_library_functions_that_take_plain_arrays_are_named(function, said):
    with pytest.raises(errors.TracedValueError, match=said):
        wg.grad(function)(np.ones(3))


@pytest.mark.parametrize(("name", "value"), [("shape", (3, 1)), ("dtype", np.int64)])
def test_attributes_that_would_change_an_array_in_place(name, value):
    def program(x):
        y = x * 1
        setattr(y, name, value)
        return np.sum(y)

    with pytest.raises(AttributeError, match=f"x.{name} = .*float64.*Say x = x"):
        wg.grad(program)(np.ones(3))


def test_a_constant_may_become_a_number():
    def program(x):
        table = np.zeros(3)  # holds no traced value: free to convert
        table[1] = 5.0
        return x * float(table[1]) + math.sqrt(table[0])

    assert wg.grad(program)(2.0) == 5.0


# ------------------------------------------------------------------ writes into plain arrays

WRITES = {
    "item": lambda A, x, v: exec("A[0] = x", {"A": A, "x": x}),
    "item of two": lambda A, x, v: exec("A.reshape(2, 2)[0, 1] = x", {"A": A, "x": x}),
    "item is 0-d": lambda A, x, v: exec("A[0] = v[0, ...]", {"A": A, "v": v}),
    "slice": lambda A, x, v: exec("A[0:3] = v", {"A": A, "v": v}),
    "everything": lambda A, x, v: exec("A[:] = x", {"A": A, "x": x}),
    "ellipsis": lambda A, x, v: exec("A[...] = x", {"A": A, "x": x}),
    "row": lambda A, x, v: exec("A.reshape(1, 4)[0] = x", {"A": A, "x": x}),
    "list": lambda A, x, v: exec("A[0:2] = [x, x]", {"A": A, "x": x}),
    "mask": lambda A, x, v: exec("A[[True, False, True, False]] = x", {"A": A, "x": x}),
    "fancy": lambda A, x, v: exec("A[[0, 2, 3]] = v", {"A": A, "v": v}),
    "flat": lambda A, x, v: exec("A.flat[0] = x", {"A": A, "x": x}),
    "in place": lambda A, x, v: exec("A += x", {"A": A, "x": x}),
    "out": lambda A, x, v: np.multiply(A[0:3], v, out=A[0:3]),
    "copyto": lambda A, x, v: np.copyto(A, x),
}


@pytest.mark.parametrize("mode", ["grad", "jvp", "vjp", "linearize", "hvp"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64, np.int8])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_traced_write_into_a_plain_array(write, dtype, mode):
    plain = np.ones(4, dtype)

    def program(p):
        write(plain, p["x"], p["v"])
        return p["x"]

    point = {"x": 2.0, "v": np.ones(3)}
    with pytest.raises(errors.TracedWriteError, match=r"A = np\.array\(A\)") as caught:
        TRANSFORMS[mode](program, point)
    assert "would be dropped" in str(caught.value)
    np.testing.assert_array_equal(plain, np.ones(4))


@pytest.mark.parametrize("make", [lambda B: B @ B, lambda B: -B, lambda B: B.T.copy()])
def test_a_traced_write_into_a_result_of_constants(make):
    B = np.eye(3)

    def program(x):
        A = make(B)
        A[0, 0] = x
        return A[0, 0]

    with pytest.raises(errors.TracedWriteError, match=r"A @ B.*A\.copy\(\)"):
        wg.grad(program)(2.0)

    def mended(x):
        A = np.array(make(B))
        A[0, 0] = x
        return A[0, 0] * A[0, 0]

    assert wg.grad(mended)(2.0) == 4.0


def test_an_object_array_holds_traced_values_like_a_list():
    def program(x):
        entries = np.empty(2, dtype=object)
        entries[0] = x
        entries[1] = 3.0
        return entries[0] * entries[1] * entries[0]

    assert wg.grad(program)(2.0) == 12.0


def test_a_write_into_an_object_array_as_a_whole_is_refused():
    plain = np.empty(3, dtype=object)

    def program(v):
        plain[:] = v
        return np.sum(v)

    with pytest.raises(errors.TracedWriteError, match=r"A = np\.array\(A\)"):
        wg.grad(program)(np.ones(3))


def test_the_users_own_error_from_ours_is_kept():
    def program(x):
        try:
            return float(x)
        except TypeError as error:
            raise ValueError("mine") from error

    with pytest.raises(ValueError, match="mine") as caught:
        wg.grad(program)(2.0)
    assert not isinstance(caught.value, errors.WengertError)
    assert isinstance(caught.value.__cause__, errors.TracedValueError)


def test_a_caught_refusal_does_not_haunt():
    plain = np.ones(3)

    def program(x):
        with contextlib.suppress(ValueError, TypeError):
            plain[0] = x
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        wg.grad(program)(2.0)


# ------------------------------------------------------------------ tracebacks


def own_frames(error):
    return [
        entry.name
        for entry in traceback.extract_tb(error.__traceback__)
        if "/wengert/" in entry.filename.replace("\\", "/")
    ]


def failing(x):
    return float(x * x)


@pytest.mark.parametrize(
    "name", ["grad", "jvp", "vjp", "jacobian", "hessian", "hvp", "linearize", "trace"]
)
def test_our_frames_are_hidden(name):
    expected = errors.StagingError if name == "trace" else errors.TracedValueError
    with pytest.raises(expected) as caught:
        TRANSFORMS[name](failing, 2.0)
    entries = traceback.extract_tb(caught.value.__traceback__)
    assert entries[-1].name == "failing"
    assert len(own_frames(caught.value)) <= 1
    with wg.config(full_tracebacks=True), pytest.raises(expected) as caught:
        TRANSFORMS[name](failing, 2.0)
    assert len(own_frames(caught.value)) > 2


def test_a_hidden_refusal_ends_at_the_users_line():
    plain = np.ones(3)

    def program(x):
        plain[0] = x
        return x

    with pytest.raises(errors.TracedWriteError) as caught:
        wg.grad(program)(2.0)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.line == "plain[0] = x"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "convert",
    [float, complex, math.sin, np.float32, np.float64, lambda x: np.asarray([float(x)])[0]],
    ids=["float", "complex", "math", "float32", "float64", "asarray"],
)
@pytest.mark.parametrize("called_before", [False, True])
def test_a_compiled_function_drops_no_derivative(convert, called_before):
    """Recorded without a derivative, a plain number is guarded; under one it would be a zero."""
    function = wg.jit(lambda x, y: np.real(convert(x)) * y)
    if called_before:
        assert function(1.3, 2.0) == np.real(convert(1.3)) * 2.0
    for derivative in (
        lambda: wg.grad(function)(1.3, 2.0),
        lambda: wg.jacfwd(function)(1.3, 2.0),
        lambda: wg.linearize(function, 1.3, 2.0)[1](1.0, 0.0),
        lambda: wg.derivative(lambda x: function(x, 2.0))(1.3),
        lambda: wg.jit(wg.grad(function))(1.3, 2.0),
    ):
        with pytest.raises(errors.TracedValueError, match="drop"):
            derivative()
    assert wg.grad(function, 1)(1.3, 2.0) == np.real(convert(1.3))
    constant = wg.jit(lambda x: np.real(convert(wg.stop_gradient(x))) * x)
    assert wg.grad(constant)(1.3) == np.real(convert(1.3))


def test_a_text_that_is_made_of_a_value_is_made_at_every_call():
    @wg.jit
    def described(x, name):
        return {"text": f"{name}: {x:.2f}", "value": x * 2.0}

    for x in (1.0, 2.5, -3.0):
        assert described(x, "x") == {"text": f"x: {x:.2f}", "value": x * 2.0}
    assert "text" in described.explain()
    named = wg.jit(lambda x, name: (x * 2.0, name.upper()))
    assert named(1.0, "a") == (2.0, "A")
    assert named(3.0, "a") == (6.0, "A")
    assert "cannot be recorded" not in named.explain()
