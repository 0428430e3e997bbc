"""Calls into SciPy's geometry, statistics, signals, images, linear algebra and special functions.

Call-backs here return arrays, and numbers made from arrays, however deep in the library they run.
"""

import numpy as np
import scipy.cluster.hierarchy
import scipy.cluster.vq
import scipy.fft
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.spatial
import scipy.spatial.distance
import scipy.spatial.transform
import scipy.special
import scipy.stats

from library_calls import (
    DECAYED,
    IMAGE,
    MATRIX,
    NOISE,
    OTHER,
    POINTS,
    RIGHT,
    SYMMETRIC,
    TIMES,
    call,
)

# Geometry.


@call("scipy.spatial.cKDTree")
def c_kdtree():
    tree = scipy.spatial.cKDTree(POINTS)
    near = tree.query(POINTS[:4] + 0.01, k=3)
    return (
        near,
        tree.query_pairs(0.2, output_type="ndarray"),
        tree.query_ball_point([0.5, 0.5], 0.3),
    )


@call("scipy.spatial.KDTree")
def kdtree():
    tree = scipy.spatial.KDTree(POINTS, leafsize=4)
    return tree.query(POINTS[5]), tree.sparse_distance_matrix(tree, 0.2)


@call("scipy.spatial.ConvexHull")
def convex_hull():
    hull = scipy.spatial.ConvexHull(POINTS)
    return hull.vertices, hull.equations, hull.volume


@call("scipy.spatial.triangulations")
def triangulations():
    triangles = scipy.spatial.Delaunay(POINTS)
    cells = scipy.spatial.Voronoi(POINTS)
    return triangles.simplices, triangles.find_simplex([[0.5, 0.5]]), cells.vertices, cells.regions


@call("scipy.spatial.distance.cdist")
def cdist():
    return (
        scipy.spatial.distance.cdist(POINTS[:4], POINTS[4:9]),
        scipy.spatial.distance.cdist(POINTS[:3], POINTS[3:5], "mahalanobis", VI=np.eye(2)),
        scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(POINTS[:5], "cityblock")),
    )


@call("scipy.spatial.distance.pdist-with-own-metric")
def pdist_with_own_metric():
    def metric(u, v):
        return np.linalg.norm(np.array([u[0] - v[0], 2.0 * (u[1] - v[1])]))

    return scipy.spatial.distance.pdist(POINTS[:6], metric)


@call("scipy.spatial.rotations")
def rotations():
    turns = scipy.spatial.transform.Rotation.from_euler("xyz", MATRIX[:, :3])
    mean = scipy.spatial.transform.Slerp([0, 1, 2, 3, 4, 5], turns)(2.5)
    return turns.as_quat(), turns.apply(MATRIX[0, :3]), mean.as_matrix()


@call("scipy.spatial.procrustes")
def procrustes():
    return scipy.spatial.procrustes(POINTS[:8], POINTS[8:16])


# Statistics.


@call("scipy.stats.draws")
def draws():
    return (
        scipy.stats.norm.rvs(1.0, 2.0, size=5, random_state=3),
        scipy.stats.gamma(2.5).rvs(size=(2, 3), random_state=np.random.default_rng(3)),
        scipy.stats.multivariate_normal(np.zeros(2), np.eye(2)).rvs(size=3, random_state=4),
        scipy.stats.qmc.Sobol(2, rng=np.random.default_rng(1)).random(4),
    )


@call("scipy.stats.fits")
def fits():
    return scipy.stats.norm.fit(NOISE), scipy.stats.gumbel_r.fit(NOISE)


@call("scipy.stats.gaussian_kde")
def gaussian_kde():
    kernel = scipy.stats.gaussian_kde(POINTS.T)
    return kernel(POINTS[:3].T), kernel.integrate_box([0.0, 0.0], [0.5, 0.5]), kernel.resample(2, 7)


@call("scipy.stats.hypothesis_tests")
def hypothesis_tests():
    return [
        tuple(test)
        for test in (
            scipy.stats.ttest_ind(NOISE, OTHER, equal_var=False),
            scipy.stats.ks_2samp(NOISE, OTHER),
            scipy.stats.mannwhitneyu(NOISE, OTHER),
            scipy.stats.shapiro(NOISE),
            scipy.stats.wilcoxon(NOISE),
            scipy.stats.f_oneway(NOISE, OTHER, NOISE + 0.1),
            scipy.stats.spearmanr(NOISE[:30], OTHER[:30]),
            scipy.stats.kendalltau(NOISE[:30], OTHER[:30]),
        )
    ]


