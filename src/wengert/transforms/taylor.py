"""Taylor mode: a value carries the coefficients of a curve, and every operation those of its image.

`jet` and `derivative` are what people call. Primitives give a ``taylor`` slot (see
`wengert.ops.taylor_rules`); linear ones act on each coefficient; for the rest the coefficients of
y' = J(x) x' follow from the jvp rule, run on curves of one order less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, NotDifferentiableError
from ..ir.aval import aval_of, zeros_of
from ..ir.primitive import Primitive
from ..ops.accumulation import dense
from ..ops.taylor_rules import Series, plus, scaled
from ..tracing.core import Trace, Traced, bind, raw_of, to_user
from ..tracing.creation import begin, end
from .arguments import Leaves, check_callable, immediate, transformed
from .derivatives import tangent_aval
from .run import finish, to_result
from .transposition import tangent_slot

# Families that pick entries by comparing: near a point they are linear.
_LOCALLY_LINEAR = frozenset({"selecting"})


class TaylorTrace(Trace):
    """A trace whose payloads are the coefficients of orders 1 to `order`; None is a zero.

    The curve is x(t) = Σ xₖ tᵏ: coefficients are divided by factorials.
    """

    __slots__ = ("order",)
    is_of_high_order = True

    def __init__(self, description: Callable[..., Any] | str, order: int) -> None:
        super().__init__(description)
        self.order = order

    def series_of(self, value: Any) -> Series:
        """Return all coefficients of a raw value, the value itself first."""
        if type(value) is Traced and value._trace is self:
            return [value._below, *value._payload]
        return [self.lower(value), *[None] * self.order]

    def wrap(self, series: Series) -> Any:
        """Return a raw value with these coefficients; a constant where all but the first are 0."""
        value, *rest = series
        if all(entry is None for entry in rest):
            return value
        return Traced(self, value, tuple(None if e is None else raw_of(dense(e)) for e in rest))

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Evaluate an operation one level down and find the coefficients of its result."""
        given = [self.series_of(value) for value in args]
        params = {key: value for key, value in params.items() if key != "in_place"}
        which = tuple(
            i for i, value in enumerate(args) if type(value) is Traced and value._trace is self
        )
        primals = [series[0] for series in given]
        if primitive.zero_derivative:
            return bind(primitive, *primals, **params)
        with np.errstate(all="ignore"):
            if primitive.taylor is not None:
                series = primitive.taylor(given, params)
                if primitive.multiple:
                    return tuple(self.wrap(entry) for entry in series)
                return self.wrap(series)
            ans = bind(primitive, *primals, **params)
            if primitive.linear(which, params) or primitive.family in _LOCALLY_LINEAR:
                found = self._each(primitive, ans, primals, given, which, params)
            elif all(primitive.linear((i,), params) for i in which):
                found = self._products(primitive, ans, primals, given, which, params)
            elif primitive.names_ans is not None and not primitive.names_ans(which):
                found = self._at_once(primitive, ans, given, which, params)
            else:
                found = tower(primitive, ans, given, which, params, self.description)
        if primitive.multiple:
            columns = [self.wrap(list(column)) for column in zip(*found, strict=True)]
            return type(ans)(*columns) if hasattr(ans, "_fields") else tuple(columns)
        return self.wrap(found)

    def _each(
        self,
        primitive: Primitive,
        ans: Any,
        primals: Sequence[Any],
        given: Sequence[Series],
        which: tuple[int, ...],
        params: dict[str, Any],
    ) -> list[Any]:
        """Apply a linear operation to the coefficients order by order."""
        found = [ans]
        for order in range(1, self.order + 1):
            tangents = [given[i][order] if i in which else None for i in range(len(given))]
            found.append(self.pushed(primitive, ans, primals, tangents, params))
        return found

    def pushed(
        self,
        primitive: Primitive,
        ans: Any,
        primals: Sequence[Any],
        tangents: Sequence[Any],
        params: dict[str, Any],
    ) -> Any:
        """Return the tangent of a result by the jvp rule, None where it is zero."""
        if all(tangent is None for tangent in tangents):
            return (None,) * len(ans) if primitive.multiple else None
        return tangent_slot(primitive)(ans, primals, tangents, params)

    def _products(
        self,
        primitive: Primitive,
        ans: Any,
        primals: Sequence[Any],
        given: Sequence[Series],
        which: tuple[int, ...],
        params: dict[str, Any],
    ) -> list[Any]:
        """Apply an operation that is linear in each of its arguments: sums over products."""
        found = [ans]
        for order in range(1, self.order + 1):
            total = None
            for orders in _compositions(order, len(which)):
                operands = list(primals)
                for i, part in zip(which, orders, strict=True):
                    operands[i] = given[i][part]
                if all(operands[i] is not None for i in which):
                    total = plus(total, bind(primitive, *operands, **params))
            found.append(total)
        return found

    def _at_once(
        self,
        primitive: Primitive,
        ans: Any,
        given: Sequence[Series],
        which: tuple[int, ...],
        params: dict[str, Any],
    ) -> list[Any]:
        """Find all coefficients from y' = J(x) x', where J does not depend on y."""
        trace = TaylorTrace(self.description, self.order - 1)
        begin(trace)
        try:
            primals = [trace.wrap(series[:-1]) for series in given]
            tangents = [
                trace.wrap_change(_derivative(given[i])) if i in which else None
                for i in range(len(given))
            ]
            change = self.pushed(primitive, ans, primals, tangents, params)
            if change is None:
                return [ans, *[None] * self.order]
            slopes = trace.series_of(raw_of(dense(change)))
        finally:
            end(trace)
        return [ans, *(scaled(1.0 / k, entry) for k, entry in enumerate(slopes, start=1))]

    def wrap_change(self, series: Series) -> Any:
        """Return a tangent with these coefficients, None where all are zero."""
        if all(entry is None for entry in series):
            return None
        if series[0] is None:
            like = next(entry for entry in series if entry is not None)
            series = [zeros_of(aval_of(like)), *series[1:]]
        return self.wrap(series)

    def last(self, change: Any, order: int) -> Any:
        """Return the last coefficient of a result y' as that of y: divided by its order."""
        if change is None:
            return None
        coefficient = self.series_of(raw_of(dense(change)))[-1]
        return None if coefficient is None else raw_of(coefficient * (1.0 / order))


