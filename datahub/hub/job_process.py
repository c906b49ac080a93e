"""The process that one attempt of a job runs in: it says how far it is, and what came of it."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from datahub.core.errors import DatahubError, StaleHead, Unavailable, told
from datahub.core.job import Lease, LeaseLost
from datahub.hub.hub import Hub
from datahub.hub.job_run import StaleSubmission, run_job
from datahub.machine.child_process import Send, connect

_PAUSE = 0.2  # seconds between two messages of progress


def main() -> None:
    """Do the job that stdin names."""
    first, send = connect()
    try:
        send({"result": _run(first, send)})
    except DatahubError as error:
        again = isinstance(error, (StaleHead, Unavailable, LeaseLost))
        is_final = isinstance(error, StaleSubmission) or not again
        send(_failure(error.code, error.message, error.hint, is_final=is_final))
    except Exception as error:  # noqa: BLE001  the last wall: not to go on, but to say so
        traceback.print_exc()
        hint = "This is a fault of datahub: the job's log has what a report of it needs."
        send(_failure("bug", " ".join(told(error).split()), hint, is_final=True))


def _run(first: dict[str, Any], send: Send) -> dict[str, Any]:
    hub = Hub.open(first["root"], progress=_progress(send), warn=_warn)
    with hub:
        job = hub.job_store.get(first["job"])
        lease = Lease(first["job"], first["fence"])
        if job.lease != lease or job.state != "running":
            raise LeaseLost(lease)
        return run_job(hub, job, lease=timedelta(seconds=first["lease"]))


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")
    sys.stderr.flush()


def _progress(send: Send) -> Callable[[str, int, int], None]:
    last = float("-inf"), ""

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if stage != last[1] or done == total or now - last[0] >= _PAUSE:
            last = now, stage
            send({"progress": [stage, done, total]})

    return progress


def _failure(code: str, message: str, hint: str, *, is_final: bool) -> dict[str, Any]:
    return {"failure": {"code": code, "message": message, "hint": hint}, "final": is_final}
