"""Calls of reductions, statistics, running reductions and differences."""

from .calls import rounded, valued


def _reduction(name, *extra, point="t"):
    return [
        f"np.{name}({point})",
        f"np.{name}({point}, axis=1)",
        f"np.{name}({point}, axis=-1, keepdims=True)",
        f"np.{name}({point}, axis=(0, 2))",
        f"np.{name}(a.T[::2], axis=0)",
        f"np.{name}(x[1:2])",
        *extra,
    ]


_SUMS = ("np.{}(a, axis=1, out=np.zeros(3))", "np.{}([s, f, 2.0])")


def _extra(name, *texts):
    return [text.format(name) for text in texts]


CALLS = {
    "sum": _reduction(
        "sum",
        *_extra("sum", *_SUMS),
        "np.sum(a, where=mask34)",
        "np.sum(a, axis=0, where=mask34, initial=s)",
        "np.sum(x, initial=2.5)",
        "np.sum(z)",
        "np.sum(single, dtype=np.float64)",
        valued("np.sum(x, dtype=np.float32)"),
        "np.sum(np.zeros((0, 3)) * s, axis=0)",
        "np.sum(a=x, axis=0)",
    ),
    "prod": _reduction(
        "prod",
        *_extra("prod", *_SUMS),
        "np.prod(a, axis=1, where=mask34, initial=s)",
        "np.prod(np.array([x[0], 0.0, x[1]]))",
        "np.prod(np.array([x[0] - x[0], x[1] - x[1], x[1]]))",
        "np.prod(z)",
    ),
    "mean": _reduction(
        "mean",
        *_extra("mean", *_SUMS),
        "np.mean(a, axis=0, where=mask34)",
        "np.mean(z)",
        "np.mean(single, dtype=np.float64)",
    ),
    "std": _reduction(
        "std",
        "np.std(a, axis=1, out=np.zeros(3))",
        "np.std(a, ddof=1)",
        "np.std(a, axis=0, correction=1)",
        "np.std(a, axis=0, where=mask34, keepdims=True)",
        "np.std(a, axis=0, mean=np.mean(a, axis=0, keepdims=True))",
        "np.std(z)",
    ),
    "var": _reduction(
        "var",
        "np.var(a, axis=1, out=np.zeros(3))",
        "np.var(a, ddof=1)",
        "np.var(a, axis=0, correction=1)",
        "np.var(a, axis=0, where=mask34, keepdims=True)",
        "np.var(a, axis=0, mean=np.mean(a, axis=0, keepdims=True))",
        "np.var(z, axis=0)",
        "np.var(single, dtype=np.float64)",
    ),
    "ptp": _reduction("ptp", "np.ptp(a, axis=1, out=np.zeros(3))", "np.ptp(np.array([s, f, 2.0]))"),
    "average": [
        "np.average(a)",
        "np.average(a, axis=0, weights=p[:3])",
        "np.average(a, weights=np.abs(a), axis=1, keepdims=True)",
        "np.average(x, weights=p, returned=True)",
        "np.average(t, axis=(0, 1), weights=a[:2, :3] ** 2)",
        "np.average(z)",
    ],
    "trapezoid": [
        "np.trapezoid(x)",
        "np.trapezoid(x, np.cumsum(p))",
        "np.trapezoid(a, dx=s)",
        "np.trapezoid(a, x=v, axis=0)",
        "np.trapezoid(a, x=a * 2.0, axis=0)",
        "np.trapezoid(z, dx=0.5)",
    ],
    "cov": [
        "np.cov(a)",
        "np.cov(x, y)",
        "np.cov(a, rowvar=False)",
        "np.cov(a, bias=True)",
        "np.cov(a, ddof=0)",
        "np.cov(a, y=b.T)",
        rounded("np.cov(a, fweights=counts[1:])"),
        rounded("np.cov(a, aweights=p[:4])"),
        rounded("np.cov(x, fweights=counts, aweights=p, ddof=1)"),
        "np.cov(w)",
        "np.cov(single, dtype=np.float64)",
        "np.cov(x)",
    ],
    "corrcoef": [
        "np.corrcoef(a)",
        "np.corrcoef(x, y)",
        "np.corrcoef(a, rowvar=False)",
        "np.corrcoef(a, y=b.T)",
        "np.corrcoef(w)",
        "np.corrcoef(x)",
        "np.corrcoef(single, dtype=np.float64)",
    ],
    "bincount": [
        "np.bincount(counts, weights=x)",
        "np.bincount(counts, weights=x, minlength=7)",
        "np.bincount(counts, x * y)",
        valued("np.bincount(np.argsort(x))"),
    ],
    "histogram": [
        valued("np.histogram(x, bins=4)[0]"),
        "np.histogram(x, bins=4)",
        "np.histogram(x, bins=grid, weights=p)",
        "np.histogram(x, bins=np.sort(y))",
        "np.histogram(x, 3, range=(-2.0, 2.5), weights=y, density=True)",
        "np.histogram(x, bins=grid, density=True)",
        "np.histogram(x, 4, density=True)",
        "np.histogram(x, bins='auto')",
        "np.histogram(x, bins=3, range=(y[2], y[4]))",
        "np.histogram(x, 4, weights=x + 1j * y)",
    ],
    "histogram2d": [
        "np.histogram2d(x, y, bins=3)",
        "np.histogram2d(x, y, bins=(2, 3), weights=p)",
        "np.histogram2d(x, y, bins=[grid, grid], density=True, weights=p)",
        "np.histogram2d(x, y, bins=2, range=[[-2, 3], [-1.5, 2]])",
    ],
    "histogramdd": [
        "np.histogramdd(np.exp(a), bins=3)",
        "np.histogramdd((x, y), bins=(3, 2), weights=p)",
        "np.histogramdd(m, bins=(2, [grid[0], 0.1, grid[-1]], 3), weights=v, density=True)",
        "np.histogramdd(a[:, :2], bins=[grid, grid], density=True, weights=v ** 2)",
        "np.histogramdd(a[:, :2], bins=2, range=[[-2, 3], [-3, 2]])",
    ],
    "cumsum": [
        "np.cumsum(x)",
        "np.cumsum(a, axis=1)",
        "np.cumsum(a)",
        "np.cumsum(a, axis=0, out=np.zeros((3, 4)))",
        "np.cumsum(z)",
        "np.cumsum(single, dtype=np.float64)",
    ],
    "cumprod": [
        "np.cumprod(x)",
        "np.cumprod(a, axis=1)",
        "np.cumprod(a, axis=0, out=np.zeros((3, 4)))",
        "np.cumprod(np.array([x[0], 0.0, x[1]]))",
        "np.cumprod(z)",
        "np.cumprod(single, dtype=np.float64)",
    ],
    "cumulative_sum": [
        "np.cumulative_sum(x)",
        "np.cumulative_sum(a, axis=0, include_initial=True)",
        "np.cumulative_sum(a, axis=1, out=np.zeros((3, 4)))",
        "np.cumulative_sum(single, dtype=np.float64)",
    ],
    "cumulative_prod": [
        "np.cumulative_prod(x)",
        "np.cumulative_prod(a, axis=0, include_initial=True)",
        "np.cumulative_prod(a, axis=1, out=np.zeros((3, 4)))",
        "np.cumulative_prod(single, dtype=np.float64)",
    ],
    "nancumsum": [
        "np.nancumsum(gaps)",
        "np.nancumsum(gapped, axis=1)",
        "np.nancumsum(gapped, axis=0, out=np.zeros((3, 3)), dtype=float)",
    ],
    "nancumprod": [
        "np.nancumprod(gaps)",
        "np.nancumprod(gapped, axis=1)",
        "np.nancumprod(gapped, axis=0, out=np.zeros((3, 3)), dtype=float)",
    ],
    "diff": [
        "np.diff(x)",
        "np.diff(a, n=2)",
        "np.diff(a, axis=0)",
        "np.diff(x, prepend=s, append=[f])",
        "np.diff(z, n=0)",
    ],
    "ediff1d": ["np.ediff1d(a)", "np.ediff1d(x, to_begin=s, to_end=y[:2])", "np.ediff1d(z)"],
    "gradient": [
        "np.gradient(x)",
        "np.gradient(a)",
        "np.gradient(a, axis=1)",
        "np.gradient(a, s, axis=0)",
        "np.gradient(x, np.cumsum(p))",
        "np.gradient(a, v[0] + np.arange(3.0) ** 2, s)",
        "np.gradient(x, np.cumsum(p), edge_order=2)",
        "np.gradient(a, 0.5, edge_order=2, axis=(0, 1))",
        "np.gradient(t, axis=(1, 2))",
        "np.gradient(z)",
        "np.gradient(x, grid)",
        "np.gradient(t, s, np.cumsum(p[:3]), f, edge_order=1)",
        "np.gradient(np.stack([a, a * a, a + s]), p[0], grid[:3], grid[:4], edge_order=2)",
    ],
    "unwrap": [
        "np.unwrap(4.0 * x)",
        "np.unwrap(3.0 * a, axis=0)",
        "np.unwrap(3.0 * a, discont=4.0)",
        "np.unwrap(x, period=1.5)",
        "np.unwrap(x, period=p[0])",
    ],
}

