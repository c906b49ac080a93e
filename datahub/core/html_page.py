"""One offline page: no script, nothing from elsewhere, and texts of the data as text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from datahub.core.markdown import plain

_CODE = re.compile(r"(`+) ?(.*?) ?\1(?!`)", re.DOTALL)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; --odd: #9a6700; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.state { border-radius: 1rem; color: #fff; display: inline-block; padding: 0 .8rem; }
.passed, .unchanged { background: var(--good); } .refused { background: var(--bad); }
.odd { background: var(--odd); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; }
td { min-width: 5.5rem; overflow-wrap: anywhere; vertical-align: top; } th { white-space: nowrap; }
code { background: #8882; border-radius: .2rem; padding: 0 .2rem; unicode-bidi: isolate; }
summary { cursor: pointer; font-weight: 600; margin: .6rem 0; }
"""


def page(title: str, state: str, content: Iterable[str]) -> str:
    """A whole document. `title` and `state` are text, `content` is HTML."""
    kind = state if state in ("passed", "unchanged", "refused") else "odd"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}: {text(state)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{text(title)} <span class="state {kind}">{text(state)}</span></h1>\n'
        + "".join(content)
        + "</body>\n</html>\n"
    )


def text(content: str) -> str:
    """Text as it is.

    >>> text('<b> & "c"')
    '&lt;b&gt; &amp; &quot;c&quot;'
    """
    return escape(plain(content))


def inline(markdown: str) -> str:
    r"""A line of our Markdown, whose only markup is code.

    >>> inline("`a\\|b` flips <i>")
    '<code>a|b</code> flips &lt;i&gt;'
    """
    pieces, start = [], 0
    for match in _CODE.finditer(markdown):
        pieces.append(text(markdown[start : match.start()]))
        pieces.append(f"<code>{text(match[2].replace(chr(92) + '|', '|'))}</code>")
        start = match.end()
    return "".join([*pieces, text(markdown[start:])])


def bullets(lines: Iterable[str]) -> str:
    """A list of lines of HTML; nothing where there is none."""
    items = "".join(f"<li>{line}</li>\n" for line in lines)
    return f"<ul>\n{items}</ul>\n" if items else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells of HTML; nothing where there is no row."""
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    if not lines:
        return ""
    names = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    body = "".join(f"<tr>{line}</tr>\n" for line in lines)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{names}</tr></thead>\n'
        f"<tbody>\n{body}</tbody>\n</table></div>\n"
    )


def folded(title: str, content: str) -> str:
    """Something that is shown when a reader asks for it; nothing where there is nothing."""
    summary = f"<summary>{text(title)}</summary>"
    return f"<details>{summary}\n{content}</details>\n" if content else ""
