"""`numpy.polynomial`: classes and functions, of traced points, coefficients, data and roots."""

import numpy as np
import pytest
from numpy.polynomial import (
    Chebyshev,
    Hermite,
    Laguerre,
    Legendre,
    Polynomial,
    chebyshev,
    hermite,
    hermite_e,
    laguerre,
    legendre,
    polynomial,
)

import wengert as wg
from reference import close, jacobian, same

C = np.array([1.0, -2.0, 3.0])
X = np.array([0.3, 0.5, -0.2])
TABLE = np.array([[1.0, 2.0], [3.0, 4.0]])
AT = np.array([0.0, 1.0, 2.0, 4.0])
DATA = np.array([1.0, 3.0, 2.0, 5.0])
ROOTED = np.array([-1.0, 0.5, 1.0])

CLASSES = Polynomial, Chebyshev, Legendre, Hermite, Laguerre
OF_CLASSES = {
    "value of coefficients": (lambda kind: lambda c: kind(c)(0.5), C),
    "values of coefficients": (lambda kind: lambda c: kind(c)(X), C),
    "of a number": (lambda kind: lambda x: kind([1.0, 2.0, 3.0])(x), 0.5),
    "on another domain": (lambda kind: lambda x: kind([1.0, 2.0, 3.0], domain=[0, 1])(x), X),
    "arithmetic": (lambda kind: lambda c: (kind(c) * kind(c) + 2 - kind([1.0, 1.0]))(X), C),
    "calculus": (lambda kind: lambda c: kind(c).deriv()(X) + kind(c).integ()(0.2), C),
    "fit": (lambda kind: lambda y: kind.fit(AT, y, 2)(0.5), DATA),
    "roots": (lambda kind: lambda c: np.sort(kind(c).roots().real), ROOTED),
    "conversion": (lambda kind: lambda c: kind(c).convert(kind=Polynomial).coef, C),
}

MODULES = {
    "poly": polynomial,
    "cheb": chebyshev,
    "leg": legendre,
    "herm": hermite,
    "herme": hermite_e,
    "lag": laguerre,
}
OF_MODULES = {
    "val": (lambda of: lambda x: of("val")(x, x * x), X),
    "vander": (lambda of: lambda x: of("vander")(x, 3), X),
    "der": (lambda of: lambda c: of("der")(c), C),
    "int": (lambda of: lambda c: of("int")(c, 2, k=[1, 2]), C),
    "mul": (lambda of: lambda c: of("mul")(c, c[:2]), C),
    "div": (lambda of: lambda c: of("div")(c, c[:2])[0], C),
    "pow": (lambda of: lambda c: of("pow")(c, 3), C),
    "fit": (lambda of: lambda y: of("fit")(AT, y, 2, w=DATA), DATA),
    "roots": (lambda of: lambda c: np.sort(of("roots")(c).real), ROOTED),
    "fromroots": (lambda of: lambda x: of("fromroots")(x), C),
    "val2d": (lambda of: lambda c: of("val2d")(X, X, c), TABLE),
    "grid2d": (lambda of: lambda c: of("grid2d")(X, X, c), TABLE),
}

PROGRAMS = {
    f"{kind.__name__}: {name}": (make(kind), point)
    for kind in CLASSES
    for name, (make, point) in OF_CLASSES.items()
} | {
    prefix + name: (make(lambda what, m=module, p=prefix: getattr(m, p + what)), point)
    for prefix, module in MODULES.items()
    for name, (make, point) in OF_MODULES.items()
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_derivatives(name):
    function, point = PROGRAMS[name]
    expected = function(point)
    direction = np.cos(1.0 + np.arange(np.size(point))).reshape(np.shape(point))
    along = direction if isinstance(point, np.ndarray) else float(direction)
    value, tangent = wg.jvp(function, (point,), (along,))
    same(value, expected)
    reference = jacobian(function, point)
    found = wg.jacrev(function)(point)
    close(found, reference, 1e-7)
    close(tangent, np.tensordot(found, direction, np.ndim(point)), 1e-11)


@pytest.mark.parametrize("name", ["Chebyshev: values of coefficients", "legmul", "polyfit"])
def test_compiled(name):
    function, point = PROGRAMS[name]
    compiled = wg.jit(wg.jacobian(function))
    for factor in (1.0, 1.0, 1.1):
        close(compiled(point * factor), wg.jacobian(function)(point * factor), 1e-12)


def test_batched():
    batch = np.stack([C, 2 * C, -C])
    for function in (lambda c: polynomial.polyval(X, c), lambda x: legendre.legvander(x, 3)):
        close(wg.vmap(function)(batch), np.stack([function(row) for row in batch]), 1e-14)


def test_operands_with_operators_of_their_own():
    slope = wg.grad(lambda x: (x * Polynomial([1.0, 2.0]) + x)(3.0))(0.5)
    assert slope == 8.0
    slopes = wg.jacobian(lambda x: (x[0] + Polynomial(x))(2.0))(C)
    close(slopes, np.array([2.0, 2.0, 4.0]), 0.0)
