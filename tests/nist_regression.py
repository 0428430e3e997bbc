"""Fit the problems of NIST through SciPy with wengert's Jacobian; print how many digits are right.

``python tests/nist_regression.py`` prints the table. The last columns refine the fit by two steps
of Newton's method with ``wengert.hessian``, and show what SciPy's own differences reach.
"""

import numpy as np
from scipy.optimize import least_squares

import wengert as wg
from nist_problems import PROBLEMS

# What is certified has eleven digits.
CERTIFIED_DIGITS = 11.0
SMALLEST = float(np.finfo(float).eps)


def digits(found, certified):
    """The number of correct digits of the worst parameter."""
    error = float(np.max(np.abs(found - certified) / np.abs(certified)))
    return CERTIFIED_DIGITS if error == 0 else float(np.clip(-np.log10(error), 0, CERTIFIED_DIGITS))


def fitted(problem, start, jacobian=None):
    """SciPy's fit from a starting point, to the smallest tolerances that it takes."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return least_squares(
            problem.residuals,
            start,
            jac=jacobian or wg.jacobian(problem.residuals),
            ftol=SMALLEST,
            xtol=SMALLEST,
            gtol=SMALLEST,
            max_nfev=3000,
        )


def refined(problem, parameters):
    """Two steps of Newton's method on the sum of squares."""

    def cost(b):
        return 0.5 * np.sum(problem.residuals(b) ** 2)

    for _ in range(2):
        _, gradient, hessian = wg.value_grad_hessian(cost)(parameters)
        parameters = parameters - np.linalg.solve(hessian, gradient)
    return parameters


def row(problem):
    """Digits from both starts, after refinement, and by SciPy's differences from the second."""
    fits = [fitted(problem, start) for start in problem.starts]
    by_differences = fitted(problem, problem.starts[1], "2-point")
    return [
        *(digits(fit.x, problem.certified) for fit in fits),
        digits(refined(problem, fits[1].x), problem.certified),
        digits(by_differences.x, problem.certified),
    ]


def main():
    print("problem   level      start 1  start 2  refined  SciPy's differences")
    for problem in PROBLEMS.values():
        columns = "  ".join(f"{number:7.1f}" for number in row(problem))
        print(f"{problem.name:9} {problem.level:8}  {columns}")


if __name__ == "__main__":
    main()