@call("scipy.stats.regression")
def regression():
    line = scipy.stats.linregress(TIMES, DECAYED)
    return line.slope, line.intercept, line.stderr, tuple(scipy.stats.theilslopes(DECAYED, TIMES))


@call("scipy.stats.bootstrap-with-own-statistic")
def bootstrap_with_own_statistic():
    def spread(sample):
        ends = np.zeros(2)
        ends[0], ends[1] = np.min(sample), np.max(sample)
        return ends[1] - ends[0]

    result = scipy.stats.bootstrap(
        (NOISE,), spread, n_resamples=30, vectorized=False, rng=np.random.default_rng(2)
    )
    return tuple(result.confidence_interval), result.bootstrap_distribution


@call("scipy.stats.permutation-with-own-statistic")
def permutation_with_own_statistic():
    def difference(x, y, axis):
        return np.mean(x, axis=axis) - np.mean(y, axis=axis) + np.zeros(1)[0]

    result = scipy.stats.permutation_test(
        (NOISE[:8], OTHER[:8]), difference, n_resamples=40, rng=np.random.default_rng(2)
    )
    return result.pvalue, result.null_distribution


@call("scipy.stats.binned_statistic-with-own-statistic")
def binned_statistic_with_own_statistic():
    def weighted(values):
        return values @ np.linspace(0.0, 1.0, len(values)) if len(values) else np.zeros(1)[0]

    return tuple(scipy.stats.binned_statistic(NOISE, NOISE**2, weighted, bins=4))


class Ramp(scipy.stats.rv_continuous):
    """A distribution whose density builds its own arrays."""

    def _pdf(self, x):
        density = np.zeros_like(x)
        density[...] = 2.0 * x
        return density


RAMP = Ramp(a=0.0, b=1.0, name="ramp")


@call("scipy.stats.own_distribution")
def own_distribution():
    return (
        RAMP.cdf([0.25, 0.5]),
        RAMP.ppf(0.3),
        RAMP.mean(),
        RAMP.expect(lambda x: np.array([x]).sum()),
    )


@call("scipy.stats.summaries")
def summaries():
    return (
        tuple(scipy.stats.describe(NOISE)),
        scipy.stats.trim_mean(NOISE, 0.1),
        tuple(scipy.stats.mode(np.round(NOISE))),
        scipy.stats.rankdata(NOISE),
        scipy.stats.zscore(IMAGE, axis=1),
        scipy.stats.entropy(IMAGE[0], IMAGE[1]),
    )


# Signals and images.


@call("scipy.signal.filters")
def filters():
    numerator, denominator = scipy.signal.butter(3, 0.2)
    sections = scipy.signal.cheby1(4, 0.5, 0.3, output="sos")
    return (
        scipy.signal.filtfilt(numerator, denominator, NOISE),
        scipy.signal.lfilter(numerator, denominator, NOISE, zi=np.ones(3)),
        scipy.signal.sosfiltfilt(sections, NOISE),
        scipy.signal.savgol_filter(NOISE, 7, 2),
        scipy.signal.medfilt2d(IMAGE, 3),
        scipy.signal.freqz(numerator, denominator, worN=5),
    )


@call("scipy.signal.welch")
def welch():
    return scipy.signal.welch(NOISE, nperseg=16)


@call("scipy.signal.spectra")
def spectra():
    return (
        scipy.signal.stft(NOISE, nperseg=8),
        scipy.signal.periodogram(NOISE, window="hamming"),
        scipy.signal.hilbert(NOISE),
    )


@call("scipy.signal.convolutions")
def convolutions():
    return (
        scipy.signal.convolve2d(IMAGE, IMAGE[:3, :3], mode="same"),
        scipy.signal.fftconvolve(NOISE, OTHER),
        scipy.signal.oaconvolve(NOISE, OTHER[:5]),
        scipy.signal.correlate(NOISE, OTHER, mode="valid"),
    )


@call("scipy.signal.peaks")
def peaks():
    peaks, properties = scipy.signal.find_peaks(NOISE, height=0.2, prominence=0.1)
    return peaks, properties, scipy.signal.peak_widths(NOISE, peaks)


