"""Lists that occur several times in a program are one function, and those that differ are not."""

import numpy as np
import pytest

import wengert as wg
from native.programs import same
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.build import build
from wengert.compile import optimise
from wengert.passes.keys import ListNumbers

LARGE = np.arange(1.0, 1001.0)


def cube_root(a):
    return wg.root(lambda x, a: x**3 + x - a, 0.5, a)


def kepler(e, m):
    return wg.fixed_point(lambda x, e, m: m + e * np.sin(x), m, e, m)


def optimised(function, *args):
    return optimise(wg.trace(function)(*args))


def functions_of(program, *hints):
    """Return how many functions of lists a program has."""
    names = [f.name for module in build(program).modules for f in module.functions]
    return sum(name.rstrip("0123456789") in hints for name in names)


def parts_of(program):
    return functions_of(program, "while", "scan", "part")


def test_repeated_solvers_are_one_function():
    def several(a):
        return sum(cube_root(a + i) for i in range(5))

    for one, five in ((cube_root, several), (wg.grad(cube_root), wg.grad(several))):
        program = optimised(five, 2.0)
        assert parts_of(program) == parts_of(optimised(one, 2.0)) > 0
        (found,) = compile_program(program)(2.0)
        assert found == pytest.approx(float(five(2.0)), rel=1e-12)


def test_second_derivatives_of_solvers_share():
    hessian = optimised(wg.hessian(kepler), 0.5, 1.0)
    gradient = optimised(wg.grad(kepler, 0), 0.5, 1.0)
    assert parts_of(hessian) < 2 * parts_of(gradient)
    (found,) = compile_program(hessian)(0.5, 1.0)
    np.testing.assert_allclose(found, wg.hessian(kepler)(0.5, 1.0), rtol=1e-10)


def looped(body, x, n=7):
    return wg.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, body(s[1])), (0, x))[1]


def twice(first, second):
    """Return a function of two nests of loops that differ in the innermost body alone."""

    def nest(body, x):
        return looped(lambda y: looped(body, y, 2), x, 3)

    return lambda x: (nest(first, x), nest(second, x + 1.0))


BODIES = {
    "equal": (lambda x: x * 0.5, lambda x: x * 0.5),
    "numbers": (lambda x: x * 0.5, lambda x: x * 0.25),
    "signs of zero": (lambda x: np.copysign(x, 0.0), lambda x: np.copysign(x, -0.0)),
    "dtypes": (lambda x: x + np.int64(1), lambda x: x + np.float64(1)),
    "arrays": (lambda x: x * LARGE[:3], lambda x: x * LARGE[3:6]),
    "operands": (lambda x: 2.0 - x, lambda x: x - 2.0),
    "branches": (
        lambda x: wg.cond(np.sum(x) > 1, lambda y: y + 1.0, lambda y: y * 2.0, x),
        lambda x: wg.cond(np.sum(x) > 1, lambda y: y * 2.0, lambda y: y + 1.0, x),
    ),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("x", [1.5, np.array([0.5, -1.0, 2.0])], ids=["number", "array"])
def test_only_equal_lists_are_shared(kind, x):
    x = np.broadcast_to(x, 3).copy() if kind == "arrays" else x
    function = twice(*BODIES[kind])
    program = optimised(function, x)
    found = compile_program(program)(x)
    for ours, expected in zip(found, function(x), strict=True):
        same(ours, expected)
    assert functions_of(program, "while") == (2 if kind == "equal" else 4)


def test_large_arrays_are_compared_by_identity():
    other = LARGE + 1.0

    def function(x):
        first = looped(lambda y: 0.5 * y + LARGE, x)
        return first, looped(lambda y: 0.5 * y + other, x), looped(lambda y: 0.5 * y + LARGE, x)

    x = np.ones(1000)
    program = optimised(function, x)
    for ours, expected in zip(compile_program(program)(x), function(x), strict=True):
        same(ours, expected)


def test_numbers_of_lists():
    def nest(scale):
        return wg.trace(lambda x: looped(lambda y: looped(lambda z: z * scale, y), x))(1.0)

    numbers = ListNumbers()
    first, again, other = nest(2.0), nest(2.0), nest(3.0)
    assert numbers.of(first) == numbers.of(first) == numbers.of(again) != numbers.of(other)
