"""Matrix products and Einstein sums: every form has NumPy's value and exact derivatives."""

import tracemalloc

import numpy as np
import pytest

import wengert as wg
from reference import close, directional, hessian_product, irregular, jacobian, same, scalarised


def waves(*shape, dtype=np.float64, start=1.0):
    """Fixed numbers of a shape, no two related."""
    numbers = np.sin(start + 1.7 * np.arange(int(np.prod(shape)))).reshape(shape)
    if np.dtype(dtype).kind == "c":
        numbers = numbers + 1j * np.cos(start + 0.9 * np.arange(int(np.prod(shape)))).reshape(shape)
    return numbers.astype(dtype)


def traced_value(function, x):
    """The value of a function of a traced argument."""
    value, _ = wg.vjp(function, x)
    return value


def check(function, x):
    """Value bitwise NumPy's; both modes, and the second order, equal to differences."""
    expected = function(x)
    same(np.asarray(traced_value(function, x)), np.asarray(expected))
    numeric = jacobian(function, x)
    close(wg.jacfwd(function)(x), numeric, 1e-8)
    close(wg.jacrev(function)(x), numeric, 1e-8)
    objective = scalarised(function)
    direction = irregular(x)
    _, product = wg.jvp(wg.grad(objective), (x,), (direction,))
    close(product, hessian_product(objective, x, direction), 2e-5)


A, B, V = waves(3, 4), waves(4, 2, start=2.0), waves(4, start=3.0)
STACK, STACKED = waves(5, 3, 4, start=4.0), waves(5, 4, 2, start=5.0)

PRODUCTS = {
    "matrix @ matrix": (lambda x: x @ B, A),
    "constant @ matrix": (lambda x: A @ x, B),
    "matrix @ vector": (lambda x: A @ x, V),
    "vector @ matrix": (lambda x: x @ B, V),
    "vector @ vector": (lambda x: x @ np.sin(x), V),
    "both sides": (lambda x: x @ x.T, A),
    "list @ traced": (lambda x: [[1.0, 2.0, 3.0, 4.0]] @ x, B),
    "traced @ list": (lambda x: x @ [1.0, 2.0, 3.0, 4.0], A),
    "stack @ matrix": (lambda x: STACK @ x, B),
    "stack @ vector": (lambda x: STACK @ x, V),
    "matrix @ stack": (lambda x: x @ STACKED, A),
    "vector @ stack": (lambda x: x @ STACKED, V),
    "stack @ stack": (lambda x: x @ STACKED, STACK),
    "broadcast stacks": (lambda x: x[:, None] @ STACKED[:2], STACK[:2]),
    "np.matmul": (lambda x: np.matmul(x, B), A),
    "np.matmul axes": (
        lambda x: np.matmul(x, STACKED, axes=[(0, 1), (1, 2), (0, 2)]),
        waves(3, 4, 5),
    ),
    "np.linalg.matmul": (lambda x: np.linalg.matmul(x, B), A),
    "np.dot": (lambda x: np.dot(x, B), A),
    "np.dot by keyword": (lambda x: np.dot(a=x, b=x), V),
    "np.dot of stacks": (lambda x: np.dot(x, STACKED), STACK),
    "np.dot with a number": (lambda x: np.dot(2.0, x) + np.dot(x, 0.5), A),
    "x.dot": (lambda x: x.dot(B).dot(waves(2)), A),
    "np.inner": (lambda x: np.inner(x, STACK), A),
    "np.inner of vectors": (lambda x: np.inner(x, x), V),
    "np.inner with a number": (lambda x: np.inner(x, 2.0), V),
    "np.outer": (lambda x: np.outer(x, x), A),
    "np.outer of a list": (lambda x: np.outer([1.0, 2.0], x), V),
    "np.linalg.outer": (lambda x: np.linalg.outer(x, V), waves(3)),
    "np.vdot": (lambda x: np.vdot(x, x), A),
    "np.vecdot": (lambda x: np.vecdot(x, V), STACK),
    "np.vecdot axis": (lambda x: np.vecdot(x, x, axis=0), A),
    "np.vecdot keepdims": (lambda x: np.vecdot(x, V, keepdims=True), A),
    "np.linalg.vecdot": (lambda x: np.linalg.vecdot(x, A, axis=0), A),
    "np.tensordot": (lambda x: np.tensordot(x, B, 1), A),
    "np.tensordot by keyword": (lambda x: np.tensordot(a=x, b=x, axes=1), V),
    "np.tensordot of all axes": (lambda x: np.tensordot(x, np.cos(x)), A),
    "np.tensordot of no axes": (lambda x: np.tensordot(x, x, axes=0), V),
    "np.tensordot axes": (lambda x: np.tensordot(x, STACK, axes=([1, 0], [-1, 1])), A),
    "np.linalg.tensordot": (lambda x: np.linalg.tensordot(x, B, axes=1), A),
    "np.kron": (lambda x: np.kron(x, B), A),
    "np.kron of unlike": (lambda x: np.kron(x, STACKED[:2]), V),
    "np.kron with a number": (lambda x: np.kron(x, 3.0), V),
    "np.trace": (lambda x: np.trace(x), A),
    "np.trace offset": (lambda x: np.trace(x, offset=-1), A),
    "np.trace axes": (lambda x: np.trace(x, 1, axis1=2, axis2=0), STACK),
    "x.trace": (lambda x: x.trace() * x.trace(1), A),
    "np.linalg.trace": (lambda x: np.linalg.trace(x, offset=1), STACK),
    "np.cross": (lambda x: np.cross(x, np.cos(x)), waves(4, 3)),
    "np.cross axes": (lambda x: np.cross(x, waves(4, 3), axisa=0, axisc=0), waves(3, 4)),
    "np.cross of one vector": (lambda x: np.cross([1.0, 2.0, 3.0], x), waves(5, 3)),
    "np.linalg.cross": (lambda x: np.linalg.cross(x, waves(3, 4, start=2.0), axis=0), waves(3, 4)),
    "np.linalg.multi_dot": (lambda x: np.linalg.multi_dot([x, B, waves(2, 3), x, V]), A),
    "np.linalg.multi_dot of three": (lambda x: np.linalg.multi_dot([V, B, x]), waves(2, 3)),
    "np.linalg.multi_dot of vectors": (lambda x: np.linalg.multi_dot([x, B, B.T, x]), V),
}
if hasattr(np, "matvec"):
    PRODUCTS |= {
        "np.matvec": (lambda x: np.matvec(STACK, x), V),
        "np.vecmat": (lambda x: np.vecmat(x, STACKED), V),
    }