@call("scipy.signal.systems")
def systems():
    system = scipy.signal.StateSpace([[0.0, 1.0], [-2.0, -0.3]], [[0.0], [1.0]], [[1.0, 0.0]], 0.0)
    return (
        scipy.signal.lsim(system, np.sin(TIMES), TIMES),
        scipy.signal.step(system, T=TIMES),
        scipy.signal.tf2zpk([1.0, 2.0], [1.0, 0.5, 0.1]),
        scipy.signal.place_poles(np.eye(2) * 0.5, np.eye(2), [0.1, 0.2]).gain_matrix,
    )


@call("scipy.signal.resampling")
def resampling():
    return (
        scipy.signal.resample(NOISE, 25),
        scipy.signal.resample_poly(NOISE, 3, 2),
        scipy.signal.decimate(NOISE, 2),
        scipy.signal.detrend(NOISE, bp=20),
    )


@call("scipy.ndimage.filters")
def ndimage_filters():
    return (
        scipy.ndimage.gaussian_filter(IMAGE, 1.2),
        scipy.ndimage.uniform_filter1d(IMAGE, 3),
        scipy.ndimage.median_filter(IMAGE, size=3),
        scipy.ndimage.sobel(IMAGE),
        scipy.ndimage.convolve(IMAGE, np.ones((3, 3)), mode="wrap"),
    )


@call("scipy.ndimage.generic_filter")
def generic_filter():
    weights = [0.5, 1.0, 0.5]

    def weighted(window):
        return window @ np.array(weights) + np.zeros(1).sum()

    return scipy.ndimage.generic_filter(
        IMAGE, weighted, footprint=[[0, 1, 0], [0, 1, 0], [0, 1, 0]]
    )


@call("scipy.ndimage.generic_filter1d")
def generic_filter1d():
    def doubled(line, out):
        padded = np.zeros(len(line))
        padded[:] = line * 2.0
        out[:] = padded[1:-1]

    return scipy.ndimage.generic_filter1d(IMAGE, doubled, 3)


@call("scipy.ndimage.geometric_transform")
def geometric_transform():
    def source(at):
        return tuple(np.array([at[0] * 0.9, at[1] * 0.8 + 0.1 * at[0]]))

    return scipy.ndimage.geometric_transform(IMAGE, source, order=3)


@call("scipy.ndimage.labels")
def labels():
    labels, count = scipy.ndimage.label(IMAGE > 0.6)
    index = np.arange(1, count + 1)
    return (
        labels,
        scipy.ndimage.center_of_mass(IMAGE, labels, index),
        scipy.ndimage.labeled_comprehension(
            IMAGE, labels, index, lambda values: np.sum(np.ones_like(values) * values), float, 0.0
        ),
        scipy.ndimage.distance_transform_edt(IMAGE > 0.3),
        scipy.ndimage.binary_erosion(IMAGE > 0.2),
    )


@call("scipy.ndimage.resampling")
def ndimage_resampling():
    return (
        scipy.ndimage.map_coordinates(IMAGE, np.array([[1.5, 2.25], [3.5, 7.75]]), order=3),
        scipy.ndimage.zoom(IMAGE, 1.5),
        scipy.ndimage.rotate(IMAGE, 30.0, reshape=False),
        scipy.ndimage.affine_transform(IMAGE, np.eye(2) * 0.9, offset=[0.2, 0.1]),
    )


# Dense linear algebra.


@call("scipy.linalg.factorisations")
def factorisations():
    return (
        scipy.linalg.lu(MATRIX),
        scipy.linalg.qr(MATRIX, pivoting=True),
        scipy.linalg.svd(MATRIX),
        scipy.linalg.ldl(SYMMETRIC),
        scipy.linalg.cholesky(SYMMETRIC, lower=True),
        scipy.linalg.hessenberg(MATRIX, calc_q=True),
        scipy.linalg.polar(MATRIX),
        scipy.linalg.rq(MATRIX),
    )


@call("scipy.linalg.solutions")
def solutions():
    return (
        scipy.linalg.solve(MATRIX, RIGHT),
        scipy.linalg.solve(SYMMETRIC, RIGHT, assume_a="pos"),
        scipy.linalg.solve_triangular(np.triu(SYMMETRIC), RIGHT),
        scipy.linalg.cho_solve(scipy.linalg.cho_factor(SYMMETRIC), RIGHT),
        scipy.linalg.solve_banded((1, 1), np.ones((3, 6)) + np.arange(6.0), RIGHT),
        scipy.linalg.solve_toeplitz([4.0, 1.0, 0.5, 0.0, 0.0, 0.0], RIGHT),
        scipy.linalg.lstsq(MATRIX[:, :3], RIGHT),
        scipy.linalg.solve_sylvester(SYMMETRIC, SYMMETRIC, MATRIX),
        scipy.linalg.null_space(MATRIX[:4]),
    )


