"""Products by BLAS and written out: every shape, transpose, batch and dtype gives NumPy's value."""

import numpy as np
import pytest

import wengert as wg
from native.programs import close
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.arrange import arrange
from wengert.passes.contractions import absorb_transposes

RANDOM = np.random.default_rng(0)


def make(*shape, dtype=np.float64):
    x = RANDOM.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * RANDOM.standard_normal(shape)
    return x.astype(dtype) if np.dtype(dtype).kind != "i" else RANDOM.integers(-9, 9, shape)


PRODUCTS = {
    "matrices": (lambda x, y: x @ y, (20, 30), (30, 40)),
    "first transposed": (lambda x, y: x.T @ y, (30, 20), (30, 40)),
    "second transposed": (lambda x, y: x @ y.T, (20, 30), (40, 30)),
    "both transposed": (lambda x, y: x.T @ y.T, (30, 20), (40, 30)),
    "result transposed": (lambda x, y: (x @ y).T, (20, 30), (30, 40)),
    "matrix and vector": (lambda x, y: x @ y, (20, 30), (30,)),
    "transposed matrix and vector": (lambda x, y: x.T @ y, (30, 20), (30,)),
    "vector and matrix": (lambda x, y: x @ y, (30,), (30, 20)),
    "vectors": (lambda x, y: x @ y, (30,), (30,)),
    "one row": (lambda x, y: x @ y, (1, 30), (30, 20)),
    "one column": (lambda x, y: x @ y, (20, 30), (30, 1)),
    "a row and a column": (lambda x, y: x @ y, (1, 30), (30, 1)),
    "an outer product": (lambda x, y: x @ y, (20, 1), (1, 30)),
    "nothing summed": (lambda x, y: x @ y, (20, 0), (0, 30)),
    "no rows": (lambda x, y: x @ y, (0, 20), (20, 30)),
    "batches": (lambda x, y: x @ y, (3, 20, 30), (3, 30, 40)),
    "one matrix for a batch": (lambda x, y: x @ y, (3, 20, 30), (30, 40)),
    "broadcast batches": (lambda x, y: x @ y, (3, 1, 20, 30), (2, 30, 40)),
    "small": (lambda x, y: x @ y, (3, 4), (4, 5)),
    "small batches": (lambda x, y: x @ y, (50, 3, 3), (50, 3, 3)),
    "dot of many axes": (np.dot, (2, 3, 20), (4, 20, 5)),
    "tensordot": (lambda x, y: np.tensordot(x, y, ((0, 2), (2, 0))), (10, 4, 20), (20, 3, 10)),
    "tensordot of two": (lambda x, y: np.tensordot(x, y, 2), (4, 10, 20), (10, 20, 3)),
    "einsum": (lambda x, y: np.einsum("ijk,kl->jil", x, y), (10, 4, 20), (20, 3)),
    "einsum of batches": (lambda x, y: np.einsum("bij,bjk->bik", x, y), (3, 9, 11), (3, 11, 8)),
    "einsum reversed": (lambda x, y: np.einsum("ij,jk->ki", x, y), (20, 30), (30, 40)),
    "kept fused": (lambda x, y: (x + 1) @ (2 * y).T, (20, 30), (40, 30)),
}


# What BLAS could read only from a copy is left to NumPy, which copies.
COPIED = ("nothing summed", "no rows", "tensordot")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_numpys(name, dtype):
    function, *shapes = PRODUCTS[name]
    x, y = (make(*shape, dtype=dtype) for shape in shapes)
    program = wg.trace(function)(x, y)
    expected = program.evaluate(x, y)
    native = compile_program(program)
    (found,) = native(x, y)
    if np.dtype(dtype).kind == "i":
        np.testing.assert_array_equal(found, expected[0])
    else:
        close(found, expected[0], np.outer(np.abs(x), np.abs(y)) if x.size * y.size else x)
        if name not in COPIED:
            assert not native.called_back


def test_transposes_are_flags():
    x, y = make(30, 20), make(40, 30)
    program = absorb_transposes(wg.trace(lambda x, y: x.T @ y.T)(x, y))
    assert program[-1].operands == program.inputs


def test_gradients_of_products():
    x, y = make(20, 30), make(30, 5)

    def f(x, y):
        return np.sum((x @ y) ** 2)

    program = wg.trace(wg.grad(f, (0, 1)))(x, y)
    native = compile_program(program)
    assert not native.called_back
    for one, other in zip(native(x, y), wg.grad(f, (0, 1))(x, y), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)


def logistic(w, x, y):
    return np.mean(np.log1p(np.exp(-y * (x @ w))))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_matrix_that_is_multiplied_twice_is_read_once(dtype):
    rows, columns = 3001, 60
    x, w = make(rows, columns, dtype=dtype), make(columns, dtype=dtype)
    y = np.sign(make(rows, dtype=dtype))
    for transformed in (wg.grad(logistic), wg.value_and_grad(logistic)):
        program = wg.trace(transformed)(w, x, y)
        kinds = [type(step).__name__ for step in arrange(program)]
        assert kinds.count("SweepStep") == 1
        assert "ProductStep" not in kinds
        native = compile_program(program)
        assert not native.called_back
        for one, other in zip(native(w, x, y), program.evaluate(w, x, y), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4 if dtype == np.float32 else 1e-11)


def test_products_stay_apart_where_one_block_does_not_give_its_rows():
    x, w = make(3000, 40), make(40)

    def f(w, x):
        margins = x @ w
        return (margins - np.sum(margins)) @ x

    program = wg.trace(f)(w, x)
    assert "SweepStep" not in [type(step).__name__ for step in arrange(program)]
    (found,) = compile_program(program)(w, x)
    np.testing.assert_allclose(found, f(w, x), rtol=1e-9)
