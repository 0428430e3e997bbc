"""Cases that automatic differentiation systems have been found to get wrong without saying so.

One test a case, named after it, against closed forms or differences of the plain program.
"""

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import scipy.stats

import wengert as wg
from modes import agrees, has_gradient, in_each_mode
from reference import close, directional, irregular

X = np.array([0.7, -1.3, 0.4, 2.2, -0.6])
A = np.array([[0.7, -1.3, 0.4], [2.2, -0.6, 1.5]])
MASK = np.array([True, False, True, True, False])


# ------------------------------------------------------------------ reductions


@pytest.mark.parametrize("function", [np.sum, np.mean, np.prod, np.std])
def test_where_of_a_reduction(function):
    agrees(lambda x: function(x, where=MASK), X)
    has_gradient(lambda x: function(x, where=MASK) * 0.0 + np.sum(x, where=~MASK), X, 1.0 * ~MASK)


def test_where_of_max_needs_and_uses_initial():
    agrees(lambda x: np.max(x, where=MASK, initial=-5.0), X)
    has_gradient(lambda x: np.max(x, where=~MASK, initial=-5.0), X, [0, 0, 0, 0, 1])


def test_initial_of_sum_forward():
    value, tangent = wg.jvp(lambda x, s: np.sum(x, initial=s), (X, 2.5), (np.ones(5), 3.0))
    assert value == np.sum(X, initial=2.5)
    assert tangent == 8.0


def test_correction_of_var():
    agrees(lambda x: np.var(x, correction=1), X)
    has_gradient(lambda x: np.var(x, correction=1), X, (X - X.mean()) / 2.0, 1e-14)


def test_prod_with_one_zero():
    has_gradient(np.prod, np.array([2.0, 0.0, 3.0]), [0.0, 6.0, 0.0])
    hessian = wg.hessian(np.prod)(np.array([2.0, 0.0, 3.0]))
    np.testing.assert_array_equal(hessian, [[0, 3, 0], [3, 0, 2], [0, 2, 0]])


def test_prod_with_two_zeros():
    has_gradient(np.prod, np.array([0.0, 2.0, 0.0]), [0.0, 0.0, 0.0])
    hessian = wg.hessian(np.prod)(np.array([0.0, 2.0, 0.0]))
    np.testing.assert_array_equal(hessian, [[0, 0, 2], [0, 0, 0], [2, 0, 0]])


# ------------------------------------------------------------------ arguments and constants


def test_operands_passed_by_keyword():
    has_gradient(lambda x: np.tensordot(a=x, b=x, axes=1), X, 2.0 * X)
    has_gradient(
        lambda x: np.sum(np.concatenate(arrays=(x, x * x))) if False else np.sum(a=x), X, 1
    )
    has_gradient(lambda x: np.sum(np.clip(a=x, a_min=-1.0, a_max=1.0)), X, [1, 0, 1, 0, 1])


def test_a_constant_mutated_after_it_was_used():
    def program(x, constant):
        y = np.sum(constant * x)
        constant[:] = 100.0
        return y

    def mutated(x):
        return program(x, factor)

    factor = np.arange(5.0)
    np.testing.assert_array_equal(wg.grad(mutated)(X), np.arange(5.0))
    factor = np.ones(5000)
    with pytest.raises(ValueError, match="read-only"):
        wg.grad(mutated)(np.ones(5000))


def test_full_like_of_a_traced_number():
    has_gradient(lambda s: np.sum(np.full_like(A, s) * A), 2.0, np.sum(A), 1e-15)
    has_gradient(lambda a: np.sum(np.full_like(a, a[0, 0])), A, [[6, 0, 0], [0, 0, 0]])


def test_arange_of_a_traced_number():
    agrees(lambda x: np.arange(x[0], 4.6, x[1] + 2.0), X)
    has_gradient(lambda s: np.sum(np.arange(s, s + 2.5)), 0.3, 3.0)


