"""What people, and other processes, do in Label Studio beside a plain answer.

Drafts, skips, flags, edits, other accounts, a token that ends, clocks that differ, two pulls at
once: each answer is in the log once, as it was given.
"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import uuid
from collections import Counter
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from bench.soak.faults import Proxy
from datahub import Hub
from datahub.adapters.review_labelstudio import LabelStudioReviewQueue
from datahub.core.errors import AuthenticationError
from datahub.core.triage import Task
from tests.integration.conftest import Datahub
from tests.regression import test_gh_11_11_ledger_and_label_studio as ledger
from tests.regression.test_gh_11_11_ledger_and_label_studio import Studio, answers, ran
from tests.remembering import RememberingQueue

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo

made, web, project = ledger.made, ledger.web, ledger.project


def lines(project: Path) -> Counter[tuple[object, str | None, bool]]:
    """(row, label, whether withdrawn) of every line of the log."""
    hub = Hub.open(project)
    log = hub.at("mail", ref=hub.branch).log
    return Counter((line.key, line.label, line.withdrawn) for line in log)


def key_of(task: dict[str, Any]) -> int:
    return int(task["data"]["row_key"])


@pytest.mark.slow
def test_two_pulls_at_once_take_each_answer_once(
    datahub: Datahub, project: Path, web: httpx.Client
) -> None:
    """One of them may be told that the branch has moved, and to try again."""
    ran(datahub, "push", "--budget", "6")
    studio = Studio(project, web)
    tasks = studio.tasks()
    for task in tasks:
        studio.answer(task["id"], "spam")

    code = "from datahub.cli.app import main; main()"
    command = [sys.executable, "-c", code, "review", "pull", "--json"]
    pulls = [
        subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    codes = {pull.wait(timeout=120): pull.communicate() for pull in pulls}

    assert 0 in codes, codes
    assert set(codes) <= {0, 3}, codes
    assert ran(datahub, "pull")["annotations"] == 0
    assert lines(project) == Counter((key_of(task), "spam", False) for task in tasks)


def test_drafts_skips_flags_and_edits_come_as_what_they_are(
    datahub: Datahub, project: Path, web: httpx.Client
) -> None:
    ran(datahub, "push", "--budget", "5")
    studio = Studio(project, web)
    drafted, skipped, flagged, edited, unskipped = studio.tasks()
    draft = studio.said("ham") | {"lead_time": 1.0}
    web.post(f"/api/tasks/{drafted['id']}/drafts", json=draft).raise_for_status()
    studio.answer(skipped["id"], was_cancelled=True)
    flag = studio.answer(flagged["id"], "spam", ground_truth=True)
    edit = studio.answer(edited["id"], "ham")
    unskip = studio.answer(unskipped["id"], was_cancelled=True)

    first = ran(datahub, "pull")

    assert first["annotations"] == 4
    assert answers(project) == {
        key_of(skipped): None,
        key_of(flagged): "spam",
        key_of(edited): "ham",
        key_of(unskipped): None,
    }

    # Later: a flag taken off, an edit that is only a draft, an edit that is none, a skip undone.
    web.patch(f"/api/annotations/{flag}/", json={"ground_truth": False}).raise_for_status()
    path = f"/api/tasks/{edited['id']}/annotations/{edit}/drafts"
    web.post(path, json=studio.said("spam") | {"lead_time": 1.0}).raise_for_status()
    web.patch(
        f"/api/annotations/{unskip}/", json=studio.said("ham") | {"was_cancelled": False}
    ).raise_for_status()
    ran(datahub, "pull")

    stand = {key_of(skipped): None, key_of(flagged): "spam", key_of(unskipped): "ham"}
    assert answers(project) == stand | {key_of(edited): "ham"}

    studio.edit(edit, "spam")
    studio.answer(drafted["id"], "spam")
    ran(datahub, "pull")

    assert answers(project) == stand | {key_of(edited): "spam", key_of(drafted): "spam"}
    assert not any(withdrawn for *_, withdrawn in lines(project))


def test_clocks_that_differ_lose_nothing(
    datahub: Datahub, project: Path, web: httpx.Client, labelstudio: ServerInfo
) -> None:
    """Ours 27 years behind the server's, then 73 ahead; and another person of the server's."""
    ran(datahub, "push", "--budget", "4")
    studio = Studio(project, web)
    tasks = studio.tasks()
    email = f"{uuid.uuid4().hex}@example.org"
    user = web.post("/api/users/", json={"email": email, "username": email}).raise_for_status()
    hub = Hub.open(project)

    for year, task in zip((1999, 2099, 1999, 2026), tasks, strict=True):
        time = dt.datetime(year, 1, 1, tzinfo=dt.UTC)
        hub.clock = lambda time=time: time  # type: ignore[misc]
        studio.answer(task["id"], "ham", completed_by=user.json()["id"])
        assert hub.review_pull().annotations == 1, year

    hub.clock = lambda: dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    assert hub.review_pull().annotations == 0
    assert lines(project) == Counter((key_of(task), "ham", False) for task in tasks)
    log = hub.at("mail", ref=hub.branch).log
    assert {line.annotator for line in log} == {email}


def test_a_token_that_ends_in_the_middle_loses_nothing(labelstudio: ServerInfo) -> None:
    """At each request of a pull in turn: refused as such, and what is there comes with another."""
    classes = ("sport", "tech")
    tasks = [Task(n, f"h{n}", {"text": "A."}, "why", "doubt", "tech", n / 10) for n in range(5)]
    with closing(Proxy(labelstudio.url or "", seed=11, share=0.0)) as proxy:
        name = f"revoked {uuid.uuid4().hex[:8]}"

        def opened() -> LabelStudioReviewQueue:
            return LabelStudioReviewQueue(url=proxy.url, token=labelstudio.token, project=name)

        queue = RememberingQueue(opened())
        queue.push("b", tasks, classes=classes)
        for task_id, _ in queue.open_tasks():
            queue.answer(task_id, "tech", annotator="ann@example.org")
        refused = 0
        for number in count():
            queue.inside = opened()
            proxy.script = [*[""] * number, *["revoked"] * 50]
            try:
                brought = queue.pull(queue.cursor).annotations
            except AuthenticationError:
                refused += 1
            else:
                break
        assert refused >= 4
        assert [line.key for line in brought] == list(range(5))
        proxy.script = []
        assert queue.pull(queue.cursor).annotations == ()


def test_a_project_of_another_person_is_asked_and_heard_all_the_same(
    datahub: Datahub, project: Path, web: httpx.Client
) -> None:
    """Its description and settings changed by hand, as somebody does who takes it over."""
    ran(datahub, "push", "--budget", "3")
    studio = Studio(project, web)
    first, second, *_ = studio.tasks()
    changes = {"title": "Mine now", "expert_instruction": "Hurry", "maximum_annotations": 3}
    web.patch(f"/api/projects/{studio.number}/", json=changes).raise_for_status()
    studio.answer(first["id"], "ham")

    assert ran(datahub, "pull")["annotations"] == 1
    ran(datahub, "push", "--budget", "1")
    studio.answer(second["id"], "ham")
    assert ran(datahub, "pull")["annotations"] == 1
    assert Studio(project, web).number == studio.number
    assert set(studio.rows().values()) == {1}
