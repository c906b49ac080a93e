"""Walks read what they need, once: their cost does not follow rows, datasets or objects beside."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub.core.dataset import Dataset, Part
from datahub.core.layout import dataset_file, table_part
from datahub.core.versions import Changes
from datahub.flow.dataset import parts
from datahub.flow.dataset.at import At
from datahub.flow.dataset.patching import patch_labels
from datahub.flow.history.diff import diff
from datahub.flow.history.status import status
from datahub.flow.label.fit import Fitting, label_fit
from datahub.hub.registry import adapter
from tests.contract.test_at import Counting
from tests.unit.test_lf_memory import lfs
from tests.unit.test_lf_reuse import Project

ROWS = 60
TIME = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Labeled rows in some parts, on main and on `work`."""
    monkeypatch.setattr(parts, "ROWS_PER_PART", 20)
    made = Project(tmp_path)
    made.take({i: ("goal", "film", "neither")[i % 3] for i in range(ROWS)})
    made.run(lfs()[:3])
    majority, step = adapter("label_model", "majority")(), made.step()
    fitting = Fitting(model=majority, majority=majority, end_model=None, seed=0)
    label_fit(At.begin(made.store, made.rows, step, "mail"), fitting, step)
    made.store.create_branch("work", at="main")
    return made


def committed(project: Project, changes: Changes, branch: str = "main") -> None:
    head = project.store.commit_at(branch).id
    project.store.commit(branch, changes, message="m", author="ann", time=TIME, expected=head)


def relabeled(project: Project, count: int) -> None:
    """Put another label on every so many rows of `work`."""
    at = At.of(project.store, project.rows, "work", "mail")
    keys = list(range(0, ROWS, ROWS // count))[:count]
    lines = pl.concat(list(at.lines("labels", keys)))
    lines = lines.with_columns(label=pl.lit("other"), source=pl.lit("annotation"))
    committed(project, patch_labels(at, lines, step_id=f"step{count}"), branch="work")


def test_a_diff_of_many_rows_reads_what_one_of_few_does(project: Project) -> None:
    """A part is read once, however many of its rows moved; nothing is read again for each."""
    reads = {}
    for count in (6, 30):
        relabeled(project, count)
        store: Any = Counting(project.store)

        (rows,) = diff("main", "work", lines=100, store=store, rows=project.rows).rows

        assert len(rows.lines) >= count
        assert all(line.why for line in rows.lines)
        names = ("fetch", "read", "objects", "commit_at")
        reads[count] = {name: store.count(name) for name in names}

    more = {name: reads[30][name] - count for name, count in reads[6].items()}
    assert max(more.values()) <= 3  # labels of parts that were folded


def test_status_lists_a_commit_once_however_many_datasets(project: Project) -> None:
    def listings() -> int:
        store: Any = Counting(project.store)
        status("main", store=store, rows=project.rows, lfs=[], failure=None, rules={}, questions={})
        return int(store.count("objects"))

    few = listings()
    oid = next(iter(project.store.objects("main", "datasets/mail/rows/").values()))
    part = Part(oid, 1, 0, 0)
    changes: dict[str, str | None] = {}
    for name in (f"d{number}" for number in range(30)):
        dataset = Dataset(name, "id", (("id", "Int64"),), (part,))
        changes[dataset_file(name)] = project.store.put(dataset.to_json().encode())
        changes[table_part(name, "rows", oid)] = oid
    committed(project, changes)

    assert listings() == few


def test_lf_run_never_lists_the_whole_repository(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else lies there costs it nothing."""
    head = project.store.commit_at("main")
    store: Any = Counting(project.store)
    monkeypatch.setattr(project, "store", store)

    project.run(lfs()[:2])

    prefixes = {call[2] if len(call) > 2 else "" for call in store.calls if call[0] == "objects"}
    assert "" not in prefixes
    assert "datasets/" not in prefixes
    assert project.store.commit_at("main").parents == (head.id,)
