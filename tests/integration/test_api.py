"""The HTTP API: who may do what, what is answered, and that nobody's code is run."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from datahub.core.accounts import RIGHTS, SCOPES, Right, Role
from datahub.hub import Hub
from datahub.web.app import create_api, create_app, document, place_of
from datahub.web.asking import ANYBODY, SERVER_ADMIN, SIGNED_IN, Place
from datahub.web.limits import Limiter
from tests.projects import Projects

REPO = "/api/v1/repos/mine"
DAY = timedelta(days=1)
FREE = {"get_health", "get_readiness", "get_sign_in", "sign_in", "get_openapi"}


class Server:
    """Two repositories behind one app, and a token of each kind of user."""

    def __init__(self, folder: Path, projects: Projects) -> None:
        self.hubs = [
            Hub.open(projects.put(stage, folder / name), repository=name)
            for name, stage in (("mine", "labeled"), ("other", "project"))
        ]
        self.hub = self.hubs[0]
        much = Limiter(per_second=1e6, burst=10**6, clock=lambda: 0.0)
        self.place: Place = place_of(self.hub, self.hubs, requests=much, failures=much)
        self.client = TestClient(
            create_app(self.place), base_url="http://localhost", raise_server_exceptions=False
        )
        self.tokens = {str(role): self.token(str(role), role) for role in Role}
        self.tokens["stranger"] = self.token("stranger", None)
        self.hub.member_set("elsewhere", "admin", repository="other")
        self.tokens["elsewhere"] = self.token("elsewhere", None)
        self.tokens["ci"] = self.token("ci", Role.ADMIN, scope="judge")
        revoked, self.tokens["revoked"] = self.hub.token_create("admin", life=DAY)
        self.hub.token_revoke(revoked.id)
        self.tokens["expired"] = self.expired()

    def token(self, user: str, role: Role | None, *, scope: str = "all") -> str:
        if role is not None:
            self.hub.member_set(user, str(role), repository="mine")
        return self.hub.token_create(user, scope=scope, life=DAY)[1]

    def expired(self) -> str:
        """A token that was made two days ago, for one."""
        past = Hub.open(self.hub.settings.root)
        now = past.clock()
        past.clock = lambda: now - 2 * DAY
        return past.token_create("admin", life=DAY)[1]

    def __call__(self, method: str, path: str, *, who: str = "admin", **options: Any) -> Any:
        headers = {**options.pop("headers", {})}
        if who:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        return self.client.request(method, path, headers=headers, **options)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, projects: Projects) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"), projects)
    yield made
    for hub in made.hubs:
        hub.close()


def endpoints(place: Place) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of the whole OpenAPI document."""
    for path, operations in document(create_api(place))["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def test_every_endpoint_names_its_right(server: Server) -> None:
    """What anybody may ask is this short list, and a new endpoint is not on it by accident."""
    rights = {one["operationId"]: one["x-datahub-right"] for *_, one in endpoints(server.place)}

    assert {name for name, right in rights.items() if right == ANYBODY} == FREE
    assert set(rights.values()) <= {ANYBODY, SIGNED_IN, SERVER_ADMIN, *Right}


def test_every_endpoint_by_every_kind_of_user(server: Server) -> None:
    """Whoever lacks the right gets 403, whoever has no role 404, whoever is nobody 401."""
    wrong = []
    for method, path, operation in endpoints(server.place):
        right = operation["x-datahub-right"]
        if right == ANYBODY:
            continue
        for who in ("", *server.tokens):
            expected = refusal(who, right)
            if expected is None and method != "GET":
                continue  # that it does what it should, the other tests tell
            url = path.replace("{repo}", "mine")
            status = server(method, url, who=who).status_code
            is_refusal = status in (401, 403)
            if (status != expected) if expected is not None else is_refusal or status >= 500:
                wrong.append((method, path, who, status, expected))

    assert wrong == []


def refusal(who: str, right: str) -> int | None:
    """The status that refuses a user; None where the right is there."""
    if who in ("", "revoked", "expired"):
        return 401
    if right == SIGNED_IN:
        return None
    if right == SERVER_ADMIN:
        return None if who in ("admin", "elsewhere") else 403
    if who in ("stranger", "elsewhere"):
        return 404
    rights = RIGHTS[Role.ADMIN] & SCOPES["judge"] if who == "ci" else RIGHTS[Role(who)]
    return None if Right(right) in rights else 403


def test_reads_run_no_code_of_the_project(server: Server, tmp_path: Path) -> None:
    """A labeling function that would leave a file behind leaves none, whatever is read."""
    left = tmp_path / "left"
    trap = server.hub.settings.root / "labeling_functions" / "trap.py"
    trap.write_text(f"open({str(left)!r}, 'w').close()\n")
    try:
        for method, path, _ in endpoints(server.place):
            if method == "GET":
                for name, value in {"repo": "mine", "dataset": "mail", "branch": "main"}.items():
                    path = path.replace(f"{{{name}}}", value)
                assert server(method, path, params={"at": "work"}).status_code < 500, path
    finally:
        trap.unlink()

    assert not left.exists()
    assert "labeling_functions.trap" not in sys.modules


def test_pages_by_key_hold_every_row_once(server: Server) -> None:
    keys: list[int] = []
    after: Any = None
    while True:
        params = {"limit": "17", "at": "work"} | ({} if after is None else {"after": str(after)})
        page = server("GET", f"{REPO}/datasets/mail/rows", params=params).json()
        keys += [row[page["key"]] for row in page["rows"]]
        after = page["next"]
        if after is None:
            break

    assert keys == sorted(set(keys))
    assert len(keys) == 42


def test_the_same_table_as_arrow_parquet_and_part(server: Server) -> None:
    url, at = f"{REPO}/datasets/mail/rows", {"at": "work", "table": "rows"}
    stream = server(
        "GET", url, params=at, headers={"Accept": "application/vnd.apache.arrow.stream"}
    )
    file = server("GET", url, params=at, headers={"Accept": "application/vnd.apache.parquet"})
    part = server("GET", f"{REPO}/datasets/mail").json()["parts"][0]["sha256"]
    lies = server("GET", f"{REPO}/datasets/mail/parts/{part}")

    frame = pl.read_ipc_stream(io.BytesIO(stream.content))

    assert frame.height == 42
    assert pl.read_parquet(io.BytesIO(file.content)).equals(frame)
    assert pl.read_parquet(io.BytesIO(lies.content)).height == 42


def test_a_branch_is_made_read_again_and_removed(server: Server) -> None:
    """With its commit as ETag; If-Match that names another commit refuses."""
    made = server("POST", f"{REPO}/branches", who="labeler", json={"branch": "fix/1"})
    etag = made.headers["etag"]
    stale = {"If-Match": f'"{"0" * 64}"'}

    assert made.status_code == 201
    same = server("GET", f"{REPO}/branches/fix/1", headers={"If-None-Match": etag})
    assert same.status_code == 304
    refused = server("DELETE", f"{REPO}/branches/fix/1", headers=stale)
    assert (refused.status_code, refused.json()["code"]) == (412, "stale_head")
    gone = server("DELETE", f"{REPO}/branches/fix/1", headers={"If-Match": etag})
    assert gone.json() == {"deleted": "fix/1"}


def test_a_request_sent_again_is_answered_again(server: Server) -> None:
    key = {"Idempotency-Key": "one"}
    first = server("POST", f"{REPO}/branches", headers=key, json={"branch": "twice"})
    again = server("POST", f"{REPO}/branches", headers=key, json={"branch": "twice"})
    other = server("POST", f"{REPO}/branches", headers=key, json={"branch": "thrice"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert other.json()["code"] == "bad_input"


def test_every_write_is_in_the_log_which_is_whole(server: Server) -> None:
    server("POST", f"{REPO}/branches", who="labeler", json={"branch": "logged"})
    entries = server("GET", f"{REPO}/log", params={"limit": 1000}).json()

    begun, done = entries[-2:]
    assert [begun["state"], done["state"]] == ["begun", "done"]
    assert (done["user"], done["request"]) == ("labeler", begun["request"])
    assert json.loads(done["detail"])["to"] == server.hub.commit_id("logged")
    assert server.hub.log_break() is None


def test_a_code_signs_in_once_and_writes_need_the_csrf_header(server: Server) -> None:
    code = server.hub.invite("admin")
    with TestClient(create_app(server.place), base_url="http://localhost") as browser:
        session = browser.post("/sign-in", json={"code": code}).json()
        again = browser.post("/sign-in", json={"code": code})
        bare = browser.post("/api/v1/tokens", json={"days": 1})
        csrf = {"X-CSRF-Token": session["csrf"]}
        made = browser.post("/api/v1/tokens", json={"days": 1}, headers=csrf)
        server.hub.member_set("admin", "admin", repository="mine")
        ended = browser.get("/api/v1/session")

    assert (again.status_code, bare.status_code, made.status_code) == (401, 403, 201)
    assert ended.status_code == 401
    assert made.json()["token"].startswith("dh_")


def test_a_token_makes_no_token(server: Server) -> None:
    assert server("POST", "/api/v1/tokens", json={"days": 1}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "", "localhost.evil.example"])
def test_other_hosts_are_refused(server: Server, host: str) -> None:
    answered = server("GET", "/healthz", headers={"Host": host})

    assert answered.status_code == 421
    assert answered.json()["code"] == "unknown_host"


def test_a_body_that_is_too_large_is_refused(server: Server) -> None:
    pieces = (b" " * 2**20 for _ in range(9))

    for body in (b" " * (9 * 2**20), pieces):
        answered = server("POST", f"{REPO}/branches", content=body)
        assert (answered.status_code, answered.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("path", ["/", "/api/v1", f"{REPO}/nothing", "/docs", f"{REPO}/branches/"])
def test_what_is_not_there_is_a_problem(server: Server, path: str) -> None:
    answered = server("GET", path)

    assert answered.status_code == 404
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answered.headers["content-security-policy"]


def test_many_requests_are_slowed_down(server: Server) -> None:
    few = Limiter(per_second=0.5, burst=2, clock=lambda: 0.0)
    place = place_of(server.hub, server.hubs, requests=few)
    headers = {"Authorization": f"Bearer {server.tokens['admin']}"}
    with TestClient(create_app(place), base_url="http://localhost") as client:
        answers = [client.get("/api/v1/repos", headers=headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "2"
