"""Label Studio for real: its process, its login, and what a lost answer does to a push."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from datahub.adapters import labelstudio_server
from datahub.adapters.labelstudio_server import LabelStudioServer, ServerInfo, running
from datahub.adapters.labelstudio_server.environment import MARKER, marker
from datahub.adapters.review_labelstudio import LabelStudioReviewQueue
from datahub.core.errors import (
    AuthenticationError,
    ConfigError,
    Conflict,
    Rejected,
    StorageError,
    Unavailable,
)
from datahub.core.triage import Task
from tests.remembering import RememberingQueue

CLASSES = ("business", "sport", "tech")


def task(key: str, score: float | None = 0.5) -> Task:
    guess = None if score is None else "sport"
    return Task(
        key, "h", {"text": f"Text {key}."}, "r", "doubt" if score else "audit", guess, score
    )


# -- the process


@pytest.fixture
def own_server(
    labelstudio: ServerInfo, labelstudio_empty: Path, tmp_path: Path
) -> Iterator[LabelStudioServer]:
    """A second server, to be killed."""
    shutil.copytree(labelstudio_empty, tmp_path / "ls")
    server = LabelStudioServer(tmp_path / "ls", environment=environment())
    yield server
    server.stop()


def environment() -> Path:
    named = os.environ.get(
        "DATAHUB_LABELSTUDIO_ENVIRONMENT", "~/.cache/datahub/label-studio-1.23.2"
    )
    return Path(named).expanduser()


@pytest.mark.slow
def test_start_stop_and_start_again_after_a_kill(own_server: LabelStudioServer) -> None:
    first = own_server.start()
    again = own_server.start()
    assert first == again == own_server.status()
    assert first.running
    assert first.pid is not None

    os.kill(first.pid, signal.SIGKILL)
    noticed = wait_until(lambda: own_server.status(), lambda info: not info.running)
    assert (noticed.url, noticed.pid) == (None, None)

    back = own_server.start()
    assert back.running
    assert back.pid != first.pid
    assert (back.url, back.token) == (first.url, first.token)  # bookmarks and tokens stay good

    assert own_server.stop()
    assert not own_server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{back.url}/health", trust_env=False)
    with pytest.raises(ProcessLookupError):
        os.killpg(back.pid or 0, 0)


def wait_until(ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    for _ in range(200):
        if good(found := ask()):
            return found
        threading.Event().wait(0.02)
    raise AssertionError(f"still {found}")


def test_a_server_never_started_has_no_status(tmp_path: Path) -> None:
    server = LabelStudioServer(tmp_path / "none", environment=tmp_path / "env")

    assert server.status() is None
    assert not server.stop()
    assert not (tmp_path / "none").exists()


def test_what_is_secret_is_for_the_owner_alone(
    labelstudio: ServerInfo, labelstudio_folder: Path
) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in labelstudio_folder.iterdir()}

    assert labelstudio.running
    assert labelstudio_folder.stat().st_mode & 0o077 == 0
    assert modes["credentials.json"] == modes["server.json"] == modes["label-studio.log"] == 0o600


def test_the_password_is_not_shown_by_accident(labelstudio: ServerInfo) -> None:
    command = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(labelstudio.pid)], capture_output=True, text=True
    ).stdout

    assert labelstudio.password not in repr(labelstudio) + command
    assert labelstudio.token not in repr(labelstudio) + command


def test_nobody_signs_up_and_no_other_name_is_served(labelstudio: ServerInfo) -> None:
    with httpx.Client(base_url=str(labelstudio.url), trust_env=False) as stranger_s_browser:
        stranger_s_browser.get("/user/signup/")
        form = {"email": "evil@example.org", "password": "evil-evil-evil"}
        form["csrfmiddlewaretoken"] = str(stranger_s_browser.cookies.get("csrftoken"))
        signed_up = stranger_s_browser.post("/user/signup/", data=form)
    stranger = httpx.get(
        f"{labelstudio.url}/user/login/", headers={"Host": "evil.example"}, trust_env=False
    )

    assert signed_up.status_code == 403
    assert stranger.status_code == 400


def test_stop_does_not_touch_a_recycled_process_id(tmp_path: Path) -> None:
    """The id is noted, but whoever has it now started at another time."""
    server = LabelStudioServer(tmp_path, environment=tmp_path / "env")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as innocent:
        noted = {"pid": innocent.pid, "started": "another time", "port": 1, "url": "http://x"}
        (tmp_path / "server.json").write_text(json.dumps(noted))
        (tmp_path / "credentials.json").write_text('{"email": "e", "password": "p"}')

        assert not server.stop()

        info = server.status()
        assert info is not None
        assert not info.running
        assert innocent.poll() is None
        innocent.kill()


def test_a_zombie_does_not_run(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert running.start_time(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert running.start_time(child.pid) is None


# -- a stand-in for the program, where only its process matters


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[[str], LabelStudioServer]:
    """A server whose `label-studio` is this shell script."""

    def make(script: str, **options: Any) -> LabelStudioServer:
        made = tmp_path / "env"
        (made / "bin").mkdir(parents=True)
        program = made / "bin" / "label-studio"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        (made / MARKER).write_text(json.dumps(marker()))
        return LabelStudioServer(tmp_path / "ls", environment=made, **options)

    return make


def test_a_server_that_does_not_come_up_tells_its_last_words(
    stand_in: Callable[..., LabelStudioServer],
) -> None:
    server = stand_in("echo no such table: projects; exit 1")

    with pytest.raises(Unavailable, match="no such table: projects"):
        server.start()
    info = server.status()
    assert info is not None
    assert not info.running


def test_a_server_that_ended_before_it_was_looked_at_is_not_waited_for(
    stand_in: Callable[..., LabelStudioServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no time of start that could still be its own."""

    def gone(pid: int) -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(labelstudio_server, "start_time", gone)
    monkeypatch.setattr(running, "start_time", gone)

    with pytest.raises(Unavailable, match="no such table"):
        stand_in("echo no such table; exit 1").start()


