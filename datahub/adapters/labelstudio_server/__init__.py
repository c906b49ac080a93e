"""A Label Studio of one's own: installed apart, started on loopback, stopped by process id.

Two folders. `environment` is a virtual environment with the pinned set of
labelstudio_constraints.txt and a marker written last, so that half an install is
never taken for one. `folder` (0700) holds the server's data, its log,
credentials.json (0600) and server.json: which process runs, where. A process is
known by its id and its start time; another process under a recycled id is never
touched. Telemetry, open sign-up and calls to the outside are off.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from datahub.adapters.labelstudio_server.account import new_token
from datahub.adapters.labelstudio_server.environment import VERSION, Say, clean_environment, install
from datahub.adapters.labelstudio_server.private_files import (
    lock,
    private_file,
    private_folder,
    read,
    translate_errors,
    write,
)
from datahub.adapters.labelstudio_server.running import (
    bindable,
    end_group,
    listening_port,
    runs,
    start_time,
)
from datahub.core.errors import Conflict, Unavailable

__all__ = ["VERSION", "LabelStudioServer", "ServerInfo"]

EMAIL = "datahub@localhost"
PORT_TRIES = 4
PORT_LOST = "port is already in use"  # Django's words
START_SECONDS = 600  # the first start migrates: about 40 seconds of one core


def silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class ServerInfo:
    """What one needs to log in. `url` and `pid` are of the process that runs, if one does."""

    url: str | None
    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    pid: int | None
    running: bool


class LabelStudioServer:
    """The one server whose data lies in `folder`. `port` None takes the last one, or a free one."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Path,
        port: int | None = None,
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._port = port

    def install(self, *, say: Say = silent) -> None:
        """Make the environment unless it is whole. Raises Unavailable with pip's last lines."""
        install(self._environment, say=say)

    def start(self, *, say: Say = silent) -> ServerInfo:
        """Install if need be, migrate, start, and wait until it answers; or find it running.

        Raises Unavailable (cannot be installed or does not come up), Conflict (port taken).
        """
        self.install(say=say)
        with lock(self._folder / "lock"):
            process = self._process() or self._started(say)
            return _info(self._authorize(process["url"]), process)

    def status(self) -> ServerInfo | None:
        """What is known now, without starting anything; None if none was ever started here."""
        account = read(self._folder / "credentials.json")
        return None if account is None else _info(account, self._process())

    def stop(self) -> bool:
        """End our process and its children; False if there was none. Others are not touched."""
        if not self._folder.exists():
            return False
        with lock(self._folder / "lock"):
            process = self._process()
            if process is None:
                return False
            end_group(process["pid"])
            write(self._folder / "server.json", {"port": process["port"]})
        return True

    def _started(self, say: Say) -> dict[str, Any]:
        """A server that answers, on the port where it does.

        Label Studio binds its port seconds after we looked, and takes the next one, or ends, if
        the port was lost meanwhile.

        Raises Unavailable (ended before it answered), Conflict (the port asked for is taken).
        """
        say("Waiting for Label Studio (the first start sets up its database)")
        for _ in range(PORT_TRIES):
            process = self._spawn()
            port = self._answering_port(process)
            if port == process["port"] or (port is not None and self._port is None):
                process = {**process, "port": port, "url": f"http://127.0.0.1:{port}"}
                write(self._folder / "server.json", process)
                say(f"Label Studio answers on {process['url']}")
                return process
            end_group(process["pid"])
            log = self._log_path.read_text("utf-8", "replace")
            if port is None and PORT_LOST not in log:
                break
            if self._port is not None:
                raise _port_taken(self._port)
            write(self._folder / "server.json", {})  # forget the port: take any that is free
        raise Unavailable(
            "Label Studio did not start. The last lines of its log:\n"
            + "\n".join(log.splitlines()[-12:]),
            hint=f"The whole log is {self._log_path}.",
            backend="label-studio",
        )

    @property
    def _log_path(self) -> Path:
        return self._folder / "label-studio.log"

    def _process(self) -> dict[str, Any] | None:
        record = read(self._folder / "server.json")
        if record is None or "pid" not in record:
            return None
        return record if runs(record) else None

    def _spawn(self) -> dict[str, Any]:
        account = self._account()
        port = self._free_port()
        command = [str(self._environment / "bin" / "label-studio"), "start", "--no-browser"]
        command += ["--internal-host", "127.0.0.1", "--port", str(port)]
        command += ["--data-dir", str(self._folder.resolve() / "data")]
        login = {"USERNAME": account["email"], "PASSWORD": account["password"]}
        private_folder(self._folder / "data")
        with translate_errors(self._folder), private_file(self._log_path) as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment() | {f"LABEL_STUDIO_{k}": v for k, v in login.items()},
                cwd=self._folder,
                start_new_session=True,  # its own group: it outlives us, and ends as one
                umask=0o077,
            )
        record = {"pid": child.pid, "started": start_time(child.pid), "port": port}
        child.returncode = 0  # it outlives us: Popen need not wait for it
        record["url"] = f"http://127.0.0.1:{port}"
        write(self._folder / "server.json", record)
        return record

    def _account(self) -> dict[str, str]:
        """The account, made and kept before the server hears of it: a crash between is harmless."""
        path = self._folder / "credentials.json"
        account = read(path)
        if account is None:
            account = {"email": EMAIL, "password": secrets.token_urlsafe(18)}
            write(path, account)
        return account

    def _free_port(self) -> int:
        last_port = (read(self._folder / "server.json") or {}).get("port", 0)
        for _ in range(20):  # a killed server takes a moment to let go of its port
            if (port := bindable(self._port or last_port)) is not None:
                return port
            time.sleep(0.05)
        if self._port is None and (port := bindable(0)) is not None:
            return port
        raise _port_taken(self._port)

    def _answering_port(self, process: dict[str, Any]) -> int | None:
        """The port on which it answers; None if it ended, or START_SECONDS went by.

        Another program may answer on the port that we asked for: only a port that the process
        itself has counts, for what follows sends a password there.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and runs(process):
            port = listening_port(process["pid"], process["port"])
            try:
                if (
                    port
                    and httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success
                ):
                    return port
            except httpx.TransportError:
                pass  # not yet
            time.sleep(0.2)
        return None

    def _authorize(self, url: str) -> dict[str, str]:
        """The account with a token that works, made by the form that a person would use."""
        account = self._account()
        with _answering(url), httpx.Client(base_url=url, timeout=60, trust_env=False) as web:
            token = account.get("token", "")
            if token and web.post("/api/token/refresh/", json={"refresh": token}).is_success:
                return account
            account = {**account, "token": new_token(web, account)}
        write(self._folder / "credentials.json", account)
        return account


def _port_taken(port: int | None) -> Conflict:
    return Conflict(
        f"Port {port} on 127.0.0.1 is taken by another program.",
        hint="Name another port, or none to take a free one.",
    )


def _info(account: dict[str, str], process: dict[str, Any] | None) -> ServerInfo:
    return ServerInfo(
        url=process["url"] if process else None,
        email=account["email"],
        password=account["password"],
        token=account.get("token", ""),
        pid=process["pid"] if process else None,
        running=process is not None,
    )


@contextmanager
def _answering(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise Unavailable(
            f"Label Studio on {url} did not answer: {error or type(error).__name__}.",
            hint="`datahub labelstudio stop`, then start it again.",
            backend="label-studio",
        ) from error
