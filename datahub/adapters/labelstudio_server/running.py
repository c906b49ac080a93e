"""A process that outlives us: known by its id and its start time, ended as a group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from datahub.machine.processes import state

STOP_SECONDS = 15
LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp


def start_time(pid: int) -> str | None:
    """When this process started, in the system's own words; None if it is not running."""
    if Path("/proc/self/stat").exists():
        status = state(pid)
        return None if status is None or status[0] in "ZX" else status[1]
    words = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if len(words) < 2 or words[0].startswith("Z") else words[1].strip()


def runs(record: dict[str, Any]) -> bool:
    """Whether a noted process still runs; one that ended before its start was read does not."""
    return record["started"] is not None and start_time(record["pid"]) == record["started"]


def end_group(pid: int) -> None:
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


def bindable(port: int) -> int | None:
    """This port, or a free one for 0; None if another program has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def listening_port(session: int, default: int) -> int | None:
    """The loopback port on which a process of this session listens; None if there is none yet.

    Where /proc is missing, the port that was asked for.
    """
    ports = _listening_sockets()
    if ports is None:
        return default
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is of another user
            if os.getsid(int(process.name)) != session:
                continue
            for descriptor in (process / "fd").iterdir():
                if (port := ports.get(descriptor.readlink().name)) is not None:
                    return port
    return None


def _listening_sockets() -> dict[str, int] | None:
    """The port of each IPv4 socket that listens, by its name in /proc/<pid>/fd."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        return None
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    return {
        f"socket:[{row[9]}]": int(row[1].partition(":")[2], 16) for row in rows if row[3] == LISTEN
    }
