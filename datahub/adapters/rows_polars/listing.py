"""Which files of a folder hold the rows of its table, and what else lies there.

Each file is told by its first bytes, whatever its name: Parquet and ORC by theirs, CSV by its
suffix, for it has none. What is no table is left out and named. What looks like one and cannot be
read as one is an error: rows would else be missed in silence. So is a folder of Delta Lake, Iceberg
or Hudi: which of its files count stands in its log, and the others hold rows that were deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datahub.adapters.rows_polars.opening import format_of, text_format_of, translate_errors
from datahub.core.errors import SourceError
from datahub.ports import Listing

_TABLES = (
    ".parquet",
    ".parq",
    ".pq",
    ".orc",
    ".csv",
    ".tsv",
    ".jsonl",
    ".ndjson",
)  # suffixes that promise rows
_PACKED_SUFFIXES = (
    ".gz",
    ".bz2",
    ".xz",
    ".zst",
    ".zstd",
    ".lz4",
    ".sz",
    ".snappy",
    ".br",
    ".zip",
    ".z",
)
_OTHER_FORMATS = {
    b"PARE": "an encrypted Parquet file",
    b"ARRO": "an Arrow file",
    b"FEA1": "a Feather file",
    b"Obj\x01": "an Avro file",
}
_LOGS = {  # folder that a table format keeps its log in -> the format
    "_delta_log": "Delta Lake",
    ".hoodie": "Hudi",
    "metadata": "Iceberg",
}
_MAX_NAMES = 5

_Mark = tuple[int, int]  # device and number of a folder


def listing_of(path: Path) -> Listing:
    """The file, or the files of rows in a folder and its folders, by path. Raises SourceError."""
    with translate_errors(path):
        if not path.is_dir():
            return Listing(path.parent, (path,), above=path.parent.absolute().parts)
    for above in path.absolute().parents:
        _check_no_log(above)
    files: list[_Entry] = []
    omissions: list[str] = []
    for entry in _entries(path):
        if entry.is_file and _holds_rows(entry.path):
            files.append(entry)
        else:
            omissions.append(_name(entry, path))
    files, again = _each_once(files)
    omissions += (_name(entry, path) for entry in again)
    if not files:
        raise _no_rows_error(path, omissions)
    return Listing(
        path,
        tuple(sorted(file.path for file in files)),
        tuple(sorted(omissions)),
        above=path.absolute().parts,
    )


@dataclass(frozen=True)
class _Entry:
    """Something in the folder: a file to look at, or (no file) what is passed over."""

    path: Path
    is_file: bool = True
    is_folder: bool = False
    is_link: bool = False  # a symbolic link, or in a folder that is one


def _entries(
    folder: Path, above: tuple[_Mark, ...] = (), *, in_link: bool = False
) -> Iterator[_Entry]:
    """What lies in a folder and its folders; `above` are those that the walk came through."""
    with translate_errors(folder):
        status = folder.stat()
        mark = status.st_dev, status.st_ino
        if mark in above:
            raise SourceError(
                f"{folder} is a link to a folder that it lies in.",
                hint="Remove the link, or name a folder in which there is none.",
            )
        _check_no_log(folder)
        with os.scandir(folder) as scan:
            entries = list(scan)
    for entry in entries:
        path = folder / entry.name
        by_link = in_link or entry.is_symlink()
        if _is_folder(entry):
            if _is_hidden(entry.name, folder=True):
                yield _Entry(path, is_file=False, is_folder=True)
            else:
                yield from _entries(path, (*above, mark), in_link=by_link)
        elif _is_hidden(entry.name, folder=False) or not _is_file(entry):
            yield _Entry(path, is_file=False)
        else:
            yield _Entry(path, is_link=by_link)


def _check_no_log(folder: Path) -> None:
    """Raise SourceError where a folder is a table of a format that keeps a log of its files."""
    for name, kind in _LOGS.items():
        log = folder / name
        if not log.is_dir() or (kind == "Iceberg" and not any(log.glob("*.metadata.json"))):
            continue
        raise SourceError(
            f"{folder} is a table of {kind}: by {name}/, some of its files may hold rows that were "
            "deleted or replaced.",
            hint=f"Read it with a reader of {kind}, write the rows to a Parquet file and import "
            "that file.",
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it can be read as a file. Raises SourceError: a link that leads nowhere."""
    try:
        if entry.is_file():
            return True
    except OSError:
        pass
    if entry.is_symlink():
        _check_no_table(Path(entry.path), "is a broken link")
    return False


def _is_hidden(name: str, *, folder: bool) -> bool:
    """Whether a name is passed over: `_date=2024-01-01` is a partition, as Spark has it."""
    return name.startswith(".") or (name.startswith("_") and not (folder and "=" in name))


def _holds_rows(path: Path) -> bool:
    """Whether a file is a table. Raises SourceError: it looks like one, and is none."""
    with translate_errors(path), path.open("rb") as handle:
        start = handle.read(4)
    if format_of(start) is not None:
        return True
    if start in _OTHER_FORMATS:
        raise SourceError(
            f"{path} is {_OTHER_FORMATS[start]}, which datahub does not read.",
            hint="Write it as Parquet, or move it out of the folder.",
        )
    if not start:
        _check_no_table(path, "is empty: 0 bytes")
        return False
    if text_format_of(path) is not None:
        return True
    _check_no_table(path, "has an unknown format")
    return False


def _check_no_table(path: Path, problem: str) -> None:
    """Raise SourceError where the name promises rows."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    is_packed = bool(suffixes) and suffixes[-1] in _PACKED_SUFFIXES
    if is_packed:
        suffixes.pop()
    if suffixes and suffixes[-1] in _TABLES:
        raise SourceError(
            f"{path} {'is packed' if is_packed else problem}.",
            hint="Unpack it." if is_packed else "Write it again, or move it out of the folder.",
        )


def _each_once(files: list[_Entry]) -> tuple[list[_Entry], list[_Entry]]:
    """Files of which none is a link to another; and those links."""
    if not any(entry.is_link for entry in files):
        return files, []
    first: dict[Path, _Entry] = {}
    for entry in sorted(files, key=lambda entry: (entry.is_link, entry.path)):
        first.setdefault(entry.path.resolve(), entry)
    originals = set(first.values())
    return list(originals), [entry for entry in files if entry not in originals]


def _name(entry: _Entry, root: Path) -> str:
    """Its path below the folder as text, also where the bytes of it are no UTF-8."""
    name = os.fsencode(entry.path.relative_to(root).as_posix()).decode(errors="backslashreplace")
    return name + ("/" if entry.is_folder else "")


def _no_rows_error(path: Path, omissions: list[str]) -> SourceError:
    names = ", ".join(omissions[:_MAX_NAMES]) + (", ..." if len(omissions) > _MAX_NAMES else "")
    return SourceError(
        f"{path} is a folder without a file of rows."
        + (f" It holds {len(omissions)} others: {names}." if omissions else ""),
        hint="Name a folder that holds Parquet, ORC, .csv, .tsv or .jsonl files.",
    )