def test_item():
    has_gradient(lambda x: x.item(3) * x.item(-1), X, [0, 0, 0, -0.6, 2.2])
    has_gradient(lambda x: x.item((1, 2)) ** 2, A, [[0, 0, 0], [0, 0, 3.0]])


# ------------------------------------------------------------------ sets


def test_unique():
    agrees(lambda x: np.unique(x[[3, 1, 3, 0]]), X)
    has_gradient(lambda x: np.sum(np.unique(x[[3, 1, 3, 0]]) ** 2), X, 2.0 * X * [1, 1, 0, 1, 0])


def test_union1d():
    agrees(lambda x: np.union1d(x, [9.0, x[0]]), X)


def test_intersect1d():
    agrees(lambda x: np.intersect1d(x, x[[3, 0]]), X)


def test_setdiff1d():
    agrees(lambda x: np.setdiff1d(x, x[[3, 0]]), X)


def test_setxor1d():
    agrees(lambda x: np.setxor1d(x, np.concatenate([x[:2], 5.0 + x[:1]])), X)


# ------------------------------------------------------------------ points where formulas fail


def test_sinc_at_zero():
    has_gradient(np.sinc, 0.0, 0.0)
    assert wg.hessian(np.sinc)(0.0) == pytest.approx(-(np.pi**2) / 3.0, rel=1e-14)
    third = wg.grad(wg.grad(wg.grad(np.sinc)))
    assert third(0.0) == 0.0


NORMS = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]


@pytest.mark.parametrize("order", NORMS)
def test_matrix_norm(order):
    agrees(lambda a: np.linalg.norm(a, order), A)


@pytest.mark.parametrize("order", [None, 1, 2, 3, np.inf, -np.inf, 0.5])
def test_vector_norm(order):
    agrees(lambda x: np.linalg.norm(x, order), X)


@pytest.mark.parametrize("order", [None, 1, 2, 3, np.inf, -np.inf])
def test_vector_norm_at_zero(order):
    for gradient in in_each_mode(lambda x: np.linalg.norm(x, order), np.zeros(3)).values():
        np.testing.assert_array_equal(gradient, np.zeros(3))


@pytest.mark.parametrize("order", [None, "fro"])
def test_matrix_norm_at_zero(order):
    has_gradient(lambda a: np.linalg.norm(a, order), np.zeros((2, 3)), np.zeros((2, 3)))


