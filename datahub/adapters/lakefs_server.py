"""A lakeFS server on loopback, from a `lakefs` executable that is here: for the demo and tests.

Everything it keeps lies in one folder: local key-value store, local block store. Its keys are
made each time it starts with an empty folder, and are for this machine alone.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from datahub.core.errors import StorageError, Unavailable

_LOGGER = logging.getLogger(__name__)
_STARTS_WITHIN = 30.0


@dataclass(frozen=True)
class LakeFSInfo:
    """Where a started server answers, and to which key pair."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    process: int


def _settings(folder: Path, port: int, key: str, secret: str) -> dict[str, str]:
    """LakeFS's own names: everything lies in the folder, and nothing is sent to anybody."""
    return {
        "DATABASE_TYPE": "local",
        "DATABASE_LOCAL_PATH": str(folder / "kv"),
        "BLOCKSTORE_TYPE": "local",
        "BLOCKSTORE_LOCAL_PATH": str(folder / "blocks"),
        "AUTH_ENCRYPT_SECRET_KEY": secrets.token_hex(20),
        "INSTALLATION_USER_NAME": "datahub",
        "INSTALLATION_ACCESS_KEY_ID": key,
        "INSTALLATION_SECRET_ACCESS_KEY": secret,
        "LISTEN_ADDRESS": f"127.0.0.1:{port}",
        "STATS_ENABLED": "false",
        "USAGE_REPORT_ENABLED": "false",
        "SECURITY_CHECK_LATEST_VERSION": "false",
    }


@contextmanager
def running_in(
    folder: Path, *, executable: Path, storage: Mapping[str, str] = MappingProxyType({})
) -> Iterator[LakeFSInfo]:
    """A server from nothing in an empty folder; stopped at the end, by its process id.

    `storage` are settings of its block store (lakeFS's own names, without LAKEFS_BLOCKSTORE_),
    where its bytes are not to lie in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, secret = f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20)
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    settings = _settings(folder, port, key, secret)
    settings |= {f"BLOCKSTORE_{name}": value for name, value in storage.items()}
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder)}
    environment |= {f"LAKEFS_{name}": value for name, value in settings.items()}
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [executable, "run"], env=environment, stdout=log, stderr=log, cwd=folder
            )
    except OSError as error:
        raise StorageError(
            f"{executable} could not be started: {error}.", hint="Is it lakeFS for this machine?"
        ) from error
    try:
        _wait(process, endpoint, folder / "log")
        _LOGGER.info("lakeFS started at %s, process %d", endpoint, process.pid)
        yield LakeFSInfo(endpoint, key, secret, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{endpoint}/_health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    last = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise Unavailable(
        "lakeFS did not start: " + " ".join(last), hint=f"Its log is {log}.", backend="lakefs"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
