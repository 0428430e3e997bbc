"""What a reader should know of a name beyond its calls; shown in docs/coverage.md."""

# Names that are listed and not done, each with the reason. Their calls are not run.
GAPS: dict[str, str] = {}

_OUT = "``out=`` is filled, as documented; NumPy 2.4 itself leaves it as it was."

NOTES: dict[str, str] = {
    "fft.hfft": _OUT,
    "fft.ifft2": _OUT,
    "fft.irfft2": _OUT,
    "frompyfunc": "Results that are traced come as an array of floats, others as objects.",
    "vectorize": "Floats after a first integer result are an error: NumPy would round them.",
    "unique": "Of equal entries the first one has the derivative.",
    "unique_values": "Of equal entries the first one has the derivative.",
    "unique_all": "Of equal entries the first one has the derivative.",
    "unique_counts": "Of equal entries the first one has the derivative.",
    "unique_inverse": "Of equal entries the first one has the derivative.",
    "intersect1d": "The derivative goes to the first argument.",
    "interp": "At a data point, the slope is that of the interval to its right.",
    "poly": "Of a matrix: through its eigenvalues, which have to be distinct.",
    "roots": "Multiple roots have no derivative.",
    "histogram": "Counts have derivative zero; weights, edges and densities have one.",
    "histogram2d": "Counts have derivative zero; weights, edges and densities have one.",
    "histogramdd": "Counts have derivative zero; weights, edges and densities have one.",
    "bincount": "With weights: with respect to them.",
    "linalg.eig": "Vectors are normalised as LAPACK does; their phase is kept fixed.",
    "linalg.lstsq": "At constant rank.",
    "linalg.pinv": "At constant rank.",
    "quantile": "Weights choose an entry: their derivative is zero.",
    "percentile": "Weights choose an entry: their derivative is zero.",
    "math.sin": "The math module takes plain numbers only: the error says to use numpy.",
}
