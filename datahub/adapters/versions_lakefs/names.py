"""Names: ours hold '.' and '/', lakeFS's hold neither.

`relabel/round-2` is `relabel__2Fround-2` there; a plain name stays as it is. Names that begin
with `_datahub-` are temporary branches, and no branch of ours.
"""

from __future__ import annotations

import re

TEMPORARY = "_datahub-"
_SIGNS = {"/": "__2F", ".": "__2E"}
_PLAIN = {code: sign for sign, code in _SIGNS.items()} | {"__5F": "_"}


def encode(name: str) -> str:
    """The name that lakeFS knows.

    >>> encode("relabel/round-2"), encode("v1.0"), encode("a__2F")
    ('relabel__2Fround-2', 'v1__2E0', 'a__5F_2F')
    """
    name = re.sub(r"_(?=_(?:2F|2E|5F))", "__5F", name)
    return re.sub(r"[/.]", lambda sign: _SIGNS[sign[0]], name)


def decode(name: str) -> str:
    """The name that we know.

    >>> decode("relabel__2Fround-2"), decode(encode("a__2F"))
    ('relabel/round-2', 'a__2F')
    """
    return re.sub(r"__(?:2F|2E|5F)", lambda code: _PLAIN[code[0]], name)
