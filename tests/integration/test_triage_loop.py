"""From answers to other rows' labels, by the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub import Hub
from tests.integration.conftest import Datahub


def table(hub: Hub, name: str) -> pl.DataFrame:
    """A table of the dataset as it is at the branch."""
    out = hub.settings.root / f"{name}.parquet"
    hub.export_rows(out, table=name)
    return hub.rows.collect(hub.rows.scan([out]))


def answer_all(hub: Hub, answers: dict[Any, str]) -> None:
    """Every waiting row gets the answer given for its key."""
    hub.review_answer([(i, answers[task.key]) for i, task in hub.review_open()], annotator="ann")
    hub.review_pull()


def test_answers_inform_rows_alike_and_a_new_fit_agrees(datahub: Datahub, labeled: Path) -> None:
    """Provenance counts them; `label fit` over the same answers changes nothing."""
    hub = Hub.open(labeled, audit_share=0.0)
    before = table(hub, "soft_labels")
    hub.review_push(budget=8)
    answer_all(hub, dict.fromkeys(before["id"], "spam"))

    after, labels = table(hub, "soft_labels"), table(hub, "labels")
    informed = labels.filter((pl.col("pattern_answers") > 0) & (pl.col("status") != "annotated"))
    assert informed.height > 0
    shifted = after.filter(pl.col("id").is_in(informed["id"].implode()))
    was = before.filter(pl.col("id").is_in(informed["id"].implode()))
    assert shifted["probabilities"].to_list() != was["probabilities"].to_list()
    assert not hub.label_fit().changed


def test_answers_to_the_audit_slice_change_no_other_row(datahub: Datahub, labeled: Path) -> None:
    """What measures may not teach: else it would measure its own pupil."""
    hub = Hub.open(labeled, audit_share=1.0)
    before = table(hub, "soft_labels")
    hub.review_push(budget=20)
    answer_all(hub, dict.fromkeys(before["id"], "spam"))

    after = table(hub, "soft_labels")
    assert after.drop("trust").equals(before.drop("trust"))
    assert after["trust"].rank("min").equals(before["trust"].rank("min"))  # only calibrated
    assert (table(hub, "labels")["status"] == "annotated").sum() == 20


def test_the_report_says_what_is_missing_for_its_promise(datahub: Datahub, labeled: Path) -> None:
    """42 rows are too few for 5%, and enough for 25%."""
    hub = Hub.open(labeled, audit_share=1.0)
    hub.review_push(budget=42)
    answer_all(hub, hub.gold())  # type: ignore[arg-type]

    said = datahub("review", "report")
    report = datahub("review", "report", "--json").json

    assert report["triage"]["covered"]["state"] == "unmeasured"
    assert f"at least {report['triage']['covered']['needed']} more needed" in said.out
    assert report["outcomes"]["accept"] == 42  # those that people gave
    assert report["plain"]["audited"] == 42
    fitted = datahub("label", "fit", "--max-error", "0.25", "--json").json
    assert fitted["triage"]["covered"]["state"] == "held"
    assert datahub("review", "report", "--json").json["triage"]["policy"]["max_error"] == 0.25


def test_a_pull_keeps_to_the_policy_of_the_fit(datahub: Datahub, labeled: Path) -> None:
    """A flag of `label fit` holds until the next fit."""
    assert datahub("label", "fit", "--max-error", "0.25").code == 0
    hub = Hub.open(labeled)
    hub.review_push(budget=5)
    answer_all(hub, hub.gold())  # type: ignore[arg-type]

    assert hub.review_report().triage.policy.max_error == 0.25


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--features", "text,id"], 2),
        (["--features", "texts"], 2),
        (["--embedding", "text"], 2),
        (["--max-error", "0"], 2),
    ],
)
def test_columns_and_policies_that_cannot_be_are_refused(
    datahub: Datahub, labeled: Path, words: list[str], code: int
) -> None:
    """Before anything is fitted."""
    ran = datahub("label", "fit", *words)

    assert ran.code == code
    assert "hint:" in ran.err


def test_numbers_and_embeddings_are_looked_at_when_asked(datahub: Datahub, project: Path) -> None:
    """A new import brings the columns; label_model.json keeps which were looked at."""
    frame = pl.read_parquet(project / "mail.parquet").with_columns(
        letters=pl.col("text").str.len_chars(),
        vector=pl.concat_list(
            pl.col("text").str.count_matches("o").cast(pl.Float64),
            pl.col("text").str.count_matches("e").cast(pl.Float64),
        ),
    )
    frame.write_parquet(project / "more.parquet")
    for words in (
        ["switch", "-c", "work"],
        ["import", "more.parquet", "--key", "id", "--gold", "kind"],
        ["lf", "run"],
    ):
        assert datahub(*words).code == 0
    ran = datahub("label", "fit", "--features", "text,letters", "--embedding", "vector", "--json")

    assert ran.code == 0, ran.err
    assert ran.json["features"] == ["text", "letters", "vector"]
    hub = Hub.open(project)
    hub.review_push(budget=6)
    answer_all(hub, hub.gold())  # type: ignore[arg-type]
    assert hub.review_report().answered >= 1
