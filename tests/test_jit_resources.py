"""What compiled functions hold and reuse: background compilation, donated memory, bounds."""

import contextlib
import gc
import signal
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest

import wengert as wg
from running import traces
from wengert import background
from wengert.compile import Executable


def path_of(jitted):
    (known,) = jitted.known.values()
    return known.paths[0]


# ------------------------------------------------------------------ background


def descent(x):
    for _ in range(20):
        x = x - 0.1 * (x - 1.0) * x
    return x


def test_the_first_calls_run_while_another_thread_compiles():
    compiled = wg.jit(descent, compile="background")
    found = [compiled(0.3) for _ in range(5)]
    background.wait()
    found += [compiled(0.3) for _ in range(5)]
    assert set(found) == {descent(0.3)}
    assert path_of(compiled).executable.native is not None
    assert path_of(compiled).is_offered


def test_nothing_is_compiled_by_the_caller(monkeypatch):
    threads = []
    plain = Executable.compile

    def noting(self):
        threads.append(threading.current_thread())
        plain(self)

    monkeypatch.setattr(Executable, "compile", noting)
    compiled = wg.jit(descent, compile="background")
    for _ in range(3):
        compiled(0.3)
    background.wait()
    compiled(0.3)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_errors_of_the_other_thread_reach_a_caller_once(monkeypatch):
    def broken(self):
        raise RuntimeError("no code today")

    compiled = wg.jit(descent, compile="background")
    with monkeypatch.context() as patch:
        patch.setattr(Executable, "compile", broken)
        compiled(0.3)
        background.wait()
    with pytest.raises(RuntimeError, match="no code today"):
        compiled(0.3)
    assert [compiled(0.3) for _ in range(3)] == [descent(0.3)] * 3


def test_paths_found_later_compile_in_the_background_too():
    def branching(x):
        return x * 2 if x > 0 else -x

    compiled = wg.jit(branching, compile="background")
    for _ in range(2):
        assert [compiled(x) for x in (1.0, -1.0, 2.0, -3.0)] == [2.0, 1.0, 4.0, 3.0]
        background.wait()


def test_many_threads_share_a_function_that_is_being_compiled():
    compiled = wg.jit(descent, compile="background")
    points = np.linspace(0.1, 0.9, 40)
    results = [None] * 8

    def work(number):
        results[number] = [compiled(float(x)) for x in points]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    background.wait()
    expected = [descent(float(x)) for x in points]
    assert all(result == expected for result in results)


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "import os; os._exit(4)"])
def test_the_interpreter_ends_cleanly_while_there_is_work(ending):
    script = textwrap.dedent(
        """
        import numpy as np, wengert as wg
        wg.config.cache_dir = "off"
        def made(k):
            def f(x):
                for _ in range(30):
                    x = np.sin(x) + k * x[::-1] + float(k)
                return np.sum(x)
            return wg.jit(wg.grad(f), compile="background")
        for k in range(8):
            made(k)(np.arange(50.0))
        print("done", flush=True)
        """
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script + ending],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "done\n"
    assert done.stderr == ""
    assert done.returncode == {"": 0, "r": 3, "i": 4}[ending[:1]]


