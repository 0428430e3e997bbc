"""Printing an explanation: text, Markdown, LaTeX, HTML, and a rich table.

An explanation becomes sections of cells once; each form only lays the cells out.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import latex as latex_pieces
from .formulas import entries_text, name_formula

if TYPE_CHECKING:
    from .table import Explanation, Row, Term

# Up to here loops are not folded, so that small programs are seen whole.
_ROWS_UNFOLDED = 30
_ROWS_SHOWN = 120
_LONGEST_SUM = 72
# Columns of numbers, which HTML sets flush right.
_NUMERIC = frozenset(
    ("at", "sum", "derivative", "error", "evaluations", "operations", "size", "time", "memory")
)


class Section(NamedTuple):
    """A table: what stands above it, its column heads, and its rows of cells.

    A row that is one string spans all columns: it says what was left out.
    """

    caption: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...] | str]


def short(value: Any, *, full: bool = False, digits: int = 10) -> str:
    """Return a value in a few characters: numbers to 10 digits, arrays by entries or by range."""
    if value is None:
        return "0"
    if np.ndim(value) == 0:
        number = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
        if isinstance(number, (int, bool)):
            return str(number)
        return f"{number:.{digits}g}"
    if full or value.size <= 6:
        return entries_text(value)
    shape = ",".join(map(str, value.shape))
    with np.errstate(all="ignore"):
        if value.dtype.kind == "c":
            return f"{value.dtype.name}[{shape}]"
        return f"[{shape}] {np.min(value):.4g} … {np.max(value):.4g}"


# ------------------------------------------------------------------ folding


def folded(rows: tuple[Row, ...], full: bool) -> list[Row | str]:
    """Return the rows with repeated loops shown once, with their count, if there are many."""
    if full or len(rows) <= _ROWS_UNFOLDED:
        return list(rows)
    keys = [row.key for row in rows]
    found: list[Row | str] = []
    i = 0
    while i < len(rows):
        period, times = _repetition(keys, i)
        if times < 3:
            found.append(rows[i])
            i += 1
            continue
        found += rows[i : i + period]
        last = rows[i + period * times - 1]
        steps = "step" if period == 1 else f"{period} steps"
        found.append(
            f"⋮ the same {steps} {times - 1} more times, up to {last.name} = {short(last.value)}"
        )
        i += period * times
    if len(found) > _ROWS_SHOWN:
        half = _ROWS_SHOWN // 2
        left_out = len(found) - 2 * half
        return [*found[:half], f"⋮ {left_out} rows left out; full=True shows all", *found[-half:]]
    return found


def _repetition(keys: list[Any], start: int) -> tuple[int, int]:
    """Return the period of a loop that starts here and how often it runs; (1, 1) if none does."""
    key = keys[start]
    if key is None:
        return 1, 1
    following = start + 1
    best = (1, 1)
    tried = 0
    while tried < 4:  # a key may occur several times within one round
        try:
            following = keys.index(key, following)
        except ValueError:
            return best
        period = following - start
        pattern = keys[start:following]
        times = 1
        while keys[start + times * period : start + (times + 1) * period] == pattern:
            times += 1
        if times >= 3:
            return period, times
        following += 1
        tried += 1
    return best


# ------------------------------------------------------------------ sections


def sections(explanation: Explanation, *, full: bool = False, latex: bool = False) -> list[Section]:
    """Return the tables of an explanation: one in forward mode, two in reverse mode."""
    if explanation.mode == "forward":
        return [_forward(explanation, full, latex)]
    return [_values(explanation, full, latex), _adjoints(explanation, full, latex)]


def _text_of(row: Row, what: str, latex: bool) -> str:
    if not latex:
        return str(getattr(row, what))
    found = row.latex.get(what, "")
    return f"${found}$" if found else ""


def _number(value: Any, full: bool, latex: bool) -> str:
    text = short(value, full=full)
    return f"${latex_pieces.number(text)}$" if latex else text


def _derivative_head(over: str, latex: bool) -> str:
    return rf"$\partial/\partial {latex_pieces.name(over)}$" if latex else f"∂/∂{over}"


def _forward(explanation: Explanation, full: bool, latex: bool) -> Section:
    rows: list[tuple[str, ...] | str] = []
    for row in folded(explanation.rows, full):
        if isinstance(row, str):
            rows.append(row)
            continue
        rows.append(
            (
                _text_of(row, "name", latex),
                _text_of(row, "formula", latex),
                _number(row.value, full, latex),
                _text_of(row, "tangent_rule", latex),
                _number(row.tangent, full, latex),
            )
        )
    heads = ("value", "formula", "at", "tangent rule", _derivative_head(explanation.wrt, latex))
    caption = f"{explanation.title}: forward mode, with respect to {explanation.wrt}"
    return Section(caption, heads, rows)


def _values(explanation: Explanation, full: bool, latex: bool) -> Section:
    rows: list[tuple[str, ...] | str] = []
    for row in folded(explanation.rows, full):
        if isinstance(row, str):
            rows.append(row)
            continue
        source = f"{row.line}: {row.source}" if row.source else ""
        rows.append(
            (
                _text_of(row, "name", latex),
                _text_of(row, "formula", latex),
                _number(row.value, full, latex),
                rf"\texttt{{\frenchspacing {latex_pieces.prose(source)}}}"
                if latex and source
                else source,
            )
        )
    caption = f"{explanation.title}: values, from the inputs on"
    return Section(caption, ("value", "formula", "at", "line"), rows)


def _adjoints(explanation: Explanation, full: bool, latex: bool) -> Section:
    rows: list[tuple[str, ...] | str] = []
    result = name_formula(explanation.result).latex if latex else explanation.result
    # Folded forwards, so that the same values are left out in both tables, and shown backwards.
    for row in reversed(folded(explanation.rows, full)):
        if isinstance(row, str):
            rows.append(row)
            continue
        if not row.terms and row.adjoint is None:
            continue
        if latex:
            own = row.latex["name"]
            name = rf"${latex_pieces.barred(own)} = \partial {result}/\partial {own}$"
            symbolic = " + ".join(row.latex["terms"])
            symbolic = f"${symbolic}$" if symbolic else ""
        else:
            name = f"∂{result}/∂{row.name}"
            symbolic = " + ".join(_symbolic(term, result) for term in row.terms)
        numbers = " + ".join(_numeric(term, full) for term in row.terms)
        if len(numbers) > _LONGEST_SUM and not full:
            numbers = f"{len(row.terms)} terms" if len(row.terms) > 1 else ""
        rows.append(
            (
                name,
                symbolic,
                f"${latex_pieces.sum_of_products(numbers)}$" if latex and numbers else numbers,
                _number(row.adjoint, full, latex),
            )
        )
    caption = f"{explanation.title}: adjoints, from the output back"
    return Section(caption, ("adjoint", "contributions", "in numbers", "sum"), rows)


def _symbolic(term: Term, result: str) -> str:
    upstream = f"∂{result}/∂{term.consumer}"
    if term.local == "1":
        return upstream
    loose = " " in term.local or term.local.startswith("-")
    return f"{upstream}·({term.local})" if loose else f"{upstream}·{term.local}"


def _numeric(term: Term, full: bool) -> str:
    if term.local_value is None or np.ndim(term.upstream):
        return short(term.amount, full=full)
    local = short(term.local_value)
    return f"{short(term.upstream)}·{f'({local})' if local.startswith('-') else local}"


# ------------------------------------------------------------------ text and Markdown


def to_text(explanation: Explanation, *, full: bool) -> str:
    """Return the tables as aligned plain text."""
    return "\n\n".join(section_text(section) for section in sections(explanation, full=full))


def section_text(section: Section) -> str:
    """Return one table as aligned plain text."""
    cells = [section.heads, *(row for row in section.rows if not isinstance(row, str))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(section.heads))]
    lines = [section.caption]
    for row in [section.heads, *section.rows]:
        if isinstance(row, str):
            lines.append(row)
            continue
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def to_markdown(explanation: Explanation, *, full: bool) -> str:
    """Return the tables in Markdown."""
    return "\n\n".join(section_markdown(section) for section in sections(explanation, full=full))


def section_markdown(section: Section) -> str:
    """Return one table in Markdown."""
    lines = [f"**{section.caption}**", ""]
    lines.append("| " + " | ".join(section.heads) + " |")
    lines.append("|" + " --- |" * len(section.heads))
    for row in section.rows:
        cells = (row, *("",) * (len(section.heads) - 1)) if isinstance(row, str) else row
        escaped = (_markdown_cell(cell) for cell in cells)
        lines.append("| " + " | ".join(escaped) + " |")
    return "\n".join(lines)


def _markdown_cell(cell: str) -> str:
    return re.sub(r"([*_|\\])", r"\\\1", cell)


# ------------------------------------------------------------------ LaTeX


def to_latex(explanation: Explanation, *, full: bool) -> str:
    """Return the tables as LaTeX ``tabular`` environments, which need no package."""
    blocks = []
    for section in sections(explanation, full=full, latex=True):
        columns = "l" * len(section.heads)
        lines = [
            f"% {latex_pieces.prose(section.caption)}",
            r"{\renewcommand{\arraystretch}{1.35}%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\hline",
            " & ".join(section.heads) + r" \\",
            r"\hline",
        ]
        for row in section.rows:
            if isinstance(row, str):
                text = latex_pieces.prose(row)
                lines.append(rf"\multicolumn{{{len(columns)}}}{{l}}{{{text}}} \\")
            else:
                lines.append(" & ".join(row) + r" \\")
        lines += [r"\hline", r"\end{tabular}}"]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


# ------------------------------------------------------------------ HTML


_STYLE = """
.wengert-trace{font:14px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;
 color:#16202c;background:#fff;max-width:100%;border:1px solid #c9d1db;border-radius:6px;
 margin:0 0 12px;overflow:hidden}
