"""Every primitive, every sample: values as NumPy's, derivatives as differences, both modes alike.

A sample is named ``primitive-index``. The reference is extrapolated central differences of the
plain evaluation, with an estimate of its own error; float32 samples are compared in float64.
"""

import functools
import re

import numpy as np
import pytest

import wengert as wg
from wengert.ir.aval import aval_of, zeros_of
from wengert.ir.cotangent import Masked
from wengert.ir.primitive import registry
from wengert.ir.verify import verify
from wengert.tracing.core import Traced, bind, depth, to_user
from wengert.tracing.creation import begin, end, is_patched
from wengert.tracing.staging import stage
from wengert.transforms.forward import push
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


every_sample = pytest.mark.parametrize(("name", "index"), each(samples_of))


@pytest.fixture(autouse=True)
def _quiet():
    """Samples at kinks and poles warn as NumPy does; other tests hold the warnings."""
    with np.errstate(all="ignore"):
        yield


class Call:
    """One sample as a function of its differentiable arguments alone."""

    def __init__(self, name, args, params, wrt=None):
        self.primitive = registry[name]
        self.args = args
        self.params = params
        self.which = [
            i
            for i, value in enumerate(args)
            if is_number(value)
            and aval_of(value).dtype.kind in "fc"
            and (wrt is None or i in wrt)
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
    """Return the derivative at 0 of a vector-valued curve, and an estimate of the error of each entry.

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
    assert np.all(uncertainty <= 1e-7 * scale), (
        f"no reference: differences are uncertain by {uncertainty} at {expected}; take another sample"
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
    values, changes, _ = push(lambda raw: (call.raw(raw), None), point, tangents)
    return values, changes


def pulled(call, point, traced, make_cotangent):
    """Return raw cotangents of the traced positions of `point`, None where zero."""
    trace = ReverseTrace("a primitive under test", len(traced))
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
            seeds.append((output.payload, make_cotangent(number, output.value)))
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


# ------------------------------------------------------------------ values


@every_sample
def test_value_is_numpys(name, index):
    call, sample = call_of(name, index)
    primitive = call.primitive
    before = copies(sample.args)
    found = results_of(primitive, sample.args, sample.params)
    unchanged(sample.args, before)
    if isinstance(primitive.numpy, np.ufunc) and not sample.params:
        expected = primitive.numpy(*sample.args)
        expected = expected if isinstance(expected, tuple) else (expected,)
        weak = all(aval_of(value).kind == "python" for value in sample.args)
        for entry, other in zip(found, expected, strict=True):
            if weak and aval_of(entry).kind == "python":
                other = other.item()  # the operator keeps Python numbers what they are
            if name == "power_operator":
                # NumPy's operator squares and takes roots where its ufunc calls pow: 1 ulp.
                assert aval_of(entry) == aval_of(other)
                np.testing.assert_allclose(entry, other, rtol=2 * np.finfo(aval_of(other).dtype).eps)
            else:
                same(entry, other)
    # In forward, reverse and nested traces the value is the same to the last bit.
    expected = [entry for entry in found if aval_of(entry).dtype.kind in "fc"]
    if call.which:
        tangents = direction(call.point, 1)
        for value, other in zip(pushed(call, call.point, tangents)[0], expected, strict=True):
            same(value, other)
        value, _ = wg.vjp(call, *call.point)
        for entry, other in zip(value, expected, strict=True):
            same(entry, other)
        unchanged(sample.args, before)


@every_sample
def test_infer_is_evaluation(name, index):
    call, sample = call_of(name, index)
    found = results_of(call.primitive, sample.args, sample.params)
    avals = [aval_of(value) if is_number(value) else value for value in sample.args]
    inferred = call.primitive.infer(*avals, **sample.params)
    assert isinstance(inferred, tuple) == call.primitive.multiple
    inferred = inferred if call.primitive.multiple else (inferred,)
    assert [str(aval) for aval in inferred] == [str(aval_of(value)) for value in found]


@every_sample
def test_staged_and_evaluated_is_eager(name, index):
    call, sample = call_of(name, index)
    primitive = call.primitive
    numbers = [i for i, value in enumerate(sample.args) if is_number(value)]

    def program(*values):
        full = list(sample.args)
        for i, value in zip(numbers, values, strict=True):
            full[i] = value
        result = bind(primitive, *full, **sample.params)
        return result if primitive.multiple else [result]

    staged = stage(program, [aval_of(sample.args[i]) for i in numbers])
    verify(staged)
    assert [equation.primitive for equation in staged] == [primitive]
    found = staged.evaluate(*(sample.args[i] for i in numbers))
    expected = results_of(primitive, sample.args, sample.params)
    for entry, other in zip(found, expected, strict=True):
        same(entry, other)


# ------------------------------------------------------------------ first derivatives


@every_sample
def test_jvp_is_differences(name, index):
    call, sample = call_of(name, index)
    if not call.which:
        return
    point = call.point
    wide = widened_call(name, sample)
    before = copies(point)
    for subset in subsets(len(point)):
        tangents = direction(point, len(subset), scaled=True)
        kept = copies(tangents)
        chosen = [tangent if i in subset else None for i, tangent in enumerate(tangents)]
        values, changes = pushed(call, point, chosen)
        if call.primitive.zero_derivative:
            assert all(change is None for change in changes)
            continue
        changes = filled(changes, values)
        unchanged(point, before)
        unchanged(tangents, kept)
        if not sample.differentiable or not values:
            continue

        def curve(step, chosen=filled(chosen, point)):
            at = [widened(v) for v in point]
            changes = [np.asarray(change) for change in chosen]
            return flat(wide.raw(moved(at, changes, step)))

        agrees(changes, curve, epsilon(point, values))


@every_sample
def test_vjp_is_jvp_transposed(name, index):
    call, sample = call_of(name, index)
    if not call.which or call.primitive.zero_derivative:
        return
    point = call.point
    values = call.raw(point)
    if not values:
        return
    before = copies(point)
    cotangents = direction(values, 3)
    kept = copies(cotangents)
    for subset in subsets(len(point)):
        raw = pulled(call, point, subset, lambda number, value: cotangents[number])
        found = filled(raw, [point[i] for i in subset])
        unchanged(point, before)
        unchanged(cotangents, kept)
        if not sample.differentiable:
            continue
        for seed in (4, 5):
            tangents = direction(point, seed)
            chosen = [tangent if i in subset else None for i, tangent in enumerate(tangents)]
            _, changes = pushed(call, point, chosen)
            adjoint(
                filled(changes, values),
                cotangents,
                found,
                [tangents[i] for i in subset],
                epsilon(point, values),
            )


@every_sample
def test_vjp_keeps_masks(name, index):
    """A masked cotangent gives what its dense value gives, and an owned one is not required."""
    call, sample = call_of(name, index)
    if not call.which or call.primitive.zero_derivative or not sample.differentiable:
        return
    point = call.point
    values = call.raw(point)
    generator = np.random.default_rng(8)
    masks = [generator.uniform(size=np.shape(value)) < 0.6 for value in values]
    cotangents = [
        np.where(mask, change, np.zeros_like(change)) if np.ndim(change) else change
        for mask, change in zip(masks, direction(values, 3), strict=True)
    ]
    kept = copies([*cotangents, *masks])
    everything = tuple(range(len(point)))

    def masked(number, value):
        if not np.ndim(value):
            return cotangents[number]
        return Masked(cotangents[number], masks[number])

    dense = filled(pulled(call, point, everything, lambda i, value: cotangents[i]), point)
    found = filled(pulled(call, point, everything, masked), point)
    unchanged([*cotangents, *masks], kept)
    for entry, other in zip(found, dense, strict=True):
        size = float(np.max(np.abs(other), initial=1.0))
        np.testing.assert_allclose(entry, other, rtol=0, atol=20 * epsilon(point, values) * size)


# ------------------------------------------------------------------ second derivatives


def forward_of(call, count):
    """Return (point, tangents) -> tangents of the results."""
    return lambda *both: wg.jvp(call, both[:count], both[count:])[1]


def reverse_of(call, count):
    """Return (point, cotangents) -> cotangents of the arguments."""
    return lambda *both: wg.vjp(call, *both[:count])[1](tuple(both[count:]))


@pytest.mark.parametrize("first", [forward_of, reverse_of])
@every_sample
def test_second_derivatives_are_differences_of_first(name, index, first):
    """Both modes of either mode, in the point and in the change that the first one is given."""
    call, sample = call_of(name, index)
    if not call.which or call.primitive.zero_derivative:
        return
    point = call.point
    values = call.raw(point)
    if not values:
        return
    changes = direction(point, 1, scaled=True) if first is forward_of else direction(values, 1)
    derivative = first(call, len(point))
    both = [*point, *changes]
    directions = [*direction(point, 2, scaled=True), *direction(changes, 3)]
    found, pushed_through = wg.jvp(derivative, both, directions)
    _, pullback = wg.vjp(derivative, *both)
    cotangents = direction(found, 4)
    pulled_through = pullback(tuple(cotangents))
    for entry, like in zip(pulled_through, both, strict=True):
        assert aval_of(entry) == aval_of(like)
    if not sample.second:
        return
    eps = epsilon(point, values)
    adjoint(pushed_through, cotangents, pulled_through, directions, eps)
    wide = widened_call(name, sample)
    at_wide = first(wide, len(point))

    def curve(step):
        return flat(at_wide(*moved([widened(v) for v in both], directions, step)))

    agrees(pushed_through, curve, eps)


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize(("name", "index"), each(fails_of))
def test_fails_as_declared(name, index):
    fail = fails_of(name)[index]
    call = Call(name, fail.args, fail.params)
    refused = pytest.raises(fail.error, match=re.escape(fail.message) or None)
    with refused:
        bind(call.primitive, *fail.args, **fail.params)
    if call.which:
        point = call.point
        with refused:
            wg.jvp(call, point, direction(point, 1))
        with refused:
            wg.vjp(call, *point)
        with refused:
            wg.jvp(lambda *inner: wg.vjp(call, *inner)[0], point, direction(point, 1))
    assert depth() == 0
    assert not is_patched()
    assert wg.grad(lambda x: x * x)(3.0) == 6.0


def test_the_reference_knows_its_error():
    """Where differences do not settle the reference must not pretend."""
    _, uncertainty = differentiate(lambda step: np.array([np.sqrt(max(step, 0.0))]))
    assert uncertainty[0] > 0.1
    expected, uncertainty = differentiate(lambda step: np.array([np.exp(1 + step)]))
    assert abs(expected[0] - np.e) < 1e-11
    assert uncertainty[0] < 1e-9
