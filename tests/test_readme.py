"""The README: its commands are marked for CI, its links lead somewhere, its names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


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
