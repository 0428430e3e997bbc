"""Custom rules, primitives of the user's, call-backs, functional updates and pauses."""

import math

import numpy as np
import pytest

import wengert as wg
from running import staged
from wengert import extend
from wengert.errors import ArgumentError, CheckError, MissingRuleError, TangentError
from wengert.ir.primitive import registry
from wengert.tracing.core import depth

X = np.array([0.3, -0.7, 1.1])


@pytest.fixture(autouse=True)
def _scratch():
    """Take the primitives that a test makes out of the registry again."""
    before = {primitive.name for primitive in registry}
    yield
    for primitive in registry:
        if primitive.name not in before:
            registry.remove(primitive.name)
    assert depth() == 0


# ------------------------------------------------------------------ one function, several rules


def plain(p, scale):
    return {"sine": np.sin(p["a"]) * scale, "sum": np.sum(p["a"] * p["b"])}


def give_jvp(function):
    def rule(primals, tangents):
        (p, scale), (t, s) = primals, tangents
        sine = np.cos(p["a"]) * t["a"] * scale + np.sin(p["a"]) * s
        return plain(p, scale), {"sine": sine, "sum": np.sum(t["a"] * p["b"] + p["a"] * t["b"])}

    function.defjvp(rule)
    return function


def give_vjp(function, factor=1.0):
    def forward(p, scale):
        return plain(p, scale), (p, scale)

    def backward(kept, g):
        p, scale = kept
        of_a = factor * g["sine"] * np.cos(p["a"]) * scale + g["sum"] * p["b"]
        return {"a": of_a, "b": g["sum"] * p["a"]}, np.sum(g["sine"] * np.sin(p["a"]))

    function.defvjp(forward, backward)
    return function


MAKERS = {
    "jvp": lambda: give_jvp(wg.custom_jvp(plain)),
    "vjp": lambda: give_vjp(wg.custom_vjp(plain)),
    "both": lambda: give_vjp(give_jvp(wg.custom_jvp(plain))),
}
every_maker = pytest.mark.parametrize("name", MAKERS)


@every_maker
def test_rules_in_every_mode_and_order(name):
    function = MAKERS[name]()
    point = ({"a": X, "b": X[::-1] * 2.0}, 0.7)
    wg.testing.check_grads(function, point, order=2)


@every_maker
def test_rules_in_staged_programs(name):
    function = MAKERS[name]()

    def loss(a, b, scale):
        result = function({"a": a, "b": b}, scale=scale)
        return np.sum(result["sine"] ** 2) * result["sum"]

    def loss_plain(a, b, scale):
        return np.sum((np.sin(a) * scale) ** 2) * np.sum(a * b)

    args = (X, X[::-1] * 2.0, 0.7)
    for transformed in (
        lambda f: f,
        wg.grad,
        lambda f: lambda *a: wg.jvp(f, a, a)[1],
        lambda f: lambda *a: wg.jvp(wg.grad(f), a, a)[1],
        lambda f: wg.grad(lambda *a: np.sum(wg.grad(f)(*a) ** 2)),
        lambda f: wg.grad(lambda *a: wg.jvp(f, a, a)[1]),
    ):
        expected = transformed(loss_plain)(*args)
        np.testing.assert_allclose(transformed(loss)(*args), expected, rtol=1e-12)
        np.testing.assert_allclose(staged(transformed(loss))(*args), expected, rtol=1e-12)


@every_maker
def test_a_staged_call_is_differentiated_later(name):
    """The equation of a custom function has its rules, in loops and branches too."""
    function = MAKERS[name]()

    def loss(a):
        def step(c, x):
            found = function({"a": c, "b": a}, x)
            return found["sine"], found["sum"]

        end, sums = wg.scan(step, a, X)
        return np.sum(end) + np.sum(sums)

    def loss_plain(a):
        c, total = a, 0.0
        for x in X:
            c, total = np.sin(c) * x, total + np.sum(c * a)
        return np.sum(c) + total

    expected = wg.numerical.gradient(loss_plain, method="richardson")(X)
    np.testing.assert_allclose(wg.grad(loss)(X), expected, rtol=1e-9)
    np.testing.assert_allclose(staged(wg.grad(loss))(X), expected, rtol=1e-9)


