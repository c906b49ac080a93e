"""Files for the owner's eyes alone, and a lock that a crash lets go of."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datahub.core.errors import StorageError


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Only one at a time, other processes included; a crash lets go."""
    private_folder(path.parent)
    with translate_errors(path), path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Errors of the system as StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} cannot be used: {error.strerror or error}.",
            hint="Is the disk full, or the folder somebody else's?",
        ) from error


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner reads, unless it is there."""
    with translate_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def private_file(path: Path) -> Any:
    """An empty file that only its owner reads, open to write bytes."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def read(path: Path) -> dict[str, Any] | None:
    """A JSON file, or None where there is none."""
    try:
        value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{path} cannot be read: {error}.", hint="Restore it, or remove it and start again."
        ) from error
    return value


def write(path: Path, value: dict[str, Any]) -> None:
    """Beside, then renamed; for the owner's eyes alone."""
    with translate_errors(path):
        new = path.with_name(path.name + ".new")
        with private_file(new) as file:
            file.write(json.dumps(value, indent=2).encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
