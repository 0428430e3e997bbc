"""The samples of every primitive as calls, run in both modes, and what they are compared with.

The reference is extrapolated central differences of the plain evaluation, with an estimate of its
own error; float32 samples are compared in float64.
"""

import functools

import numpy as np
import pytest

from wengert.ir.aval import aval_of, zeros_of
from wengert.ir.primitive import registry
from wengert.tracing.core import Traced, bind, to_user
from wengert.tracing.creation import begin, end
from wengert.transforms.forward import ForwardTrace
from wengert.transforms.reverse import ReverseTrace

# Central differences with steps 0.08 / 2^k: enough of them that some lie within the distance to the
# nearest kink or pole of a sample.
STEPS = [0.08 / 2**k for k in range(9)]


# ------------------------------------------------------------------ the samples


@functools.cache
def samples_of(name):
    return list(registry[name].samples())


@functools.cache
def fails_of(name):
    return list(registry[name].fails())


def each(list_of):
    """Return one pytest parameter ``(primitive, index)`` a sample, with its id."""
    found = []
    for primitive in registry:
        if primitive.samples is None or primitive.fails is None:
            continue  # tests/test_registry.py reports the gap
        count = len(list_of(primitive.name))
        found += [
            pytest.param(primitive.name, index, id=f"{primitive.name}-{index}")
            for index in range(count)
        ]
    return found


class Call:
    """One sample as a function of its differentiable arguments alone."""

    def __init__(self, name, args, params, wrt=None):
        self.primitive = registry[name]
        self.args = args
        self.params = params
        self.which = [
            i
            for i, value in enumerate(args)
            if is_number(value) and aval_of(value).dtype.kind in "fc" and (wrt is None or i in wrt)
        ]

    @property
    def point(self):
        return [self.args[i] for i in self.which]

    def with_point(self, point):
        full = list(self.args)
        for i, value in zip(self.which, point, strict=True):
            full[i] = value
        return full

    def raw(self, point):
        """Return the floating-point results of raw values as a list."""
        result = bind(self.primitive, *self.with_point(point), **self.params)
        results = result if self.primitive.multiple else (result,)
        return [entry for entry in results if aval_of(entry).dtype.kind in "fc"]

    def __call__(self, *point):
        """Return the results of user-level values as a tuple, as a user's function would."""
        return tuple(to_user(entry) for entry in self.raw(point))


def is_number(value):
    return isinstance(value, (int, float, complex, np.generic, np.ndarray))


def call_of(name, index):
    sample = samples_of(name)[index]
    return Call(name, sample.args, sample.params, sample.wrt), sample


def widened_call(name, sample):
    args = [widened(value) if is_number(value) else value for value in sample.args]
    return Call(name, args, sample.params, sample.wrt)


def results_of(primitive, args, params):
    result = primitive.evaluate(*args, **params)
    return tuple(result) if primitive.multiple else (result,)


# ------------------------------------------------------------------ comparing


def same(found, expected):
    """Assert equal Avals and equal bits (any nan equals any nan)."""
    assert aval_of(found) == aval_of(expected), (aval_of(found), aval_of(expected))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def copies(values):
    return [np.array(v, order="K") if isinstance(v, np.ndarray) else v for v in values]


def unchanged(values, before):
    for value, copy in zip(values, before, strict=True):
        if isinstance(copy, np.ndarray):
            np.testing.assert_array_equal(value, copy, err_msg="an operand was written")


def epsilon(*groups):
    """Return the machine epsilon of the coarsest dtype among values."""
    return max(
        float(np.finfo(aval_of(value).dtype).eps)
        for group in groups
        for value in group
        if aval_of(value).dtype.kind in "fc"
    )


def flat(values):
    """Return values concatenated to one vector; None stands for nothing."""
    parts = [np.ravel(value) for value in values]
    return np.concatenate(parts) if parts else np.zeros(0)


def pairing(first, second):
    """Return Re Σ first·second and the sum of the sizes of its terms."""
    products = [np.asarray(a) * np.asarray(b) for a, b in zip(first, second, strict=True)]
    total = sum(float(np.sum(product.real)) for product in products)
    return total, sum(float(np.sum(np.abs(product))) for product in products)


def direction(values, seed, scaled=False):
    """Return random changes of the spaces of `values`, no entry near zero.

    With `scaled`, changes of very large and very small entries are of their size.
    """
    generator = np.random.default_rng([seed, 7])
    made = []
    for value in values:
        aval = aval_of(value)

        def draw(shape=aval.shape):
            return generator.uniform(0.4, 1.2, shape) * generator.choice([-1.0, 1.0], shape)

        change = draw() + 1j * draw() if aval.is_complex else draw()
        if scaled:
            size = np.abs(np.asarray(value, dtype=complex))
            factor = np.where(size > 1e6, size, np.minimum(1.0, 10.0 * size))
            change = change * np.where((size == 0) | ~np.isfinite(size), 1.0, factor)
        made.append(of_space(change, value))
    return made


