"""jit means what the function means: paths, writes, aliasing, errors, threads."""

import threading
import timeit
import warnings

import numpy as np
import pytest

import wengert as wg
from running import traces, uncompiled
from wengert.tracing.core import depth
from wengert.tracing.creation import is_patched


@pytest.fixture(params=[False, True], ids=["evaluated", "native"], autouse=True)
def _executors(request):
    with wg.config(verify=True, native=request.param):
        yield
    assert depth() == 0
    assert not is_patched()


# ------------------------------------------------------------------ kinds and keys


@pytest.mark.parametrize(
    "value",
    [1.5, np.float64(1.5), np.float32(1.5), np.array(1.5), np.array([1.5]), 2, np.int64(2), 1 + 2j],
    ids=repr,
)
def test_kinds_and_dtypes_are_those_of_the_function(value):
    def fun(x):
        return x * 2, x + 1.0, np.sin(x), x

    compiled = wg.jit(fun)
    for _ in range(3):
        for mine, other in zip(compiled(value), fun(value), strict=True):
            assert type(mine) is type(other)
            assert getattr(mine, "dtype", None) == getattr(other, "dtype", None)
            np.testing.assert_array_equal(mine, other)
    assert traces(compiled) == 1


def test_one_recording_a_signature():
    compiled = wg.jit(lambda x: x * 2.0)
    for value in (1.0, 2.0, np.float64(1.0), np.ones(3), np.ones(3), np.ones(4), np.ones((3, 1))):
        np.testing.assert_array_equal(compiled(value), value * 2.0)
    assert traces(compiled) == 5


def test_static_arguments_are_constants():
    calls = []

    def fun(x, n, *, mode="up"):
        calls.append((n, mode))
        assert type(n) is int
        return sum(x**k for k in range(n)) * (1 if mode == "up" else -1)

    for compiled in (
        wg.jit(fun, static_argnums=1, static_argnames="mode"),
        wg.jit(fun, static_argnames=("n", "mode")),
    ):
        calls.clear()
        assert compiled(2.0, 3) == 7.0
        assert compiled(3.0, 3) == 13.0
        assert compiled(2.0, n=3, mode="down") == -7.0
        assert compiled(2.0, 4) == 15.0
        assert calls == [(3, "up"), (3, "down"), (4, "up")]


def test_trees_and_keywords():
    def fun(params, *, scale):
        return {"sum": params["a"] + params["b"][0], "scaled": (params["b"][1] * scale, None)}

    compiled = wg.jit(fun)
    for x in (1.0, 2.0):
        params = {"a": x, "b": [x + 1, np.arange(3.0)]}
        found, expected = compiled(params, scale=x), fun(params, scale=x)
        assert found["sum"] == expected["sum"]
        np.testing.assert_array_equal(found["scaled"][0], expected["scaled"][0])
        assert found["scaled"][1] is None
    assert traces(compiled) == 1


def test_name_signature_and_method():
    class Model:
        def __init__(self, weight):
            self.weight = weight

        @wg.jit
        def predict(self, x):
            """Predict."""
            return self.weight * x

    assert Model.predict.__name__ == "predict"
    assert Model.predict.__doc__ == "Predict."
    first, second = Model(2.0), Model(3.0)
    assert [first.predict(2.0), second.predict(2.0), first.predict(3.0)] == [4.0, 6.0, 6.0]


# ------------------------------------------------------------------ values that are asked for


def test_branches_make_paths():
    def fun(x):
        if x > 2:
            return x * 2
        if x > 1:
            return x * 3
        return -x

    compiled = wg.jit(fun)
    for x in (0.5, 1.5, 2.5, 0.6, 1.6, 2.6, 1.0, 2.0, np.nan):
        np.testing.assert_equal(compiled(x), fun(x))
    assert traces(compiled) == 3


def test_truth_of_numbers_guards_the_truth_only():
    compiled = wg.jit(lambda x: 1.0 if x else 2.0)
    assert [compiled(x) for x in (0.0, 1.0, 3.0, -0.0, np.nan)] == [2.0, 1.0, 1.0, 2.0, 1.0]
    assert traces(compiled) == 2


