"""The elementwise family: value, jvp, vjp and infer of a ufunc from its partial derivatives.

Residuals are flat: one entry an argument and one for ``ans``, None where no partial names it.
Broadcasting is undone here, never in a rule.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import RegistryError
from ..ir.aval import Aval, aval_of, kind_of_result, promotion_operand
from ..ir.cotangent import Masked
from ..ir.primitive import Plan, Primitive, Pull, parameter_names
from ..tracing.operators import install_binary, install_unary
from ..tracing.protocols import implement_ufunc, primitive_call
from . import projection
from .batch_rules import entrywise
from .projection import (
    LARGE_BYTES,
    fits,
    multiply_into,
    negated,
    project,
    project_or_none,
    times,
)

Partial = Callable[..., Any] | int | str


class _Contribution:
    """One argument's factor in an elementwise derivative: applied to a tangent or a cotangent.

    Both modes use the same map, because a diagonal linear map is its own transpose. ``apply``
    takes the change and the flat residuals; ``pull`` likewise, for a cotangent, and may return a
    residual; ``pull_owned`` may overwrite the cotangent. ``indices`` are the residuals that they
    read. A ``constant`` is the same for every entry.
    """

    __slots__ = ("apply", "constant", "factor", "indices", "pull", "pull_owned")

    def __init__(self, partial: Partial, order: tuple[str, ...], *, product: bool) -> None:
        self.constant: int | None = None
        self.factor: int | None = None  # the residual that is the partial derivative
        if isinstance(partial, int):
            self.constant = partial
            self.indices: tuple[int, ...] = ()
            self.apply: Pull = _times_constant(partial)
            self.pull: Pull = _negation() if partial == -1 else self.apply
            self.pull_owned: Pull = _negation_owned if partial == -1 else self.apply
            return
        names: tuple[str, ...] = ()
        if isinstance(partial, str):
            names = (partial,)
        else:
            names = parameter_names(partial)[1 if product else 0 :]
        unknown = [name for name in names if name not in order]
        if unknown:
            raise RegistryError(
                f"a partial names {unknown[0]!r}; it may name {', '.join(order)} only"
            )
        self.indices = tuple(order.index(name) for name in names)
        if product and not isinstance(partial, str):
            self.apply = self.pull = self.pull_owned = _product(partial, self.indices)
            return
        function = None if isinstance(partial, str) else partial
        if function is None:
            self.factor = self.indices[0]
        self.apply = _times(operators.mul, function, self.indices)
        self.pull = _pull_by(function, self.indices)
        self.pull_owned = _times(multiply_into, function, self.indices)

    def project(self, cotangent: Any, kept: Any, aval: Aval) -> Any:
        """Return the argument's cotangent in its space: what is constant comes after the sums."""
        if self.constant is None:
            return project_or_none(self.pull(cotangent, kept), aval)
        return self.pull(project(cotangent, aval), kept) if self.constant else None

    def project_masked(self, cotangent: Masked, kept: Any, aval: Aval) -> Any:
        """Do the same with the entries that influence the result."""
        found = mask_result(self.apply(cotangent.value, kept), cotangent.mask)
        return project_or_none(found, aval)


def _times_constant(partial: int) -> Pull:
    """Return the product with 1, -1 or 0 (None stands for a zero)."""
    if partial == 1:
        return lambda change, residuals: change
    if partial == -1:
        return lambda change, residuals: -change
    return lambda change, residuals: None


def _negation() -> Pull:
    def pull(cotangent: Any, residuals: Any) -> Any:
        return negated(cotangent) if type(cotangent) is np.ndarray else -cotangent

    return pull


def _negation_owned(cotangent: Any, residuals: Any) -> Any:
    return np.negative(cotangent, out=cotangent)


def _times(
    multiply: Callable[[Any, Any], Any],
    partial: Callable[..., Any] | None,
    indices: tuple[int, ...],
) -> Pull:
    """Return the product with a partial, or with the residual itself where that is None."""
    only = indices[0] if indices else 0
    if partial is None:
        return lambda change, residuals: multiply(change, residuals[only])
    if len(indices) == 1:
        return lambda change, residuals: multiply(change, partial(residuals[only]))
    if len(indices) == 2:
        first, second = indices
        return lambda change, residuals: multiply(
            change, partial(residuals[first], residuals[second])
        )
    return lambda change, residuals: multiply(change, partial(*[residuals[i] for i in indices]))


