"""What changed in Label Studio since a cursor: answers, edits, skips, withdrawals.

The server says what is there now, and not what is gone. So the cursor is JSON
that holds the project, how far the last pull saw, and every annotation it knows
of: {name: {task, time, line}}; `line` is None where there was none to take.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from datahub.core.dataset import Key
from datahub.core.errors import ConfigError
from datahub.core.relabel import Annotation
from datahub.core.shown import columns_of
from datahub.ports import Pulled

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """What the last pull knew."""

    project: int
    since: datetime = BEGINNING
    annotations: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def tasks(self) -> set[int]:
        """Ids of the tasks that had annotations."""
        return {entry["task"] for entry in self.annotations.values()}


def read_cursor(cursor: str | None, project: int) -> Seen:
    """What a cursor knows of this project: nothing, if it is another's. Raises ConfigError."""
    if not cursor:
        return Seen(project)
    try:
        known = json.loads(cursor)
        if known["project"] != project:
            return Seen(project)
        return Seen(project, instant(known["since"]), dict(known["annotations"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "The cursor of the last pull is not one of a Label Studio queue.",
            hint="Pull without it: known answers come again, and change nothing.",
        ) from error


def compared(
    tasks: Sequence[Any],
    seen: Seen,
    *,
    looked_at: set[int],
    names: Mapping[int, str],
    since: datetime,
) -> Pulled:
    """Hold what is there now of the tasks `looked_at` against what was seen of them.

    A task of `looked_at` that is not in `tasks` is gone, with its annotations. `names` are the
    annotators' by account.
    """
    known = {k: v for k, v in seen.annotations.items() if v["task"] not in looked_at}
    lines: list[Annotation] = []
    refused: list[tuple[Key, str]] = []
    for task in tasks:
        for raw in task.annotations or ():
            name, time = _name(raw), stamp(instant(raw["updated_at"]))
            before = seen.annotations.get(name)
            if before is not None and before["time"] == time:
                known[name] = before
                continue
            line, fault = _line(task.data, raw, names)
            known[name] = {"task": task.id, "time": time, "line": line and asdict(line)}
            lines += [line] if line else _withdrawn(before, time)
            refused += [(task.data.get("row_key", f"task {task.id}"), fault)] if fault else []
    moved = {task.id: stamp(instant(task.updated_at)) for task in tasks}
    for name, entry in seen.annotations.items():
        if name not in known:
            lines += _withdrawn(entry, max(entry["time"], moved.get(entry["task"], "")))
    lines.sort(key=lambda line: (line.time, line.id))
    cursor = {"project": seen.project, "since": stamp(since), "annotations": known}
    return Pulled(tuple(lines), tuple(refused), json.dumps(cursor))


def instant(value: str | datetime) -> datetime:
    """A time, which the SDK gives now as text, now as a time."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def stamp(time: datetime) -> str:
    """ISO 8601 in UTC, of one length, so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _name(raw: Mapping[str, Any]) -> str:
    """Stays through edits. Ids alone may come again after a delete; `unique_id` is not told."""
    return f"{raw['id']}@{stamp(instant(raw['created_at']))}"


def _line(
    data: Mapping[str, Any], raw: Mapping[str, Any], names: Mapping[int, str]
) -> tuple[Annotation | None, str]:
    """(annotation, ""), or (None, why it cannot be taken)."""
    if "row_key" not in data:
        return None, "the task was not pushed by datahub"
    said = [
        choice
        for item in raw["result"] or ()
        if item.get("from_name") == "label"
        for choice in item.get("value", {}).get("choices", ())
    ]
    if not raw["was_cancelled"] and len(said) != 1:
        return None, f"the answer names {len(said)} classes" if said else "the answer is empty"
    return Annotation(
        id=_name(raw),
        key=data["row_key"],
        row_hash=data["row_hash"],
        label=None if raw["was_cancelled"] else str(said[0]),
        annotator=names.get(raw["completed_by"], str(raw["completed_by"])),
        time=stamp(instant(raw["updated_at"])),
        batch=data["batch"],
        columns=_shown(data),
    ), ""


def _shown(data: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The columns that the task showed, as page.task_request wrote them; None: not said."""
    fields, main = data.get("other_fields"), data.get("text_field")
    if not isinstance(fields, Mapping):
        return None
    return columns_of([*fields, *([] if main is None else [main])])


def _withdrawn(entry: Mapping[str, Any] | None, time: str) -> list[Annotation]:
    if entry is None or entry["line"] is None:
        return []
    return [replace(Annotation(**entry["line"]), withdrawn=True, time=time)]
