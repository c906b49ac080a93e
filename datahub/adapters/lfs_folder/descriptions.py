"""What one process tells another of an LF, as JSON; and what of that is believed.

The teller has run users' code, so each thing is checked: its kind, its length, and that an LF
stands in a file of the folder. An LF that is plain data is rebuilt by `core.plain_lfs`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from datahub.adapters.lfs_folder.discovery import NAME, LiveLF
from datahub.adapters.lfs_folder.messages import MOST_TEXT, BadMessage
from datahub.core.batch import LABELS, BatchLF, Label
from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.errors import DatahubError, storable
from datahub.core.plain_lfs import describe, rebuild
from datahub.core.prompt_lf import PromptLF
from datahub.ports import FoundLF, LeftOut

_MOST = 10_000  # LFs of a folder
_LONGEST_NAME = 65_536  # of a column or a class
_KIND = re.compile(r"[A-Za-z][A-Za-z _-]{0,39}")
_MODEL_FILE = re.compile(r"(?:[^\x00]*\.onnx)?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN = MOST_TEXT // 2  # bytes of plain data of all LFs together


@dataclass(frozen=True)
class RemoteLF:
    """An LF of another process.

    `columns` are all that it reads, None where that is not known; `lf` is there where it can run
    here.
    """

    found: FoundLF
    columns: tuple[str, ...] | None
    lf: DeclarativeLF | PromptLF | None


def describe_all(lfs: list[LiveLF]) -> list[dict[str, Any]]:
    """The LFs as JSON's own kinds."""
    descriptions, room = [], _PLAIN
    for live in lfs:
        plain = describe(live.lf)
        room -= len(json.dumps(plain))
        columns = list(live.lf.columns) if isinstance(live.lf, DeclarativeLF | BatchLF) else None
        descriptions.append(
            {**asdict(live.found), "columns": columns, "plain": plain if room > 0 else None}
        )
    return descriptions


def parse_left_out(message: object) -> tuple[LeftOut, ...]:
    """What is left out, and why. Raises BadMessage."""
    if not isinstance(message, list) or len(message) > _MOST:
        raise BadMessage("no list of what is left out")
    return tuple(_parse_left_out(item) for item in message)


def _parse_left_out(message: object) -> LeftOut:
    if not isinstance(message, Mapping):
        raise BadMessage("no description of what is left out")
    name, file, why = (storable(text(message.get(part))) for part in ("name", "file", "why"))
    return LeftOut(name, file, number(message.get("line"), 1, 10**7), why)


def parse_lfs(message: object, *, files: Collection[str], least: int = 1) -> list[RemoteLF]:
    """The LFs of a description; `files` are those that the folder has. Raises BadMessage."""
    if not isinstance(message, list) or not least <= len(message) <= _MOST:
        raise BadMessage("no list of LFs")
    lfs = [_parse_lf(item, files) for item in message]
    if len({item.found.name for item in lfs}) != len(lfs):
        raise BadMessage("an LF that stands twice")
    return lfs


def _parse_lf(message: object, files: Collection[str]) -> RemoteLF:
    if not isinstance(message, Mapping):
        raise BadMessage("no description of an LF")
    names, columns, plain = message.get("class_names"), message.get("columns"), message.get("plain")
    facts = FoundLF(
        name=text(message.get("name"), NAME),
        fingerprint=text(message.get("fingerprint"), _DIGEST),
        file=text(message.get("file")),
        line=number(message.get("line"), 1, 10**7),
        kind=text(message.get("kind"), _KIND),
        safe=message.get("safe") is True,
        label=_label(message.get("label")),
        class_names=None if names is None else _texts(names),
        model_file=text(message.get("model_file", ""), _MODEL_FILE),
    )
    if facts.file not in files:
        raise BadMessage("an LF that stands in no file of the folder")
    lf = None if plain is None else _rebuild(facts, plain)
    reads = None if columns is None else _texts(columns)
    endpoint = lf.endpoint if isinstance(lf, PromptLF) else ""
    return RemoteLF(replace(facts, columns=reads, endpoint=endpoint), reads, lf)


def _rebuild(facts: FoundLF, plain: object) -> DeclarativeLF | PromptLF:
    if not isinstance(plain, Mapping):
        raise BadMessage("no plain LF")
    try:
        lf = rebuild(facts.name, facts.kind, plain)
    except (DatahubError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise BadMessage(f"an LF that cannot be: {error}") from error
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise BadMessage(f"an LF that cannot be: {type(error).__name__}") from error
    if lf.kind != facts.kind:
        raise BadMessage("an LF of another kind")
    return lf


def text(value: object, like: re.Pattern[str] | None = None, *, most: int = 4096) -> str:
    """The same, if it is a text. Raises BadMessage."""
    good = isinstance(value, str) and len(value) <= most
    if not good or not isinstance(value, str) or (like is not None and not like.fullmatch(value)):
        raise BadMessage("no text where one belongs")
    return value


def number(value: object, least: int, most: int) -> int:
    """The same, if it is a whole number within bounds. Raises BadMessage."""
    if type(value) is not int or not least <= value <= most:
        raise BadMessage("no number where one belongs")
    return value


def _label(value: object) -> Label | None:
    if isinstance(value, str):
        return text(value)
    return None if value is None else number(value, 0, LABELS - 1)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) > _MOST:
        raise BadMessage("no list of texts")
    return tuple(text(value, most=_LONGEST_NAME) for value in values)
