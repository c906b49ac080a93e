"""lakeFS as docker-compose.yml starts it: over PostgreSQL, with its first account."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from datahub.adapters.lakefs_server import _free_port
from tests import lakefs_server
from tests.conftest import skip_or_fail
from tests.postgres_server import PASSWORD, PostgresServer

ROOT = Path(__file__).parents[2]
COMPOSED: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][
    "lakefs"
]
KEY, SECRET = "AKIAONLYFORTHISTEST0", "only-for-this-test"


@pytest.fixture
def settings(postgres: PostgresServer, tmp_path: Path) -> dict[str, str]:
    """Those of the composition, but for what is a container's own."""
    if why := lakefs_server.missing():
        skip_or_fail("lakefs", why)
    if "DATAHUB_TEST_LAKEFS" in os.environ:
        pytest.skip("a running server is named: this test starts one of its own")
    url = urlsplit(postgres.new_database())
    host = parse_qs(url.query)["host"][0]
    return {
        **{name: str(value) for name, value in COMPOSED["environment"].items()},
        "LAKEFS_DATABASE_POSTGRES_CONNECTION_STRING": f"postgres://datahub:{PASSWORD}@{url.path}"
        f"?host={host}&port={postgres.port}&sslmode=disable",
        "LAKEFS_BLOCKSTORE_LOCAL_PATH": str(tmp_path / "blocks"),
        "LAKEFS_AUTH_ENCRYPT_SECRET_KEY": "only-for-this-test-0123456789",
        "LAKEFS_INSTALLATION_ACCESS_KEY_ID": KEY,
        "LAKEFS_INSTALLATION_SECRET_ACCESS_KEY": SECRET,
        "LAKEFS_LISTEN_ADDRESS": f"127.0.0.1:{_free_port()}",
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
    }


@contextmanager
def started(settings: Mapping[str, str], log: Path) -> Iterator[str]:
    """The address of a server that the composition's script has started."""
    script = ROOT / COMPOSED["volumes"][0].split(":")[0]
    with log.open("wb") as said:
        process = subprocess.Popen(
            ["/bin/sh", str(script)], env=settings, stdout=said, stderr=said, cwd=log.parent
        )
    endpoint = f"http://{settings['LAKEFS_LISTEN_ADDRESS']}"
    try:
        until = time.monotonic() + 60
        while status(endpoint, "/_health") != 200:
            assert process.poll() is None, log.read_text("utf-8", "replace")[-2000:]
            assert time.monotonic() < until, log.read_text("utf-8", "replace")[-2000:]
            time.sleep(0.1)
        yield endpoint
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def status(endpoint: str, path: str, secret: str = SECRET) -> int:
    """What the server answers to the first account; 0: nothing."""
    account = base64.b64encode(f"{KEY}:{secret}".encode()).decode()
    asked = urllib.request.Request(endpoint + path, headers={"Authorization": f"Basic {account}"})
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def test_the_first_account_works_after_a_first_and_a_second_start(
    settings: dict[str, str], tmp_path: Path
) -> None:
    """LakeFS makes none by itself over PostgreSQL; its secret is in no log."""
    for start in ("first", "second"):
        log = tmp_path / f"{start}.log"
        with started(settings, log) as endpoint:
            assert status(endpoint, "/api/v1/repositories") == 200
            assert status(endpoint, "/api/v1/repositories", "another") == 401
        assert SECRET.encode() not in log.read_bytes()


def test_a_database_that_is_not_there_ends_the_start_and_is_named(
    settings: dict[str, str], tmp_path: Path
) -> None:
    nowhere = settings["LAKEFS_DATABASE_POSTGRES_CONNECTION_STRING"].replace("/catalog", "/no")
    script = ROOT / COMPOSED["volumes"][0].split(":")[0]

    ended = subprocess.run(
        ["/bin/sh", str(script)],
        env={**settings, "LAKEFS_DATABASE_POSTGRES_CONNECTION_STRING": nowhere},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 1
    assert "does not exist" in ended.stderr
