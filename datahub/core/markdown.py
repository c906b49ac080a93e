"""Texts of the data in Markdown: as code, so that nothing in them is markup. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

CELL_LIMIT = 1_000
_NO_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def code(text: str, *, in_table: bool = False) -> str:
    r"""A span of code, in which nothing is a link, a mention, an image or markup.

    >>> code("a|b" + chr(10) + "<c>", in_table=True)
    '`a\\|b <c>`'
    >>> print(code("a `tick`"))
    `` a `tick` ``
    """
    text = cut(plain(text), CELL_LIMIT)
    if not text:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    span = f"{fence}{pad}{text}{pad}{fence}"
    # A bar is escaped in a table, in code too; behind a backslash of the text it would not be.
    return span.replace("\\|", "\\ |").replace("|", "\\|") if in_table else span


def cut(text: str, most: int) -> str:
    """A text in one line of at most so many characters.

    >>> cut("a long story", 9)
    'a long...'
    """
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


def folded(title: str, content: str) -> str:
    """Something that is shown when a reader asks for it; `title` is plain text of ours."""
    return f"\n<details><summary>{title}</summary>\n\n{content.strip()}\n\n</details>\n"


def plain(text: str) -> str:
    """A text without what XML, and some who read Markdown, cannot hold."""
    return _NO_XML.sub("\ufffd", text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, room: int) -> str:
    """A table of cells that are Markdown already, as far as there is room; then how many more."""
    lines = [f"| {' | '.join(row)} |\n" for row in rows]
    text = f"\n| {' | '.join(head)} |\n|{' --- |' * len(head)}\n"
    for number, line in enumerate(lines):
        rest = f"\n{len(lines) - number} more did not fit here.\n"
        if len(text) + len(line) + len(rest) > room:
            return text + rest if number else rest
        text += line
    return text