def tower(
    primitive: Primitive,
    ans: Any,
    given: Sequence[Series],
    which: tuple[int, ...],
    params: dict[str, Any],
    description: Callable[..., Any] | str,
    found: list[Any] | None = None,
) -> list[Any]:
    """Find the coefficients one after the other from y' = J(x) x', of one order less.

    They are appended to `found`, where the rule that gives J may meet them.
    """
    found = [] if found is None else found
    found.append(tuple(ans) if primitive.multiple else ans)
    for order in range(1, len(given[0])):
        trace = TaylorTrace(description, order - 1)
        begin(trace)
        try:
            primals = [trace.wrap(series[:order]) for series in given]
            tangents = [
                trace.wrap_change(_derivative(given[i][: order + 1])) if i in which else None
                for i in range(len(given))
            ]
            if primitive.multiple:
                current: Any = tuple(
                    trace.wrap(list(column)) for column in zip(*found, strict=True)
                )
                if hasattr(ans, "_fields"):
                    current = type(ans)(*current)
            else:
                current = trace.wrap(list(found))
            change = trace.pushed(primitive, current, primals, tangents, params)
            if primitive.multiple:
                found.append(tuple(trace.last(entry, order) for entry in change))
            else:
                found.append(trace.last(change, order))
        finally:
            end(trace)
    return found


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Yield the ways to write a number as an ordered sum of numbers that may be zero."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def _derivative(series: Series) -> Series:
    """Return the coefficients of the derivative of a curve."""
    return [
        None if entry is None else raw_of(entry * float(order)) if order > 1 else entry
        for order, entry in enumerate(series[1:], start=1)
    ]


# ------------------------------------------------------------------ what people call


