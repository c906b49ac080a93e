"""A process of our own: what it says arrives, and it ends with all that it began."""

from __future__ import annotations

import os
import time
from typing import Any

from datahub.machine.child_process import ChildProcess
from datahub.machine.processes import is_alive, state

START = "from datahub.machine.child_process import connect; first, send = connect(); "


def heard(child: ChildProcess) -> tuple[list[dict[str, Any]], list[str]]:
    """All messages and lines until it has ended, within a minute."""
    messages, log = [], []
    end = time.monotonic() + 60
    while time.monotonic() < end:
        new, lines, has_ended = child.listen(0.2)
        messages += new
        log += lines
        if has_ended:
            break
    child.kill()
    return messages, log


def test_what_is_printed_is_its_log_and_no_message() -> None:
    code = START + "print('{\"result\": 1}'); send({'told': first['asked']}); print('bye')"

    messages, log = heard(child := ChildProcess(code, {"asked": "é"}))

    assert messages == [{"told": "é"}]
    assert log == ['{"result": 1}', "bye"]
    assert child.end == "exit code 0"


def test_a_log_that_nobody_reads_does_not_keep_it_from_being_killed() -> None:
    child = ChildProcess(START + "send({}); [print('x' * 5000) for _ in iter(int, 1)]", {})
    while not child.listen(0.1)[0]:
        pass

    child.kill()

    assert child.end == "signal 9"


def test_all_of_its_group_ends_though_it_has_ended_itself() -> None:
    """What it started holds its pipes: that is waited for a moment, and killed."""
    code = START + (
        "import subprocess, os; "
        "other = subprocess.Popen(['sleep', '300']); send({'pid': other.pid}); os._exit(3)"
    )

    messages, _ = heard(child := ChildProcess(code, {}))

    pid = messages[0]["pid"]
    assert child.end == "exit code 3"
    end = time.monotonic() + 30
    while is_alive(pid) and (state(pid) or "Z")[0] != "Z" and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_alive(pid) or (state(pid) or "Z")[0] == "Z"


def test_one_that_never_began_has_ended() -> None:
    messages, log = heard(child := ChildProcess("raise SystemExit(4)", {}))

    assert (messages, log, child.end) == ([], [], "exit code 4")
    assert child.pid != os.getpid()
