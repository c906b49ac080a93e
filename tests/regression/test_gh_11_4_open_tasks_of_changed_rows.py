"""A task whose row changed after it was asked waits for nobody, from that commit on."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub.core.errors import AnnotationError
from datahub.hub import Hub
from tests.integration.conftest import Datahub


def waiting_by_status(hub: Hub) -> list[str]:
    return [stale.what for stale in hub.status().out_of_date if "wait for an answer" in stale.what]


@pytest.fixture
def changed(labeled: Path, datahub: Datahub, tmp_path: Path) -> tuple[Hub, object]:
    """Five rows are asked, and the text of the first is another one now."""
    datahub("review", "push", "--budget", "5")
    hub = Hub.open(labeled)
    (_, first), *_ = hub.review_open()
    key = hub.dataset().key
    rows = pl.concat(list(hub.batches(table="rows"))).filter(pl.col(key) == first.key)
    rows.with_columns(pl.lit("quite another text").alias("text")).write_parquet(tmp_path / "n.pq")
    datahub("import", str(tmp_path / "n.pq"), "--upsert", "--yes")
    datahub("lf", "run")
    datahub("label", "fit")
    return Hub.open(labeled), first.key


def test_it_is_neither_listed_nor_counted(changed: tuple[Hub, object]) -> None:
    hub, key = changed

    assert key not in {task.key for _, task in hub.review_open()}
    assert len(hub.review_open()) == 4
    assert len(hub.review_open(limit=2)) == 2
    assert [what.rpartition(": ")[2] for what in waiting_by_status(hub)] == ["4"]


def test_an_answer_to_it_from_a_file_is_refused_at_once(
    changed: tuple[Hub, object], tmp_path: Path
) -> None:
    hub, key = changed
    answers = pl.DataFrame({hub.dataset().key: [key], "label": [hub.dataset().classes[0]]})
    answers.write_csv(tmp_path / "answers.csv")

    with pytest.raises(AnnotationError, match="is not waiting for an answer"):
        hub.review_answer_file(tmp_path / "answers.csv")


def test_it_is_asked_again_as_it_is_now(changed: tuple[Hub, object]) -> None:
    hub, key = changed

    for task_id, task in hub.review_open()[:1]:
        hub.review_answer([(task_id, hub.dataset().classes[0])])
        assert task.key != key
    hub.review_push(budget=1)

    shown = {task.key: task.fields for _, task in Hub.open(hub.settings.root).review_open()}
    assert key not in shown or shown[key]["text"] == "quite another text"
