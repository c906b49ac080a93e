"""Folders of files of rows, whole or absent: written beside, under a name of ours, and renamed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from datahub.adapters.rows_polars.writing import write
from datahub.core.errors import InputError, StorageError
from datahub.machine.processes import is_alive, machine
from datahub.machine.sync import sync_folder

_HALF = re.compile(r"\.(.+)\.([0-9a-f]{12})-(\d+)-[0-9a-f]{32}\.half")


def write_folder(frames: Iterable[pl.DataFrame], folder: Path, *, suffix: str) -> list[int]:
    """Write each frame as a file, named by its number; return how many rows each has."""
    with _whole_folder(folder) as half:
        return [
            write(frame, half / f"part-{number:05d}{suffix}") for number, frame in enumerate(frames)
        ]


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    target = folder.resolve()
    half = target.with_name(f".{target.name}.{machine()}-{os.getpid()}-{uuid.uuid4().hex}.half")
    try:
        _check_free(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        _clean(target)
        half.mkdir()
        yield half
        sync_folder(half)
        half.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise _not_written(folder, error) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _check_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} exists and is not empty.",
            hint="Name a new folder: existing files are not overwritten.",
        )


def _clean(target: Path) -> None:
    """Remove what killed processes of this machine began to write for this folder."""
    for path in target.parent.iterdir():
        match = _HALF.fullmatch(path.name)
        is_ours = match and match[1] == target.name and match[2] == machine()
        if match and is_ours and not is_alive(int(match[3])):
            shutil.rmtree(path, ignore_errors=True)


def _not_written(folder: Path, error: OSError) -> InputError | StorageError:
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        return InputError(
            f"{folder} was filled by another program in the meantime.",
            hint="Name a new folder: existing files are not overwritten.",
        )
    if error.errno in (errno.EBUSY, errno.EXDEV):
        return InputError(
            f"{folder} is a mount point, or the current folder of a process.",
            hint="Name a folder in it that is not there yet.",
        )
    return StorageError(
        f"{folder} cannot be written: {error.strerror or error}",
        hint="Nothing was left behind. Free some space, or check that you may write there.",
    )
