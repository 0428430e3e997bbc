"""Every primitive's samples under ``vmap`` with other transformations around and inside it.

Each way is compared with a loop over the examples of what stands inside, run plainly.
"""

import itertools

import numpy as np

import wengert as wg
from primitive_calls import call_of, is_number
from vmap.examples import close, holds_program
from wengert.ir.aval import Aval, aval_of
from wengert.ir.primitive import registry
from wengert.ops.kinds import with_kind
from wengert.tracing.core import bind, raw_of, to_user

OUTER, INNER = 2, 3
# At singular matrices a loop takes another formula for the derivative; see tests/test_linalg.py.
SINGULAR = {"det", "slogdet"}


def of_one_kind(value, aval):
    """Return a traced or plain number with the kind that it has in the sample."""
    if aval.shape or aval.kind == "array":
        return raw_of(np.asarray(value)) if isinstance(value, np.generic) else raw_of(value)
    return with_kind(raw_of(value), aval)


class Sample:
    """A sample as a function of its numbers, and examples of these."""

    def __init__(self, name, index):
        self.call, self.sample = call_of(name, index)
        self.name = name
        self.numbers = [i for i, value in enumerate(self.sample.args) if is_number(value)]
        self.varying = [i for i in self.numbers if i in self.call.which]

    def function(self, which, float_only=False):
        """Return the primitive as a function of the arguments `which`."""
        args, primitive = self.sample.args, registry[self.name]

        def run(*given):
            full = list(args)
            for i, value in zip(which, given, strict=True):
                full[i] = of_one_kind(value, aval_of(args[i]))
            result = bind(primitive, *full, **self.sample.params)
            results = result if primitive.multiple else (result,)
            return tuple(
                to_user(entry)
                for entry in results
                if not float_only or aval_of(entry).dtype.kind in "fc"
            )

        return run

    def examples(self, which, count):
        """Return for each argument an array of its examples along axis 0."""
        found = []
        for i in which:
            array = np.asarray(self.sample.args[i])
            generator = np.random.default_rng([i, 9])
            rows = [array]
            for turn in range(1, count):
                if array.dtype.kind in "fc":
                    change = 1 + 0.05 * generator.uniform(-1, 1, array.shape)
                    rows.append((array * change).astype(array.dtype))
                else:
                    rows.append(np.roll(array, turn, axis=-1) if array.ndim else array)
            found.append(np.stack(rows))
        return found


def looped(function, columns, count):
    """Return the results of a function on each example, stacked."""
    rows = [function(*(column[k] for column in columns)) for k in range(count)]
    return [np.stack([np.asarray(row[j]) for row in rows]) for j in range(len(rows[0]))]


def placed(columns, place):
    """Return examples with their axis at a place, and where it is."""
    made = [np.moveaxis(column, 0, place % column.ndim) for column in columns]
    return made, tuple(place % column.ndim for column in columns)


def compared(found, expected, columns):
    eps = max((np.finfo(c.dtype).eps for c in columns if c.dtype.kind in "fc"), default=0.0)
    for entry, other in zip(found, expected, strict=True):
        close(np.asarray(entry).astype(other.dtype), other, float(eps))


def derivative(function, mode):
    """Return the jvp or the vjp of a function in directions of ones."""

    def push(*given):
        return wg.jvp(function, given, tuple(map(_ones, given)))[1]

    def pull(*given):
        values, pullback = wg.vjp(function, *given)
        return pullback(wg.tree.map(_ones, values))

    return push if mode == "jvp" else pull


def _ones(value):
    aval = aval_of(raw_of(value))
    return np.ones(aval.shape, aval.dtype) if aval.shape else ones_of(aval)


def ones_of(aval: Aval):
    return 1.0 if aval.kind == "python" and not aval.is_complex else aval.dtype.type(1)


# ------------------------------------------------------------------ ways


