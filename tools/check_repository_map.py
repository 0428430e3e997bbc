"""Hold `docs/repository-map.md` to what is there: one line a file, and no line without its file.

Also holds two habits of `src/`: a module opens with a docstring and has at most 600 lines.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

MAP = "docs/repository-map.md"
FOLDERS = ("src/", "benchmarks/", "tools/", "tests/", "examples/")
LONGEST = 600

# A line of the map: "- `path`: what it is for".
ENTRY = re.compile(r"^- `([^`]+)`: \S", re.MULTILINE)


def files_of_the_repository(root: Path) -> list[str]:
    """Return what git tracks, and what it would if it were added now."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return sorted(path for path in listed.split("\0") if path and (root / path).is_file())


def opening(path: Path) -> str:
    """Return the first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "what it is for."
    return docstring.splitlines()[0]


def problems_of_the_map(text: str, files: Iterable[str], root: Path) -> list[str]:
    """Return what the map leaves out, names twice, or names although it does not exist."""
    named = ENTRY.findall(text)
    wanted = [path for path in files if path.startswith(FOLDERS) and path.endswith(".py")]
    return [
        *(
            f"{MAP}: {path} is not named; add a line such as\n- `{path}`: {opening(root / path)}"
            for path in wanted
            if path not in named
        ),
        *(f"{MAP}: {path} does not exist" for path in named if not (root / path).exists()),
        *(f"{MAP}: {path} is named twice" for path in sorted(set(named)) if named.count(path) > 1),
    ]


def problems_of_a_module(path: str, text: str) -> list[str]:
    """Return which of the two habits a module of `src/` breaks."""
    lines = len(text.splitlines())
    return [
        *([f"{path}: {lines} lines, at most {LONGEST}; split it"] if lines > LONGEST else []),
        *([] if ast.get_docstring(ast.parse(text)) else [f"{path}: no module docstring"]),
    ]


def main() -> int:
    """Print every problem; return 1 if there is one."""
    root = Path(__file__).resolve().parent.parent
    files = files_of_the_repository(root)
    problems = problems_of_the_map((root / MAP).read_text(encoding="utf-8"), files, root)
    for path in files:
        if path.startswith("src/") and path.endswith(".py"):
            problems += problems_of_a_module(path, (root / path).read_text(encoding="utf-8"))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