def test_positions_computed_from_values():
    def fun(x, i):
        return x[i] * x[int(abs(x[0]))] + np.sum(x[: i + 1])

    compiled = wg.jit(fun)
    x = np.arange(1.0, 6.0)
    for i in (1, 2, 1, 2, -1):
        assert compiled(x, i) == fun(x, i)
    assert traces(compiled) == 3  # the slice bound is guarded, the index is not
    with pytest.raises(IndexError):
        compiled(x, 7)
    assert compiled(x, 2) == fun(x, 2)


def test_counts_from_arguments():
    def fun(x, n):
        for k in range(n):
            x = np.sin(x) + k
        return x

    compiled = wg.jit(fun)
    for n in (3, 2, 3, 0):
        assert compiled(0.5, n) == fun(0.5, n)
    assert traces(compiled) == 3


def test_float_of_a_value_is_guarded_by_it():
    import math

    def fun(x):
        return math.sin(x) + x

    compiled = wg.jit(fun)
    assert [compiled(x) for x in (1.0, 2.0, 1.0)] == [fun(x) for x in (1.0, 2.0, 1.0)]


def test_too_many_paths_run_uncompiled_with_one_warning():
    def fun(x):
        return x + int(x)

    compiled = wg.jit(fun)
    with wg.config(max_paths=4), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = [compiled(float(k)) for k in range(10)]
    assert found == [2.0 * k for k in range(10)]
    assert [entry.category for entry in caught] == [wg.errors.PathLimitWarning]
    message = str(caught[0].message)
    assert "while_loop" in message
    assert f"{__file__}:{fun.__code__.co_firstlineno + 1}" in message
    assert caught[0].filename == __file__
    assert traces(compiled) == 5


def test_while_by_data():
    def newton(x):
        y = x
        while abs(y * y - x) > 1e-12 * x:
            y = 0.5 * (y + x / y)
        return y

    compiled = wg.jit(newton)
    points = np.linspace(0.1, 9.0, 30)
    for x in points:
        assert compiled(float(x)) == newton(float(x))


# ------------------------------------------------------------------ random numbers


def test_functions_that_draw_are_not_compiled():
    generator = np.random.default_rng(0)
    other = np.random.default_rng(0)
    compiled = wg.jit(lambda x: x + generator.normal())
    assert [compiled(1.0) for _ in range(3)] == [1.0 + other.normal() for _ in range(3)]
    assert "advanced" in compiled.explain()
    assert "advanced" in uncompiled(compiled)[0]


# ------------------------------------------------------------------ writes and aliasing


def test_written_arguments_are_written_at_the_end():
    def fun(x, i, y):
        x[i] = y
        x *= 2
        return np.sum(x)

    compiled = wg.jit(fun)
    for i in (0, 1, 0, 2):
        mine, theirs = np.arange(3.0), np.arange(3.0)
        assert compiled(mine, i, 5.0) == fun(theirs, i, 5.0)
        np.testing.assert_array_equal(mine, theirs)


def test_views_of_arguments_are_written():
    base = np.arange(12.0).reshape(3, 4)

    def fun(x):
        x[:, 0] = 7.0

    compiled = wg.jit(fun)
    for _ in range(2):
        array = base.copy()
        compiled(array[::2, ::-1])
        expected = base.copy()
        expected[::2, ::-1][:, 0] = 7.0
        np.testing.assert_array_equal(array, expected)


def test_overlapping_arguments_have_their_own_semantics():
    def fun(x, y):
        x[:] = y + 1
        return x + y

    compiled = wg.jit(fun)
    compiled(np.zeros(3), np.ones(3))
    for _ in range(2):
        mine, theirs = np.arange(4.0), np.arange(4.0)
        found, expected = compiled(mine[1:], mine[:-1]), fun(theirs[1:], theirs[:-1])
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(mine, theirs)


def test_results_alias_arguments_where_the_functions_would():
    def fun(x):
        y = x * 2
        return x, x[1:], x.copy(), y, y[0, :], x.T, (x + 0)[1:], np.ones(2)

    compiled = wg.jit(fun)
    for _ in range(2):
        x = np.ones((3, 3))
        found = compiled(x)
        assert found[0] is x
        for k in (1, 5):
            assert np.shares_memory(found[k], x)
        for k in (2, 3, 6, 7):
            assert not np.shares_memory(found[k], x)
        assert np.shares_memory(found[3], found[4])
        for entry in found[2:]:
            entry[...] = 9.0  # nothing that the program holds is given out
    np.testing.assert_array_equal(compiled(np.ones((3, 3)))[7], np.ones(2))


