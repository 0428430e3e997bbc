"""Fourier transforms: ``numpy.fft``, along any axes, of any lengths, in every normalisation.

Three linear primitives, each other's transposes: complex, real to half complex, and back.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..ir.aval import Aval, aval_of
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of, shape_of, to_user
from ..tracing.protocols import implements, store_results
from .core_family import real_dtype, real_part
from .families import structural
from .projection import cast
from .samples import Fail, Sample, array
from .shaping import array_raw, as_array

Shape = tuple[int, ...]

# ------------------------------------------------------------------ parts of the rules

_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _swapped(norm: Any) -> str:
    """Return the normalisation that the inverse transform calls what this one calls `norm`."""
    found = _SWAPPED.get(norm)
    if found is None:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return found


@functools.cache
def _dtype_of(function: Callable[..., Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.asarray(function(np.ones(2, dtype))).dtype


def _with_lengths(shape: Shape, axes: Sequence[int], lengths: Sequence[int]) -> Shape:
    found = list(shape)
    for axis, length in zip(axes, lengths, strict=True):
        found[axis] = length
    return tuple(found)


def _fitted(x: Any, shape: Shape) -> Any:
    """Return `x` cropped, or padded with zeros, at the end of each axis: undone by itself."""
    given = shape_of(x)
    if given == shape:
        return x
    if any(length > wanted for length, wanted in zip(given, shape, strict=True)):
        x = x[tuple(slice(min(pair)) for pair in zip(given, shape, strict=True))]
    missing = [wanted - length for wanted, length in zip(shape, shape_of(x), strict=True)]
    return np.pad(x, [(0, count) for count in missing]) if any(missing) else x


def _back(value: Any, aval: Aval) -> Any:
    """Return what stands for the argument's entries, real where those are."""
    fitted = _fitted(value, aval.shape)
    return fitted if aval.is_complex else real_part(fitted)


def _weighted(value: Any, length: int, axis: int, factor: float) -> Any:
    """Multiply the frequencies of a pair by `factor`; those of their own stay."""
    count = length // 2 + 1
    weights = np.full(count, factor, real_dtype(aval_of(raw_of(value)).dtype))
    weights[0] = 1.0
    if not length % 2:
        weights[-1] = 1.0
    return value * weights.reshape((count,) + (1,) * (-1 - axis))


def _batch_in_front(primitive: Primitive) -> Callable[..., Any]:
    """Return the batch slot: axes count from the end, so the batch goes in front."""

    def batch(values: Sequence[Any], axes: Sequence[Any], params: dict[str, Any]) -> Any:
        return bind(primitive, np.moveaxis(values[0], axes[0], 0), **params), 0

    return batch


# ------------------------------------------------------------------ the primitives


def _evaluate_fourier(x: Any, *, axes: Shape, lengths: Shape, inverse: bool, norm: Any) -> Any:
    if len(axes) == 1:
        single = np.fft.ifft if inverse else np.fft.fft
        return single(x, lengths[0], axes[0], norm)
    return (np.fft.ifftn if inverse else np.fft.fftn)(x, lengths, axes, norm)


def _infer_fourier(x: Aval, *, axes: Shape, lengths: Shape, inverse: bool, norm: Any) -> Aval:
    return Aval(_with_lengths(x.shape, axes, lengths), _dtype_of(np.fft.fft, x.dtype))


def _transpose_fourier(
    g: Any, x_aval: Aval, axes: Shape, lengths: Shape, inverse: bool, norm: Any
) -> Any:
    # The matrix of a transform is symmetric.
    pulled = bind(fourier, g, axes=axes, lengths=lengths, inverse=inverse, norm=norm)
    return _back(pulled, x_aval)


_COMPLEX = np.complex128

