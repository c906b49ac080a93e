"""Answers that wait in Label Studio when a column comes are taken by the next pull."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from datahub import Hub
from tests.integration.conftest import LFS, mail

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo


def test_answers_in_label_studio_are_taken_after_a_new_column(
    labelstudio: ServerInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task carries its columns, and the answer comes back with them."""
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_URL", labelstudio.url or "")
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_TOKEN", labelstudio.token)
    monkeypatch.setenv("DATAHUB_QUEUE", "label-studio")
    hub, _ = Hub.init(tmp_path, dataset="mail-gh-11-4")
    (tmp_path / "labeling_functions" / "first.py").write_text(LFS)
    rows = mail().drop("kind")
    rows.write_parquet(tmp_path / "mail.parquet")
    hub.import_rows(tmp_path / "mail.parquet", key="id", classes=["ham", "spam"])
    hub.lf_run()
    hub.label_fit()
    hub.review_push(budget=6)
    hub.review_answer([(task_id, "ham") for task_id, _ in hub.review_open()], annotator="ann")
    rows.with_columns(source=pl.lit("crawl 7")).write_parquet(tmp_path / "next.parquet")
    hub.import_rows(tmp_path / "next.parquet", mode="upsert")
    hub.lf_run()
    hub.label_fit()

    pulled = hub.review_pull()

    assert (pulled.annotations, pulled.refused) == (6, ())
    assert pulled.statuses["annotated"] == 6
