"""Files that come into the scratch folder without a copy of their bytes.

A clone (reflink) shares them until either file is changed, and nobody notices. A hard link is a
second name of one file: what is written to it is written to both, so it is made only when asked
for by name. Which of the two a file system can do, it alone knows: it is tried.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from datahub.core.errors import InputError

_FICLONE = 0x40049409  # linux/fs.h
_CANNOT_CLONE = {
    errno.EXDEV,
    errno.EINVAL,
    errno.ENOTTY,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.ETXTBSY,
    errno.EPERM,
}
_COPY = "Import without --in-place: the rows are then copied, and the files stay as they are."


def share_bytes(path: Path, copy: Path, *, hard_link: bool) -> None:
    """Make `copy` a file with the bytes of `path`. Raises InputError, OSError."""
    real = path.resolve()
    if not real.is_file():
        raise InputError(f"{path} is not a file.", hint="Name files that exist.")
    if _clone(real, copy):
        return
    if not hard_link:
        raise InputError(
            f"{path} cannot be cloned: its file system does not let two files share their bytes, "
            "or it is another one than the project's.",
            hint="On one file system, --hard-link takes the files themselves: they become "
            f"read-only, and must never change. {_COPY}",
        )
    try:
        os.link(real, copy)
    except OSError as error:
        raise _not_linked(path, error) from error


def change_error(path: Path) -> InputError:
    """The error for a file that somebody wrote to meanwhile."""
    return InputError(
        f"{path} was changed while it was taken in.",
        hint="Nothing was committed. Import when nobody writes to it.",
    )


def _clone(path: Path, copy: Path) -> bool:
    with path.open("rb") as source, copy.open("xb") as target:
        try:
            fcntl.ioctl(target, _FICLONE, source.fileno())
        except OSError as error:
            with suppress(OSError):
                copy.unlink()
            if error.errno in _CANNOT_CLONE:
                return False
            raise
    return True


def _not_linked(path: Path, error: OSError) -> InputError:
    if error.errno == errno.EXDEV:
        return InputError(
            f"{path} lies on another file system than the project: they cannot share its bytes.",
            hint=_COPY,
        )
    if error.errno in (errno.EPERM, errno.EACCES):
        return InputError(
            f"{path} may not be linked: it is another user's, or its file system has no links.",
            hint=_COPY,
        )
    raise error
