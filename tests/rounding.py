"""What rounding can do to a program: bounds from runs whose inexact operations are disturbed.

Sums, differences, products, quotients and square roots of real numbers, and whatever moves numbers,
have one right answer. Elementary functions may be off by two units in the last place, and sums may
be taken in another order: running a program with such errors put in shows what they do to results.
"""

import copy

import numpy as np

import wengert as wg
from wengert.tracing.core import Trace, Traced, bind, raw_of, to_user
from wengert.tracing.creation import begin, end

# Elementary functions: two units in the last place.
ELEMENTARY = frozenset(
    [
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "arctan2",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "power",
        "power_operator",
        "float_power",
        "cbrt",
        "hypot",
        "logaddexp",
        "logaddexp2",
        "sinc",
        "erf",
        "erfc",
        "expit",
        "log_expit",
        "logit",
        "gammaln",
        "digamma",
        "xlogy",
        "entr",
    ]
)
# Sums of products, in an order of their own. Their operands are disturbed, so that the bound is in
# terms of the sum of absolute values.
SUMMING = frozenset(
    [
        "sum",
        "mean",
        "var",
        "std",
        "prod",
        "cumsum",
        "cumprod",
        "nansum",
        "nanmean",
        "dot",
        "matmul",
        "inner",
        "vdot",
        "vecdot",
        "matvec",
        "vecmat",
        "einsum",
        "tensordot",
        "outer",
        "convolve",
        "trace",
        "norm",
        "logsumexp",
        "reduce",
        "indexed_add",
        "average",
        "recurrence",
        "fft",
        "ifft",
        "rfft",
        "irfft",
        "solve",
        "inv",
        "det",
        "slogdet",
        "cholesky",
        "qr",
        "eigh",
        "eigvalsh",
        "svd",
        "triangular_solve",
        "run_mean",
    ]
)
# NumPy fuses parts of complex products on some processors.
COMPLEX = frozenset(
    {"absolute", "multiply", "true_divide", "divide", "reciprocal", "square", "sqrt"}
)
_TRIALS, _MARGIN = 6, 30


def is_number(value):
    return isinstance(value, (float, complex, np.inexact, np.ndarray))


def is_inexact(value):
    return is_number(value) and np.asarray(value).dtype.kind in "fc"


def noise(value, random, units):
    """Return a value that is off by up to some units in the last place, entry by entry."""
    dtype = np.asarray(value).dtype
    real = dtype.type(0).real.dtype
    shape = np.shape(value)
    factor = 1 + (units * np.finfo(real).eps * random.uniform(-1, 1, shape)).astype(real)
    with np.errstate(all="ignore"):
        if dtype.kind == "c":
            other = 1 + (units * np.finfo(real).eps * random.uniform(-1, 1, shape)).astype(real)
            made = np.real(value) * factor + 1j * (np.imag(value) * other)
        else:
            made = value * factor
    if type(value) in (float, complex):
        return type(value)(made)
    return np.asarray(made).astype(dtype) if type(value) is np.ndarray else dtype.type(made)


class DisturbingTrace(Trace):
    """A trace that evaluates operations with errors that compiled code is allowed."""

    __slots__ = ("random",)

    def __init__(self, seed):
        super().__init__("a disturbed run")
        self.random = np.random.default_rng(seed)

    def process(self, primitive, args, params):
        values = [self.lower(value) for value in args]
        name = primitive.name
        if name in SUMMING:
            units = 4 + np.log2(max(np.size(value) for value in values) + 1)
            values = [self._noisy(value, units) for value in values]
        with np.errstate(all="ignore"):
            result = bind(primitive, *values, **params)
        if primitive.multiple:
            made = [self.of(entry) for entry in result]
            return type(result)(*made) if hasattr(result, "_fields") else tuple(made)
        in_parts = any(np.asarray(value).dtype.kind == "c" for value in values if is_number(value))
        if name in ELEMENTARY or (name in COMPLEX and in_parts):
            result = self._noisy(result, 4)
        return self.of(result)

    def _noisy(self, value, units):
        return noise(value, self.random, units) if is_inexact(value) else value

    def of(self, raw):
        return Traced(self, raw, None) if is_inexact(raw) else raw


def disturbed(function, argument, seed):
    """Return the leaves of the result of a disturbed run, and those of the argument after it."""
    leaves, structure = wg.tree.flatten(argument)
    trace = DisturbingTrace(seed)
    begin(trace)
    try:
        handles = [
            to_user(trace.of(leaf.copy() if hasattr(leaf, "copy") else leaf)) for leaf in leaves
        ]
        result = function(wg.tree.unflatten(structure, handles))
        return [[plain(trace, leaf) for leaf in wg.tree.leaves(part)] for part in (result, handles)]
    finally:
        end(trace)


def plain(trace, leaf):
    raw = trace.lower(raw_of(leaf))
    return np.array(raw)


def bounds(function, argument):
    """Return how far each entry of the result, and of what is written, may be off."""
    given = copy.deepcopy(argument)
    exact = wg.tree.leaves(function(given)), wg.tree.leaves(given)
    found = [[np.zeros(np.shape(leaf)) for leaf in part] for part in exact]
    for seed in range(_TRIALS):
        moved = disturbed(function, argument, seed)
        for own, others, bound in zip(exact, moved, found, strict=True):
            for number, (one, other) in enumerate(zip(own, others, strict=True)):
                if np.asarray(one).dtype.kind in "fc":
                    with np.errstate(all="ignore"):
                        bound[number] = np.fmax(bound[number], np.abs(other - one))
    return [[_MARGIN * leaf for leaf in part] for part in found]


def is_within(found, expected, bound):
    """Return whether two leaves are the same, bit by bit or within a bound of each entry."""
    found, expected = np.asarray(found), np.asarray(expected)
    if np.array_equal(found, expected, equal_nan=found.dtype.kind in "fc"):
        return True
    if bound is None or found.dtype.kind not in "fc":
        return False
    with np.errstate(all="ignore"):
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        return bool(np.all(same | (np.abs(found - expected) <= bound)))
