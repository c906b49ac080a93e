"""The audit slice measures what nobody checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from datahub import Hub
from tests.integration.conftest import Datahub


def test_the_report_counts_blind_answers_and_no_others(datahub: Datahub, labeled: Path) -> None:
    """All 42 rows audited: the errors are exactly those against gold."""
    hub = Hub.open(labeled, audit_share=1.0)
    hub.review_push(budget=42)
    gold = hub.gold()
    hub.review_answer([(i, gold[task.key]) for i, task in hub.review_open()], annotator="ann")
    hub.review_pull()

    measured = hub.review_report()

    groups = (measured.accepted, measured.doubted, measured.uncovered)
    assert sum(group.audited for group in groups) == sum(group.rows for group in groups) == 42
    labels = {row["id"]: row for row in datahub_scores(hub)}
    wrong = sum(
        row["label"] != gold[key] for key, row in labels.items() if row["label"] is not None
    )
    assert measured.accepted.rows == 0  # 42 audited rows promise nothing at 5%
    assert measured.doubted.wrong == wrong


def test_answers_to_doubted_rows_are_not_audited(datahub: Datahub, labeled: Path) -> None:
    """Rows chosen for their doubt would make every label look wrong."""
    hub = Hub.open(labeled, audit_share=0.0)
    hub.review_push(budget=10)
    gold = hub.gold()
    hub.review_answer([(i, gold[task.key]) for i, task in hub.review_open()], annotator="ann")
    hub.review_pull()

    report = datahub("review", "report", "--json").json

    assert report["answered"] == 0
    assert report["accepted"]["error"] is None
    assert report["accepted"]["interval"] == [0.0, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "how"), [("", "uniform"), ("estimated", "estimated"), ("0.4,0.6", "given")]
)
def test_the_class_balance_and_how_it_was_got_is_told_by_whoever_tells_of_labels(
    datahub: Datahub, labeled: Path, asked: str, how: str
) -> None:
    """By `label fit`, `label compare` and `review report`, to people and to machines."""
    given = ["--class-balance", asked] if asked else []

    fitted = datahub("label", "fit", *given)
    compared = datahub("label", "compare", "--seeds", "1", *given)
    reported = datahub("review", "report")

    machine = datahub("review", "report", "--json").json
    told = ", ".join(f"{name} {part:.3f}" for name, part in machine["class_balance"].items())
    assert machine["balance_from"] == how
    assert sum(machine["class_balance"].values()) == pytest.approx(1)
    for said in (fitted, compared, reported):
        assert f"class balance {how}: {told}" in said.out
    for words in (("label", "fit"), ("label", "compare", "--seeds", "1")):
        found = datahub(*words, *given, "--json").json
        assert (found["balance_from"], found["class_balance"]) == (how, machine["class_balance"])


def test_people_who_answer_the_same_rows_are_held_against_each_other(
    datahub: Datahub, labeled: Path
) -> None:
    """Two people asked by one setting, in the terminal's words; the third's turn never comes."""
    settings = labeled / "datahub.toml"
    settings.write_text(settings.read_text() + "\noverlap = 2\n")
    datahub("review", "push", "--budget", "4")
    keys = [task["key"] for task in datahub("review", "answer", "--list", "--json").json]
    classes = Hub.open(labeled).dataset().classes
    told: dict[str, list[int | None]] = {"ann": [0, 0, 1, None], "bob": [0, 1, 1, 1]}
    for name, labels in told.items():
        named = [classes[y] if y is not None else "" for y in labels]
        lines = [f"{key},{label}" for key, label in zip(keys, named, strict=True)]
        (labeled / "said.csv").write_text("\n".join(["id,label", *lines]))
        datahub("review", "answer", "--csv", "said.csv", "--annotator", name)
    again = datahub("review", "answer", "--csv", "said.csv", "--annotator", "cleo")
    datahub("review", "pull")

    report = datahub("review", "report").out
    found = datahub("review", "report", "--json").json["agreement"]

    assert again.code == 2
    assert "is not waiting for an answer of cleo's" in again.err
    assert (found["rows"], found["same"]) == (3, 2)
    assert found["alpha"] == pytest.approx(4 / 9)
    ann, bob = found["people"]
    assert ann == {"name": "ann", "answers": 3, "skipped": 1, "shared": 3, "agreed": 2}
    assert bob == {"name": "bob", "answers": 4, "skipped": 0, "shared": 3, "agreed": 2}
    assert "3 rows were answered by two people or more, who say the same on 2 (66.7%)" in report
    assert "Krippendorff's alpha: 0.44" in report


def datahub_scores(hub: Hub) -> list[dict[str, object]]:
    out = hub.settings.root / "scores.parquet"
    hub.export_rows(out, table="soft_labels")
    return hub.rows.collect(hub.rows.scan([out])).to_dicts()
