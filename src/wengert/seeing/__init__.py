"""Seeing: evaluation-trace tables, computational graphs, and the rivals side by side."""

from .table import Explanation as Explanation
from .table import Row as Row
from .table import Term as Term
from .table import explain as explain
