"""numpy.linalg: every function has NumPy's value and exact derivatives, at hard points too."""

import itertools
import warnings

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


UNKNOWN = {
    "compiled": lambda f: wg.jit(f),
    "of a compiled function": None,
    "batched": lambda f: lambda a: wg.vmap(f)(np.stack([a, 2 * a, a]))[2],
}


@pytest.mark.parametrize("how", UNKNOWN)
@pytest.mark.parametrize("name", SINGULAR)
def test_determinant_of_a_singular_matrix_whose_values_are_not_known(name, how):
    """The first three derivatives, computed without looking at the matrix: as eager ones."""
    a = SINGULAR[name]
    first, second = waves(*a.shape, start=6.0), waves(*a.shape, start=7.0)
    det = wg.jit(np.linalg.det) if UNKNOWN[how] is None else np.linalg.det
    known = np.linalg.det
    run = UNKNOWN[how] or (lambda f: f)

    def along(f):
        return lambda a: np.sum(wg.grad(f)(a) * first)

    close(run(wg.grad(det))(a), minors(a), 1e-13)
    close(run(lambda a: wg.jvp(det, (a,), (first,))[1])(a), np.sum(minors(a) * first), 1e-12)
    close(run(wg.grad(along(det)))(a), wg.grad(along(known))(a), 1e-12)
    expected = wg.grad(lambda a: np.sum(wg.grad(along(known))(a) * second))(a)
    close(run(wg.grad(lambda a: np.sum(wg.grad(along(det))(a) * second)))(a), expected, 1e-11)
    pushed = lambda a: wg.jvp(wg.grad(along(det)), (a,), (second,))[1]  # noqa: E731
    close(run(pushed)(a), expected, 1e-11)


@pytest.mark.parametrize("how", UNKNOWN)
def test_determinant_of_a_complex_singular_matrix_whose_values_are_not_known(how):
    a = (TALL[:, :2] + 1j * WIDE[:2].T) @ (WIDE[:2] - 0.5j)
    direction = waves(4, 4, start=6.0) + 1j * waves(4, 4, start=7.0)
    det = wg.jit(np.linalg.det) if UNKNOWN[how] is None else np.linalg.det
    run = UNKNOWN[how] or (lambda f: f)
    close(run(wg.grad(det, holomorphic=True))(a), minors(a), 1e-13)

    def along(f):
        return lambda a: np.sum(wg.grad(f, holomorphic=True)(a) * direction)

    found = run(wg.grad(along(det), holomorphic=True))(a)
    close(found, wg.grad(along(np.linalg.det), holomorphic=True)(a), 1e-12)


def test_the_fourth_derivative_of_a_determinant_whose_values_are_not_known():
    a, first = waves(5, 5) + 3 * np.eye(5), waves(5, 5, start=6.0)
    curve = lambda s: np.linalg.det(a + s * first)  # noqa: E731
    fourth = wg.jit(wg.grad(wg.grad(wg.grad(wg.grad(curve)))))(0.1)
    expected = np.polyfit(x := np.linspace(-3, 3, 6), [curve(s) for s in x], 5)
    assert fourth == pytest.approx(24 * expected[1] + 120 * 0.1 * expected[0], rel=1e-9)


@pytest.mark.parametrize("how", UNKNOWN)
def test_logarithm_of_a_determinant_that_is_0_has_no_derivative_anywhere(how):
    run = UNKNOWN[how] or wg.jit
    gradient = run(wg.grad(lambda a: np.linalg.slogdet(a)[1]))(np.ones((3, 3)))
    assert np.isnan(gradient).all()


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


# Equal eigenvalues: the turn of their vectors among themselves is left out, with a warning where
# the result may depend on it. Reverse mode sees that; forward mode sees the direction only.

TURN, _ = np.linalg.qr(SQUARE)
DOUBLE = symmetric((TURN * [1.0, 1.0, 3.0]) @ TURN.T)
LOW_RANK = np.outer(VECTOR, VECTOR)
WEIGHTS = waves(3, 3, start=2.0)


def of_eigh(function):
    return lambda a: np.sum(WEIGHTS * function(*np.linalg.eigh(symmetric(a))))


def of_eig(function):
    return lambda a: np.sum(WEIGHTS * np.real(function(*np.linalg.eig(a))))


def of_svd(function, **keywords):
    return lambda a: np.sum(WEIGHTS * function(*np.linalg.svd(a, **keywords)))


def space_of_ones(w, v):
    near = np.abs(w - 1.0) < 0.5
    return v[:, near] @ np.linalg.inv(v)[near]


def with_duplicates():
    return SQUARE @ np.diag([1.0, 1.0, 3.0]) @ np.linalg.inv(SQUARE)


