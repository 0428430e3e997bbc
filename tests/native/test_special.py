"""Compiled functions of `scipy.special` have the bits of SciPy's."""

import numpy as np
import pytest
import scipy.special

import wengert as wg
from wengert.backends.llvm import compile_program
from wengert.ir.primitive import registry

# SciPy exports no version of real numbers, or not of these dtypes.
CALLED_BACK = {"wofz", "zeta", "eval_hermite", "eval_hermitenorm", "lambertw"}
SINGLE_CALLED_BACK = {*CALLED_BACK, "xlogy", "xlog1py"}
# Points far away take SciPy seconds.
SERIES = {"hyp0f1", "hyp1f1", "hyp2f1", "hyperu"}
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e-300, 1e300, 2.0, -2.5, 7.0])


def primitives():
    wg.grad(scipy.special.expit)(0.1)  # loads them
    return {
        primitive.name.removeprefix("special_"): primitive
        for primitive in registry
        if primitive.name.startswith("special_")
    }


def points(name, count, dtype):
    generator = np.random.default_rng(len(name))
    columns = []
    for _ in range(count):
        if name in SERIES:
            column = generator.random(40) * 0.9 + 0.05
        else:
            spread = generator.normal(size=30) * 3
            column = np.concatenate([spread, generator.random(30) * 20, SPECIAL])
        columns.append(generator.permutation(column).astype(dtype))
    return columns


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_are_bitwise_those_of_scipy(dtype):
    others = SINGLE_CALLED_BACK if dtype == "float32" else CALLED_BACK
    tried = 0
    for name, primitive in primitives().items():
        if name in others:
            continue
        ufunc = primitive.numpy
        columns = points(name, ufunc.nin, dtype)
        native = compile_program(wg.trace(ufunc)(*columns))
        assert native.called_back == (), name
        expected = ufunc(*columns)
        (found,) = native(*columns)
        assert found.dtype == expected.dtype, name
        known = ~np.isnan(expected)
        assert np.isnan(found[~known]).all(), name
        assert found[known].tobytes() == expected[known].tobytes(), name
        tried += 1
    assert tried > 85


def test_what_scipy_does_not_export_calls_back():
    x = np.linspace(0.1, 2.0, 5)
    single = x.astype("f")
    for fun, values in [(scipy.special.wofz, (x + 1j,)), (scipy.special.xlogy, (single, single))]:
        native = compile_program(wg.trace(fun)(*values))
        assert len(native.called_back) == 1
        assert native(*values)[0].tobytes() == fun(*values).tobytes()


def test_derivatives_compile_without_call_backs():
    x = np.linspace(0.2, 3.0, 9)

    def loss(x):
        return np.sum(scipy.special.gammaln(x) * scipy.special.expit(x) + scipy.special.j0(x))

    gradient = wg.trace(wg.grad(loss))(x)
    native = compile_program(gradient)
    assert native.called_back == ()
    np.testing.assert_allclose(native(x)[0], wg.grad(loss)(x), rtol=1e-14)


def test_numbers_and_integers():
    for value in (0.3, np.float64(0.3), np.float32(0.3), 2, np.int32(2)):
        compiled = wg.jit(lambda v: scipy.special.digamma(v), compile="now")
        expected = scipy.special.digamma(value)
        for _ in range(2):
            found = compiled(value)
            assert type(found) is type(expected)
            assert found == expected
