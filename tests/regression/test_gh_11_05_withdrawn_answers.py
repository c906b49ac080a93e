"""An answer that is withdrawn in Label Studio is an entry of the log, and later pulls work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from datahub import Hub
from datahub.core.relabel import Annotation
from tests.contract.test_review_queue import signed_in
from tests.integration.conftest import Datahub

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo


@pytest.fixture
def web(labelstudio: ServerInfo) -> Iterator[httpx.Client]:
    with signed_in(labelstudio) as client:
        yield client


@pytest.fixture
def asked(
    datahub: Datahub, labeled: Path, labelstudio: ServerInfo, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The labeled project; four of its rows are asked in Label Studio, answered and pulled."""
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_URL", labelstudio.url or "")
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_TOKEN", labelstudio.token)
    monkeypatch.setenv("DATAHUB_QUEUE", "label-studio")
    assert datahub("review", "push", "--budget", "4").code == 0
    hub = Hub.open(labeled)
    answers = [(task_id, "ham") for task_id, _ in hub.review_open()]
    assert hub.review_answer(answers, annotator="ann") == 4
    ran = datahub("review", "pull", "--json")
    assert (ran.code, ran.json["annotations"]) == (0, 4), ran.err
    return labeled


def answer_ids(web: httpx.Client, project: Path) -> dict[int, int]:
    """Task id -> annotation id, in the project of `project`."""
    number = Hub.open(project).queue().where().split("/")[-2]
    tasks = web.get("/api/tasks/", params={"project": number, "fields": "all"}).json()["tasks"]
    return {task["id"]: task["annotations"][0]["id"] for task in tasks}


def withdrawn(project: Path) -> list[Annotation]:
    hub = Hub.open(project)
    return [entry for entry in hub.at("mail", ref=hub.branch).log if entry.withdrawn]


@pytest.mark.slow
def test_what_is_deleted_emptied_or_skipped_is_an_entry_once_and_later_pulls_work(
    datahub: Datahub, asked: Path, web: httpx.Client
) -> None:
    """Each in its own way: annotation deleted, its task deleted, answer emptied, made a skip."""
    (_, deleted), (task, _), (_, emptied), (_, skipped) = answer_ids(web, asked).items()
    web.delete(f"/api/annotations/{deleted}/").raise_for_status()
    web.delete(f"/api/tasks/{task}/").raise_for_status()
    web.patch(f"/api/annotations/{emptied}/", json={"result": []}).raise_for_status()
    skip = {"result": [], "was_cancelled": True}
    web.patch(f"/api/annotations/{skipped}/", json=skip).raise_for_status()

    first = datahub("review", "pull", "--json")

    assert first.code == 1, first.err  # one answer is refused: it is empty
    assert first.json["annotations"] == 4
    assert len(first.json["refused"]) == 1
    assert {(e.annotator, e.label) for e in withdrawn(asked)} == {("ann", "ham")}
    assert len(withdrawn(asked)) == 3
    assert all(hash(entry) for entry in withdrawn(asked))
    later = [datahub("review", "pull", "--json") for _ in range(2)]
    assert [ran.json["annotations"] for ran in later] == [0, 0]
