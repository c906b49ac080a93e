"""What moved the labels of some rows between two commits: people, votes and models.

Rows are taken together: each part is read once, however many of its rows are asked about, and
votes that both commits hold in one object are not read at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import polars as pl

from datahub.core.dataset import Key, Part
from datahub.core.labels import ABSTAIN
from datahub.core.layout import votes_file
from datahub.core.parts import places
from datahub.core.versions import ObjectId
from datahub.flow.dataset.at import At

_NO_LF = "(no such LF)"
Votes = dict[str, str]  # LF -> what it says, in words
Place = tuple[Part, int]  # a row's part, and its place in it


def reasons(before: At, after: At, keys: Collection[Key]) -> dict[Key, tuple[str, ...]]:
    """Key -> what is not the same about its label, in words."""
    sides = _Side(before, keys), _Side(after, keys)
    votes = _votes_of(*sides)
    return {key: tuple(_describe(*sides, votes, key)) for key in keys}


def _describe(
    before: _Side, after: _Side, votes: tuple[dict[Key, Votes], dict[Key, Votes]], key: Key
) -> Iterator[str]:
    earlier = set(before.answers.get(key, ()))
    for answer in after.answers.get(key, ()):
        if answer not in earlier:
            yield f"{answer[1]} said {answer[2] or 'skip'}"
    old, new = (words.get(key, {}) for words in votes)
    for lf in dict.fromkeys([*old, *new]):
        a, b = old.get(lf, _NO_LF), new.get(lf, _NO_LF)
        if a != b:
            yield f"LF {lf}: {a} -> {b}"
    for column in ("source", "model"):
        was, now = (side.labels.get(key, {}).get(column) for side in (before, after))
        if was != now:
            yield f"{column} {was or '-'} -> {now or '-'}"


class _Side:
    """Some rows at one commit: where they are, their lines of labels, answers about them."""

    def __init__(self, at: At, keys: Collection[Key]) -> None:
        self.at = at
        self.places: dict[Key, Place] = {}
        self.labels: dict[Key, Mapping[str, object]] = {}
        for part, part_keys in _by_part(at, keys):
            self._find(part, part_keys)
        self.answers = defaultdict[Key, list[tuple[str, str, str | None]]](list)
        for entry in at.log:
            if entry.key in self.places and not entry.withdrawn:
                self.answers[entry.key].append((entry.id, entry.annotator, entry.label))

    def _find(self, part: Part, keys: Sequence[Key]) -> None:
        frame = self.at.part("rows", part, [self.at.key])
        assert frame is not None  # dataset.json names no part that is not there
        column = frame[self.at.key]
        key_list = pl.Series(list(keys), dtype=column.dtype).implode()
        for place in column.is_in(key_list).arg_true():
            self.places[column[place]] = (part, place)
        labels = self.at.part("labels", part)
        if labels is not None:
            lines = labels.filter(pl.col(self.at.key).is_in(key_list))
            self.labels |= {line[self.at.key]: line for line in lines.iter_rows(named=True)}

    @property
    def classes(self) -> tuple[str, ...]:
        """What votes are called."""
        return self.at.dataset.classes

    def vote(self, key: Key, oid: ObjectId, contents: dict[ObjectId, bytes]) -> str:
        """What the votes in an object say of a row; `contents` are those that were read."""
        if oid not in contents:
            contents[oid] = self.at.store.read(oid)
        _, place = self.places[key]
        number = int.from_bytes(contents[oid][place : place + 1], signed=True)
        return "abstain" if number == ABSTAIN else self.classes[number]

    def votes_at(self, key: Key) -> dict[str, ObjectId]:
        """LF -> the object with its votes on the part that a row lies in."""
        manifest = self.at.votes
        if manifest is None or key not in self.places:
            return {}
        part, _ = self.places[key]
        if part.sha256 not in manifest.parts:
            return {}
        paths = {
            lf.name: votes_file(self.at.name, lf.fingerprint, part.sha256) for lf in manifest.lfs
        }
        objects = self.at.objects("votes")
        return {name: objects[path] for name, path in paths.items() if path in objects}


def _by_part(at: At, keys: Collection[Key]) -> Iterator[tuple[Part, list[Key]]]:
    """The parts that these keys may lie in, each with its keys."""
    parts = at.dataset.parts
    text = bool(parts) and isinstance(parts[0].first_key, str)
    candidates = [key for key in keys if isinstance(key, str) == text]
    if not parts or not candidates:
        return
    groups = defaultdict[int, list[Key]](list)
    for key, number in zip(candidates, places(parts, pl.Series(candidates)), strict=True):
        groups[number].append(key)
    for number in sorted(groups):
        yield parts[number], groups[number]


def _votes_of(before: _Side, after: _Side) -> tuple[dict[Key, Votes], dict[Key, Votes]]:
    """What LFs say of the rows on either side, where that may not be the same on both."""
    contents: dict[ObjectId, bytes] = {}
    sides = (before, after)
    votes: tuple[dict[Key, Votes], dict[Key, Votes]] = {}, {}
    for key in before.places.keys() | after.places.keys():
        objects = [side.votes_at(key) for side in sides]
        equal_lfs = set[str]()
        if before.places.get(key) == after.places.get(key) and before.classes == after.classes:
            equal_lfs = {lf for lf, oid in objects[0].items() if objects[1].get(lf) == oid}
        for side, lfs, words in zip(sides, objects, votes, strict=True):
            words[key] = {
                lf: side.vote(key, oid, contents) for lf, oid in lfs.items() if lf not in equal_lfs
            }
    return votes
