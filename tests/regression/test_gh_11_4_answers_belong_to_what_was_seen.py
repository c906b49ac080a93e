"""An answer belongs to the columns that its annotator saw, and is never set aside in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from tests.integration.conftest import LFS, Datahub, mail

ASKED = 10


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with answers that were pulled, and others that wait for a pull."""
    folder = tmp_path_factory.mktemp("made") / "mail"
    hub, _ = Hub.init(folder, dataset="mail")
    (folder / "labeling_functions" / "first.py").write_text(LFS)
    mail().write_parquet(folder / "mail.parquet")
    hub.import_rows(folder / "mail.parquet", key="id", gold="kind")
    hub.lf_run()
    hub.label_fit()
    for _ in range(2):
        hub.review_pull()
        hub.review_push(budget=ASKED)
        hub.review_answer([(task_id, "ham") for task_id, _ in hub.review_open()])
    return folder


@pytest.fixture
def answered(datahub: Datahub, made: Path, tmp_path: Path) -> Path:
    """The same, where the command line is."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(datahub: Datahub, *words: str) -> str:
    ran = datahub(*words)
    assert ran.code == 0, ran.err
    return ran.out


def brought(folder: Path, rows: pl.DataFrame) -> str:
    rows.write_parquet(folder / "next.parquet")
    return "next.parquet"


def labels_by_people(datahub: Datahub) -> int:
    run(datahub, "lf", "run")
    run(datahub, "label", "fit")
    run(datahub, "export", "labels.parquet", "--table", "labels")
    return int((pl.read_parquet("labels.parquet")["source"] == "annotation").sum())


def test_answers_still_count_after_a_new_column(datahub: Datahub, answered: Path) -> None:
    """The column was not there when people looked: they said nothing about it."""
    file = brought(answered, mail().with_columns(source=pl.lit("crawl 7")))

    run(datahub, "import", file, "--key", "id", "--gold", "kind", "--upsert")

    assert labels_by_people(datahub) == ASKED


def test_answers_not_yet_pulled_are_taken_after_a_new_column(
    datahub: Datahub, answered: Path
) -> None:
    """They wait in the queue for the next pull, which refuses none."""
    file = brought(answered, mail().with_columns(source=pl.lit("crawl 7")))
    run(datahub, "import", file, "--key", "id", "--gold", "kind", "--upsert")
    labels_by_people(datahub)

    pulled = datahub("review", "pull", "--json")

    assert pulled.code == 0, pulled.err
    assert (pulled.json["annotations"], pulled.json["refused"]) == (ASKED, [])
    assert labels_by_people(datahub) == 2 * ASKED


def test_a_change_of_what_was_shown_is_told_before_it_happens(
    datahub: Datahub, answered: Path
) -> None:
    """Nothing is imported, and the counts are in the error: exit 3."""
    head = datahub("log", "-n", "1", "--json").json[0]["id"]
    file = brought(answered, mail().with_columns(pl.col("text") + "!"))

    ran = datahub("import", file, "--key", "id", "--gold", "kind", "--json")

    assert ran.code == 3
    error = json.loads(ran.err)["error"]
    assert error["code"] == "answers_set_aside"
    (lost,) = error["set_aside"]
    assert (lost["answers"], lost["rows"], len(lost["people"]), lost["tasks"]) == (
        ASKED,
        ASKED,
        1,
        ASKED,
    )
    assert datahub("log", "-n", "1", "--json").json[0]["id"] == head


def test_what_was_set_aside_counts_again_where_it_comes_back(
    datahub: Datahub, answered: Path
) -> None:
    """The log loses nothing."""
    changed = brought(answered, mail().with_columns(pl.col("text") + "!"))
    run(datahub, "import", changed, "--key", "id", "--gold", "kind", "--yes")
    assert labels_by_people(datahub) == 0

    run(datahub, "import", "mail.parquet", "--key", "id", "--gold", "kind")

    assert labels_by_people(datahub) == ASKED


def test_a_label_that_is_no_class_any_more_is_told_and_does_not_stop_a_fit(
    datahub: Datahub, answered: Path
) -> None:
    """Renaming a class takes its answers; reordering takes none."""
    words = ["import", "mail.parquet", "--key", "id", "--classes"]

    run(datahub, *words, "spam,ham")
    refused = datahub(*words, "spam,fine")

    assert refused.code == 3
    assert f"{ASKED} answers of 1 person" in refused.err
    run(datahub, *words, "spam,fine", "--yes")
    assert labels_by_people(datahub) == 0
