"""Every error and warning that wengert raises, and the filter that hides our own frames.

Each class derives from the built-in that a NumPy user would expect. A message says what was given,
why it fails, and what to type instead.
"""

from __future__ import annotations

import os
from types import TracebackType


class WengertError(Exception):
    """Base class of all errors raised by wengert."""


class ArgumentError(WengertError, ValueError):
    """An argument of a transformation is wrong: ``argnums``, a tree structure, a shape."""


class NotDifferentiableError(WengertError, TypeError):
    """A derivative was asked for at a point that has none: integers, objects, strings."""


class NotScalarError(WengertError, TypeError):
    """``grad`` was applied to a function whose output is not one real number."""


class TangentError(WengertError, ValueError):
    """A tangent or cotangent does not fit its primal: tree, shape or dtype."""


class TracedValueError(WengertError, TypeError):
    """Code outside wengert asked a traced value to become a plain number or array."""


class TracedWriteError(WengertError, TypeError):
    """A traced value was written into an array that cannot hold it."""


class MissingRuleError(WengertError, NotImplementedError):
    """A function was called on traced values for which there is no rule."""


class LeakedArrayError(WengertError, RuntimeError):
    """A traced value outlived its transformation, or was used in another thread."""


class AliasingError(WengertError, ValueError):
    """Two arrays share memory in a way that makes a write ambiguous."""


class StagingError(WengertError, TypeError):
    """A program that is being staged asked for a value that is not known yet."""


class GuardFailed(WengertError, RuntimeError):
    """A compiled program met another value than the one it was compiled for.

    Control flow, not a mistake: whoever runs a program with guards catches it and takes another
    path. `position` counts the guards of the program from 0.
    """

    def __init__(self, position: int) -> None:
        super().__init__(f"guard {position} of a compiled program does not hold")
        self.position = position


class CarryError(WengertError, TypeError):
    """A value that a loop carries, or that branches return, changes shape, dtype or kind."""


class CheckpointError(WengertError, RuntimeError):
    """A checkpointed function did something else when it ran again."""


class BatchingError(WengertError, TypeError):
    """A function under ``vmap`` asked for a value that differs between examples."""


class ConvergenceError(WengertError, ArithmeticError):
    """An iteration did not reach its tolerance."""


class SingularSystemError(WengertError, ArithmeticError):
    """A linear system, or the one that a derivative needs solved, is singular."""


class NonFiniteError(WengertError, FloatingPointError):
    """With ``config.debug_nans``: an operation made a nan or an infinity."""


class NotLinearError(WengertError, ValueError):
    """A function given to ``linear_transpose`` is not linear."""


class VerificationError(WengertError, AssertionError):
    """A Wengert list breaks its specification."""


class RegistryError(WengertError, ValueError):
    """A primitive's block is incomplete or contradicts itself."""


class CheckError(WengertError, AssertionError):
    """A derivative checked by ``wengert.testing`` does not agree with its reference."""


class UnusedInputWarning(UserWarning):
    """No input of a differentiated function influences its output."""


class DegenerateEigenvaluesWarning(UserWarning):
    """Eigenvectors of equal eigenvalues, or singular vectors, were differentiated."""


class PathLimitWarning(UserWarning):
    """A compiled function took more paths than ``config.max_paths``, and runs uncompiled."""


# The folder of this package: code from below it is ours.
PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def _is_own(traceback: TracebackType) -> bool:
    return traceback.tb_frame.f_code.co_filename.startswith(PACKAGE)


def hide_own_frames(error: BaseException) -> None:
    """Unlink the frames of wengert from the traceback of `error`, keeping the first and the last.

    The first entry is the call that the user made; the last one of ours is dropped too when the
    error is one of ours, so that the traceback ends at the user's line.
    """
    head = error.__traceback__
    if head is None:
        return
    previous = head
    entry = head.tb_next
    while entry is not None:
        following = entry.tb_next
        hidden = _is_own(entry) and (following is not None or isinstance(error, WengertError))
        if hidden:
            previous.tb_next = following
        else:
            previous = entry
        entry = following
