"""The reference: every public name stands on one of its pages, and nothing that does not exist."""

import importlib
import re
from pathlib import Path

import wengert as wg

PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference"
# Namespaces whose own names are listed, or which mirror NumPy's and SciPy's.
NAMESPACES = {"errors", "numerical", "numpy", "ops", "symbolic", "testing", "tree", "__version__"}


def listed():
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md")))
    return re.findall(r"^::: wengert\.([\w.]+)$", text, re.MULTILINE)


def test_every_public_name_is_listed_once():
    names = listed()
    assert len(names) == len(set(names))
    wanted = {name for name in wg.__all__ if name not in NAMESPACES} - {"config"}
    for space in ("numerical", "symbolic", "testing"):
        module = importlib.import_module(f"wengert.{space}")
        wanted |= {f"{space}.{name}" for name in module.__all__}
    assert not sorted(wanted - set(names))


def test_every_listed_name_exists():
    for name in listed():
        parts = ["wengert", *name.split(".")]
        end = len(parts)
        while True:  # the longest beginning that is a module
            try:
                found = importlib.import_module(".".join(parts[:end]))
                break
            except ModuleNotFoundError:
                end -= 1
        for part in parts[end:]:
            found = getattr(found, part)
        assert found.__doc__, name
