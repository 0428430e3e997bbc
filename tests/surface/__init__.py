"""The NumPy surface as data: every name that counts, by group, with calls that are checked."""

from .calls import Call, rounded, valued
from .listed import GROUPS
from .notes import GAPS, NOTES
from .tables import CALLS, ZERO

__all__ = ["CALLS", "GAPS", "GROUPS", "NOTES", "ZERO", "Call", "rounded", "valued"]
