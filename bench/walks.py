"""Walks: what a command lists and reads.

Each line is one command on a repository made for it: CPU-seconds of this process, and requests
where the repository is on a lakeFS server (counted by the HTTP client, after a first command that
signs in). To measure another walk, add a line to `EMBEDDED` or `REMOTE` with its goal.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.harness import Case, Figures, Result, Watch, cpu_seconds
from bench.lakefs import Requests, _fresh, _hub, _without_server

TIME = datetime(2026, 1, 2, tzinfo=UTC)
ROWS, RELABELED, REMOTE_ROWS, REMOTE_RELABELED = 100_000, 40, 2_000, 20
DATASETS, OBJECTS = 1_000, 100_000
ANSWERED = "answered.txt"
LFS = """\
from datahub import keywords

spam = keywords("spam", ["winner", "prize"], 1)
ham = keywords("ham", ["meeting", "lunch"], 0)
late = keywords("late", ["later"], 0)
"""
Setup = Callable[[Any], None]
Command = Callable[[Any], Any]


@dataclass(frozen=True)
class Walk:
    """A command that is measured: `make` prepares its repository, `goal` is in its unit."""

    name: str
    make: Setup
    run: Command
    goal: float


def mail(hub: Any, rows: int) -> None:
    """A labeled dataset on main; on `work`, some labels are other ones."""
    import polars as pl

    words = ("a winner of a prize", "the meeting is later", "lunch", "nothing at all")
    frame = pl.DataFrame({"id": range(rows), "text": [f"{words[i % 4]} {i}" for i in range(rows)]})
    root = Path(hub.settings.root)
    frame.write_parquet(root / "mail.parquet")
    (root / "labeling_functions").mkdir(exist_ok=True)
    (root / "labeling_functions" / "first.py").write_text(LFS, encoding="utf-8")
    hub.import_rows(root / "mail.parquet", key="id", classes=["ham", "spam"])
    hub.lf_run(jobs=1)
    hub.label_fit()
    hub.create_branch("work")


def relabel(hub: Any, count: int) -> None:
    """Put other labels on rows of `work` that lie apart, as a pull does."""
    import polars as pl

    from datahub.flow.dataset.at import At
    from datahub.flow.dataset.patching import patch_labels
    from datahub.flow.steps import Step, end

    store, rows = hub.store, hub.rows
    at = At.of(store, rows, "work", "news")
    keys = list(range(0, at.dataset.rows, at.dataset.rows // count))[:count]
    lines = pl.concat(list(at.lines("labels", keys)))
    swapped = pl.when(pl.col("label") == "spam").then(pl.lit("ham")).otherwise(pl.lit("spam"))
    lines = lines.with_columns(swapped.alias("label"), pl.lit("annotation").alias("source"))
    step = Step("work", "ann", TIME, "relabel")
    end(store, step, at.commit, patch_labels(at, lines, step_id=step.id), message="Relabel")


def labeled(rows: int, count: int) -> Setup:
    """A repository with such labels."""

    def make(hub: Any) -> None:
        mail(hub, rows)
        relabel(hub, count)

    return make


def asked(hub: Any) -> None:
    """A labeled dataset, of which people answered for some rows that no pull has brought."""
    mail(hub, REMOTE_ROWS)
    hub.review_push(budget=2)
    for task_id, _ in hub.review_open():
        hub.review_answer([(task_id, "ham")])


def answered(hub: Any) -> None:
    """The same after the pull; the key of such a row is in a file."""
    asked(hub)
    hub.review_pull()
    key = hub.at("news").log[0].key
    (Path(hub.settings.root) / ANSWERED).write_text(str(key), encoding="utf-8")


def why_of_answer(hub: Any) -> Any:
    """Why such a row has its label."""
    return hub.why((Path(hub.settings.root) / ANSWERED).read_text(encoding="utf-8"))


def many_datasets(hub: Any) -> None:
    """A thousand datasets of a few rows."""
    from datahub.core.dataset import Dataset, Part
    from datahub.core.layout import dataset_file, table_part

    store = hub.store
    root = Path(hub.settings.root)
    hub.rows.write(_few(), root / "few.parquet")
    oid = store.put(root / "few.parquet")
    part = Part(oid, 3, 0, 2, store.size(oid))
    columns = (("id", "Int64"), ("text", "String"))
    names = [f"d{number:04d}" for number in range(DATASETS)]
    contents = [Dataset(name, "id", columns, (part,), ("a", "b")).to_json() for name in names]
    ids = store.put_all(content.encode() for content in contents)
    changes = dict(zip(map(dataset_file, names), ids, strict=True))
    changes |= {table_part(name, "rows", oid): oid for name in names}
    _commit(store, changes)


def many_objects(hub: Any) -> None:
    """A labeled dataset beside a hundred thousand objects."""
    mail(hub, 1_000)
    store = hub.store
    oid = store.put(b"an object")
    _commit(store, {f"files/{i % 997}/{i}.bin": oid for i in range(OBJECTS)})


def first_step(hub: Any) -> Any:
    """What `lf run` does to the repository where every vote is there already."""
    from datahub.core.lf_code import LFFiles
    from datahub.flow.label.run import _draft, _Run

    at = hub.at("news")
    run = _Run(at, [], "")
    return _draft(at, run, LFFiles({}))


def _few() -> Any:
    import polars as pl

    return pl.DataFrame({"id": [0, 1, 2], "text": ["a", "b", "c"]})


def _commit(store: Any, changes: dict[str, str]) -> None:
    head = store.commit_at("main").id
    store.commit("main", changes, message="m", author="a", time=TIME, expected=head)


EMBEDDED = (
    Walk(
        f"diff --rows, {RELABELED} rows of {ROWS:,}",
        labeled(ROWS, RELABELED),
        lambda hub: hub.diff("main", "work", lines=RELABELED),
        0.3,
    ),
    Walk(f"status, {DATASETS:,} datasets", many_datasets, lambda hub: hub.status(), 0.3),
    Walk(f"lf run, its commit, {OBJECTS:,} objects", many_objects, first_step, 0.01),
)
REMOTE = (
    Walk(
        f"diff --rows, {REMOTE_RELABELED} rows of {REMOTE_ROWS:,}",
        labeled(REMOTE_ROWS, REMOTE_RELABELED),
        lambda hub: hub.diff("main", "work", lines=REMOTE_RELABELED),
        30,
    ),
    Walk("status", lambda hub: mail(hub, REMOTE_ROWS), lambda hub: hub.status(), 12),
    Walk("why, a row that was answered", answered, why_of_answer, 30),
    Walk("review pull", asked, lambda hub: hub.review_pull(), 25),
)


def walks(watch: Watch) -> Figures:
    """CPU-seconds of each command, in a process that has done nothing else."""
    from datahub import Hub

    rows = []
    for walk in EMBEDDED:
        hub, _ = Hub.init(_fresh(watch, "walk") / "project", dataset="news")
        walk.make(hub)
        again = type(hub).open(hub.settings.root)
        again.log(limit=1)  # opens the repository, loads libraries
        began, spent = time.perf_counter(), cpu_seconds()
        with watch.timed():
            walk.run(again)
        spent = cpu_seconds() - spent
        rows.append((walk.name, round(time.perf_counter() - began, 3), round(spent, 3), walk.goal))
    return {"columns": ("Command", "Seconds", "CPU-s", "Goal"), "table": rows}


def requests(watch: Watch) -> Figures:
    """Requests of each command to a lakeFS server: with the objects on this machine, and without.

    Each is asked by a process's first command, which knows nothing of the commits yet.
    """
    rows = []
    counter = Requests()
    for walk in REMOTE:
        for state in ("objects here", "no object here"):
            with _hub(watch, "walk") as hub:
                walk.make(hub)
                if state == "no object here":
                    shutil.rmtree(Path(hub.settings.root) / ".datahub" / "objects")
                clone = type(hub)(hub.settings)
                began, spent, sent = time.perf_counter(), cpu_seconds(), counter.count
                with watch.timed():
                    walk.run(clone)
                spent, sent = cpu_seconds() - spent, counter.count - sent
                seconds = round(time.perf_counter() - began, 3)
                rows.append((f"{walk.name} ({state})", seconds, round(spent, 3), sent, walk.goal))
    return {"columns": ("Command", "Seconds", "CPU-s", "Requests", "Goal"), "table": rows}


def _met(result: Result) -> bool:
    return all(_within(line) for line in result.table)


def _within(line: Sequence[Any]) -> bool:
    return bool(line[-2] <= line[-1])


CASES = (
    Case(
        "walks",
        "Walks over a repository on this machine",
        walks,
        no_peer="no other has these commands",
        goal="each command within its goal",
        met=_met,
    ),
    Case(
        "walks_lakefs",
        "Requests of walks over a repository on lakeFS 1.84",
        requests,
        no_peer="no other has these commands",
        goal="each command within its goal",
        met=_met,
        needs=_without_server,
    ),
)
