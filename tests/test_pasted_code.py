"""Code as users paste it: lists of numbers given to NumPy, and other habits that must just work."""

import numpy as np
import pytest

import wengert as wg
from reference import close, jacobian, same

POINT = np.array([0.7, -0.4, 1.3])

GIVEN_LISTS = {
    "sum": lambda x: np.sum([x[0], x[1] * 2]),
    "sum of rows": lambda x: np.sum([x, x * x], axis=0),
    "prod": lambda x: np.prod((x[0], x[1])),
    "mean": lambda x: np.mean([v * v for v in x]),
    "std and var": lambda x: np.std([x[0], x[2]]) + np.var([x[0], x[1], 1.0]),
    "max and min": lambda x: np.max([x[0], x[1]]) - 2 * np.min([x[2], x[1], 0.3]),
    "amax and amin": lambda x: np.amax([x[0], x[1]]) - 2 * np.amin([x[2], x[1], 0.3]),
    "median": lambda x: np.median([x[2], x[0], x[1]]),
    "average": lambda x: np.average([x[0], x[1]], weights=[1.0, 3.0]),
    "dot": lambda x: np.dot([x[0], x[1]], [x[1], x[2]]),
    "dot with a constant": lambda x: np.dot([1.0, 2.0], (x[1], x[2])),
    "cross": lambda x: np.cross([x[0], x[1], x[2]], [x[1], 1.0, 2.0]),
    "outer": lambda x: np.outer([x[0], 1.0], [x[1], x[2]]),
    "cumsum": lambda x: np.cumsum([x[0], x[1], 2.0]),
    "sort": lambda x: np.sort([x[2], x[0], x[1]]),
    "positions": lambda x: x[np.argsort([x[2], x[0]])] * x[np.argmax([x[0], x[1]])],
    "diff": lambda x: np.diff([x[0], x[1], 2.0]),
    "norm": lambda x: np.linalg.norm([x[0], x[1]]),
    "det": lambda x: np.linalg.det([[x[0], x[1]], [x[2], 2.0]]),
    "inv": lambda x: np.linalg.inv([[x[0], x[1]], [x[2], 2.0]]),
    "solve": lambda x: np.linalg.solve([[x[0], x[1]], [x[2], 2.0]], [x[1], 1.0]),
    "solve with a constant": lambda x: np.linalg.solve(np.eye(2) * 2, [x[1], 1.0]),
    "trapezoid": lambda x: np.trapezoid([x[0], x[1], x[2]], [0.0, 1.0, 3.0]),
    "diag": lambda x: np.diag([x[0], x[1]]) @ np.diag((x[2], 1.0)),
    "vander": lambda x: np.vander([x[0], x[1]], 3),
    "full": lambda x: np.full(2, [x[0], x[1]]),
    "fromiter": lambda x: np.fromiter((v * v for v in x), dtype=float),
    "fromiter, counted": lambda x: np.fromiter((v for v in x), float, 2),
    "fromiter of constants": lambda x: np.fromiter((1.0, 2.0), dtype=np.float32) * x[0],
    "nested": lambda x: np.mean([np.max([x[0], x[1]]), np.sum([[x[2], 1.0], [x[0], x[1]]])]),
}


@pytest.mark.parametrize("program", GIVEN_LISTS.values(), ids=GIVEN_LISTS.keys())
def test_lists_of_traced_numbers_are_arrays(program):
    expected = program(POINT)
    same(wg.vjp(program, POINT)[0], expected)
    close(wg.jacfwd(program)(POINT), jacobian(program, POINT), 1e-9)
    close(wg.jacrev(program)(POINT), jacobian(program, POINT), 1e-9)


def test_functions_that_look_into_lists_are_numpys_own_outside():
    inside = []
    before = (np.sum, np.mean, np.linalg.norm)

    def program(x):
        inside.append((np.sum, np.linalg.norm))
        assert np.sum.__name__ == "sum"
        assert np.linalg.norm.__module__ == "numpy.linalg"
        return np.sum([1.0, 2.0]) * x  # nothing traced: NumPy's own answer

    assert wg.grad(program)(2.0) == 3.0
    assert (np.sum, np.mean, np.linalg.norm) == before
    assert inside[0][0] is not np.sum


def test_other_functions_given_a_list_say_what_to_type():
    with pytest.raises(wg.errors.TracedValueError, match=r"np\.exp\(np\.array\(\[x, …\]\)\)"):
        wg.grad(lambda x: np.exp([x, 1.0])[0])(2.0)
