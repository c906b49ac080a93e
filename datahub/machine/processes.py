"""Whether whoever left something behind still runs, and how not to be left behind oneself."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@cache
def machine() -> str:
    """Whose process ids these are: containers share folders and names, and not their processes."""
    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:12]


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs, or is not ours to ask about."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def start_time(pid: int) -> str:
    """When a process began, as its system counts: two with one id differ by it ("0": not told)."""
    status = state(pid)
    return "0" if status is None else status[1]


def end_with(parent: int) -> None:
    """Let this process end when its parent does, whatever it is doing then.

    Linux sees to that. Elsewhere a thread looks each second, which has to wait for code that keeps
    Python's lock. Linux counts the parent's thread that started this process for its parent.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    else:
        threading.Thread(target=_wait_for_end_of, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it was faster
        os._exit(1)


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """What is set when somebody tells this process to end, by SIGTERM or Ctrl-C, in the while.

    Only the main thread can hear that: elsewhere nobody sets it.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _wait_for_end_of(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def state(pid: int) -> tuple[str, str] | None:
    """A letter for what Linux says a process is doing, and when it began; None: it is not there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return None
