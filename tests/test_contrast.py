"""Colours of pages and tables: enough contrast to be read (WCAG 2: 4.5 for text, 3 for lines)."""

import re
from importlib.resources import files

import pytest

from wengert.seeing import pictures, rendering

TEXT, LINE = 4.5, 3.0
# What stands on what: foreground, background, where, and the least contrast.
PAIRS = [
    ("#16202c", "#fff", "text", TEXT),
    ("#16202c", "#f3f6f9", "buttons", TEXT),
    ("#16202c", "#e3f0fb", "inputs and buttons below the pointer", TEXT),
    ("#16202c", "#fff3df", "folded groups", TEXT),
    ("#44525f", "#fff", "labels of edges", TEXT),
    ("#44525f", "#f3f6f9", "heads of tables", TEXT),
    ("#0b5cad", "#fff", "names in tables", TEXT),
    ("#5a6876", "#fff", "folded rows, disabled buttons", TEXT),
    ("#8a3b00", "#fff", "adjoints", TEXT),
    ("#8a3b00", "#e3f0fb", "adjoints of inputs", TEXT),
    ("#8a3b00", "#e6f6ea", "adjoint of the output", TEXT),
    ("#8593a3", "#fff", "edges", LINE),
    ("#b3261e", "#fff", "the current node", LINE),
    ("#8a5a00", "#fff3df", "frames of folded groups", LINE),
    ("#e6ecf2", "#131a22", "dark: text", TEXT),
    ("#b6c3d1", "#1c2632", "dark: heads of tables", TEXT),
    ("#7db8f2", "#131a22", "dark: names in tables", TEXT),
    ("#9fb0c2", "#131a22", "dark: folded rows", TEXT),
]
# Fills, and lines that only part what is parted by space already.
QUIET = {"#ffffff", "#c9d1db", "#e3e8ee", "#39465a", "#2a3544", "#1b7a3a"}


def luminance(colour):
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("front", "back", "where", "least"), PAIRS)
def test_contrast(front, back, where, least):
    assert contrast(front, back) >= least, where


def test_no_colour_is_left_out():
    style = files("wengert.seeing").joinpath("page.css").read_text(encoding="utf-8")
    style += rendering._STYLE + pictures.SVG_STYLE
    used = set(re.findall(r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b", style))
    known = {colour for pair in PAIRS for colour in pair[:2]} | QUIET
    assert used <= known
