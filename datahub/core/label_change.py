"""What a change of LFs, labels or rules does, next to how things were. Pure: values and counts.

`LabelMoves` takes in parts of two label tables, one after another; a `DatasetChange` is what a
reviewer is shown of a dataset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from datahub.core.dataset import Key
from datahub.core.labels import ABSTAIN, LabelMatrix, LFSummary
from datahub.core.scoring import Judged

KEYS_SHOWN = 10


@dataclass(frozen=True)
class Move:
    """Rows whose label went from one class to another; None: no label. The first keys of them."""

    before: str | None
    after: str | None
    rows: int
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class LFMove:
    """Rows whose label flipped and on which this LF's vote changed; the first keys of them."""

    lf: str
    rows: int
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Voted:
    """An LF's line of the LF table, its faults and its fingerprint."""

    line: LFSummary
    faults: int
    fingerprint: str


@dataclass(frozen=True)
class LFLine:
    """A line of the LF table before and after; None on the side that does not have the LF.

    `edited`: the LF is on both sides, and is not the same.
    """

    name: str
    before: LFSummary | None
    after: LFSummary | None
    faults_before: int
    faults_after: int
    edited: bool = False

    @property
    def state(self) -> str:
        """New, gone, edited or unchanged; others can change what conflicts with it all the same."""
        if self.before is None:
            return "new"
        if self.after is None:
            return "gone"
        return "edited" if self.edited else "unchanged"


@dataclass(frozen=True)
class Side:
    """How labels stand on one side: rows, labeled ones, rows by class, and how right they are."""

    rows: int
    labeled: int
    classes: Mapping[str, int]
    gold: Judged | None = None
    audit: Judged | None = None

    @property
    def coverage(self) -> float:
        """Share of rows with a label."""
        return self.labeled / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class DatasetChange:
    """What a change does to one dataset.

    `ran` says which steps were made for it here. `compared` rows have a label on both sides;
    `flipped` of them another one. Labels that changed because a person answered are `answered`,
    and are neither flips nor moves. `by_people` labels were people's, and are other now.
    """

    dataset: str
    ran: tuple[str, ...]
    lfs: tuple[LFLine, ...]
    before: Side
    after: Side
    compared: int
    flipped: int
    gained: int
    lost: int
    by_people: int
    answered: int
    moves: tuple[Move, ...]
    lf_moves: tuple[LFMove, ...]

    @property
    def flip_rate(self) -> float:
        """Share of the rows labeled on both sides whose label is another."""
        return self.flipped / self.compared if self.compared else 0.0


@dataclass
class LabelMoves:
    """Counts over parts of two label tables."""

    compared: int = 0
    flipped: int = 0
    gained: int = 0
    lost: int = 0
    by_people: int = 0
    answered: int = 0
    _pairs: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    _keys: dict[object, list[Key]] = field(default_factory=dict)
    _lfs: Counter[str] = field(default_factory=Counter)

    def add(self, before: pl.DataFrame, after: pl.DataFrame, key: str) -> pl.Series:
        """Take in lines of the same rows, [key, label, source]; the keys of those that flipped."""
        pairs = after.select(key, after="label", by="source").join(
            before.select(key, before="label", source="source"), on=key, how="left"
        )
        old, new = pl.col("before"), pl.col("after")
        differences = pairs.filter(old.ne_missing(new)).sort(key)
        moves = differences.filter(pl.col("by").ne_missing("annotation"))
        self.answered += differences.height - moves.height
        flips = moves.filter(old.is_not_null() & new.is_not_null())
        self.compared += pairs.filter(old.is_not_null() & new.is_not_null()).height
        self.flipped += flips.height
        self.gained += moves.filter(old.is_null()).height
        self.lost += moves.filter(new.is_null()).height
        self.by_people += moves.filter(pl.col("source") == "annotation").height
        groups = moves.group_by("before", "after").agg(pl.len(), keys=pl.col(key).head(KEYS_SHOWN))
        for was, now, count, keys in groups.iter_rows():
            self._pairs[was, now] += count
            self._note((was, now), keys)
        return flips[key]

    def add_votes(
        self,
        keys: Sequence[Key],
        before: Mapping[str, LabelMatrix],
        after: Mapping[str, LabelMatrix],
    ) -> None:
        """Take in the votes on rows that flipped, by LF; an LF that is not there abstains."""
        for name in [*after, *(name for name in before if name not in after)]:
            abstains = np.full(len(keys), ABSTAIN, dtype=np.int8)
            places = np.nonzero(before.get(name, abstains) != after.get(name, abstains))[0]
            if len(places):
                self._lfs[name] += len(places)
                self._note(name, [keys[place] for place in places[:KEYS_SHOWN]])

    @property
    def moves(self) -> tuple[Move, ...]:
        """What went where, the most rows first."""
        pairs = sorted(self._pairs.items(), key=lambda pair: (-pair[1], str(pair[0])))
        return tuple(Move(*pair, n, tuple(self._keys[pair])) for pair, n in pairs)

    @property
    def lf_moves(self) -> tuple[LFMove, ...]:
        """LFs whose votes changed where labels did, the most rows first."""
        lfs = sorted(self._lfs.items(), key=lambda pair: (-pair[1], pair[0]))
        return tuple(LFMove(name, n, tuple(self._keys[name])) for name, n in lfs)

    def _note(self, about: object, keys: Sequence[Key]) -> None:
        examples = self._keys.setdefault(about, [])
        examples += keys[: KEYS_SHOWN - len(examples)]


def lf_lines(before: Sequence[Voted], after: Sequence[Voted]) -> tuple[LFLine, ...]:
    """Two LF tables as one: the new one's order, then what is gone."""
    old = {entry.line.name: entry for entry in before}
    new = {entry.line.name: entry for entry in after}
    lines = []
    for name in [*new, *(name for name in old if name not in new)]:
        was, now = old.get(name), new.get(name)
        lines.append(
            LFLine(
                name,
                was.line if was else None,
                now.line if now else None,
                was.faults if was else 0,
                now.faults if now else 0,
                edited=was is not None and now is not None and was.fingerprint != now.fingerprint,
            )
        )
    return tuple(lines)