@call("scipy.linalg.eigenvalues")
def eigenvalues():
    return (
        scipy.linalg.eigh(SYMMETRIC),
        scipy.linalg.eig(MATRIX),
        scipy.linalg.eigvalsh(SYMMETRIC, subset_by_index=[0, 2]),
        scipy.linalg.eigh_tridiagonal(np.arange(1.0, 6.0), np.ones(4)),
    )


@call("scipy.linalg.schur-with-own-order")
def schur_with_own_order():
    def leftmost(real, imaginary):
        return bool(np.array([real, imaginary])[0] < 0.0)

    return scipy.linalg.schur(MATRIX, sort=leftmost)


@call("scipy.linalg.matrix_functions")
def matrix_functions():
    return (
        scipy.linalg.expm(MATRIX),
        scipy.linalg.logm(SYMMETRIC),
        scipy.linalg.sqrtm(SYMMETRIC),
        scipy.linalg.expm_frechet(MATRIX, SYMMETRIC),
        scipy.linalg.fractional_matrix_power(SYMMETRIC, 0.3),
    )


@call("scipy.linalg.funm-with-own-function")
def funm_with_own_function():
    return scipy.linalg.funm(SYMMETRIC, lambda values: np.array([np.cosh(v) for v in values / 10]))


@call("scipy.linalg.special_matrices")
def special_matrices():
    return (
        scipy.linalg.toeplitz(RIGHT, RIGHT[::-1]),
        scipy.linalg.hadamard(4, dtype=float),
        scipy.linalg.block_diag(MATRIX[:2], [[1.0]]),
        scipy.linalg.dft(3),
        scipy.linalg.companion([1.0, -3.0, 2.0]),
    )


@call("scipy.linalg.blas_and_lapack")
def blas_and_lapack():
    return scipy.linalg.blas.dgemv(2.0, MATRIX, RIGHT), scipy.linalg.lapack.dgetrf(MATRIX)


# Special functions, transforms, clusters.


@call("scipy.special.elementwise")
def elementwise():
    return (
        scipy.special.gamma(TIMES + 0.5),
        scipy.special.erf(NOISE),
        scipy.special.jv(1.5, TIMES),
        scipy.special.expit(NOISE),
        scipy.special.betainc(2.0, 3.0, TIMES / 2.0),
        scipy.special.airy(0.3),
        scipy.special.hyp2f1(1.0, 2.0, 3.5, TIMES / 3.0),
        scipy.special.sph_harm_y(2, 1, 0.4, 0.7),
    )


@call("scipy.special.composed")
def composed():
    return (
        scipy.special.logsumexp(NOISE, b=np.abs(NOISE)),
        scipy.special.softmax(IMAGE, axis=0),
        scipy.special.roots_legendre(5),
        scipy.special.legendre(3)(0.4),
        scipy.special.factorial(np.arange(5), exact=True),
        scipy.special.comb(6, np.arange(4)),
        scipy.special.multigammaln(4.5, 3),
        scipy.special.bernoulli(6),
    )


@call("scipy.fft.transforms")
def transforms():
    return (
        scipy.fft.fft(NOISE),
        scipy.fft.rfftn(IMAGE),
        scipy.fft.dct(NOISE, type=3, norm="ortho"),
        scipy.fft.dstn(IMAGE),
        scipy.fft.fht(NOISE, 0.1, 0.5),
        scipy.fft.fftshift(scipy.fft.fftfreq(7)),
    )


@call("scipy.cluster.kmeans")
def kmeans():
    return (
        scipy.cluster.vq.kmeans2(POINTS, 3, rng=np.random.default_rng(4), minit="++"),
        scipy.cluster.vq.vq(POINTS, POINTS[:3]),
        scipy.cluster.vq.whiten(POINTS),
    )


@call("scipy.cluster.hierarchy")
def hierarchy():
    tree = scipy.cluster.hierarchy.linkage(POINTS, "ward")
    return (
        tree,
        scipy.cluster.hierarchy.fcluster(tree, 3, criterion="maxclust"),
        scipy.cluster.hierarchy.cophenet(tree),
        scipy.cluster.hierarchy.dendrogram(tree, no_plot=True)["leaves"],
    )
