"""Final labels over a change of the rows: a row that is as it was keeps its line, others have none.

A row without a label still has a line, with no label and the status `new`, so that a table of
labels is always one line a row. `label fit` gives those rows a label. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.relabel import PEOPLE, Decision
from datahub.core.rowmerge import compare, conform

NEW = "new"  # the status of a row that came or changed since labels were made
REASON = "the row came or changed since the labels were made"
FIT = "`datahub lf run`, then `datahub label fit`"  # what gives them a label
_LISTS = ("lfs", "annotations")
_OF_THEIRS = " of theirs"


def same_meaning(old: Dataset, new: Dataset) -> bool:
    """Whether a row of the one can be a row of the other: a new column is part of every row."""
    names = [set(dataset.content_columns) for dataset in (old, new)]
    return old.key == new.key and names[0] == names[1] and old.classes == new.classes


def lines_of(keys: pl.Series, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One line of labels for each key, by key: that of `frames`, or one without a label.

    `frames` are lines with different keys; there is at least one frame, which says the columns.

    >>> old = pl.DataFrame({"id": [1], "label": ["ham"], "status": ["accepted"]})
    >>> lines_of(pl.Series("id", [1, 2]), [old]).rows()
    [(1, 'ham', 'accepted'), (2, None, 'new')]
    """
    lines = pl.concat(list(frames))
    missing = keys.filter(~keys.is_in(lines[keys.name].implode()))
    defaults = {"status": pl.lit(NEW), "reason": pl.lit(REASON)}
    defaults |= {name: pl.lit([], pl.List(pl.String)) for name in _LISTS}
    columns = [value.alias(name) for name, value in defaults.items() if name in lines.columns]
    new = conform(missing.to_frame().with_columns(columns), lines.schema)
    return pl.concat([lines, new]).sort(keys.name)


def new_lines(lines: pl.DataFrame) -> int:
    """How many of these lines are without a label yet."""
    return int((lines["status"] == NEW).sum())


def three_way(
    base: pl.DataFrame, ours: pl.DataFrame, theirs: pl.DataFrame, *, key: str
) -> tuple[pl.DataFrame, int]:
    """Lines of both sides' labels, and on how many rows both moved the label, to two others.

    Of those rows there is no line: no side's model goes before the other's. A person's label does.

    >>> line = {"id": [1], "label": ["ham"], "status": ["accepted"], "source": ["label_model"]}
    >>> base = pl.DataFrame(line)
    >>> three_way(base, base, base.with_columns(label=pl.lit("spam")), key="id")[0]["label"][0]
    'spam'
    """
    has_status = pl.col("status") != NEW
    base, ours, theirs = (lines.filter(has_status) for lines in (base, ours, theirs))
    alone = theirs.join(ours, on=key, how="anti")
    differ = compare(ours, theirs, key=key).after[key].implode()
    our_keys, their_keys = (
        compare(base, side, key=key).changed_keys.implode() for side in (ours, theirs)
    )
    clashes = (
        pl.col(key).is_in(differ) & pl.col(key).is_in(our_keys) & pl.col(key).is_in(their_keys)
    )
    apart = ours.filter(clashes).join(theirs, on=key, suffix=_OF_THEIRS)
    apart = apart.filter(pl.col("label").ne_missing(pl.col(f"label{_OF_THEIRS}")))
    ours_by_person, theirs_by_person = (
        pl.col(name).eq_missing("annotation") for name in ("source", f"source{_OF_THEIRS}")
    )
    people = apart.filter(theirs_by_person & ~ours_by_person)[key].implode()
    no_person = apart.filter(ours_by_person == theirs_by_person)[key]
    theirs_wins = (pl.col(key).is_in(differ) & ~pl.col(key).is_in(our_keys)) | pl.col(key).is_in(
        people
    )
    our_lines = ours.filter(~theirs_wins & ~pl.col(key).is_in(no_person.implode()))
    from_theirs = theirs_wins | pl.col(key).is_in(alone[key].implode())
    return pl.concat([our_lines, theirs.filter(from_theirs)]), no_person.len()


def apply_decisions(
    lines: pl.DataFrame, keys: Sequence[Key], decisions: Mapping[Key, Decision], *, key: str
) -> pl.DataFrame:
    """The lines with what people decided of the `keys` rows in them.

    What a person had said and nobody says any more is no label.
    """
    empty = dict.fromkeys(lines.columns) | {"status": NEW, "reason": REASON}
    empty |= {name: [] for name in _LISTS}
    old_lines = lines.filter(pl.col(key).is_in(list(keys)))
    by_key = {line[key]: line for line in old_lines.iter_rows(named=True)}
    updates = [
        _line(
            by_key.get(row_key, empty | {key: row_key}),
            empty | {key: row_key},
            decisions.get(row_key),
        )
        for row_key in keys
    ]
    news = [{name: line[name] for name in lines.columns} for line in updates]
    rest = lines.filter(~pl.col(key).is_in(list(keys)))
    return pl.concat([rest, pl.DataFrame(news, schema=lines.schema)]).sort(key)


def _line(
    line: Mapping[str, Any], empty: Mapping[str, Any], decision: Decision | None
) -> Mapping[str, Any]:
    by: dict[str, Any] = {"annotations": list(decision.by)} if decision else {}
    if decision is not None and decision.label is not None:
        values = {"label": decision.label, "status": "annotated", "source": "annotation"}
        share = len(decision.by) / decision.annotators
        return {**line, **values, **by, "outcome": "accept", "confidence": share, "reason": None}
    if line["source"] == "annotation":
        line = empty
    if decision is None:
        return line
    if decision.outcome == "tie":
        by |= {"status": "open"}
    return {**line, **by, "outcome": "more", "reason": PEOPLE[decision.outcome]}