EINSUMS = {
    "two operands": (lambda x: np.einsum("ij,jk->ik", x, B), A),
    "implicit": (lambda x: np.einsum("ij,jk", x, B), A),
    "implicit in the order of letters": (lambda x: np.einsum("ba", x), A),
    "trace": (lambda x: np.einsum("ii->", x), waves(3, 3)),
    "implicit trace": (lambda x: np.einsum("ii", x), waves(3, 3)),
    "diagonal": (lambda x: np.einsum("ii->i", x), waves(3, 3)),
    "diagonal of a stack": (lambda x: np.einsum("...ii->...i", x), waves(2, 3, 3)),
    "threefold": (lambda x: np.einsum("iii,i->", x, waves(2)), waves(2, 2, 2)),
    "sum of all": (lambda x: np.einsum("ij->", x), A),
    "sum of rows": (lambda x: np.einsum("ij->i", x), A),
    "summed beside a product": (lambda x: np.einsum("ij,k->k", x, V), A),
    "ellipsis": (lambda x: np.einsum("...j,jk->...k", x, B), STACK),
    "ellipsis alone": (lambda x: np.einsum("...,...", x, A), STACK),
    "ellipses of unlike length": (lambda x: np.einsum("...ij,j...->i...", x, V), STACK),
    "the same operand thrice": (lambda x: np.einsum("i,i,i->", x, x, x), V),
    "three operands": (lambda x: np.einsum("ij,jk,kl->il", x, B, waves(2, 5)), A),
    "optimize=True": (lambda x: np.einsum("ij,jk,lk->il", x, B, B, optimize=True), A),
    "optimize='greedy'": (lambda x: np.einsum("ij,kj->", x, x, optimize="greedy"), A),
    "optimize=path": (
        lambda x: np.einsum(
            "ij,jk,kl", x, B, waves(2, 3), optimize=np.einsum_path("ij,jk,kl", x, B, waves(2, 3))[0]
        ),
        A,
    ),
    "sublists": (lambda x: np.einsum(x, [0, 1], B, [1, 2], [2, 0]), A),
    "sublists, implicit": (lambda x: np.einsum(x, [3, 1], B, [1, 2]), A),
    "sublists with ellipsis": (lambda x: np.einsum(x, [..., 0], V, [0], [...]), STACK),
    "length one broadcasts": (lambda x: np.einsum("ij,jk->ik", x, B), waves(3, 1)),
    "dtype": (lambda x: np.einsum("i,i->i", x, x, dtype=np.float64), V),
    "number": (lambda x: np.einsum(",i->i", 2.0, x), V),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name):
    check(*PRODUCTS[name])


@pytest.mark.parametrize("name", EINSUMS)
def test_einsum(name):
    check(*EINSUMS[name])


