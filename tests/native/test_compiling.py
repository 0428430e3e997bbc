"""Compiling: long programs, many programs, interrupts, forks and threads."""

import gc
import os
import signal
import threading
import time

import numpy as np
import pytest

import wengert as wg
from wengert.backends.llvm import compile_program, engine
from wengert.backends.llvm.build import PART, build
from wengert.ir.aval import Aval
from wengert.ir.equation import Equation, Literal, Variable
from wengert.ir.primitive import registry
from wengert.ir.wengert_list import WengertList


def chain(count):
    """Return x, 0.5 x + 0.25, 0.5 (0.5 x + 0.25) + 0.25, …; the first and the last are outputs."""
    aval = Aval((), np.float64, "python")
    value = start = Variable(aval)
    equations = []
    for number in range(count):
        name, constant = ("multiply", 0.5) if number % 2 == 0 else ("add", 0.25)
        result = Variable(aval)
        equations.append(
            Equation(registry[name], [value, Literal(constant)], {}, [result]),
        )
        value = result
    first = equations[0].outputs[0]
    total = Variable(aval)
    equations.append(Equation(registry["add"], [first, value], {}, [total]))
    return WengertList([start], equations, [first, value, total])


@pytest.mark.parametrize("count", [1, PART - 1, PART, PART + 1, 3 * PART + 7])
def test_programs_of_several_parts(count):
    program = chain(count)
    native = compile_program(program)
    assert native(0.7) == program.evaluate(0.7)
    assert len(build(program).modules) == (1 if count < PART else -(-(count + 1) // PART) + 1)


def test_parts_that_decline_fail_guards_and_call_back():
    aval = Aval((), np.float64, "python")
    program = chain(2 * PART)
    x, last = program.inputs[0], program.outputs[1]
    quotient, solved = Variable(aval), Variable(Aval((), np.float64, "scalar"))
    flag = Variable(Aval((), np.bool_, "python"))
    equations = [
        *program.equations,
        Equation(registry["divide"], [last, x], {}, [quotient]),
        Equation(registry["less"], [x, Literal(5.0)], {}, [flag]),
        Equation(registry["guard"], [flag], {"expected": True, "position": 3}, []),
        Equation(registry["i0"], [x], {}, [solved]),
    ]
    program = WengertList([x], equations, [quotient, solved])
    native = compile_program(program)
    assert native.called_back == ("i0",)
    assert native(0.7) == program.evaluate(0.7)
    with pytest.raises(ZeroDivisionError):
        native(0.0)
    with pytest.raises(wg.errors.GuardFailed, match="guard 3"):
        native(6.0)


def test_time_grows_with_the_program():
    def seconds(count):
        program = chain(count)
        start = time.process_time()
        compile_program(program)
        return time.process_time() - start

    seconds(2000)
    assert seconds(40_000) < 30 * min(seconds(4000) for _ in range(2))


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads Linux's /proc")
def test_memory_does_not_grow_with_compilations():
    def compile_closures(count):
        for number in range(count):
            program = wg.trace(lambda x, k=number: (x + k % 7) * np.exp(x))(1.0)
            assert compile_program(program)(0.0) == (float(number % 7),)
        gc.collect()
        engine.free_dead()
        return resident()

    sizes = [compile_closures(count) for count in (300, 200, 200, 200, 200)]
    growth = np.median(np.diff(sizes))  # the heap itself grows now and then, by megabytes
    assert growth / 200 < 4000  # a page of code alone has 4096 bytes
    assert engine.waiting() == 0


def test_code_in_garbage_is_unmapped_under_the_lock_only(monkeypatch):
    from llvmlite.binding.orcjit import ResourceTracker

    under_lock = []
    dispose = ResourceTracker._dispose

    def noting(self):
        under_lock.append(engine.lock.is_held())
        dispose(self)

    gc.collect()
    engine.free_dead()
    monkeypatch.setattr(ResourceTracker, "_dispose", noting)
    for number in range(5):  # a compiled function and its entry refer to each other
        compiled = wg.jit(lambda x, k=float(number): x * k + 1.0, compile="now")
        assert [compiled(2.0) for _ in range(2)] == [2.0 * number + 1.0] * 2
    del compiled
    gc.collect()
    assert under_lock == [] or all(under_lock)
    engine.free_dead()
    assert len(under_lock) >= 5
    assert all(under_lock)


@pytest.mark.usefixtures("nobody_hears_of_collections")
def test_interrupts_leave_things_sound():
    def interrupt(*_):
        raise KeyboardInterrupt

    program = chain(3000)
    compile_program(program)
    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        for number in range(12):
            signal.setitimer(signal.ITIMER_REAL, 0.002 + 0.006 * number)
            try:
                native = compile_program(program)
                signal.setitimer(signal.ITIMER_REAL, 0.0)
                assert native(0.7) == program.evaluate(0.7)
            except KeyboardInterrupt:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted
    other = []
    thread = threading.Thread(target=lambda: other.append(compile_program(program)(0.7)))
    thread.start()  # takes the lock, if it is free
    thread.join(30)
    assert other == [program.evaluate(0.7)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_during_a_compilation():
    program = chain(20_000)
    small = wg.trace(lambda x: x * 2.0 + np.exp(x))(1.0)
    thread = threading.Thread(target=lambda: compile_program(program))
    thread.start()
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        done = compile_program(small)(0.0) == (1.0,)
        os._exit(0 if done else 1)
    deadline = time.monotonic() + 60
    status = None
    while status is None and time.monotonic() < deadline:
        found, code = os.waitpid(child, os.WNOHANG)
        status = code if found else None
        time.sleep(0.01)
    thread.join()
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert status == 0


def test_threads_compile_beside_each_other():
    programs = [wg.trace(lambda x, k=k: np.sin(x) * k + x)(1.0) for k in range(24)]
    found = {}

    def work(numbers):
        for number in numbers:
            found[number] = compile_program(programs[number])(0.5)[0]

    threads = [threading.Thread(target=work, args=(range(i, 24, 4),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(24):
        assert abs(found[number] - (np.sin(0.5) * number + 0.5)) < 1e-14
