"""The native entry: what it takes, what it leaves to Python, and that it loses no reference."""

import gc
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import wengert as wg
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.entry import Entry, attach, is_available
from wengert.backends.llvm.program import NativeProgram
from wengert.backends.llvm.signature import (
    Absent,
    Attribute,
    Call,
    Cell,
    Entries,
    Equal,
    Fields,
    Input,
    Item,
    Items,
    Leaf,
    Output,
    Same,
)
from wengert.ir.aval import Aval
from wengert.ir.equation import Equation
from wengert.ir.primitive import registry
from wengert.ir.wengert_list import WengertList

pytestmark = pytest.mark.skipif(not is_available(), reason="no native entries in this interpreter")

FLOAT = Aval((), np.float64, "python")


class Missed(Exception):
    pass


def missed(*args, **kwargs):
    raise Missed(args, kwargs)


def entry_of(function, *args, result=None, arguments=None, fallback=missed, **options):
    """Return an entry of the program of a function, for arguments like the given ones."""
    program = wg.trace(function)(*args)
    native = compile_program(program)
    entry = Entry(fallback)
    leaves = [Leaf(variable.aval) for variable in program.inputs]
    entry.add(
        native,
        leaves if arguments is None else arguments,
        Output(0) if result is None else result,
        **options,
    )
    return entry


# ------------------------------------------------------------------ leaves


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        -7,
        True,
        2 - 3j,
        np.float64(1.5),
        np.float32(1.5),
        np.int8(-3),
        np.uint64(2**63 + 5),
        np.bool_(True),
        np.complex64(1 - 2j),
        np.array(2.5),
        np.arange(6.0).reshape(2, 3),
        np.zeros((0, 3)),
        np.array([True, False]),
        np.arange(3, dtype=np.uint8),
        np.array([1 + 2j]),
    ],
)
def test_values_come_and_go_as_they_are(value):
    found = entry_of(lambda x: wg.stop_gradient(x), value).call(value)
    assert type(found) is type(value)
    np.testing.assert_array_equal(found, value)
    if isinstance(value, np.ndarray):
        assert found.dtype == value.dtype
        assert found is not value
        assert not np.shares_memory(found, value)


@pytest.mark.parametrize(
    ("like", "other"),
    [
        (1.5, 1),
        (1.5, np.float64(1.5)),
        (1.5, True),
        (1, True),
        (1, 2**63),
        (True, 1),
        (np.float64(1.0), 1.0),
        (np.float64(1.0), np.float32(1.0)),
        (np.ones(3), np.ones(4)),
        (np.ones(3), np.ones((3, 1))),
        (np.ones(3), np.ones(3, np.float32)),
        (np.ones(3), np.ones(3, ">f8")),
        (np.ones((2, 2)), np.ones((2, 2)).view(np.matrix)),
        (np.ones(3), [1.0, 1.0, 1.0]),
        (np.ones(3), None),
    ],
)
def test_other_values_go_to_python(like, other):
    entry = entry_of(lambda x: wg.stop_gradient(x), like)
    entry.call(like)
    with pytest.raises(Missed):
        entry.call(other)
    with pytest.raises(Missed):
        entry.call()
    with pytest.raises(Missed):
        entry.call(like, like)
    with pytest.raises(Missed):
        entry.call(x=like)
    entry.call(like)


def misaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    made = raw[1:].view(array.dtype).reshape(array.shape)
    made[...] = array
    return made


def test_arrays_of_every_layout():
    base = np.arange(24.0).reshape(4, 6)
    entry = entry_of(lambda x: x * 2.0, np.ones((4, 6)))
    layouts = [
        base,
        base[::-1],
        base[:, ::-1],
        np.asfortranarray(base),
        np.arange(48.0).reshape(4, 12)[:, ::2],
        np.broadcast_to(np.arange(6.0), (4, 6)),
        misaligned(base),
    ]
    frozen = base.copy()
    frozen.flags.writeable = False
    for given in [*layouts, frozen]:
        before = given.copy()
        np.testing.assert_array_equal(entry.call(given), before * 2.0)
        np.testing.assert_array_equal(given, before)


