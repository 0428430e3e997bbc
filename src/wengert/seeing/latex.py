r"""Pieces of LaTeX for formulas and tables, which plain LaTeX, KaTeX and MathJax all typeset.

Names, numbers and code within mathematics, and text beside it; no package is needed.
"""

from __future__ import annotations

import re

_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi"),
    "omega",
)
_CAPITALS = ("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega")
_COMMANDS = frozenset((*_GREEK, *_CAPITALS))
_LETTERS = dict(
    zip("αβγδεζηθικλμνξπρστυφχψω", _GREEK, strict=True),
    **dict(zip("ΓΔΘΛΞΠΣΦΨΩ", _CAPITALS, strict=True)),
)
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ESCAPED_TEXT = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "∂": r"$\partial$", "…": r"\ldots{}", "⋮": r"$\vdots$", "·": r"$\cdot$", "×": r"$\times$",
}  # fmt: skip
_ESCAPED_CODE = {
    "\\": r"\backslash ", "~": r"\sim ", "^": r"\hat{}", " ": r"\ ", "…": r"\ldots ",
    "∂": r"\partial ", "·": r"\cdot ", "'": r"{}'",
}  # fmt: skip


def name(text: str) -> str:
    r"""Return a name: digits at its end are an index, Greek letters by their names or as they are.

    Examples
    --------
    >>> name("v12"), name("alpha"), name("x_max"), name("params['rate']")
    ('v_{12}', '\\alpha', '\\mathrm{x\\_max}', "\\mathrm{params}\\mathtt{[{}'rate{}']}")
    """
    head, bracket, rest = text.partition("[")
    if bracket and head:
        return name(head) + code(bracket + rest)
    match = re.fullmatch(r"(.+?)_?([0-9]+|[₀-₉]+)", text)
    if match:
        return f"{name(match[1])}_{{{match[2].translate(_SUBSCRIPTS)}}}"
    if text in _COMMANDS:
        return rf"\{text}"
    if text in _LETTERS:
        return rf"\{_LETTERS[text]}"
    return text if len(text) == 1 and text.isalpha() else word(text)


_LETTER_WITH_INDEX = re.compile(r"(\\?[A-Za-z]+|\\mathrm\{[^{}]*\})(_\{\d+\})?")


def raised(base: str, script: str) -> str:
    r"""Return something with a superscript, or a prime, above the index of a name.

    Examples
    --------
    >>> raised("v_{1}", "^{2}"), raised(r"\left|x\right|", "'")
    ('v_{1}^{2}', "{\\left|x\\right|}'")
    """
    return base + script if _LETTER_WITH_INDEX.fullmatch(base) else f"{{{base}}}{script}"


def barred(base: str) -> str:
    r"""Return a name under a bar, as adjoints are written: its index stands beside.

    Examples
    --------
    >>> barred("v_{1}"), barred(r"\mathrm{loss}")
    ('\\bar{v}_{1}', '\\overline{\\mathrm{loss}}')
    """
    match = _LETTER_WITH_INDEX.fullmatch(base)
    if match is None:
        return rf"\overline{{{base}}}"
    letter, index = match[1], match[2] or ""
    accent = "overline" if letter.startswith(r"\mathrm") else "bar"
    return rf"\{accent}{{{letter}}}{index}"


def word(text: str) -> str:
    """Return a word that stands upright within mathematics."""
    return rf"\mathrm{{{_escaped(text, _ESCAPED_CODE)}}}"


def code(text: str) -> str:
    """Return a piece of code within mathematics."""
    return rf"\mathtt{{{_escaped(text, _ESCAPED_CODE)}}}"


def number(text: str) -> str:
    r"""Return numbers as they were printed, powers of ten as such: ``2.5e-12``, ``[0.5, 1e+20]``.

    Examples
    --------
    >>> number("2.5e-12"), number("-inf"), number("[40,2] -1 … 1e+09")
    ('2.5 \\cdot 10^{-12}', '-\\infty ', '[40,2]\\ -1 \\ldots 10^{9}')
    """
    text = re.sub(r"(?<![\w.])1e\+?(-?)0*(\d+)", r"10^{\1\2}", text)
    text = re.sub(r"e\+?(-?)0*(\d+)", r" \\cdot 10^{\1\2}", text)
    text = re.sub(r"\binf\b", r"\\infty ", text)
    text = re.sub(r"\bnan\b", r"\\mathrm{nan}", text)
    text = re.sub(r"([a-z]+\d*)\[", r"\\mathrm{\1}[", text)  # complex128[40]
    text = re.sub(r"(\d)j", r"\1\\mathrm{j}", text)
    text = re.sub(r"\] (?=[-\d])", r"]\\ ", text)
    return text.replace("…", r"\ldots")


def sum_of_products(text: str) -> str:
    """Return a sum in numbers, such as ``2·3 + 1·(-0.5)``."""
    return re.sub(r"\s*·\s*", r" \\cdot ", number(text))


def prose(text: str) -> str:
    """Return text outside of mathematics, for pdfLaTeX too: Greek letters and indices in it."""
    made = _escaped(text, _ESCAPED_TEXT)
    return re.sub("[₀-₉]+", lambda match: f"$_{{{match[0].translate(_SUBSCRIPTS)}}}$", made)


def _escaped(text: str, table: dict[str, str]) -> str:
    def replaced(letter: str) -> str:
        if letter in table:
            return table[letter]
        if letter in _LETTERS:
            command = rf"\{_LETTERS[letter]}"
            return f"${command}$" if table is _ESCAPED_TEXT else rf"{command} "
        return "\\" + letter if letter in "&%$#_{}" else letter

    return "".join(map(replaced, text))
