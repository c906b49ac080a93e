"""Measures of parts that were taken before, in a file for each part.

A part is known by the SHA-256 of its bytes, which an object's file is named by; a measure by what
was asked, and by the versions of this code and of polars. A file says its own hash: one that is
cut off, damaged or of another part is as if it were not there, and is written again. The folder
may be lost, and may be read-only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import polars as pl

from datahub.adapters.gate_polars.measures import VERSION, Measured

MOST = 200  # measures of a part that are kept
_BYTES = 64 << 20
_HEAD = b"datahub profile "
_ID = re.compile("[0-9a-f]{64}")


class Profiles:
    """The profiles of parts in a folder; without one, nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def of(self, part: Path) -> dict[str, Measured]:
        """What was measured of a part, by the keys of measures."""
        file = self._file(part)
        if file is None:
            return {}
        try:
            with file.open("rb") as handle:
                content = handle.read(_BYTES)
            head, _, body = content.partition(b"\n")
            if head != _HEAD + hashlib.sha256(body).hexdigest().encode():
                return {}
            profile = json.loads(body)
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(profile, dict) or profile.get("of") != _of(part):
            return {}
        measures: dict[str, Measured] = profile["measures"]
        return measures

    def keep(self, part: Path, measures: Mapping[str, Measured]) -> None:
        """Keep these measures of a part, the last of them where there are many."""
        file = self._file(part)
        if file is None:
            return
        newest = dict(list(measures.items())[-MOST:])
        body = json.dumps({"of": _of(part), "measures": newest}).encode()
        if len(body) > _BYTES // 2:
            return
        content = _HEAD + hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(content)
            fresh.replace(file)
        except OSError:  # it is measured again
            with suppress(OSError):
                fresh.unlink()

    def _file(self, part: Path) -> Path | None:
        name = _sha256(part)
        if self._folder is None or name is None:
            return None
        return self._folder / name[:2] / f"{name[2:]}.json"


def _sha256(part: Path) -> str | None:
    """The hash of a part's bytes: an object lies at its first two digits and the others."""
    name = part.parent.name + part.name
    return name if _ID.fullmatch(name) else None


def _of(part: Path) -> list[object]:
    return [_sha256(part), VERSION, pl.__version__]
