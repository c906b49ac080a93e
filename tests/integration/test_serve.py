"""`datahub serve` on a real socket, and the accounts that the command line keeps for it."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from alembic import command

from datahub.adapters.catalog_sql import migrations_config
from datahub.core.errors import ConfigError
from datahub.hub import Hub
from datahub.hub.results import COMMANDS, Started
from datahub.web.serving import serve
from tests.integration.conftest import Datahub
from tests.shapes import breaches

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
ROWS = "/api/v1/repos/mail/datasets/mail/rows"
# As a child that ends with this process, whatever becomes of it.
CHILD = (
    "import sys; from datahub.machine.processes import end_with; end_with(int(sys.argv.pop(1)));"
    "from datahub.cli.app import main; main()"
)


@pytest.fixture
def mail(project: Path) -> Path:
    """The project, as the repository `mail` of a server."""
    with (project / "datahub.toml").open("a") as settings:
        settings.write('repository = "mail"\nauthor = "ada"\n')
    return project


def while_serving(
    folder: Path,
    ask: Callable[[httpx.Client, Started], object],
    *,
    names: tuple[str, ...] = (),
    stop: signal.Signals = signal.SIGTERM,
) -> Started:
    """Serve a project in this process, ask it in a thread, and stop it by a signal."""
    faults: list[BaseException] = []
    heard: list[Started] = []

    def asked(started: Started) -> None:
        try:
            with httpx.Client(base_url=started.url, trust_env=False) as client:
                ask(client, started)
        except BaseException as error:  # noqa: BLE001  told by the test's own thread
            faults.append(error)
        finally:
            os.kill(os.getpid(), stop)

    def announce(user: str, started: Started) -> None:
        heard.append(started)
        threading.Thread(target=asked, args=(started,)).start()

    with Hub.open(folder) as hub:
        serve(hub, host="127.0.0.1", port=0, names=names, announce=announce)
    if faults:
        raise faults[0]
    return heard[0]


def code_of(started: Started) -> dict[str, str]:
    """What the sign-in link would POST."""
    return {"code": started.sign_in.partition("?code=")[2]}


def test_the_link_signs_in_once_and_the_session_reads_rows(mail: Path) -> None:
    answers: list[httpx.Response] = []

    def ask(client: httpx.Client, started: Started) -> None:
        looked = client.get(started.sign_in)
        answers.extend([looked, client.get(ROWS)])
        answers.append(client.post("/sign-in", data=code_of(started), follow_redirects=True))
        answers.append(client.get(ROWS, params={"table": "rows", "limit": 2}))
        answers.append(httpx.post(f"{started.url}/sign-in", json=code_of(started)))

    started = while_serving(mail, ask)
    page, stranger, signed_in, rows, again = answers

    assert started.repositories == ["mail"]
    assert (page.status_code, stranger.status_code, again.status_code) == (200, 401, 401)
    assert signed_in.json()["user"] == "ada"
    assert len(rows.json()["rows"]) == 2


def test_a_started_server_keeps_the_sessions_of_before(mail: Path) -> None:
    """Only a new role ends sessions, and whoever starts the server is an admin already."""
    cookies = httpx.Cookies()

    def sign_in(client: httpx.Client, started: Started) -> None:
        cookies.update(client.post("/sign-in", json=code_of(started)).cookies)

    def read(client: httpx.Client, started: Started) -> None:
        secret = {"Cookie": f"datahub_session={cookies['datahub_session']}"}
        assert client.get("/api/v1/session", headers=secret).json()["user"] == "ada"

    while_serving(mail, sign_in, stop=signal.SIGINT)
    while_serving(mail, read)


def test_a_catalog_of_before_is_upgraded(mail: Path, datahub: Datahub) -> None:
    """One that teams share, of a datahub without accounts: other commands say how to do it."""
    url = f"sqlite:///{mail}/shared.db"
    with (mail / "datahub.toml").open("a") as settings:
        settings.write(f'catalog_url = "{url}"\n')
    assert datahub("db", "upgrade").code == 0
    with sa.create_engine(url).begin() as connection:
        command.downgrade(migrations_config(connection), "0002")
    refused = datahub("member", "list")

    started = while_serving(mail, lambda client, started: None)

    assert refused.code == 2
    assert "datahub db upgrade" in refused.err
    assert started.sign_in.startswith(f"{started.url}/sign-in?code=")
    assert datahub("member", "list").out == "ada admin\n"


def test_a_token_reads_under_names_that_were_given_and_no_other(
    mail: Path, datahub: Datahub
) -> None:
    datahub("member", "set", "bob", "reader")
    token = datahub("token", "create", "bob").out.strip()
    statuses: list[int] = []

    def ask(client: httpx.Client, started: Started) -> None:
        client.headers["Authorization"] = f"Bearer {token}"
        port = started.url.rpartition(":")[2]
        for host in (f"data.example.org:{port}", f"localhost:{port}", f"evil.example:{port}"):
            answered = client.get(ROWS, params={"table": "rows"}, headers={"Host": host})
            statuses.append(answered.status_code)

    while_serving(mail, ask, names=("data.example.org",))

    assert statuses == [200, 200, 421]


def test_faults_of_requests_are_told_on_stderr_once(
    mail: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without -v too: the answer has nothing but the id of its request."""
    log = logging.getLogger("datahub.web")

    while_serving(mail, lambda client, started: log.error("request 17 failed"))
    log.error("request 18 failed")

    told = capsys.readouterr().err
    assert told.count("request 17 failed") == 1
    assert "request 18" not in told