@pytest.mark.parametrize(
    "square",
    [
        lambda x: x @ x,
        lambda x: np.dot(x, x),
        lambda x: np.vdot(x, x),
        lambda x: np.vecdot(x, x),
        lambda x: np.inner(x, x),
        lambda x: np.tensordot(x, x, 1),
        lambda x: np.einsum("i,i", x, x),
        lambda x: np.einsum("i,i", x, x, optimize=True),
        lambda x: np.trace(np.outer(x, x)),
    ],
)
def test_kinds_are_numpys(square):
    assert type(traced_value(square, V)) is type(square(V))


def test_vectors_give_a_scalar_that_rebinds():
    def f(x):
        y = z = x @ x
        y += 1.0
        return y * z

    # (s + 1) s with s = x·x
    close(wg.grad(f)(V), 2 * V * (2 * (V @ V) + 1), 1e-14)


def test_out():
    def f(x):
        out = np.empty((3, 2))
        np.matmul(x, B, out=out)
        another = np.empty((3, 2))
        np.dot(x, B, out=another)
        third = np.empty((3, 2))
        np.einsum("ij,jk->ik", x, B, out=third)
        return np.sum(irregular(B.T @ A.T).T * out * another * third)

    expected = directional(lambda x: np.sum(irregular(B.T @ A.T).T * (x @ B) ** 3), A, irregular(A))
    close(np.sum(wg.grad(f)(A) * irregular(A)), expected, 1e-9)


def test_in_place_matmul():
    def f(x):
        y = np.array(x)
        y @= y
        return np.sum(y * y)

    x = waves(3, 3)
    close(wg.grad(f)(x), wg.grad(lambda x: np.sum((x @ x) ** 2))(x), 1e-14)


@pytest.mark.parametrize(
    "product",
    [
        lambda z, w: z @ w,
        np.dot,
        np.vdot,
        np.inner,
        np.vecdot,
        lambda z, w: np.einsum("i,i->", z, w),
        lambda z, w: np.tensordot(z, w, 1),
    ],
)
def test_complex_gradient_descends(product):
    z, w = waves(4, dtype=np.complex128), waves(4, dtype=np.complex128, start=2.0)

    def f(z):
        return np.abs(product(z, w) - 1) ** 2 + np.real(product(w, z))

    gradient = wg.grad(f)(z)
    for direction in (np.eye(4)[1], 1j * np.eye(4)[2]):
        moved = (f(z + 1e-6 * direction) - f(z - 1e-6 * direction)) / 2e-6
        assert np.real(np.sum(gradient * direction)) == pytest.approx(moved, rel=1e-7)


def test_float32_stays():
    x = A.astype(np.float32)
    assert wg.grad(lambda x: np.sum(x @ B.astype(np.float32)))(x).dtype == np.float32
    assert wg.grad(lambda x: np.sum(x @ B))(x).dtype == np.float32
    assert wg.grad(lambda x: np.einsum("ij,jk->", x, B))(x).dtype == np.float32


def test_the_cotangent_of_a_shared_matrix_needs_no_stack_of_matrices():
    rows = np.ones((2000, 1, 50))

    def f(w):
        return np.sum(rows @ w)

    w = np.ones((50, 50))
    tracemalloc.start()
    wg.grad(f)(w)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2000 * 50 * 50 * 8 / 5


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x @ np.ones((3, 2)),
        lambda x: np.dot(x, np.ones((3, 2))),
        lambda x: np.matmul(x, 2.0),
        lambda x: np.tensordot(x, np.ones((3, 2)), 1),
        lambda x: np.tensordot(x, x, axes=([0, 0], [1, 1])),
        lambda x: np.einsum("ij,jk->ik", x, np.ones((3, 2))),
        lambda x: np.einsum("ijk->i", x),
        lambda x: np.cross(x, x),
        lambda x: np.vecdot(x, np.ones(3)),
        lambda x: np.trace(x[0]),
        lambda x: np.linalg.outer(x, x),
        lambda x: np.linalg.multi_dot([x]),
    ],
)
def test_errors_are_numpys(call):
    with pytest.raises(ValueError):  # noqa: PT011
        call(A)
    with pytest.raises(ValueError):  # noqa: PT011
        wg.grad(lambda x: np.sum(call(x)))(A)
    close(wg.grad(lambda x: np.sum(x @ B))(A), np.ones((3, 2)) @ B.T, 1e-15)


def test_third_derivative_of_a_cubic_einsum():
    def cubic(t):
        x = t * V
        return np.einsum("i,i,i->", x, x, x)

    found = wg.grad(wg.grad(wg.grad(cubic)))(0.7)
    close(found, 6 * np.sum(V**3), 1e-14)
