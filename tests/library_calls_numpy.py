"""Calls into NumPy itself and the standard library that goes with it.

Arrays of dtypes that carry no derivative are NumPy's own whoever makes them. Other arrays that are
made here by name can hold traced values; those are used and not returned, and what arithmetic or a
library makes of them is NumPy's own again.
"""

import concurrent.futures
import copy
import io
import pickle
import statistics

import numpy as np
import numpy.lib.recfunctions

from library_calls import DECAYED, IMAGE, MATRIX, NOISE, OTHER, RIGHT, SYMMETRIC, TIMES, call

NAMED = np.array([(1, 2.5), (3, -4.0)], dtype=[("count", int), ("mass", float)])
MASKED = np.ma.masked_greater(IMAGE, 0.8)
DATES = np.array(["2020-01-31", "2021-03-01"], dtype="datetime64[D]")


@call("numpy.linalg.factorisations")
def factorisations():
    return (
        np.linalg.qr(MATRIX),
        np.linalg.svd(MATRIX),
        np.linalg.eigh(SYMMETRIC),
        np.linalg.eig(MATRIX),
        np.linalg.cholesky(SYMMETRIC),
        np.linalg.slogdet(MATRIX),
    )


@call("numpy.linalg.solutions")
def solutions():
    return (
        np.linalg.solve(MATRIX, RIGHT),
        np.linalg.lstsq(MATRIX[:, :2], RIGHT, rcond=None),
        np.linalg.pinv(MATRIX[:, :3]),
        np.linalg.inv(MATRIX),
        np.linalg.matrix_power(MATRIX, 5),
        np.linalg.multi_dot([MATRIX, SYMMETRIC, RIGHT]),
        np.linalg.cond(MATRIX),
        np.linalg.matrix_rank(MATRIX),
        np.linalg.tensorsolve(np.eye(6).reshape(2, 3, 6), np.ones((2, 3))),
    )


@call("numpy.fft")
def numpy_fft():
    return (
        np.fft.fft2(IMAGE),
        np.fft.irfft(np.fft.rfft(NOISE)),
        np.fft.hfft(NOISE[:5]),
        np.fft.fftfreq(5),
        np.fft.fftn(IMAGE, axes=(1,)),
    )


@call("numpy.polynomial.fit")
def fit():
    fitted = np.polynomial.Polynomial.fit(TIMES, DECAYED, 3)
    series = np.polynomial.Chebyshev.interpolate(lambda t: np.exp(t) + np.zeros_like(t), 4)
    return fitted.coef, fitted.domain, fitted.roots(), series.coef, series.deriv(2)(0.3)


@call("numpy.polynomial.series")
def series():
    return (
        np.polynomial.hermite.hermgauss(4),
        np.polynomial.legendre.leggauss(4),
        np.polynomial.chebyshev.chebval2d(0.1, 0.2, MATRIX),
        np.polynomial.polynomial.polyfromroots([1.0, 2.0, 3.0]),
        np.polynomial.laguerre.lagvander(TIMES, 3),
    )


@call("numpy.classic_polynomials")
def classic_polynomials():
    cubic = np.poly1d([1.0, -2.0, 0.5, 3.0])
    return np.polyfit(TIMES, DECAYED, 2, cov=True), np.roots(cubic.c), (cubic * cubic).c, cubic(0.5)


@call("numpy.ma")
def numpy_ma():
    return (
        MASKED.mean(axis=0),
        np.ma.median(MASKED, axis=1),
        np.ma.polyfit(TIMES, np.ma.masked_less(DECAYED, 0.6), 1),
        np.ma.compressed(MASKED),
        np.ma.apply_along_axis(lambda line: line.sum() * np.ones(2), 0, MASKED),
        np.ma.corrcoef(MASKED[0], MASKED[1]),
    )


@call("numpy.apply_along_axis")
def apply_along_axis():
    def ends(line):
        out = np.zeros(2)
        out[0], out[1] = line[0], line[-1]
        return out

    return np.apply_along_axis(ends, 0, IMAGE)


