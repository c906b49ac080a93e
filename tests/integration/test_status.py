"""`datahub status` after people were asked."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from datahub import Hub
from tests.integration.conftest import Datahub


def told(datahub: Datahub) -> dict[str, int]:
    """What status says of rows out with people."""
    said = datahub("status").out
    return {
        what: int(found.group(1)) if (found := re.search(rf"{what}[^:]*: (\d+)", said)) else 0
        for what in ("wait for an answer", "answered, and not pulled", "asked in label-studio")
    }


def test_status_parts_rows_that_wait_from_answers_that_wait(
    datahub: Datahub, labeled: Path
) -> None:
    """Asked, answered and pulled: each row is counted where it stands."""
    assert set(told(datahub).values()) == {0}
    hub = Hub.open(labeled)
    hub.review_push(budget=6)
    assert told(datahub)["wait for an answer"] == 6

    tasks = hub.review_open()
    hub.review_answer([(tasks[0][0], "spam"), (tasks[1][0], None)], annotator="ann")

    after = told(datahub)
    assert (after["wait for an answer"], after["answered, and not pulled"]) == (4, 2)
    hub.review_pull()
    after = told(datahub)
    assert (after["wait for an answer"], after["answered, and not pulled"]) == (4, 0)


def test_status_asks_no_server_how_many_it_has(datahub: Datahub, labeled: Path) -> None:
    """Rows asked elsewhere are counted, their answers not: status works with the server down."""
    hub = Hub.open(labeled)
    hub.review_push(budget=3)
    asked = hub.catalog.ledger(queue="embedded", dataset="mail", branch=hub.branch)
    hub.catalog.record_entries([replace(entry, queue="label-studio") for entry in asked])

    assert told(datahub)["asked in label-studio"] == 3