def test_overlapping_arguments():
    base = np.arange(6.0)
    entry = entry_of(lambda x, y: x + y, np.ones(4), np.ones(4))
    np.testing.assert_array_equal(entry.call(base[:4], base[2:]), base[:4] + base[2:])
    np.testing.assert_array_equal(entry.call(base[:4], base[:4]), 2 * base[:4])


# ------------------------------------------------------------------ trees and what is read besides


def test_trees_in_and_out():
    tree = {"a": (1.0, [2.0]), "b": np.arange(3.0)}
    program = wg.trace(lambda t: [t["a"][0] * 2, {"c": t["a"][1][0], "d": t["b"] + 1}])(tree)
    leaf, array = program.inputs[0].aval, program.inputs[2].aval
    entry = Entry(missed)
    shape = Fields(["a", "b"], [Items(tuple, [Leaf(leaf), Items(list, [Leaf(leaf)])]), Leaf(array)])
    made = Items(
        list,
        [
            Output(0),
            Fields(["c", "d", "e"], [Output(1), Output(2), Same(None)]),
            Call(lambda x: ("wrapped", x), Input(2)),
        ],
    )
    entry.add(compile_program(program), [shape], made)
    first, second, third = entry.call(tree)
    assert first == 2.0
    assert (second["c"], second["e"]) == (2.0, None)
    np.testing.assert_array_equal(second["d"], np.arange(3.0) + 1)
    assert third[0] == "wrapped"
    assert third[1] is tree["b"]
    for other in (
        {"a": (1.0, [2.0]), "c": np.arange(3.0)},
        {"a": (1.0, [2.0]), "b": np.arange(3.0), "c": 1},
        {"a": [1.0, [2.0]], "b": np.arange(3.0)},
        {"a": (1.0, [2.0, 3.0]), "b": np.arange(3.0)},
        {"a": (1.0, [2]), "b": np.arange(3.0)},
        (1.0,),
        None,
    ):
        with pytest.raises(Missed):
            entry.call(other)


class Holder:
    pass


def test_what_is_read_besides_arguments():
    number = 2.0
    holder = Holder()
    holder.inner = Holder()
    holder.inner.scale = 3.0
    namespace = {"w": 5.0, "n": 300}
    table = np.arange(3.0)
    cell = (lambda: number).__closure__[0]
    program = wg.trace(lambda x, a, b, c: x * a + b * c)(1.0, 1.0, 1.0, 1.0)
    leaf = Leaf(program.inputs[0].aval)
    entry = Entry(missed)
    entry.add(
        compile_program(program),
        [leaf],
        Output(0),
        sources=[
            Cell(cell, leaf),
            Item(namespace, "w", leaf),
            Attribute(holder, "inner", Attribute(None, "scale", leaf)),
            Item(namespace, "n", Equal(300)),
            Cell((lambda: table).__closure__[0], Entries(table)),
        ],
    )
    assert entry.call(7.0) == 7.0 * 2.0 + 5.0 * 3.0
    number = 3.0
    namespace["w"] = 6.0
    namespace["n"] = int("300")  # equal, another object
    holder.inner.scale = 4.0
    assert entry.call(7.0) == 7.0 * 3.0 + 6.0 * 4.0
    table[1] = 9.0
    with pytest.raises(Missed):
        entry.call(7.0)
    table[1] = 1.0
    namespace["n"] = 301
    with pytest.raises(Missed):
        entry.call(7.0)
    namespace["n"] = 300
    del holder.inner.scale
    with pytest.raises(Missed):
        entry.call(7.0)
    holder.inner.scale = 4.0
    del namespace["w"]
    with pytest.raises(Missed):
        entry.call(7.0)
    namespace["w"] = 1.0
    assert entry.call(7.0) == 7.0 * 3.0 + 4.0


def test_names_that_must_stay_unassigned():
    namespace = {}
    program = wg.trace(lambda x: x + 1.0)(1.0)
    entry = Entry(missed)
    leaf = Leaf(program.inputs[0].aval)
    entry.add(compile_program(program), [leaf], Output(0), sources=[Absent(namespace, "range")])
    assert entry.call(1.0) == 2.0
    namespace["range"] = None
    with pytest.raises(Missed):
        entry.call(1.0)
    del namespace["range"]
    assert entry.call(1.0) == 2.0


