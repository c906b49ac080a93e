"""Writes over HTTP: by everybody who may do them, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from datahub.core.accounts import RIGHTS, Right, Role
from datahub.web.app import create_app
from tests.integration.test_api import REPO, Server, endpoints
from tests.projects import Projects

ANSWERS = f"{REPO}/datasets/mail/answers"
TASKS = f"{REPO}/datasets/mail/tasks"
ON_WORK = {"branch": "work"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, projects: Projects) -> Iterator[Server]:
    """With rows that wait for answers on `work`."""
    made = Server(tmp_path_factory.mktemp("server"), projects)
    made.hub.on("work").review_push(budget=12)
    yield made
    for hub in made.hubs:
        hub.close()


@pytest.fixture
def browser(server: Server) -> Iterator[TestClient]:
    """A session of somebody who has the role of a reader."""
    server.hub.member_set("visitor", "reader")
    with TestClient(create_app(server.place), base_url="http://localhost") as client:
        client.post("/sign-in", json={"code": server.hub.invite("visitor")})
        yield client


def write(server: Server, name: str, who: str) -> Any:
    """Do the write of that operation, after what it needs was made by an admin."""
    one = f"{name}-{who}".replace("_", "-")
    if name == "create_branch":
        return server("POST", f"{REPO}/branches", who=who, json={"branch": one})
    if name == "delete_branch":
        server("POST", f"{REPO}/branches", json={"branch": one})
        return server("DELETE", f"{REPO}/branches/{one}", who=who)
    if name == "create_tag":
        return server("POST", f"{REPO}/tags", who=who, json={"tag": one})
    if name == "delete_tag":
        server("POST", f"{REPO}/tags", json={"tag": one})
        return server("DELETE", f"{REPO}/tags/{one}", who=who)
    if name == "set_member":
        return server("PUT", f"{REPO}/members/{one}", who=who, json={"role": "reader"})
    if name == "remove_member":
        server("PUT", f"{REPO}/members/{one}", json={"role": "reader"})
        return server("DELETE", f"{REPO}/members/{one}", who=who)
    assert name == "add_answer"
    body = {"task": next_task(server, who)["task"], "label": "ham"}
    return server("POST", ANSWERS, who=who, params=ON_WORK, json=body)


def next_task(server: Server, who: str) -> dict[str, Any]:
    """What waits for somebody's answer."""
    first: dict[str, Any] = server("GET", TASKS, who=who, params=ON_WORK).json()[0]
    return first


def test_every_write_is_done_for_every_role_that_may(server: Server) -> None:
    """The table of rights from the side of those who have them; refusals have a test of theirs."""
    wrong = []
    for method, _, operation in endpoints(server.place):
        right = operation["x-datahub-right"]
        if method == "GET" or right not in set(Right):
            continue
        for role in Role:
            if Right(right) in RIGHTS[role]:
                answered = write(server, operation["operationId"], str(role))
                if answered.status_code not in (200, 201):
                    wrong.append((operation["operationId"], role, answered.text))

    assert wrong == []


def test_a_tag_is_made_read_and_removed_from_where_it_is(server: Server) -> None:
    made = server("POST", f"{REPO}/tags", json={"tag": "v/1", "at": "work"})
    commit = server.hub.commit_id("work")
    stale = {"If-Match": f'"{"0" * 64}"'}

    assert (made.status_code, made.json()["commit"]) == (201, commit)
    assert made.headers["etag"] == f'"{commit}"'
    assert server("GET", f"{REPO}/tags/v/1").json() == made.json()
    assert server("POST", f"{REPO}/tags", json={"tag": "v/1"}).status_code == 409
    assert server("DELETE", f"{REPO}/tags/v/1", headers=stale).status_code == 412
    assert server("DELETE", f"{REPO}/tags/v/1").json() == {"deleted": "v/1"}
    assert server("DELETE", f"{REPO}/tags/v/1").status_code == 404
    done = server("GET", f"{REPO}/log", params={"limit": 1000}).json()[-3]
    assert (done["state"], json.loads(done["detail"])) == ("done", {"from": commit, "status": 200})