def test_each_rule_is_used_in_its_mode():
    used = []
    function = wg.custom_jvp(lambda x: x * x)

    @function.defjvp
    def rule(primals, tangents):
        used.append("jvp")
        return primals[0] ** 2, 2 * primals[0] * tangents[0]

    function.defvjp(lambda x: (x * x, x), lambda x, g: (used.append("vjp"), (2 * x * g,))[1])
    assert wg.grad(function)(3.0) == 6.0
    assert wg.jvp(function, (3.0,), (1.0,)) == (9.0, 6.0)
    assert function(3.0) == 9.0
    assert used == ["vjp", "jvp"]


def test_rules_that_disagree_are_caught():
    function = give_vjp(give_jvp(wg.custom_jvp(plain)), factor=1.001)
    with pytest.raises(CheckError, match="sine"):
        wg.testing.check_grads(function, ({"a": X, "b": X}, 0.7), order=1)


def test_arguments_without_derivative():
    @wg.custom_jvp(nondiff_argnums=(0, 2))
    def power(function, x, n):
        return function(x) ** n

    @power.defjvp
    def rule(function, n, primals, tangents):
        (x,), (t,) = primals, tangents
        value, change = wg.jvp(function, (x,), (t,))
        return value**n, n * value ** (n - 1) * change

    assert wg.grad(lambda x: power(np.sin, x, n=3))(0.5) == pytest.approx(
        3 * math.sin(0.5) ** 2 * math.cos(0.5)
    )

    @wg.custom_vjp(nondiff_argnums=-1)
    def scaled(x, n):
        return x * n

    scaled.defvjp(lambda x, n: (x * n, None), lambda n, _, g: (g * n,))
    assert wg.grad(scaled)(2.0, 3) == 3.0
    with pytest.raises(ArgumentError, match=r"argument 1 of .*scaled.* is traced"):
        wg.grad(scaled, argnums=1)(2.0, 3.0)


def test_symbolic_zeros():
    seen = []
    product = wg.custom_jvp(lambda x, y: (x * y, y))

    def rule(primals, tangents):
        (x, y), (s, t) = primals, tangents
        seen.append((s is None, t is None))
        return (x * y, y), (x * t if s is None else s * y, t)

    product.defjvp(rule, symbolic_zeros=True)
    wg.jvp(lambda y: product(2.0, y)[0], (3.0,), (1.0,))
    wg.jvp(lambda x: product(x, 3.0)[0], (2.0,), (1.0,))
    assert seen == [(True, False), (False, True)]

    pulled = []
    both = wg.custom_vjp(lambda x: (x, x * 2))
    both.defvjp(
        lambda x: ((x, x * 2), None),
        lambda _, g: (pulled.append(g[1] is None), (g[0],))[1],
        symbolic_zeros=True,
    )
    assert wg.grad(lambda x: both(x)[0])(1.0) == 1.0
    assert pulled == [True]


def test_zeros_are_arrays_by_default():
    function = wg.custom_vjp(lambda x: (x, np.sum(x)))
    seen = []
    function.defvjp(
        lambda x: ((x, np.sum(x)), None), lambda _, g: (seen.append(g), (g[0] + g[1],))[1]
    )
    np.testing.assert_array_equal(wg.grad(lambda x: function(x)[1])(X), np.ones(3))
    np.testing.assert_array_equal(seen[0][0], np.zeros(3))


def test_integers_and_none_in_trees():
    function = wg.custom_vjp(lambda state: state["x"] * state["n"])
    function.defvjp(
        lambda state: (state["x"] * state["n"], state["n"]),
        lambda n, g: ({"x": g * n, "n": None, "rest": None},),
    )
    assert wg.grad(lambda x: function({"x": x, "n": 3, "rest": None}))(2.0) == 3.0


def test_rules_that_write_their_arguments_leave_the_callers_arrays():
    def halve(x):
        x *= 0.5
        return np.sum(x * x)

    function = wg.custom_vjp(halve)
    function.defvjp(lambda x: (halve(x), x * 1.0), lambda kept, g: (g * kept,))
    x = np.array([2.0, 4.0])
    assert wg.jvp(function, (x,), (x,)) == (5.0, 10.0)
    np.testing.assert_array_equal(wg.grad(function)(x), [1.0, 2.0])
    np.testing.assert_array_equal(x, [2.0, 4.0])