fourier = structural(
    "fourier",
    evaluate=_evaluate_fourier,
    infer=_infer_fourier,
    transpose=_transpose_fourier,
    samples=lambda: [
        Sample(array(5, dtype=_COMPLEX), axes=(-1,), lengths=(5,), inverse=False, norm=None),
        Sample(array(3, 4), axes=(-2,), lengths=(3,), inverse=False, norm="ortho"),
        Sample(array(4, dtype=_COMPLEX), axes=(-1,), lengths=(7,), inverse=True, norm="forward"),
        Sample(array(6), axes=(-1,), lengths=(3,), inverse=True, norm="backward"),
        Sample(
            array(2, 3, 4, dtype=_COMPLEX),
            axes=(-1, -3),
            lengths=(3, 4),
            inverse=False,
            norm="ortho",
        ),
        Sample(array(3, 4)[:, ::2], axes=(-2, -1), lengths=(3, 2), inverse=True, norm=None),
        Sample(array(5, dtype=np.float32), axes=(-1,), lengths=(5,), inverse=False, norm=None),
        Sample(array(3, dtype=np.complex64), axes=(-1,), lengths=(4,), inverse=True, norm=None),
        Sample(array(0, 3), axes=(-1,), lengths=(3,), inverse=False, norm=None),
    ],
    fails=lambda: [
        Fail(
            ValueError, "data points", array(3), axes=(-1,), lengths=(0,), inverse=False, norm=None
        ),
        Fail(ValueError, "norm", array(3), axes=(-1,), lengths=(3,), inverse=False, norm="unit"),
    ],
)


def _transpose_real(g: Any, x_aval: Aval, axis: int, length: int, norm: Any) -> Any:
    # Σ over half of the frequencies of Re(g exp(-2πi j k / length)): the inverse transform counts
    # a pair of frequencies twice, and its factor is the one that the swapped norm gives.
    halved = _weighted(np.conj(g), length, axis, 0.5)
    pulled = bind(inverse_real_fourier, halved, axis=axis, length=length, norm=_swapped(norm))
    return _back(pulled, x_aval)


