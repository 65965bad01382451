"""The documentation as data: its pages, their tables and their blocks of code."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.rst"
PAGES = [README, *sorted(DOCS.glob("*.rst"))]
TEXTS = [*PAGES, ROOT / "CHANGELOG.rst", ROOT / "CONTRIBUTING.rst"]

_BLOCK = re.compile(r"^( *)\.\. code-block:: (\w+)\n((?:(?:\1 +.*)?\n)+)", re.MULTILINE)
_TABLE = re.compile(r"^( *)\.\. list-table::.*\n((?:(?:\1 +.*)?\n)+)", re.MULTILINE)
_MODULE = re.compile(r"# (shop/\w+\.py)\n")

Row = list[str]


def name_of(path: Path) -> str:
    return path.stem


def blocks(path: Path, language: str) -> list[str]:
    """Return the blocks of code of a page that are in a language."""
    found = _BLOCK.findall(path.read_text("utf-8") + "\n")
    return [dedent(text).strip() + "\n" for _, spoken, text in found if spoken == language]


def modules(path: Path) -> dict[str, str]:
    """Return the blocks that begin with the name of their file, by that name."""
    named = ((_MODULE.match(block), block) for block in blocks(path, "python"))
    return {match[1]: block for match, block in named if match}


def settings_blocks(path: Path) -> list[str]:
    """Return the other blocks of Python: those are settings."""
    return [block for block in blocks(path, "python") if not _MODULE.match(block)]


def table(path: Path, *header: str) -> list[Row]:
    """Return the rows of the table whose header begins like this."""
    for _, text in _TABLE.findall(path.read_text("utf-8") + "\n"):
        first, *rows = _rows(text)
        if first[: len(header)] == list(header):
            return rows
    raise LookupError(f"{path} has no table with the header {header}")


def _rows(text: str) -> Iterator[Row]:
    for row in re.split(r"^ *\* -(?: |$)", text, flags=re.MULTILINE)[1:]:
        cells = re.split(r"^ +-(?: |$)", row, flags=re.MULTILINE)
        yield [" ".join(cell.split()) for cell in cells]


def literals(text: str) -> list[str]:
    """Return what stands in double backquotes, lines joined."""
    return [" ".join(found.split()) for found in re.findall(r"``(.+?)``", text, re.DOTALL)]


def acl() -> list[str]:
    """Return the words that make a user of the server with the rights that sessions need."""
    return re.findall(r"ACL SETUSER .*", (DOCS / "storage.rst").read_text("utf-8"))[0].split()
