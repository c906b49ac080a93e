"""The project's guidelines, Markdown, as HTML that can do nothing.

HTML in it is shown as text, images are left out, links lead to http, https or mailto alone.
Label Studio's page draws no bullets and no space between paragraphs: both are put in here.
"""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.token import Token

LINKS = ("http://", "https://", "mailto:")


def as_html(markdown: str) -> str:
    r"""The guidelines as HTML; nothing for none.

    >>> as_html("Be *kind*. <script>alert(1)</script>")
    '<p>Be <em>kind</em>. &lt;script&gt;alert(1)&lt;/script&gt;</p><br>\n<hr>'
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    blocks = reader.parse(markdown)
    for before, block in zip([None, None, *blocks], blocks, strict=False):
        if block.children is not None:
            block.children = [_safe(token) for token in block.children]
            if before is not None and before.type == "list_item_open":
                block.children.insert(0, _plain(f"{before.info or '•'}{before.info and '.'} "))
    html = str(reader.renderer.render(blocks, reader.options, {}))
    return f"{html.replace('</p>', '</p><br>')}<hr>" if html else ""


def _safe(token: Token) -> Token:
    if token.type == "image":
        return _plain(token.content)
    if token.type == "link_open" and not str(token.attrs.get("href", "")).startswith(LINKS):
        token.attrs.pop("href", None)
    return token


def _plain(text: str) -> Token:
    token = Token("text", "", 0)
    token.content = text
    return token
