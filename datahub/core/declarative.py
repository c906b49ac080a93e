"""Declarative labeling functions: said once, run as polars expressions.

Each is a name and a call on a row, so it fits Snorkel's appliers; over columns it
is one polars expression. The call runs that same expression on a frame of one row:
there is one meaning, not two. A null never votes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from datahub.core.errors import LabelingFunctionError
from datahub.core.labels import ABSTAIN

_META = set("\\.+*?()|[]{}^$#&-~")


@dataclass(frozen=True)
class DeclarativeLF:
    """Vote `label` where `condition` holds, else abstain. Made by the functions below."""

    name: str
    label: int
    condition: pl.Expr = field(compare=False)
    kind: str
    spec_items: tuple[tuple[str, str], ...]
    text_columns: tuple[str, ...] = ()

    def __call__(self, x: object) -> int:
        """Vote on one row: any object with the columns as attributes."""
        row = {name: getattr(x, name) for name in self.condition.meta.root_names()}
        schema = dict.fromkeys(self.text_columns, pl.String)
        frame = pl.DataFrame({k: [v] for k, v in row.items()}, schema_overrides=schema)
        return int(frame.select(self.expression()).item())

    def expression(self) -> pl.Expr:
        """The vote as an int8 expression named after the LF."""
        held = self.condition.fill_null(value=False)
        vote = pl.when(held).then(pl.lit(self.label, pl.Int8))
        return vote.otherwise(pl.lit(ABSTAIN, pl.Int8)).alias(self.name)

    def spec(self) -> dict[str, object]:
        """Everything that decides its votes, as plain values: what a fingerprint is made of."""
        return {"kind": self.kind, "label": self.label, **dict(self.spec_items)}


def keywords(
    name: str,
    words: Sequence[str],
    label: int,
    *,
    column: str = "text",
    at_least: int = 1,
) -> DeclarativeLF:
    """Vote where at least `at_least` different ones of the words stand, whole, in any case.

    >>> from types import SimpleNamespace
    >>> lf = keywords("goal", ["goal", "free kick"], 3)
    >>> lf(SimpleNamespace(text="A Free Kick!")), lf(SimpleNamespace(text="the goalkeeper"))
    (3, -1)
    """
    given = [words] if isinstance(words, str) else list(words)
    if not given or not all(isinstance(word, str) and word.strip() for word in given):
        raise LabelingFunctionError(
            f"LF {name!r} has no words, or an empty one.", hint="Give a list of words.", lf=name
        )
    if not 1 <= at_least <= len(given):
        raise LabelingFunctionError(
            f"LF {name!r} asks for at least {at_least} of {len(given)} words.",
            hint=f"`at_least` is between 1 and {len(given)}.",
            lf=name,
        )
    text = pl.col(column).cast(pl.String)
    if at_least == 1:
        condition = text.str.contains("(?i)(?:" + "|".join(_whole(word) for word in given) + ")")
    else:
        hits = [text.str.contains("(?i)" + _whole(word)).cast(pl.Int32) for word in given]
        condition = pl.sum_horizontal(hits) >= at_least
    items = (("words", repr(given)), ("column", column), ("at_least", str(at_least)))
    return DeclarativeLF(name, _checked_label(name, label), condition, "keywords", items, (column,))


def regex(
    name: str, pattern: str, label: int, *, column: str = "text", ignore_case: bool = True
) -> DeclarativeLF:
    r"""Vote where the pattern is found (Rust's regex syntax: no look-around, no backreference).

    >>> from types import SimpleNamespace
    >>> regex("money", r"[£$]\d+", 0)(SimpleNamespace(text="worth £30m"))
    0
    """
    full = ("(?i)" if ignore_case else "") + pattern
    try:
        pl.select(pl.lit("").str.contains(full))
    except pl.exceptions.ComputeError as error:
        raise LabelingFunctionError(
            f"LF {name!r} has a pattern that cannot be run: {str(error).strip().splitlines()[-1]}",
            hint="Mend the pattern; look-around and backreferences need a Snorkel "
            "@labeling_function with Python's `re`.",
            lf=name,
        ) from error
    condition = pl.col(column).cast(pl.String).str.contains(full)
    items = (("pattern", full), ("column", column))
    return DeclarativeLF(name, _checked_label(name, label), condition, "regex", items, (column,))


def expression(name: str, condition: pl.Expr, label: int) -> DeclarativeLF:
    """Vote where a boolean polars expression over the row's columns holds.

    It is judged row by row: an expression that looks at other rows (a mean, a window) would
    vote differently on every batch, and is refused where polars can tell.

    >>> from types import SimpleNamespace
    >>> short = expression("short", pl.col("text").str.len_chars() < 10, 1)
    >>> short(SimpleNamespace(text="hi")), short(SimpleNamespace(text="a long enough text"))
    (1, -1)
    """
    if not isinstance(condition, pl.Expr) or not condition.meta.root_names():
        raise LabelingFunctionError(
            f"LF {name!r} needs a polars expression over at least one column.",
            hint='For example: expression("short", pl.col("text").str.len_chars() < 80, 1)',
            lf=name,
        )
    items = (("expression", condition.meta.serialize(format="json")),)
    return DeclarativeLF(name, _checked_label(name, label), condition, "expression", items)


def _whole(word: str) -> str:
    escaped = "".join("\\" + c if c in _META else c for c in word.strip())
    escaped = r"\s+".join(escaped.split())
    first = r"\b" if word.strip()[0].isalnum() else ""
    last = r"\b" if word.strip()[-1].isalnum() else ""
    return f"{first}{escaped}{last}"


def _checked_label(name: str, label: int) -> int:
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < 127:
        raise LabelingFunctionError(
            f"LF {name!r} votes {label!r}, which is no class.",
            hint="Classes are numbered from 0 in the order of the dataset's class names.",
            lf=name,
        )
    return int(label)
