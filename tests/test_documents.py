"""The documents: every block of Python on every page runs, in order, and gives what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from wengert import errors
from wengert.ir.primitive import registry
from wengert.tracing.protocols import functions, ufuncs

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if FENCE.search(path.read_text(encoding="utf-8"))
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture
def scratch():
    """Take the primitives that a page makes out again, and their answers to NumPy and SciPy."""
    before = {primitive.name for primitive in registry}
    answers = [(answered, dict(answered)) for answered in (functions, ufuncs)]
    yield
    for answered, were in answers:
        answered.clear()
        answered.update(were)
    for primitive in registry:
        if primitive.name not in before:
            registry.remove(primitive.name)


@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples that write files write them here
    text = (ROOT / page).read_text(encoding="utf-8")
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=OPTIONS)
    names: dict[str, object] = {"__name__": "__main__"}
    failures: list[str] = []
    for match in FENCE.finditer(text):
        block = match[1]
        line = text.count("\n", 0, match.start()) + 1
        if ">>>" in block:
            example = parser.get_doctest(block, names, f"{page}:{line}", page, line)
            runner.run(example, out=failures.append, clear_globs=False)
            names = example.globs  # a later block may use what an earlier one defined
        else:
            exec(compile("\n" * line + block, str(ROOT / page), "exec"), names)
    assert not failures, "".join(failures)


def test_the_core_from_nothing_is_about_200_lines():
    text = (ROOT / "docs/tutorials/core-from-nothing.md").read_text(encoding="utf-8")
    code = [block for block in FENCE.findall(text) if ">>>" not in block]
    lines = [line for block in code for line in block.splitlines() if line.strip()]
    assert 120 < len(lines) < 220


def test_links_between_pages_lead_somewhere():
    missing = []
    for path in (ROOT / "docs").rglob("*.md"):
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            made_by_build = link.removeprefix("../").startswith("gallery/")
            if "://" not in link and not made_by_build and not (path.parent / link).exists():
                missing.append(f"{path.relative_to(ROOT)}: {link}")
    assert not missing


def test_every_error_and_warning_is_explained():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    known = [name for name, kind in vars(errors).items() if _is_own_exception(kind)]
    assert len(known) > 20
    assert not [name for name in known if name not in page]


def _is_own_exception(kind: object) -> bool:
    return (
        isinstance(kind, type)
        and issubclass(kind, Exception)
        and kind.__module__ == errors.__name__
    )
