"""When what was written is on the disk for good: a folder, or all of a file system in one call.

`syncfs` waits for everything on a file system, and so for a thousand files at the price of a
few. It is used where it is known to tell when a write failed: by Linux 5.8 and later, on file
systems that write through to a disk of their own (on others, files are synced one by one).
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

_TELLS_SINCE = (5, 8)
_TELLING = {0xEF53, 0x58465342, 0x9123683E, 0xF2F52010}  # ext2-4, XFS, Btrfs, F2FS: statfs(2)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_disk(handle: int) -> None:
    """Make all durable that was written to the file system of an open file. Raises OSError.

    It tells of writes that failed since the file was opened: so that must come before them.
    """
    import ctypes

    library = _library()
    assert library is not None
    if library.syncfs(handle) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def can_sync_disk(folder: str | os.PathLike[str]) -> bool:
    """Whether `sync_disk` does so, and tells when it fails, where a folder lies."""
    return _library() is not None and _kind(folder) in _TELLING


@cache
def _library() -> ctypes.CDLL | None:
    """The C library, where its `syncfs` can be relied on."""
    if sys.platform != "linux" or _kernel() < _TELLS_SINCE:
        return None
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "syncfs") and hasattr(library, "statfs") else None


def _kernel() -> tuple[int, ...]:
    numbers = os.uname().release.split("-")[0].split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())


def _kind(folder: str | os.PathLike[str]) -> int:
    """What kind of file system a folder is on; 0 where it is not told."""
    import ctypes

    library = _library()
    buffer = (ctypes.c_long * 64)()  # longer than any struct statfs, whose first field it is
    if library is None or library.statfs(os.fsencode(folder), buffer) != 0:
        return 0
    return int(buffer[0]) & 0xFFFFFFFF
