"""`datahub lf suggest` as a person uses it."""

from __future__ import annotations

from pathlib import Path

from datahub import Hub
from tests.integration.conftest import Datahub, mail


def test_suggestions_are_written_for_a_person_and_then_run(datahub: Datahub, project: Path) -> None:
    report = datahub("lf", "suggest", "--json").json
    shown = datahub("lf", "suggest").out
    head = datahub("log", "-n", "1", "--json").json

    written = datahub("lf", "suggest", "--write", "guesses")
    again = datahub("lf", "suggest", "--write", "guesses")

    assert report["rows"] == mail().height
    assert report["suggestions"]
    assert all(line["rows"] == mail().height // 2 for line in report["suggestions"])
    assert shown.strip() == report["code"].strip()
    assert written.code == 0, written.err
    path = project / "labeling_functions" / "guesses.py"
    assert path.read_text() == report["code"]
    assert again.code == 3
    assert datahub("log", "-n", "1", "--json").json == head
    ran = datahub("lf", "run", "--json")
    assert ran.code == 0, ran.err
    names = {lf["name"] for lf in ran.json["table"]}
    assert {line["name"] for line in report["suggestions"]} <= names


def test_answers_suggest_too_and_few_rows_are_refused(datahub: Datahub, labeled: Path) -> None:
    few = datahub("lf", "suggest", "--from", "answers")
    hub = Hub.open(labeled, audit_share=1.0)
    hub.review_push(budget=mail().height)
    gold = hub.gold()
    hub.review_answer([(i, gold[task.key]) for i, task in hub.review_open()], annotator="ann")
    hub.review_pull()

    ran = datahub("lf", "suggest", "--from", "answers", "--json")
    nobody = datahub("lf", "suggest", "--from", "nobody")

    assert few.code == nobody.code == 2
    assert "suggestions need 40" in few.err
    assert ran.json["source"] == "answers"
    assert ran.json["rows"] == mail().height
