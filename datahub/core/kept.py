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
from datahub.core.rowmerge import compare, fitted

NEW = "new"  # the status of a row that came or changed since labels were made
REASON = "the row came or changed since the labels were made"
FIT = "`datahub lf run`, then `datahub label fit`"  # what gives them a label
_LISTS = ("lfs", "annotations")
_OF_THEIRS = " of theirs"


def same_meaning(old: Dataset, new: Dataset) -> bool:
    """Whether a row of the one can be a row of the other: a new column is part of every row."""
    names = [set(known.content_columns) for known in (old, new)]
    return old.key == new.key and names[0] == names[1] and old.classes == new.classes


def lines_of(keys: pl.Series, kept: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One line of labels for each key, by key: that of `kept`, or one without a label.

    `kept` are lines with different keys; there is at least one frame, which says the columns.

    >>> old = pl.DataFrame({"id": [1], "label": ["ham"], "status": ["accepted"]})
    >>> lines_of(pl.Series("id", [1, 2]), [old]).rows()
    [(1, 'ham', 'accepted'), (2, None, 'new')]
    """
    lines = pl.concat(list(kept))
    missing = keys.filter(~keys.is_in(lines[keys.name].implode()))
    told = {"status": pl.lit(NEW), "reason": pl.lit(REASON)}
    told |= {name: pl.lit([], pl.List(pl.String)) for name in _LISTS}
    said = [value.alias(name) for name, value in told.items() if name in lines.columns]
    new = fitted(missing.to_frame().with_columns(said), lines.schema)
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
    told = pl.col("status") != NEW
    base, ours, theirs = (lines.filter(told) for lines in (base, ours, theirs))
    alone = theirs.join(ours, on=key, how="anti")
    differ = compare(ours, theirs, key=key).after[key].implode()
    mine, other = (compare(base, side, key=key).touched.implode() for side in (ours, theirs))
    both = pl.col(key).is_in(differ) & pl.col(key).is_in(mine) & pl.col(key).is_in(other)
    apart = ours.filter(both).join(theirs, on=key, suffix=_OF_THEIRS)
    apart = apart.filter(pl.col("label").ne_missing(pl.col(f"label{_OF_THEIRS}")))
    mine_said, other_said = (
        pl.col(name).eq_missing("annotation") for name in ("source", f"source{_OF_THEIRS}")
    )
    people = apart.filter(other_said & ~mine_said)[key].implode()
    nobody = apart.filter(mine_said == other_said)[key]
    taken = (pl.col(key).is_in(differ) & ~pl.col(key).is_in(mine)) | pl.col(key).is_in(people)
    kept = ours.filter(~taken & ~pl.col(key).is_in(nobody.implode()))
    alone_or_taken = taken | pl.col(key).is_in(alone[key].implode())
    return pl.concat([kept, theirs.filter(alone_or_taken)]), nobody.len()


def decided(
    lines: pl.DataFrame, asked: Sequence[Key], decisions: Mapping[Key, Decision], *, key: str
) -> pl.DataFrame:
    """The lines with what people decided of the `asked` rows in them.

    What a person had said and nobody says any more is no label.
    """
    empty = dict.fromkeys(lines.columns) | {"status": NEW, "reason": REASON}
    empty |= {name: [] for name in _LISTS}
    there = lines.filter(pl.col(key).is_in(list(asked)))
    held = {line[key]: line for line in there.iter_rows(named=True)}
    told = [
        _line(held.get(one, empty | {key: one}), empty | {key: one}, decisions.get(one))
        for one in asked
    ]
    news = [{name: line[name] for name in lines.columns} for line in told]
    rest = lines.filter(~pl.col(key).is_in(list(asked)))
    return pl.concat([rest, pl.DataFrame(news, schema=lines.schema)]).sort(key)


def _line(
    line: Mapping[str, Any], empty: Mapping[str, Any], decision: Decision | None
) -> Mapping[str, Any]:
    by: dict[str, Any] = {"annotations": list(decision.by)} if decision else {}
    if decision is not None and decision.label is not None:
        said = {"label": decision.label, "status": "annotated", "source": "annotation"}
        share = len(decision.by) / decision.annotators
        return {**line, **said, **by, "outcome": "accept", "confidence": share, "reason": None}
    if line["source"] == "annotation":
        line = empty
    if decision is None:
        return line
    if decision.outcome == "tie":
        by |= {"status": "open"}
    return {**line, **by, "outcome": "more", "reason": PEOPLE[decision.outcome]}