def test_a_method_may_have_rules():
    class Model:
        @wg.custom_jvp(nondiff_argnums=0)
        def double(self, x):
            return 2 * x

        @double.defjvp
        def rule(self, primals, tangents):
            return 2 * primals[0], 2 * tangents[0]

    assert wg.grad(Model().double)(1.0) == 2.0
    assert Model.double.__name__ == "double"


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda kept, g: (g[:2],), r"backward rule of 'f'.*shape \(2,\)"),
        (lambda kept, g: g, "tuple of 1 cotangents"),
        (lambda kept, g: (g, g), "it returned 2"),
        (lambda kept, g: ({"x": g},), "structure"),
    ],
)
def test_wrong_results_of_rules(backward, message):
    @wg.custom_vjp
    def f(x):
        return x * 1.0

    f.defvjp(lambda x: (x * 1.0, None), backward)
    with pytest.raises(TangentError, match=message.replace("'f'", ".*f")):
        wg.grad(lambda x: np.sum(f(x)))(X)


def test_errors_of_use():
    @wg.custom_jvp
    def f(x):
        return x * 2

    assert f(3.0) == 6.0
    with pytest.raises(MissingRuleError, match=r"f\.defjvp\(rule\)"):
        wg.grad(f)(1.0)
    with pytest.raises(ArgumentError, match="takes a function"):
        wg.custom_jvp(3.0)
    f.defjvp(lambda primals, tangents: (2 * primals[0], 2 * tangents[0]))

    def outer(w):
        g = wg.custom_jvp(lambda x: x * w)
        g.defjvp(lambda primals, tangents: (primals[0] * 2, tangents[0] * 2))
        return g(3.0)

    with pytest.raises(ArgumentError, match="Make it an argument"):
        wg.grad(outer)(2.0)


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_what_is_taken_by_keyword_only_is_fixed_and_rules_get_it(kind):
    function = {"jvp": wg.custom_jvp, "vjp": wg.custom_vjp}[kind](
        lambda x, *, scale, name="none": np.sin(x * scale)
    )
    if kind == "jvp":
        function.defjvp(
            lambda primals, tangents, *, scale, name="none": (
                function(primals[0], scale=scale, name=name),
                10 * scale * np.cos(primals[0] * scale) * tangents[0],
            )
        )
    else:
        function.defvjp(
            lambda x, *, scale, name="none": (function(x, scale=scale, name=name), x),
            lambda x, g, *, scale, name="none": (10 * scale * np.cos(x * scale) * g,),
        )

    def run(x):
        return function(x, scale=2.0, name="a") + function(x, scale=3.0)

    slope = 20 * np.cos(1.0) + 30 * np.cos(1.5)
    for gradient in (wg.grad(run), wg.jit(wg.grad(run)), wg.derivative(run)):
        assert gradient(0.5) == pytest.approx(slope)
    assert wg.vmap(wg.grad(run))(np.array([0.5])) == pytest.approx(slope)
    with pytest.raises(ArgumentError, match=r"'scale' of .* by keyword only"):
        wg.grad(lambda s: function(1.0, scale=s))(2.0)
    with pytest.raises(TypeError, match="scale"):
        function(1.0)


@pytest.mark.parametrize("wrap", [lambda f: f, wg.jit, lambda f: lambda x: wg.jvp(f, (x,), (1.0,))])
def test_forward_rules_cannot_keep_what_is_differentiated_outside(wrap):
    def outer(z):
        inner = wg.custom_vjp(lambda x: x * z)
        inner.defvjp(lambda x: (x * z, None), lambda _, g: (g * z,))
        return inner(z)

    with pytest.raises(ArgumentError, match="Make it an argument"):
        wrap(wg.grad(outer))(2.0)


# ------------------------------------------------------------------ primitives without rules


def cube_by(**rules):
    primitive = extend.primitive(
        "cube_of_c",
        arguments=("x", "y"),
        evaluate=lambda x, y: x**3 * y,
        infer=lambda x, y: extend.Aval(np.broadcast_shapes(x.shape, y.shape), np.float64),
        samples=lambda: [extend.Sample(X, X)],
        **rules,
    )
    return lambda x, y: extend.to_user(extend.bind(primitive, x, y))


