"""Signals that come while code is compiled: handled, lost never, and nothing left half done."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import wengert as wg
from wengert.backends.llvm import compile_program, engine
from wengert.interrupts import UninterruptedLock, uninterrupted

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def handlers():
    """Set handlers; what was there before comes back."""
    before = {}

    def handle(number, handler):
        found = signal.signal(number, handler)
        before.setdefault(number, found)

    yield handle
    for number, handler in before.items():
        signal.signal(number, handler)


def raiser(error):
    def handler(number, frame):
        assert frame is not None
        raise error

    return handler


def test_a_handler_runs_when_the_section_is_left(handlers):
    came = []
    handlers(signal.SIGUSR1, lambda number, frame: came.append(number))
    with uninterrupted:
        signal.raise_signal(signal.SIGUSR1)
        with uninterrupted:
            signal.raise_signal(signal.SIGUSR1)
        assert came == []
    assert came == [signal.SIGUSR1] * 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGALRM, signal.SIGTERM])
def test_what_a_handler_raises_comes_out_at_the_end(handlers, number):
    handler = raiser(TimeoutError)
    handlers(number, handler)
    steps = []

    def run():
        with uninterrupted:
            signal.raise_signal(number)
            steps.append("inside")
        steps.append("after")

    with pytest.raises(TimeoutError):
        run()
    assert steps == ["inside"]
    assert signal.getsignal(number) is handler


def test_every_signal_that_came_is_handled(handlers):
    came = []

    def noting(number, frame):
        came.append(number)
        raise TimeoutError

    handlers(signal.SIGALRM, noting)
    handlers(signal.SIGUSR2, noting)

    def run():
        with uninterrupted:
            signal.raise_signal(signal.SIGUSR2)
            signal.raise_signal(signal.SIGALRM)

    with pytest.raises(TimeoutError):
        run()
    assert came == [signal.SIGUSR2, signal.SIGALRM]


def test_an_error_inside_is_kept_as_the_context():
    def run():
        with uninterrupted:
            signal.raise_signal(signal.SIGINT)
            raise ValueError("inside")

    with pytest.raises(KeyboardInterrupt) as caught:
        run()
    assert isinstance(caught.value.__context__, ValueError)
    with pytest.raises(ValueError, match="inside"), uninterrupted:
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_no_python_function_is_left_alone(handlers):
    handlers(signal.SIGUSR1, signal.SIG_IGN)
    handlers(signal.SIGUSR2, signal.SIG_DFL)
    with uninterrupted:
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
        signal.raise_signal(signal.SIGUSR1)


def test_a_handler_that_was_set_inside_stays(handlers):
    came = []
    handlers(signal.SIGUSR1, lambda *_: came.append("before"))
    with uninterrupted:
        signal.signal(signal.SIGUSR1, lambda *_: came.append("inside"))
    signal.raise_signal(signal.SIGUSR1)
    assert came == ["inside"]


def test_a_handler_may_have_sections_and_compile(handlers):
    program = wg.trace(lambda x: np.sin(x) * x)(1.0)
    found = []
    handlers(signal.SIGUSR1, lambda *_: found.append(compile_program(program)(0.5)))
    with uninterrupted:
        signal.raise_signal(signal.SIGUSR1)
    assert found == [compile_program(program)(0.5)]
    with pytest.raises(KeyboardInterrupt), uninterrupted:
        signal.raise_signal(signal.SIGINT)


def test_a_handler_may_replace_itself(handlers):
    came = []

    def once(number, frame):
        signal.signal(number, signal.SIG_IGN)
        came.append(number)

    handlers(signal.SIGUSR1, once)
    with uninterrupted:
        signal.raise_signal(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
    assert came == [signal.SIGUSR1]


def test_whether_system_calls_go_on_is_kept(handlers):
    """`signal.siginterrupt(…, False)`: a read that a signal interrupts is begun again."""
    handlers(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    with uninterrupted:
        pass
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    ends = os.pipe()
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    writer = threading.Timer(0.15, lambda: os.write(ends[1], b"x"))
    writer.start()
    received = libc.read(ends[0], ctypes.create_string_buffer(1), 1)
    writer.join()
    for end in ends:
        os.close(end)
    assert received == 1


def test_other_threads_have_no_sections():
    entered = []

    def work():
        with uninterrupted:
            entered.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [signal.default_int_handler]


def test_who_waits_for_the_lock_is_interrupted():
    lock = UninterruptedLock()
    held, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), lock:
        pass
    assert time.monotonic() - start < 10
    assert not lock.is_held()
    done.set()
    thread.join()
    with lock:
        assert lock.is_held()


def test_coroutines_are_cancelled_after_the_section():
    steps = []

    async def main():
        with uninterrupted:
            signal.raise_signal(signal.SIGINT)
            steps.append("inside")
        await asyncio.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert steps == ["inside"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_by_another_thread_leaves_the_child_its_handlers():
    status = []

    def fork():
        child = os.fork()
        if child == 0:
            right = False
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                right = signal.getsignal(signal.SIGINT) is signal.default_int_handler
            os._exit(0 if right else 1)
        status.append(os.waitpid(child, 0)[1])

    with uninterrupted:
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
    assert status == [0]


def assert_sound(program):
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "WENGERT_CACHE_DIR": "off"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "sound"


_AT_EVERY_STEP = """
    import gc, signal, sys, threading
    import numpy as np
    import wengert as wg
    from wengert.backends.llvm import compile_program, engine

    programs = [
        (wg.trace(wg.grad(lambda x: np.sin(x) * x))(0.7), (0.7,)),
        (wg.trace(lambda x: np.sum(np.exp(x) * x))(np.arange(50.0)), (np.arange(50.0),)),
    ]
    results = [compile_program(program)(*values) for program, values in programs]
    places = ("llvmlite", "interrupts.py", "engine.py")
    left = 0

    def count(frame, event, argument):
        global left
        if not any(place in frame.f_code.co_filename for place in places):
            return None
        frame.f_trace_opcodes = True
        left -= 1
        if left == 0:
            signal.raise_signal(signal.SIGINT)
        return count

    def compile_all():
        return [compile_program(program)(*values) for program, values in programs]

    def interrupted_at(step):
        global left
        left = step
        sys.settrace(count)
        try:
            compile_all()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    dropped = []
    sys.unraisablehook = dropped.append
    assert not interrupted_at(10**9)
    steps = 10**9 - left - 500  # other runs may be some steps shorter
    chosen = range(1, steps, steps // 120)
    interrupted = sum(map(interrupted_at, chosen))
    assert interrupted == len(chosen), (interrupted, len(chosen))
    assert not dropped, dropped
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert compile_all() == results
    others = []
    thread = threading.Thread(target=lambda: others.append(compile_all()))
    thread.start()
    thread.join(60)
    assert others == [results]
    gc.collect()
    engine.free_dead()
    assert len(engine._mapped) == 1, len(engine._mapped)  # the entry, which all programs share
    print("sound")
"""


def test_an_interrupt_at_any_step_of_a_compile_leaves_things_sound():
    """In a process of its own: where it fails, LLVM frees an object twice."""
    assert_sound(_AT_EVERY_STEP)


_IN_OUR_CODE = """
    import dis, gc, os, signal, sys
    import numpy as np
    import wengert as wg
    from wengert.backends.llvm import engine
    from wengert.tracing.core import levels
    from wengert.tracing.creation import is_patched

    # Python calls handlers after these, and nowhere else.
    after = {dis.opmap[name] for name in ("CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD", "RESUME")}
    source = os.path.dirname(wg.__file__)
    x, large = np.linspace(0.1, 1.0, 7), np.linspace(0.1, 2.0, 6000)

    def program(x):
        y = np.zeros(7)
        y[:] = x
        y[2] = x[1] * x[3]
        return np.sum(np.exp(y) * y) + np.sum(large * x[0])

    compiled = []

    def compiled_three_times():
        if not compiled:
            compiled.append(wg.jit(wg.grad(program)))
        return [compiled[0](x) for _ in range(3)]

    runs = {
        "grad": (lambda: wg.grad(program)(x), 60),
        "vjp": (lambda: wg.vjp(program, x)[1](1.0), 30),
        "jvp": (lambda: wg.jvp(program, (x,), (x,)), 20),
        "vmap": (lambda: wg.vmap(np.sin)(x), 30),
        "hessian": (lambda: wg.hessian(program)(x), 10),
        "jit": (compiled_three_times, 8),
    }
    places = ("",)
    left, last = 0, {}

    def count(frame, event, argument):
        global left
        code = frame.f_code
        if not code.co_filename.startswith(source):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            before = last.get(frame)
            last[frame] = code.co_code[frame.f_lasti]
            if before in after and any(place in code.co_filename for place in places):
                left -= 1
                if left == 0:
                    signal.raise_signal(signal.SIGINT)
        elif event == "return":
            last.pop(frame, None)
        return count

    def interrupted_at(run, step):
        global left
        left = step
        last.clear()
        sys.settrace(count)
        try:
            run()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    dropped = []
    sys.unraisablehook = dropped.append
    for name, (run, most) in runs.items():
        expected = run()
        for places in (("",), ("creation.py", "protection.py", "arguments.py", "run.py")):
            compiled.clear()
            assert not interrupted_at(run, 10**9)
            steps = 10**9 - left
            for step in range(1, steps, max(1, steps // most)):
                compiled.clear()
                interrupted_at(run, step)
                found = (name, places, step)
                assert levels.depth == 0, found
                assert not levels.traces, found
                assert not is_patched(), found
                assert x.flags.writeable, found
                assert large.flags.writeable, found
                assert not engine.lock.is_held(), found
                assert np.allclose(run(), expected, rtol=1e-13), found
    assert not dropped, dropped
    print("sound")
"""


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="instructions of CPython 3.11")
def test_an_interrupt_at_any_step_of_a_transformation_leaves_things_sound():
    """Wherever Python may call a handler: no trace is live, NumPy's names are its own."""
    assert_sound(_IN_OUR_CODE)


def test_the_lock_is_free_after_errors():
    with pytest.raises(RuntimeError):
        engine.assemble("this is no module")
    assert not engine.lock.is_held()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
