"""Pulling from Label Studio.

A server of one's own on loopback, with 100,000 tasks. The figure is CPU-seconds of the server's
process (from /proc) and not ours: it is shared by all who review. What was remembered of the
tasks is made up: the first listing of them all is neither measured nor waited for.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bench.harness import Case, Figures, Result, Watch, cpu_seconds

TASKS = 100_000
GOAL = 0.5  # server CPU-seconds of a pull that has nothing to bring
PART = 2_500
ENVIRONMENT = "~/.cache/datahub/label-studio-1.23.2"
COLUMNS = ("Pull", "CPU-s of the server", "CPU-s here", "Seconds")
PAGE = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="ham"/><Choice value="spam"/></Choices></View>'
)


class Texts(dict[str, str]):
    """A memory in a dict."""

    def count(self) -> int:
        """How many there are."""
        return len(self)

    def recall(self, names: Collection[str] | None = None) -> dict[str, str]:
        """Those of these names."""
        return {name: self[name] for name in (self if names is None else names) if name in self}


def pulls(watch: Watch) -> Figures:
    """Pulls of 100,000 tasks: nothing new, 100 answers, two tasks deleted."""
    from datahub.adapters.labelstudio_server import LabelStudioServer

    folder = watch.scratch / "labelstudio" / str(os.getpid())
    if (empty := _environment().with_name(_environment().name + "-empty")).exists():
        shutil.copytree(empty, folder)
    server = LabelStudioServer(folder, environment=_environment())
    info = server.start()
    try:
        return _pulls(watch, info)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _pulls(watch: Watch, info: Any) -> Figures:
    from datahub.adapters.review_labelstudio import LabelStudioReviewQueue
    from datahub.adapters.review_labelstudio.answers import Cursor, TaskMemory, instant, stamp

    project = _call(info, "POST", "/api/projects/", json={"title": "big", "label_config": PAGE})
    where = f"/api/projects/{project['id']}"
    for start in range(0, TASKS, PART):
        part = [{"data": _data(number)} for number in range(start, start + PART)]
        _call(info, "POST", f"{where}/import", json=part)
    first = _call(info, "GET", "/api/tasks/", params={"project": project["id"], "page_size": 1})
    low = first["tasks"][0]["id"]
    memory = Texts(
        (str(low + n), TaskMemory((n, _data(n)["row_hash"])).to_json()) for n in range(TASKS)
    )
    made = stamp(instant(project["created_at"]))
    time.sleep(61)  # what has just been made counts as changed
    cursor = Cursor(project["id"], made, datetime.now(UTC), low + TASKS - 1).to_json()
    queue = LabelStudioReviewQueue(url=info.url, token=info.token, project="big")
    queue.pull(cursor, memory)  # signs in, and warms up
    rows: list[tuple[Any, ...]] = []

    def measured(name: str) -> None:
        with watch.timed():
            server, here, began = _cpu_of(info.pid), cpu_seconds(), time.monotonic()
            queue.pull(cursor, memory)
            figures = (_cpu_of(info.pid) - server, cpu_seconds() - here, time.monotonic() - began)
        rows.append((name, *(round(figure, 2) for figure in figures)))

    measured("nothing new")
    choice = {"from_name": "label", "to_name": "text", "type": "choices"}
    for number in range(100):
        answer = {"result": [{**choice, "value": {"choices": ["ham"]}}]}
        _call(info, "POST", f"/api/tasks/{low + number}/annotations/", json=answer)
    measured("100 answers")
    for number in (TASKS // 2, TASKS // 3):
        _call(info, "DELETE", f"/api/tasks/{low + number}/")
    measured("the same, and two tasks deleted")
    return {"columns": COLUMNS, "table": rows, "server_cpu": rows[0][1], "tasks": TASKS}


def _data(number: int) -> dict[str, Any]:
    text = f"some words that a person reads, number {number} " * 10
    return {"text": text, "row_key": number, "row_hash": f"{number:064x}", "batch": "b"}


def _call(info: Any, verb: str, path: str, **more: Any) -> Any:
    with httpx.Client(base_url=info.url, trust_env=False, timeout=600) as web:
        token = web.post("/api/token/refresh/", json={"refresh": info.token}).json()["access"]
        answer = web.request(verb, path, headers={"Authorization": f"Bearer {token}"}, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def _cpu_of(pid: int) -> float:
    """CPU-seconds of a process and of its children, ended or not."""
    own = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(map(int, own[11:15]))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return ticks / os.sysconf("SC_CLK_TCK") + sum(_cpu_of(int(child)) for child in children)


def _environment() -> Path:
    return Path(os.environ.get("DATAHUB_LABELSTUDIO_ENVIRONMENT", ENVIRONMENT)).expanduser()


def _without_server(_: Watch) -> str:
    return "" if _environment().exists() else f"no Label Studio in {_environment()}"


def _met(result: Result) -> bool:
    return float(result.figures["ours"]["server_cpu"]) <= GOAL


CASES = (
    Case(
        "review_pull",
        f"Pulls from Label Studio 1.23 of {TASKS:,} tasks",
        pulls,
        no_peer="nothing else pulls answers into versions",
        goal=f"server: at most {GOAL} CPU-s where nothing is new",
        met=_met,
        needs=_without_server,
    ),
)
