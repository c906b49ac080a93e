"""The three states of a dataset that a merge is of, and what each side changed since the base."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.layout import (
    dataset_file,
    label_model_file,
    lf_code_file,
    lfs_file,
    pair_counts_file,
    table_prefix,
    triage_file,
)
from datahub.core.relabel import Annotation
from datahub.core.rowconflict import MadeBy
from datahub.core.versions import Change, Changes, Commit, ObjectId, Objects
from datahub.flow.dataset.annotations import Hashes, hashes_of
from datahub.flow.dataset.at import At
from datahub.flow.dataset.parts import gold_reader
from datahub.flow.steps import Step
from datahub.ports import EndModel, Rows, VersionStore

Unit = Callable[[str], bool]  # whether a path is of it


@dataclass(frozen=True)
class Sides:
    """Base, ours (the destination's head) and theirs (the source), of one dataset."""

    name: str
    base: Commit
    ours: Commit
    theirs: Commit
    store: VersionStore
    rows: Rows
    step: Step
    end_model: EndModel | None = None

    @cached_property
    def since(self) -> dict[str, dict[str, Change]]:
        """What each side changed under the dataset, by path."""
        prefix = f"datasets/{self.name}/"
        return {
            side: {c.path: c for c in self.store.changes(self.base.id, commit.id, prefix)}
            for side, commit in (("ours", self.ours), ("theirs", self.theirs))
        }

    @cached_property
    def at(self) -> dict[str, At]:
        """The dataset at each of the three commits."""
        return {
            side: At(self.store, self.rows, commit, self.name)
            for side, commit in self.commits.items()
        }

    @cached_property
    def datasets(self) -> dict[str, Dataset]:
        """The dataset in each state that has it."""
        return {side: at.dataset for side, at in self.at.items() if at.exists}

    @cached_property
    def read(self) -> dict[str, Callable[..., pl.DataFrame]]:
        """How each state's rows are read, gold among them (`flow.parts.gold_reader`)."""
        return {side: gold_reader(self.at[side]) for side in self.datasets}

    @cached_property
    def gold(self) -> dict[str, Objects]:
        """Where the gold of each state lies."""
        return {side: at.objects("gold") for side, at in self.at.items()}

    def hashes(
        self, dataset: Dataset, log: Collection[Annotation], keys: Collection[Key]
    ) -> Hashes:
        """Hashes of rows as a dataset holds them; batches of all three say what was shown."""
        base, *side_hashes = self.at.values()
        return hashes_of(base, log, of=dataset, also=side_hashes, keys=keys)

    def file_of(self, side: str) -> ObjectId | None:
        """The object that says what the dataset is, in a state."""
        return self.at[side].contents.find(dataset_file(self.name))

    @property
    def commits(self) -> dict[str, Commit]:
        """The three commits by side."""
        return {"base": self.base, "ours": self.ours, "theirs": self.theirs}

    def news(self, side: str, unit: Unit) -> dict[str, ObjectId | None]:
        """What a side made of a unit: its changed paths, with what they hold now."""
        return {path: c.new for path, c in self.since[side].items() if unit(path)}

    def taking_theirs(self, unit: Unit) -> dict[str, ObjectId | None]:
        """Changes to ours that make a unit what it is on theirs."""
        back = {path: c.old for path, c in self.since["ours"].items() if unit(path)}
        return back | self.news("theirs", unit)

    def moved_by(self, unit: Unit) -> str:
        """Which sides changed a unit: neither, ours, theirs, same (equally) or both."""
        our_news, their_news = self.news("ours", unit), self.news("theirs", unit)
        if our_news == their_news:
            return "same" if our_news else "neither"
        return "both" if our_news and their_news else "ours" if our_news else "theirs"

    @cached_property
    def content_by(self) -> tuple[MadeBy, MadeBy]:
        """Who last changed the content, on ours and on theirs."""
        unit = content_unit(self.name)
        return self.made_by("ours", unit), self.made_by("theirs", unit)

    def made_by(self, side: str, unit: Unit) -> MadeBy:
        """The last commit of a side that changed a unit."""
        paths = set(self.news(side, unit))
        for commit in self.store.log(self.commits[side].id):
            if commit.id == self.base.id:
                break
            if not commit.parents:
                continue
            prefix = f"datasets/{self.name}/"
            changes = self.store.changes(commit.parents[0], commit.id, prefix)
            if any(c.path in paths for c in changes):
                return MadeBy(commit=commit.id, author=commit.author)
        return MadeBy()


def content_unit(name: str) -> Unit:
    """Rows, gold and what the dataset is."""
    prefixes = table_prefix(name, "rows"), table_prefix(name, "gold")
    return lambda path: path == dataset_file(name) or path.startswith(prefixes)


def model_unit(name: str) -> Unit:
    """What LFs and a label model made: votes and the fit; nothing that people's answers change."""
    files = {lfs_file(name), lf_code_file(name), label_model_file(name), pair_counts_file(name)}
    return lambda path: path in files or path.startswith(table_prefix(name, "votes"))


def labels_unit(name: str) -> Unit:
    """What models and answers come to: soft labels, thresholds, final labels."""
    prefixes = table_prefix(name, "labels"), table_prefix(name, "soft_labels")
    return lambda path: path == triage_file(name) or path.startswith(prefixes)


def overlay(*changes: Changes | Mapping[str, ObjectId | None]) -> dict[str, ObjectId | None]:
    """Changes one upon the other."""
    objects: dict[str, ObjectId | None] = {}
    for more in changes:
        objects |= more
    return objects
