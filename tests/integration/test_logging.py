"""What adapters log: requests, retries and waits; quiet by default, `-v` and `-vv` on stderr."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
import urllib3

from datahub.adapters.versions_embedded.graph import Graph
from datahub.adapters.versions_lakefs import LakeFSVersionStore
from datahub.adapters.versions_lakefs.requests import Retry, log_requests
from datahub.cli import commands, verbose
from tests.contract.test_version_store import START
from tests.integration.conftest import Datahub
from tests.lakefs_server import LakeFSServer


def tree(command: Any, name: str = "datahub") -> Iterator[tuple[str, Any]]:
    """A command and all under it."""
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from tree(below, f"{name} {word}")


def test_every_command_takes_the_option_once() -> None:
    root = typer.main.get_command(commands.app)
    verbose.add_to(root)

    for name, command in tree(root):
        flags = [flag for option in command.params for flag in option.opts]
        assert flags.count("-v") == flags.count("--verbose") == 1, name


def test_nothing_is_logged_unless_asked(datahub: Datahub, project: Path) -> None:
    quiet = datahub("status")
    before = datahub("-v", "status")
    after = datahub("status", "-v")
    group = datahub("lf", "-v", "run", "--sample", "5")

    assert "started" not in quiet.err
    for loud in (before, after, group):
        assert "lfs_folder.children: LF process " in loud.err
        assert "started" not in loud.out


def test_the_short_forms_of_git_stay(datahub: Datahub, project: Path) -> None:
    assert "main" in datahub("branch", "-v").out
    assert "main" in datahub("branch", "list", "-vv").out


def test_a_library_that_is_not_listened_to_says_nothing() -> None:
    """Not even warnings, which Python prints where a package has no handler."""
    code = "import datahub, logging; logging.getLogger('datahub.adapters.x').warning('heard')"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


def test_requests_to_lakefs_are_logged_without_what_they_carry(
    lakefs: LakeFSServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = lakefs.new_repository(tmp_path)
    with caplog.at_level(logging.DEBUG, "datahub"):
        store = LakeFSVersionStore.create(**access, branch="main", author="ann", time=START)
        head = store.commit_at("main").id
        oid = store.put(b"a row of somebody")
        store.commit("main", {"a": oid}, message="m", author="ann", time=START, expected=head)

    lines = [line.getMessage() for line in caplog.records if "versions_lakefs" in line.name]
    assert any("GET /api/v1/repositories/" in line and ": 200 in " in line for line in lines)
    assert all(line.endswith(" ms") for line in lines)
    for secret in (access["secret_access_key"], access["access_key_id"], "somebody", "?"):
        assert secret not in "\n".join(lines)


class Busy(BaseHTTPRequestHandler):
    """Answers 503 once, then 200."""

    answers: list[int]

    def do_GET(self) -> None:
        self.send_response(self.answers.pop(0))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_request_that_is_sent_again_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Once(Busy):
        answers = [503, 200]  # noqa: RUF012

    with HTTPServer(("127.0.0.1", 0), Once) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pool = urllib3.PoolManager()
        log_requests(pool)
        url = f"http://127.0.0.1:{server.server_port}/objects?token=secret"
        with caplog.at_level(logging.DEBUG, "datahub"):
            answer = pool.request("GET", url, retries=Retry(3, status_forcelist=(503,)))
        server.shutdown()

    assert answer.status == 200
    retry, request = [record.getMessage() for record in caplog.records]
    assert retry == "GET /objects again: 503"
    assert request.startswith("GET /objects: 200 in ")


def test_a_wait_for_another_writer_is_logged_while_it_lasts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph = Graph(tmp_path / "versions.db")
    with graph.making():
        pass
    waiting = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "waiting for another process" in record.getMessage():
                waiting.set()

    def write() -> None:
        with graph.writing() as second:
            second.set_head("main", "0" * 64)

    listener = Listener()
    logger = logging.getLogger("datahub")
    logger.addHandler(listener)
    try:
        with caplog.at_level(logging.INFO, "datahub"), graph.writing():
            thread = threading.Thread(target=write)
            thread.start()
            assert waiting.wait(25)
        with caplog.at_level(logging.INFO, "datahub"):
            thread.join()
    finally:
        logger.removeHandler(listener)

    with graph.reading() as reading:
        assert reading.heads() == {"main": "0" * 64}
