"""Run the examples of the gallery and write their pages: text, picture and source, one a page.

MkDocs runs this while it builds the documentation (plugin gen-files).
"""

import ast
import io
import runpy
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "gallery"


def described(path: Path) -> tuple[str, str]:
    """Return title and text of an example: the first line and the rest of its docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem
    title, _, rest = text.partition("\n")
    return title.rstrip("."), rest.strip()


def build() -> None:
    """Write a page and a picture for each example, and the index, into the documentation."""
    import mkdocs_gen_files

    index = ["# Gallery", "", "Each example runs when this documentation is built.", ""]
    for path in sorted(EXAMPLES.glob("*.py")):
        title, text = described(path)
        buffer = io.BytesIO()
        runpy.run_path(str(path))["picture"]().savefig(buffer, format="png", dpi=110)
        with mkdocs_gen_files.open(f"gallery/{path.stem}.png", "wb") as picture:
            picture.write(buffer.getvalue())
        source = path.read_text(encoding="utf-8").split('"""', 2)[2].strip()
        page = f"# {title}\n\n{text}\n\n![{title}]({path.stem}.png)\n\n```py\n{source}\n```\n"
        with mkdocs_gen_files.open(f"gallery/{path.stem}.md", "w") as written:
            written.write(page)
        index += [
            f"## [{title}]({path.stem}.md)",
            "",
            text,
            "",
            f"[![{title}]({path.stem}.png)]({path.stem}.md)",
            "",
        ]
    with mkdocs_gen_files.open("gallery/index.md", "w") as written:
        written.write("\n".join(index))


build()