def test_hypot_at_zero():
    assert wg.grad(np.hypot, (0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert wg.jvp(np.hypot, (0.0, 0.0), (1.0, 1.0))[1] == 0.0


def test_expm1_far_below():
    has_gradient(np.expm1, -40.0, np.exp(-40.0), 1e-15)


def test_i0():
    expected = scipy.special.i1(np.array([-3.0, 0.0, 0.5, 9.0]))
    derivative = wg.elementwise_grad(np.i0)(np.array([-3.0, 0.0, 0.5, 9.0]))
    np.testing.assert_allclose(derivative, expected, rtol=1e-13, atol=1e-16)


def test_clip_with_respect_to_its_bounds():
    low, high = np.full(5, -0.5), np.full(5, 1.0)
    lower, upper = wg.grad(lambda lo, hi: np.sum(np.clip(X, lo, hi)), (0, 1))(low, high)
    np.testing.assert_array_equal(lower, [0, 1, 0, 0, 1])
    np.testing.assert_array_equal(upper, [0, 0, 0, 1, 0])
    _, tangent = wg.jvp(lambda lo: np.sum(np.clip(X, lo, None)), (-0.5,), (1.0,))
    assert tangent == 2.0


def test_where_whose_untaken_branch_is_nan_or_infinite():
    x = np.array([-1.0, 0.0, 4.0])
    with np.errstate(all="ignore"):
        has_gradient(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), x, [0, 0, 0.25])
        has_gradient(lambda x: np.sum(np.where(x > 0, np.log(x), x)), x, [1, 1, 0.25])
        has_gradient(lambda x: np.sum(np.where(x == 0, 1.0, np.sin(x) / x)), x[1:2], [0.0])


# ------------------------------------------------------------------ shapes, joining, selecting


def test_partition_of_a_matrix():
    agrees(lambda a: np.partition(a, 1, axis=0), A)
    agrees(lambda a: np.partition(a, 1, axis=1), A)


PADS = ["constant", "edge", "linear_ramp", "maximum", "mean", "median", "minimum", "reflect"]


@pytest.mark.parametrize("mode", [*PADS, "symmetric", "wrap"])
def test_pad(mode):
    agrees(lambda x: np.pad(x, (2, 3), mode), X)
    agrees(lambda a: np.pad(a, ((1, 0), (2, 1)), mode), A)


@pytest.mark.parametrize("reflect_type", ["even", "odd"])
@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
def test_pad_further_than_the_array(mode, reflect_type):
    agrees(lambda x: np.pad(x, (7, 6), mode, reflect_type=reflect_type), X)


def test_pad_empty():
    def program(x):
        return np.pad(x, 2, "empty")[2:-2] ** 2

    agrees(program, X)


@pytest.mark.parametrize("k", [-1, 0, 1, 2])
def test_diag_of_a_matrix_that_is_not_square(k):
    agrees(lambda a: np.diag(a, k), A)
    agrees(lambda a: np.diag(a.T, k), A)


def test_einsum_of_a_trace():
    agrees(lambda a: np.einsum("ii->", a @ a.T), A)
    agrees(lambda a: np.einsum("ii", a.T @ a), A)
    has_gradient(lambda m: np.einsum("ii->", m), np.ones((3, 3)), np.eye(3))


def test_repeat_by_an_array():
    agrees(lambda x: np.repeat(x, [2, 0, 1, 3, 1]), X)
    agrees(lambda a: np.repeat(a, [0, 2, 1], axis=1), A)


def test_roll_by_tuples():
    agrees(lambda a: np.roll(a, (1, -2), axis=(0, 1)), A)
    agrees(lambda a: np.roll(a, (1, 2), axis=(1, 1)), A)


def test_concatenate_without_an_axis():
    agrees(lambda a: np.concatenate([a, a[0], a.T * a.T], axis=None), A)


def test_gradient_along_an_axis_and_with_spacings():
    agrees(lambda a: np.gradient(a, axis=1), A)
    agrees(lambda a: np.gradient(a, 0.5, axis=0), A)
    agrees(lambda a: np.gradient(a, [0.0, 0.4, 1.3], axis=1), A)
    agrees(lambda x: np.gradient(X, np.cumsum(1.0 + x * x)), X)
    agrees(lambda x: np.gradient(X, x[0], edge_order=2), X)


# ------------------------------------------------------------------ transforms, decompositions


@pytest.mark.parametrize("length", [1, 2, 5, 6, 7])
def test_real_fourier_transforms_of_any_length(length):
    def there(x):
        found = np.fft.rfft(x, length)
        return np.concatenate([found.real, found.imag])

    def back(x):
        return np.fft.irfft(x[:3] + 1j * x[2:], length)

    agrees(there, X)
    agrees(back, X)
    if length > 1:
        agrees(lambda x: np.fft.irfft(np.fft.rfft(x, length), length), X)


@pytest.mark.parametrize("matrix", [A, A.T])
def test_singular_value_decomposition_with_full_matrices(matrix):
    def program(a):
        u, s, vh = np.linalg.svd(a, full_matrices=True)
        rank = s.size
        return np.concatenate([np.ravel(u[:, :rank] * s), np.ravel(vh[:rank])])

    agrees(program, matrix)


def test_eigenvectors_of_a_general_matrix():
    matrix = np.array([[2.0, 0.3, -0.5], [0.7, -1.0, 0.4], [0.2, 0.6, 0.5]])

    def program(m):
        values, vectors = np.linalg.eig(m)
        return np.real(np.concatenate([values, np.ravel(vectors)]))

    along = irregular(matrix)
    _, tangent = wg.jvp(program, (matrix,), (along,))
    close(tangent, directional(program, matrix, along), 1e-9)


# ------------------------------------------------------------------ keywords and precisions

UFUNCS = [np.exp, np.sin, np.sqrt, np.tanh, np.square, np.negative, np.log1p, np.reciprocal]


@pytest.mark.parametrize("ufunc", UFUNCS)
def test_out_and_where_of_a_ufunc(ufunc):
    def into(x):
        target = np.ones(5)
        returned = ufunc(np.abs(x), out=target, where=MASK)
        assert returned is target
        return target * x

    agrees(into, X)


@pytest.mark.parametrize("ufunc", UFUNCS)
def test_dtype_of_a_ufunc(ufunc):
    x = np.abs(X).astype(np.float32)
    value, tangent = wg.jvp(lambda x: ufunc(x, dtype=np.float64), (x,), (np.ones_like(x),))
    assert value.dtype == tangent.dtype == np.float64
    expected = ufunc(x, dtype=np.float64)
    np.testing.assert_array_equal(value, expected)
    fine = wg.jvp(ufunc, (x.astype(float),), (np.ones(5),))[1]
    np.testing.assert_allclose(tangent, fine, rtol=1e-15)
    gradient = wg.grad(lambda x: np.sum(ufunc(x, dtype=np.float64)))(x)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, fine, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
def test_precision_is_kept(dtype):
    x = np.array([0.5, 1.25, 2.0], dtype)
    weights = np.array([1.0, 2.0, 4.0], dtype)

    def program(x):
        return np.sum(np.sqrt(x) * weights) / np.max(x)

    value, gradient = wg.value_and_grad(program)(x)
    assert value.dtype == dtype
    assert gradient.dtype == dtype
    assert value == program(x)
    root, top, total = np.sqrt(x), x[2], np.sum(np.sqrt(x) * weights)
    expected = weights / (2 * root * top) - np.array([0, 0, 1], dtype) * total / top**2
    np.testing.assert_allclose(gradient, expected, rtol=4 * np.finfo(dtype).eps)
    _, tangent = wg.jvp(program, (x,), (np.ones_like(x),))
    assert tangent.dtype == dtype


# ------------------------------------------------------------------ SciPy's functions


def test_spence_above_one():
    x = np.array([1.0, 1.3, 2.0, 7.5])
    slope = np.append(-1.0, np.log(x[1:]) / (1 - x[1:]))
    has_gradient(lambda x: np.sum(scipy.special.spence(x)), x, slope, 1e-15)
    agrees(scipy.special.spence, x)


def test_iv_with_respect_to_its_order():
    orders = np.array([0.4, 1.5, 3.0])
    agrees(lambda v: scipy.special.iv(v, 2.0), orders)
    agrees(lambda v: scipy.special.iv(v, np.exp(v)), orders)


# SciPy computes these with its own arrays: an error, never a number.
REFUSED = {
    "eigh_tridiagonal": lambda x: scipy.linalg.eigh_tridiagonal(x[:3], x[:2])[0][0],
    "cauchy.ppf(0.5)": lambda x: scipy.stats.cauchy.ppf(0.5 + 0.0 * x[0], loc=x[0]),
    "gumbel.ppf": lambda x: scipy.stats.gumbel_r.ppf(0.3 + 0.0 * x[0]),
}


@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED.keys())
def test_scipy_is_refused_where_it_would_drop_the_derivative(function):
    for transform in (wg.grad, wg.jacfwd):
        with pytest.raises((wg.errors.WengertError, TypeError, ValueError)):
            transform(function)(X)