@immediate
def jet(
    fun: Callable[..., Any], primals: Sequence[Any], series: Sequence[Sequence[Any]]
) -> tuple[Any, list[Any]]:
    """Return the value of a function on a curve, and the derivatives of the result along it.

    Parameters
    ----------
    fun : callable
    primals : tuple of trees
        The arguments at the start of the curve.
    series : tuple of lists of trees, one list an argument
        The first, second, … derivative of each argument along the curve, all of the same number.

    Returns
    -------
    value : tree
    derivatives : list of trees
        The first, second, … derivative of the result: by the chain rule f' x₁, f'' x₁² + f' x₂, ….

    Notes
    -----
    The cost of order n is that of about n²/2 evaluations of a product, not 2ⁿ, which nesting
    `wengert.jvp` would cost. The recurrences are those of A. Griewank and A. Walther, Evaluating
    Derivatives, chapter 13.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> value, derivatives = wg.jet(np.exp, (0.0,), ([1.0, 0.0, 0.0],))
    >>> float(value), [float(entry) for entry in derivatives]
    (1.0, [1.0, 1.0, 1.0])
    """
    check_callable(fun, "jet")
    primals = tuple(primals)
    rows = [list(entry) for entry in series]
    if len(rows) != len(primals) or len({len(row) for row in rows}) != 1:
        raise ArgumentError(
            f"jet needs one list of derivatives for each of {len(primals)} primals, all of one "
            f"length; got the lengths {[len(row) for row in rows]}"
        )
    leaves = Leaves(primals)
    order = len(rows[0])
    columns = [
        [
            scaled(1.0 / math.factorial(k + 1), raw_of(entry))
            for entry in leaves.matching([row[k] for row in rows], "derivative in a series")
        ]
        for k in range(order)
    ]
    value, found = _run(fun, leaves, columns, (), {})
    return value, found


def _run(
    fun: Callable[..., Any],
    leaves: Leaves,
    columns: Sequence[Sequence[Any]],
    others: tuple[Any, ...],
    keywords: dict[str, Any],
) -> tuple[Any, list[Any]]:
    """Run a function on curves; return its value and its derivatives, order by order."""
    order = len(columns)
    trace = TaylorTrace(fun, order)
    begin(trace)
    try:
        inputs = [
            to_user(trace.wrap([value, *(column[i] for column in columns)]))
            for i, value in enumerate(leaves.values)
        ]
        value = fun(*leaves.rebuild(inputs), *others, **keywords)
        found, structure = tree.flatten(value)
        series = [trace.series_of(raw_of(leaf)) for leaf in found]
    finally:
        end(trace)
    values = tree.unflatten(structure, [to_result(entry[0]) for entry in series])
    made = []
    for k in range(1, order + 1):
        factor = float(math.factorial(k))
        made.append(
            tree.unflatten(
                structure,
                [
                    finish(scaled(factor, entry[k]), tangent_aval(aval_of(entry[0])))
                    for entry in series
                ],
            )
        )
    return values, made


def derivative(fun: Callable[..., Any], order: int = 1) -> Callable[..., Any]:
    """Return the derivative of any order of a function of one real variable.

    Parameters
    ----------
    fun : callable
        Of a number, or of an array whose entries it treats one by one; other arguments are held
        fixed.
    order : int
        0 for the function itself.

    Returns
    -------
    callable
        Takes the arguments of `fun`, and gives its derivative by the first one: a tree of the
        shapes of its result.

    Raises
    ------
    ArgumentError
        The order is no number of derivatives.
    NotDifferentiableError
        The argument is not real.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.derivative(lambda x: x**5, order=3)(2.0)
    240.0
    >>> wg.derivative(np.sin, order=2)(np.array([0.0, np.pi / 2]))
    array([-0., -1.])
    """
    check_callable(fun, "derivative")
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 0:
        raise ArgumentError(f"derivative takes the order of a derivative, 0, 1, …, got {order!r}")

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not order:
            return fun(x, *args, **kwargs)
        leaves = Leaves((x,))
        if len(leaves.values) != 1 or aval_of(leaves.values[0]).is_complex:
            raise NotDifferentiableError(
                "derivative is for functions of one real variable, or of an array of such; for "
                "trees, and for complex arguments, use wengert.jet or wengert.jacobian"
            )
        (point,) = leaves.values
        aval = aval_of(point)
        one = np.ones(aval.shape, aval.dtype) if aval.kind == "array" else aval.dtype.type(1)
        columns: list[list[Any]] = [[1.0 if aval.kind == "python" else one]]
        columns += [[None]] * (int(order) - 1)
        return _run(fun, leaves, columns, args, kwargs)[1][-1]

    return transformed(fun, call)
