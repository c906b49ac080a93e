"""File systems of a test's own, which can be full."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import skip_or_fail


@contextmanager
def disk_of(size: str, place: Path) -> Iterator[Path]:
    """A tmpfs of so many bytes ("1m"); skipped where this user may mount none."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        skip_or_fail("tmpfs", mounted.stderr.strip())
    try:
        yield place
    finally:
        gc.collect()  # an error that was caught holds what it came by, with open files
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> None:
    """Take every byte that is left."""
    file = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    os.write(file, b"x" * size)
            except OSError:
                pass
    finally:
        os.close(file)


def free(disk: Path) -> int:
    """Bytes that are left."""
    state = os.statvfs(disk)
    return state.f_bavail * state.f_frsize
