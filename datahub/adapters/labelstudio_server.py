"""A Label Studio of one's own: installed apart, started on loopback, stopped by process id.

Two folders. `environment` is a virtual environment with the pinned set of
labelstudio_constraints.txt and a marker written last, so that half an install is
never taken for one. `folder` (0700) holds the server's data, its log,
credentials.json (0600) and server.json: which process runs, where. A process is
known by its id and its start time; another process under a recycled id is never
touched. Telemetry, open sign-up and calls to the outside are off.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from datahub.core.errors import AuthenticationError, Conflict, StorageError, Unavailable

VERSION = "1.23.2"
CONSTRAINTS = Path(__file__).with_name("labelstudio_constraints.txt")
EMAIL = "datahub@localhost"
START_SECONDS = 600  # the first start migrates: about 40 seconds of one core
STOP_SECONDS = 15
MARKER = "datahub-installed.json"

QUIET = {
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "DISABLE_SIGNUP_WITHOUT_LINK": "true",
    "CORS_ALLOW_ALL_ORIGINS": "false",
    "ALLOWED_HOSTS": "127.0.0.1,localhost",  # no rebinding of a stranger's name to this server
    "FEATURE_FLAGS_OFFLINE": "true",
    "LOCAL_FILES_SERVING_ENABLED": "false",
    "DEBUG": "false",
    "TQDM_DISABLE": "1",
}


Say = Callable[[str], None]


def _silent(line: str) -> None:
    pass


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

    def install(self, *, say: Say = _silent) -> None:
        """Make the environment unless it is whole. Raises Unavailable with pip's last lines."""
        with _locked(self._environment.with_name(self._environment.name + ".lock")):
            if _read(self._environment / MARKER) == _wanted():
                return
            if self._environment.exists():
                say(f"Removing the unfinished or older {self._environment}")
                _remove_environment(self._environment)
            say(f"Installing label-studio {VERSION} into {self._environment}")
            self._pip_install(say)
            _write(self._environment / MARKER, _wanted())

    def start(self, *, say: Say = _silent) -> ServerInfo:
        """Install if need be, migrate, start, and wait until it answers; or find it running.

        Raises Unavailable (cannot be installed or does not come up), Conflict (port taken).
        """
        self.install(say=say)
        with _locked(self._folder / "lock"):
            running = self._process()
            if running is None:
                running = self._spawn()
                self._wait(running, say)
                say(f"Label Studio answers on {running['url']}")
            return _info(self._authorized(running["url"]), running)

    def status(self) -> ServerInfo | None:
        """What is known now, without starting anything; None if none was ever started here."""
        account = _read(self._folder / "credentials.json")
        return None if account is None else _info(account, self._process())

    def stop(self) -> bool:
        """End our process and its children; False if there was none. Others are not touched."""
        if not self._folder.exists():
            return False
        with _locked(self._folder / "lock"):
            process = self._process()
            if process is None:
                return False
            _end_group(process["pid"])
            _write(self._folder / "server.json", {"port": process["port"]})
        return True

    def _pip_install(self, say: Say) -> None:
        python = self._environment / "bin" / "python"
        pip = [str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        steps = [
            [sys.executable, "-m", "venv", str(self._environment)],
            [*pip, "--constraint", str(CONSTRAINTS), f"label-studio=={VERSION}"],
        ]
        for step in steps:
            _run(step, say)

    def _process(self) -> dict[str, Any] | None:
        noted = _read(self._folder / "server.json")
        if noted is None or "pid" not in noted:
            return None
        return noted if _runs(noted) else None

    def _spawn(self) -> dict[str, Any]:
        account = self._account()
        port = self._free_port()
        command = [str(self._environment / "bin" / "label-studio"), "start", "--no-browser"]
        command += ["--internal-host", "127.0.0.1", "--port", str(port)]
        command += ["--data-dir", str(self._folder.resolve() / "data")]
        login = {"USERNAME": account["email"], "PASSWORD": account["password"]}
        _private_folder(self._folder / "data")
        with _translated(self._folder), _private_file(self._folder / "label-studio.log") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_clean_environment() | {f"LABEL_STUDIO_{k}": v for k, v in login.items()},
                cwd=self._folder,
                start_new_session=True,  # its own group: it outlives us, and ends as one
                umask=0o077,
            )
        noted = {"pid": child.pid, "started": _started(child.pid), "port": port}
        child.returncode = 0  # it outlives us: Popen need not wait for it
        noted["url"] = f"http://127.0.0.1:{port}"
        _write(self._folder / "server.json", noted)
        return noted

    def _account(self) -> dict[str, str]:
        """The account, made and kept before the server hears of it: a crash between is harmless."""
        path = self._folder / "credentials.json"
        known = _read(path)
        if known is None:
            known = {"email": EMAIL, "password": secrets.token_urlsafe(18)}
            _write(path, known)
        return known

    def _free_port(self) -> int:
        known = (_read(self._folder / "server.json") or {}).get("port", 0)
        for _ in range(20):  # a killed server takes a moment to let go of its port
            if (port := _bindable(self._port or known)) is not None:
                return port
            time.sleep(0.05)
        if self._port is None and (port := _bindable(0)) is not None:
            return port
        raise Conflict(
            f"Port {self._port} on 127.0.0.1 is taken by another program.",
            hint="Name another port, or none to take a free one.",
        )

    def _wait(self, process: dict[str, Any], say: Say) -> None:
        say("Waiting for Label Studio (the first start sets up its database)")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and _runs(process):
            try:
                if httpx.get(process["url"] + "/health", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # not yet
            time.sleep(0.2)
        _end_group(process["pid"])
        log = (self._folder / "label-studio.log").read_text("utf-8", "replace").splitlines()
        raise Unavailable(
            "Label Studio did not come up. Its log's last lines:\n" + "\n".join(log[-12:]),
            hint=f"The whole log is {self._folder / 'label-studio.log'}.",
            backend="label-studio",
        )

    def _authorized(self, url: str) -> dict[str, str]:
        """The account with a token that works, made by the form that a person would use."""
        account = self._account()
        with _answering(url), httpx.Client(base_url=url, timeout=60, trust_env=False) as web:
            token = account.get("token", "")
            if token and web.post("/api/token/refresh/", json={"refresh": token}).is_success:
                return account
            account = {**account, "token": _new_token(web, account)}
        _write(self._folder / "credentials.json", account)
        return account


def _bindable(port: int) -> int | None:
    """This port, or a free one for 0; None if another program has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


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


def _run(command: list[str], say: Say) -> None:
    last: deque[str] = deque(maxlen=8)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_clean_environment(),
    ) as child:
        try:
            for line in child.stdout or ():
                last.append(line.rstrip())
                if line.startswith(("Collecting", "Installing", "Building")):
                    say(line.rstrip()[:100])
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise Unavailable(
            "Label Studio could not be installed. pip's last lines:\n" + "\n".join(last),
            hint="Check the network and the disk, then run the command again: it starts over.",
            backend="label-studio",
        )


def _new_token(web: httpx.Client, account: dict[str, str]) -> str:
    web.get("/user/login/")
    form = {"email": account["email"], "password": account["password"]}
    web.post("/user/login/", data=form | {"csrfmiddlewaretoken": web.cookies.get("csrftoken", "")})
    headers = {"X-CSRFToken": web.cookies.get("csrftoken") or ""}
    answer = web.post("/api/token/", headers=headers)
    if answer.status_code == 409:  # made once, and its answer lost: only the first half is shown
        for known in web.get("/api/token/").json():
            web.post("/api/token/blacklist/", headers=headers, json={"refresh": known["token"]})
        answer = web.post("/api/token/", headers=headers)
    if answer.status_code != 201:
        raise AuthenticationError(
            f"Label Studio on {web.base_url} does not take the account {account['email']}.",
            hint="Was its password changed by hand? Put the new one into credentials.json.",
        )
    return str(answer.json()["token"])


def _clean_environment() -> dict[str, str]:
    """Ours, without what would lead Python, Django or Label Studio astray."""
    led_astray = ("LABEL_STUDIO_", "HEARTEX_", "DJANGO_", "PYTHON", "POSTGRE_", "MINIO_", "REDIS_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(led_astray)}
    # Its packages are another set than ours: our constraints, exported by make, do not hold there.
    ours = {"HOST", "PORT", "VIRTUAL_ENV", "DEBUG", "PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"}
    kept = {k: v for k, v in kept.items() if k not in ours}
    return kept | {f"LABEL_STUDIO_{k}": v for k, v in QUIET.items()} | {"PYTHONUNBUFFERED": "1"}


def _started(pid: int) -> str | None:
    """When this process started, in the system's own words; None if it is not running."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if len(shown) < 2 or shown[0].startswith("Z") else shown[1].strip()


def _runs(noted: dict[str, Any]) -> bool:
    """Whether a noted process still runs; one that ended before its start was read does not."""
    return noted["started"] is not None and _started(noted["pid"]) == noted["started"]


def _end_group(pid: int) -> None:
    """SIGTERM to a session we started, SIGKILL to what is left of it."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(pid, kind)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            with suppress(ChildProcessError):  # started by another datahub: not ours to reap
                os.waitpid(pid, os.WNOHANG)
            try:
                os.killpg(pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one at a time, other processes included; a crash lets go."""
    _private_folder(path.parent)
    with _translated(path), path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} cannot be used: {error.strerror or error}.",
            hint="Is the disk full, or the folder somebody else's?",
        ) from error


def _remove_environment(environment: Path) -> None:
    """Only what is a virtual environment: a wrongly named folder is not emptied."""
    if any(environment.iterdir()) and not (environment / "pyvenv.cfg").exists():
        raise StorageError(
            f"{environment} holds something else than a virtual environment.",
            hint="Name another folder for Label Studio's environment.",
        )
    with _translated(environment):
        shutil.rmtree(environment)


def _private_folder(folder: Path) -> None:
    with _translated(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _private_file(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _wanted() -> dict[str, Any]:
    """What a whole environment's marker says."""
    pinned = hashlib.sha256(CONSTRAINTS.read_bytes()).hexdigest()
    return {"version": VERSION, "constraints": pinned, "python": sys.version}


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON file, or None where there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{path} cannot be read: {error}.", hint="Restore it, or remove it and start again."
        ) from error
    return found


def _write(path: Path, value: dict[str, Any]) -> None:
    """Beside, then renamed; for the owner's eyes alone."""
    with _translated(path):
        new = path.with_name(path.name + ".new")
        with _private_file(new) as file:
            file.write(json.dumps(value, indent=2).encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
