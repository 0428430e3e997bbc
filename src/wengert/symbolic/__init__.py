"""Symbolic differentiation through SymPy: the second rival, for checking and for comparing."""

from .derivatives import SymbolicDerivative, derivative, swell
from .expressions import expression, to_wengert_list

__all__ = ["SymbolicDerivative", "derivative", "expression", "swell", "to_wengert_list"]
