"""What a reader should know of a name beyond its calls; shown in docs/coverage.md."""

_OUT = "``out=`` is filled, as documented; NumPy 2.4 itself leaves it as it was."

NOTES: dict[str, str] = {
    "fft.hfft": _OUT,
    "fft.ifft2": _OUT,
    "fft.irfft2": _OUT,
}
