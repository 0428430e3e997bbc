"""The README and the documents: examples run, commands are marked for CI, links lead somewhere."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", ["README.md", "docs/adding-a-primitive.md", "docs/policy.md"])
def test_examples(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    names: dict[str, object] = {}
    failures: list[str] = []
    for number, block in enumerate(blocks):
        example = parser.get_doctest(block, names, f"block {number}", document, 0)
        assert example.examples, f"block {number} of {document} has no example to run"
        runner.run(example, out=failures.append, clear_globs=False)
        names = example.globs  # a later block may use what an earlier one defined
    assert blocks
    assert not failures, "".join(failures)


@pytest.mark.parametrize("name", ["example", "tests"])
def test_commands_are_marked(name):
    marked = re.findall(rf"<!-- command: {name} -->\n```bash\n(.*?)```", README, re.DOTALL)
    assert len(marked) == 1
    assert len(marked[0].strip().splitlines()) == 1


def test_links_lead_to_files():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_every_name_in_the_table_exists():
    import wengert as wg

    rows = re.findall(r"^\| [^|]+ \| (`[^|]+) \|$", README, re.MULTILINE)
    names = re.findall(r"`([\w.]+)`", " ".join(rows))
    assert len(names) > 10
    for name in names:
        found = wg
        for part in name.split("."):
            found = getattr(found, part)
        assert callable(found)