def test_read_only_arguments_raise_as_ever():
    def fun(x):
        x[0] = 1.0

    compiled = wg.jit(fun)
    for _ in range(2):
        x = np.zeros(2)
        compiled(x)
        x[0] = 0.0
        x.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            compiled(x)
        np.testing.assert_array_equal(x, 0.0)


# ------------------------------------------------------------------ errors


def test_errors_are_the_functions_own():
    def fun(x):
        x[0] = 5.0
        if x[1] < 0:
            raise ValueError(f"negative: {x[1]}")
        return x * 2

    compiled = wg.jit(fun)
    for _ in range(2):
        x = np.array([1.0, -2.0])
        with pytest.raises(ValueError, match=r"negative: -2\.0"):
            compiled(x)
        assert x[0] == 5.0
        np.testing.assert_array_equal(compiled(np.array([1.0, 2.0])), [10.0, 4.0])
    assert traces(compiled) == 3


def test_errors_of_numpy_come_from_their_line_and_can_be_handled():
    def fun(matrix):
        try:
            return np.linalg.cholesky(matrix)[0, 0]
        except np.linalg.LinAlgError:
            return -1.0

    compiled = wg.jit(fun)
    good, bad = np.eye(2), -np.eye(2)
    assert [compiled(m) for m in (good, bad, good, bad)] == [1.0, -1.0, 1.0, -1.0]
    strict = wg.jit(lambda m: np.linalg.cholesky(m)[0, 0])
    for _ in range(2):
        assert strict(good) == 1.0
        with pytest.raises(np.linalg.LinAlgError):
            strict(bad)


def test_warnings_that_raise_are_raised():
    compiled = wg.jit(lambda x: np.log(x))
    with np.errstate(all="ignore"):
        assert compiled(0.0) == -np.inf
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        compiled(0.0)


def test_interrupts_leave_nothing_behind():
    stop = True

    def fun(x):
        y = x * 2
        if stop:
            raise KeyboardInterrupt
        return y

    compiled = wg.jit(fun)
    with pytest.raises(KeyboardInterrupt):
        compiled(1.0)
    assert depth() == 0
    assert not is_patched()
    stop = False
    assert compiled(1.0) == 2.0


def test_wrong_use_is_refused():
    with pytest.raises(wg.errors.ArgumentError, match=r"jit\(f\)\(x\)"):
        wg.jit(3.0)
    with pytest.raises(wg.errors.ArgumentError, match="compile"):
        wg.jit(np.sin, compile="later")
    with pytest.raises(wg.errors.ArgumentError, match="static_argnums"):
        wg.jit(lambda x: x, static_argnums=("x",))


def test_printing_shows_values(capsys):
    def fun(x):
        print(f"x is {x:.2f}", x)
        return x

    wg.jit(fun)(1.5)
    assert capsys.readouterr().out == "x is 1.50 1.5\n"


# ------------------------------------------------------------------ inside and outside


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_every_nesting_with_derivatives():
    x = np.array([0.5, -1.0, 2.0])
    v = np.array([1.0, 2.0, 3.0])
    gradient, hessian = wg.grad(rosenbrock)(x), wg.hessian(rosenbrock)(x)
    inner = wg.jit(rosenbrock)
    for _ in range(2):
        np.testing.assert_allclose(wg.grad(inner)(x), gradient, rtol=1e-13)
        np.testing.assert_allclose(wg.hessian(inner)(x), hessian, rtol=1e-13)
        np.testing.assert_allclose(wg.jacobian(wg.grad(inner))(x), hessian, rtol=1e-13)
        np.testing.assert_allclose(wg.jvp(inner, (x,), (v,))[1], gradient @ v, rtol=1e-13)
        np.testing.assert_allclose(wg.vjp(inner, x)[1](2.0)[0], 2 * gradient, rtol=1e-13)
    for compiled in (
        wg.jit(wg.hessian(rosenbrock)),
        wg.jit(wg.hessian(inner)),
        wg.jit(wg.jit(wg.hessian(wg.jit(inner)))),
        wg.jit(wg.jacobian(wg.grad(inner))),
    ):
        for _ in range(2):
            np.testing.assert_allclose(compiled(x), hessian, rtol=1e-13)
        assert not uncompiled(compiled)
        assert traces(compiled) == 1


