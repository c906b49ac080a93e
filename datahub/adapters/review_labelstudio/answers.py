"""What is remembered of each task, and what its answers have become since.

The server says what is there now, and not what is gone. So a queue remembers of each task,
by its id, the row that it asks, when it changed last, and every answer that was seen: when,
and the line that was told, or why it could not be taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from datahub.core.dataset import Key
from datahub.core.errors import ConfigError
from datahub.core.relabel import Annotation
from datahub.core.shown import columns_of
from datahub.ports import RefusedAnswer

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
Answers = dict[str, dict[str, Any]]  # by name: {time, who, line: JSON text or None, fault}


@dataclass(frozen=True)
class Cursor:
    """How far the last pull or push came: a project, a time, the highest task id."""

    project: int = 0
    made: str = ""  # when the project was: another server's has the same number
    since: datetime = BEGINNING
    last: int = 0
    earlier: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self) -> str:
        """The cursor."""
        cursor = {"project": self.project, "made": self.made, "last": self.last}
        return json.dumps(cursor | {"since": stamp(self.since)})

    @classmethod
    def from_json(cls, cursor: str | None) -> Cursor:
        """Read a cursor, also one of an earlier datahub, which held all answers itself."""
        if not cursor:
            return cls()
        try:
            raw = json.loads(cursor)
            return cls(
                int(raw["project"]),
                raw.get("made", ""),
                instant(raw["since"]),
                int(raw.get("last", 0)),
                dict(raw.get("annotations", {})),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                "The cursor of the last pull is not one of a Label Studio queue.",
                hint="Pull without it: known answers come again, and change nothing.",
            ) from error


@dataclass(frozen=True)
class TaskMemory:
    """One task. `row` is (key, row_hash); None: it is not datahub's.

    `made` is when the server made it, "" where no pull has seen it yet: ids come again.
    """

    row: tuple[Key, str] | None
    updated: str = ""
    answers: Answers = field(default_factory=dict)
    made: str = ""

    def to_json(self) -> str:
        """Write for the memory."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TaskMemory:
        """Read what `to_json` wrote."""
        raw = json.loads(text)
        row = raw["row"]
        return cls(row and (row[0], row[1]), raw["updated"], raw["answers"], raw["made"])

    @classmethod
    def of(cls, data: Any, created_at: str = "") -> TaskMemory:
        """A task that was not seen before, by its data."""
        is_ours = isinstance(data, Mapping) and {"row_key", "row_hash", "batch"} <= set(data)
        return cls((data["row_key"], data["row_hash"]) if is_ours else None, made=created_at)


def earlier_memory(cursor: Cursor) -> dict[str, str]:
    """The memory that a cursor of an earlier datahub comes to, by task."""
    tasks: dict[str, TaskMemory] = {}
    for name, entry in cursor.earlier.items():
        line = entry["line"]
        text = line and Annotation.from_json(json.dumps(line)).to_json()
        row = (line["key"], line["row_hash"]) if line else None
        task = tasks.setdefault(str(entry["task"]), TaskMemory(row))
        task.answers[name] = {
            "time": entry["time"],
            "who": line["annotator"] if line else "",
            "line": text,
            "fault": "" if line else "the answer is empty",
        }
    return {number: task.to_json() for number, task in tasks.items()}


