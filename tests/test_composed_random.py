"""Random calls of composed functions: NumPy's bits, tangents by differences, transposes."""

import warnings

import numpy as np
import pytest

import wengert as wg
from reference import central


def shaped(generator):
    """A random array of one to three dimensions, and an axis of it."""
    ndim = int(generator.integers(1, 4))
    array = generator.normal(size=tuple(generator.integers(3, 6, size=ndim)))
    return array, int(generator.integers(-ndim, ndim))


def vector(generator, low=1, high=8):
    return generator.normal(size=int(generator.integers(low, high)))


def apart(generator, count):
    """Numbers in ascending order, no two near each other."""
    return np.cumsum(generator.uniform(0.3, 1.0, size=count)) - 1.5


def convolved(generator, name):
    mode = str(generator.choice(["full", "same", "valid"]))
    return lambda x, y: getattr(np, name)(x, y, mode), [vector(generator), vector(generator)]


def interpolated(generator):
    count = int(generator.integers(1, 6))
    points = [vector(generator, 1, 12), apart(generator, count), generator.normal(size=count)]
    ends = [{}, {"left": 0.5, "right": -1.0}, {"period": 4.0}][int(generator.integers(3))]
    return lambda x, xp, fp: np.interp(x, xp, fp, **ends), points


def differentiated(generator):
    array, axis = shaped(generator)
    order = int(generator.integers(1, 3))
    places = apart(generator, array.shape[axis])
    return lambda a, d: np.gradient(a, d, axis=axis, edge_order=order), [array, places]


def unwrapped(generator):
    array, axis = shaped(generator)
    return lambda a: np.unwrap(3.0 * a, axis=axis), [array]


def counted(generator):
    values = vector(generator, 3, 12)
    weights = generator.uniform(0.1, 1.0, size=values.shape)
    return lambda w: np.histogram(values, 4, weights=w)[0], [weights]


def covaried(generator):
    matrix = generator.normal(size=(int(generator.integers(1, 5)), int(generator.integers(2, 6))))
    return lambda a: np.cov(a), [matrix]


def of_polynomials(generator, name):
    return getattr(np, name), [vector(generator, 1, 6), vector(generator, 1, 6)]


def joined(generator):
    return lambda x, y: np.union1d(x, np.concatenate([x[:1], y])), [
        vector(generator),
        vector(generator),
    ]


CALLS = {
    "convolve": lambda generator: convolved(generator, "convolve"),
    "correlate": lambda generator: convolved(generator, "correlate"),
    "interp": interpolated,
    "gradient": differentiated,
    "unwrap": unwrapped,
    "histogram": counted,
    "cov": covaried,
    "polymul": lambda generator: of_polynomials(generator, "polymul"),
    "polyadd": lambda generator: of_polynomials(generator, "polyadd"),
    "polyval": lambda generator: of_polynomials(generator, "polyval"),
    "union1d": joined,
}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", CALLS)
def test_call(name, seed):
    generator = np.random.default_rng([seed, len(name)])
    function, points = CALLS[name](generator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        plain = np.asarray(function(*points))
        value, pullback = wg.vjp(function, *points)
        assert np.asarray(value).tobytes() == plain.tobytes()
        tangents = [generator.normal(size=point.shape) for point in points]
        pushed = wg.jvp(function, tuple(points), tuple(tangents))[1]
        moved = central(
            lambda h: function(*(p + h * t for p, t in zip(points, tangents, strict=True))),
            (4e-5, 2e-5, 1e-5),
        )
        np.testing.assert_allclose(pushed, moved, rtol=1e-6, atol=1e-7)
        cotangent = generator.normal(size=plain.shape)
        pulled = pullback(cotangent)
    back = sum(np.sum(g * t) for g, t in zip(pulled, tangents, strict=True))
    np.testing.assert_allclose(np.sum(cotangent * pushed), back, rtol=1e-9, atol=1e-9)