for _name in ("max", "amax", "min", "amin"):
    CALLS[_name] = _reduction(
        _name,
        *_extra(_name, *_SUMS),
        f"np.{_name}(a, axis=0, where=mask34, initial=s)",
        f"np.{_name}(x, initial=0.5)",
    )
CALLS["median"] = _reduction("median", "np.median(a, axis=1, out=np.zeros(3))")
CALLS["median"].append("np.median(x, overwrite_input=True)")
for _name, _points in (("percentile", "[25.0, 60.0]"), ("quantile", "[0.25, 0.6]")):
    _one = _points.strip("[]").split(",")[0]
    CALLS[_name] = [
        f"np.{_name}(x, {_one})",
        f"np.{_name}(x, {_points})",
        f"np.{_name}(a, {_points}, axis=0, keepdims=True)",
        f"np.{_name}(x, {'60.0' if _name == 'percentile' else '0.6'} + s / 10)",
        f"np.{_name}(a, {_one}, axis=1, method='hazen', out=np.zeros(3))",
        f"np.{_name}(x, {_one}, weights=weights, method='inverted_cdf')",
        f"np.{_name}(x, {_one}, method='nearest')",
    ]
    CALLS["nan" + _name] = [
        f"np.nan{_name}(gaps, {_one})",
        f"np.nan{_name}(gapped, {_points}, axis=1, keepdims=True)",
        f"np.nan{_name}(gapped, {_one}, axis=0, method='midpoint', out=np.zeros(3))",
    ]
for _name in ("sum", "prod", "mean", "std", "var", "max", "min"):
    CALLS["nan" + _name] = [
        f"np.nan{_name}(gaps)",
        f"np.nan{_name}(gapped, axis=0)",
        f"np.nan{_name}(gapped, axis=-1, keepdims=True)",
        f"np.nan{_name}(gapped, axis=1, out=np.zeros(3))",
    ]
for _name in ("nansum", "nanprod", "nanmax", "nanmin"):
    CALLS[_name].append(f"np.{_name}(gapped, initial=0.5, where=[True, True, False])")
for _name in ("nanstd", "nanvar"):
    CALLS[_name].append(f"np.{_name}(gapped, axis=1, ddof=1, where=[True, True, True])")
    CALLS[_name].append(f"np.{_name}(gapped[:2], axis=1, correction=0)")
CALLS["nanmean"].append("np.nanmean(gapped, axis=0, where=[[True], [True], [True]])")
CALLS["nanmedian"] = [
    "np.nanmedian(gaps)",
    "np.nanmedian(gapped, axis=0)",
    "np.nanmedian(gapped, axis=1, keepdims=True, out=np.zeros((3, 1)))",
]
