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
