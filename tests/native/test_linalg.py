"""Factorisations in native code: NumPy's values to the last bit, its errors, no call-backs."""

import threading

import numpy as np
import pytest

import wengert as wg
from native.fences import same_on_fenced_memory
from native.programs import same
from wengert.backends.llvm import compile_program, library
from wengert.backends.llvm.linalg import _PLANS

DTYPES = [np.float64, np.float32, np.complex128, np.complex64]


def matrices(*shape, dtype=np.float64, seed=0):
    """Return matrices with eigenvalues of every sort, far from singular."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        made = made + 1j * rng.standard_normal(shape)
    if shape[-1] == shape[-2]:
        made = made + shape[-1] * np.roll(np.eye(shape[-1]), 1, -1)
    return made.astype(dtype)


def definite(*shape, dtype=np.float64, seed=0):
    root = matrices(*shape, dtype=dtype, seed=seed)
    return root @ np.conj(np.swapaxes(root, -1, -2)) + np.eye(shape[-1], dtype=dtype)


FUNCTIONS = {
    "solve": lambda a: np.linalg.solve(a, a[..., :1] * 2),
    "inv": np.linalg.inv,
    "cholesky": np.linalg.cholesky,
    "upper cholesky": lambda a: np.linalg.cholesky(a, upper=True),
    "det": np.linalg.det,
    "slogdet": lambda a: tuple(np.linalg.slogdet(a)),
    "eigh": lambda a: tuple(np.linalg.eigh(a)),
    "eigh of the upper triangle": lambda a: tuple(np.linalg.eigh(a, "U")),
    "eigvalsh": np.linalg.eigvalsh,
    "eig": lambda a: tuple(np.linalg.eig(a)),
    "eigvals": np.linalg.eigvals,
    "svd": lambda a: tuple(np.linalg.svd(a)),
    "reduced svd": lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
    "svdvals": np.linalg.svdvals,
    "qr": lambda a: tuple(np.linalg.qr(a)),
    "complete qr": lambda a: tuple(np.linalg.qr(a, "complete")),
}
SQUARE = {name for name in FUNCTIONS if "svd" not in name and "qr" not in name}


def compare(function, *args):
    program = wg.trace(function)(*args)
    native = compile_program(program)
    expected = program.evaluate(*args)
    for one, other in zip(native(*args), expected, strict=True):
        same(one, other)
    same_on_fenced_memory(native, args)
    return native


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_those_of_numpy(name, dtype):
    shapes = [(4, 3, 3), (9, 9)]
    if dtype == np.float64:
        shapes += [(1, 1), (3, 3), (2, 1, 5, 5), (0, 3, 3), (0, 0)]
    if name not in SQUARE:
        shapes += [(3, 4), (2, 2, 5)]
        shapes += [(5, 2)] if name != "complete qr" else []
    for shape in shapes:
        a = (definite if "cholesky" in name else matrices)(*shape, dtype=dtype)
        if name in ("eig", "eigvals") and shape[-1] < 3:
            continue  # real eigenvalues, which NumPy gives real dtypes
        native = compare(FUNCTIONS[name], a)
        if a.size:
            assert native.called_back == (), shape
        same(native(np.asfortranarray(a))[0], native(a)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_systems_of_every_shape(dtype):
    a = matrices(4, 3, 3, dtype=dtype)
    b = matrices(4, 3, 2, dtype=dtype, seed=1)
    for args in ((a, b), (a[0], b), (a, b[0]), (a[0], b[0]), (a, b[0, :, 0]), (a[0], b[0, :, 0])):
        assert compare(np.linalg.solve, *args).called_back == ()
    # Batches that differ otherwise go through NumPy.
    assert compare(np.linalg.solve, a[:, None], b[None]).called_back == ()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 3), (3, 3), (2, 4)])
def test_least_squares(shape, dtype):
    a, b = matrices(*shape, dtype=dtype), matrices(shape[0], 2, dtype=dtype, seed=1)
    for rcond in (None, 0.5):

        def solve(a, b, rcond=rcond):
            x, residuals, rank, values = np.linalg.lstsq(a, b, rcond)
            return x, residuals, rank, values

        for right in (b, b[:, 0]):
            compare_evaluated(solve, a, right)
    deficient = a.copy()
    deficient[:, 0] = deficient[:, -1]
    compare_evaluated(np.linalg.lstsq, deficient, b)


def compare_evaluated(function, *args):
    """Compare with the straight evaluator, whose shapes depend on the rank."""
    program = wg.trace(function)(*args)
    native = compile_program(program)
    for one, other in zip(native(*args), program.evaluate(*args), strict=True):
        same(one, other)
    assert native.called_back == ()


def test_real_eigenvalues_of_real_matrices_are_real():
    a = definite(3, 3)
    for function in (lambda a: tuple(np.linalg.eig(a)), np.linalg.eigvals):
        native = compile_program(wg.trace(function)(a))
        expected = function(a)
        for one, other in zip(
            native(a), expected if type(expected) is tuple else (expected,), strict=True
        ):
            same(one, other)
        assert native(a)[0].dtype == np.float64
        assert native(matrices(3, 3))[0].dtype == np.complex128
        assert native.called_back == ()


def singular(*shape):
    made = definite(*shape)
    made[..., 0, :] = made[..., 1, :]
    return made


NAN = np.full((3, 3), np.nan)
WRONG = {
    "solve": singular(2, 3, 3),
    "inv": np.ones((3, 3)),
    "cholesky": -np.eye(3),
    "eigh": NAN,
    "eigvalsh": NAN,
    "svd": NAN,
    "reduced svd": NAN,
    "svdvals": NAN,
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_those_of_numpy(name):
    function, good, bad = FUNCTIONS[name], definite(*WRONG[name].shape), WRONG[name]
    native = compile_program(wg.trace(function)(good))
    before = native(good)[0]
    with pytest.raises(np.linalg.LinAlgError) as expected:
        function(bad)
    for _ in range(2):
        with pytest.raises(np.linalg.LinAlgError) as found:
            native(bad)
        assert str(found.value) == str(expected.value)
        same(native(good)[0], before)


def test_one_singular_matrix_of_many():
    a = definite(5, 3, 3)
    native = compile_program(wg.trace(np.linalg.inv)(a))
    a[3] = 1.0
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        native(a)


def test_invalid_operations_before_do_not_count():
    a = definite(3, 3)
    native = compile_program(wg.trace(lambda a, x: np.linalg.inv(a) + np.log(x))(a, 1.0))
    for x in (-1.0, np.inf, 1.0):
        with np.errstate(all="ignore"):
            np.sqrt(np.array([-1.0]))
            same(native(a, x)[0], np.linalg.inv(a) + np.log(x))


def test_determinants_of_singular_matrices():
    compare(np.linalg.det, singular(4, 3, 3))
    compare(lambda a: tuple(np.linalg.slogdet(a)), np.ones((2, 2)))


def test_in_loops():
    def refined(a, b):
        def step(i, x):
            return x + np.linalg.solve(a, b - a @ x) * (np.linalg.det(a) > 0)

        return wg.fori_loop(0, 4, step, np.zeros(3))

    a, b = definite(3, 3), np.arange(3.0)
    program = wg.trace(refined)(a, b)
    native = compile_program(program)
    assert native.called_back == ()
    np.testing.assert_allclose(native(a, b)[0], program.evaluate(a, b)[0], rtol=1e-12)
    with pytest.raises(np.linalg.LinAlgError):
        native(np.ones((3, 3)), b)


def test_derivatives_need_no_call_back():
    a = definite(4, 4)

    def objective(a):
        return (
            np.sum(np.linalg.solve(a, a[0]))
            + np.linalg.slogdet(a)[1]
            + np.sum(np.linalg.eigvalsh(a) ** 2)
            + np.sum(np.linalg.cholesky(a))
        )

    program = wg.trace(wg.grad(objective))(a)
    native = compile_program(program)
    assert not set(native.called_back) & set(_PLANS)
    np.testing.assert_allclose(native(a)[0], wg.grad(objective)(a), rtol=1e-12, atol=1e-14)


def test_threads_factor_beside_each_other():
    native = compile_program(wg.trace(lambda a: tuple(np.linalg.eigh(a)))(definite(64, 8, 8)))
    found, wanted = {}, {}

    def work(seed):
        for _ in range(5):
            found[seed] = native(definite(64, 8, 8, seed=seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        wanted[seed] = np.linalg.eigh(definite(64, 8, 8, seed=seed))
        for one, other in zip(found[seed], wanted[seed], strict=True):
            same(one, other)


def test_where_the_loops_are_not_known_numpy_is_called(monkeypatch):
    library.loop_signature.cache_clear()
    monkeypatch.setattr(library, "_MACHINES", frozenset())
    try:
        native = compare(np.linalg.inv, definite(3, 3))
    finally:
        library.loop_signature.cache_clear()
    assert native.called_back == ("inv",)
