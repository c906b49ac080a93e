"""What one process tells another of an LF, as JSON; and what of that is believed.

The teller has run users' code, so each thing is checked: its kind, its length, and that an LF
stands in a file of the folder. An LF that is plain data is rebuilt by `core.plain_lfs`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from datahub.adapters.lfs_folder.discovery import NAME, LiveLF
from datahub.adapters.lfs_folder.messages import MOST_TEXT, BadMessage
from datahub.core.batch import LABELS, BatchLF
from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.errors import DatahubError, storable
from datahub.core.plain_lfs import describe, rebuild
from datahub.core.prompt_lf import PromptLF
from datahub.ports import FoundLF, LeftOut

_MOST = 10_000  # LFs of a folder
_KIND = re.compile(r"[A-Za-z][A-Za-z _-]{0,39}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN = MOST_TEXT // 2  # bytes of plain data of all LFs together


@dataclass(frozen=True)
class ToldLF:
    """An LF of another process.

    `columns` are all that it reads, None where that is not known; `lf` is there where it can run
    here.
    """

    found: FoundLF
    columns: tuple[str, ...] | None
    lf: DeclarativeLF | PromptLF | None


def described_all(lfs: list[LiveLF]) -> list[dict[str, Any]]:
    """The LFs as JSON's own kinds."""
    told, left = [], _PLAIN
    for one in lfs:
        plain = describe(one.lf)
        left -= len(json.dumps(plain))
        columns = list(one.lf.columns) if isinstance(one.lf, DeclarativeLF | BatchLF) else None
        told.append({**asdict(one.found), "columns": columns, "plain": plain if left > 0 else None})
    return told


def believed_left_out(told: object) -> tuple[LeftOut, ...]:
    """What is left out, and why. Raises BadMessage."""
    if not isinstance(told, list) or len(told) > _MOST:
        raise BadMessage("no list of what is left out")
    return tuple(_believed_left_out(one) for one in told)


def _believed_left_out(told: object) -> LeftOut:
    if not isinstance(told, Mapping):
        raise BadMessage("no description of what is left out")
    name, file, why = (storable(text(told.get(part))) for part in ("name", "file", "why"))
    return LeftOut(name, file, number(told.get("line"), 1, 10**7), why)


def believed(told: object, *, files: Collection[str]) -> list[ToldLF]:
    """The LFs of a description; `files` are those that the folder has. Raises BadMessage."""
    if not isinstance(told, list) or not 0 < len(told) <= _MOST:
        raise BadMessage("no list of LFs")
    lfs = [_believed(one, files) for one in told]
    if len({one.found.name for one in lfs}) != len(lfs):
        raise BadMessage("an LF that stands twice")
    return lfs


def _believed(told: object, files: Collection[str]) -> ToldLF:
    if not isinstance(told, Mapping):
        raise BadMessage("no description of an LF")
    names, columns, plain = told.get("class_names"), told.get("columns"), told.get("plain")
    found = FoundLF(
        name=text(told.get("name"), NAME),
        fingerprint=text(told.get("fingerprint"), _DIGEST),
        file=text(told.get("file")),
        line=number(told.get("line"), 1, 10**7),
        kind=text(told.get("kind"), _KIND),
        safe=told.get("safe") is True,
        label=None if told.get("label") is None else number(told.get("label"), 0, LABELS - 1),
        class_names=None if names is None else _texts(names),
    )
    if found.file not in files:
        raise BadMessage("an LF that stands in no file of the folder")
    lf = None if plain is None else _rebuilt(found, plain)
    return ToldLF(found, None if columns is None else _texts(columns), lf)


def _rebuilt(found: FoundLF, plain: object) -> DeclarativeLF | PromptLF:
    if not isinstance(plain, Mapping):
        raise BadMessage("no plain LF")
    try:
        lf = rebuild(found.name, found.kind, plain)
    except (DatahubError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise BadMessage(f"an LF that cannot be: {error}") from error
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise BadMessage(f"an LF that cannot be: {type(error).__name__}") from error
    if lf.kind != found.kind:
        raise BadMessage("an LF of another kind")
    return lf


def text(told: object, like: re.Pattern[str] | None = None, *, most: int = 4096) -> str:
    """The same, if it is a text. Raises BadMessage."""
    good = isinstance(told, str) and len(told) <= most
    if not good or not isinstance(told, str) or (like is not None and not like.fullmatch(told)):
        raise BadMessage("no text where one belongs")
    return told


def number(told: object, least: int, most: int) -> int:
    """The same, if it is a whole number within bounds. Raises BadMessage."""
    if type(told) is not int or not least <= told <= most:
        raise BadMessage("no number where one belongs")
    return told


def _texts(told: object) -> tuple[str, ...]:
    if not isinstance(told, list) or len(told) > _MOST:
        raise BadMessage("no list of texts")
    return tuple(text(one) for one in told)
