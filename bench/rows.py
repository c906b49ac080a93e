"""Rows and labels on disk.

Rows are made: a number as key, a text of 24 letters and a number. The labels of a row are a line
as `label fit` writes it. Imports sync what they write; memory is that of the whole process, with
its libraries.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from bench.harness import Case, Figures, Watch

if TYPE_CHECKING:
    from datahub.core.dataset import Dataset
    from datahub.ports import Rows, VersionStore

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
BATCH = 500_000
RELABELED = 1_000


def frame(start: int, count: int, *, seed: int) -> pl.DataFrame:
    """Rows with the keys start, start + 1, ..."""
    rng = np.random.default_rng([seed, start])
    letters = rng.integers(97, 123, size=(count, 24), dtype=np.uint8)
    texts = letters.view("S24").ravel().astype(str)
    return pl.DataFrame(
        {"id": np.arange(start, start + count), "text": texts, "n": rng.integers(0, 99, count)}
    )


def made_folder(watch: Watch, count: int) -> Path:
    """A folder of files with so many rows, in no order, made where it is not there."""
    folder = watch.scratch / f"rows_{count}"
    if folder.exists():
        return folder
    half = folder.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    order = np.random.default_rng(0).permutation(count // BATCH)
    for number, place in enumerate(order):
        rows = frame(int(place) * BATCH, BATCH, seed=0).sample(fraction=1, shuffle=True, seed=1)
        # each file holds every range of keys: the worst case for a sort
        keys = (rows["id"] - int(place) * BATCH) * (count // BATCH) + int(place)
        rows.with_columns(keys.alias("id")).write_parquet(half / f"{number:04d}.parquet")
    half.rename(folder)
    return folder


def opened(watch: Watch, name: str) -> tuple[VersionStore, Rows]:
    """A new repository of this case, and the rows adapter."""
    from datahub.hub.registry import adapter
    from datahub.machine.bytes.files import ObjectFiles

    folder = watch.scratch / "layout" / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    store: VersionStore = adapter("version_store", "embedded").create(
        ObjectFiles(folder), branch="main", author="ann", time=TIME
    )
    return store, adapter("rows", "polars")()


def imported(
    store: VersionStore, rows: Rows, path: Path, *, mode: str = "replace", step: str = "first"
) -> Dataset:
    """Import into dataset `rows`."""
    from datahub.flow.rows.source import Import, import_rows
    from datahub.flow.steps import Step

    return import_rows(
        path,
        Import.begin(
            store,
            rows,
            Step("main", "ann", TIME, step),
            "rows",
            key="id",
            gold=None,
            classes=["ham", "spam"],
            text=None,
            mode=mode,
        ),
    ).dataset


def import_of(count: int) -> Callable[[Watch], Figures | None]:
    """Import a folder of rows in no order."""

    def side(watch: Watch) -> Figures:
        folder = made_folder(watch, count)
        store, rows = opened(watch, f"import_{count}")
        with watch.timed():
            known = imported(store, rows, folder)
        size = sum(part.size for part in known.parts)
        shutil.rmtree(watch.scratch / "layout", ignore_errors=True)
        return {"rows": known.rows, "parts": len(known.parts), "mb": size / 1e6}

    return side


def preparing(count: int) -> Callable[[Watch], Figures | None]:
    """Make the rows."""

    def prepare(watch: Watch) -> None:
        made_folder(watch, count)

    return prepare


def relabel(count: int) -> Callable[[Watch], Figures | None]:
    """Commit new labels of some rows of many; no row of the dataset is read for it."""

    def side(watch: Watch) -> Figures:
        from datahub.flow.dataset.at import At
        from datahub.flow.dataset.patching import patch_labels
        from datahub.flow.steps import Step, begin, end

        store, rows = labeled(watch, count)
        keys = np.sort(np.random.default_rng(3).choice(count, RELABELED, replace=False))
        lines = label_lines(pl.Series("id", keys), "spam")
        with watch.timed():
            step = Step("main", "ann", TIME, "relabel")
            head = begin(store, step)
            changes = patch_labels(At(store, rows, head, "rows"), lines, step_id=step.id)
            end(store, step, head, changes, message="Relabel")
        written = sum(store.fetch(oid).stat().st_size for oid in changes.values() if oid)
        shutil.rmtree(watch.scratch / "layout", ignore_errors=True)
        return {"objects": len(changes), "bytes": written}

    return side


def labeled(watch: Watch, count: int) -> tuple[VersionStore, Rows]:
    """A repository whose dataset has rows and labels."""
    from datahub.core.dataset import Dataset
    from datahub.core.layout import dataset_file
    from datahub.flow.dataset.parts import RowsWriter
    from datahub.flow.dataset.tables import write_part
    from datahub.flow.steps import Step, begin, end

    store, rows = opened(watch, f"relabel_{count}")
    writer = RowsWriter(store, rows, dataset="rows", key="id")
    for start in range(0, count, BATCH):
        writer.push(frame(start, BATCH, seed=0))
    writer.finish()
    changes: dict[str, str | None] = dict(writer.objects)
    for part in writer.parts:
        keys = pl.Series("id", np.arange(int(part.first_key), int(part.last_key) + 1))
        lines = label_lines(keys, "ham")
        changes |= write_part(store, rows, lines, dataset="rows", table="labels", part=part.sha256)
    known = Dataset("rows", "id", writer.columns, tuple(writer.parts), ("ham", "spam"))
    changes[dataset_file("rows")] = store.put(known.to_json().encode())
    step = Step("main", "ann", TIME, "label")
    end(store, step, begin(store, step), changes, message="Label")
    return store, rows


def label_lines(keys: pl.Series, label: str) -> pl.DataFrame:
    """Lines as the labels of rows have them."""
    return keys.to_frame().with_columns(
        label=pl.lit(label),
        status=pl.lit("accepted"),
        source=pl.lit("label_model"),
        confidence=pl.col("id") % 97 / 97,
        reason=pl.lit(None, pl.String),
        lfs=pl.concat_list(pl.lit("one"), pl.lit("two")),
        model=pl.lit("dawid-skene@0123456789ab"),
        annotations=pl.lit([], pl.List(pl.String)),
    )


def append(count: int, more: int) -> Callable[[Watch], Figures | None]:
    """Append rows behind those that are there."""

    def side(watch: Watch) -> Figures:
        store, rows = opened(watch, f"append_{count}")
        known = _written(store, rows, watch, count)
        path = watch.scratch / f"more_{os.getpid()}.parquet"
        frame(count, more, seed=1).write_parquet(path)
        with watch.timed():
            after = imported(store, rows, path, mode="append", step="more")
        path.unlink()
        before = {part.sha256 for part in known.parts}
        new = sum(part.size for part in after.parts if part.sha256 not in before)
        total = sum(part.size for part in after.parts)
        shared = _new_chunks(watch, count, more)
        shutil.rmtree(watch.scratch / "layout", ignore_errors=True)
        return {"new_bytes": new, "of_bytes": total, "new_share": new / total, **shared}

    return side


def append_to_labeled(count: int, more: int) -> Callable[[Watch], Figures | None]:
    """Append rows behind those that are there and have labels, which all keep theirs."""

    def side(watch: Watch) -> Figures:
        store, rows = labeled(watch, count)
        path = watch.scratch / f"more_{os.getpid()}.parquet"
        frame(count, more, seed=1).write_parquet(path)
        before = store.objects("main", "datasets/rows/labels/")
        with watch.timed():
            imported(store, rows, path, mode="append", step="more")
        path.unlink()
        after = store.objects("main", "datasets/rows/labels/")
        new = sum(
            store.fetch(oid).stat().st_size for oid in set(after.values()) - set(before.values())
        )
        total = sum(store.fetch(oid).stat().st_size for oid in after.values())
        shutil.rmtree(watch.scratch / "layout", ignore_errors=True)
        return {"new_bytes": new, "of_bytes": total, "new_share": new / total}

    return side


def branches(count: int) -> Callable[[Watch], Figures | None]:
    """Cut a branch of many rows."""

    def side(watch: Watch) -> Figures:
        store, rows = opened(watch, f"branch_{count}")
        _written(store, rows, watch, count)
        folder = max((watch.scratch / "layout").iterdir(), key=lambda path: path.stat().st_mtime)
        before = _bytes_under(folder / "objects")
        with watch.timed():
            store.create_branch("work", at="main")
        found = {"new_bytes": _bytes_under(folder / "objects") - before, "of_bytes": before}
        shutil.rmtree(watch.scratch / "layout", ignore_errors=True)
        return found

    return side


def _written(store: VersionStore, rows: Rows, watch: Watch, count: int) -> Dataset:
    path = watch.scratch / f"first_{os.getpid()}.parquet"
    rows.write(_frames(count), path)
    known = imported(store, rows, path)
    path.unlink()
    return known


def _frames(count: int) -> Iterator[pl.DataFrame]:
    for start in range(0, count, BATCH):
        yield frame(start, min(BATCH, count - start), seed=0)


def _bytes_under(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _new_chunks(watch: Watch, count: int, more: int) -> Figures:
    """What of one whole file is new after an insert, by pages: with content-defined chunks or not.

    What a store that shares equal pages would write; ours shares whole parts.
    """
    import hashlib

    import pyarrow.parquet as pq

    base = pl.concat(list(_frames(min(count, 1_000_000))))
    some = frame(count, max(more * base.height // count, 1), seed=2)
    middle = base.height // 2
    after = pl.concat([base[:middle], some, base[middle:]])
    shares = {}
    for name, chunked in (("with", True), ("without", False)):
        seen: list[dict[bytes, int]] = []
        for table in (base, after):
            path = watch.scratch / f"chunks_{os.getpid()}.parquet"
            pq.write_table(
                table.to_arrow(compat_level=pl.CompatLevel.oldest()),
                path,
                compression="zstd",
                use_content_defined_chunking=chunked,
                row_group_size=table.height,
            )
            seen.append(
                {hashlib.sha256(page).digest(): len(page) for page in _pages(path.read_bytes())}
            )
            path.unlink()
        new = sum(size for page, size in seen[1].items() if page not in seen[0])
        shares[f"new_page_share_{name}_chunking"] = new / sum(seen[1].values())
    return shares


def _pages(content: bytes) -> Iterator[bytes]:
    """Compressed frames of a file: zstd's magic number begins each."""
    pieces = content.split(b"\x28\xb5\x2f\xfd")
    yield from pieces[1:]


