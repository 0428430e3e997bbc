"""The public functions: derivative, gradient, Jacobian and Hessian by numerical methods.

Each builds the `Problem`, applies a `Method` to its coordinates and shapes the answer.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, NotDifferentiableError, NotScalarError
from ..transforms.arguments import Argnums, Selection, check_callable, transformed
from .methods import METHODS, Method, sized_step
from .problem import Coordinate, Leaf, Problem, function_name


def derivative(
    fun: Callable[..., Any],
    argnums: int | str = 0,
    *,
    method: str = "central",
    step: float | None = None,
) -> Callable[..., Any]:
    """Approximate the derivative of a function of one real variable, elementwise.

    All entries of an array are moved at once, so an entry of the result may depend on the same
    entry of the argument only. Where that does not hold, use `jacobian`.

    Parameters
    ----------
    fun : callable
        Takes a real number and returns a tree of numbers and arrays; or takes an array of shape
        ``s`` and returns a tree of arrays of shape ``s``, entry by entry.
    argnums : int or str
        The argument to differentiate by, its position or its name.
    method : {"central", "forward", "complex-step", "richardson"}
        The formula, see `gradient`.
    step : float, optional
        The step; chosen from the precision and ``|x|`` if left out, see `gradient`.

    Returns
    -------
    callable
        Takes what `fun` takes; returns a tree like that of `fun`.

    Raises
    ------
    TypeError
        If the argument is a tree, complex, integer or boolean, or for a method that `fun` does not
        allow.
    ValueError
        If the method is unknown, the step is no positive number or too small to change the
        argument, or the result is not elementwise.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import numerical
    >>> def f(x):
    ...     return x**2
    >>> round(numerical.derivative(f, method="forward", step=0.01)(2.0), 10)
    4.01
    >>> x = np.linspace(0, 3, 4)
    >>> bool(np.allclose(numerical.derivative(np.sin)(x), np.cos(x), atol=1e-9))
    True
    """
    check_callable(fun, "derivative")
    selection, chosen = Selection(fun, argnums), _chosen(method, step)
    if not selection.single:
        raise ArgumentError("derivative takes one argument; use gradient or jacobian for several")

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        problem = Problem(fun, selection, args, kwargs)
        if not problem.structure.is_leaf() or problem.leaves[0].is_complex:
            raise NotDifferentiableError(
                "derivative is for functions of one real variable, given as a number or an array "
                "of its values; use gradient or jacobian for trees and complex numbers"
            )
        leaf = problem.leaves[0]
        shape, x = leaf.value.shape, leaf.value.ravel()
        found = [out.value.shape for out in problem.results]
        if shape and any(other != shape for other in found):
            raise ArgumentError(
                f"derivative works elementwise, but {function_name(fun)} returned shapes {found} "
                f"for an argument of shape {shape}; use jacobian"
            )

        rows = (len(found) if shape else problem.base.size, x.size)

        def line(numbers: Any) -> Any:
            off_axis = np.iscomplexobj(numbers)
            evaluate = problem.evaluate_complex if off_axis else problem.evaluate
            return evaluate([numbers.reshape(shape)]).reshape(rows)

        _refuse_complex(problem, chosen, method)
        h = sized_step(chosen.first_step, x, problem.eps, step, chosen.finest)
        entries = chosen.first(line, x, h, problem.base.reshape(rows)).ravel()
        parts = _split(entries, problem.results)
        return tree.unflatten(
            problem.result_structure,
            [
                _finished(part, out.value.shape, out.kind, leaf, out)
                for part, out in zip(parts, problem.results, strict=True)
            ],
        )

    return transformed(fun, differentiated)


def gradient(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    holomorphic: bool = False,
    method: str = "central",
    step: float | None = None,
) -> Callable[..., Any]:
    """Approximate the gradient of a scalar-valued function.

    With ``e`` the direction of one coordinate of the point ``x``, each of the ``n`` partial
    derivatives is

    ==============  =================================  =========================  ===========
    method          formula                            automatic step ``h``       evaluations
    ==============  =================================  =========================  ===========
    "forward"       (f(x + h e) - f(x)) / h            eps**(1/2) * max(1, |x|)   n + 1
    "central"       (f(x + h e) - f(x - h e)) / (2 h)  eps**(1/3) * max(1, |x|)   2 n + 1
    "complex-step"  Im f(x + i h e) / h                eps**2 * |x|               n + 1
    "richardson"    central with h, h/2, h/4, h/8,     eps**(1/9) * max(1, |x|)   8 n + 1
                    extrapolated to h = 0
    ==============  =================================  =========================  ===========

    where ``eps`` is the machine epsilon of the coarsest dtype among arguments and results, and
    ``|x|`` that of the coordinate. The relative error in float64 is about 1e-8, 1e-10, 1e-16 and
    1e-13 for a function with derivatives of the size of its values. Where the natural scale of an
    argument is far below 1 (farads, metres of a wavelength), give `step`.

    The complex step has no cancellation, but is right only for functions that NumPy evaluates
    analytically: comparisons go by the real part, and a function that returns a real number or
    refuses complex ones raises an error; ``abs``, ``conj``, ``vdot`` or ``norm`` on the way cannot
    be detected.

    Parameters
    ----------
    fun : callable
        Returns a real number. Its arguments are trees; those named by `argnums` have real or
        complex floating-point leaves (a Python ``int`` counts as a float).
    argnums : int, str or tuple of these
        The arguments to differentiate by, by position or by name.
    holomorphic : bool
        Whether `fun` is a holomorphic function of complex arguments with a complex value; the
        result then is its complex derivative.
    method : {"central", "forward", "complex-step", "richardson"}
        The formula, see the table.
    step : float, optional
        The step ``h``, the same for every coordinate ("richardson": the largest of the four).

    Returns
    -------
    callable
        Takes what `fun` takes; returns a tree like the argument (a tuple of trees for a tuple of
        arguments), with its shapes, dtypes and kinds. For a complex leaf ``z`` of a real function
        an entry is ``df/dRe(z) - i df/dIm(z)``, as `wengert.grad` has it: moving ``z`` along the
        negative *conjugate* of the gradient descends.

    Raises
    ------
    TypeError
        If a leaf is of an integer, boolean or other dtype, or for a method or `holomorphic` that
        `fun` does not allow.
    ValueError
        If the result is not a scalar, the method is unknown, or the step is no positive number or
        too small to change the argument.

    References
    ----------
    J. E. Dennis and R. B. Schnabel, Numerical Methods for Unconstrained Optimization and Nonlinear
    Equations (1983), sections 5.4 and 5.6: forward differences and the steps. W. Squire and
    G. Trapp, SIAM Review 40 (1998) 110-112: the complex step. C. J. F. Ridders, Advances in
    Engineering Software 4 (1982) 75-76: extrapolation with an estimate of its error.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import numerical
    >>> def loss(params):
    ...     return np.sum((params["w"] - 1) ** 2) * params["scale"]
    >>> params = {"w": np.array([3.0, 4.0]), "scale": 0.5}
    >>> result = numerical.gradient(loss, method="complex-step")(params)
    >>> result["w"]
    array([2., 3.])
    >>> result["scale"]
    13.0
    """
    check_callable(fun, "gradient")
    selection, chosen = Selection(fun, argnums), _chosen(method, step)

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        problem = Problem(fun, selection, args, kwargs)
        _require_scalar(problem, "gradient", real=not holomorphic)
        blocks = _blocks(problem, chosen, method, step, holomorphic=holomorphic)
        leaves = [
            _finished(block, leaf.value.shape, leaf.kind, leaf)
            for block, leaf in zip(blocks, problem.leaves, strict=True)
        ]
        return tree.unflatten(problem.structure, leaves)

    return transformed(fun, differentiated)


def jacobian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    holomorphic: bool = False,
    method: str = "central",
    step: float | None = None,
) -> Callable[..., Any]:
    """Approximate the Jacobian of a function, column by column.

    Parameters
    ----------
    fun : callable
        Returns a tree of numbers and arrays; its arguments are trees.
    argnums : int, str or tuple of these
        The arguments to differentiate by, by position or by name.
    holomorphic : bool
        Whether `fun` is holomorphic. Needed where arguments and results both are complex, since
        one number cannot hold the four real derivatives of other functions.
    method : {"central", "forward", "complex-step", "richardson"}
        The formula, applied to each coordinate of the arguments, see `gradient`.
    step : float, optional
        The step; chosen from the precision and ``|x|`` if left out, see `gradient`.

    Returns
    -------
    callable
        Takes what `fun` takes; returns a tree like the result of `fun`, with, in place of each
        array, a tree like the argument, of arrays of shape ``out.shape + in.shape``.

    Raises
    ------
    TypeError, ValueError
        As `gradient`, except that the result may have any shape.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import numerical
    >>> def polar(p):
    ...     return p[0] * np.array([np.cos(p[1]), np.sin(p[1])])
    >>> numerical.jacobian(polar, method="richardson")(np.array([2.0, 0.0])).round(10)
    array([[1., 0.],
           [0., 2.]])
    """
    check_callable(fun, "jacobian")
    selection, chosen = Selection(fun, argnums), _chosen(method, step)

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        problem = Problem(fun, selection, args, kwargs)
        blocks = _blocks(problem, chosen, method, step, holomorphic=holomorphic)
        columns = [_split(block, problem.results) for block in blocks]
        rows = [[column[number] for column in columns] for number in range(len(problem.results))]
        trees = [
            tree.unflatten(
                problem.structure,
                [
                    _finished(part, out.value.shape + leaf.value.shape, None, out, leaf)
                    for part, leaf in zip(row, problem.leaves, strict=True)
                ],
            )
            for row, out in zip(rows, problem.results, strict=True)
        ]
        return tree.unflatten(problem.result_structure, trees)

    return transformed(fun, differentiated)


def hessian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    method: str = "central",
    step: float | None = None,
) -> Callable[..., Any]:
    """Approximate the Hessian of a scalar-valued function of real arguments.

    The formulas are differences of differences; with ``h`` and ``k`` along the coordinates
    ``i`` and ``j``:

    ==============  =====================================  ========================  ==============
    method          formula                                automatic step            relative error
    ==============  =====================================  ========================  ==============
    "forward"       (f(+h,+k) - f(+h,0) - f(0,+k) + f)     eps**(1/3) * max(1, |x|)  1e-5
                    / (h k)
    "central"       (f(+h,+k) - f(+h,-k) - f(-h,+k)        eps**(1/4) * max(1, |x|)  1e-8
                    + f(-h,-k)) / (4 h k), and
                    (f(+h) - 2 f + f(-h)) / h**2
    "complex-step"  Im(f(+h,+i t) - f(-h,+i t)) / (2 h t)  eps**(1/3) * max(1, |x|)  1e-10
                    with t = eps**2 * |x|
    "richardson"    central with h, h/2, h/4, h/8,         eps**(1/10) * max(1,|x|)  1e-11
                    extrapolated to h = 0
    ==============  =====================================  ========================  ==============

    The matrix is symmetric: one half is computed, with of the order of n**2 / 2 evaluations
    ("forward": (n + 1) (n + 2) / 2 exactly; "central" 4, "complex-step" 2 and "richardson" 16 for
    each pair). Sources and the meaning of ``eps`` and ``|x|`` are those of `gradient`.

    Parameters
    ----------
    fun : callable
        Returns a real number; its arguments are trees, real where `argnums` names them.
    argnums : int, str or tuple of these
        The arguments to differentiate by, by position or by name.
    method : {"central", "forward", "complex-step", "richardson"}
        The formula, see the table.
    step : float, optional
        The step, the same for every coordinate; chosen from the precision and ``|x|`` if left out.

    Returns
    -------
    callable
        Takes what `fun` takes; returns a tree like the argument of trees like the argument, of
        arrays of shape ``first.shape + second.shape``.

    Raises
    ------
    TypeError, ValueError
        As `gradient`; a TypeError for complex arguments too.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import numerical
    >>> def rosenbrock(p):
    ...     return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    >>> numerical.hessian(rosenbrock, method="richardson")(np.array([1.0, 1.0])).round(6)
    array([[ 802., -400.],
           [-400.,  200.]])
    """
    check_callable(fun, "hessian")
    selection, chosen = Selection(fun, argnums), _chosen(method, step)

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        problem = Problem(fun, selection, args, kwargs)
        _require_scalar(problem, "hessian", real=True)
        if any(leaf.is_complex for leaf in problem.leaves):
            raise NotDifferentiableError(
                "hessian takes real arguments; pass the real and the imaginary part as two"
            )
        matrix = _second_derivatives(problem, chosen, step)
        trees = [
            tree.unflatten(
                problem.structure,
                [
                    _finished(block.T, first.value.shape + second.value.shape, None, first, second)
                    for block, second in zip(
                        _split(rows.T, problem.leaves), problem.leaves, strict=True
                    )
                ],
            )
            for rows, first in zip(_split(matrix, problem.leaves), problem.leaves, strict=True)
        ]
        return tree.unflatten(problem.structure, trees)

    return transformed(fun, differentiated)


# What the four share: checks, one column after the other, and the kinds of the answers.


def _chosen(method: str, step: float | None) -> Method:
    """Return the method's record, or raise before anything is evaluated."""
    if method not in METHODS:
        raise ArgumentError(f"method={method!r} is unknown; choose from {', '.join(METHODS)}")
    if step is not None and not 0 < step < math.inf:
        raise ArgumentError(f"step={step!r}; it must be a positive number, or None to choose it")
    return METHODS[method]


