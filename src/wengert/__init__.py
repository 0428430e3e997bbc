"""wengert differentiates the NumPy that people already write."""

from . import errors, ops, tree
from .config import config
from .transforms.derivatives import elementwise_grad, grad, jvp, value_and_grad, vjp