def test_a_taken_port_is_a_conflict(stand_in: Callable[..., LabelStudioServer]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(Conflict):
            stand_in("sleep 60", port=taken.getsockname()[1]).start()


def test_a_port_that_is_lost_while_the_server_starts_is_a_conflict_where_it_was_asked_for(
    stand_in: Callable[..., LabelStudioServer],
) -> None:
    port = running.bindable(0)

    with pytest.raises(Conflict, match=f"Port {port}"):
        stand_in("echo Error: That port is already in use.; exit 1", port=port).start()


def test_starts_that_lose_every_port_end(stand_in: Callable[..., LabelStudioServer]) -> None:
    server = stand_in('echo "Error: That port is already in use."; exit 1')

    with pytest.raises(Unavailable, match="already in use"):
        server.start()


@pytest.mark.slow
def test_two_servers_that_had_one_port_start_at_once(
    tmp_path: Path, labelstudio_empty: Path
) -> None:
    """Both find it free, for a server binds it seconds later; who loses it takes another."""
    port = running.bindable(0)
    servers = []
    for name in "ab":
        shutil.copytree(labelstudio_empty, tmp_path / name)
        (tmp_path / name / "server.json").write_text(json.dumps({"port": port}))
        servers.append(LabelStudioServer(tmp_path / name, environment=environment()))
    try:
        with ThreadPoolExecutor() as pool:
            one, other = pool.map(LabelStudioServer.start, servers)

        assert one.url != other.url
        assert f"http://127.0.0.1:{port}" in (one.url, other.url)
        assert [server.status() for server in servers] == [one, other]
    finally:
        for server in servers:
            server.stop()


# -- the environment


@pytest.mark.slow
def test_half_an_install_is_redone_and_pip_s_fault_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # as good as no network
    half = tmp_path / "env"
    half.mkdir()
    (half / "pyvenv.cfg").write_text("")
    (half / "left over").write_text("")
    said: list[str] = []

    with pytest.raises(Unavailable, match=r"label-studio==1\.23\.2"):
        LabelStudioServer(tmp_path / "ls", environment=half).start(say=said.append)

    assert not (half / "left over").exists()
    assert not (half / MARKER).exists()
    assert any("unfinished" in line for line in said)
    assert not (tmp_path / "ls" / "server.json").exists()


def test_a_folder_of_other_things_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(StorageError):
        LabelStudioServer(tmp_path / "ls", environment=tmp_path).install()
    assert (tmp_path / "thesis.txt").exists()


# -- a lost answer


class Faulty(ThreadingHTTPServer):
    """Stands before Label Studio; each import meets the next of `faults`."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _FaultyHandler)
        self.target = target
        self.faults: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Cut connections are what it is for."""


class _FaultyHandler(BaseHTTPRequestHandler):
    server: Faulty
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        importing = self.path.split("?")[0].endswith("/import") and self.command == "POST"
        fault = self.server.faults.pop(0) if importing and self.server.faults else ""
        if fault == "dropped before":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        kept = ("authorization", "content-type", "accept")
        answer = httpx.request(
            self.command,
            self.server.target + self.path,
            content=body,
            headers={k: v for k, v in self.headers.items() if k.lower() in kept},
            timeout=60,
            trust_env=False,
        )
        if fault == "dropped after":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = b"" if fault == "504 after" else answer.content
        self.send_response(504 if fault == "504 after" else answer.status_code)
        self.send_header("content-type", answer.headers.get("content-type", "text/plain"))
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _forward

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def faulty(labelstudio: ServerInfo) -> Iterator[Faulty]:
    server = Faulty(str(labelstudio.url))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("fault", ["504 after", "dropped after", "dropped before"])
def test_a_push_whose_answer_is_lost_asks_each_row_once(
    faulty: Faulty, labelstudio: ServerInfo, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three posts the second meets the fault; pushing again brings exactly the rest."""
    monkeypatch.setattr("datahub.adapters.review_labelstudio.task_data.TASKS_PER_POST", 10)
    queue = LabelStudioReviewQueue(url=faulty.url, token=labelstudio.token, project=f"lost {fault}")
    tasks = [task(f"k{n:02}", n / 100) for n in range(1, 31)]
    faulty.faults = ["", fault]

    with pytest.raises(Unavailable):
        queue.push("b", tasks, classes=CLASSES)
    arrived = len(queue.open_tasks())
    queue.push("b", tasks, classes=CLASSES)

    assert arrived == (10 if fault == "dropped before" else 20)
    assert [one.key for _, one in queue.open_tasks()] == [one.key for one in tasks]


# -- what people do in the browser


@pytest.fixture
def web(labelstudio: ServerInfo) -> Iterator[httpx.Client]:
    """The API as the page uses it, signed in as the account's person."""
    answer = httpx.post(
        f"{labelstudio.url}/api/token/refresh/",
        json={"refresh": labelstudio.token},
        trust_env=False,
    )
    headers = {"Authorization": f"Bearer {answer.json()['access']}"}
    with httpx.Client(
        base_url=str(labelstudio.url), headers=headers, trust_env=False, timeout=60
    ) as client:
        yield client


@pytest.fixture
def queue(labelstudio: ServerInfo, request: pytest.FixtureRequest) -> RememberingQueue:
    name = request.node.name[-50:]
    return RememberingQueue(
        LabelStudioReviewQueue(url=labelstudio.url or "", token=labelstudio.token, project=name)
    )


def project_of(queue: RememberingQueue) -> str:
    return queue.where().split("/")[-2]


def chosen(*labels: str) -> list[dict[str, Any]]:
    choice = {"from_name": "label", "to_name": "text", "type": "choices"}
    return [{**choice, "id": "x", "value": {"choices": list(labels)}}] if labels else []


def test_people_are_served_in_the_order_of_open_tasks(
    queue: RememberingQueue, web: httpx.Client, labelstudio: ServerInfo
) -> None:
    """The page asks for the next task; no choice is made beforehand; skips count."""
    asked = [task("b", 0.2), task("a", 0.1), task("x", None), task("c", 0.3)]
    queue.push("b1", asked, classes=CLASSES)
    promised = [one.key for _, one in queue.open_tasks()]
    project, served, guesses = project_of(queue), [], []

    for cancelled in (False, True, False, False):
        shown = web.post(
            "/api/dm/actions", params={"id": "next_task", "project": project}, json={}
        ).json()
        served.append(shown["data"]["row_key"])
        guesses.append(len(shown["predictions"]))
        web.post(
            f"/api/tasks/{shown['id']}/annotations/",
            json={"result": chosen("sport"), "was_cancelled": cancelled},
        ).raise_for_status()

    assert served == promised
    assert [key for key in served if key != "x"] == ["a", "b", "c"]
    assert guesses == [0, 0, 0, 0]
    said = [(a.key, a.label, a.annotator) for a in queue.pull(None).annotations]
    labels = ["sport", None, "sport", "sport"]
    assert said == [
        (key, label, labelstudio.email) for key, label in zip(served, labels, strict=True)
    ]
    assert queue.open_tasks() == []


def test_answers_that_cannot_be_taken_are_refused_once(
    queue: RememberingQueue, web: httpx.Client
) -> None:
    queue.push("b1", [task("a", 0.1), task("b", 0.2)], classes=CLASSES)
    (first, _), (second, _) = queue.open_tasks()
    for task_id, labels in ((first, ()), (second, ("tech", "sport"))):
        web.post(f"/api/tasks/{task_id}/annotations/", json={"result": chosen(*labels)})

    pulled = queue.pull(None)

    assert pulled.annotations == ()
    assert sorted((refused.key, refused.reason) for refused in pulled.refusals) == [
        ("a", "the answer is empty"),
        ("b", "the answer names 2 classes"),
    ]
    assert queue.pull(pulled.cursor).refusals == ()


def test_an_answer_that_is_emptied_is_withdrawn(queue: RememberingQueue, web: httpx.Client) -> None:
    queue.push("b1", [task("a")], classes=CLASSES)
    task_id = queue.open_tasks()[0][0]
    queue.answer(task_id, "tech", annotator="ann")
    before = queue.pull(None)
    known = web.get(f"/api/tasks/{task_id}/").json()["annotations"][0]["id"]

    web.patch(f"/api/annotations/{known}/", json={"result": []}).raise_for_status()
    after = queue.pull(before.cursor)

    assert [line.withdrawn for line in after.annotations] == [True]
    assert [(r.key, r.reason) for r in after.refusals] == [("a", "the answer is empty")]


def test_a_deleted_task_takes_its_answers_along(queue: RememberingQueue, web: httpx.Client) -> None:
    """Also where its id is given to another task later."""
    queue.push("b1", [task("a", 0.1), task("b", 0.2)], classes=CLASSES)
    ids = [task_id for task_id, _ in queue.open_tasks()]
    for task_id in ids:
        queue.answer(task_id, "tech", annotator="ann")
    before = queue.pull(None)

    web.delete(f"/api/tasks/{ids[1]}/").raise_for_status()
    queue.push("b2", [task("c", 0.3)], classes=CLASSES)
    after = queue.pull(before.cursor)

    assert [(line.key, line.withdrawn) for line in after.annotations] == [("b", True)]
    assert queue.pull(after.cursor).annotations == ()


def test_a_label_outside_the_classes_comes_back_as_it_is(
    queue: RememberingQueue, web: httpx.Client
) -> None:
    queue.push("b1", [task("a")], classes=CLASSES)
    task_id = queue.open_tasks()[0][0]

    web.post(f"/api/tasks/{task_id}/annotations/", json={"result": chosen("politics")})

    assert [line.label for line in queue.pull(None).annotations] == ["politics"]


def test_a_task_that_somebody_else_put_there_is_no_trouble(
    queue: RememberingQueue, web: httpx.Client
) -> None:
    queue.push("b1", [task("a")], classes=CLASSES)
    page = web.get(f"/api/projects/{project_of(queue)}/").json()["label_config"]
    data = dict.fromkeys(re.findall(r'"\$(\w+)"', page), "mine")  # Label Studio asks for these
    mine = {"data": data, "annotations": [{"result": chosen("tech")}]}
    web.post(f"/api/projects/{project_of(queue)}/import", json=[mine]).raise_for_status()

    pulled = queue.pull(None)

    assert [one.key for _, one in queue.open_tasks()] == ["a"]
    assert [refused.reason for refused in pulled.refusals] == ["the task was not pushed by datahub"]


def test_a_project_made_anew_withdraws_nothing(queue: RememberingQueue, web: httpx.Client) -> None:
    queue.push("b1", [task("a")], classes=CLASSES)
    queue.answer(queue.open_tasks()[0][0], "tech", annotator="ann")
    before = queue.pull(None)

    web.delete(f"/api/projects/{project_of(queue)}/").raise_for_status()
    gone = queue.pull(before.cursor)
    queue.push("b1", [task("a")], classes=CLASSES)

    assert gone.annotations == ()
    assert queue.pull(gone.cursor).annotations == ()
    assert len(queue.open_tasks()) == 1


# -- no way through


def test_errors_are_told_in_our_words(labelstudio: ServerInfo) -> None:
    url = str(labelstudio.url)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    refusals: list[tuple[str, str, type[Exception]]] = [
        (nobody, labelstudio.token, Unavailable),
        ("no address", labelstudio.token, Unavailable),
        (url, "not-a-token", AuthenticationError),
        (url, labelstudio.token[:-4] + "AAAA", AuthenticationError),
        (url, "", AuthenticationError),
        (url, "tökén\n", AuthenticationError),
    ]

    for address, token, expected in refusals:
        with pytest.raises(expected):
            LabelStudioReviewQueue(url=address, token=token, project="news").open_tasks()


def test_a_server_that_is_no_label_studio_is_rejected(labelstudio: ServerInfo) -> None:
    """It answers everything, with a page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"

        with pytest.raises(Rejected):
            LabelStudioReviewQueue(
                url=address, token=labelstudio.token, project="news"
            ).open_tasks()
        server.shutdown()


def test_a_cursor_of_another_backend_is_told(queue: RememberingQueue) -> None:
    queue.push("b1", [task("a")], classes=CLASSES)

    with pytest.raises(ConfigError):
        queue.pull("d2f1:17")


def test_the_sdk_loads_on_use() -> None:
    code = "import datahub, datahub.hub, sys; print('label_studio_sdk' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "False"


def test_a_cursor_of_an_earlier_datahub_loses_no_task_that_nobody_answered(
    labelstudio: ServerInfo,
) -> None:
    """It knew of answered tasks alone; the others are there all the same."""
    inside = LabelStudioReviewQueue(
        url=labelstudio.url or "", token=labelstudio.token, project="earlier cursor"
    )
    queue = RememberingQueue(inside)
    tasks = [task(str(number)) for number in range(5)]
    queue.push("b", tasks, classes=CLASSES)
    number = json.loads(queue.cursor or "")["project"]
    earlier = {"project": number, "since": "2100-01-01T00:00:00+00:00", "annotations": {}}

    found = queue.pull(json.dumps(earlier)).reconciliation

    assert found.present == frozenset((task.key, task.row_hash) for task in tasks)
    assert found.missing == ()