def _require_scalar(problem: Problem, caller: str, *, real: bool) -> None:
    """Raise unless the function returned one number, a real one if `real`."""
    results = problem.results
    if not problem.result_structure.is_leaf() or results[0].value.shape:
        found = [out.value.shape for out in results]
        raise NotScalarError(
            f"{caller} is for scalar-valued functions, but {function_name(problem.fun)} returned "
            f"shapes {found}; sum the result, or use jacobian"
        )
    if real and results[0].is_complex:
        raise NotScalarError(
            f"{caller} is for real-valued functions, but {function_name(problem.fun)} returned a "
            "complex number; return its real part or its modulus, or use jacobian"
        )


def _refuse_complex(problem: Problem, chosen: Method, method: str) -> None:
    """Raise if a method that borrows the imaginary axis finds it in use."""
    in_use = any(leaf.is_complex for leaf in (*problem.leaves, *problem.results))
    if in_use and not chosen.finest:
        raise NotDifferentiableError(
            f"method={method!r} needs real arguments and results, since it puts the step into the "
            "imaginary part; use method='central' or 'richardson' for complex ones"
        )


def _blocks(
    problem: Problem, chosen: Method, method: str, step: float | None, *, holomorphic: bool
) -> list[Any]:
    """Return the Jacobian as one matrix a leaf, of shape (size of results, size of the leaf)."""
    complex_results = [out.is_complex for out in problem.results]
    complex_leaves = [leaf.is_complex for leaf in problem.leaves]
    if holomorphic and not all((*complex_results, *complex_leaves)):
        raise NotDifferentiableError(
            "holomorphic=True is for complex arguments and results; leave it out for real ones"
        )
    if not holomorphic and any(complex_results) and any(complex_leaves):
        raise NotDifferentiableError(
            f"{function_name(problem.fun)} maps complex to complex numbers; pass holomorphic=True "
            "if it is holomorphic, else return real and imaginary part apart"
        )
    _refuse_complex(problem, chosen, method)
    columns: list[list[Any]] = [[] for _ in problem.leaves]
    for coordinate in problem.coordinates(holomorphic=holomorphic):
        x = coordinate.read(problem.leaves)
        h = sized_step(chosen.first_step, x, problem.eps, step, chosen.finest)
        line = functools.partial(_along, problem, coordinate)
        columns[coordinate.leaf].append(chosen.first(line, x, h, problem.base))
    blocks = []
    for leaf, found in zip(problem.leaves, columns, strict=True):
        block = np.stack(found, axis=1) if found else np.empty((problem.base.size, 0))
        # JAX's convention for a real function of a complex number: d/dRe - i d/dIm.
        split = leaf.is_complex and not holomorphic
        blocks.append(block[:, 0::2] - 1j * block[:, 1::2] if split else block)
    return blocks


