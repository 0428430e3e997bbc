"""The names that an outsider needs to add primitives: families, ``bind`` and dispatch.

`elementwise`, `piecewise_constant`, `structural`, `bilinear` and `primitive` make the record of an
operation; `bind` applies it. See docs/adding-a-primitive.md for a worked example.
"""

from .ir.aval import Aval as Aval
from .ir.primitive import Primitive as Primitive
from .ops.c_functions import CFunction as CFunction
from .ops.c_functions import c_function as c_function
from .ops.families import bilinear as bilinear
from .ops.families import elementwise as elementwise
from .ops.families import irregular as primitive
from .ops.families import piecewise_constant as piecewise_constant
from .ops.families import structural as structural
from .ops.samples import Fail as Fail
from .ops.samples import Sample as Sample
from .tracing.core import bind as bind
from .tracing.core import to_user as to_user
from .tracing.protocols import implements as implements
from .tracing.protocols import load_later

load_later()  # the names of primitives that are registered when first used are taken, too

__all__ = [
    "Aval",
    "CFunction",
    "Fail",
    "Primitive",
    "Sample",
    "bilinear",
    "bind",
    "c_function",
    "elementwise",
    "implements",
    "piecewise_constant",
    "primitive",
    "structural",
    "to_user",
]
