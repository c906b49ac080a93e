"""A store in a folder, and imports into it: what the tests of imports have in common."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from datahub.core.conflicts import ASK
from datahub.core.dataset import Dataset
from datahub.core.errors import NothingToCommit
from datahub.flow.dataset.tables import dataset_at
from datahub.flow.merge.merge import Report, merge_commits
from datahub.flow.rows import source
from datahub.flow.rows.in_place import import_in_place
from datahub.flow.steps import Step
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows, VersionStore
from tests.whole_tables import read_table

TIME = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Imports:
    """A dataset `mail` in a store of its own."""

    folder: Path
    store: VersionStore = field(init=False)
    rows: Rows = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows = adapter("rows", "polars")()
        self.store = adapter("version_store", "embedded").create(
            ObjectFiles(self.folder / "store"), branch="main", author="ann", time=TIME
        )

    def take(
        self,
        path: Path,
        key: str | None = "id",
        *,
        gold: str | None = None,
        mode: source.Mode = "replace",
        branch: str = "main",
        in_place: bool = False,
        **more: Any,
    ) -> source.ImportReport:
        """Import a file or a folder."""
        step = Step(branch, "ann", TIME, f"step-{path.name}-{mode}")
        request = source.Import.begin(
            self.store, self.rows, step, "mail", key=key, gold=gold, mode=mode, **more
        )
        if in_place:
            return import_in_place(path, request, hard_link=True)
        return source.import_rows(path, request)

    def table(self, branch: str = "main", table: str = "rows") -> pl.DataFrame:
        """All lines of a table."""
        return read_table(self.store, self.rows, branch, "mail", table, made_by="import")

    def known(self, branch: str = "main") -> Dataset:
        """The dataset on a branch."""
        return dataset_at(self.store, branch, "mail")

    def merge(self, theirs: str, *, into: str, base: str) -> Report:
        """Merge a branch into another."""
        commits = [self.store.commit_at(ref) for ref in (base, into, theirs)]
        changes, report = merge_commits(
            *commits,
            names=(theirs, into),
            resolution=ASK,
            store=self.store,
            rows=self.rows,
            step=Step(into, "ann", TIME, "merge"),
        )
        with suppress(NothingToCommit):
            self.store.commit(
                into, changes, message="m", author="ann", time=TIME, expected=commits[1].id
            )
        return report

    def objects(self, branch: str = "main") -> dict[str, str]:
        """Paths and ids of all of the dataset."""
        return self.store.objects(branch, "datasets/")
