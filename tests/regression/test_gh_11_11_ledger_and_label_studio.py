"""Ledger and Label Studio stay in step: what was deleted, renamed, doubled or refused is told."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from datahub import Hub
from datahub.core.relabel import current
from tests.contract.test_review_queue import signed_in
from tests.integration.conftest import LFS, Datahub, mail

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo

SETTINGS = 'dataset = "mail"\nqueue = "label-studio"\nend_model = "none"\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labeled project, made once."""
    folder = tmp_path_factory.mktemp("made")
    Hub.init(folder, dataset="mail")
    (folder / "datahub.toml").write_text(SETTINGS)
    (folder / "labeling_functions" / "first.py").write_text(LFS)
    mail().write_parquet(folder / "mail.parquet")
    hub = Hub.open(folder)
    hub.import_rows(folder / "mail.parquet", key="id", gold="kind")
    hub.lf_run()
    hub.label_fit()
    return folder


@pytest.fixture
def web(labelstudio: ServerInfo) -> Iterator[httpx.Client]:
    with signed_in(labelstudio) as client:
        yield client


@pytest.fixture
def project(
    datahub: Datahub,
    tmp_path: Path,
    made: Path,
    labelstudio: ServerInfo,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Path:
    """A copy of it, on a branch of its own, and so with a project of its own in Label Studio."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_URL", labelstudio.url or "")
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_TOKEN", labelstudio.token)
    assert datahub("switch", "-c", request.node.name[5:30]).code == 0
    return tmp_path


class Studio:
    """What Label Studio has of a project, and what people do in it."""

    def __init__(self, project: Path, web: httpx.Client) -> None:
        self.web = web
        self.number = Hub.open(project).queue().where().split("/")[-2]

    def tasks(self) -> list[dict[str, Any]]:
        where = {"project": self.number, "fields": "all", "page_size": "1000"}
        tasks: list[dict[str, Any]] = self.web.get("/api/tasks/", params=where).json()["tasks"]
        return tasks

    def rows(self) -> Counter[int]:
        return Counter(task["data"]["row_key"] for task in self.tasks())

    def said(self, *labels: str) -> dict[str, Any]:
        choice = {"from_name": "label", "to_name": "text", "type": "choices", "id": "x"}
        return {"result": [{**choice, "value": {"choices": list(labels)}}] if labels else []}

    def answer(self, task: int, *labels: str, **more: object) -> int:
        made = self.web.post(f"/api/tasks/{task}/annotations/", json=self.said(*labels) | more)
        return int(made.raise_for_status().json()["id"])

    def edit(self, answer: int, *labels: str) -> None:
        self.web.patch(f"/api/annotations/{answer}/", json=self.said(*labels)).raise_for_status()

    def delete(self, what: str, number: object) -> None:
        self.web.delete(f"/api/{what}/{number}/").raise_for_status()

    def double(self) -> None:
        again = [{"data": task["data"]} for task in self.tasks()]
        self.web.post(f"/api/projects/{self.number}/import", json=again).raise_for_status()


def answers(project: Path) -> dict[object, str | None]:
    """Row -> label of the answers that stand."""
    hub = Hub.open(project)
    return {entry.key: entry.label for entry in current(hub.at("mail", ref=hub.branch).log)}


def ran(datahub: Datahub, *words: str, code: int = 0) -> Any:
    done = datahub("review", *words, "--json")
    assert done.code == code, done.err
    return done.json


def test_deleted_tasks_are_asked_again(datahub: Datahub, project: Path, web: httpx.Client) -> None:
    """Answered or not, by the pull that misses them; the withdrawn answer is told once."""
    ran(datahub, "push", "--budget", "5")
    studio = Studio(project, web)
    before, (first, second, *_) = studio.rows(), studio.tasks()
    studio.answer(first["id"], "ham")
    ran(datahub, "pull")
    for task in (first, second):
        studio.delete("tasks", task["id"])
    pushed = ran(datahub, "push", "--budget", "1")  # it misses them first, and withdraws nothing
    before = before + Counter(studio.rows().keys() - before.keys())

    pulled = ran(datahub, "pull")

    assert pushed["found"]["deleted"] == 2
    assert (pushed["asked_again"], len(pulled["asked_again"])) == (1, 1)
    assert pulled["withdrawn"] == 1
    assert studio.rows() == before
    assert (ran(datahub, "pull")["annotations"], answers(project)) == (0, {})


def test_a_renamed_project_is_still_ours_and_a_deleted_one_is_told(
    datahub: Datahub, project: Path, web: httpx.Client
) -> None:
    """Answers that were taken stay; what is open is asked by the next push, in a new project."""
    ran(datahub, "push", "--budget", "4")
    studio = Studio(project, web)
    before, (first, second, *_) = studio.rows(), studio.tasks()
    name = {"title": "Called something else", "description": ""}
    web.patch(f"/api/projects/{studio.number}/", json=name).raise_for_status()
    studio.answer(first["id"], "ham")

    assert ran(datahub, "pull")["annotations"] == 1
    assert ran(datahub, "push", "--budget", "1")["tasks"] == 1
    assert Studio(project, web).number == studio.number

    studio.answer(second["id"], "politics")
    ran(datahub, "pull", code=1)
    studio.delete("projects", studio.number)
    gone = ran(datahub, "pull")
    ran(datahub, "push", "--budget", "1")

    assert any(f"project {studio.number} was deleted" in note for note in gone["found"]["notes"])
    assert any("4 open tasks" in note for note in gone["found"]["notes"])
    renewed = Studio(project, web)
    assert renewed.number != studio.number
    assert before - renewed.rows() == Counter([first["data"]["row_key"]])
    assert set(renewed.rows().values()) == {1}
    assert answers(project) == {first["data"]["row_key"]: "ham"}


def test_a_refused_answer_is_told_until_it_is_settled(
    datahub: Datahub, project: Path, web: httpx.Client
) -> None:
    """Fixed, and it counts; spoilt again, and what counted is withdrawn; deleted: settled."""
    ran(datahub, "push", "--budget", "2")
    studio = Studio(project, web)
    task = studio.tasks()[0]
    key = task["data"]["row_key"]
    answer = studio.answer(task["id"], "politics")

    for _ in range(2):
        assert [row for row, _ in ran(datahub, "pull", code=1)["refused"]] == [key]
    assert [row for row, _ in ran(datahub, "report")["refused"]] == [key]

    studio.edit(answer, "spam")
    assert (ran(datahub, "pull")["refused"], answers(project)) == ([], {key: "spam"})
    for labels in (("politics",), ()):
        studio.edit(answer, *labels)
        assert [row for row, _ in ran(datahub, "pull", code=1)["refused"]] == [key]
        assert answers(project) == {}
    studio.delete("annotations", answer)
    assert (ran(datahub, "pull")["refused"], ran(datahub, "report")["refused"]) == ([], [])


def test_what_arrives_twice_is_asked_once_and_answers_of_doubles_count(
    datahub: Datahub, project: Path, web: httpx.Client
) -> None:
    ran(datahub, "push", "--budget", "4")
    studio = Studio(project, web)
    once = studio.rows()
    studio.double()
    double = studio.tasks()[-1]
    studio.answer(double["id"], "ham")

    pulled = ran(datahub, "pull")

    assert pulled["found"]["doubled"] == 4
    assert studio.rows() == once
    assert answers(project) == {double["data"]["row_key"]: "ham"}


def test_two_copies_of_a_project_ask_no_row_twice(
    datahub: Datahub, project: Path, web: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pushes; what the one has asked, the other does not ask again."""
    shutil.copytree(project, project / "copy", ignore=shutil.ignore_patterns("copy"))
    for folder in (project, project / "copy"):
        monkeypatch.chdir(folder)
        ran(datahub, "push", "--budget", "6")

    assert set(Studio(project, web).rows().values()) == {1}


def test_another_branch_has_tasks_of_its_own(
    datahub: Datahub, project: Path, web: httpx.Client
) -> None:
    ran(datahub, "push", "--budget", "3")
    studio = Studio(project, web)
    assert datahub("switch", "-c", f"{project.name}-other").code == 0
    ran(datahub, "push", "--budget", "3")
    studio.answer(studio.tasks()[0]["id"], "ham")

    assert Studio(project, web).number != studio.number
    assert ran(datahub, "pull")["annotations"] == 0


def test_a_push_that_died_before_its_commit_is_let_go(datahub: Datahub, project: Path) -> None:
    """It left every later push with an error: the ledger knew no such state."""
    hub = Hub.open(project)

    def dies(*words: object, **more: object) -> None:
        raise KeyboardInterrupt

    hub.store.commit = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        hub.review_push(budget=3)

    assert ran(datahub, "push", "--budget", "3")["tasks"] == 3
    assert ran(datahub, "push", "--budget", "3")["tasks"] == 3


def test_deleted_accounts_are_people_of_their_own(
    datahub: Datahub, project: Path, web: httpx.Client
) -> None:
    """Two of them are two, whether their answers were pulled before or after; never None."""
    ran(datahub, "push", "--budget", "3")
    studio = Studio(project, web)
    accounts, place = [], f"{uuid.uuid4().hex[:8]}.example"
    for number, task in enumerate(studio.tasks()):
        account = web.post(
            "/api/users/", json={"email": f"{number}@{place}", "username": f"{number}{place}"}
        ).json()["id"]
        studio.answer(task["id"], "ham", completed_by=account)
        accounts.append(account)
        if number == 0:
            ran(datahub, "pull")
    for account in accounts:
        studio.delete("users", account)
    ran(datahub, "pull")

    people = ran(datahub, "report")["agreement"]["people"]

    names = [person["name"] for person in people]
    assert len(set(names)) == 3
    assert f"0@{place}" in names
    assert sum("deleted account" in name for name in names) == 2
