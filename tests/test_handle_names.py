"""What users hold inside a transformation has no public name that the value itself lacks."""

import numpy as np
import pytest

import wengert as wg

VALUES = {
    "float": 1.5,
    "float64": np.float64(1.5),
    "float32": np.float32(1.5),
    "complex": 1.5 + 1j,
    "complex128": np.complex128(1.5 + 1j),
    "int": 3,
    "int64": np.int64(3),
    "bool": True,
    "bool_": np.bool_(True),
    "vector": np.array([1.5, 2.5]),
    "matrix": np.array([[1.5, 2.5], [0.5, 3.5]]),
    "empty": np.zeros((0, 2)),
    "zero axes": np.array(1.5),
}
OBSERVERS = {
    "grad": lambda f, x: wg.vjp(f, x),
    "jvp": lambda f, x: wg.jvp(f, (x,), (x,)),
    "second": lambda f, x: wg.jvp(lambda y: wg.jvp(f, (y,), (y,))[1], (x,), (x,)),
    "trace": lambda f, x: wg.trace(f)(x),
    "jit": lambda f, x: wg.jit(f)(x),
    "vmap": lambda f, x: wg.vmap(f)(np.stack([x, x])),
    "taylor": lambda f, x: wg.derivative(f, 3)(x),
}
OF_DERIVATIVES = ("grad", "jvp", "second")


def names_of(value):
    """Return the public names that an object answers, whatever its ``__dir__`` tells."""
    slots = {name for base in type(value).__mro__ for name in vars(base)}
    return {name for name in slots if not name.startswith("_") and answers(value, name)}


def answers(value, name):
    try:
        getattr(value, name)
    except AttributeError:
        return False
    except (ValueError, TypeError):  # it is there, and says what it needs
        return True
    return True


def public(value):
    return {name for name in dir(value) if not name.startswith("_")}


def cases():
    for observer in OBSERVERS:
        for kind, value in VALUES.items():
            inexact = np.result_type(value).kind in "fc"
            if observer in OF_DERIVATIVES and not inexact:
                continue
            if observer == "taylor" and kind not in ("float", "float64"):
                continue
            yield observer, kind


@pytest.mark.parametrize(("observer", "kind"), list(cases()))
def test_no_public_name_of_its_own(observer, kind):
    seen = []

    def look(x):
        seen.append((type(x).__name__, x.__class__, names_of(x) | public(x)))
        return x * 1.0

    OBSERVERS[observer](look, VALUES[kind])
    assert seen
    for name, stands_for, names in seen:
        assert name in ("Traced", "Array")
        assert not names - public(stands_for), (name, stands_for)


@pytest.mark.parametrize("kind", ["flat", "flags"])
def test_no_public_name_of_parts(kind):
    array = np.array([1.5, 2.5])

    def look(x):
        own = names_of(getattr(x, kind))
        assert own
        assert not own - public(getattr(array, kind))
        return np.sum(x)

    wg.grad(look)(array)


def quantity(x):
    """Return the number that a unit, or a wrapper of some other library, holds."""
    for name in ("value", "payload", "aval", "magnitude", "primal", "val"):
        x = getattr(x, name, x)
    return x


@pytest.mark.parametrize("value", [0.5, np.float64(0.5), np.array([0.5, 1.0]), np.array(0.5)])
def test_asking_for_a_value_keeps_the_derivative(value):
    def fun(x):
        return np.sum(np.sin(quantity(x)))

    for gradient in (wg.grad(fun), wg.jit(wg.grad(fun)), wg.grad(wg.jit(fun))):
        np.testing.assert_allclose(gradient(value), np.cos(value), rtol=1e-14)
    np.testing.assert_allclose(
        wg.jvp(fun, (value,), (np.ones_like(value)[()],))[1], np.sum(np.cos(value)), rtol=1e-14
    )


@pytest.mark.parametrize("name", ["trace", "root", "path", "views", "indices", "siblings"])
def test_what_a_number_lacks_is_an_attribute_error(name):
    def fun(x):
        with pytest.raises(AttributeError, match=name):
            getattr(x, name)
        return x * x

    assert wg.grad(fun)(3.0) == 6.0
    assert wg.trace(fun)(3.0).evaluate(3.0)[0] == 9.0


def test_the_trace_of_a_matrix_is_its_diagonal():
    np.testing.assert_array_equal(wg.grad(lambda x: x.trace())(np.ones((2, 2))), np.eye(2))