def test_a_forked_child_goes_on():
    script = textwrap.dedent(
        """
        import os, warnings, wengert as wg
        warnings.simplefilter("ignore", DeprecationWarning)
        from wengert import background
        def f(x):
            for _ in range(200):
                x = 0.5 * x * (1.5 - x)
            return x
        first = wg.jit(f, compile="background")
        first(0.3)
        child = os.fork()
        if not child:
            second = wg.jit(lambda x: f(x) + 1.0, compile="background")
            second(0.3)
            background.wait()
            ok = second(0.3) == f(0.3) + 1.0 and first(0.3) == f(0.3)
            os._exit(0 if ok else 1)
        _, status = os.waitpid(child, 0)
        background.wait()
        print(status, first(0.3) == f(0.3))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "0 True\n", done.stderr


# ------------------------------------------------------------------ donated memory


def step(params, gradient, rate):
    return params - rate * gradient


def test_a_result_is_made_in_donated_memory():
    compiled = wg.jit(step, donate_argnums=0)
    gradient = np.linspace(0.0, 1.0, 1000)
    params = np.ones(1000)
    plain = params.copy()
    for number in range(6):
        given, address = params, params.ctypes.data
        params = compiled(params, gradient, 0.1)
        plain = step(plain, gradient, 0.1)
        np.testing.assert_array_equal(params, plain)
        if number >= 2:  # machine code by now
            assert params.ctypes.data == address
            assert params is given


def test_other_arguments_keep_their_entries():
    compiled = wg.jit(step, donate_argnums=0, compile="now")
    gradient, rate = np.arange(5.0), np.full(5, 0.5)
    for _ in range(3):
        compiled(np.ones(5), gradient, rate)
    np.testing.assert_array_equal(gradient, np.arange(5.0))
    np.testing.assert_array_equal(rate, np.full(5, 0.5))


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.ones((4, 6))[:, ::2],
        lambda: np.ones((4, 6)).T[:3].T,
        lambda: np.asfortranarray(np.ones((4, 3))),
        lambda: np.broadcast_to(np.ones(3), (4, 3)),
        lambda: np.ones((5, 3))[1:],
    ],
)
def test_views_and_other_layouts_are_left_alone(make):
    compiled = wg.jit(step, donate_argnums=0, compile="now")
    gradient = np.arange(12.0).reshape(4, 3)
    for _ in range(3):
        params = make()
        found = compiled(params, gradient, 0.5)
        np.testing.assert_array_equal(params, np.ones((4, 3)))
        np.testing.assert_array_equal(found, 1.0 - 0.5 * gradient)


def test_a_read_only_array_is_left_alone():
    compiled = wg.jit(step, donate_argnums=0, compile="now")
    for _ in range(3):
        params = np.ones(7)
        params.flags.writeable = False
        np.testing.assert_array_equal(compiled(params, np.ones(7), 0.5), np.full(7, 0.5))
        np.testing.assert_array_equal(params, np.ones(7))


def test_one_array_given_twice_is_not_overwritten():
    compiled = wg.jit(lambda x, y: (x * 2.0, np.roll(y, 1)), donate_argnums=0, compile="now")
    for _ in range(3):
        array = np.arange(6.0)
        doubled, rolled = compiled(array, array)
        np.testing.assert_array_equal(doubled, 2.0 * np.arange(6.0))
        np.testing.assert_array_equal(rolled, np.roll(np.arange(6.0), 1))


def test_what_is_read_after_a_result_is_made_is_not_overwritten():
    def reversed_sum(x, y):
        first = x + y
        return first, np.cumsum(x[::-1]) * first

    compiled = wg.jit(reversed_sum, donate_argnums=(0, 1), compile="now")
    for _ in range(3):
        x, y = np.arange(6.0), np.ones(6)
        expected = reversed_sum(x, y)
        for a, b in zip(compiled(x.copy(), y.copy()), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_several_results_of_one_kernel_do_not_overwrite_each_others_operands():
    def mixed(x, y, z):
        return y * 0.5, z + x, x * y, x - 1.0

    compiled = wg.jit(mixed, donate_argnums=(0, 1, 2), compile="now")
    for size in (1, 33, 1000):
        for _ in range(3):
            x, y, z = np.arange(size) + 1.0, np.linspace(0.0, 1.0, size), np.full(size, 3.0)
            expected = mixed(x, y, z)
            for a, b in zip(compiled(x.copy(), y.copy(), z.copy()), expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_loops_that_carry_arrays_crosswise():
    def crossed(a, b, c, d):
        def body(state, x):
            a, b, c, d = state
            scaled = a * 0.9 * 0.9
            new = d + 0.25
            return (new, b + a * 0.5 + new, scaled * x, c + scaled * (1 - x)), None

        return wg.scan(body, (a, b, c, d), np.linspace(0.0, 1.0, 5))[0]

    arrays = [np.linspace(0.0, k, 33) for k in (1.0, 2.0, 3.0, 4.0)]
    compiled = wg.jit(crossed, compile="now")
    for _ in range(3):
        for a, b in zip(compiled(*arrays), crossed(*arrays), strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_argument_that_is_returned_keeps_its_entries():
    compiled = wg.jit(lambda x: (x, x + 1.0), donate_argnums=0, compile="now")
    for _ in range(3):
        x = np.arange(4.0)
        same, more = compiled(x)
        np.testing.assert_array_equal(same, np.arange(4.0))
        np.testing.assert_array_equal(more, np.arange(4.0) + 1.0)


def test_a_guard_that_fails_finds_the_arguments_as_they_were():
    def guarded(x):
        doubled = x * 2.0
        if doubled[0] + x[-1] > 10.0:
            return doubled - 1.0
        return doubled

    compiled = wg.jit(guarded, donate_argnums=0, compile="now")
    for last in (1.0, 20.0, 2.0, 30.0, 3.0):
        x = np.array([1.0, 2.0, last])
        np.testing.assert_array_equal(compiled(x.copy()), guarded(x))


def test_integers_that_python_takes_over_find_the_arguments_as_they_were():
    def mixed(x, n):
        return x * 2.0, n * n

    compiled = wg.jit(mixed, donate_argnums=0, compile="now")
    for n in (3, 10**12, 4, 10**15):
        found, square = compiled(np.arange(4.0), n)
        np.testing.assert_array_equal(found, 2.0 * np.arange(4.0))
        assert square == n * n


def test_trees_and_keywords_and_negative_numbers():
    def update(rate, params):
        return {name: value - rate for name, value in params.items()}

    compiled = wg.jit(update, donate_argnums=-1, compile="now")
    for _ in range(3):
        params = {"a": np.ones(100), "b": np.zeros(50)}
        owned = {name: value.ctypes.data for name, value in params.items()}
        found = compiled(0.5, params)
        np.testing.assert_array_equal(found["a"], np.full(100, 0.5))
        np.testing.assert_array_equal(found["b"], np.full(50, -0.5))
    assert {name: value.ctypes.data for name, value in found.items()} == owned
    kept = {"a": np.ones(100), "b": np.zeros(50)}
    compiled(0.5, params=kept)
    np.testing.assert_array_equal(kept["a"], np.ones(100))


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.complex128, np.bool_])
def test_dtypes(dtype):
    compiled = wg.jit(lambda x, y: x ^ y if dtype is np.bool_ else x * y, donate_argnums=0)
    x, y = np.ones(33, dtype), np.arange(33).astype(dtype)
    expected = x ^ y if dtype is np.bool_ else x * y
    for _ in range(4):
        found = compiled(x.copy(), y)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


# ------------------------------------------------------------------ bounds


def test_the_program_used_least_recently_goes(monkeypatch):
    monkeypatch.setattr(wg.config, "max_specialisations", 3)
    compiled = wg.jit(lambda x: np.sum(x * x))
    for size in range(1, 8):
        for _ in range(2):
            assert compiled(np.ones(size)) == size
    assert len(compiled.known) == 3
    assert len(compiled._offers) <= 3
    assert sorted(known.signature for known in compiled.known.values()) == [
        f"(float64[{size}])" for size in (5, 6, 7)
    ]
    assert compiled(np.ones(1)) == 1.0


def test_functions_given_as_arguments_are_let_go_of(monkeypatch):
    monkeypatch.setattr(wg.config, "max_specialisations", 4)
    compiled = wg.jit(lambda f, x: f(x) * 2.0)
    references = []
    for k in range(12):

        def inner(x, k=k):
            return x + float(k)

        assert compiled(inner, 1.0) == 2.0 * (1.0 + k)
        references.append(weakref.ref(inner))
    del inner
    gc.collect()
    assert sum(reference() is not None for reference in references) <= 5
    assert len(compiled.captures) <= 5


def test_a_setting_that_changes_back_and_forth_records_each_value_once():
    name = "double"

    def fun(x):
        return x * 2.0 if name == "double" else x * x

    compiled = wg.jit(fun)
    for _ in range(10):
        for name, expected in (("double", 6.0), ("square", 9.0)):  # noqa: B007
            assert compiled(3.0) == expected
    assert traces(compiled) == 2


def test_settings_that_never_come_again_do_not_pile_up():
    name = ""
    compiled = wg.jit(lambda x: x * float(len(name)))
    for count in range(60):
        name = "x" * count
        assert compiled(3.0) == 3.0 * count
    assert len(compiled.known) <= 8
    assert len(compiled.causes) <= 100


def test_compiled_closures_are_freed():
    references = []
    for k in range(5):

        def fun(x, k=float(k)):
            for _ in range(3):
                x = x * k + 1.0
            return x

        compiled = wg.jit(wg.grad(fun))
        for _ in range(3):
            compiled(0.5)
        references.append(weakref.ref(compiled))
        references.append(weakref.ref(fun))
    del fun, compiled
    gc.collect()
    assert not any(reference() is not None for reference in references)


@pytest.mark.usefixtures("nobody_hears_of_collections")
def test_interrupts_leave_things_sound():
    choices = np.random.default_rng(0).integers(3, size=1500).tolist()

    def wandering(x):
        for choice in choices:
            x = (x * 1.001, x - 0.25 * x, 1.0 - x * 0.5)[choice]
        return x

    def interrupt(*_):
        raise KeyboardInterrupt

    expected = wg.grad(wandering)(0.3)
    wg.jit(wg.grad(wandering), compile="now")(0.3)  # imports and starts all there is
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for delay in (0.003, 0.01, 0.02, 0.04, 0.06, 0.09):
            compiled = wg.jit(wg.grad(wandering), compile="now")
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, delay)
                compiled(0.3)
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert [compiled(0.3) for _ in range(2)] == [expected] * 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
