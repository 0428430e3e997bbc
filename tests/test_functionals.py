"""Functionals inside a transformation, on what is not traced at all: texts, objects, integers."""

import numpy as np
import pytest

import wengert as wg

CALLS = {
    "text": lambda: np.vectorize(lambda s: s.upper())(["a", "bc"]),
    "text to number": lambda: np.vectorize(len)(["a", "bc"]),
    "one text": lambda: np.vectorize(len)("abc"),
    "objects": lambda: np.vectorize(lambda i: {"k": i}, otypes=[object])([1, 2]),
    "nothing": lambda: np.vectorize(lambda i: None)([1, 2]),
    "truth values": lambda: np.vectorize(lambda i: i > 1)([1, 2]),
    "small integers": lambda: np.vectorize(lambda i: i * 2)(np.arange(3, dtype=np.int32)),
    "tuples": lambda: np.vectorize(lambda i: (i, str(i)))([1, 2]),
    "decorated": lambda: np.vectorize(otypes=[float])(lambda i: i * 2)([1, 2]),
    "lanes of text": lambda: np.apply_along_axis("-".join, 1, np.array([["a", "b"], ["c", "d"]])),
    "lanes to lists": lambda: np.apply_along_axis(sorted, 0, np.array([[3, 1], [2, 5]])),
    "first dtype wins": lambda: np.apply_along_axis(
        lambda r: r.sum() if r[0] > 2 else 0.5, 0, np.array([[3, 1], [2, 5]])
    ),
    "over axes": lambda: np.apply_over_axes(np.sum, np.arange(24).reshape(2, 3, 4), [0, 2]),
    "objects of floats": lambda: np.frompyfunc(lambda i: i * 2, 1, 1)(np.arange(3.0)),
    "reduced objects": lambda: np.frompyfunc(max, 2, 1).reduce(np.arange(3.0)),
    "texts of integers": lambda: np.frompyfunc(oct, 1, 1)(np.array([10, 30])),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_plain_answer(call):
    found = []

    def program(x):
        found.append(call())
        return x

    wg.grad(program)(1.0)
    expected = call()
    parts = zip(found[0], expected, strict=True) if isinstance(expected, tuple) else None
    for entry, plain in parts or [(found[0], expected)]:
        assert np.asarray(entry).dtype == np.asarray(plain).dtype
        np.testing.assert_array_equal(entry, plain)


def test_number_of_calls_is_numpys():
    """NumPy calls the function once more, on the first entries, unless told the types."""
    seen = []

    def counted(entry):
        seen.append(entry)
        return entry * 2.0

    for options, count in (({}, 4), ({"otypes": [float]}, 3), ({"cache": True}, 3)):
        seen.clear()
        np.vectorize(counted, **options)(np.ones(3))
        assert len(seen) == count
        seen.clear()
        wg.grad(lambda x, o=options: np.sum(np.vectorize(counted, **o)(x)))(np.ones(3))
        assert len(seen) == count


def test_traced_floats_after_an_integer_are_refused():
    with pytest.raises(wg.errors.TracedWriteError, match=r"otypes=\[float\]"):
        wg.grad(lambda x: np.sum(np.vectorize(lambda e: 0 if e < 1 else e)(x)))(np.arange(3.0))


def test_closures_and_texts_together():
    def program(x):
        return x * np.sum(np.vectorize(lambda text: len(text) * x)(["a", "bc"]))

    assert wg.grad(program)(2.0) == 12.0