def test_values_of_outer_transformations_in_closures():
    def outer(x):
        compiled = wg.jit(lambda y: x * y * y)
        return compiled(3.0) + compiled(2.0)

    assert wg.grad(outer)(5.0) == 13.0
    assert wg.jit(wg.grad(outer))(5.0) == 13.0


# ------------------------------------------------------------------ threads


def test_threads_record_and_run_together():
    compiled = wg.jit(lambda x: x * 2 if x > 0 else x - 1)
    wrong = []

    def work(sign):
        for k in range(1, 200):
            x = sign * float(k)
            if compiled(x) != (x * 2 if x > 0 else x - 1):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=(sign,)) for sign in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ------------------------------------------------------------------ the native entry


def test_calls_go_through_the_native_entry():
    from wengert.backends.llvm.entry import is_available

    assert is_available()
    scale = 2.0

    def fun(x, pair):
        """Say so."""
        return {"sum": x * scale + pair[0], "pair": [pair[1], x, None]}

    compiled = wg.jit(fun)
    with wg.config(native=True):
        for _ in range(3):
            assert compiled(1.5, (2.0, 3.0)) == fun(1.5, (2.0, 3.0))
        assert type(compiled).__call__ is compiled._entry.call
        assert (compiled.__name__, compiled.__doc__) == ("fun", "Say so.")
        scale = 5.0
        assert compiled(1.5, (2.0, 3.0)) == fun(1.5, (2.0, 3.0))
        assert compiled(2, (2.0, 3.0)) == fun(2, (2.0, 3.0))
        assert compiled(x=1.5, pair=(2.0, 3.0)) == fun(1.5, (2.0, 3.0))
        assert wg.grad(lambda x: compiled(x, (2.0, 3.0))["sum"])(1.5) == 5.0
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            compiled(np.float64(1e308), (np.float64(1e308), 3.0))


def test_what_is_captured_may_change_back_and_forth():
    exponent = 2

    def fun(x):
        return x**exponent

    compiled = wg.jit(fun)
    for exponent in (2, 3, 2):
        for _ in range(3):
            assert compiled(1.5) == 1.5**exponent
    assert len(compiled._offers) <= 2


# ------------------------------------------------------------------ looking at programs


def test_lowered_programs_show_every_stage_and_write_nothing():
    def fun(x, y):
        x[0] = 5.0
        return np.sum(x * y)

    compiled = wg.jit(fun)
    x = np.arange(3.0)
    lowered = compiled.lower(x, 2.0)
    np.testing.assert_array_equal(x, [0.0, 1.0, 2.0])
    assert "multiply" in lowered.as_text("list")
    assert "define" in lowered.as_text("llvm")
    assert "ret" in lowered.as_text("asm")
    assert set(lowered.cost()) == {"equations", "through_numpy", "workspace"}
    assert lowered.compile() is compiled
    assert compiled(x, 2.0) == 16.0
    assert x[0] == 5.0
    assert traces(compiled) == 1
    with pytest.raises(wg.errors.ArgumentError, match="as_text"):
        lowered.as_text("c")


def test_a_default_argument_is_read_by_the_native_entry():
    def powered(x, n=3, scale=2.0):
        result = scale
        for _ in range(n):
            result = result * x
        return result

    jitted = wg.jit(powered)
    for _ in range(3):
        assert jitted(2.0) == 16.0
    recordings = jitted.explain()
    powered.__defaults__ = (3, 5.0)
    assert jitted(2.0) == 40.0
    powered.__defaults__ = (2, 5.0)
    assert jitted(2.0) == 20.0
    powered.__defaults__ = (3, 2.0)
    assert jitted(2.0) == 16.0
    assert "a default of" in recordings
    slow = wg.jit(wg.grad(powered))
    fast = wg.jit(wg.grad(lambda x: 2.0 * x * x * x))
    assert slow(2.0) == fast(2.0) == 24.0

    def seconds(function):
        for _ in range(5):
            function(2.0)
        return min(timeit.repeat(lambda: function(2.0), number=200, repeat=5))

    # The entry takes a tenth of a microsecond, the way through Python a hundred times as long.
    assert seconds(slow) < 20 * seconds(fast)