@call("numpy.apply_along_axis_with_lists")
def apply_along_axis_with_lists():
    return np.apply_along_axis(lambda line: np.array([line.min(), line.max()]), 1, IMAGE)


@call("numpy.apply_over_axes")
def apply_over_axes():
    return np.apply_over_axes(lambda a, axis: a.sum(axis) * np.ones(1), IMAGE, [0, 1])


@call("numpy.vectorize")
def vectorize():
    return np.vectorize(lambda s, t: np.array([s, t]).max())(NOISE[:5], OTHER[:5])


@call("numpy.vectorize_with_signature")
def vectorize_with_signature():
    def spread(row):
        return np.array([row.min(), row.mean(), row.max()])

    return np.vectorize(spread, signature="(n)->(k)")(IMAGE)


@call("numpy.vectorize_with_types")
def vectorize_with_types():
    split = np.vectorize(lambda s: (np.full(2, s).sum(), int(s > 0)), otypes=[float, int])
    return split(NOISE[:4])


@call("numpy.frompyfunc")
def frompyfunc():
    return np.frompyfunc(lambda s, t: float(np.hypot(*np.array([s, t]))), 2, 1)(TIMES, DECAYED)


@call("numpy.fromfunction")
def fromfunction():
    return 1.0 * np.fromfunction(lambda i, j: i * np.ones_like(j) + j / 7.0, (3, 4))


@call("numpy.piecewise")
def piecewise():
    pieces = [lambda t: t * np.ones(t.shape), lambda t: np.zeros_like(t) - t, 3.0]
    return np.piecewise(NOISE, [NOISE < -0.5, NOISE > 0.5], pieces)


@call("numpy.select_and_choose")
def select_and_choose():
    return (
        np.select([NOISE > 1.0, NOISE > 0.0], [NOISE**2, NOISE], -1.0),
        np.choose([0, 1, 0], [RIGHT[:3], RIGHT[3:]]),
    )


@call("numpy.pad-with-own-mode")
def pad_with_own_mode():
    def fill(vector, widths, axis, arguments):
        vector[: widths[0]] = np.ones(widths[0]) * vector[widths[0]]
        vector[len(vector) - widths[1] :] = np.zeros(widths[1])

    return np.pad(IMAGE, 2, fill), np.pad(IMAGE, 1, "reflect"), np.pad(NOISE, 3, "linear_ramp")


@call("numpy.savetxt_and_loadtxt")
def savetxt_and_loadtxt():
    text = io.StringIO()
    np.savetxt(text, IMAGE, fmt="%.17g", delimiter=",")
    text.seek(0)
    return text.getvalue(), np.loadtxt(text, delimiter=",")


@call("numpy.loadtxt-with-own-converter")
def loadtxt_with_own_converter():
    text = io.StringIO("1.5;2\n3.5;4\n")
    return np.loadtxt(
        text, delimiter=";", converters={0: lambda s: np.array([float(s), 1.0]).sum()}
    )


@call("numpy.genfromtxt")
def genfromtxt():
    return np.genfromtxt(io.StringIO("a b\n1 2\n3 nan\n"), names=True)


@call("numpy.save_and_load")
def save_and_load():
    stored = io.BytesIO()
    np.savez(stored, image=IMAGE, named=NAMED)
    stored.seek(0)
    with np.load(stored) as archive:
        return archive["image"], archive["named"]


@call("numpy.testing")
def testing():
    np.testing.assert_allclose(IMAGE, IMAGE * (1.0 + 1e-12), rtol=1e-9)
    np.testing.assert_array_equal(np.zeros(3), [0.0, 0.0, 0.0])
    try:
        np.testing.assert_array_almost_equal(np.ones(2), np.array([1.0, 2.0]))
    except AssertionError as error:
        return str(error)
    return None


