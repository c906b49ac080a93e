"""Answers that a change of rows would set aside: told before, by every way in, on every store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub import Hub
from datahub.core.errors import AnswersSetAside
from datahub.core.setaside import SetAside
from tests.integration.conftest import LFS, mail
from tests.lakefs_server import LakeFSServer

KEYS = [0, 1, 2]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a folder, to be copied: what `hub` is."""
    return answered(tmp_path_factory.mktemp("embedded") / "mail").settings.root


@pytest.fixture(params=["embedded", "lakefs"])
def hub(request: pytest.FixtureRequest, tmp_path: Path, alone: Hub) -> Hub:
    """A project whose rows 0, 1 and 2 Ann and Bob have answered; row 3 is an open task."""
    if request.param == "embedded":
        return alone
    server: LakeFSServer = request.getfixturevalue("lakefs")
    access = server.new_repository(tmp_path)
    return answered(
        tmp_path / "lake",
        store="lakefs",
        lakefs_endpoint=access["endpoint"],
        lakefs_repository=access["repository"],
        lakefs_access_key_id=access["access_key_id"],
        lakefs_secret_access_key=access["secret_access_key"],
    )


@pytest.fixture
def alone(tmp_path: Path, embedded: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The same without a server."""
    monkeypatch.setenv("DATAHUB_OVERLAP", "2")
    shutil.copytree(embedded, tmp_path / "mail")
    return Hub.open(tmp_path / "mail")


def answered(folder: Path, **settings: str) -> Hub:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAHUB_OVERLAP", "2")
        hub, _ = Hub.init(folder, dataset="mail", **settings)
    (folder / "labeling_functions" / "first.py").write_text(LFS)
    take(hub, mail())
    hub.lf_run()
    hub.label_fit()
    hub.review_push(budget=mail().height)
    tasks = {task.key: task_id for task_id, task in hub.review_open()}
    for who in ("ann", "bob"):
        hub.review_answer([(tasks[key], "ham") for key in KEYS], annotator=who)
    hub.review_pull()
    return hub


def take(hub: Hub, rows: pl.DataFrame, **more: Any) -> Any:
    path = hub.settings.root / "rows.parquet"
    rows.drop("kind").write_parquet(path)
    return hub.import_rows(path, key="id", classes=["ham", "spam"], **more)


def edited(key: int, text: str = "another text") -> pl.DataFrame:
    """The mail with another text of one row."""
    text_of = pl.when(pl.col("id") == key).then(pl.lit(text)).otherwise("text")
    return mail().with_columns(text_of.alias("text"))


def decided(hub: Hub) -> int:
    """How many people's answers count."""
    found = [hub.why(str(key)) for key in KEYS]
    return sum(said.counts for row in found for said in row.annotations)


def refused(act: Callable[..., object], hub: Hub) -> AnswersSetAside:
    """What it says; it changes nothing."""
    heads = hub.store.branches()
    with pytest.raises(AnswersSetAside) as caught:
        act()
    assert hub.store.branches() == heads
    return caught.value


@pytest.mark.slow
def test_every_way_in_asks_before_it_sets_answers_aside(hub: Hub) -> None:
    """Import, merge, revert, cherry-pick and restore; what comes back counts again."""
    assert decided(hub) == 6
    kept = hub.store.commit_at("main").id
    asked: list[SetAside] = []

    def agree(losses: Sequence[SetAside]) -> bool:
        asked.extend(losses)
        return True

    lost = refused(lambda: take(hub, edited(0), mode="upsert"), hub)
    assert (lost.answers, lost.people, lost.rows, lost.tasks) == (2, 2, 1, 0)
    assert refused(lambda: take(hub, edited(3), mode="upsert"), hub).tasks == 1

    hub.switch("work", create=True)
    changed = take(hub, edited(0), mode="upsert", set_aside=agree).commit.id
    assert (decided(hub), asked.pop().answers) == (4, 2)
    refused(lambda: hub.merge("work", into="main"), hub)
    assert not asked

    hub.switch("main")
    refused(lambda: hub.cherry_pick(changed), hub)
    merged = hub.merge("work", set_aside=agree)
    assert (decided(hub), merged.report.set_aside) == (4, tuple(asked))

    hub.revert(hub.store.commit_at("main").id)
    assert decided(hub) == 6
    hub.cherry_pick(changed, set_aside=True)
    assert decided(hub) == 4
    hub.restore(ref=kept)
    assert decided(hub) == 6
    refused(lambda: hub.restore(ref=f"{kept}~1"), hub)


def test_a_merge_with_a_new_column_keeps_the_answers_of_both_sides(hub: Hub) -> None:
    """One side brings the column, the other more answers."""
    hub.create_branch("work")
    tasks = {task.key: task_id for task_id, task in hub.review_open()}
    for who in ("ann", "bob"):
        hub.review_answer([(tasks[3], "ham")], annotator=who)
    hub.review_pull()
    hub.switch("work")
    take(hub, mail().with_columns(pl.lit("crawl").alias("source")))

    hub.merge("work", into="main")

    hub.switch("main")
    assert decided(hub) == 6
    assert [said.counts for said in hub.why("3").annotations] == [True, True]
    hub.lf_run()
    hub.label_fit()
    labels = hub.scan(table="labels").collect()
    assert labels.filter(source="annotation")["id"].to_list() == [*KEYS, 3]


def test_rows_that_go_and_columns_that_are_renamed_say_so(alone: Hub) -> None:
    """The reasons are told apart."""
    gone = refused(lambda: take(alone, mail().filter(pl.col("id") > 0)), alone)
    renamed = refused(lambda: take(alone, mail().rename({"text": "body"})), alone)

    path = alone.settings.root / "sorted.parquet"
    edited(1).drop("kind").write_parquet(path)
    in_place = refused(
        lambda: alone.import_rows(path, key="id", in_place=True, hard_link=True), alone
    )

    assert dict(in_place.losses[0].reasons) == {"a value that was shown changes": 2}
    assert dict(gone.losses[0].reasons) == {"the row is removed": 2}
    assert dict(renamed.losses[0].reasons) == {"a column that was shown is removed or renamed": 6}


def test_a_gate_that_only_judges_warns(alone: Hub) -> None:
    """Nothing lands, so nobody is asked."""
    alone.switch("work", create=True)
    take(alone, edited(0), set_aside=True)

    verdict = alone.gate_run("work", into="main", ungated=True)

    assert verdict.passed
    assert "2 answers of 2 people about 1 row of mail" in alone.warnings[-1]


@pytest.mark.parametrize("catalog", ["not upgraded", "down"])
def test_a_catalog_that_cannot_say_who_was_asked_is_a_warning(
    alone: Hub, catalog: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Import and restore tell of the answers, and go on; the open tasks are not known."""
    url = f"sqlite:///{alone.settings.root / 'shared.db'}"
    if catalog == "down":
        url = "postgresql+psycopg://user:word@127.0.0.1:1/catalog"
    monkeypatch.setenv("DATAHUB_CATALOG_URL", url)
    hub = Hub.open(alone.settings.root)
    kept = hub.store.commit_at("main").id

    lost = refused(lambda: take(hub, edited(0), mode="upsert"), hub)
    take(hub, edited(3), mode="upsert")
    hub.restore(ref=kept)

    assert (lost.answers, lost.tasks) == (2, 0)
    assert hub.warnings[0].startswith("open tasks of mail are not looked at: The catalog")
    assert sum("open tasks" in warning for warning in hub.warnings) == 1
