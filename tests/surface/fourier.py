"""Calls of numpy.fft: every norm, odd and even lengths, padded and cropped, real and complex."""


def _one_axis(name, *points):
    made = [f"np.fft.{name}({point})" for point in points]
    made += [
        f"np.fft.{name}({points[0]}, norm='{norm}')" for norm in ("backward", "ortho", "forward")
    ]
    made += [f"np.fft.{name}({points[0]}, n={n})" for n in (1, 3, 4, 7, 8)]
    made += [f"np.fft.{name}({points[-1]}, n=6, norm='forward')"]
    made += [f"np.fft.{name}(t, axis=1)", f"np.fft.{name}(t, 5, axis=0, norm='ortho')"]
    return made


def _out(name, point, shape, dtype):
    return f"y2 = np.zeros({shape}, {dtype}); np.fft.{name}({point}, out=y2); y2 * y2"


_TWO = (
    "np.fft.{}(a)",
    "np.fft.{}(t)",
    "np.fft.{}(w)",
    "np.fft.{}(a, s=(4, 5))",
    "np.fft.{}(a, s=(2, 7), norm='ortho')",
    "np.fft.{}(t, axes=(0, 1), norm='forward')",
    "np.fft.{}(a, norm='backward')",
)
_MANY = (
    "np.fft.{}(t)",
    "np.fft.{}(x)",
    "np.fft.{}(w, norm='ortho')",
    "np.fft.{}(t, axes=(2, 0))",
    "np.fft.{}(t, axes=[1])",
    "np.fft.{}(t, s=(3, 3), axes=(1, 2), norm='forward')",
    "np.fft.{}(t, s=(3, 2, 5), axes=(0, 1, 2))",
    "np.fft.{}(a, norm='backward')",
    "np.fft.{}(a, axes=(1, 1))",
    "np.fft.{}(t, s=(3, -1), axes=(-1, 0))",
)


def _several(name, texts, *, real_only=False):
    made = [text.format(name) for text in texts]
    return [text for text in made if not real_only or "(w" not in text]


CALLS = {
    "fft.fft": _one_axis("fft", "x", "z") + [_out("fft", "x", 5, "complex")],
    "fft.ifft": _one_axis("ifft", "x", "z") + [_out("ifft", "z", 4, "complex")],
    "fft.rfft": _one_axis("rfft", "x", "p[:4]") + [_out("rfft", "x", 3, "complex")],
    "fft.irfft": _one_axis("irfft", "z", "x") + [_out("irfft", "z", 6, "float")],
    "fft.hfft": _one_axis("hfft", "z", "x") + ["np.fft.hfft(z, out=np.zeros(6))"],
    "fft.ihfft": _one_axis("ihfft", "x", "p[:4]") + [_out("ihfft", "x", 3, "complex")],
    "fft.fft2": _several("fft2", _TWO) + [_out("fft2", "a", "(3, 4)", "complex")],
    "fft.ifft2": _several("ifft2", _TWO) + ["np.fft.ifft2(a, out=np.zeros((3, 4), complex))"],
    "fft.rfft2": _several("rfft2", _TWO, real_only=True)
    + [_out("rfft2", "a", "(3, 3)", "complex")],
    "fft.irfft2": _several("irfft2", _TWO) + ["np.fft.irfft2(a, out=np.zeros((3, 6)))"],
    "fft.fftn": _several("fftn", _MANY) + [_out("fftn", "a", "(3, 4)", "complex")],
    "fft.ifftn": _several("ifftn", _MANY) + [_out("ifftn", "a", "(3, 4)", "complex")],
    "fft.rfftn": _several("rfftn", _MANY, real_only=True)
    + [_out("rfftn", "a", "(3, 3)", "complex")],
    "fft.irfftn": _several("irfftn", _MANY) + [_out("irfftn", "a", "(3, 6)", "float")],
    "fft.fftshift": [
        "np.fft.fftshift(x)",
        "np.fft.fftshift(t, axes=(0, 2))",
        "np.fft.fftshift(w, 1)",
    ],
    "fft.ifftshift": ["np.fft.ifftshift(x)", "np.fft.ifftshift(t, axes=1)", "np.fft.ifftshift(w)"],
}
ZERO = frozenset[str]()
