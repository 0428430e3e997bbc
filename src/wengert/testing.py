"""Checks of derivatives: forward mode against differences, reverse mode against its transpose.

For any tree of arguments and results, any order, real, complex and mixed functions. The reference
is `wengert.numerical`, which never looks inside the function.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import tree
from .errors import ArgumentError, CheckError
from .ir.aval import Aval, aval_of, is_differentiable
from .numerical import derivative
from .tracing.core import raw_of
from .transforms.arguments import check_callable
from .transforms.derivatives import jvp, vjp

__all__ = ["check_grads", "check_jvp", "check_vjp"]

# A map from leaves to leaves, the form in which all checks see a function.
Flat = Callable[..., list[Any]]

_MODES = ("forward", "reverse")


# ------------------------------------------------------------------ the public checks


def check_grads(
    fun: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = _MODES,
    *,
    tolerance: float | None = None,
    step: float | None = None,
    seed: int = 0,
) -> None:
    """Check all derivatives of a function up to an order, in forward and reverse mode.

    The first derivatives are checked by `check_jvp` and `check_vjp`; those of order n by checking
    the first derivatives, in each mode, of those of order n - 1: every mixture of modes occurs. A
    derivative is also checked as a function of the tangent or cotangent that it is given.

    Parameters
    ----------
    fun : callable
        Takes trees and returns a tree.
    args : tuple or list of trees
        The point, one entry an argument. Leaves that are not floating-point (integers, booleans,
        strings) are held constant, and so are such leaves of the result ignored.
    order : int
        The highest order that is checked.
    modes : sequence of {"forward", "reverse"}
        The modes to check. With "reverse" alone, forward mode is never used.
    tolerance : float, optional
        The relative error allowed, see `check_jvp` and `check_vjp` for the default.
    step : float, optional
        The largest step of the differences, see `wengert.numerical.gradient`. Random directions
        are about as long as the numbers that they move, at most 1.
    seed : int
        Chooses the random directions.

    Raises
    ------
    CheckError
        A derivative is wrong: the message says of which result by which leaf of the arguments, the
        direction, what was expected and found, the error and the tolerance.
    ArgumentError
        There is nothing to check, or an argument of this function is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert.testing import check_grads
    >>> def loss(params, x):
    ...     return np.sum((params["w"] @ x + params["b"]) ** 3)
    >>> params = {"w": np.array([[0.5, -1.0], [2.0, 0.3]]), "b": 0.1}
    >>> check_grads(loss, (params, np.array([1.0, 2.0])), order=3)

    A derivative that is dropped is found:

    >>> import wengert as wg
    >>> check_grads(lambda x: x * wg.stop_gradient(x), (3.0,))
    Traceback (most recent call last):
        ...
    wengert.errors.CheckError: ...the derivative of result along a change of args[0]...
    """
    check_callable(fun, "check_grads")
    try:
        highest = operator.index(order)
    except TypeError:
        highest = 0
    if highest < 1 or isinstance(order, bool):
        raise ArgumentError(f"order is the highest order to check, 1 or more, got {order!r}")
    chosen = (modes,) if isinstance(modes, str) else tuple(modes)
    if not chosen or any(mode not in _MODES for mode in chosen):
        raise ArgumentError(f'modes are "forward" and "reverse", got {modes!r}')
    _check(_Check(fun, args, "check_grads", tolerance, step, seed), highest, chosen)


def check_jvp(
    fun: Callable[..., Any],
    args: Sequence[Any],
    *,
    tolerance: float | None = None,
    step: float | None = None,
    seed: int = 0,
) -> None:
    """Check forward mode against numerical differences, leaf by leaf.

    The tangent of `fun` along a direction t is compared with extrapolated central differences of
    h -> fun(x + h t) at h = 0, for one random direction t in each leaf of the arguments and one in
    all together. For complex leaves directions are complex, so the function need not be
    holomorphic.

    Parameters
    ----------
    fun, args, step, seed
        As for `check_grads`.
    tolerance : float, optional
        The error allowed in an entry of a tangent, relative to the largest entry of its leaf;
        2 * sqrt(eps) of the coarsest dtype among arguments and results if left out (3e-8 in
        float64, 7e-4 in float32).

    Raises
    ------
    CheckError, ArgumentError
        As for `check_grads`.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert.testing import check_jvp
    >>> check_jvp(np.sin, (np.array([0.5, 1.0]),))
    """
    check_callable(fun, "check_jvp")
    _check_forward(_Check(fun, args, "check_jvp", tolerance, step, seed))


def check_vjp(
    fun: Callable[..., Any],
    args: Sequence[Any],
    *,
    tolerance: float | None = None,
    step: float | None = None,
    seed: int = 0,
) -> None:
    """Check reverse mode against numerical differences by the dot-product identity.

    For a random cotangent c and a random direction t in one leaf of the arguments, and J the
    derivative, ``Re Σ c (J t) = Re Σ (Jᵀ c) t`` must hold, without conjugation, which is the
    convention of the gradient; J t is taken from extrapolated central differences. `check_grads`
    takes it from forward mode where it checks both, which is sharper.

    Parameters
    ----------
    fun, args, step, seed
        As for `check_grads`.
    tolerance : float, optional
        The difference allowed, relative to the sum of the sizes of the terms on both sides; if
        left out, 2 * sqrt(eps) of the coarsest dtype, and against forward mode 30 * eps**0.75.

    Raises
    ------
    CheckError, ArgumentError
        As for `check_grads`.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert.testing import check_vjp
    >>> check_vjp(lambda z: (np.abs(z), z * 2), (np.array([0.5 + 1j, 1.0 - 2j]),))
    """
    check_callable(fun, "check_vjp")
    check = _Check(fun, args, "check_vjp", tolerance, step, seed)
    _check_reverse(check, check.differences, against="differences")


# ------------------------------------------------------------------ one function at one point


class _Check:
    """A function of leaves at a point, with the names of its leaves and results."""

    def __init__(
        self,
        fun: Callable[..., Any],
        args: Sequence[Any],
        name: str,
        tolerance: float | None,
        step: float | None,
        seed: int,
    ) -> None:
        if not isinstance(args, (tuple, list)):
            raise ArgumentError(
                f"{name} takes the arguments as a tuple, got {type(args).__name__}: "
                f"write {name}(f, (x,))"
            )
        leaves, structure = tree.flatten(tuple(args))
        which = [i for i, leaf in enumerate(leaves) if _is_changeable(leaf)]
        if not which:
            raise ArgumentError(
                f"{name} found no floating-point number or array among the arguments "
                f"({', '.join(type(leaf).__name__ for leaf in leaves)}); there is nothing to check"
            )
        names = tree.names(tuple(args), "args")

        def flat(*changing: Any) -> list[Any]:
            full = list(leaves)
            for i, value in zip(which, changing, strict=True):
                full[i] = value
            found = tree.leaves(fun(*tree.unflatten(structure, full)))
            return [leaf for leaf in found if is_differentiable(_aval(leaf).dtype)]

        self.subject = f"{name} of {getattr(fun, '__name__', repr(fun))}"
        self.tolerance, self.step, self.seed = tolerance, step, seed
        self.order = 1
        self.flat: Flat = flat
        self.point = [_plain(leaves[i]) for i in which]
        self.names = [names[i] for i in which]
        whole = fun(*tree.unflatten(structure, _copies(leaves)))
        self.result_names = [
            result_name
            for result_name, leaf in zip(
                tree.names(whole, "result"), tree.leaves(whole), strict=True
            )
            if is_differentiable(_aval(leaf).dtype)
        ]
        if not self.result_names:
            raise ArgumentError(f"{self.subject}: the result holds no floating-point number")
        self._evaluate()

    def _evaluate(self) -> None:
        self.values = [_plain(leaf) for leaf in self.flat(*_copies(self.point))]
        known = [aval_of(value).dtype for value in (*self.point, *self.values)]
        self.eps = max(float(np.finfo(dtype).eps) for dtype in known)

    @property
    def noise(self) -> float:
        """What rounding of the values leaves in their differences, relative to the values."""
        # The finest of Richardson's steps is an eighth of the first.
        step = self.step if self.step is not None else self.eps ** (1 / 9)
        return 64 * self.eps / step

    def derived(
        self, flat: Flat, added: Sequence[Any], added_name: str, result_names: Sequence[str]
    ) -> _Check:
        """Return the check of a derivative: a function of the point and of one change more."""
        made = object.__new__(_Check)
        made.subject, made.tolerance, made.step = self.subject, self.tolerance, self.step
        made.seed = self.seed + 1
        made.order = self.order + 1
        made.flat = flat
        made.point = [*self.point, *added]
        names = self.names if added_name == "tangent" else self.result_names
        made.names = [*self.names, *(f"the {added_name} of {name}" for name in names)]
        made.result_names = list(result_names)
        made._evaluate()
        return made

    def differences(self, tangents: Sequence[Any]) -> list[Any]:
        """Return the derivative along `tangents` by extrapolated central differences."""

        def curve(distance: float) -> list[Any]:
            moved = [
                _like(np.asarray(value) + distance * np.asarray(tangent), value)
                for value, tangent in zip(self.point, tangents, strict=True)
            ]
            return self.flat(*moved)

        # The steps leave the domain of a function at worst by part; nan never wins.
        with np.errstate(all="ignore"):
            found = derivative(curve, method="richardson", step=self.step)(0.0)
        return list(found)

    def forward(self, tangents: Sequence[Any]) -> list[Any]:
        """Return the derivative along `tangents` by forward mode, checked to be of its space."""
        values, changes = jvp(self.flat, _copies(self.point), _copies(tangents))
        for name, value, expected, change in zip(
            self.result_names, values, self.values, changes, strict=True
        ):
            if not self._is_same(value, expected):
                raise CheckError(
                    f"{self.subject}: {name} is {_short(value)} under forward mode, "
                    f"{_short(expected)} without"
                )
            self._same_space(change, expected, f"the tangent of {name}")
        return list(changes)

    def reverse(self, cotangents: Sequence[Any]) -> list[Any]:
        """Return the pulled-back cotangents, checked to be of their spaces."""
        values, pullback = vjp(self.flat, *_copies(self.point))
        for name, value, expected in zip(self.result_names, values, self.values, strict=True):
            if not self._is_same(value, expected):
                raise CheckError(
                    f"{self.subject}: {name} is {_short(value)} under reverse mode, "
                    f"{_short(expected)} without"
                )
        found = pullback(_copies(cotangents))
        for name, value, change in zip(self.names, self.point, found, strict=True):
            self._same_space(change, value, f"the cotangent of {name}")
        return list(found)

    def _is_same(self, value: Any, expected: Any) -> bool:
        """Return whether a mode computes the value that is found without it.

        The function's own values are NumPy's, bit by bit. Those of its derivatives depend on how
        the rules of the mode are evaluated, so that rounding is allowed above the first order.
        """
        if np.array_equal(value, expected, equal_nan=True):
            return True
        if self.order == 1 or np.shape(value) != np.shape(expected):
            return False
        scale = max(map(_largest, (*self.point, *self.values)))
        limit = self.eps**0.75 * scale
        return bool(np.allclose(value, expected, rtol=0.0, atol=limit, equal_nan=True))

    def _same_space(self, change: Any, value: Any, name: str) -> None:
        if aval_of(change) != aval_of(value):
            raise CheckError(
                f"{self.subject}: {name} is {aval_of(change)}, expected {aval_of(value)} as the "
                "value has it"
            )

    def directions(self, along: Sequence[Any] | None = None) -> list[tuple[str, list[Any]]]:
        """Return a random direction in each leaf of the point, and one in all, with their names.

        With `along`, its entries times those of the directions are positive: a sum of such products
        has no cancellation.
        """
        drawn = [_random(value, [self.seed, i], scaled=True) for i, value in enumerate(self.point)]
        if along is not None:
            drawn = [_aligned(t, c) for t, c in zip(drawn, along, strict=True)]
        made = []
        for i, name in enumerate(self.names):
            alone = [
                change if i == j else _like(np.zeros(np.shape(change)), change)
                for j, change in enumerate(drawn)
            ]
            made.append((name, alone))
        if len(drawn) > 1:
            made.append(("all leaves together", drawn))
        return made


def _check(check: _Check, order: int, modes: Sequence[str]) -> None:
    if "forward" in modes:
        _check_forward(check)
    if "reverse" in modes:
        if "forward" in modes:
            _check_reverse(check, check.forward, against="forward mode")
        else:
            _check_reverse(check, check.differences, against="differences")
    if order == 1:
        return
    count = len(check.point)
    if "forward" in modes:

        def tangents_of(*both: Any) -> list[Any]:
            return list(jvp(check.flat, both[:count], both[count:])[1])

        tangents = [_random(v, [check.seed, 1, i]) for i, v in enumerate(check.point)]
        names = [f"the tangent of {name}" for name in check.result_names]
        _check(check.derived(tangents_of, tangents, "tangent", names), order - 1, modes)
    if "reverse" in modes:

        def cotangents_of(*both: Any) -> list[Any]:
            return list(vjp(check.flat, *both[:count])[1](list(both[count:])))

        cotangents = [_random(v, [check.seed, 2, i]) for i, v in enumerate(check.values)]
        names = [f"the cotangent of {name}" for name in check.names]
        _check(check.derived(cotangents_of, cotangents, "cotangent", names), order - 1, modes)


def _check_forward(check: _Check) -> None:
    tolerance = check.tolerance if check.tolerance is not None else 2 * check.eps**0.5
    for leaf_name, direction in check.directions():
        found = check.forward(direction)
        expected = check.differences(direction)
        longest = max((float(np.max(np.abs(t), initial=0.0)) for t in direction), default=0.0)
        for name, value, got, wanted in zip(
            check.result_names, check.values, found, expected, strict=True
        ):
            got, wanted = np.asarray(got), np.asarray(wanted)
            if not got.size:
                continue
            # Relative to the derivative, but not below what differences of values can resolve.
            noise = check.noise * _largest(value) + 10 * check.eps * longest
            limit = tolerance * _largest(wanted) + noise
            error = np.abs(got - wanted)
            error = np.where((got == wanted) | (np.isnan(got) & np.isnan(wanted)), 0.0, error)
            worst = np.unravel_index(int(np.argmax(error)), error.shape)  # nan counts as largest
            if error[worst] <= limit:
                continue
            changes = ", ".join(
                f"{leaf}: {_short(change)}"
                for leaf, change in zip(check.names, direction, strict=True)
                if np.any(change)
            )
            entry = f", entry {tuple(map(int, worst))}" if worst else ""
            raise CheckError(
                f"{check.subject}, forward mode: the derivative of {name} along a change of "
                f"{leaf_name} does not agree with differences{entry}: expected {wanted[worst]}, "
                f"got {got[worst]}, error {error[worst]:.3g}, tolerance {limit:.3g}. "
                f"Direction: {changes}"
            )


def _check_reverse(
    check: _Check, push: Callable[[Sequence[Any]], list[Any]], *, against: str
) -> None:
    tolerance = check.tolerance
    if tolerance is None:
        tolerance = 2 * check.eps**0.5 if against == "differences" else 30 * check.eps**0.75
    cotangents = [_random(value, [check.seed, 3, i]) for i, value in enumerate(check.values)]
    found = check.reverse(cotangents)
    for leaf_name, direction in check.directions(found):
        pushed = push(direction)
        expected, expected_size = _pairing(cotangents, pushed)
        got, got_size = _pairing(found, direction)
        limit = tolerance * max(expected_size, got_size)
        if against == "differences":
            limit += check.noise * _pairing(cotangents, check.values)[1]
        limit += 1e3 * check.eps * np.finfo(np.float64).tiny ** 0.5
        error = abs(expected - got)
        if error <= limit or (np.isnan(expected) and np.isnan(got)):
            continue
        raise CheckError(
            f"{check.subject}, reverse mode: the cotangent of {leaf_name} is not the transpose of "
            f"the derivative along a change of {leaf_name}, taken from {against}: "
            f"Re Σ cotangent · J direction: expected {expected}, got {got}, error {error:.3g}, "
            f"tolerance {limit:.3g}. Cotangents given: {_listed(check.result_names, cotangents)}. "
            f"Found: {_listed(check.names, found)}. Direction: {_listed(check.names, direction)}"
        )


# ------------------------------------------------------------------ leaves


def _aval(leaf: Any) -> Aval:
    return aval_of(raw_of(leaf))


def _is_changeable(leaf: Any) -> bool:
    known = isinstance(leaf, (float, complex, np.ndarray, np.generic))
    return known and is_differentiable(_aval(leaf).dtype)


def _plain(leaf: Any) -> Any:
    return np.array(leaf, order="K") if isinstance(leaf, np.ndarray) else leaf


def _copies(leaves: Sequence[Any]) -> list[Any]:
    """Return leaves that a function may write into."""
    return [_plain(leaf) for leaf in leaves]


def _like(numbers: Any, value: Any) -> Any:
    """Return numbers with the shape, dtype and kind of `value`."""
    aval = aval_of(value)
    if aval.kind == "python":
        return complex(numbers) if aval.is_complex else float(numbers)
    if aval.kind == "scalar":
        return aval.dtype.type(numbers)
    made = np.empty_like(value)
    made[...] = numbers
    return made


def _random(value: Any, seed: Sequence[int], *, scaled: bool = False) -> Any:
    """Return a random change of `value`, no entry near zero.

    With `scaled`, a leaf of small numbers gets a change of their size.
    """
    aval = aval_of(value)
    generator = np.random.default_rng(list(seed))

    def draw() -> Any:
        size = generator.uniform(0.4, 1.0, aval.shape)
        return size * generator.choice([-1.0, 1.0], aval.shape)

    numbers = draw() + 1j * draw() if aval.is_complex else draw()
    if scaled:
        largest = _largest(value)
        numbers = numbers * (min(1.0, largest) if 0.0 < largest < np.inf else 1.0)
    return _like(numbers, value)


def _aligned(direction: Any, cotangent: Any) -> Any:
    """Return a direction with the phases that make its products with a cotangent positive."""
    with np.errstate(all="ignore"):
        given = np.asarray(cotangent)
        phases = np.conj(given) / np.abs(given)
        numbers = np.where(np.isfinite(phases), phases * np.abs(direction), direction)
    return _like(numbers, direction)


def _largest(value: Any) -> float:
    """Return the size of the largest finite entry."""
    sizes = np.abs(np.asarray(value, dtype=np.complex128))
    return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))


def _pairing(first: Sequence[Any], second: Sequence[Any]) -> tuple[float, float]:
    """Return Re Σ first·second and the sum of the sizes of its terms, in double precision."""
    total = size = 0.0
    for a, b in zip(first, second, strict=True):
        product = np.asarray(a, dtype=np.complex128) * np.asarray(b, dtype=np.complex128)
        total += float(np.sum(product.real))
        size += float(np.sum(np.abs(product)))
    return total, size


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=4, threshold=8, edgeitems=2, separator=", ")
        return " ".join(text.split())
    return repr(value)


def _listed(names: Sequence[str], values: Sequence[Any]) -> str:
    pairs = zip(names, values, strict=True)
    return ", ".join(f"{name}: {_short(value)}" for name, value in pairs if np.any(value))
