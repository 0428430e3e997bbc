"""Functions of `scipy.special` with derivatives, under SciPy's names and with its values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import MissingRuleError
from ..ir.aval import aval_of
from ..ops.axes import normalised_axes, operand_of
from ..ops.logsumexp import log_sum
from ..tracing.core import Array, Traced, raw_of, to_user


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    r"""Return the logarithm of a sum of exponentials, :math:`\log \sum_i b_i e^{a_i}`.

    The gradient by `a` is the softmax, :math:`b_i e^{a_i - \text{result}}`; where the result is
    infinite its largest entries share it. Values are those of `scipy.special.logsumexp`.

    Parameters
    ----------
    a : array_like
        Exponents, of any shape.
    axis : int or tuple of int, optional
        Axes that are summed over; all by default.
    b : array_like, optional
        Weights that broadcast against `a`. A weight of 0 takes its entry out.
    keepdims : bool
        Keep summed axes with length 1.
    return_sign : bool
        Return log |Σ b exp a| and the sign of the sum, which carries no derivative.

    Returns
    -------
    array or scalar, or a tuple of two with `return_sign`
        Without `return_sign`, nan where the sum is negative.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> from wengert.scipy.special import logsumexp
    >>> wg.grad(logsumexp)(np.array([0.0, np.log(3.0), -np.inf]))
    array([0.25, 0.75, 0.  ])
    """
    given = (a, b)
    if not any(type(value) is Array or type(value) is Traced for value in given):
        from scipy import special  # 0.1 s: at first use

        return special.logsumexp(a, axis=axis, b=b, keepdims=keepdims, return_sign=return_sign)
    values = operand_of(a)
    weights = None if b is None else operand_of(b)
    dtypes = [aval_of(value) for value in (values, weights) if value is not None]
    dtype = np.result_type(*(aval.dtype for aval in dtypes if aval.kind != "python"), np.float16)
    if dtype.kind not in "fc" or len(dtypes) == sum(aval.kind == "python" for aval in dtypes):
        dtype = np.result_type(np.float64, *(aval.dtype for aval in dtypes))
    shape = np.broadcast_shapes((1,), *(aval.shape for aval in dtypes))
    if return_sign and dtype.kind == "c":
        raise MissingRuleError(
            "logsumexp of complex numbers with return_sign=True has no derivative rule: leave "
            "return_sign away (the result is then complex), or take np.real and np.imag of it"
        )
    values = _spread(values, shape, dtype)
    if weights is not None:
        weights = _spread(weights, shape, dtype)
    axes = None if axis is None else normalised_axes(axis, len(shape))
    return to_user(log_sum(values, weights, axes, bool(keepdims), bool(return_sign)))


def _spread(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Return a raw value broadcast to a shape and cast to a dtype."""
    if np.shape(value) != shape:
        value = raw_of(np.broadcast_to(value, shape))
    if aval_of(value).dtype != dtype:
        value = raw_of(to_user(value).astype(dtype))
    return value
