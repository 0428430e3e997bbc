"""Native threads: the same bits for every number, and sound under forks, threads and interrupts."""

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
from kernels import test_fused_programs as fused
from kernels import test_reductions as reductions
from kernels import test_writes as writes
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.build import build
from wengert.backends.llvm.kernels import divide, nest
from wengert.backends.llvm.threads import PARALLEL

SIZE = 200_003
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def numbers(*shape, dtype=np.float64):
    return np.random.default_rng(7).uniform(0.25, 2.0, shape).astype(dtype)


def is_divided(function, *args):
    """Return whether a compiled function shares its work among threads."""
    return PARALLEL in build(wg.trace(function)(*args)).externals


def at_every_number(function, *args):
    """Run compiled code with 1 to 7 threads; return the result, which must not depend on it."""
    native = compile_program(wg.trace(function)(*args))
    found = []
    for count in (1, 2, 3, 7):
        with wg.config(num_threads=count):
            found.append([np.asarray(result).copy() for result in native(*args)])
    for other in found[1:]:
        for first, second in zip(found[0], other, strict=True):
            assert first.dtype == second.dtype
            assert first.tobytes() == second.tobytes()
    return found[0]


MATRIX = numbers(301, 997)
CASES = {
    "elementwise": (lambda x: np.exp(x) * np.sin(x), numbers(SIZE)),
    "neighbours": (lambda x: np.exp(x[1:]) * np.log(x[:-1]) ** 2, numbers(SIZE)),
    "broadcast": (lambda x: np.exp(x) + np.sin(x[:, :1]) * x[0], MATRIX),
    "transposed": (lambda x: np.exp(x.T) + x.T, MATRIX),
    "sum": (lambda x: np.sum(np.exp(x)), numbers(SIZE)),
    "sum of single precision": (lambda x: np.sum(np.exp(x)), numbers(SIZE, dtype=np.float32)),
    "sum of each row": (lambda x: np.sum(np.exp(x), axis=1), MATRIX),
    "sum of long rows": (lambda x: np.sum(np.exp(x), axis=1), numbers(3, 100_003)),
    "sum of each column": (lambda x: np.sum(np.exp(x), axis=0), MATRIX),
    "sum and mean of each column": (
        lambda x: np.sum(np.exp(x), axis=0) + np.mean(np.exp(x), axis=0) + np.max(x, axis=0),
        numbers(17, 9001),
    ),
    "values and columns": (lambda x: np.exp(x) - np.sum(np.exp(x), axis=0), MATRIX),
    "sum of a block": (lambda x: np.sum(np.exp(x), axis=(0, 2)), numbers(50, 30, 171)),
    "largest": (lambda x: np.max(np.exp(x), axis=1), MATRIX),
    "running sum": (lambda x: np.cumsum(np.exp(x), axis=1), MATRIX),
    "running down": (lambda x: np.cumsum(np.exp(x), axis=0), MATRIX),
    "gathered": (lambda x: np.exp(x[np.arange(SIZE)[::-1] // 2]), numbers(SIZE)),
    "complex": (lambda x: np.sum(np.exp(x * 1j)), numbers(SIZE)),
    "integers": (lambda x: x * x % 7 + x // 3, np.arange(SIZE)),
    "truths": (lambda x: np.all(np.exp(x) > 1.0), numbers(SIZE)),
    "gradient": (lambda x: np.sum(np.log(1 + x**2) / x), numbers(SIZE)),
}


@pytest.mark.parametrize("name", CASES)
def test_results_do_not_depend_on_the_number_of_threads(name):
    function, x = CASES[name]
    if name == "gradient":
        function = wg.grad(function)
    found = at_every_number(function, x)
    expected = np.asarray(function(x))
    tolerance = 2e-6 if expected.dtype == np.float32 else 2e-14
    np.testing.assert_allclose(found[0], expected, rtol=tolerance, atol=tolerance)


def test_which_loops_are_divided():
    assert is_divided(lambda x: np.exp(x) * np.sin(x), numbers(SIZE))
    assert is_divided(lambda x: np.sum(np.exp(x)), numbers(SIZE))
    assert is_divided(lambda x: np.sum(np.exp(x), axis=1), MATRIX)
    assert is_divided(lambda x: np.sum(np.exp(x), axis=0), MATRIX)
    assert not is_divided(lambda x: np.exp(x) * np.sin(x), numbers(2000))
    assert not is_divided(lambda x: np.cumsum(np.exp(x)), numbers(SIZE))


@pytest.fixture
def dividing(monkeypatch):
    """Divide every loop that can be, however short it is, among three threads."""
    for name, value in (("WORTHWHILE", -1.0), ("_FEWEST", 1), ("_WHOLE", 1), ("_TASK", 0.01)):
        monkeypatch.setattr(divide, name, value)
    monkeypatch.setattr(nest, "COLUMNS", 3)
    with wg.config(num_threads=3):
        yield


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_with_every_loop_divided(dividing, seed):
    fused.test_random_programs_are_numpys_to_the_bit(seed, np.float64)


@pytest.mark.parametrize("shape", reductions.SHAPES)
def test_reductions_with_every_loop_divided(dividing, shape):
    reductions.test_sums_over_any_axes(shape)


@pytest.mark.parametrize("name", writes.KEYS)
def test_writes_with_every_loop_divided(dividing, name):
    writes.test_every_kind_of_index_reads_writes_and_adds(name)


def test_writes_to_computed_places_stay_in_order():
    place = np.random.default_rng(1).integers(0, 50, SIZE)

    def last_writer_wins(x, place):
        found = np.zeros(50)
        found[place] = np.exp(x)
        return found

    x = numbers(SIZE)
    (found,) = at_every_number(last_writer_wins, x, place)
    np.testing.assert_allclose(found, last_writer_wins(x, place), rtol=1e-15)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_an_index_out_of_bounds_is_found_by_whoever_meets_it(count):
    function = wg.jit(lambda x, place: np.sin(np.exp(x[place])))
    x, place = numbers(100), np.arange(SIZE) % 100
    for _ in range(3):
        function(x, place)
    for wrong in (0, SIZE // 2, SIZE - 1):
        bad = place.copy()
        bad[wrong] = 100
        with wg.config(num_threads=count), pytest.raises(IndexError):
            function(x, bad)
    np.testing.assert_allclose(function(x, place), np.sin(np.exp(x[place])), atol=1e-14)


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="counts threads in /proc")
def test_threads_are_native_and_kept():
    native = compile_program(wg.trace(lambda x: np.exp(x) * np.sin(x))(numbers(SIZE)))
    x = numbers(SIZE)
    with wg.config(num_threads=3):
        native(x)
        before = len(os.listdir("/proc/self/task"))
        assert before >= 3
        python = threading.active_count()
        for _ in range(50):
            native(x)
        assert len(os.listdir("/proc/self/task")) == before
        assert threading.active_count() == python


def test_threads_of_the_user_run_one_program_at_once():
    native = compile_program(wg.trace(lambda x: np.exp(x) * np.sin(x))(numbers(SIZE)))
    wrong = []

    def work(number):
        x = numbers(SIZE) + number
        expected = native(x)[0].tobytes()
        wrong.extend(1 for _ in range(20) if native(x)[0].tobytes() != expected)

    with wg.config(num_threads=3):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def ended_well(child, seconds=60):
    """Return whether a child ends with status 0 in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("busy", [False, True])
def test_a_forked_process_has_threads_of_its_own(busy):
    native = compile_program(wg.trace(lambda x: np.exp(x) * np.sin(x))(numbers(SIZE)))
    x = numbers(SIZE)
    stop = threading.Event()

    def keep_busy():
        while not stop.is_set():
            native(x)

    with wg.config(num_threads=3):
        expected = native(x)[0].tobytes()
        other = threading.Thread(target=keep_busy)
        if busy:
            other.start()
        try:
            for _ in range(5):
                child = os.fork()
                if child == 0:
                    same = all(native(x)[0].tobytes() == expected for _ in range(5))
                    os._exit(0 if same else 1)
                assert ended_well(child)
        finally:
            stop.set()
            if busy:
                other.join()
        assert native(x)[0].tobytes() == expected


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_interrupts_leave_the_pool_sound():
    native = compile_program(wg.trace(lambda x: np.exp(x) * np.sin(x))(numbers(SIZE)))
    x = numbers(SIZE)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        with wg.config(num_threads=3):
            expected = native(x)[0].tobytes()
            for number in range(10):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.0007 * number)
                    for _ in range(10_000):
                        native(x)
                except KeyboardInterrupt:
                    interrupted += 1
                assert native(x)[0].tobytes() == expected
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted == 10


@pytest.mark.parametrize("daemon", [False, True])
def test_the_interpreter_ends_cleanly(daemon):
    code = f"""
    import threading, numpy as np, wengert as wg
    x = np.linspace(0.1, 2.0, {SIZE})
    wg.config.num_threads = 3
    f = wg.jit(lambda x: np.exp(x) * np.sin(x))
    for _ in range(4):
        f(x)
    if {daemon}:
        def work():
            while True:
                f(x)
        threading.Thread(target=work, daemon=True).start()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads Linux's /proc")
def test_calls_keep_no_memory():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    native = compile_program(wg.trace(lambda x: np.sum(np.exp(x) * np.sin(x)))(numbers(SIZE)))
    x = numbers(SIZE)
    with wg.config(num_threads=3):
        for _ in range(50):
            native(x)
        before = resident()
        for _ in range(500):
            native(x)
    assert resident() - before < 2**20


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2", None])
def test_numbers_that_are_none(wrong):
    before = wg.config.num_threads
    with pytest.raises(wg.errors.ArgumentError, match="num_threads"):
        wg.config.num_threads = wrong
    assert wg.config.num_threads == before


def test_the_number_comes_from_the_processors_or_the_environment():
    code = "import wengert as wg; print(wg.config.num_threads)"
    environment = {**os.environ, "WENGERT_NUM_THREADS": ""}
    usual = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert 1 <= int(usual.stdout) <= (os.cpu_count() or 1)
    environment["WENGERT_NUM_THREADS"] = "5"
    chosen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert chosen.stdout == "5\n"
