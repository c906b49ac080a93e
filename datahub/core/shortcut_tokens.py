"""Words that give a label away: in texts of one class far more often than chance has it. Pure.

A label model learns what LFs look for, so their words are left out. A new word of this kind is a
trace of how data came (a signature, a template), which an end model takes for the class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import polars as pl

LEAST_Z, LEAST_LIFT, LEAST_ROWS = 5.0, 3.0, 50
MOST_TOKENS = 3_000  # of a part
Counts = Mapping[str, Mapping[str, int]]  # token -> class -> rows


@dataclass(frozen=True)
class Shortcut:
    """A token of a class: `rows` have it, `share` of them are of the class, `lift` times as many.

    `z` says by how many standard deviations that is more than chance.
    """

    token: str
    label: str
    rows: int
    share: float
    lift: float
    z: float


def count_tokens(texts: pl.Series, labels: pl.Series) -> dict[str, Any]:
    """How many rows of each class have a token, of the tokens that most rows have; JSON's values.

    Rows without a label are left out.
    """
    frame = pl.DataFrame({"text": texts.cast(pl.String), "label": labels.cast(pl.String)})
    frame = frame.filter(pl.col("label").is_not_null())
    words = pl.col("text").fill_null("").str.to_lowercase().str.extract_all(r"\w{2,30}")
    tokens = frame.with_columns(token=words.list.unique()).explode("token").drop_nulls("token")
    often = tokens.group_by("token").len().sort("len", "token", descending=[True, False])
    kept = tokens.join(often.head(MOST_TOKENS), on="token", how="semi")
    counts: dict[str, dict[str, int]] = {}
    for token, label, rows in kept.group_by("token", "label").len().iter_rows():
        counts.setdefault(token, {})[label] = rows
    return {"labels": dict(frame["label"].value_counts().iter_rows()), "tokens": counts}


def added(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of parts as those of a table."""
    labels, tokens = Counter[str](), dict[str, Counter[str]]()
    for part in parts:
        labels.update(part["labels"])
        for token, counts in part["tokens"].items():
            tokens.setdefault(token, Counter()).update(counts)
    return {"labels": labels, "tokens": tokens}


def shortcuts(table: Mapping[str, Any], *, leave_out: Collection[str]) -> list[Shortcut]:
    """Tokens with z > LEAST_Z after Holm's correction, lift and rows enough; the clearest first."""
    labels: Mapping[str, int] = table["labels"]
    total = sum(labels.values())
    tested = []
    for token, counts in table["tokens"].items():
        rows = sum(counts.values())
        if rows < LEAST_ROWS or token in leave_out:
            continue
        for label, count in counts.items():
            share = labels[label] / total
            spread = (rows * share * (1 - share)) ** 0.5
            if spread:
                lift, z = count / rows / share, (count - rows * share) / spread
                tested.append(Shortcut(token, label, rows, count / rows, lift, z))
    tested.sort(key=lambda one: (-one.z, one.token))
    return [one for one in _holm(tested) if one.lift >= LEAST_LIFT]


def _holm(tested: Sequence[Shortcut]) -> list[Shortcut]:
    risk = NormalDist().cdf(-LEAST_Z)
    kept = []
    for number, one in enumerate(tested):
        if one.z <= -NormalDist().inv_cdf(risk / (len(tested) - number)):
            break
        kept.append(one)
    return kept
