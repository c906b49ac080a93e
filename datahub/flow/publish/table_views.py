"""What expectations about tables ask of a merge: measured a part at a time, and kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from datahub.core.column_drift import Sketch, merged, sketch_part
from datahub.core.dataset import Part
from datahub.core.errors import GateError
from datahub.core.layout import LF_FOLDER
from datahub.core.near_duplicates import BANDS, Hashes, shared, text_hashes, together
from datahub.core.personal_data import rows_with
from datahub.core.shortcut_tokens import added, count_tokens
from datahub.core.table_view import Overlap, Personal, Slice
from datahub.core.text_drift import Mean, mean_features
from datahub.flow.dataset.annotations import answers_of
from datahub.flow.dataset.at import At
from datahub.flow.publish.slices import in_slice
from datahub.ports import PartProfiles

VERSION = 2  # of what measures mean: higher where any of them answers otherwise
_KEYS = 20
_WORD = r"\w{2,30}"


@dataclass(frozen=True)
class Measures:
    """Measures of the parts of a table at a commit; of a part that is patched none is kept."""

    at: At
    table: str
    profiles: PartProfiles | None

    def of(
        self,
        asked: Sequence[Any],
        columns: Sequence[str],
        compute: Callable[[Part, pl.DataFrame], bytes],
        parts: Sequence[Part] | None = None,
        *,
        only: Slice = None,
    ) -> Iterator[bytes]:
        """What `compute` says of these columns of each part's rows; `asked` names it."""
        text = json.dumps([VERSION, pl.__version__, self.table, *asked, columns, only])
        for part in self.at.dataset.parts if parts is None else parts:
            oid = self.at.oid(self.table, part)
            if oid is None:
                continue
            is_kept = self.table != "labels" or not self.at.patches.touch(part)
            place = f"{part.sha256}/{oid}"
            kept = self.profiles.read(place, text) if self.profiles and is_kept else None
            if kept is None:
                kept = compute(part, self._frame(part, columns, only))
                if self.profiles and is_kept:
                    self.profiles.keep(place, text, kept)
            yield kept

    def _frame(self, part: Part, columns: Sequence[str], only: Slice) -> pl.DataFrame:
        key = self.at.key
        frame = self.at.part(self.table, part, list(dict.fromkeys([key, *columns])))
        assert frame is not None  # its object is there
        return frame if only is None else in_slice(frame, self.at, part, only)


