"""PartProfiles in a folder: a file for each measure of a part, which says its own hash."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

_HEAD = b"datahub measure "
_MOST = 256 << 20


class FolderProfiles:
    """Files under a folder, which may be lost, and may be read-only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, part: str, asked: str) -> bytes | None:
        """What was measured; None where it is not here, cut off or of another part."""
        try:
            with self._file(part, asked).open("rb") as file:
                content = file.read(_MOST)
        except OSError:
            return None
        head, _, body = content.partition(b"\n")
        return body if head == _first(part, asked, body) else None

    def keep(self, part: str, asked: str, measured: bytes) -> None:
        """Keep what was measured; where it cannot be, it is measured again."""
        if len(measured) > _MOST // 2:
            return
        file = self._file(part, asked)
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(_first(part, asked, measured) + b"\n" + measured)
            fresh.replace(file)
        except OSError:
            with suppress(OSError):
                fresh.unlink()

    def _file(self, part: str, asked: str) -> Path:
        name = hashlib.sha256(f"{part}\n{asked}".encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:2] / name[2:]


def _first(part: str, asked: str, body: bytes) -> bytes:
    text = f"{part}\n{asked}\n".encode("utf-8", "surrogatepass")
    return _HEAD + hashlib.sha256(text + body).hexdigest().encode()