def test_a_primitive_without_rules_has_values_everywhere():
    function = cube_by()
    np.testing.assert_allclose(function(X, X), X**4)
    np.testing.assert_allclose(staged(function)(X, X), X**4)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(x * function(X, X)))(X), X**4)
    for derivative in (
        wg.grad(lambda x: np.sum(function(x, X))),
        staged(wg.grad(lambda x: np.sum(function(x, X)))),
    ):
        with pytest.raises(MissingRuleError, match="differences="):
            derivative(X)
    with pytest.raises(MissingRuleError, match="cube_of_c"):
        wg.jvp(lambda x: function(x, X), (X,), (X,))


@pytest.mark.parametrize(("method", "accuracy"), [("forward", 1e-6), ("central", 1e-9)])
def test_finite_differences_where_asked_for(method, accuracy):
    function = cube_by(differences=method)
    y = X[::-1] + 2
    gradient = wg.grad(lambda x, y: np.sum(function(x, y) ** 2), (0, 1))
    expected = (6 * X**5 * y**2, 2 * X**6 * y)
    for found in (gradient(X, y), wg.trace(gradient)(X, y).evaluate(X, y)):
        np.testing.assert_allclose(found[0], expected[0], rtol=accuracy, atol=accuracy)
        np.testing.assert_allclose(found[1], expected[1], rtol=accuracy, atol=accuracy)
    tangent = wg.jvp(lambda x: function(x, y), (X,), (y,))[1]
    np.testing.assert_allclose(tangent, 3 * X**2 * y * y, rtol=accuracy, atol=accuracy)


# ------------------------------------------------------------------ call-backs


def test_pure_callback():
    seen = []

    def outside(x, n=1):
        seen.append(type(x))
        return {"gamma": math.gamma(x[0]) * n, "twice": 2 * x}

    def fun(x):
        like = {"gamma": np.float64(0.0), "twice": extend.Aval((3,), np.float64)}
        result = wg.pure_callback(outside, like, x, n=2)
        return result["gamma"] * x + result["twice"]

    x = X + 2.0
    expected = math.gamma(x[0]) * 2 * x + 2 * x
    np.testing.assert_allclose(fun(x), expected)
    np.testing.assert_allclose(staged(fun)(x), expected)
    assert seen == [np.ndarray, np.ndarray]
    constant = wg.grad(lambda x: np.sum(x * wg.pure_callback(np.sin, X, wg.stop_gradient(x))))
    np.testing.assert_allclose(constant(X), np.sin(X))
    for derivative in (wg.grad(lambda x: np.sum(fun(x))), lambda x: wg.jvp(fun, (x,), (x,))):
        with pytest.raises(MissingRuleError, match="custom_jvp"):
            derivative(x)


def test_a_callback_with_a_derivative():
    gamma = wg.custom_jvp(lambda x: wg.pure_callback(math.lgamma, 0.0, x))
    digamma = lambda x: wg.numerical.derivative(math.lgamma)(x)  # noqa: E731
    gamma.defjvp(
        lambda p, t: (gamma(p[0]), t[0] * wg.pure_callback(digamma, 0.0, wg.stop_gradient(p[0])))
    )
    assert wg.grad(gamma)(3.5) == pytest.approx(1.1031566406452432)
    assert staged(wg.grad(gamma))(3.5) == pytest.approx(1.1031566406452432)


@pytest.mark.parametrize(
    ("result", "like", "message"),
    [
        (np.ones(2), np.ones(3), r"float64\[2\] where result_avals says float64\[3\]"),
        (1j, 0.0, "complex128"),
        ((1.0, 2.0), 0.0, "2 leaves"),
    ],
)
def test_callbacks_that_return_something_else(result, like, message):
    with pytest.raises(ArgumentError, match=message):
        wg.pure_callback(lambda: result, like)


def test_debug_sees_plain_values_each_time(capsys):
    seen = []

    def fun(x):
        wg.debug.print("x = {}, twice {twice}", x, twice=2 * x)
        wg.debug.callback(seen.append, x * x)
        return x * x

    assert wg.grad(fun)(3.0) == 6.0
    program = wg.trace(wg.grad(fun))(3.0)
    assert program.evaluate(5.0) == (10.0,)
    assert seen == [9.0, 25.0]
    assert capsys.readouterr().out == "x = 3.0, twice 6.0\nx = 5.0, twice 10.0\n"


