"""One check of a NumPy function on traced arguments: value, kind, derivatives, views and writes.

A case is a function of one point. The plain program says what is expected; nothing else does.
"""

import numpy as np

import wengert as wg
from reference import close, directional, fresh, irregular, jacobian, of_kind, same

FIRST = 1e-10


def arrays_of(result):
    """The arrays and scalars that a function returned, as a list."""
    if isinstance(result, (list, tuple)):
        return [entry for part in result for entry in arrays_of(part)]
    return [result]


def check_value(function, point):
    """Value, dtype, kind and container are those of the plain program, and constants stay so."""
    expected = function(fresh(point))
    seen = []

    def program(x):
        result = function(x)
        seen.append(result)
        return list(arrays_of(result))

    actual = wg.vjp(program, fresh(point))[0]
    assert isinstance(seen[0], tuple) == isinstance(expected, tuple)
    wanted = arrays_of(expected)
    assert len(actual) == len(wanted)
    for entry, plain in zip(actual, wanted, strict=True):
        same(entry, plain)
        inside = type(arrays_of(seen[0])[0])
        assert inside is not np.ndarray or plain.dtype.kind not in "fc"


def check_derivatives(function, point):
    """Both modes agree with differences of the plain program, entry by entry of the result."""

    def program(x):
        parts = arrays_of(function(x))
        flat = [np.ravel(part) for part in parts if part.dtype.kind in "fc"]
        return np.concatenate(flat) if flat else np.zeros(0)

    if np.iscomplexobj(point) or np.iscomplexobj(program(fresh(point))):
        check_complex_derivatives(program, point)
        return
    expected = jacobian(program, point)
    close(wg.jacfwd(program)(fresh(point)), expected, FIRST)
    close(wg.jacrev(program)(fresh(point)), expected, FIRST)
    scalar = lambda x: np.sum(program(x) * program(x) * program(x))  # noqa: E731
    direction = of_kind(irregular(point), point)
    gradient = wg.grad(scalar)
    hessian_product = directional(lambda x: plain_gradient(program, x), point, direction)
    close(wg.jvp(gradient, (fresh(point),), (direction,))[1], hessian_product, 1e-7)


def plain_gradient(program, x):
    """The gradient of Σ f³, from the Jacobian by differences."""
    values = program(x)
    return np.tensordot(3.0 * values * values, jacobian(program, x), 1)


def check_complex_derivatives(program, point):
    direction = irregular(point)
    if np.iscomplexobj(point):
        direction = direction + 1j * irregular(point)[::-1]
    expected = directional(program, point, direction)
    value, tangent = wg.jvp(program, (fresh(point),), (direction,))
    close(tangent, expected, FIRST)
    cotangent = irregular(value) * (1.0 - 0.5j)
    pulled = wg.vjp(program, fresh(point))[1](cotangent)[0]
    close(np.sum((pulled * direction).real), np.sum((cotangent * expected).real), FIRST)


def check_memory(function, point):
    """A result shares memory exactly where NumPy's does, and is written like NumPy's."""
    plain = fresh(point)
    expected = [np.shares_memory(plain, part) for part in arrays_of(function(plain))]
    found = []

    def program(x):
        found[:] = [np.shares_memory(x, part) for part in arrays_of(function(x))]
        return np.sum(x)

    wg.grad(program)(fresh(point))
    assert found == expected
    wanted = written(function, fresh(point))
    value = wg.vjp(lambda x: written(function, x), fresh(point))[0]
    for entry, reference in zip(value, wanted, strict=True):
        same(entry, reference)
    close(
        wg.jacrev(lambda x: written(function, x)[0])(fresh(point)),
        jacobian(lambda x: written(function, x)[0], point),
        FIRST,
    )


def written(function, x):
    """Write through every part of a result, then through the argument; return what is there."""
    parts = [part for part in arrays_of(function(x)) if isinstance(part, np.ndarray)]
    refused = 0.0
    for number, part in enumerate(parts):
        try:
            part[...] = part * (2.0 + number)
        except ValueError:
            refused += 1.0
    x[...] = x * x
    return [x, *[part + 0.0 for part in parts], np.float64(refused)]
