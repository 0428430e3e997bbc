"""Compiled products of complex numbers have the bits of NumPy's, fused for arrays or not."""

import numpy as np
import pytest

import wengert as wg


def numbers(shape, dtype, seed):
    parts = np.random.default_rng(seed).normal(size=(2, *shape))
    return (parts[0] + 1j * parts[1]).astype(dtype)


FUNCTIONS = {
    "operator": lambda x, y: x * y,
    "ufunc": np.multiply,
    "square": lambda x, y: np.square(x) + y,
    "power-2": lambda x, y: x**2,
    "power-2.0": lambda x, y: x**2.0,
    "power-3": lambda x, y: x**3,
    "ufunc-power": lambda x, y: np.power(x, 2),
    "numpy-scalars": lambda x, y: x[0] * y[0],
    "constants": lambda x, y: (0.3 + 0.7j) * x + y * (1 - 2j),
    "scalar-and-array": lambda x, y: x[0] * y,
    "real-and-complex": lambda x, y: x.real * y,
    "outer": lambda x, y: x[:, None] * y,
    "strided": lambda x, y: x[::2] * y[::2],
    "cancelling": lambda x, y: ((x.real + 1j * y.real) * (y.real - 1j * x.real).conj()).real,
    "orders": lambda x, y: x * y - y * x,
    "zero": lambda x, y: (-0.0 * x) ** 2,
}


@pytest.mark.parametrize("native", [False, True], ids=["evaluated", "native"])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_products_have_the_bits_of_numpy(name, dtype, native):
    function = FUNCTIONS[name]
    for size in (3, 9, 40) if name == "outer" else (1, 3, 9, 40):
        x, y = numbers((size,), dtype, 1), numbers((size,), dtype, 2)
        with wg.config(native=native):
            compiled = wg.jit(function, compile="now")
            found = [compiled(x, y) for _ in range(2)]
        expected = function(x, y)
        for result in found:
            assert result.dtype == expected.dtype
            assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("native", [False, True], ids=["evaluated", "native"])
def test_products_of_numbers_of_python_round_each_product(native):
    with wg.config(native=native):
        compiled = wg.jit(lambda x, y: x * y + x * x, compile="now")
        for x, y in numbers((40, 2), np.complex128, 3).tolist():
            assert compiled(x, y) == x * y + x * x


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(
    ("shape", "axis"), [((7, 9), 0), ((30, 40), 0), ((300, 700), 0), ((4, 5, 16), 1), ((5, 1), 0)]
)
def test_products_along_outer_axes_are_those_of_rows(shape, axis, dtype):
    x = numbers(shape, dtype, 4)
    compiled = wg.jit(lambda x: np.prod(x, axis=axis), compile="now")
    for _ in range(2):
        assert compiled(x).tobytes() == np.prod(x, axis=axis).tobytes()
