r"""Six patterns of personal data in texts. Pure: polars expressions, and one text at a time.

    >>> kinds_in("write to ann@example.org or 192.168.0.1")
    ['email', 'ip']

A pattern finds what looks like it, and nothing says whose it is: names and addresses have none.
Numbers of cards and accounts must have right check digits, so that keys and counts are none.
"""

from __future__ import annotations

import re

import polars as pl

PATTERNS = {
    "email": r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b",
    "phone": r"(?:\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}|\(\d{3}\) ?\d{3}-\d{4})\b",
    "card": r"\b\d(?:[ -]?\d){12,18}\b",
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
    "ip": r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b",
    "ssn": r"\b\d{3}-\d{2}-\d{4}\b",  # of the United States
}
_COMPILED = {kind: re.compile(pattern, re.ASCII) for kind, pattern in PATTERNS.items()}
_HIDDEN = ("email", "card", "iban", "ssn")  # in reports, where numbers of versions stay readable


def kinds_in(text: str) -> list[str]:
    """The kinds of personal data in a text."""
    return [kind for kind in PATTERNS if any(_matches(kind, text))]


def masked(text: str) -> str:
    """A text for a report that others read, without what identifies a person.

    >>> masked('e.g. "ann@example.org", 4111 1111 1111 1111')
    'e.g. "[email]", [card]'
    """
    for kind in _HIDDEN:
        for found in dict.fromkeys(_matches(kind, text)):
            text = text.replace(found, f"[{kind}]")
    return text


def rows_with(texts: pl.Series) -> dict[str, list[int]]:
    """Kind -> places of the rows that have it."""
    places = {}
    for kind, pattern in PATTERNS.items():
        rows = texts.str.contains(_for_polars(pattern)).fill_null(value=False).arg_true().to_list()
        if kind in _CHECKED:
            rows = [row for row in rows if any(_matches(kind, texts[row]))]
        places[kind] = rows
    return places


def _matches(kind: str, text: str) -> list[str]:
    found = [match[0] for match in _COMPILED[kind].finditer(text)]
    return [one for one in found if kind not in _CHECKED or _CHECKED[kind](one)]


def _for_polars(pattern: str) -> str:
    r"""The same in polars' regexes, which take \d and \b for those of all scripts."""
    return pattern.replace(r"\d", "[0-9]").replace(r"\b", r"(?-u:\b)")


def _luhn(text: str) -> bool:
    """Luhn's check digit (ISO/IEC 7812).

    >>> _luhn("4111 1111 1111 1111"), _luhn("4111 1111 1111 1112"), _luhn("0" * 16)
    (True, False, False)
    """
    digits = [int(digit) for digit in text if digit.isdigit()]
    doubled = [(2 * digit - 9 if digit > 4 else 2 * digit) for digit in digits[-2::-2]]
    return any(digits) and (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _mod_97(text: str) -> bool:
    """The check digits of an account (ISO 13616).

    >>> _mod_97("GB82 WEST 1234 5698 7654 32"), _mod_97("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    word = text.replace(" ", "")
    return int("".join(str(int(letter, 36)) for letter in word[4:] + word[:4])) % 97 == 1


_CHECKED = {"card": _luhn, "iban": _mod_97}