def test_a_port_that_is_taken_is_told(mail: Path, datahub: Datahub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = datahub("serve", "--port", port)

    assert ran.code == 2
    assert f"port {port}: Address already in use" in ran.err
    assert "--port 0" in ran.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", ""])
def test_an_address_that_others_reach_needs_a_host_name(
    mail: Path, datahub: Datahub, host: str
) -> None:
    ran = datahub("serve", "--port", "0", "--host", host)

    assert ran.code == 2
    assert "--host" in ran.err


@pytest.mark.parametrize("name", ["http://a.example", "a.example:80", "*", "", "a b", "-a"])
def test_what_is_no_host_name_is_refused(mail: Path, datahub: Datahub, name: str) -> None:
    ran = datahub("serve", "--port", "0", f"--host-name={name}")

    assert ran.code == 2
    assert "is no host name" in ran.err


def test_without_the_extra_the_error_says_how_to_install_it(
    mail: Path, datahub: Datahub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    ran = datahub("serve", "--port", "0")

    assert ran.code == 2
    assert "pip install 'datahub-labeling[server]'" in ran.err


def test_signals_do_what_they_did_once_the_server_ended(mail: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    with pytest.raises(ConfigError):
        serve_on(mail, "192.0.2.1")
    while_serving(mail, lambda client, started: None)

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def serve_on(folder: Path, host: str) -> None:
    with Hub.open(folder) as hub:
        serve(hub, host=host, port=0, names=["a.example"], announce=lambda user, started: None)


@pytest.mark.slow
def test_the_lines_of_the_page_work_on_a_real_process(mail: Path, datahub: Datahub) -> None:
    """From the start line to a clean end; the commands and curl as docs/api.md has them."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    words = [sys.executable, "-c", CHILD, str(os.getpid()), "serve", "--port", "0", "--json"]
    with subprocess.Popen(words, cwd=mail, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            started = json.loads(process.stdout.readline())
            assert list(breaches(started, COMMANDS["serve"], "serve")) == []
            _run_page(datahub, started)
        finally:
            process.terminate()
        assert process.wait(30) == 0
    assert process.pid == started["pid"]


def _run_page(datahub: Datahub, started: dict[str, Any]) -> None:
    variables = {"CODE": started["sign_in"].partition("=")[2]}
    ran = 0
    for words in page_lines():
        if words[0] == "datahub" and words[1] != "serve":
            done = datahub(*words[1:])
            assert done.code == 0, (words, done.err)
            if words[1:3] == ["token", "create"]:
                variables["TOKEN"] = done.out.strip()
        elif words[0] == "curl":
            for name, value in variables.items():
                words = [word.replace(f"${name}", value) for word in words]
            words = [word.replace("localhost:8090", started["url"]) for word in words]
            told = subprocess.run(
                [*words, "-sS", "--fail-with-body", "--noproxy", "*"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert told.returncode == 0, (words, told.stdout, told.stderr)
            ran += 1
    assert ran >= 5


def page_lines() -> list[list[str]]:
    """The words of each indented line, continued ones in one."""
    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    return [
        shlex.split(line, comments=True) for line in text.splitlines() if line.startswith("    ")
    ]


# -- accounts of the command line


def test_a_token_is_shown_once_and_revoked_by_its_id(mail: Path, datahub: Datahub) -> None:
    datahub("member", "set", "ci", "labeler")
    words = ("token", "create", "ci", "--scope", "judge", "--life", "12h", "--note", "nightly")
    made = datahub(*words, "--json").json
    listed = datahub("token", "list", "--json")
    ended = datahub("token", "revoke", made["id"], "--json").json

    assert made["token"].startswith(f"dh_{made['id']}_")
    assert [(one["scope"], one["note"]) for one in listed.json] == [("judge", "nightly")]
    assert made["token"] not in listed.out + datahub("token", "list").out
    assert ended["revoked"] is not None


def test_a_token_of_nobody_is_warned_of(mail: Path, datahub: Datahub) -> None:
    assert "has no role" in datahub("token", "create", "typo").err
    datahub("member", "set", "bob", "reader")
    assert "has no role" not in datahub("token", "create", "bob").err


def test_roles_are_set_listed_and_taken(mail: Path, datahub: Datahub) -> None:
    assert datahub("member", "list", "--json").json == []
    datahub("member", "set", "bob", "reader")
    datahub("member", "set", "bob", "labeler")

    assert datahub("member", "list").out == "bob labeler\n"
    assert datahub("member", "remove", "bob", "--json").json["role"] is None
    assert datahub("member", "list").out == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("member set bob king", 2),
        ("member set -- -bob reader", 2),
        ("member remove bob", 5),
        ("token create bob --life 0d", 2),
        ("token create bob --life 367d", 2),
        ("token create bob --life 99999d", 2),
        ("token create bob --life ever", 2),
        ("token create bob --scope root", 2),
        ("token revoke 0a1b2c3d4e5f", 5),
    ],
)
def test_what_cannot_be_done_has_its_exit_code(
    mail: Path, datahub: Datahub, words: str, code: int
) -> None:
    assert datahub(*words.split()).code == code


def test_the_command_line_is_in_the_log_of_writes(mail: Path, datahub: Datahub) -> None:
    """With what was refused, and without the token."""
    datahub("member", "set", "bob", "reader")
    datahub("member", "set", "bob", "king")
    token = datahub("token", "create", "bob").out.strip()

    with Hub.open(mail) as hub:
        entries = hub.written(repository="mail")
        assert hub.log_break() is None
    assert [(entry.act, entry.state) for entry in entries] == [
        ("member set", "begun"),
        ("member set", "done"),
        ("member set", "begun"),
        ("member set", "refused"),
        ("token create", "begun"),
        ("token create", "done"),
    ]
    assert {(entry.user, entry.via) for entry in entries} == {("ada", "command line")}
    assert token not in str(entries)
