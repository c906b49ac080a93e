"""Rows as calls: into a dataset, and out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datahub.core.errors import InputError
from datahub.core.setaside import Consent
from datahub.flow.dataset import parts
from datahub.flow.rows import export, source
from datahub.flow.rows.in_place import import_in_place as in_place_import
from datahub.hub.wiring import Wiring


class Importing(Wiring):
    """source -> rows -> files."""

    def import_rows(
        self,
        path: Path | str,
        *,
        dataset: str | None = None,
        key: str | None = None,
        gold: str | None = None,
        classes: Sequence[str] = (),
        text: str | None = None,
        mode: source.Mode = "replace",
        in_place: bool = False,
        hard_link: bool = False,
        set_aside: Consent = False,
        partitions: bool = True,
        separator: str = "",
        encoding: str = "",
        gold_map: Mapping[str, str | int | None] | None = None,
    ) -> source.ImportReport:
        """Make a Parquet, ORC, CSV or JSONL file, or a folder of them, a dataset, or put it to one.

        `separator` is what stands between values of CSV (a comma; in .tsv a tab), `encoding` that
        of CSV and JSONL (UTF-8). `gold_map` says which class a value of gold means, by name or
        number; None: no gold.

        With `in_place` files that are laid out as parts become parts without a copy of their
        bytes: clones of them, or, with `hard_link` and where the file system has no clones, the
        files themselves. Raises InputError where that cannot be. Names of folders like
        `klass=spam` are columns too, unless `partitions` is off.

        `set_aside` agrees that answers of people no longer count where what they were shown
        changes; or it is asked, with what would be lost. Else AnswersSetAside is raised.
        """
        if hard_link and not in_place:
            raise InputError("A hard link is a way to take files in place.", hint="Add --in-place.")
        step = self.step()
        request = source.Import.begin(
            self.store,
            self.rows,
            step,
            self.dataset_name(dataset),
            key=key,
            gold=gold,
            classes=classes,
            text=text,
            mode=mode,
            caution=self.caution(set_aside),
            partitions=partitions,
            separator=separator,
            encoding=encoding,
            gold_map=gold_map or {},
        )
        if in_place:
            result = in_place_import(Path(path), request, hard_link=hard_link)
        else:
            result = source.import_rows(Path(path), request)
        self.ran("import", step, result.commit, {"rows": result.dataset.rows})
        return result

    def export_rows(
        self,
        path: Path | str,
        *,
        dataset: str | None = None,
        ref: str | None = None,
        table: str = "labeled",
        kind: str | None = None,
    ) -> export.ExportReport:
        """Write a table of a dataset to a file, or (with a format) part by part to a folder."""
        return export.export_rows(
            self.at(dataset, ref=ref),
            Path(path),
            table=table,
            kind=kind,
            progress=self.progress,
        )

    def gold(self, dataset: str | None = None) -> dict[Any, str | None]:
        """Gold class names by key: for scores and simulated people only."""
        at = self.at(dataset)
        at.check_gold()
        frame = self.rows.read(at.files("gold"))
        return dict(frame.select(at.key, parts.GOLD_LABEL).iter_rows())
