"""The pullback of a loop as lists: what native code runs in the place of a rule's own loop."""

from __future__ import annotations

from typing import NamedTuple

from .wengert_list import WengertList


class Pullback(NamedTuple):
    """The lists that one iteration runs forward, and backward.

    Attributes
    ----------
    forward : WengertList
        Inputs: those of the loop's body. Outputs: the next carry, then the residuals.
    constants : tuple of int
        Which of the body's constants `backward` reads.
    backward : WengertList
        Inputs: those constants, the residuals, the cotangents of the carry that varies, and the
        sums of the cotangents of constants so far. Outputs: such cotangents and sums again.
    sums : int
        How many sums there are.
    """

    forward: WengertList
    constants: tuple[int, ...]
    backward: WengertList
    sums: int


class Replay(NamedTuple):
    """The lists of the pullback of a loop that computes its states again.

    Attributes
    ----------
    advance : WengertList
        Inputs: those of the loop's body. Outputs: the next carry.
    pull : WengertList
        Inputs: constants and carry of the loop; cotangents of the carry, sums of those of
        constants; the entries that a step reads, and cotangents of those that it makes. Outputs:
        such cotangents and sums again; cotangents of the entries that were read.
    """

    advance: WengertList
    pull: WengertList
