"""A program that was recorded without being run: its text at every stage, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ArgumentError

if TYPE_CHECKING:
    from ..compile import Executable
    from .jit import Jitted

FORMS = ("list", "llvm", "asm")


class Lowered:
    """What ``jit(fun).lower(*args)`` returns."""

    __slots__ = ("_executable", "_jitted")

    def __init__(self, jitted: Jitted, executable: Executable) -> None:
        self._jitted = jitted
        self._executable = executable

    def compile(self) -> Jitted:
        """Compile the program now, and return the compiled function that will run it."""
        self._executable.compile()
        return self._jitted

    def as_text(self, form: str = "list") -> str:
        """Return the program as a Wengert list, as LLVM code or as assembly.

        Parameters
        ----------
        form : {"list", "llvm", "asm"}

        Examples
        --------
        >>> import wengert as wg
        >>> print(wg.jit(lambda x: 1.0 * x + x).lower(2.0).as_text())
        inputs  x1: float64*
        v1: float64* = add(x1, x1)
        outputs v1
        """
        if form not in FORMS:
            raise ArgumentError(f"as_text takes one of {', '.join(map(repr, FORMS))}, got {form!r}")
        program = self._executable.program
        if form == "list":
            return str(program)
        from ..backends.llvm import engine  # with the backend, at first need
        from ..backends.llvm.build import build

        modules = build(program).modules
        if form == "llvm":
            return "\n".join(module.text() for module in modules)
        return "\n".join(engine.assembly(module.text(), module.level) for module in modules)

    def cost(self) -> dict[str, int]:
        """Return the number of equations, of those that run through NumPy, and of bytes to work in.

        Returns
        -------
        dict
            ``equations``, ``through_numpy`` and ``workspace``; compiling is part of finding out.
        """
        self._executable.compile()
        native = self._executable.native
        size = len(self._executable.program)
        if native is None:
            return {"equations": size, "through_numpy": size, "workspace": 0}
        return {
            "equations": size,
            "through_numpy": len(native.called_back),
            "workspace": native.workspace,
        }