class MergeView:
    """A table of a merge, next to what it is compared with."""

    def __init__(
        self, before: At, after: At, table: str, profiles: PartProfiles | None = None
    ) -> None:
        self.dataset = after.name
        self._before, self._after = before, after
        self._sides = [Measures(at, table, profiles) for at in (before, after)]
        self._rows = [Measures(at, "rows", profiles) for at in (before, after)]

    def sketches(self, column: str, only: Slice, *, new: bool) -> tuple[Sketch, Sketch] | None:
        """Before and after (or of new parts alone); None where either has nothing."""
        if column not in _columns(self._after, self._sides[1].table):
            raise GateError(f"The table of {self.dataset!r} has no column {column!r}.")
        parts = self._new_parts() if new else self._after.dataset.parts
        if not parts:
            return None
        before = sketch_of(self._sides[0], column, only)
        after = sketch_of(self._sides[1], column, only, parts)
        return None if before is None or after is None else (before, after)

    def _new_parts(self) -> Sequence[Part]:
        old = self._before.dataset.parts if self._before.exists else ()
        known = {part.sha256 for part in old}
        return [part for part in self._after.dataset.parts if part.sha256 not in known]

    def labels(self, only: Slice) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Rows of each class: of those that were there before, and of those that are new."""
        key, counts = self._after.key, (Counter[str](), Counter[str]())
        if not self._after.has("labels"):
            raise GateError(f"{self.dataset!r} has no labels in this merge.")
        for part, lines in self._after.parts("labels", columns=[key, "label"]):
            frame = lines if only is None else in_slice(lines, self._after, part, only)
            is_new = ~self._was_there(part, frame[key])
            counts[1].update(frame.filter(is_new)["label"].drop_nulls().to_list())
        if self._before.exists and self._before.has("labels"):
            for part, lines in self._before.parts("labels", columns=[key, "label"]):
                frame = lines if only is None else in_slice(lines, self._before, part, only)
                counts[0].update(frame["label"].drop_nulls().to_list())
        return counts

    def overlaps(self, split: str, text: str | None) -> Sequence[Overlap]:
        """Each split but the largest, against all the others."""
        name = self._text(text)
        rows = self._rows[1]
        _check_columns(rows.at, "rows", [split, name])

        def compute(part: Part, frame: pl.DataFrame) -> bytes:
            return text_hashes(frame[name]).tobytes()

        found = rows.of(["texts"], [name], compute)
        hashes = together([np.frombuffer(one, np.uint64).reshape(1 + BANDS, -1) for one in found])
        columns = [self._after.key, split]
        frames = [frame for _, frame in self._after.parts("rows", columns=columns)]
        table = pl.concat(frames) if frames else pl.DataFrame(schema=columns)
        splits = table[split].cast(pl.String).fill_null("").to_numpy()
        names = [str(value) for value, _ in Counter(splits.tolist()).most_common()]
        if len(names) < 2:
            raise GateError(f"Column {split!r} of {self.dataset!r} has one value, so no splits.")
        return [self._overlap(one, splits == one, hashes, table) for one in names[1:]]

    def _overlap(self, name: str, is_in: Any, hashes: Hashes, table: pl.DataFrame) -> Overlap:
        exact, near = shared(hashes[:, is_in], hashes[:, ~is_in])
        own = table[self._after.key].filter(pl.Series(is_in))
        keys = [*own.filter(pl.Series(exact)), *own.filter(pl.Series(near & ~exact)).head(_KEYS)]
        told = tuple(map(str, keys[:_KEYS]))
        return Overlap(name, int(is_in.sum()), int(exact.sum()), int(near.sum()), told)

    def personal(self, columns: Sequence[str] | None) -> Sequence[Personal]:
        """Of columns of texts; None: all of them."""
        side = self._sides[1]
        names = columns or [
            name
            for name, kind in side.at.dataset.columns
            if kind == "String" and (name != side.at.key or not side.at.dataset.key_made)
        ]
        if side.table == "rows":
            _check_columns(side.at, "rows", names)
        key = side.at.key
        found: dict[tuple[str, str], list[Any]] = {}
        for name in names:

            def compute(part: Part, frame: pl.DataFrame, name: str = name) -> bytes:
                places = rows_with(frame[name].cast(pl.String))
                counts = {
                    kind: [len(rows), [str(frame[key][row]) for row in rows[:_KEYS]]]
                    for kind, rows in places.items()
                }
                return json.dumps(counts).encode()

            for content in side.of(["personal data"], [name], compute):
                for kind, (count, keys) in json.loads(content).items():
                    total = found.setdefault((name, kind), [0, []])
                    total[0] += count
                    total[1] += keys
        return [
            Personal(name, kind, count, tuple(keys[:_KEYS]))
            for (name, kind), (count, keys) in found.items()
        ]

    def answers(self) -> Sequence[Sequence[str]]:
        """The labels that people gave to each row that two or more answered."""
        return answers_of(self._after)

    def tokens(self, text: str | None) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
        """Counts of tokens by class, before and after."""
        after = self._tokens(self._after, self._text(text))
        before = self._before
        if not before.exists or not before.has("labels"):
            return None, after
        return self._tokens(before, self._text(text)), after

    def _tokens(self, at: At, name: str) -> Mapping[str, Any]:
        _check_columns(at, "rows", [name])

        def compute(part: Part, lines: pl.DataFrame) -> bytes:
            texts = at.part("rows", part, [at.key, name])
            assert texts is not None
            both = texts.join(lines, on=at.key)
            return json.dumps(count_tokens(both[name], both["label"])).encode()

        labels = Measures(at, "labels", self._sides[0].profiles)
        found = labels.of(["tokens", name], ["label"], compute)
        return added([json.loads(one) for one in found])

    def lf_words(self) -> frozenset[str]:
        """Words that stand in the code of LFs."""
        files = self._after.contents.under(LF_FOLDER)
        texts = [
            self._after.store.read(oid).decode(errors="replace").lower()
            for path, oid in files.items()
            if path.endswith(".py")
        ]
        words = pl.Series(texts, dtype=pl.String).str.extract_all(_WORD).explode()
        return frozenset(words.drop_nulls().to_list())

    def texts(self, column: str | None) -> tuple[Sequence[Mean], Sequence[Mean]]:
        """Mean features of parts: those of before, and those that are new."""
        name = self._text(column)

        def compute(part: Part, frame: pl.DataFrame) -> bytes:
            return mean_features(frame[name]).tobytes()

        def means(side: Measures, parts: Sequence[Part]) -> list[Mean]:
            _check_columns(side.at, "rows", [name])
            found = side.of(["features"], [name], compute, parts)
            return [np.frombuffer(one, np.float64) for one in found]

        if not self._before.exists:
            return [], []
        old = self._before.dataset.parts
        return means(self._rows[0], old), means(self._rows[1], self._new_parts())

    def _text(self, column: str | None) -> str:
        name = column or self._after.dataset.text
        if not name:
            raise GateError(
                f"{self.dataset!r} has no one column of texts.",
                hint='Name it in the suite: "text", or "column".',
            )
        return name

    def _was_there(self, part: Part, keys: pl.Series) -> pl.Series:
        """Which of a part's keys have a row before."""
        before = self._before
        if not before.exists:
            return pl.Series([False] * len(keys), dtype=pl.Boolean)
        if part.sha256 in {one.sha256 for one in before.dataset.parts}:
            return pl.Series([True] * len(keys), dtype=pl.Boolean)
        frames = list(before.lines("rows", keys.to_list(), columns=[before.key]))
        old = pl.concat(frames)[before.key] if frames else keys.clear()
        return keys.is_in(old.implode())


def sketch_of(
    side: Measures, column: str, only: Slice, parts: Sequence[Part] | None = None
) -> Sketch | None:
    """The sketch of a column of these parts, or of all; None where the table has none."""
    at = side.at
    if not at.exists or not at.has(side.table) or column not in _columns(at, side.table):
        return None

    def compute(part: Part, frame: pl.DataFrame) -> bytes:
        return json.dumps(sketch_part(frame[column])).encode()

    found = side.of(["sketch"], [column], compute, parts, only=only)
    return merged([json.loads(one) for one in found])


def _columns(at: At, table: str) -> Sequence[str]:
    if table == "rows":
        return [name for name, _ in at.dataset.columns]
    files = at.files(table)
    return list(at.rows.schema(files[:1])) if files else []


def _check_columns(at: At, table: str, names: Sequence[str]) -> None:
    columns = _columns(at, table)
    for name in names:
        if name not in columns:
            raise GateError(
                f"{table} of {at.name!r} has no column {name!r}.",
                hint=f"It has {', '.join(columns[:20])}.",
            )