DETERMINED = {
    "projection": (of_eigh(lambda w, v: v[:, :2] @ v[:, :2].T), DOUBLE),
    "other vector": (of_eigh(lambda w, v: w[2] * np.outer(v[:, 2], v[:, 2])), DOUBLE),
    "largest of low rank": (of_eigh(lambda w, v: w[-1] * np.outer(v[:, -1], v[:, -1])), LOW_RANK),
    "values of eigh": (lambda a: np.sum(np.linalg.eigh(symmetric(a))[0] ** 2), DOUBLE),
    "polar factor": (of_svd(lambda u, s, v: u @ v), TURN),
    "polar factor, identity": (of_svd(lambda u, s, v: u @ v), np.eye(3)),
    "largest singular": (of_svd(lambda u, s, v: s[0] * np.outer(u[:, 0], v[0])), LOW_RANK),
    "spare space": (of_svd(lambda u, s, v: u[:, 1:] @ u[:, 1:].T), TALL[:3, :1]),
    "projection, eig": (of_eig(space_of_ones), with_duplicates()),
}
MIXED = {
    "square root of one": (of_eigh(lambda w, v: (v * np.sqrt(w)) @ v.T), np.eye(3)),
    "logarithm of one": (of_eigh(lambda w, v: (v * np.log(w)) @ v.T), np.eye(3)),
    "square root": (of_eigh(lambda w, v: (v * np.sqrt(w)) @ v.T), DOUBLE),
    "one of two vectors": (of_eigh(lambda w, v: np.outer(v[:, 0], v[:, 0])), DOUBLE),
    "eigh of a stack": (
        lambda a: of_eigh(lambda w, v: (v * np.sqrt(w)[:, None, :]) @ np.swapaxes(v, -1, -2))(
            np.stack([2.0 * a + np.diag([1.0, 2.0, 4.0]), a])
        ),
        DOUBLE,
    ),
    "squared singular values": (of_svd(lambda u, s, v: (u * s**2) @ v), TURN),
    "square root, eig": (
        of_eig(lambda w, v: (v * np.sqrt(w)) @ np.linalg.inv(v)),
        with_duplicates(),
    ),
}


@pytest.mark.parametrize("name", DETERMINED)
def test_functions_of_the_space_of_equal_eigenvalues(name):
    function, point = DETERMINED[name]
    step = waves(*point.shape, start=4.0)
    moved = (function(point + 1e-5 * step) - function(point - 1e-5 * step)) / 2e-5
    assert np.sum(wg.grad(function)(point) * step) == pytest.approx(moved, rel=1e-6)
    assert np.sum(wg.jacrev(function)(point) * step) == pytest.approx(moved, rel=1e-6)
    with warnings.catch_warnings():  # it may warn, for it cannot see what becomes of the vectors
        warnings.simplefilter("ignore", wg.errors.DegenerateEigenvaluesWarning)
        assert wg.jvp(function, (point,), (step,))[1] == pytest.approx(moved, rel=1e-6)


@pytest.mark.parametrize("name", MIXED)
def test_vectors_of_equal_eigenvalues_warn(name):
    function, point = MIXED[name]
    for gradient in (wg.grad, wg.jacrev, wg.jacfwd):
        with pytest.warns(wg.errors.DegenerateEigenvaluesWarning, match="move the") as caught:
            assert np.all(np.isfinite(gradient(function)(point)))
        assert {warning.filename for warning in caught} == {__file__}


def test_a_direction_that_keeps_the_vectors_does_not_warn():
    function, point = MIXED["square root"]
    _, v = np.linalg.eigh(DOUBLE)
    step = symmetric((v * [0.3, 0.8, -0.5]) @ v.T)
    moved = (function(point + 1e-5 * step) - function(point - 1e-5 * step)) / 2e-5
    assert wg.jvp(function, (point,), (step,))[1] == pytest.approx(moved, rel=1e-8)


def test_moving_the_eigenvalues_apart():
    # As the warning says; the square root of A near 1 is (1 + A)/2 to first order.
    function, point = MIXED["square root of one"]
    apart = point + 1e-8 * np.diag(np.arange(3.0))
    np.testing.assert_allclose(wg.grad(function)(apart), symmetric(WEIGHTS) / 2, atol=1e-6)


EIGENVALUES_ONLY = {
    "trace": (lambda a: np.sum(np.linalg.eigvalsh(symmetric(a))), np.eye(3), True),
    "largest of low rank": (lambda a: np.linalg.eigvalsh(symmetric(a))[-1], LOW_RANK, True),
    "nuclear norm": (lambda a: np.linalg.norm(a, "nuc"), TURN, True),
    "trace, eigvals": (
        lambda a: np.sum(np.real(np.linalg.eigvals(a))),
        with_duplicates(),
        True,
    ),
    "logarithm of determinant": (
        lambda a: np.sum(np.log(np.linalg.eigvalsh(symmetric(a)))),
        np.eye(3),
        False,
    ),
    "distance": (
        lambda a: np.sum((np.linalg.eigvalsh(symmetric(a)) - 1.0) ** 2),
        np.eye(3),
        False,
    ),
    "squared norm": (lambda a: np.sum(np.linalg.svdvals(a) ** 2), TURN, False),
    "squares, eigvals": (
        lambda a: np.sum(np.real(np.linalg.eigvals(a)) ** 2),
        with_duplicates(),
        False,
    ),
}


@pytest.mark.parametrize("name", EIGENVALUES_ONLY)
def test_functions_of_equal_eigenvalues_alone(name):
    function, point, determined = EIGENVALUES_ONLY[name]
    step = waves(3, 3, start=4.0)
    moved = (function(point + 1e-5 * step) - function(point - 1e-5 * step)) / 2e-5
    for gradient in in_each_mode(function, point).values():
        assert np.sum(gradient * step) == pytest.approx(moved, rel=1e-6, abs=1e-8)
    for outer in (wg.jacrev, wg.jacfwd):
        if not determined:
            with pytest.warns(wg.errors.DegenerateEigenvaluesWarning, match="second derivative"):
                outer(wg.grad(function))(point)
            continue
        second = outer(wg.grad(function))(point)
        along = derivative(
            lambda h: wg.grad(function)(point + h * step), method="richardson", step=STEP
        )(0.0)
        np.testing.assert_allclose(
            np.tensordot(second, step, axes=2), along, atol=1e-6 * np.max(np.abs(along)) + 1e-12
        )


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
