"""numpy.linalg: every function has NumPy's value and exact derivatives, at hard points too."""

import itertools

import numpy as np
import pytest

import wengert as wg
from modes import has_gradient, in_each_mode
from reference import close, irregular, same, scalarised
from wengert.numerical import derivative
from wengert.testing import check_grads


def waves(*shape, start=1.0):
    """Fixed numbers of a shape, no two related."""
    places = np.arange(int(np.prod(shape)))
    return np.sin(start + 1.7 * places + 0.31 * places**2).reshape(shape)


def symmetric(x):
    """The symmetric part of a matrix, or of a stack of them."""
    return 0.5 * (x + np.swapaxes(x, -1, -2))


def positive(x):
    """A positive definite function of a matrix."""
    return x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1])


def check(function, x, tolerance=1e-8):
    """Value bitwise NumPy's; both modes, and the second order, equal to differences."""
    value, _ = wg.vjp(function, x)
    same(np.asarray(value), np.asarray(function(x)))
    check_grads(function, (x,), order=1, tolerance=tolerance, step=STEP)
    gradient = wg.grad(scalarised(function))
    direction = irregular(x)
    along = derivative(lambda h: gradient(x + h * direction), method="richardson", step=STEP)(0.0)
    _, forward = wg.jvp(gradient, (x,), (direction,))
    close(forward, along, 10 * tolerance)
    reverse = wg.grad(lambda x: np.sum(gradient(x) * direction))(x)
    close(reverse, along, 10 * tolerance)


# Short enough that no two singular values or eigenvalues of the samples meet on the way.
STEP = 0.02

SQUARE = waves(3, 3) + 3 * np.eye(3)
STACK = waves(4, 3, 3, start=2.0) + 3 * np.eye(3)
TALL, WIDE = waves(4, 3), waves(3, 4, start=2.0)
VECTOR = waves(3, start=3.0)