@dataclass
class Changes:
    """What became of answers, gathered task by task; `batch_of` reads a task's batch."""

    batch_of: Callable[[Mapping[str, Any]], str]
    lines: list[Annotation] = field(default_factory=list)
    refusals: list[RefusedAnswer] = field(default_factory=list)
    settlements: list[str] = field(default_factory=list)

    def look(self, task: Any, before: TaskMemory, names: Mapping[int, str]) -> TaskMemory:
        """Hold a task, with its annotations, against what was seen of it."""
        now: Answers = {}
        for raw in task.annotations or ():
            name, time = _name(raw), stamp(instant(raw["updated_at"]))
            previous = before.answers.get(name)
            now[name] = previous if previous and previous["time"] == time else {}
            if not now[name]:
                now[name] = self._answer(task, raw, previous, _author(raw, previous, names))
        for name, entry in before.answers.items():
            if name not in now:
                self.withdraw(name, entry, at=stamp(instant(task.updated_at)))
        row = TaskMemory.of(task.data).row or before.row
        return TaskMemory(row, stamp(instant(task.updated_at)), now, before.made)

    def withdraw_task(self, before: TaskMemory) -> None:
        """A task is gone, and its answers with it."""
        for name, entry in before.answers.items():
            self.withdraw(name, entry)

    def withdraw(self, name: str, entry: Mapping[str, Any], *, at: str = "") -> None:
        """An answer does not stand any more: later than when it was given, always."""
        if entry["line"]:
            line = Annotation.from_json(entry["line"])
            after = stamp(instant(line.time) + timedelta(microseconds=1))
            self.lines.append(replace(line, withdrawn=True, time=max(after, at)))
        if entry["fault"]:
            self.settlements.append(name)

    def _answer(
        self, task: Any, raw: Mapping[str, Any], before: Mapping[str, Any] | None, author: str
    ) -> dict[str, Any]:
        time = stamp(instant(raw["updated_at"]))
        line, fault = _line(task.data, raw, author, time)
        if line is not None:
            line = replace(line, batch=self.batch_of(task.data))
            self.lines.append(line)
        elif before is not None:
            self.withdraw(_name(raw), before, at=time)
        if fault:
            key = task.data.get("row_key", f"task {task.id}")
            foreign = TaskMemory.of(task.data).row is None
            self.refusals.append(RefusedAnswer(_name(raw), key, fault, quiet=foreign))
        elif before is not None and before["fault"]:
            self.settlements.append(_name(raw))
        return {"time": time, "who": author, "line": line and line.to_json(), "fault": fault}


def in_order(lines: Sequence[Annotation]) -> tuple[Annotation, ...]:
    """Lines of the log in the order of their time."""
    return tuple(sorted(lines, key=lambda line: (line.time, line.id)))


def instant(value: str | datetime) -> datetime:
    """A time, which the SDK gives now as text, now as a time."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def stamp(time: datetime) -> str:
    """ISO 8601 in UTC, of one length, so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _name(raw: Mapping[str, Any]) -> str:
    """Stays through edits. Ids alone may come again after a delete; `unique_id` is not told."""
    return f"{raw['id']}@{stamp(instant(raw['created_at']))}"


def _author(
    raw: Mapping[str, Any], before: Mapping[str, Any] | None, names: Mapping[int, str]
) -> str:
    """Who answered. Of a deleted account Label Studio keeps nothing: each answer is one's own."""
    account = raw["completed_by"]
    if account in names:
        return names[account]
    if before is not None and before["who"]:
        return str(before["who"])
    if account is None:
        return f"deleted account (answer {raw['id']})"
    return f"deleted account {account}"


def _line(
    data: Mapping[str, Any], raw: Mapping[str, Any], author: str, time: str
) -> tuple[Annotation | None, str]:
    """(annotation, ""), or (None, why it cannot be taken)."""
    if TaskMemory.of(data).row is None:
        return None, "the task was not pushed by datahub"
    choices = list(_choices(raw))
    if not raw["was_cancelled"] and len(choices) != 1:
        fault = f"the answer names {len(choices)} classes" if choices else "the answer is empty"
        return None, fault
    return Annotation(
        id=_name(raw),
        key=data["row_key"],
        row_hash=data["row_hash"],
        label=None if raw["was_cancelled"] else str(choices[0]),
        annotator=author,
        time=time,
        batch=data["batch"],
        columns=_columns(data),
    ), ""


def _columns(data: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The columns that the task showed, as page.task_request wrote them; None: not said."""
    fields, main = data.get("other_fields"), data.get("text_field")
    if not isinstance(fields, Mapping):
        return None
    return columns_of([*fields, *([] if main is None else [main])])


def _choices(raw: Mapping[str, Any]) -> Iterator[object]:
    for item in raw["result"] or ():
        if isinstance(item, Mapping) and item.get("from_name") == "label":
            yield from item.get("value", {}).get("choices", ())