@call("numpy.stride_tricks")
def stride_tricks():
    windows = np.lib.stride_tricks.sliding_window_view(IMAGE, (3, 3))
    strided = np.lib.stride_tricks.as_strided(NOISE, (4, 5), (16, 8))
    return windows.mean(axis=(2, 3)), strided * 1.0


@call("numpy.sets")
def sets():
    rounded = np.round(NOISE, 1)
    return (
        np.unique(rounded, return_index=True, return_inverse=True, return_counts=True),
        np.intersect1d(rounded, np.round(OTHER, 1)),
        np.isin(rounded, [0.1, 0.5]),
        np.setdiff1d(rounded, [0.0]),
    )


@call("numpy.histograms")
def histograms():
    return (
        np.histogram(NOISE, bins="auto", density=True),
        np.histogram2d(NOISE[:35], OTHER, bins=3),
        np.bincount([0, 1, 1, 3], weights=RIGHT[:4]),
        np.digitize(NOISE, [-1.0, 0.0, 1.0]),
    )


@call("numpy.order_statistics")
def order_statistics():
    return (
        np.percentile(IMAGE, [5, 50, 95], axis=0),
        np.quantile(NOISE, 0.3, method="hazen"),
        np.nanmedian(np.where(IMAGE > 0.9, np.nan, IMAGE), axis=1),
        np.partition(NOISE, 5),
        np.lexsort((NOISE[:35], np.round(OTHER))),
        np.searchsorted(TIMES, [0.3, 1.7]),
    )


@call("numpy.contractions")
def contractions():
    return (
        np.einsum("ij,jk,k->i", MATRIX, SYMMETRIC, RIGHT, optimize=True),
        np.einsum("ii->i", MATRIX),
        np.tensordot(IMAGE, IMAGE, axes=([0, 1], [0, 1])),
        np.kron(MATRIX[:2, :2], RIGHT[:2]),
        np.convolve(NOISE, [1.0, 0.5]),
        np.cross(MATRIX[:, :3], MATRIX[:, 3:]),
    )


@call("numpy.covariances")
def covariances():
    return np.cov(IMAGE), np.corrcoef(IMAGE[:3]), np.average(IMAGE, axis=0, weights=np.arange(9.0))


@call("numpy.curves")
def curves():
    return (
        np.interp([0.1, 0.9], TIMES, DECAYED),
        np.gradient(IMAGE, 0.1, axis=1),
        np.trapezoid(DECAYED, TIMES),
        np.unwrap(NOISE * 4.0),
        np.diff(IMAGE, n=2, prepend=0.0),
        np.cumsum(IMAGE, axis=1),
        np.kaiser(5, 3.0),
        np.sinc(NOISE),
        np.i0(NOISE),
    )


@call("numpy.grids_and_blocks")
def grids_and_blocks():
    return (
        np.meshgrid(TIMES, RIGHT, indexing="ij"),
        np.mgrid[0:2:3j, 0:1:2j],
        np.r_[0.0, RIGHT, 1:3:3j],
        np.block([[MATRIX, RIGHT[:, None]], [RIGHT, 1.0]]),
        np.insert(RIGHT, [1, 3], 9.0),
        np.delete(MATRIX, 2, axis=1),
        np.append(RIGHT, MATRIX[0]),
        np.stack([RIGHT, RIGHT], axis=1),
        np.tri(3) @ MATRIX[:3],
        1.0 * np.vander(RIGHT, 3),
    )


@call("numpy.iterators")
def iterators():
    doubled = np.nditer([NOISE, None])
    with doubled:
        for source, target in doubled:
            target[...] = 2.0 * source
        result = doubled.operands[1]
    return result, list(np.ndenumerate(MATRIX[:2, :2])), list(np.ndindex(2, 2))


