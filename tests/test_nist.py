"""The regression problems of NIST: their data reproduce what is certified, and fits find it.

From both starting points of each problem, near and far, through SciPy with wengert's Jacobian.
"""

import numpy as np
import pytest

from nist_problems import PROBLEMS
from nist_regression import digits, fitted, refined

each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())


def test_all_problems_are_there():
    assert len(PROBLEMS) == 27


@each_problem
def test_data_are_those_of_nist(problem):
    """One wrong digit in 3000 numbers would show here."""
    at_certified = np.sum(problem.residuals(problem.certified) ** 2)
    if problem.name == "Lanczos1":  # exact data: their residuals are the rounding of parameters
        assert at_certified < 1e-20
        return
    assert abs(at_certified / problem.residual_sum - 1) < 2e-10


@each_problem
def test_fits_reach_the_certified_values_from_both_starts(problem):
    fits = [fitted(problem, start) for start in problem.starts]
    for fit in fits:
        assert digits(fit.x, problem.certified) > 6.0
    parameters = refined(problem, fits[1].x)
    assert digits(parameters, problem.certified) > 10.0
    if problem.name != "Lanczos1":
        residual_sum = np.sum(problem.residuals(parameters) ** 2)
        assert abs(residual_sum / problem.residual_sum - 1) < 1e-9