# ------------------------------------------------------------------ choosing among programs


def test_programs_are_tried_in_order():
    entry = entry_of(lambda x: x + 1.0, 1.0)
    program = wg.trace(lambda x: x + 2.0)(np.ones(2))
    entry.add(compile_program(program), [Leaf(program.inputs[0].aval)], Output(0))
    program = wg.trace(lambda x: x + 3)(1)
    entry.add(compile_program(program), [Leaf(program.inputs[0].aval)], Output(0))
    assert entry.call(1.0) == 2.0
    assert entry.call(1) == 4
    np.testing.assert_array_equal(entry.call(np.ones(2)), [3.0, 3.0])
    with pytest.raises(Missed):
        entry.call("text")


def test_what_machine_numbers_cannot_do_goes_to_python():
    divide = entry_of(lambda x, y: x / y, 1.0, 1.0, fallback=lambda x, y: x / y)
    assert divide.call(1.0, 4.0) == 0.25
    with pytest.raises(ZeroDivisionError):
        divide.call(1.0, 0.0)
    multiply = entry_of(lambda x, y: x * y, 1, 1, fallback=lambda x, y: x * y)
    assert multiply.call(3, -4) == -12
    assert multiply.call(2**40, 2**40) == 2**80
    power = entry_of(lambda x, y: x**y, 1.0, 1.0, fallback=lambda x, y: x**y)
    assert power.call(2.0, 0.5) == 2.0**0.5
    assert power.call(-8.0, 1.5) == (-8.0) ** 1.5
    with pytest.raises(OverflowError):
        power.call(1e200, 2.0)


def test_error_state():
    entry = entry_of(lambda x: x * 2.0, 1.0)
    with np.errstate(all="raise"), pytest.raises(Missed):
        entry.call(1.0)
    assert entry.call(1.0) == 2.0
    with np.errstate(all="ignore"), pytest.raises(Missed):
        entry.call(1.0)


@pytest.mark.parametrize("errors", ["warn", "ignore", "raise"])
def test_programs_by_themselves_run_under_any_error_state(errors, monkeypatch):
    def from_python(self, *leaves):
        raise Missed

    monkeypatch.setattr(NativeProgram, "_run_from_python", from_python)
    native = compile_program(wg.trace(lambda x: (np.log(x), x * x))(2.0))
    with np.errstate(all=errors):
        assert native(3.0) == (np.log(3.0), 9.0)
        assert native(0.0) == (-np.inf, 0.0)
        with pytest.raises(Missed):
            native(np.float32(3.0))


def test_exceptions_of_call_backs():
    def program(x):
        return np.linalg.inv(x)

    entry = entry_of(program, np.eye(2))
    np.testing.assert_array_equal(entry.call(2 * np.eye(2)), 0.5 * np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match="Singular") as caught:
        entry.call(np.zeros((2, 2)))
    names = [frame.name for frame in caught.traceback]
    assert "inv" in " ".join(names)
    retried = entry_of(program, np.eye(2), retries=True)
    with pytest.raises(Missed):
        retried.call(np.zeros((2, 2)))


# ------------------------------------------------------------------ attributes, references, threads


def test_attach_keeps_what_an_object_is():
    class Function:
        """Its docstring."""

        def __init__(self):
            self.name = "name"

        def __call__(self, *args):
            return "python"

        def method(self):
            return self.name

    function = Function()
    other = Function()
    entry = entry_of(lambda x: x + 1.0, 1.0, fallback=lambda *args: Function.__call__(function))
    attach(function, entry)
    assert function(1.0) == 2.0
    assert function(1) == "python"
    assert other(1.0) == "python"
    assert isinstance(function, Function)
    assert type(function).__name__ == "Function"
    assert function.__doc__ == "Its docstring."
    assert function.method() == "name"
    attach(function, entry_of(lambda x: x + 2.0, 1.0))
    assert function(1.0) == 3.0
    assert type(function).__mro__[1] is Function