def _pull_by(partial: Callable[..., Any] | None, indices: tuple[int, ...]) -> Pull:
    """Return the same for cotangents: of numbers with fewer calls."""
    only = indices[0] if indices else 0
    if partial is None:

        def pull(cotangent: Any, residuals: Any) -> Any:
            if type(cotangent) is np.ndarray:
                return times(cotangent, residuals[only])
            return cotangent * residuals[only]

    elif len(indices) == 1:

        def pull(cotangent: Any, residuals: Any) -> Any:
            if type(cotangent) is np.ndarray:
                return times(cotangent, partial(residuals[only]))
            return cotangent * partial(residuals[only])

    else:
        return _times(times, partial, indices)
    return pull


def _product(function: Callable[..., Any], indices: tuple[int, ...]) -> Pull:
    if len(indices) == 1:
        only = indices[0]
        return lambda change, residuals: function(change, residuals[only])
    if len(indices) == 2:
        first, second = indices
        return lambda change, residuals: function(change, residuals[first], residuals[second])
    return lambda change, residuals: function(change, *[residuals[i] for i in indices])


class _Elementwise:
    """The jvp and vjp slots of an elementwise primitive, from its contributions."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        contributions: Sequence[_Contribution],
        complex_rules: tuple[_Contribution, _Contribution] | None,
        parameters: tuple[str, ...],
    ) -> None:
        self.contributions = contributions
        self.complex_rules = complex_rules
        self.parameters = parameters
        self.plans: dict[tuple[int, ...], Plan] = {
            which: _plan([contributions[i] for i in which], len(arguments) + 1)
            for which in _subsets(len(arguments))
        }
        if complex_rules is not None:
            self.complex_pull = _projecting([complex_rules[1]])

    def tangent(
        self, ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        chosen = self.contributions
        if self.complex_rules is not None and aval_of(primals[0]).is_complex:
            chosen = self.complex_rules[:1]
        residuals = (*primals, ans, *(params[name] for name in self.parameters))
        total = None
        for contribution, tangent in zip(chosen, tangents, strict=True):
            if tangent is not None:
                term = contribution.apply(tangent, residuals)
                total = term if total is None else projection.add(total, term)
        if total is None or fits(total, ans):
            return total
        return projection.expand(total, aval_of(ans))

    def reverse(
        self, which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> tuple[Pull, Any]:
        avals: tuple[Aval, ...]
        if self.complex_rules is not None and aval_of(values[0]).is_complex:
            needed: Sequence[bool] = (True,) * (len(values) + 1)
            projecting = self.complex_pull
        else:
            pull, needed, projecting = self.plans[which]
            if all(fits(values[i], ans) for i in which):
                return pull, self._kept(needed, values, ans, params)
        avals = tuple([aval_of(values[i]) for i in which])
        return projecting, (avals, self._kept(needed, values, ans, params))

    def _kept(
        self, needed: Sequence[bool], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> tuple[Any, ...]:
        kept = keep(needed, values, ans)
        return (*kept, *(params[name] for name in self.parameters)) if self.parameters else kept


def keep(needed: Sequence[bool], values: Sequence[Any], ans: Any) -> tuple[Any, ...]:
    """Return flat residuals: the arguments and the result, None where not needed."""
    return tuple(
        value if wanted else None for wanted, value in zip(needed, (*values, ans), strict=True)
    )


def _subsets(count: int) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for i in range(count):
        found += [(*subset, i) for subset in found]
    return [subset for subset in found if subset]


def _plan(chosen: Sequence[_Contribution], length: int) -> Plan:
    """Return the pull for arguments in the space of the result, what it reads, and any other's.

    The residuals of the latter are ``(avals of the arguments, flat residuals)``.
    """
    needed = tuple(any(i in entry.indices for entry in chosen) for i in range(length))
    pull: Any = _pull_one(*chosen) if len(chosen) == 1 else _pull_several(*chosen)
    return pull, needed, _projecting(chosen)


def _pull_one(only: _Contribution) -> Any:
    pull: Any = only.pull  # each contribution has a function of its own

    def pull_masked(cotangent: Masked, residuals: Any) -> Any:
        return mask_result(pull(cotangent.value, residuals), cotangent.mask)

    pull.masked = pull_masked
    pull.owned = only.pull_owned
    return pull


def _pull_several(*chosen: _Contribution) -> Any:
    applies = tuple(contribution.pull for contribution in chosen)
    pull: Any
    pull_owned: Any
    if len(chosen) == 2:
        first, second = applies
        left, right = chosen
        last = right.pull_owned
        if left.constant == 1:
            last = second  # the first argument gets the cotangent itself
        pull = _pull_both(left, right)

        def pull_owned(cotangent: Any, residuals: Any) -> Any:
            return first(cotangent, residuals), last(cotangent, residuals)

    else:

        def pull(cotangent: Any, residuals: Any) -> Any:
            return tuple([apply(cotangent, residuals) for apply in applies])

        pull_owned = pull

    def pull_masked(cotangent: Masked, residuals: Any) -> Any:
        value, mask = cotangent.value, cotangent.mask
        return tuple([mask_result(apply(value, residuals), mask) for apply in applies])

    pull.masked = pull_masked
    pull.owned = pull_owned
    return pull


def _pull_both(left: _Contribution, right: _Contribution) -> Any:
    """Return the pull of two arguments; of sums and differences with fewer calls."""
    if (left.constant, right.constant) == (1, 1):
        return lambda cotangent, residuals: (cotangent, cotangent)
    if (left.constant, right.constant) == (1, -1):
        return lambda cotangent, residuals: (cotangent, negated(cotangent))
    if left.factor is not None and right.factor is not None:
        i, j = left.factor, right.factor

        def pull(cotangent: Any, residuals: Any) -> Any:
            if type(cotangent) is np.ndarray and cotangent.nbytes > LARGE_BYTES:
                return times(cotangent, residuals[i]), times(cotangent, residuals[j])
            return cotangent * residuals[i], cotangent * residuals[j]

        return pull
    first, second = left.pull, right.pull
    return lambda cotangent, residuals: (first(cotangent, residuals), second(cotangent, residuals))


def _projecting(chosen: Sequence[_Contribution]) -> Any:
    """Return the pull for arguments that were broadcast or converted."""
    if len(chosen) == 1:
        only = chosen[0]

        def pull(cotangent: Any, residuals: Any) -> Any:
            return only.project(cotangent, residuals[1], residuals[0][0])

        def pull_masked(cotangent: Masked, residuals: Any) -> Any:
            return only.project_masked(cotangent, residuals[1], residuals[0][0])

    else:

        def pull(cotangent: Any, residuals: Any) -> Any:
            avals, kept = residuals
            return tuple(
                [
                    entry.project(cotangent, kept, aval)
                    for entry, aval in zip(chosen, avals, strict=True)
                ]
            )

        def pull_masked(cotangent: Masked, residuals: Any) -> Any:
            avals, kept = residuals
            return tuple(
                [
                    entry.project_masked(cotangent, kept, aval)
                    for entry, aval in zip(chosen, avals, strict=True)
                ]
            )

    pull.masked = pull_masked  # type: ignore[attr-defined]
    return pull


def mask_result(value: Any, mask: Any) -> Masked | None:
    """Return a cotangent that is exactly zero outside the mask; None stays None."""
    if value is None:
        return None
    return Masked(projection.select(mask, value), mask)


def infer_elementwise(ufunc: np.ufunc, operator: bool) -> Callable[..., Any]:
    """Return the infer slot of a ufunc: broadcast shapes, NumPy's loop dtypes, and the kind.

    With `operator`, Python numbers alone give a Python number, as the operator does.
    """
    outputs = ufunc.nout
    # Results for single numbers: programs of many small operations ask for the same few.
    known: dict[tuple[Any, ...], Any] = {}

    def infer(*avals: Aval, **params: Any) -> Any:
        key: tuple[Any, ...] = ()
        for aval in avals:
            if aval.shape:
                return infer_afresh(*avals)
            dtype = aval.dtype
            key += (dtype.num, dtype.byteorder, aval.kind)
        found = known.get(key)
        if found is None:
            found = known[key] = infer_afresh(*avals)
        return found

    def infer_afresh(*avals: Aval) -> Any:
        shape = np.broadcast_shapes(*(aval.shape for aval in avals))
        weak = all(aval.kind == "python" for aval in avals)
        if weak:
            operands = tuple(aval.dtype for aval in avals)
        else:
            operands = tuple(promotion_operand(aval) for aval in avals)
        dtypes = ufunc.resolve_dtypes((*operands, *(None,) * outputs))[-outputs:]
        kind = "python" if operator and weak else kind_of_result(shape)
        found = tuple(Aval(shape, dtype, kind) for dtype in dtypes)
        return found[0] if outputs == 1 else found

    return infer


def elementwise(
    name: str,
    *,
    numpy: Any,
    partials: Sequence[Partial] | None = None,
    products: Sequence[Callable[..., Any]] | None = None,
    complex_jvp: Callable[..., Any] | None = None,
    complex_vjp: Callable[..., Any] | None = None,
    arguments: tuple[str, ...] | None = None,
    evaluate: Callable[..., Any] | None = None,
    operator: str | None = None,
    infer: Callable[..., Any] | None = None,
    samples: Callable[[], Iterable[Any]] | None = None,
    fails: Callable[[], Iterable[Any]] = tuple,
    linear: Callable[[tuple[int, ...], dict[str, Any]], bool] | None = None,
    parameters: tuple[str, ...] = (),
    implements: bool = True,
    **slots: Any,
) -> Primitive:
    """Make an elementwise primitive from its partial derivatives.

    The tangent of f(x, y) is ∂f/∂x · x' + ∂f/∂y · y', entry by entry; the cotangent of x is
    g · ∂f/∂x, summed over the axes along which x was broadcast.

    Parameters
    ----------
    name : str
        Unique among all primitives; what a Wengert list shows.
    numpy : ufunc
        Gives the value, the dtype rule and, with `implements`, the ufunc that is answered. For
        another function give `arguments` and `infer` too.
    partials : sequence, one an argument
        Each is 1, -1, 0, the name of an argument (or ``"ans"``), or a function of any of these and
        of `parameters`, by parameter name; only what is named is kept on the tape. For holomorphic
        functions it holds for complex input too.
    products : sequence of functions, instead of `partials`
        ``function(change, …)`` gives change times partial; for cases where the partial alone
        would overflow.
    complex_jvp, complex_vjp : callable, optional
        ``function(tangent, …)`` and ``function(cotangent, …)`` for complex input of a function
        that is not holomorphic.
    arguments : tuple of str
        By default ``("x",)`` or ``("x", "y")``.
    evaluate : callable
        By default `numpy`; an operator where Python numbers shall stay Python numbers.
    operator : str, optional
        Name of the special method that this primitive serves, such as ``"__mul__"``.
    infer : callable, optional
        ``infer(*avals, **params)`` gives the Aval of the result; by default that of the ufunc.
    samples, fails : callable
        Give lists of `Sample` and of `Fail`, for the tests.
    linear : callable, optional
        ``linear(which, params)``: whether the result is linear in these arguments together.
    parameters : tuple of str
        Names of the keyword parameters that a partial may name.
    implements : bool
        Answer the ufunc `numpy`, wherever it is called on traced values.
    **slots
        Further slots of `Primitive`: ``batch`` or ``batching`` (by default entry by entry),
        ``taylor`` or ``tayloring``, ``lower``.

    Returns
    -------
    Primitive
        Registered under `name`; apply it by `bind`, or by calling the ufunc.

    Raises
    ------
    RegistryError
        If the name is taken, a partial names what it may not, or `arguments` are needed.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> from wengert import extend
    >>> third_root = extend.elementwise(
    ...     "third_root",
    ...     numpy=np.cbrt,
    ...     partials=(lambda ans: 1 / (3 * ans**2),),
    ...     implements=False,  # np.cbrt has a rule already
    ...     samples=lambda: [extend.Sample(np.array([1.0, 8.0]))],
    ... )
    >>> def f(x):
    ...     return extend.to_user(extend.bind(third_root, x))
    >>> wg.elementwise_grad(f)(np.array([1.0, 8.0]))
    array([0.33333333, 0.08333333])
    """
    if not isinstance(numpy, np.ufunc) and (arguments is None or infer is None):
        raise RegistryError(
            f"{name}: numpy is a {type(numpy).__name__}, not a ufunc, so it says neither how many "
            "arguments there are nor of what dtype the result is. Give arguments and infer too, or "
            "call the function by wengert.pure_callback within a wengert.custom_jvp."
        )
    if arguments is None:
        arguments = ("x", "y", "z")[: numpy.nin]
    given = partials if partials is not None else products
    if given is None or len(given) != len(arguments):
        raise RegistryError(f"{name}: give partials or products, one an argument ({arguments})")
    if (complex_jvp is None) != (complex_vjp is None):
        raise RegistryError(f"{name}: give complex_jvp and complex_vjp, or neither")
    order = (*arguments, "ans", *parameters)
    contributions = [_Contribution(entry, order, product=products is not None) for entry in given]
    complex_rules = None
    if complex_jvp is not None and complex_vjp is not None:
        complex_rules = (
            _Contribution(complex_jvp, order, product=True),
            _Contribution(complex_vjp, order, product=True),
        )
    rules = _Elementwise(arguments, contributions, complex_rules, parameters)
    primitive = Primitive(
        name,
        family="elementwise",
        arguments=arguments,
        evaluate=evaluate if evaluate is not None else numpy,
        infer=infer or infer_elementwise(numpy, operator is not None),
        tangent=rules.tangent,
        reverse=rules.reverse,
        linear=linear,
        samples=samples,
        fails=fails,
        numpy=numpy,
        **{"batching": entrywise, **slots},
    )
    primitive.names_ans = lambda which: (
        complex_rules is not None or any(len(arguments) in contributions[i].indices for i in which)
    )
    if complex_rules is None and not parameters:
        primitive.plans = rules.plans
    _install(primitive, operator, implements)
    return primitive


def piecewise_constant(
    name: str,
    *,
    numpy: np.ufunc,
    evaluate: Callable[..., Any] | None = None,
    operator: str | None = None,
    reflected: bool = True,
    samples: Callable[[], Iterable[Any]] | None = None,
    fails: Callable[[], Iterable[Any]] = tuple,
    implements: bool = True,
    **slots: Any,
) -> Primitive:
    """Make an elementwise primitive whose derivative is zero wherever it exists.

    It is zero at the steps too.

    Parameters
    ----------
    name : str
        Unique among all primitives; what a Wengert list shows.
    numpy : ufunc
        Gives the value, the dtype rule and, with `implements`, the ufunc that is answered.
    evaluate : callable
        By default `numpy`; an operator where Python numbers shall stay Python numbers.
    operator : str, optional
        Name of the special method that this primitive serves, such as ``"__floordiv__"``.
    reflected : bool
        Serve the operator with operands exchanged too (``"__rfloordiv__"``).
    samples, fails : callable
        Give lists of `Sample` and of `Fail`, for the tests.
    implements : bool
        Answer the ufunc `numpy`, wherever it is called on traced values.
    **slots
        Further slots of `Primitive`: ``batch`` or ``batching`` (by default entry by entry),
        ``lower``.

    Returns
    -------
    Primitive
        Registered under `name`, or a RegistryError is raised if there is one of that name.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> from wengert import extend
    >>> nearest = extend.piecewise_constant(
    ...     "nearest",
    ...     numpy=np.rint,
    ...     implements=False,  # np.rint has a rule already
    ...     samples=lambda: [extend.Sample(np.array([1.2, -0.7]))],
    ... )
    >>> wg.grad(lambda x: extend.to_user(extend.bind(nearest, x)) * x)(2.6)
    3.0
    """
    primitive = Primitive(
        name,
        family="piecewise_constant",
        arguments=("x", "y", "z")[: numpy.nin],
        evaluate=evaluate if evaluate is not None else numpy,
        infer=infer_elementwise(numpy, operator is not None),
        zero_derivative=True,
        multiple=numpy.nout > 1,
        samples=samples,
        fails=fails,
        numpy=numpy,
        **{"batching": entrywise, **slots},
    )
    _install(primitive, operator, implements, reflected=reflected)
    return primitive


def _install(
    primitive: Primitive, operator: str | None, implements: bool, *, reflected: bool = True
) -> None:
    if operator is not None and len(primitive.arguments) == 2:
        mirrored = f"__r{operator[2:]}" if reflected else None
        install_binary(operator, primitive, mirrored)
    elif operator is not None:
        install_unary(operator, primitive)
    if implements and isinstance(primitive.numpy, np.ufunc):
        implement_ufunc(primitive.numpy, primitive_call(primitive, projection.as_numpy_scalar))
