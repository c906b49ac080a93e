"""`label fit --dev`: a few labeled rows choose the label model, and measure nothing afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datahub import Hub
from datahub.core.errors import InputError
from datahub.core.layout import label_model_file
from datahub.core.manifest import ModelManifest
from tests.integration.conftest import Datahub, mail

ROWS = mail().height


def manifest(hub: Hub) -> ModelManifest:
    model = hub.at("mail").model
    assert model is not None
    return model


def audited(folder: Path) -> Hub:
    """All rows drawn by chance, and answered as gold has them."""
    hub = Hub.open(folder, audit_share=1.0)
    hub.review_push(budget=ROWS)
    gold = hub.gold()
    hub.review_answer([(i, gold[task.key]) for i, task in hub.review_open()], annotator="ann")
    hub.review_pull()
    return hub


def test_gold_rows_that_choose_are_not_scored(datahub: Datahub, labeled: Path) -> None:
    fitted = datahub("label", "fit", "--dev", "gold", "--dev-rows", "30", "--json").json
    score = datahub("label", "score", "--json").json

    chosen = fitted["chosen"]
    assert (chosen["source"], chosen["rows"], chosen["left"]) == ("gold", 30, ROWS - 30)
    assert chosen["interval"][0] <= chosen["right"] <= chosen["interval"][1]
    assert fitted["balance_from"] == chosen["balance"]
    assert (score["spent"], score["everything"]["rows"]) == (30, ROWS - 30)
    assert (
        f"{ROWS - 30} labeled rows of gold are left"
        in datahub("label", "fit", "--dev", "gold", "--dev-rows", "30", "--seed", "5").out
    )
    assert "30 rows that the label model was chosen by" in datahub("label", "score").out


def test_audited_rows_that_choose_are_no_part_of_a_promise(datahub: Datahub, labeled: Path) -> None:
    """Nor after a later pull, which judges again."""
    hub = audited(labeled)
    assert hub.review_report().answered == ROWS

    fitted = hub.label_fit(dev="audit", dev_rows=30)

    assert fitted.chosen is not None
    assert fitted.chosen.left == ROWS - 30
    assert hub.review_report().answered == ROWS - 30
    triage = hub.at("mail").triage
    assert triage.covered.audited + triage.uncovered.audited <= ROWS - 30
    hub.review_push(budget=ROWS)
    hub.review_pull()
    assert hub.review_report().answered == ROWS - 30
    hub.label_fit()
    assert hub.review_report().answered == ROWS  # nothing was chosen by them this time


def test_the_same_rows_choose_the_same_labels(datahub: Datahub, labeled: Path) -> None:
    """The commit keeps which rows chose, and an earlier datahub refuses it by its format."""
    hub = Hub.open(labeled)
    one = hub.label_fit(dev="gold", dev_rows=30)
    kept = manifest(hub)
    again = hub.label_fit(dev="gold", dev_rows=30)

    assert one.chosen == again.chosen
    assert not again.changed
    assert kept.chosen_by is not None
    assert len(set(kept.chosen_by.keys)) == 30
    assert json.loads(kept.to_json())["format"] == 4
    assert ModelManifest.from_json(kept.to_json()) == kept
    hub.label_fit()
    assert json.loads(manifest(hub).to_json())["format"] == 3


@pytest.mark.parametrize("source", ["answers", "queue", ""])
def test_answers_that_the_queue_picked_choose_nothing(
    datahub: Datahub, labeled: Path, source: str
) -> None:
    before = Hub.open(labeled).at("mail").id

    with pytest.raises(InputError, match="cannot be chosen by") as refused:
        Hub.open(labeled).label_fit(dev=source)

    assert "--dev audit" in refused.value.hint
    assert Hub.open(labeled).at("mail").id == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--dev", "gold", "--dev-rows", "29"), "29 rows with a vote have a label by gold"),
        (("--dev", "audit"), "0 rows with a vote have a label by audit"),
        (("--dev", "gold", "--class-balance", "0.5,0.5"), "A class balance or options were given"),
        (("--dev", "gold", "--model", "bayes"), "--dev chooses the label model"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    datahub: Datahub, labeled: Path, words: tuple[str, ...], said: str
) -> None:
    ran = datahub("label", "fit", *words)

    assert ran.code == 2
    assert said in ran.err


def test_without_gold_there_is_nothing_to_choose_by(datahub: Datahub, tmp_path: Path) -> None:
    assert datahub("init", "--dataset", "mail").code == 0
    mail().drop("kind").write_parquet("mail.parquet")
    assert datahub("import", "mail.parquet", "--key", "id", "--classes", "ham,spam").code == 0
    lf = "from datahub import keywords\n\nfree = keywords('free', ['free'], 1)\n"
    (tmp_path / "labeling_functions" / "first.py").write_text(lf)
    assert datahub("lf", "run").code == 0

    ran = datahub("label", "fit", "--dev", "gold")

    assert "has no gold labels" in ran.err
    assert label_model_file("mail") not in Hub.open(tmp_path).at("mail").objects()