def test_debug_of_constants_is_an_effect_of_every_run(capsys):
    def fun(x):
        wg.debug.print("here")
        return x * 2.0

    program = wg.trace(fun)(1.0)
    compiled = wg.jit(fun)
    capsys.readouterr()
    program.evaluate(1.0)
    program.evaluate(2.0)
    assert capsys.readouterr().out == "here\nhere\n"
    for _ in range(4):
        assert compiled(3.0) == 6.0
    assert capsys.readouterr().out == "here\n" * 4


def test_debug_in_a_loop_runs_at_every_step():
    seen = []

    def step(c, x):
        wg.debug.callback(seen.append, c)
        return c + x, None

    staged(lambda xs: wg.scan(step, 0.0, xs)[0])(np.array([1.0, 2.0, 3.0]))
    assert seen == [0.0, 1.0, 3.0]


# ------------------------------------------------------------------ functional updates


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("set", [1, 5, 7]),
        ("add", [1, 7, 13]),
        ("multiply", [1, 10, 60]),
        ("min", [1, 2, 3]),
        ("max", [1, 5, 7]),
    ],
)
def test_updates(name, expected):
    x = np.array([1.0, 2.0, 3.0])
    index, values = [1, 2, 2], np.array([5.0, 4.0, 7.0])
    expected = {"add": [1, 7, 14], "multiply": [1, 10, 84]}.get(name, expected)

    def fun(x, values):
        return getattr(wg.at(x)[index], name)(values)

    np.testing.assert_array_equal(fun(x, values), expected)
    np.testing.assert_array_equal(x, [1, 2, 3])
    np.testing.assert_array_equal(staged(fun)(x, values), expected)
    wg.testing.check_grads(fun, (x, values + 0.1), order=2)


def test_updates_keep_the_argument_and_its_views():
    def fun(x):
        y = wg.at(x)[0].set(0.0)
        z = wg.at(y)[1:].add(x[:-1])
        return np.sum(x * y * 2 + z)

    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(wg.grad(fun)(x), wg.numerical.gradient(fun)(x), rtol=1e-8)


# ------------------------------------------------------------------ pauses


def test_no_grad():
    def fun(x):
        with wg.no_grad():
            scale = np.sum(x * x)
            with wg.no_grad():
                scale = scale + x[0] * 1.0
            scale = scale * 2.0
        return np.sum(x) * scale

    scale = 2 * (np.sum(X * X) + X[0])
    np.testing.assert_allclose(wg.grad(fun)(X), np.full(3, scale))
    assert wg.jvp(fun, (X,), (np.ones(3),))[1] == pytest.approx(3 * scale)
    assert wg.linearize(fun, X)[1](np.ones(3)) == pytest.approx(3 * scale)
    np.testing.assert_allclose(staged(wg.grad(fun))(X), np.full(3, scale))


def test_no_grad_as_a_decorator_and_after_an_exception():
    @wg.no_grad()
    def constant(x):
        return x * x

    assert wg.grad(lambda x: constant(x) * x)(3.0) == 9.0

    def broken(x):
        try:
            with wg.no_grad():
                raise ValueError
        except ValueError:
            return x * x

    assert wg.grad(broken)(3.0) == 6.0


def test_a_derivative_inside_no_grad_runs():
    def fun(x):
        with wg.no_grad():
            slope = wg.grad(np.sin)(x)
        return slope * x

    assert wg.grad(fun)(0.5) == pytest.approx(math.cos(0.5))


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_values_from_outside_are_refused_for_what_they_are(kind):
    def through(scale):
        if kind == "jvp":
            fun = wg.custom_jvp(lambda x: x * scale)
            fun.defjvp(lambda primals, tangents: (primals[0], tangents[0]))
        else:
            fun = wg.custom_vjp(lambda x: x * scale)
            fun.defvjp(lambda x: (x, None), lambda _, g: (g,))
        return fun

    with pytest.raises(ArgumentError, match=r"for every example of a vmap.*an argument") as error:
        wg.vmap(lambda scale: through(scale)(2.0))(np.arange(3.0))
    assert "differentiated" not in str(error.value)
    with pytest.raises(ArgumentError, match=r"is being differentiated.*an argument"):
        wg.grad(lambda scale: through(scale)(2.0))(1.0)
