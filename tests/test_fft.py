"""Random Fourier transforms: NumPy's bits, forward mode linear, reverse mode its transpose."""

import numpy as np
import pytest

import wengert as wg

ALONG_ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
OVER_SEVERAL = ("fft2", "ifft2", "fftn", "ifftn", "rfft2", "rfftn", "irfft2", "irfftn")
OF_REAL = ("rfft", "ihfft", "rfft2", "rfftn")


def numbers(generator, shape, is_complex):
    real = generator.normal(size=shape)
    return real + 1j * generator.normal(size=shape) if is_complex else real


def random_call(generator):
    """A transform with random keywords, and a point of random shape for it."""
    name = str(generator.choice(ALONG_ONE + OVER_SEVERAL))
    ndim = int(generator.integers(2 if name.endswith("2") else 1, 4))
    shape = tuple(int(n) for n in generator.integers(2, 6, size=ndim))
    keywords = {"norm": generator.choice([None, "ortho", "forward", "backward"])}
    if name in ALONG_ONE:
        keywords["axis"] = int(generator.integers(-ndim, ndim))
        if generator.random() < 0.6:
            keywords["n"] = int(generator.integers(1, 8))
    elif generator.random() < 0.6:
        axes = tuple(int(axis) for axis in generator.permutation(ndim)[: generator.integers(1, 4)])
        keywords["axes"] = axes
        if generator.random() < 0.5:
            keywords["s"] = tuple(int(n) for n in generator.integers(1, 7, size=len(axes)))
    is_complex = name not in OF_REAL and generator.random() < 0.5
    return name, keywords, numbers(generator, shape, is_complex)


@pytest.mark.parametrize("seed", range(120))
def test_transform(seed):
    generator = np.random.default_rng([41, seed])
    name, keywords, point = random_call(generator)

    def transform(x):
        return getattr(np.fft, name)(x, **keywords)

    plain = transform(point)
    value, pullback = wg.vjp(transform, point)
    assert value.dtype == plain.dtype
    assert value.tobytes() == plain.tobytes()
    tangent = numbers(generator, point.shape, np.iscomplexobj(point))
    pushed = wg.jvp(transform, (point,), (tangent,))[1]
    np.testing.assert_allclose(pushed, transform(tangent), rtol=1e-12, atol=1e-12)
    cotangent = numbers(generator, plain.shape, np.iscomplexobj(plain))
    pulled = pullback(cotangent)[0]
    assert pulled.dtype == point.dtype
    there, back = np.sum((cotangent * pushed).real), np.sum((pulled * tangent).real)
    np.testing.assert_allclose(there, back, rtol=1e-10, atol=1e-10)


def test_linear_transpose_of_a_transform():
    x = np.arange(5.0)
    transpose = wg.linear_transpose(lambda x: np.fft.rfft(x, 7, norm="ortho").real, x)
    matrix = wg.jacfwd(lambda x: np.fft.rfft(x, 7, norm="ortho").real)(x)
    cotangent = np.array([0.5, -1.0, 2.0, 0.25])
    np.testing.assert_allclose(transpose(cotangent)[0], cotangent @ matrix, rtol=1e-14)
