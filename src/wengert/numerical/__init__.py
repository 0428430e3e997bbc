"""Derivatives by finite differences, complex steps and Richardson extrapolation.

These are the rivals of automatic differentiation: use them to check a derivative, to compare errors
and costs, or where a function cannot be traced. Exact derivatives are the work of `wengert.grad`.
"""

from .derivatives import derivative, gradient, hessian, jacobian

__all__ = ["derivative", "gradient", "hessian", "jacobian"]