def test_references_are_balanced():
    base = np.arange(12.0).reshape(3, 4)
    turned = np.arange(12.0).reshape(4, 3).T
    program = wg.trace(lambda x, y: (x + y, x[0, 0] * 2.0))(base, base)
    entry = Entry(lambda *args: None)
    leaf = Leaf(program.inputs[0].aval)
    constant = object()
    made = Items(tuple, [Output(0), Fields(["k"], [Output(1)]), Same(constant), Input(1)])
    entry.add(compile_program(program), [leaf, leaf], made)
    watched = [base, turned, constant, base.dtype, None, entry.call]
    for _ in range(100):
        entry.call(base, turned)
    before = [sys.getrefcount(held) for held in watched]
    for _ in range(2000):
        entry.call(base, turned)
        entry.call(base, 1.0)
    after = [sys.getrefcount(held) for held in watched]
    assert all(abs(a - b) < 20 for a, b in zip(after, before, strict=True)), (before, after)


def test_what_is_read_stays_alive_while_the_program_runs():
    """A call-back that rebinds what the program reads must not free it under its hands."""
    namespace = {"w": np.arange(1000.0)}
    primitive = wg.ir.primitive.registry["i0"]
    keep = primitive.evaluate

    def evaluate(x):
        namespace["w"] = None
        gc.collect()
        np.full(1000, np.nan)  # takes the memory, if it is free
        return keep(x)

    program = wg.trace(lambda x, w: np.i0(x) + w * 2.0)(1.0, namespace["w"])
    entry = Entry(missed)
    leaves = [Leaf(variable.aval) for variable in program.inputs]
    native = compile_program(program)
    assert native.called_back == ("i0",)
    entry.add(native, leaves[:1], Output(0), sources=[Item(namespace, "w", leaves[1])])
    primitive.evaluate = evaluate
    try:
        found = entry.call(1.0)
    finally:
        primitive.evaluate = keep
    np.testing.assert_allclose(found, np.i0(1.0) + np.arange(1000.0) * 2.0, rtol=1e-15)


def test_other_threads_run_during_long_programs():
    program = wg.trace(lambda x: wg.while_loop(lambda c: c < 1.0, lambda c: c + 1e-9, x))(0.5)
    native = compile_program(program)
    assert native.is_long
    assert not compile_program(wg.trace(lambda x: x * 2.0)(1.0)).is_long
    ticks = []
    running = threading.Event()

    def tick():
        running.set()
        while running.is_set():
            ticks.append(1)
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    before = len(ticks)
    native(0.8)  # 2·10⁸ additions
    after = len(ticks)
    running.clear()
    thread.join()
    assert after - before > 5


def test_memory_does_not_grow_with_calls():
    entry = entry_of(lambda x: np.exp(x) + np.outer(x, x)[0], np.ones(40))
    x = np.arange(80.0)[::2]
    for _ in range(50):
        entry.call(x)
    gc.collect()
    tracemalloc.start()
    entry.call(x)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(3000):
        entry.call(x)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000


def test_programs_die_with_their_entry():
    program = wg.trace(lambda x: x + 1.0)(1.0)

    class Watched:
        def __call__(self, *args):
            return None

    import weakref

    fallback = Watched()
    entry = Entry(fallback)
    entry.add(compile_program(program), [Leaf(program.inputs[0].aval)], Output(0))
    assert entry.call(1.0) == 2.0
    alive = weakref.ref(fallback)
    fallback.entry = entry  # a cycle, as a compiled function and its dispatcher make one
    del entry, fallback
    gc.collect()
    assert alive() is None


def test_threads_share_an_entry():
    entry = entry_of(
        lambda x: np.linalg.det(x) + np.sum(np.exp(x * 2.0)), np.eye(20), releases=True
    )
    inputs = [np.eye(20) * (1 + i / 7) for i in range(4)]
    expected = [np.linalg.det(x) + np.sum(np.exp(x * 2.0)) for x in inputs]
    wrong = []

    def work(number):
        for _ in range(100):
            found = entry.call(inputs[number])
            if abs(found - expected[number]) > 1e-9 * abs(expected[number]):
                wrong.append((number, found))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ------------------------------------------------------------------ hard on memory


