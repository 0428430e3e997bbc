"""NumPy functions without derivative give NumPy's own answers for traced arguments."""

import numpy as np
import pytest

import wengert as wg
from wengert.ir.aval import Aval
from wengert.tracing.staging import stage

X = np.array([0.7, -1.3, 0.4, 0.4, 0.0])
A = np.linspace(-0.9, 1.3, 6).reshape(2, 3)

CALLS = {
    "all": lambda x, a: np.all(a > -1.0) and np.all(x),
    "any": lambda x, a: np.any(x, keepdims=True),
    "allclose": lambda x, a: np.allclose(x, x + 1e-12),
    "isclose": lambda x, a: np.isclose(x, 0.4),
    "array_equal": lambda x, a: np.array_equal(x, X),
    "array_equiv": lambda x, a: np.array_equiv(x, [x, x]),
    "equal": lambda x, a: np.equal(x, 0.4),
    "not_equal": lambda x, a: np.not_equal(0.4, x),
    "less": lambda x, a: np.less(x, x[::-1]),
    "less_equal": lambda x, a: np.less_equal(x, 0.4),
    "greater": lambda x, a: x > 0.4,
    "greater_equal": lambda x, a: np.greater_equal(x, 0.4),
    "logical_and": lambda x, a: np.logical_and(x, x > 0),
    "logical_or": lambda x, a: np.logical_or(x, False),
    "logical_not": lambda x, a: np.logical_not(x),
    "logical_xor": lambda x, a: np.logical_xor(x, True),
    "isfinite": lambda x, a: np.isfinite(x),
    "isinf": lambda x, a: np.isinf(x),
    "isnan": lambda x, a: np.isnan(x),
    "isneginf": lambda x, a: np.isneginf(x),
    "isposinf": lambda x, a: np.isposinf(x),
    "iscomplex": lambda x, a: np.iscomplex(x),
    "iscomplexobj": lambda x, a: np.iscomplexobj(x),
    "isreal": lambda x, a: np.isreal(x),
    "isrealobj": lambda x, a: np.isrealobj(x),
    "isscalar": lambda x, a: (np.isscalar(x), np.isscalar(a)),
    "isin": lambda x, a: np.isin(x, [0.4, x[0]]),
    "isdtype": lambda x, a: np.isdtype(x.dtype, "real floating"),
    "issubdtype": lambda x, a: np.issubdtype(x.dtype, np.floating),
    "signbit": lambda x, a: np.signbit(x),
    "argmax": lambda x, a: np.argmax(a, axis=1),
    "argmin": lambda x, a: np.argmin(x),
    "nanargmax": lambda x, a: np.nanargmax(x),
    "nanargmin": lambda x, a: np.nanargmin(a, axis=0),
    "argsort": lambda x, a: np.argsort(x, stable=True),
    "argpartition": lambda x, a: np.sort(x[np.argpartition(x, 2)[:2]] > 0),
    "argwhere": lambda x, a: np.argwhere(x > 0.4),
    "argwhere-traced": lambda x, a: np.argwhere(x),
    "nonzero": lambda x, a: np.nonzero(x),
    "flatnonzero": lambda x, a: np.flatnonzero(a),
    "where": lambda x, a: np.where(x),
    "count_nonzero": lambda x, a: np.count_nonzero(x),
    "lexsort": lambda x, a: np.lexsort((x, x > 0)),
    "searchsorted": lambda x, a: np.searchsorted([0.0, 0.5], x),
    "digitize": lambda x, a: np.digitize(x, [-1.0, 0.0, 0.5]),
    "histogram_bin_edges": lambda x, a: np.histogram_bin_edges(np.array([1.0, 2.0]), 3) > x[0],
    "diag_indices_from": lambda x, a: np.diag_indices_from(a[:, :2]),
    "tril_indices_from": lambda x, a: np.tril_indices_from(a),
    "triu_indices_from": lambda x, a: np.triu_indices_from(a, k=1),
    "unravel_index": lambda x, a: np.unravel_index(np.argmax(a), a.shape),
    "shape": lambda x, a: np.shape(a),
    "ndim": lambda x, a: np.ndim(a[0, 0]),
    "size": lambda x, a: np.size(a, 1),
    "len": lambda x, a: (len(x), a.size, a.nbytes, a.itemsize),
    "result_type": lambda x, a: np.result_type(x, np.float32, 1),
    "result_type-scalar": lambda x, a: np.result_type(x[0], np.float32(1.0)),
    "promote_types": lambda x, a: np.promote_types(x.dtype, int),
    "can_cast": lambda x, a: (np.can_cast(x.dtype, int), np.can_cast(x.dtype, complex)),
    "common_type": lambda x, a: np.common_type(x, np.ones(1, np.float32)),
    "min_scalar_type": lambda x, a: np.min_scalar_type(x),
    "iterable": lambda x, a: (np.iterable(x), np.iterable(a)),
    "isfortran": lambda x, a: (np.isfortran(a), np.isfortran(a.T)),
    "may_share_memory": lambda x, a: (np.may_share_memory(x, x[1:]), np.may_share_memory(x, a)),
    "shares_memory": lambda x, a: (np.shares_memory(x[::2], x[1::2]), np.shares_memory(a, a.T)),
    "shares_memory-copy": lambda x, a: (np.shares_memory(x, x.copy()), np.shares_memory(x, X)),
    "einsum_path": lambda x, a: np.einsum_path("ij,j->i", a, a[0])[0],
    "array2string": lambda x, a: np.array2string(a, precision=3),
    "array_repr": lambda x, a: np.array_repr(x),
    "array_str": lambda x, a: np.array_str(x),
    "str": lambda x, a: (str(a), repr(x), f"{x[0]:.3f}"),
    "isinstance": lambda x, a: (isinstance(x, np.ndarray), isinstance(x[0], float)),
    "packbits": lambda x, a: np.packbits(x > 0),
    "bitwise": lambda x, a: ((x > 0) & (x < 0.5)) | ~(x > 1),
    "round": lambda x, a: int(np.round(x[0])),
    "size-one": lambda x, a: bool(x[:1] > 0),
    "method-all": lambda x, a: (a.all(), (x > 0).any()),
    "method-argmax": lambda x, a: (x.argmax(), a.argmin(axis=1)),
    "method-argsort": lambda x, a: x.argsort(kind="stable"),
    "method-nonzero": lambda x, a: x.nonzero(),
    "method-searchsorted": lambda x, a: np.sort(X).searchsorted(0.4),
}


