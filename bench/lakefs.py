"""Versions on a lakeFS server.

A server of one's own on loopback, with its local key-value and block store: what is measured is
our side of it and its answers, not a network or an object store. Opt-in: `lakefs` on the PATH,
or a server that the environment names as for datahub. CPU-seconds are this process's alone; peak
memory is that of the larger of both.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.harness import Case, Figures, Watch, cpu_seconds

TIME = datetime(2026, 1, 2, tzinfo=UTC)
MANY, ROWS, CHANGED = 10_000, 200_000, 1_000
GATE = b'[[gate]]\nbranch = "main"\ndataset = "news"\nsuite = "labels.json"\n'
COLUMNS = ("Step", "Objects", "Seconds", "CPU-s here", "Requests", "Requests an object")


class Requests(logging.Handler):
    """Counts what urllib3 says it sent."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.count = 0
        logger = logging.getLogger("urllib3.connectionpool")
        logger.addHandler(self)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """One line for each answer, and others for new connections."""
        self.count += "HTTP/1.1" in record.getMessage()


class Steps:
    """A table of steps, each measured once."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.requests = Requests()
        self.rows: list[tuple[Any, ...]] = []

    @contextmanager
    def step(self, name: str, objects: int) -> Iterator[None]:
        """Measure one."""
        sent, cpu, began = self.requests.count, cpu_seconds(), time.perf_counter()
        with self.watch.timed():
            yield
        spent = (round(time.perf_counter() - began, 3), round(cpu_seconds() - cpu, 3))
        sent = self.requests.count - sent
        self.rows.append((name, objects, *spent, sent, round(sent / objects, 2)))


def _without_server(_: Watch) -> str:
    if os.environ.get("DATAHUB_LAKEFS_ENDPOINT") or shutil.which("lakefs"):
        return ""
    return "no lakeFS: no `lakefs` on the PATH, and DATAHUB_LAKEFS_ENDPOINT names no server"


def _fresh(watch: Watch, name: str) -> Path:
    folder = watch.scratch / "lakefs" / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def _hub(watch: Watch, name: str) -> Iterator[Any]:
    """A project of its own on the server."""
    from datahub import Hub

    folder = _fresh(watch, name)
    try:
        with Hub.lakefs(folder / "server") as access:
            repository = f"bench-{uuid.uuid4().hex}"
            yield Hub.init(
                folder / "project",
                dataset="news",
                store="lakefs",
                lakefs_repository=repository,
                **access,
            )[0]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(store: Any, paths: range, word: str) -> dict[str, str]:
    return {
        f"datasets/news/rows/{i // 100:03d}/{i:05d}.parquet": store.put(f"{word} {i}".encode())
        for i in paths
    }


def _commit(store: Any, branch: str, changes: dict[str, str]) -> None:
    head = store.commit_at(branch).id
    store.commit(branch, changes, message="m", author="a", time=TIME, expected=head)


def _merge(store: Any, source: str, into: str) -> None:
    from datahub.core.verdict import Verdict
    from datahub.core.versions import merged_changes, suite_hash

    head, base = store.commit_at(into), store.merge_base(into, source)
    changes, _ = merged_changes(store.changes(base.id, head.id), store.changes(base.id, source))
    candidate = store.propose(
        source, into=into, changes=changes, message="m", author="a", time=TIME, expected=head.id
    )
    verdict = Verdict(
        passed=True,
        content_id=candidate.content_id,
        source=candidate.source,
        judged_head=head.id,
        suite_hash=suite_hash(store.objects(head.id, "expectations/")),
        time=TIME,
    )
    store.land(candidate, verdict)


def objects(watch: Watch) -> Figures:
    """Commits, a diff and merges of objects."""
    with _hub(watch, "objects") as hub:
        store, steps = hub.store, Steps(watch)
        one, thousand = _put(store, range(1), "one"), _put(store, range(1000), "first")
        with steps.step("commit 1 object", 1):
            _commit(store, "main", one)
        with steps.step("commit 1,000 objects", 1000):
            _commit(store, "main", thousand)
        _commit(store, "main", _put(store, range(1000, MANY), "first"))
        ten = _put(store, range(0, MANY, MANY // 10), "second")
        with steps.step("commit 10 changed of 10,000", 10):
            _commit(store, "main", ten)
        store.create_branch("work", at="main")
        _commit(store, "work", _put(store, range(5, MANY, MANY // 10), "third"))
        with steps.step("list what 10,000 objects hold", MANY):
            store.objects("main")
        with steps.step("diff: 10 of 10,000 differ", 10):
            assert len(store.changes("main", "work")) == 10
        with steps.step("merge 10 changed of 10,000", 10):
            _merge(store, "work", "main")
        rules = {"expectations/gates.toml": GATE, "expectations/labels.json": b"{}"}
        _commit(store, "main", {p: store.put(c) for p, c in rules.items()})
        store.create_branch("more", at="main")
        _commit(store, "more", _put(store, range(7, MANY, MANY // 10), "fourth"))
        with steps.step("the same into a guarded branch: its hook computes all ids", 10):
            _merge(store, "more", "main")
    return {"columns": COLUMNS, "table": steps.rows}


def rows(watch: Watch) -> Figures:
    """A merge of rows that both sides changed in the same parts."""
    import polars as pl

    with _hub(watch, "rows") as hub:
        steps, root = Steps(watch), hub.settings.root
        table = pl.DataFrame(
            {"id": range(ROWS), "text": [f"row {i} of many" for i in range(ROWS)], "n": range(ROWS)}
        )
        table.write_parquet(root / "all.parquet")
        with steps.step(f"import {ROWS:,} rows", ROWS // 100_000):
            hub.import_rows(root / "all.parquet", key="id")
        hub.create_branch("work")
        for branch, start in (("main", 0), ("work", 1)):
            some = table.gather_every(ROWS // CHANGED, start).with_columns(pl.col("n") + 1)
            some.write_parquet(root / "some.parquet")
            on = type(hub)(hub.settings, branch=branch)
            on.import_rows(root / "some.parquet", mode="upsert")
        with steps.step(f"merge rows: {CHANGED:,} changed on either side", ROWS // 100_000):
            hub.merge("work", into="main")
        with steps.step("scan one column at the commit", ROWS // 100_000):
            total = hub.scan(table="rows").select(pl.col("n").sum()).collect().item()
        assert total == sum(range(ROWS)) + 2 * CHANGED
    return {"columns": COLUMNS, "table": steps.rows}


CASES = (
    Case(
        "lakefs_objects",
        "Commits and merges of objects on lakeFS 1.84",
        objects,
        no_peer="nothing else puts gates and row merges on lakeFS",
        needs=_without_server,
    ),
    Case(
        "lakefs_rows",
        "A merge of rows on lakeFS 1.84",
        rows,
        no_peer="nothing else puts gates and row merges on lakeFS",
        needs=_without_server,
    ),
)
