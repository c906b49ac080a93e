"""What kind of thing a field is, so that it is shown as one: text, title, code, image or date.

A kind that the settings name goes before what the values look like. Values of fields are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

KINDS = ("text", "title", "code", "image", "date")
TITLES = frozenset(("title", "headline", "heading", "subject"))
CODES = frozenset(("code", "source_code", "snippet", "diff", "patch"))
INDENT_SHARE = 0.25  # of the lines of a text: it is code
LONGEST_IMAGE = 1_000_000  # characters of an image that is in the row itself

_IMAGE_DATA = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_IMAGE_FILE = re.compile(r"\.(png|jpe?g|gif|webp|bmp|avif)$", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d.*)?")


def kinds_of(
    rows: Sequence[Mapping[str, str]], settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Field -> kind, by all rows that are shown together.

    >>> kinds_of([{"body": "Hello", "sent": "2026-11-30 08:15:00", "Subject": "Re: x"}])
    {'body': 'text', 'sent': 'date', 'Subject': 'title'}
    """
    names = dict.fromkeys(name for row in rows for name in row)
    values = {name: [row[name] for row in rows if row.get(name)] for name in names}
    return {name: (settings or {}).get(name) or _kind(name, values[name]) for name in names}


def _kind(name: str, values: Sequence[str]) -> str:
    if values and all(is_image(value) and _looks_an_image(value) for value in values):
        return "image"
    if values and all(_DATE.fullmatch(value) for value in values):
        return "date"
    if name.casefold() in TITLES:
        return "title"
    return "code" if name.casefold() in CODES or _is_indented(values) else "text"


def is_image(value: str) -> bool:
    """Whether a browser may be given this as an image: http, https, or an image in itself.

    >>> [is_image(v) for v in ("https://x.org/a", "javascript:alert(1)", "data:text/html,x")]
    [True, False, False]
    """
    if value.startswith("data:"):
        return len(value) <= LONGEST_IMAGE and _IMAGE_DATA.fullmatch(value) is not None
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    plain = value.isprintable() and " " not in value
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def shown_date(value: str) -> str:
    """A date as people write it; what is none stays as it is.

    >>> shown_date("2026-11-30 08:15:00+00:00"), shown_date("2026-11-30"), shown_date("soon")
    ('30 November 2026, 08:15 UTC', '30 November 2026', 'soon')
    """
    if not _DATE.fullmatch(value):
        return value
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return value
    day = f"{time.day} {MONTHS[time.month - 1]} {time.year}"
    if len(value) == len("2026-11-30"):
        return day
    exact = time.isoformat(sep=" ")[11:].partition("+")[0].removesuffix(":00")
    zone = time.strftime("%Z") if time.tzinfo else ""
    return f"{day}, {exact if time.tzinfo is None else time.strftime('%H:%M')}{zone and ' ' + zone}"


MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def _looks_an_image(value: str) -> bool:
    return value.startswith("data:") or bool(_IMAGE_FILE.search(urlsplit(value).path))


def _is_indented(values: Iterable[str]) -> bool:
    lines = [line for value in values for line in value.splitlines() if line.strip()]
    count = sum(line.startswith(("  ", "\t")) for line in lines)
    return len(lines) > 1 and count >= INDENT_SHARE * len(lines)