FUNCTIONS = {
    "solve, matrix": (lambda a: np.linalg.solve(a, VECTOR), SQUARE),
    "solve, right-hand side": (lambda b: np.linalg.solve(SQUARE, b), waves(3, 2)),
    "solve, both": (lambda a: np.linalg.solve(a, a[:, :2] ** 2), SQUARE),
    "solve, stack and vector": (lambda a: np.linalg.solve(a, VECTOR), STACK),
    "solve, vector for a stack": (lambda b: np.linalg.solve(STACK, b), VECTOR),
    "solve, list": (lambda a: np.linalg.solve(a, [1.0, 2.0, 3.0]), SQUARE),
    "tensorsolve": (
        lambda a: np.linalg.tensorsolve(a.reshape(3, 2, 6), waves(3, 2)),
        waves(6, 6) + 4 * np.eye(6),
    ),
    "tensorsolve axes": (
        lambda a: np.linalg.tensorsolve(a.reshape(3, 6, 2), waves(3, 2), axes=(1,)),
        waves(6, 6) + 4 * np.eye(6),
    ),
    "inv": (np.linalg.inv, SQUARE),
    "inv of a stack": (np.linalg.inv, STACK),
    "tensorinv": (
        lambda a: np.linalg.tensorinv(a.reshape(2, 3, 6), ind=2),
        waves(6, 6) + 4 * np.eye(6),
    ),
    "matrix_power 0": (lambda a: np.linalg.matrix_power(a, 0) + a, SQUARE),
    "matrix_power 5": (lambda a: np.linalg.matrix_power(a, 5), 0.3 * SQUARE),
    "matrix_power 3": (lambda a: np.linalg.matrix_power(a, 3), 0.3 * STACK),
    "matrix_power -2": (lambda a: np.linalg.matrix_power(a, -2), SQUARE),
    "det": (np.linalg.det, SQUARE),
    "det of a stack": (np.linalg.det, STACK),
    "slogdet": (lambda a: np.linalg.slogdet(a).logabsdet, SQUARE),
    "slogdet of a stack": (lambda a: np.linalg.slogdet(-a)[1], STACK),
    "cholesky": (lambda x: np.linalg.cholesky(positive(x)), SQUARE),
    "cholesky upper": (lambda x: np.linalg.cholesky(positive(x), upper=True), STACK),
    "eigh values": (lambda x: np.linalg.eigh(symmetric(x)).eigenvalues, SQUARE),
    "eigh vectors": (lambda x: np.linalg.eigh(symmetric(x)).eigenvectors, SQUARE),
    # LAPACK turns the sign of a vector as it likes.
    "eigh upper": (lambda x: np.linalg.eigh(symmetric(x), UPLO="u")[1] ** 2, STACK),
    "eigvalsh": (lambda x: np.linalg.eigvalsh(symmetric(x)), STACK),
    "eigvals": (lambda x: np.abs(np.linalg.eigvals(x)), SQUARE),
    "eig, real": (lambda x: np.abs(np.linalg.eig(x @ x.T).eigenvectors), TALL.T @ TALL),
    "eig, complex": (lambda x: np.real(np.linalg.eig(x)[1]), SQUARE),
    "svd": (lambda x: np.linalg.svd(x, full_matrices=False).U, TALL),
    "svd, right vectors": (lambda x: np.linalg.svd(x, full_matrices=False).Vh, WIDE),
    "svd, square": (lambda x: np.linalg.svd(x)[2], SQUARE),
    "svd, full, spare space": (
        lambda x: np.linalg.svd(x).U[:, 3:] @ np.linalg.svd(x).U[:, 3:].T,
        TALL,
    ),
    "svd, full, wide": (
        lambda x: np.linalg.svd(x).Vh[3:].T @ np.linalg.svd(x).Vh[3:] + np.linalg.svd(x).S[0],
        WIDE,
    ),
    "svd, hermitian": (
        lambda x: np.linalg.svd(symmetric(x), compute_uv=False, hermitian=True),
        SQUARE,
    ),
    "svdvals": (np.linalg.svdvals, STACK[:, :2]),
    "qr": (lambda x: np.linalg.qr(x).Q, TALL),
    "qr, wide": (lambda x: np.linalg.qr(x).R, WIDE),
    "qr r": (lambda x: np.linalg.qr(x, mode="r"), STACK),
    "qr complete": (lambda x: np.linalg.qr(x, mode="complete").R, WIDE),
    "pinv": (np.linalg.pinv, TALL),
    "pinv, wide stack": (lambda x: np.linalg.pinv(x[:, :2], rtol=1e-10), STACK),
    "pinv of constant rank": (lambda x: np.linalg.pinv(x @ WIDE[:2], rcond=1e-10), TALL[:, :2]),
    "pinv, hermitian": (lambda x: np.linalg.pinv(positive(x), hermitian=True), SQUARE),
    "lstsq": (lambda a: np.linalg.lstsq(a, waves(4))[0], TALL),
    "lstsq, right-hand side": (lambda b: np.linalg.lstsq(TALL, b, rcond=None)[0], waves(4, 2)),
    "lstsq residuals": (lambda a: np.linalg.lstsq(a, waves(4, 2))[1], TALL),
    "lstsq, wide": (lambda a: np.linalg.lstsq(a, VECTOR, rcond=1e-12)[0], WIDE),
    "lstsq singular values": (lambda a: np.linalg.lstsq(a, VECTOR)[3], WIDE),
    "cond": (np.linalg.cond, TALL),
    "cond -2": (lambda a: np.linalg.cond(a, -2), STACK),
    "cond 1": (lambda a: np.linalg.cond(a, 1), SQUARE),
    "cond fro": (lambda a: np.linalg.cond(a, "fro"), STACK),
    "diagonal": (lambda a: np.linalg.diagonal(a, offset=1), STACK),
    "matrix_transpose": (np.linalg.matrix_transpose, STACK),
    "vector_norm": (np.linalg.vector_norm, TALL),
    "vector_norm axes": (
        lambda x: np.linalg.vector_norm(x, axis=(0, 2), ord=3, keepdims=True),
        STACK,
    ),
    "vector_norm axis": (lambda x: np.linalg.vector_norm(x, axis=1, ord=1), STACK),
    "matrix_norm": (np.linalg.matrix_norm, STACK),
    "matrix_norm keepdims": (lambda x: np.linalg.matrix_norm(x, keepdims=True, ord=2), STACK),
}

# The eigenvalue problem without symmetry is worse conditioned, and so are its differences.
LOOSE = {"eig, real": 1e-6, "eig, complex": 1e-7, "eigvals": 1e-7}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    check(*FUNCTIONS[name], LOOSE.get(name, 1e-8))


ORDERS = [None, 1, -1, 2, -2, np.inf, -np.inf]


