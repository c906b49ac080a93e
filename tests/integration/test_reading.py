"""Rows as of a ref in Python: the same calls, and the same rows, on every store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from datahub import Hub
from datahub.core.errors import (
    InputError,
    NotFound,
    RefNotFound,
    SourceError,
    StorageError,
    Unavailable,
)
from datahub.core.versions import Changes
from datahub.flow.dataset import parts
from datahub.flow.dataset.patching import patch_labels
from datahub.hub.registry import adapter
from datahub.ports import Remote
from tests.integration.conftest import LFS, mail
from tests.lakefs_server import LakeFSServer

TABLES = ["labeled", "labels", "rows", "soft_labels", "gold"]


@pytest.fixture(params=["embedded", "lakefs"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What a project on this store is made of."""
    if request.param == "embedded":
        return {}
    server: LakeFSServer = request.getfixturevalue("lakefs")
    access = server.new_repository(tmp_path)
    return {
        "store": "lakefs",
        "lakefs_endpoint": access["endpoint"],
        "lakefs_repository": access["repository"],
        "lakefs_access_key_id": access["access_key_id"],
        "lakefs_secret_access_key": access["secret_access_key"],
    }


def made(folder: Path, settings: dict[str, str], *, copies: int = 1) -> Hub:
    """A project `mail`, open on main, with labels."""
    rows = pl.concat([mail().with_columns(pl.col("id") + 100 * i) for i in range(copies)])
    hub, _ = Hub.init(folder, dataset="mail", **settings)
    (folder / "labeling_functions" / "first.py").write_text(LFS)
    rows.write_parquet(folder / "mail.parquet")
    hub.import_rows(folder / "mail.parquet", key="id", gold="kind")
    hub.lf_run()
    hub.label_fit()
    return hub


def labeled(folder: Path, settings: dict[str, str]) -> Hub:
    """The same, with rows that people answered: their labels lie in a patch."""
    hub = made(folder, settings, copies=30)
    lines = hub.head(table="labels", count=3).with_columns(pl.lit("annotated").alias("status"))
    changes = patch_labels(hub.at(), lines.sort("id", descending=True), step_id="a1")
    committed(hub, changes)
    return hub


def committed(hub: Hub, changes: Changes) -> None:
    """One commit on main."""
    hub.store.commit(
        "main",
        changes,
        message="by hand",
        author="ann",
        time=hub.clock(),
        expected=hub.store.commit_at("main").id,
    )


def beginner(folder: Path, settings: dict[str, str], hub: Hub) -> Hub:
    """Somebody else on the same repository, who has none of its bytes yet."""
    if not settings:
        return hub
    return Hub.init(folder, dataset="mail", **settings)[0]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_read_as_it_is_exported(
    tmp_path: Path, settings: dict[str, str], table: str
) -> None:
    hub = labeled(tmp_path / "one", settings)
    hub.export_rows(tmp_path / "all.parquet", table=table)
    whole = pl.read_parquet(tmp_path / "all.parquet")
    assert whole.height > 0
    other = beginner(tmp_path / "two", settings, hub)

    scanned = other.scan(table=table).collect().sort("id")
    batched = pl.concat(list(other.batches(table=table, size=700)))

    assert scanned.equals(whole.sort("id"))
    assert batched.equals(whole)
    assert scanned.schema == whole.schema