def test_a_role_is_given_changed_and_taken(server: Server, browser: TestClient) -> None:
    """And no role of another repository with it; a new role ends sessions."""
    url = f"{REPO}/members/visitor"
    server.hub.member_set("visitor", "reader", repository="other")
    browser.post("/sign-in", json={"code": server.hub.invite("visitor")})
    assert browser.get(f"{REPO}/branches").status_code == 200

    changed = server("PUT", url, json={"role": "labeler"})

    assert changed.json() == {"user": "visitor", "repository": "mine", "role": "labeler"}
    assert browser.get(f"{REPO}/branches").status_code == 401
    assert server("DELETE", url).json()["role"] is None
    assert server("DELETE", url).status_code == 404
    assert [one.user for one in server.hub.members(repository="other")].count("visitor") == 1


@pytest.mark.parametrize(
    ("user", "role", "status"), [("bob", "king", 422), ("bob", None, 422), ("b%20b", "reader", 400)]
)
def test_what_is_no_role_or_no_user_is_refused(
    server: Server, user: str, role: str | None, status: int
) -> None:
    answered = server("PUT", f"{REPO}/members/{user}", json={"role": role})

    assert answered.status_code == status
    assert user not in {one.user for one in server.hub.members()}


def test_an_answer_is_of_who_asks_and_becomes_a_label(server: Server) -> None:
    """Once; a class that is not there, and a task of nobody, are refused."""
    task = next_task(server, "annotator")

    def answer(task: str, label: str | None) -> Any:
        body = {"task": task, "label": label}
        return server("POST", ANSWERS, who="annotator", params=ON_WORK, json=body)

    assert answer(task["task"], "eggs").status_code == 400
    assert answer("no-task", "ham").json()["code"] == "not_found"
    assert answer(task["task"], "spam").json() == {"answered": 1}
    assert answer(task["task"], "ham").status_code == 404
    assert answer(next_task(server, "annotator")["task"], None).status_code == 201

    work = server.hub.on("work")
    work.review_pull()
    said = [(one.annotator, one.label) for one in work.why(str(task["key"])).annotations]
    assert ("annotator", "spam") in said


def test_a_session_has_a_new_secret_each_hour(
    server: Server, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one counts for a minute more, for requests under way; twelve hours end both."""
    now = server.hub.clock()

    def later(**span: int) -> None:
        monkeypatch.setattr(server.hub, "clock", lambda: now + timedelta(**span))

    def status(secret: str) -> int:
        headers = {"Cookie": f"datahub_session={secret}"}
        with TestClient(create_app(server.place), base_url="http://localhost") as client:
            return client.get("/api/v1/session", headers=headers).status_code

    first = browser.cookies["datahub_session"]
    later(minutes=59)
    browser.get("/api/v1/session")
    assert browser.cookies["datahub_session"] == first
    later(minutes=61)
    csrf = browser.get("/api/v1/session").json()["csrf"]
    second = browser.cookies["datahub_session"]
    made = browser.post("/api/v1/tokens", json={"days": 1}, headers={"X-CSRF-Token": csrf})
    assert made.status_code == 201
    assert first != second
    assert status(first) == 200
    later(minutes=63)
    assert (status(first), status(second)) == (401, 200)
    later(hours=13)
    assert status(second) == 401


def test_a_write_with_an_old_secret_does_not_change_it(
    server: Server, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page would not learn the header that goes with the new one, and would be signed out."""
    csrf = {"X-CSRF-Token": browser.get("/api/v1/session").json()["csrf"]}
    now, first = server.hub.clock(), browser.cookies["datahub_session"]

    for minutes in (61, 63, 65):
        later = now + timedelta(minutes=minutes)
        monkeypatch.setattr(server.hub, "clock", lambda later=later: later)
        made = browser.post("/api/v1/tokens", json={"days": 1}, headers=csrf)
        assert made.status_code == 201, minutes
    assert browser.cookies["datahub_session"] == first
    browser.get("/api/v1/session")
    assert browser.cookies["datahub_session"] != first


def test_metrics_are_for_admins_of_a_repository(server: Server) -> None:
    """Of any that is served; a narrow token of one is not enough."""
    statuses = {who: server("GET", "/metrics", who=who).status_code for who in server.tokens}

    told = {who for who, status in statuses.items() if status == 200}
    assert told == {"admin", "elsewhere"}
    assert statuses["ci"] == statuses["reader"] == statuses["stranger"] == 403
    assert "datahub_http_requests_total" in server("GET", "/metrics").text