@pytest.mark.parametrize("ord", [*ORDERS, 3, 0.5, -1.5])
@pytest.mark.parametrize("keepdims", [False, True])
def test_vector_norms(ord, keepdims):
    check(lambda x: np.linalg.norm(x, ord, axis=1, keepdims=keepdims), TALL)
    check(lambda x: np.linalg.norm(x, ord=ord), VECTOR)


@pytest.mark.parametrize("ord", [*ORDERS, "fro", "nuc"])
def test_matrix_norms(ord):
    check(lambda x: np.linalg.norm(x, ord), TALL)
    check(lambda x: np.linalg.norm(x, ord, axis=(2, 0), keepdims=True), STACK)


def test_norm_of_an_array_of_any_dimension():
    check(np.linalg.norm, STACK)


@pytest.mark.parametrize("ord", [None, 1, 2, 3, np.inf, -np.inf, 0])
def test_vector_norms_at_zero(ord):
    has_gradient(lambda x: np.linalg.norm(x, ord), np.zeros(3), np.zeros(3))


@pytest.mark.parametrize("ord", [None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc"])
def test_matrix_norms_at_zero(ord):
    has_gradient(lambda x: np.linalg.norm(x, ord), np.zeros((2, 3)), np.zeros((2, 3)))


def test_norm_at_zero_has_no_second_derivative():
    assert np.isnan(wg.hessian(np.linalg.norm)(np.zeros(2))).all()


def test_largest_entries_that_tie_share():
    has_gradient(lambda x: np.linalg.norm(x, np.inf), np.array([2.0, -1.0, -2.0]), [0.5, 0.0, -0.5])


@pytest.mark.parametrize("ord", [None, 1, 3, np.inf])
def test_complex_norms(ord):
    z = waves(3) + 1j * waves(3, start=4.0)
    gradient = wg.grad(lambda z: np.linalg.norm(z, ord))(z)
    for step in (np.eye(3)[1], 1j * np.eye(3)[2]):
        ahead, behind = (np.linalg.norm(z + h * step, ord) for h in (1e-6, -1e-6))
        moved = (ahead - behind) / 2e-6
        assert np.real(np.sum(gradient * step)) == pytest.approx(moved, abs=1e-8)


# ------------------------------------------------------------------ determinants


def minors(a):
    """The cofactor matrix by its definition."""
    size = len(a)
    found = np.empty_like(a)
    for i, j in itertools.product(range(size), repeat=2):
        rest = np.delete(np.delete(a, i, 0), j, 1)
        found[i, j] = (-1) ** (i + j) * np.linalg.det(rest)
    return found


SINGULAR = {
    "rank 1 of 2": np.ones((2, 2)),
    "rank 2 of 3": np.arange(1.0, 10.0).reshape(3, 3),
    "rank 3 of 4": TALL @ waves(3, 4, start=5.0),
    "rank 2 of 4": TALL[:, :2] @ WIDE[:2],
    "rank 1 of 3": np.outer(VECTOR, waves(3)),
    "rank 1 of 4": np.outer(waves(4), waves(4, start=2.0)),
    "zero, 1": np.zeros((1, 1)),
    "zero, 2": np.zeros((2, 2)),
    "zero, 3": np.zeros((3, 3)),
    "zero row": np.array([[1.0, 2.0], [0.0, 0.0]]),
    "nearly singular": np.array([[1.0, 0.0], [0.0, 1e-18]]),
    "badly scaled": np.diag([1.0, 1e-12, 1e-24]),
    "rank 2 of 5": waves(5, 2) @ waves(2, 5, start=3.0),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_determinant_of_a_singular_matrix(name):
    a = SINGULAR[name]
    expected = minors(a)
    for gradient in in_each_mode(np.linalg.det, a).values():
        close(gradient, expected, 1e-13)


@pytest.mark.parametrize("name", SINGULAR)
def test_determinant_of_a_singular_matrix_to_the_third_order(name):
    a = SINGULAR[name]
    direction, second = waves(*a.shape, start=6.0), waves(*a.shape, start=7.0)

    def curve(s, t):
        return np.linalg.det(a + s * direction + t * second)

    # The determinant along a line is a polynomial: the differences of one are exact but for
    # rounding.
    if len(a) == 1:
        return
    ds = wg.grad(curve)
    dst = wg.grad(ds, 1)
    dsst = wg.grad(dst)
    h = 0.5
    corners = curve(h, h) - curve(h, -h) - curve(-h, h) + curve(-h, -h)
    if len(a) < 3:
        assert dst(0.0, 0.0) == pytest.approx(corners / (4 * h * h), abs=1e-12)
        return
    numeric = (ds(0.0, h) - ds(0.0, -h)) / (2 * h)
    wide = (ds(0.0, 2 * h) - ds(0.0, -2 * h)) / (4 * h)
    assert dst(0.0, 0.0) == pytest.approx((4 * numeric - wide) / 3, abs=1e-11)
    numeric = (dst(h, 0.0) - dst(-h, 0.0)) / (2 * h)
    wide = (dst(2 * h, 0.0) - dst(-2 * h, 0.0)) / (4 * h)
    assert dsst(0.0, 0.0) == pytest.approx((4 * numeric - wide) / 3, abs=1e-11)


def test_a_stack_with_singular_matrices():
    stack = np.stack([np.ones((2, 2)), SQUARE[:2, :2], np.zeros((2, 2))])
    expected = np.stack([minors(a) for a in stack])
    for gradient in in_each_mode(lambda a: np.sum(np.linalg.det(a)), stack).values():
        close(gradient, expected, 1e-14)


def test_a_large_singular_matrix():
    a = waves(40, 40, start=0.3) ** 3
    a[-1] = a[0]
    gradient = wg.grad(np.linalg.det)(a)
    rows = np.linalg.det(np.vstack([a[:-1], np.eye(40)[3]]))
    assert gradient[-1, 3] == pytest.approx(rows, rel=1e-9)


def polar_factor(z):
    """The unitary polar factor: no phase of a singular vector is left in it."""
    u, _, v = np.linalg.svd(z)
    return u @ v


def test_slogdet_keeps_its_class_and_its_sign_is_constant():
    value, _ = wg.vjp(np.linalg.slogdet, SQUARE)
    assert type(value) is type(np.linalg.slogdet(SQUARE))
    has_gradient(lambda a: np.linalg.slogdet(a).sign, SQUARE, np.zeros((3, 3)))


def test_slogdet_of_a_singular_matrix_has_a_value_and_no_derivative():
    value, gradient = wg.value_and_grad(lambda a: np.linalg.slogdet(a)[1])(np.ones((2, 2)))
    assert value == -np.inf
    assert np.isnan(gradient).all()


@pytest.mark.parametrize(
    "function",
    [
        lambda z: np.real(np.linalg.slogdet(z)[0] * (2 - 1j)),
        lambda z: np.linalg.slogdet(z)[1],
        lambda z: np.abs(np.linalg.det(z) - 1j),
        lambda z: np.imag(np.sum(np.linalg.inv(z) * SQUARE)),
        lambda z: np.real(np.sum(np.linalg.cholesky(z @ np.conj(z.T) + np.eye(3)) * SQUARE)),
        lambda z: np.imag(
            np.sum(np.linalg.cholesky(z @ np.conj(z.T) + np.eye(3), upper=True) * SQUARE)
        ),
        lambda z: np.sum(np.linalg.eigvalsh(z + np.conj(z.T)) ** 2 * VECTOR),
        lambda z: np.sum(np.abs(np.linalg.eigh(z + np.conj(z.T))[1]) ** 2 * SQUARE),
        lambda z: np.sum(np.linalg.svdvals(z) * VECTOR),
        lambda z: np.real(np.sum(polar_factor(z) * SQUARE)),
        lambda z: np.real(np.sum(np.linalg.qr(z)[0] * SQUARE)),
        lambda z: np.imag(np.sum(np.linalg.pinv(z[:, :2]) * SQUARE[:2])),
        lambda z: np.real(np.sum(np.linalg.eigvals(z) ** 2)),
        lambda z: np.linalg.norm(z, 2) + np.linalg.norm(z, "nuc"),
    ],
)
def test_complex_matrices(function):
    z = SQUARE + 1j * waves(3, 3, start=5.0)
    gradient = wg.grad(function)(z)
    for step in (waves(3, 3, start=8.0), 1j * waves(3, 3, start=9.0)):
        moved = (function(z + 1e-5 * step) - function(z - 1e-5 * step)) / 2e-5
        assert np.real(np.sum(gradient * step)) == pytest.approx(moved, rel=2e-7, abs=2e-8)
        _, tangent = wg.jvp(function, (z,), (step.astype(complex),))
        assert tangent == pytest.approx(moved, rel=2e-7, abs=2e-8)


# ------------------------------------------------------------------ decompositions


@pytest.mark.parametrize("function", [np.linalg.cholesky, np.linalg.eigvalsh])
def test_gradients_of_functions_of_symmetric_matrices_are_symmetric(function):
    a = positive(SQUARE)
    gradient = wg.grad(lambda a: np.sum(np.sin(function(a))))(a)
    close(gradient, gradient.T, 1e-14)
    step = symmetric(waves(3, 3, start=4.0))
    curve = lambda h: np.sum(np.sin(function(a + h * step)))  # noqa: E731
    assert np.sum(gradient * step) == pytest.approx((curve(1e-5) - curve(-1e-5)) / 2e-5, rel=1e-8)


@pytest.mark.parametrize("decomposition", [np.linalg.eigh, np.linalg.eig, np.linalg.qr])
def test_named_tuples_keep_their_class(decomposition):
    value, _ = wg.vjp(decomposition, positive(SQUARE))
    assert type(value) is type(decomposition(SQUARE))


def test_equal_eigenvalues():
    basis, _ = np.linalg.qr(SQUARE)
    a = symmetric((basis * [1.0, 1.0, 3.0]) @ basis.T)

    def projection(a):
        vectors = np.linalg.eigh(a).eigenvectors[:, :2]
        return np.sum(waves(3, 3) * (vectors @ vectors.T))

    step = symmetric(waves(3, 3, start=4.0))
    moved = (projection(a + 1e-5 * step) - projection(a - 1e-5 * step)) / 2e-5
    for gradient in in_each_mode(projection, a).values():
        assert np.sum(gradient * step) == pytest.approx(moved, rel=1e-7)


def test_the_sum_of_equal_eigenvalues_has_a_gradient():
    has_gradient(lambda a: np.sum(np.linalg.eigvalsh(a)), np.eye(3), np.eye(3), 1e-14)


def test_spectral_norm_is_the_product_of_singular_vectors():
    u, _, v = np.linalg.svd(TALL)
    gradient = wg.grad(lambda a: np.linalg.norm(a, 2))(TALL)
    close(gradient, np.outer(u[:, 0], v[0]), 1e-14)


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (np.linalg.LinAlgError, lambda a: np.linalg.inv(0 * a)),
        (np.linalg.LinAlgError, lambda a: np.linalg.solve(0 * a, VECTOR)),
        (np.linalg.LinAlgError, lambda a: np.linalg.cholesky(-positive(a))),
        (np.linalg.LinAlgError, lambda a: np.linalg.det(a[:2])),
        (np.linalg.LinAlgError, lambda a: np.linalg.slogdet(a[0])),
        (np.linalg.LinAlgError, lambda a: np.linalg.cholesky(a[:2])),
        (np.linalg.LinAlgError, lambda a: np.linalg.matrix_power(a[:2], 2)),
        (TypeError, lambda a: np.linalg.matrix_power(a, 0.5)),
        (ValueError, lambda a: np.linalg.solve(a, np.ones((2, 2)))),
        (ValueError, lambda a: np.linalg.norm(a, 5)),
        (ValueError, lambda a: np.linalg.norm(a, "fro", axis=0)),
        (ValueError, lambda a: np.linalg.norm(np.stack([a]), 2)),
        (ValueError, lambda a: np.linalg.eigh(a, UPLO="X")),
        (np.linalg.LinAlgError, lambda a: np.linalg.lstsq(a, np.ones(2))),
    ],
)
def test_errors_are_numpys(error, call):
    with pytest.raises(error):
        call(SQUARE)
    with pytest.raises(error):
        wg.grad(lambda a: np.sum(call(a)[0]))(SQUARE)
    close(wg.grad(np.linalg.det)(np.eye(3)), np.eye(3), 1e-15)


def test_the_rest_of_a_complete_orthogonal_basis_has_no_derivative():
    with pytest.raises(wg.errors.MissingRuleError, match="reduced"):
        wg.grad(lambda a: np.sum(np.linalg.qr(a, mode="complete").Q))(TALL)


@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "svdvals", "solve, matrix"])
def test_float32_stays(name):
    function, x = FUNCTIONS[name]
    x = x[0] if x.ndim == 3 else x
    assert wg.grad(lambda x: np.sum(function(x)))(x.astype(np.float32)).dtype == np.float32