def test_rows_that_are_not_labeled_yet_are_left_out_as_in_an_export(
    tmp_path: Path, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROWS_PER_PART", 10)
    hub = made(tmp_path / "one", settings)
    path = min(hub.store.objects("main", "datasets/mail/labels/"))
    committed(hub, {path: None})
    hub.export_rows(tmp_path / "all.parquet")
    whole = pl.read_parquet(tmp_path / "all.parquet")

    assert 0 < whole.height < mail().height
    assert hub.scan(table="rows").select(pl.len()).collect().item() == mail().height
    assert hub.scan().collect().sort("id").equals(whole)
    assert pl.concat(list(hub.batches())).equals(whole)


def test_what_people_answered_is_read_over_the_older_lines(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    hub = labeled(tmp_path / "one", settings)
    assert hub.store.objects("main", "datasets/mail/labels/patches/")

    annotated = hub.scan(table="labels").filter(pl.col("status") == "annotated")

    assert annotated.select(pl.len()).collect().item() == 3


def test_columns_and_rows_are_chosen_where_they_lie(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    hub = beginner(tmp_path / "two", settings, labeled(tmp_path / "one", settings))

    chosen = hub.scan().filter(pl.col("id") < 3).select("id", "label").collect().sort("id")
    named = next(hub.batches(columns=["label", "id"], size=3))

    assert chosen["id"].to_list() == [0, 1, 2]
    assert named.columns == ["label", "id"]
    assert named.select("id", "label").equals(chosen)
    assert hub.head(count=3).select("id", "label").equals(chosen)


def test_a_frame_stays_at_the_commit_that_its_ref_named(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    hub = made(tmp_path / "one", settings)
    frame, batches = hub.scan(table="rows"), hub.batches(table="rows", size=5)
    first = next(batches)
    mail().head(4).write_parquet(tmp_path / "fewer.parquet")
    hub.import_rows(tmp_path / "fewer.parquet", key="id", gold="kind")

    assert hub.scan(table="rows").collect().height == 4
    assert frame.collect().height == mail().height
    assert first.height + sum(batch.height for batch in batches) == mail().height
    assert hub.scan(table="rows", ref="main~1").collect().height == mail().height


def test_committed_files_are_read_in_both_formats(tmp_path: Path, settings: dict[str, str]) -> None:
    hub = made(tmp_path / "one", settings)
    frame = mail()
    files = ["labeling_functions/a.parquet", "labeling_functions/b.orc"]
    for file in files:
        hub.rows.write(frame, tmp_path / "one" / file)
    hub.commit(files, message="two files")
    other = beginner(tmp_path / "two", settings, hub)

    for file in files:
        assert other.scan_files([file]).collect().equals(frame)
        assert pl.concat(list(other.file_batches([file], size=9))).equals(frame)
        few = other.scan_files([file]).filter(pl.col("kind") == "spam").select("id").collect()
        assert few.equals(frame.filter(pl.col("kind") == "spam").select("id"))


def test_what_is_not_there_is_told(tmp_path: Path, settings: dict[str, str]) -> None:
    hub, _ = Hub.init(tmp_path / "one", dataset="mail", **settings)
    mail().write_parquet(tmp_path / "mail.parquet")
    hub.import_rows(tmp_path / "mail.parquet", key="id")

    with pytest.raises(NotFound, match="no labels"):
        hub.scan()
    with pytest.raises(InputError, match="no table"):
        hub.scan(table="votes")
    with pytest.raises(RefNotFound):
        hub.scan(table="rows", ref="nowhere")
    with pytest.raises(NotFound, match=r"no a\.orc"):
        hub.scan_files(["a.orc"])
    with pytest.raises(NotFound):
        next(hub.batches(table="gold"))


def test_a_column_that_is_not_there_is_told(tmp_path: Path, settings: dict[str, str]) -> None:
    hub = beginner(tmp_path / "two", settings, made(tmp_path / "one", settings))

    for table in ("rows", "labels", "labeled"):
        with pytest.raises(SourceError, match="no column 'colour'"):
            next(hub.batches(table=table, columns=["id", "colour"]))


# On a server


@pytest.fixture
def on_lakefs(lakefs: LakeFSServer, tmp_path: Path) -> dict[str, str]:
    access = lakefs.new_repository(tmp_path)
    words = ("endpoint", "repository", "access_key_id", "secret_access_key")
    return {"store": "lakefs"} | {f"lakefs_{word}": access[word] for word in words}


def test_nothing_is_kept_here_of_what_is_read_there(
    tmp_path: Path, on_lakefs: dict[str, str]
) -> None:
    hub = made(tmp_path / "one", on_lakefs)
    other = beginner(tmp_path / "two", on_lakefs, hub)

    other.scan(table="rows").collect()
    list(other.batches(table="rows"))

    rows = {oid for path, oid in other.store.objects("main").items() if "/rows/" in path}
    kept = {f.parent.name + f.name for f in (tmp_path / "two/.datahub/objects").glob("*/*")}
    assert rows
    assert not rows & kept


def test_no_print_of_a_frame_shows_the_keys(tmp_path: Path, on_lakefs: dict[str, str]) -> None:
    hub = beginner(tmp_path / "two", on_lakefs, made(tmp_path / "one", on_lakefs))
    paths = [path for path in hub.store.objects("main") if "/rows/" in path]

    frame = hub.scan()
    shown = repr(frame) + frame.explain() + repr(hub.store.remote("main", paths))  # type: ignore[attr-defined]

    assert "s3://" in shown
    assert on_lakefs["lakefs_secret_access_key"] not in shown


def damaged(server: LakeFSServer, content: bytes) -> None:
    """Turn one bit of an object, below lakeFS, where a reader of ranges does not notice."""
    if server.folder is None:
        pytest.skip("the server's storage is not on this machine")
    blocks = [f for f in (server.folder / "blocks").rglob("*") if f.is_file()]
    found = [file for file in blocks if file.read_bytes() == content]
    assert found
    other = bytearray(content)
    other[len(other) // 2] ^= 1
    for file in found:  # another repository's of the same rows, too
        file.write_bytes(other)


READS: dict[str, Callable[[Hub, bool], object]] = {
    "scan": lambda hub, checked: hub.scan(table="rows", checked=checked).select("id").collect(),
    "batches": lambda hub, checked: list(hub.batches(table="rows", checked=checked)),
    "head": lambda hub, checked: hub.head(table="rows", checked=checked),
    "scan_files": lambda hub, checked: hub.scan_files(rows_of(hub), checked=checked).collect(),
    "file_batches": lambda hub, checked: list(hub.file_batches(rows_of(hub), checked=checked)),
}


def rows_of(hub: Hub) -> list[str]:
    return [path for path in hub.store.objects("main") if "/rows/" in path]


@pytest.mark.parametrize("how", READS)
def test_rows_that_were_changed_below_the_server_are_told_where_they_are_checked(
    tmp_path: Path, on_lakefs: dict[str, str], lakefs: LakeFSServer, how: str
) -> None:
    first = made(tmp_path / "one", on_lakefs)
    hub = beginner(tmp_path / "two", on_lakefs, first)
    [oid] = [first.store.objects("main")[path] for path in rows_of(first)]
    damaged(lakefs, first.store.read(oid))

    with pytest.raises(StorageError, match="does not hold the bytes"):
        READS[how](hub, True)


@pytest.mark.parametrize("table", TABLES)
def test_checked_rows_are_the_same_rows(
    tmp_path: Path, settings: dict[str, str], table: str
) -> None:
    hub = beginner(tmp_path / "two", settings, labeled(tmp_path / "one", settings))
    ranges = pl.concat(list(hub.batches(table=table, size=700)))

    assert pl.concat(list(hub.batches(table=table, size=700, checked=True))).equals(ranges)
    assert hub.scan(table=table, checked=True).collect().sort("id").equals(ranges.sort("id"))


def test_other_rows_in_the_place_of_a_part_are_told(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    """Also where they are whole, and only somebody's else."""
    hub = made(tmp_path / "one", settings)
    [path] = rows_of(hub)
    mail().with_columns(pl.lit("mine").alias("text")).write_parquet(tmp_path / "mine.parquet")
    committed(hub, {path: hub.store.put(tmp_path / "mine.parquet")})

    for read in (hub.scan, lambda **how: list(hub.batches(**how))):
        with pytest.raises(StorageError, match="holds other rows"):
            read(table="rows")


def test_a_server_that_went_away_is_told(tmp_path: Path, on_lakefs: dict[str, str]) -> None:
    gone = Remote("http://127.0.0.1:9", ("repo/main/a.parquet",), "key", "secret-word")

    with pytest.raises(Unavailable) as caught:
        list(adapter("rows", "polars")().batches(gone))

    assert "secret-word" not in str(caught.value)
    assert "server up" in caught.value.hint


READ = """
import resource, sys
from datahub import Hub
hub = Hub.open(sys.argv[1])
next(hub.file_batches(["labeling_functions/small" + sys.argv[2]]))  # what reading takes at all
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
total = sum(f["number"].sum() for f in hub.file_batches(["labeling_functions/large" + sys.argv[2]]))
now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
now += resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - children
print(total, now)
"""


@pytest.mark.parametrize("suffix", [".parquet", ".orc"])
def test_a_file_is_read_in_less_memory_than_it_has(
    tmp_path: Path, on_lakefs: dict[str, str], suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred megabytes that no codec makes smaller, read in less than half of that."""
    hub, _ = Hub.init(tmp_path / "one", dataset="mail", **on_lakefs)
    rng = np.random.default_rng(7)
    blocks = [
        pl.DataFrame({"number": rng.integers(0, 1 << 62, 50_000), "more": rng.random(50_000)})
        for _ in range(130)
    ]
    folder = tmp_path / "one" / "labeling_functions"
    hub.rows.write(blocks[0].head(10), folder / f"small{suffix}")
    hub.rows.write(iter(blocks), folder / f"large{suffix}")
    size = (folder / f"large{suffix}").stat().st_size
    assert size > 90e6
    names = [f"labeling_functions/{name}{suffix}" for name in ("small", "large")]
    hub.commit(names, message="large")
    beginner(tmp_path / "two", on_lakefs, hub)
    for word in ("access_key_id", "secret_access_key"):
        monkeypatch.setenv(f"DATAHUB_LAKEFS_{word.upper()}", on_lakefs[f"lakefs_{word}"])

    ran = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "two"), suffix],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    total, more = map(int, ran.stdout.split())
    assert total == sum(int(block["number"].sum()) for block in blocks)
    assert more * 1024 < size / 2


def test_labels_are_kept_over_an_append(tmp_path: Path, settings: dict[str, str]) -> None:
    """Of all rows that were there, patched ones among them; on a server as here."""
    hub = labeled(tmp_path, settings)
    before = hub.scan(table="labels").collect().sort("id")
    (tmp_path / "new.csv").write_text("id,text\n100000,FREE PRIZE NOW\n")

    made = hub.import_rows(tmp_path / "new.csv", mode="append")

    after = hub.scan(table="labels").collect().sort("id")
    assert (made.kept, made.unlabeled) == (before.height, 1)
    assert after[:-1].equals(before)
    assert after["status"][-1] == "new"
    assert hub.status().datasets[0].unlabeled == 1


def test_a_merge_of_new_rows_of_both_sides_keeps_the_labels(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Its parts are in no commit yet when their labels are sought, on a server as here."""
    hub = made(tmp_path, settings)
    before = hub.scan(table="labels").collect().sort("id")
    hub.create_branch("one")
    for branch, key in (("one", 100), ("main", 200)):
        (tmp_path / "new.csv").write_text(f"id,text\n{key},FREE PRIZE NOW\n")
        there = Hub.open(tmp_path, branch=branch, **settings)
        there.import_rows(tmp_path / "new.csv", mode="append")

    merged = hub.merge("one", into="main")

    after = hub.scan(table="labels").collect().sort("id")
    assert after[:-2].equals(before)
    assert after["status"][-2:].to_list() == ["new", "new"]
    assert any("2 have none yet" in note for note in merged.report.notes)