CASES: tuple[Case, ...] = (
    Case(
        "import_2m",
        "Import 2M rows in no order, a folder of files",
        import_of(2_000_000),
        no_peer="no peer keeps rows by key",
        prepare=preparing(2_000_000),
        goal="within 450 MB",
        met=lambda result: (result.peak_mb or 1e9) <= 450,
    ),
    Case(
        "import_20m",
        "Import 20M rows in no order, a folder of files",
        import_of(20_000_000),
        no_peer="no peer keeps rows by key",
        prepare=preparing(20_000_000),
        goal="within 450 MB",
        met=lambda result: (result.peak_mb or 1e9) <= 450,
    ),
    Case(
        "relabel_1000_of_10m",
        "Commit new labels of 1,000 of 10M rows",
        relabel(10_000_000),
        no_peer="no peer has labels beside rows",
        goal="at most 0.1 CPU-s",
        met=lambda result: (result.ours or 1e9) <= 0.1,
    ),
    Case(
        "append_1_percent_of_2m",
        "Append 1% to 2M rows",
        append(2_000_000, 20_000),
        no_peer="see the figures: new bytes of all bytes",
        goal="at most 10% of the bytes are new",
        met=lambda result: result.figures["ours"]["new_share"] <= 0.1,
    ),
    Case(
        "append_1_percent_to_2m_labeled",
        "Append 1% to 2M rows that have labels",
        append_to_labeled(2_000_000, 20_000),
        no_peer="no peer has labels beside rows",
        goal="at most 0.2 CPU-s, and 10% of the bytes of labels new",
        met=lambda result: (
            (result.ours or 1e9) <= 0.2 and result.figures["ours"]["new_share"] <= 0.1
        ),
    ),
    Case(
        "branch_of_2m",
        "Branch of 2M rows",
        branches(2_000_000),
        no_peer="git's branch stands among the versions",
        goal="at most 2 ms, and no new data",
        met=lambda result: (
            (result.ours or 1e9) <= 0.002 and result.figures["ours"]["new_bytes"] == 0
        ),
    ),
)
