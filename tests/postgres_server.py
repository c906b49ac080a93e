"""A PostgreSQL of the tests' own: on a socket in a folder of its own, ended by its process id."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

PASSWORD = "only-for-this-test"


class PostgresServer:
    """A running server. `url` takes the user `datahub` with its password."""

    def __init__(self, folder: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.port = port
        self.process = process
        self._numbers = count()

    def url(self, database: str, *, password: str = PASSWORD, user: str = "datahub") -> str:
        return f"postgresql+psycopg://{user}:{password}@/{database}?host={self.folder}&port={self.port}"

    def new_database(self) -> str:
        """URL of a fresh, empty database."""
        name = f"catalog_{next(self._numbers)}"
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return self.url(name)


def missing() -> str:
    """Why no server can be started here, or nothing."""
    if binaries() is None:
        return "initdb and postgres are not installed (apt-get install postgresql)"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed (pip install 'datahub-labeling[postgres]')"
    return ""


def binaries() -> Path | None:
    """The folder of initdb and postgres, the newest version first."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    if found:
        versions.append(Path(found).parent)
    tools = ("initdb", "postgres", "pg_isready")
    return next((v for v in versions if all((v / tool).exists() for tool in tools)), None)


@contextmanager
def running() -> Iterator[PostgresServer]:
    """A server from nothing; gone at the end, with its folder."""
    folder = Path(tempfile.mkdtemp(prefix="datahub-pg-"))  # short: a socket's path is limited
    try:
        server = _start(folder)
        try:
            yield server
        finally:
            stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stop(server: PostgresServer) -> None:
    """End it, clients or not."""
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGINT)
        server.process.wait(30)


def _start(folder: Path) -> PostgresServer:
    where = binaries()
    assert where is not None
    unprivileged = _unprivileged(folder)
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    password_file.chmod(0o644)
    cluster = folder / "cluster"
    subprocess.run(
        [
            *(where / "initdb", "-D", cluster, "-U", "datahub", "--auth=scram-sha-256"),
            *("--pwfile", password_file, "-E", "UTF8", "--no-locale", "--no-sync"),
        ],
        check=True,
        capture_output=True,
        **unprivileged,
    )
    port = 5432  # names the socket in our folder; nothing listens on the network
    with (folder / "log").open("wb") as log:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [
                *(where / "postgres", "-D", cluster, "-k", folder, "-p", str(port)),
                *("-c", "listen_addresses=", "-c", "fsync=off"),
            ],
            stdout=log,
            stderr=log,
            **unprivileged,
        )
    server = PostgresServer(folder, port, process)
    try:
        _wait_until_ready(where, server)
    except BaseException:
        stop(server)
        raise
    return server


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: hand it to another user then."""
    if os.geteuid() != 0:
        return {"cwd": folder}
    import pwd

    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"cwd": folder, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _wait_until_ready(where: Path, server: PostgresServer) -> None:
    asked: list[str | Path] = [
        where / "pg_isready",
        "-q",
        "-h",
        server.folder,
        "-p",
        str(server.port),
    ]
    for _ in range(200):
        if subprocess.run(asked, check=False).returncode == 0:
            return
        if server.process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start: " + (server.folder / "log").read_text()[-2000:])