def of_space(numbers, like):
    """Return numbers with the shape, dtype, kind and memory order of `like`."""
    aval = aval_of(like)
    if aval.kind == "python":
        return complex(numbers) if aval.is_complex else float(numbers)
    if aval.kind == "scalar":
        return aval.dtype.type(numbers)
    made = np.empty_like(like)
    made[...] = numbers
    return made


def moved(values, changes, step):
    return [
        of_space(np.asarray(value) + step * np.asarray(change), value)
        for value, change in zip(values, changes, strict=True)
    ]


def widened(value):
    """Return a value in double precision, in which differences of float32 samples are taken."""
    aval = aval_of(value)
    if aval.dtype.kind not in "fc" or aval.kind == "python":
        return value
    double = np.complex128 if aval.is_complex else np.float64
    if aval.dtype.itemsize >= np.dtype(double).itemsize:
        return value
    return double(value) if aval.kind == "scalar" else value.astype(double)


def differentiate(curve):
    """Return the derivative at 0 of a vector-valued curve, and an estimate of each entry's error.

    C. J. F. Ridders, Advances in Engineering Software 4 (1982) 75-76: of a table of extrapolated
    central differences, the entry that differs least from its neighbours.
    """
    best = error = None
    above = []
    for step in STEPS:
        row = [(curve(step) - curve(-step)) / (2 * step)]
        for order, coarser in enumerate(above, start=1):
            factor = 4.0**order
            row.append((factor * row[-1] - coarser) / (factor - 1))
            spread = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - coarser))
            spread = np.where(np.isnan(spread), np.inf, spread)
            if best is None:
                best, error = row[-1], spread
            else:
                better = spread < error
                best, error = np.where(better, row[-1], best), np.where(better, spread, error)
        above = row
    return best, error


def agrees(found, curve, eps):
    """Assert that a derivative equals the differences of a curve, entry by entry."""
    expected, uncertainty = differentiate(curve)
    found = flat(found)
    assert found.shape == expected.shape
    scale = np.maximum(1.0, np.abs(expected))
    limit = max(1e-8, 500 * eps) * scale
    assert np.all(uncertainty <= max(1e-7, 100 * eps) * scale), (
        f"no reference, take another sample: differences {expected} are uncertain by {uncertainty}"
    )
    wrong = ~(np.abs(found - expected) <= limit)
    assert not wrong.any(), (
        f"entries {np.flatnonzero(wrong)}: {found[wrong]} against differences {expected[wrong]}"
    )


def adjoint(tangents_out, cotangents_out, cotangents_in, tangents_in, eps):
    """Assert Re<ct, J t> = Re<Jᵀ ct, t>."""
    forward, forward_size = pairing(cotangents_out, tangents_out)
    backward, backward_size = pairing(cotangents_in, tangents_in)
    # 2000 roundings of each term: what a few chained small decompositions lose.
    limit = 2000 * eps * (forward_size + backward_size) + 1e-300
    assert abs(forward - backward) <= limit, (forward, backward)


# ------------------------------------------------------------------ the two modes, raw


def pushed(call, point, tangents):
    """Return raw results and raw tangents, None where zero."""
    trace = ForwardTrace("a primitive under test")
    begin(trace)
    try:
        outputs = call.raw(
            [
                primal if tangent is None else Traced(trace, primal, tangent)
                for primal, tangent in zip(point, tangents, strict=True)
            ]
        )
        values = [trace.lower(output) for output in outputs]
    finally:
        end(trace)
    changes = [
        output._payload if type(output) is Traced and output._trace is trace else None
        for output in outputs
    ]
    return values, changes


def pulled(call, point, traced, make_cotangent):
    """Return raw cotangents of the traced positions of `point`, None where zero."""
    trace = ReverseTrace("a primitive under test", [point[i] for i in traced])
    begin(trace)
    try:
        raw = list(point)
        for position, i in enumerate(traced):
            raw[i] = Traced(trace, point[i], position)
        outputs = call.raw(raw)
    finally:
        end(trace)
    seeds = []
    for number, output in enumerate(outputs):
        if type(output) is Traced:
            seeds.append((output._payload, make_cotangent(number, output._below)))
    try:
        return trace.pull_back(seeds)
    finally:
        trace.release()


def filled(changes, values):
    """Return changes with zeros for None, each checked to lie in its space."""
    made = []
    for change, value in zip(changes, values, strict=True):
        aval = aval_of(value)
        if change is not None:
            found = aval_of(change)
            assert (found.shape, found.dtype) == (aval.shape, aval.dtype), (str(found), str(aval))
        made.append(zeros_of(aval) if change is None else change)
    return made


def subsets(count):
    """Return the arguments together, and each alone."""
    together = tuple(range(count))
    return [together] if count < 2 else [together, *((i,) for i in together)]
