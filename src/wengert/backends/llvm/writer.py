"""Text of LLVM modules, written line by line.

Straight text is built about ten times as fast as llvmlite's objects, and a program of 10⁵
equations is mostly this.
"""

from __future__ import annotations

from typing import Any


class Module:
    """A module under construction: declarations, constants and functions.

    Attributes
    ----------
    externals : dict
        From the name of each function that is defined elsewhere to its declaration.
    level : int
        How much LLVM shall optimise: 0 for straight-line code, 3 for loops.
    """

    def __init__(self, level: int = 0) -> None:
        self.level = level
        self.externals: dict[str, str] = {}
        self.definitions: dict[str, str] = {}
        self.functions: list[Function] = []

    def declare(
        self,
        name: str,
        returns: str,
        *arguments: str,
        variadic: bool = False,
        attributes: str = "",
    ) -> str:
        """Declare a function that is defined elsewhere, and return its name as code has it."""
        if name not in self.externals and name not in self.definitions:
            listed = ", ".join([*arguments, *(["..."] if variadic else [])])
            text = f'declare {returns} @"{name}"({listed}) {attributes}'
            self.externals[name] = text.rstrip()
        return f'@"{name}"'

    def declare_data(self, name: str) -> str:
        """Declare a datum that is defined elsewhere, and return its name as code has it."""
        self.externals.setdefault(name, f'@"{name}" = external global i8')
        return f'@"{name}"'

    def define(self, name: str, text: str) -> str:
        """Add the text of a whole function or constant once, and return its name."""
        if name not in self.definitions:
            self.definitions[name] = text
            self.externals.pop(name, None)
        return f'@"{name}"'

    def function(
        self, name: str, returns: str, *arguments: str, attributes: str = "nounwind"
    ) -> Function:
        """Start a function; `arguments` are typed and named: ``"ptr %inputs"``."""
        made = Function(self, name, returns, arguments, attributes)
        self.functions.append(made)
        return made

    def part(
        self, name: str, returns: str, *arguments: str, attributes: str = "nounwind"
    ) -> Function:
        """Start a function whose text is added with `define` when it is complete."""
        return Function(self, name, returns, arguments, attributes)

    def text(self) -> str:
        own = {function.name for function in self.functions}
        parts = [text for name, text in self.externals.items() if name not in own]
        parts += self.definitions.values()
        parts += [function.text() for function in self.functions]
        return "\n".join(parts) + "\n"


class Function:
    """A function under construction; ``lines`` may be appended to directly."""

    __slots__ = ("_count", "_head", "attributes", "block", "lines", "module", "name", "slots")

    def __init__(
        self, module: Module, name: str, returns: str, arguments: tuple[str, ...], attributes: str
    ) -> None:
        self.module = module
        self.name = name
        self._head = f'define {returns} @"{name}"({", ".join(arguments)})'
        self.attributes = attributes
        self.slots: list[str] = []
        self.lines: list[str] = []
        self._count = 0
        self.block = "entry"

    def fresh(self) -> str:
        """Return a new name of a value."""
        self._count += 1
        return f"%v{self._count}"

    def take_names(self, count: int) -> int:
        """Reserve names of values, ``%v`` and a number, and return the first number."""
        start = self._count + 1
        self._count += count
        return start

    def value(self, instruction: str) -> str:
        """Write an instruction and return the name of what it gives."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"{name} = {instruction}")
        return name

    def line(self, instruction: str) -> None:
        """Write an instruction that gives nothing."""
        self.lines.append(instruction)

    def new_label(self, hint: str = "block") -> str:
        """Return a new name of a block."""
        self._count += 1
        return f"{hint}{self._count}"

    def start(self, label: str) -> None:
        """Start a block; the one before must have ended with a jump."""
        self.lines.append(f"{label}:")
        self.block = label

    def slot(self, size: int, alignment: int = 16) -> str:
        """Return the address of memory that lives as long as the call, outside all loops."""
        self._count += 1
        name = f"%s{self._count}"
        self.slots.append(f"{name} = alloca [{size} x i8], align {alignment}")
        return name

    def text(self) -> str:
        head = f"{self._head} {self.attributes} {{"
        return "\n".join([head, "entry:", *self.slots, *self.lines, "}"])


def offset(function: Function, pointer: str, count: Any) -> str:
    """Return the address `count` bytes after a pointer."""
    if count == 0:
        return pointer
    return function.value(f"getelementptr i8, ptr {pointer}, i64 {count}")