def nested(sample, function, which):
    """``vmap(vmap(f))``, with the axes of both at the ends, and one argument of the outer alone."""
    columns = sample.examples(which, OUTER * INNER)
    grids = [column.reshape(OUTER, INNER, *column.shape[1:]) for column in columns]
    expected = looped(function, columns, OUTER * INNER)
    expected = [e.reshape(OUTER, INNER, *e.shape[1:]) for e in expected]
    compared(wg.vmap(wg.vmap(function))(*grids), expected, columns)
    last = [np.moveaxis(grid, 0, -1) for grid in grids]  # inner axis first, the outer one last
    compared(wg.vmap(wg.vmap(function), in_axes=-1)(*last), expected, columns)
    if len(which) > 1:
        mixed = [grids[0][:, 0], *(grid[0] for grid in grids[1:])]
        axes = (None, *[0] * (len(which) - 1))
        outer = (0, *[None] * (len(which) - 1))
        rows = [
            [np.asarray(e) for e in function(mixed[0][a], *(grid[b] for grid in mixed[1:]))]
            for a, b in itertools.product(range(OUTER), range(INNER))
        ]
        expected = [np.stack(column) for column in zip(*rows, strict=True)]
        expected = [e.reshape(OUTER, INNER, *e.shape[1:]) for e in expected]
        compared(wg.vmap(wg.vmap(function, axes), outer)(*mixed), expected, columns)


def compiled(sample, function, which):
    """``jit(vmap(f))`` and ``vmap(jit(f))``."""
    columns = sample.examples(which, INNER)
    expected = looped(function, columns, INNER)
    moved, axes = placed(columns, -1)
    around, inside = wg.jit(wg.vmap(function, axes)), wg.vmap(wg.jit(function), axes)
    for _ in range(2):
        compared(around(*moved), expected, columns)
        compared(inside(*moved), expected, columns)


def differentiated(sample, function, which):
    """``jvp(vmap(f))`` and ``vjp(vmap(f))``."""
    columns = sample.examples(which, INNER)
    moved, axes = placed(columns, 1)
    batched = wg.vmap(function, axes)
    for mode in ("jvp", "vjp"):
        expected = looped(derivative(function, mode), columns, INNER)
        found = derivative(batched, mode)(*moved)
        if mode == "vjp":
            found = [np.moveaxis(f, axis, 0) for f, axis in zip(found, axes, strict=True)]
        compared(found, expected, columns)


def inside(sample, function, which):
    """Derivatives inside two batches, and inside a compiled one."""
    columns = sample.examples(which, OUTER * INNER)
    grids = [column.reshape(OUTER, INNER, *column.shape[1:]) for column in columns]
    for mode in ("jvp", "vjp"):
        run = derivative(function, mode)
        expected = looped(run, columns, OUTER * INNER)
        found = wg.jit(wg.vmap(run))(*columns)
        compared(found, expected, columns)
        expected = [e.reshape(OUTER, INNER, *e.shape[1:]) for e in expected]
        compared(wg.vmap(wg.vmap(run))(*grids), expected, columns)


WAYS = {
    "vmap(vmap)": nested,
    "jit": compiled,
    "derivatives of vmap": differentiated,
    "vmap of derivatives": inside,
}


def applies(name, index, way):
    """Return whether a way says something about a sample."""
    if holds_program(name):
        return False
    sample = Sample(name, index)
    if way in ("vmap(vmap)", "jit"):
        return bool(sample.numbers)
    if registry[name].zero_derivative or name in SINGULAR:
        return False
    return bool(sample.varying) and sample.sample.differentiable


def check(name, index, way):
    """Assert that a sample under a way is the loop over its examples."""
    sample = Sample(name, index)
    derivatives = way not in ("vmap(vmap)", "jit")
    which = sample.varying if derivatives else sample.numbers
    with np.errstate(all="ignore"):
        WAYS[way](sample, sample.function(which, derivatives), which)