def test_long_chains_of_attributes():
    """Each attribute that is read is held until the call ends."""
    first = last = Holder()
    for _ in range(40):
        last.next = Holder()
        last = last.next
    last.value = 2.5
    source = Attribute(None, "value", Leaf(FLOAT))
    for _ in range(39):
        source = Attribute(None, "next", source)
    source = Attribute(first, "next", source)
    entry = entry_of(
        lambda x, y: x + y,
        1.0,
        1.0,
        arguments=[Leaf(FLOAT)],
        sources=[source],
    )
    assert entry.call(1.5) == 4.0
    last.value = 3.0
    assert entry.call(1.5) == 4.5


def test_remembered_arrays_that_change_their_shape():
    for change in (
        lambda array: array.resize(2, refcheck=False),
        lambda array: setattr(array, "shape", (2, 3)),
        lambda array: setattr(array, "dtype", np.int64),
    ):
        array = np.arange(6.0)
        entry = entry_of(
            lambda x: x * 2.0,
            1.0,
            arguments=[Leaf(FLOAT), Entries(array)],
        )
        assert entry.call(2.0, array) == 4.0
        change(array)
        with pytest.raises(Missed):
            entry.call(2.0, array)
    backwards = np.arange(6.0)[::-1]
    entry = entry_of(
        lambda x: x * 2.0,
        1.0,
        arguments=[Leaf(FLOAT), Entries(backwards)],
    )
    with pytest.raises(Missed):
        entry.call(2.0, backwards)


class Emptying:
    """Equal to its kind, but comparing empties a list."""

    def __init__(self, target):
        self.target = target

    def __eq__(self, other):
        self.target.clear()
        return True

    __hash__ = None


def test_lists_that_shrink_while_they_are_matched():
    items = []
    number = Leaf(FLOAT)
    arguments = [Items(list, [Equal(Emptying(items)), number, number])]
    entry = entry_of(lambda x, y: x + y, 1.0, 1.0, arguments=arguments)
    items += [Emptying(items), 1.5, 2.5]
    with pytest.raises(Missed):
        entry.call(items)
    assert items == []


def test_an_interrupt_in_an_attribute_is_not_lost():
    class Interrupted:
        error = KeyboardInterrupt

        @property
        def value(self):
            raise self.error

    holder = Interrupted()
    number = Leaf(FLOAT)
    entry = entry_of(
        lambda x: x * 2.0, 1.0, arguments=[], sources=[Attribute(holder, "value", number)]
    )
    with pytest.raises(KeyboardInterrupt):
        entry.call()
    Interrupted.error = AttributeError
    with pytest.raises(Missed):
        entry.call()


def test_very_many_leaves():
    values = [float(i) for i in range(3000)]
    for count in (3, 3000):
        program = wg.trace(lambda *xs: tuple(x * 2.0 for x in xs))(*values[:count])
        assert compile_program(program)(*values[:count]) == tuple(2.0 * x for x in values[:count])


def test_a_failed_guard_and_a_refusal_run_the_native_code_once():
    calls = []

    def noted(x):
        calls.append(x)
        return x

    def function(x, y):
        z = wg.pure_callback(noted, 0.0, x)
        return z / y

    native = compile_program(wg.trace(function)(1.0, 2.0))
    assert native(1.0, 2.0) == (0.5,)
    assert calls == [1.0]
    with pytest.raises(ZeroDivisionError):
        native(1.0, 0.0)  # the program, then the straight evaluator
    assert calls == [1.0, 1.0, 1.0]
    guarded = wg.trace(function)(1.0, 2.0)
    (quotient,) = guarded.outputs
    check = Equation(registry["guard"], [quotient], {"expected": 0.5, "position": 4}, [])
    native = compile_program(
        WengertList(guarded.inputs, [*guarded.equations, check], guarded.outputs)
    )
    calls.clear()
    assert native(1.0, 2.0) == (0.5,)
    with pytest.raises(wg.errors.GuardFailed, match="guard 4"):
        native(1.0, 4.0)
    assert calls == [1.0, 1.0]