real_fourier = structural(
    "real_fourier",
    evaluate=lambda x, *, axis, length, norm: np.fft.rfft(x, length, axis, norm),
    infer=lambda x, *, axis, length, norm: Aval(
        _with_lengths(x.shape, (axis,), (length // 2 + 1,)), _dtype_of(np.fft.rfft, x.dtype)
    ),
    transpose=_transpose_real,
    samples=lambda: [
        Sample(array(5), axis=-1, length=5, norm=None),
        Sample(array(6), axis=-1, length=6, norm="ortho"),
        Sample(array(3, 4), axis=-2, length=7, norm="forward"),
        Sample(array(2, 6)[:, ::2], axis=-1, length=2, norm="backward"),
        Sample(array(4), axis=-1, length=1, norm=None),
        Sample(array(4, dtype=np.float32), axis=-1, length=4, norm=None),
        Sample(array(0, 3), axis=-1, length=3, norm=None),
    ],
    fails=lambda: [
        Fail(ValueError, "data points", array(3), axis=-1, length=0, norm=None),
        Fail(TypeError, "rfft", array(3, dtype=_COMPLEX), axis=-1, length=3, norm=None),
    ],
)


def _transpose_inverse_real(g: Any, x_aval: Aval, axis: int, length: int, norm: Any) -> Any:
    pulled = bind(real_fourier, g, axis=axis, length=length, norm=_swapped(norm))
    return _back(_weighted(np.conj(to_user(pulled)), length, axis, 2.0), x_aval)


inverse_real_fourier = structural(
    "inverse_real_fourier",
    evaluate=lambda x, *, axis, length, norm: np.fft.irfft(x, length, axis, norm),
    infer=lambda x, *, axis, length, norm: Aval(
        _with_lengths(x.shape, (axis,), (length,)), _dtype_of(np.fft.irfft, x.dtype)
    ),
    transpose=_transpose_inverse_real,
    samples=lambda: [
        Sample(array(3, dtype=_COMPLEX), axis=-1, length=5, norm=None),
        Sample(array(4, dtype=_COMPLEX), axis=-1, length=6, norm="ortho"),
        Sample(array(3, 4, dtype=_COMPLEX), axis=-2, length=7, norm="forward"),
        Sample(array(2, 8, dtype=_COMPLEX)[:, ::2], axis=-1, length=3, norm="backward"),
        Sample(array(4), axis=-1, length=4, norm=None),
        Sample(array(4), axis=-1, length=1, norm=None),
        Sample(array(3, dtype=np.complex64), axis=-1, length=4, norm=None),
        Sample(array(0, 3, dtype=_COMPLEX), axis=-1, length=4, norm=None),
    ],
    fails=lambda: [Fail(ValueError, "data points", array(3), axis=-1, length=0, norm=None)],
)

for _primitive in (fourier, real_fourier, inverse_real_fourier):
    _primitive.batch = _batch_in_front(_primitive)


# ------------------------------------------------------------------ along one axis


def _delivered(raw: Any, out: Any) -> Any:
    result = to_user(raw)
    return result if out is None else store_results((out,), (result,))


def _axis_and_length(raw: Any, axis: Any, n: Any, default: Callable[[int], int]) -> tuple[int, int]:
    """Return an axis counted from the end, and the length of the transform along it."""
    shape = shape_of(raw)
    axis = normalize_axis_index(axis, len(shape)) - len(shape)
    length = default(shape[axis]) if n is None else operator.index(n)
    if length < 1:
        raise ValueError(f"Invalid number of FFT data points ({length}) specified.")
    return axis, length


def _same(length: int) -> int:
    return length


def _twice_less_one(length: int) -> int:
    return 2 * (length - 1)


def _as_precise_as(raw: Any, out: Any) -> Any:
    """Return real numbers in the precision of the result, in which NumPy transforms them."""
    aval = aval_of(raw)
    if out is None or aval.is_complex:
        return raw
    return raw_of(cast(raw, np.promote_types(aval.dtype, real_dtype(out.dtype))))


def _fourier_along(a: Any, n: Any, axis: Any, norm: Any, out: Any = None, *, inverse: bool) -> Any:
    raw = _as_precise_as(array_raw(a), out)
    axis, length = _axis_and_length(raw, axis, n, _same)
    return bind(fourier, raw, axes=(axis,), lengths=(length,), inverse=inverse, norm=norm)


@implements(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _delivered(_fourier_along(a, n, axis, norm, out, inverse=False), out)


@implements(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _delivered(_fourier_along(a, n, axis, norm, out, inverse=True), out)


def _real_along(a: Any, n: Any, axis: Any, norm: Any, out: Any = None) -> Any:
    raw = _as_precise_as(array_raw(a), out)
    axis, length = _axis_and_length(raw, axis, n, _same)
    if aval_of(raw).is_complex:
        raise TypeError(
            "rfft of a complex array is not defined (ufunc 'rfft' takes real numbers); "
            "use np.fft.fft, or the real part"
        )
    return bind(real_fourier, raw, axis=axis, length=length, norm=norm)


def _inverse_real_along(a: Any, n: Any, axis: Any, norm: Any) -> Any:
    raw = array_raw(a)
    axis, length = _axis_and_length(raw, axis, n, _twice_less_one)
    return bind(inverse_real_fourier, raw, axis=axis, length=length, norm=norm)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _delivered(_real_along(a, n, axis, norm, out), out)


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _delivered(_inverse_real_along(a, n, axis, norm), out)


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    mirrored = np.conj(as_array(a))
    return _delivered(_inverse_real_along(mirrored, n, axis, _swapped(norm)), out)


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _delivered(np.conj(to_user(_real_along(a, n, axis, _swapped(norm), out))), out)


# ------------------------------------------------------------------ along several axes


def _axes_and_lengths(
    shape: Shape, s: Any, axes: Any, *, half: bool = False
) -> tuple[list[int], list[int]]:
    """Return axes counted from the end, and lengths; ``-1`` takes the array's own.

    With `half`, the last axis holds half of the frequencies.
    """
    if axes is None:
        axes = range(-len(shape if s is None else s), 0)
    else:
        axes = [normalize_axis_index(axis, len(shape)) - len(shape) for axis in axes]
    if s is None:
        lengths = [shape[axis] for axis in axes]
        if half:
            lengths[-1] = _twice_less_one(lengths[-1])
    else:
        given = [-1 if length is None else operator.index(length) for length in s]
        if len(given) != len(axes):
            raise ValueError("Shape and axes have different lengths.")
        lengths = [
            shape[axis] if length == -1 else length
            for axis, length in zip(axes, given, strict=True)
        ]
    for length in lengths:
        if length < 1:
            raise ValueError(f"Invalid number of FFT data points ({length}) specified.")
    return list(axes), lengths


def _fourier_over(
    raw: Any, axes: Sequence[int], lengths: Sequence[int], norm: Any, *, inverse: bool
) -> Any:
    """Transform over axes, the last one first; one after another where an axis comes twice."""
    if not axes:
        return raw
    if len(set(axes)) == len(axes):
        groups = [(tuple(axes), tuple(lengths))]
    else:
        groups = [((axis,), (n,)) for axis, n in zip(axes[::-1], lengths[::-1], strict=True)]
    for group, sizes in groups:
        raw = bind(fourier, raw, axes=group, lengths=sizes, inverse=inverse, norm=norm)
    return raw


def _complex_transform(inverse: bool, default_axes: Any) -> Callable[..., Any]:
    def transform(
        a: Any, s: Any = None, axes: Any = default_axes, norm: Any = None, out: Any = None
    ) -> Any:
        raw = _as_precise_as(array_raw(a), out)
        chosen, lengths = _axes_and_lengths(shape_of(raw), s, axes)
        return _delivered(_fourier_over(raw, chosen, lengths, norm, inverse=inverse), out)

    return transform


def _real_transform(default_axes: Any) -> Callable[..., Any]:
    def transform(
        a: Any, s: Any = None, axes: Any = default_axes, norm: Any = None, out: Any = None
    ) -> Any:
        raw = array_raw(a)
        chosen, lengths = _axes_and_lengths(shape_of(raw), s, axes)
        raw = _real_along(raw, lengths[-1], chosen[-1], norm, out)
        return _delivered(_fourier_over(raw, chosen[:-1], lengths[:-1], norm, inverse=False), out)

    return transform


def _inverse_real_transform(default_axes: Any) -> Callable[..., Any]:
    def transform(
        a: Any, s: Any = None, axes: Any = default_axes, norm: Any = None, out: Any = None
    ) -> Any:
        raw = array_raw(a)
        chosen, lengths = _axes_and_lengths(shape_of(raw), s, axes, half=True)
        # NumPy takes these axes from the first one on, and the last digits depend on the order.
        raw = _fourier_over(raw, chosen[-2::-1], lengths[-2::-1], norm, inverse=True)
        return _delivered(_inverse_real_along(raw, lengths[-1], chosen[-1], norm), out)

    return transform


for _function, _transform in {
    np.fft.fft2: _complex_transform(False, (-2, -1)),
    np.fft.ifft2: _complex_transform(True, (-2, -1)),
    np.fft.fftn: _complex_transform(False, None),
    np.fft.ifftn: _complex_transform(True, None),
    np.fft.rfft2: _real_transform((-2, -1)),
    np.fft.rfftn: _real_transform(None),
    np.fft.irfft2: _inverse_real_transform((-2, -1)),
    np.fft.irfftn: _inverse_real_transform(None),
}.items():
    implements(_function)(_transform)


# ------------------------------------------------------------------ order of frequencies


def _shifted(x: Any, axes: Any, shift: Callable[[int], int]) -> Any:
    shape = shape_of(x)
    if axes is None:
        axes = range(len(shape))
    elif not isinstance(axes, (tuple, list, range)):
        axes = (operator.index(axes),)
    return np.roll(x, tuple(shift(shape[axis]) for axis in axes), tuple(axes))


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(as_array(x), axes, lambda length: length // 2)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(as_array(x), axes, lambda length: -(length // 2))