@call("numpy.random.generator")
def generator():
    generator = np.random.default_rng(11)
    return (
        generator.normal(size=3),
        generator.choice(RIGHT, 4, p=np.full(6, 1.0 / 6.0)),
        generator.permutation(MATRIX),
        generator.multivariate_normal(np.zeros(2), np.eye(2), size=2),
        generator.dirichlet(np.ones(3)),
        generator.random(dtype=np.float32),
        generator.integers(0, 9, size=4),
    )


@call("numpy.random.filled_by_the_generator")
def filled_by_the_generator():
    generator = np.random.default_rng(11)
    shuffled = MATRIX.copy()
    generator.shuffle(shuffled)
    return shuffled, generator.gamma(np.array([1.0, 2.0]), np.ones(2))


@call("numpy.random.legacy")
def legacy():
    state = np.random.RandomState(5)
    return state.randn(3), state.multinomial(5, [0.2, 0.8]), state.standard_cauchy(2)


@call("numpy.records")
def records():
    return (
        np.lib.recfunctions.append_fields(NAMED, "height", np.array([1.0, 2.0]), usemask=False),
        np.lib.recfunctions.structured_to_unstructured(NAMED),
        np.rec.fromarrays([[1.0, 2.0], [3, 4]], names="a,b"),
        np.sort(NAMED, order="mass"),
    )


@call("numpy.creation_without_derivatives")
def creation_without_derivatives():
    return (
        np.zeros(3, dtype=bool),
        np.array(["a", "bc"]),
        np.array([1, 2, 3]),
        np.arange(4),
        np.full(2, None),
        np.zeros(2, dtype=NAMED.dtype),
        np.asarray([True, False]),
        np.eye(2, dtype=np.int8),
        np.array([{"a": 1}, "b"], dtype=object),
        np.zeros_like(DATES),
    )


@call("numpy.dates_and_strings")
def dates_and_strings():
    return (
        np.busday_count(DATES[0], DATES[1]),
        DATES.astype("datetime64[M]"),
        np.strings.upper(np.array(["ab", "c"])),
        np.char.add(["a"], ["b"]),
    )


@call("numpy.printing")
def printing():
    by_hand = {"float": lambda value: f"<{float(np.array([value]).sum()):.2f}>"}
    return (
        repr(IMAGE[:2]),
        np.array2string(RIGHT, formatter=by_hand),
        str(np.zeros(2)),
        f"{np.ones(3).sum():.3f}",
        np.format_float_positional(0.1),
    )


@call("numpy.error_call_back")
def error_call_back():
    seen = []
    with np.errstate(divide="call", call=lambda *_: seen.append(np.zeros(1).sum())):
        result = RIGHT / 0.0
    return result, seen


@call("numpy.fromiter")
def fromiter():
    return 1.0 * np.fromiter((np.array([t, 1.0]).prod() for t in TIMES), dtype=float)


@call("numpy.packing")
def packing():
    return (
        np.packbits([1, 0, 1]),
        np.frombuffer(NOISE.tobytes(), dtype=np.uint8),
        np.ascontiguousarray(MATRIX.T).flags.c_contiguous,
        memoryview(np.arange(3)).tolist(),
    )


@call("numpy.scimath")
def scimath():
    return np.emath.sqrt([-1.0, 4.0]), np.emath.log([-1.0]), np.nan_to_num([np.nan, np.inf])


@call("standard_library.copies")
def copies():
    kept = {"image": IMAGE, "rows": [RIGHT, MATRIX]}
    return pickle.loads(pickle.dumps(kept)), copy.deepcopy(kept), copy.copy(IMAGE)


@call("standard_library.statistics")
def statistics_of_arrays():
    return statistics.fmean(NOISE), statistics.stdev(NOISE.tolist()), sorted(RIGHT), max(RIGHT)


@call("standard_library.threads")
def threads():
    def work(size):
        buffer = np.zeros(size)
        buffer[:] = np.arange(size) * 1.5
        return buffer, np.array([[1.0, 2.0], [3.0, 4.0]]), np.linspace(0.0, 1.0, size)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, [2, 3]))