.wengert-trace>p{margin:0;padding:8px 10px;font-weight:600}
.wengert-trace>div{overflow-x:auto}
.wengert-trace>div:focus-visible{outline:3px solid #0b5cad;outline-offset:-3px}
.wengert-trace table{border-collapse:collapse;width:100%;margin:0;font:inherit;color:inherit}
.wengert-trace th,.wengert-trace td{text-align:left;padding:4px 10px;vertical-align:top;
 border-top:1px solid #e3e8ee;white-space:nowrap;background:none;color:inherit}
.wengert-trace thead th{font-weight:600;color:#44525f;background:#f3f6f9}
.wengert-trace tbody th{font-weight:600;color:#0b5cad}
.wengert-trace .number{text-align:right;font-variant-numeric:tabular-nums}
.wengert-trace td.folded{color:#5a6876;font-style:italic}
@media (max-width:600px){.wengert-trace{font-size:13px}.wengert-trace th,.wengert-trace td{
 padding:4px 7px}}
@media (prefers-color-scheme:dark){.wengert-trace{color:#e6ecf2;background:#131a22;
 border-color:#39465a}.wengert-trace>div:focus-visible{outline-color:#7db8f2}
 .wengert-trace thead th{color:#b6c3d1;background:#1c2632}
 .wengert-trace th,.wengert-trace td{border-color:#2a3544}
 .wengert-trace tbody th{color:#7db8f2}.wengert-trace td.folded{color:#9fb0c2}}
""".strip()


def to_html(explanation: Explanation, *, full: bool) -> str:
    """Return the tables as HTML with their own style; wide ones scroll inside their frame."""
    return sections_html(sections(explanation, full=full))


def sections_html(tables: list[Section]) -> str:
    """Return tables as HTML with their own style."""
    return "\n".join([f"<style>{_STYLE}</style>", *map(_html, tables)])


def _html(section: Section) -> str:
    caption = html.escape(section.caption)
    numbers = {i for i, head in enumerate(section.heads) if head in _NUMERIC or "∂/∂" in head}
    kinds = [' class="number"' if i in numbers else "" for i in range(len(section.heads))]
    heads = "".join(
        f'<th scope="col"{kind}>{html.escape(head)}</th>'
        for kind, head in zip(kinds, section.heads, strict=True)
    )
    body = []
    for row in section.rows:
        if isinstance(row, str):
            span = f'<td class="folded" colspan="{len(section.heads)}">'
            body.append(f"<tr>{span}{html.escape(row)}</td></tr>")
            continue
        cells = [f'<th scope="row">{html.escape(row[0])}</th>']
        cells += [
            f"<td{kind}>{html.escape(cell)}</td>"
            for kind, cell in zip(kinds[1:], row[1:], strict=True)
        ]
        body.append("<tr>" + "".join(cells) + "</tr>")
    # The caption stands outside of what scrolls, so that a narrow window shows all of it.
    return (
        f'<div class="wengert-trace"><p>{caption}</p>'
        f'<div role="region" tabindex="0" aria-label="{caption}">'
        f"<table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div></div>"
    )


# ------------------------------------------------------------------ rich


def to_rich(explanation: Explanation) -> Any:
    """Return a group of ``rich`` tables."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    tables = []
    for section in sections(explanation):
        made = Table(title=Text(section.caption), title_justify="left", title_style="bold")
        for i, head in enumerate(section.heads):
            made.add_column(head, style="cyan" if i == 0 else "")
        for row in section.rows:
            if isinstance(row, str):
                made.add_row(Text(row, style="dim italic"))
            else:
                made.add_row(*(Text(cell) for cell in row))
        tables.append(made)
    return Group(*tables)
