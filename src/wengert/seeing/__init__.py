"""Seeing: evaluation-trace tables, computational graphs, and the rivals side by side."""

from .compare import Comparison as Comparison
from .compare import MethodResult as MethodResult
from .compare import StepErrors as StepErrors
from .compare import compare_methods as compare_methods
from .compiled_lines import Compiled as Compiled
from .compiled_lines import CompiledPart as CompiledPart
from .cost_by_line import LineCost as LineCost
from .cost_by_line import Profile as Profile
from .cost_by_line import profile as profile
from .graph import Edge as Edge
from .graph import Graph as Graph
from .graph import Node as Node
from .graph import draw as draw
from .table import Explanation as Explanation
from .table import Row as Row
from .table import Term as Term
from .table import explain as explain