def _along(problem: Problem, coordinate: Coordinate, number: Any) -> Any:
    return problem.moved((coordinate, number))


def _second_derivatives(problem: Problem, chosen: Method, step: float | None) -> Any:
    """Return the matrix of second derivatives of a scalar-valued function, symmetric by makeup."""
    coordinates = problem.coordinates(holomorphic=True)
    points = [coordinate.read(problem.leaves) for coordinate in coordinates]
    finest = chosen.finest or 1.0
    steps = [sized_step(chosen.second_step, x, problem.eps, step, finest) for x in points]
    known = list(zip(coordinates, points, steps, strict=True))

    @functools.cache  # forward differences ask for the same points again and again
    def value(*moves: tuple[Coordinate, Any]) -> Any:
        return problem.moved(*moves)[0]

    def entry(i: int, j: int) -> Any:
        (first, x, h), (second, y, k) = known[i], known[j]
        if i == j:
            return chosen.repeated(lambda u: value((first, u)), x, h, problem.base[0])

        def plane(u: Any, v: Any) -> Any:
            moves = ((first, u, x), (second, v, y))
            return value(*((at, number) for at, number, old in moves if number != old))

        return chosen.mixed(plane, x, y, h, k, problem.base[0])

    matrix = np.empty((len(known), len(known)), problem.base.dtype)
    for i, j in itertools.combinations_with_replacement(range(len(known)), 2):
        matrix[i, j] = matrix[j, i] = entry(i, j)
    return matrix


def _split(rows: Any, leaves: list[Leaf]) -> list[Any]:
    """Cut the first axis into one part a leaf."""
    ends = list(itertools.accumulate(leaf.value.size for leaf in leaves))
    return [rows[end - leaf.value.size : end] for end, leaf in zip(ends, leaves, strict=True)]


def _finished(entries: Any, shape: tuple[int, ...], kind: str | None, *sources: Leaf) -> Any:
    """Return an answer with the dtype that its sources promote to, in the kind wanted.

    Without a `kind`, a number of Python numbers is one, and other 0-d answers are NumPy scalars.
    """
    dtype = np.result_type(*(leaf.promotes_as for leaf in sources))
    if dtype.kind != "c":
        entries = entries.real
    answer = np.asarray(entries).reshape(shape).astype(dtype)
    if kind is None:
        numbers = all(leaf.kind == "python" for leaf in sources)
        kind = "python" if numbers else ("scalar" if answer.ndim == 0 else "array")
    if kind == "array":
        return answer
    return answer.item() if kind == "python" else answer[()]
