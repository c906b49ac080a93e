"""What a process that runs users' code may take of the machine; set before any of it is run.

Each limit is for one process. Where there is little memory, the system ends such a process
before any other.
"""

from __future__ import annotations

import os
import re
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from datahub.core.errors import ConfigError

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_LEAST = 256 * 2**20  # Python, numpy and polars alone take half of it
_FILES = 4096


@dataclass(frozen=True)
class Limits:
    """Bytes of memory, open files; and processes and threads, where those are counted apart."""

    memory: int
    files: int = _FILES
    processes: int | None = None


def memory_of(text: str) -> int:
    """Bytes that a setting means; 0 for "none". By default most of the machine's memory.

    Raises ConfigError.

    >>> memory_of("2 GB"), memory_of("none")
    (2147483648, 0)
    """
    if text == "none":
        return 0
    if not text:
        return max(4 * 2**30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 8 // 10)
    match = re.fullmatch(r"(\d{1,15})\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    size = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if size < _LEAST:
        raise ConfigError(
            f"memory under [lf] is {text!r}.",
            hint='For example "4GB"; 256MB or more; "none" for no limit.',
        )
    return size


def take(limits: Limits) -> None:
    """Bind this process, and all that it starts."""
    memory = [resource.RLIMIT_DATA] if limits.memory else []
    bounds = dict.fromkeys([*memory, resource.RLIMIT_FSIZE], limits.memory or 2**40)
    bounds |= {resource.RLIMIT_NOFILE: limits.files, resource.RLIMIT_CORE: 0}
    if limits.processes:
        bounds[resource.RLIMIT_NPROC] = limits.processes
    for kind, most in bounds.items():
        ceiling = resource.getrlimit(kind)[1]
        most = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        with suppress(OSError, ValueError):  # not of this system
            resource.setrlimit(kind, (most, most))
    with suppress(OSError):  # Linux
        Path("/proc/self/oom_score_adj").write_text("1000")