def same_answer(actual, expected):
    if isinstance(expected, (tuple, list)):
        assert type(actual) is type(expected)
        assert len(actual) == len(expected)
        for entry, plain in zip(actual, expected, strict=True):
            same_answer(entry, plain)
        return
    assert type(actual) is type(expected), (type(actual), type(expected))
    assert np.array_equal(actual, expected)


@pytest.mark.parametrize("transform", ["forward", "reverse", "nested"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_answer_is_numpys(call, transform):
    expected = call(X.copy(), A.copy())
    seen = []

    def program(x, a):
        seen.append(call(x, a))
        return np.sum(x) + np.sum(a)

    if transform == "forward":
        wg.jvp(program, (X, A), (X, A))
    elif transform == "reverse":
        wg.grad(program, argnums=(0, 1))(X, A)
    else:
        wg.jvp(lambda x, a: wg.grad(program)(x, a), (X, A), (X, A))
    same_answer(seen[0], expected)


def test_arguments_that_are_not_differentiated_are_constants():
    assert wg.grad(lambda x: x[np.argmax(x)] * np.count_nonzero(x > 0))(X)[0] == 3.0


def test_shapes_and_dtypes_are_known_while_staging():
    seen = []

    def program(x):
        seen[:] = [
            np.shape(x),
            np.ndim(x),
            np.size(x),
            np.result_type(x, 1j),
            np.iscomplexobj(x),
            len(x),
            np.zeros_like(x).shape,
            np.may_share_memory(x, x[1:]),
        ]
        return [x * 2.0]

    stage(program, [Aval((3, 2), np.float64)])
    assert seen == [(3, 2), 2, 6, np.dtype(complex), False, 3, (3, 2), True]


def test_matrix_rank_is_a_constant():
    a = np.diag([2.0, 3.0, 0.0])
    ranked = wg.grad(lambda a: np.linalg.matrix_rank(a) * np.trace(a))(a)
    np.testing.assert_array_equal(ranked, 2 * np.eye(3))
