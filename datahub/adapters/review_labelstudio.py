"""ReviewQueue on a Label Studio server. The only file that imports `label_studio_sdk`.

One queue is one project, found by its title or made by the first push. People get
tasks in the order of their ids ("Sequential sampling"), and they are posted in
`triage.asking_order`: Label Studio's "Uncertainty sampling" puts all tasks without
a prediction, the audit slice, last and at random. The SDK repeats POSTs by itself,
which asks rows twice after a lost answer; here it may not: a push looks up what is
there of its batch, and posts what is missing. (The SDK sends no telemetry.)

A cursor is JSON: how far the last pull saw, and every answer it knows of, so that
a pull tells each change once and notices what is gone.
"""

from __future__ import annotations

import hashlib
import html
import ipaddress
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.core.parse_error import ParsingError

from datahub.core.dataset import Key
from datahub.core.errors import (
    AnnotationError,
    AuthenticationError,
    ConfigError,
    NotFound,
    Rejected,
    Unavailable,
)
from datahub.core.relabel import Annotation, checked_label
from datahub.core.triage import Task, asking_order
from datahub.ports import Pulled

TASKS_PER_POST = 2_500  # an import request is atomic
CHARACTERS_PER_POST = 16_000_000
IDS_PER_QUERY = 500
WINDOW = timedelta(seconds=60)  # changes that were stamped early and committed late
TIMEOUT_SECONDS = 300
MODEL_VERSION = "datahub"  # one for all batches: Label Studio shows predictions of one version
HOTKEYS = "1234567890qwertyuiopasdfghjklzxcvbnm"
MADE_ACCOUNTS = "@annotator.invalid"  # names without an address: accounts nobody can log in with
TITLE_LENGTH = range(3, 51)


class LabelStudioReviewQueue:
    """Project `project` on the server at `url`, with a personal access token.

    `overlap` is the number of people who are asked about each row.
    """

    def __init__(self, *, url: str, token: str, project: str, overlap: int = 1) -> None:
        if overlap < 1:
            raise ConfigError("Nobody would be asked.", hint="`overlap` is at least 1.")
        self._url = url.rstrip("/")
        self._token = token
        self._title = _title(project)
        self._overlap = overlap
        self._client: LabelStudio | None = None
        self._accounts: dict[str, int] = {}

    def push(self, batch: str, tasks: Sequence[Task], *, classes: Sequence[str]) -> None:
        """Ask what is not there yet of this batch; people see it after what was asked before.

        After Unavailable, push again: what had arrived is not asked twice.
        """
        with self._server() as server:
            project = self._prepared_project(server, tasks, classes)
            there = self._tasks(server, project, _equal("data.batch", batch), "id,data")
            known = {json.dumps(task.data["row_key"]) for task in there if "row_key" in task.data}
            missing = [task for task in asking_order(tasks) if json.dumps(task.key) not in known]
            shown = _main_field(tasks)
            for part in _posts([_task_request(task, batch, shown) for task in missing]):
                server.projects.import_tasks(
                    id=project.id, request=part, request_options={"max_retries": 0}
                )

    def open_tasks(self, *, limit: int | None = None) -> list[tuple[str, Task]]:
        """(task id, task) of what nobody has answered or skipped, in the order people see it."""
        with self._server() as server:
            project = self._project(server)
            if project is None:
                return []
            unanswered = [
                *_equal("total_annotations", 0, "Number"),
                *_equal("cancelled_annotations", 0, "Number"),
            ]
            found = self._tasks(server, project, unanswered, "id,data", limit=limit)
            return [(str(task.id), _task(task.data)) for task in found if "row_key" in task.data]

    def answer(self, task_id: str, label: str | None, *, annotator: str) -> None:
        """Answer through the API as a person does in the browser.

        `annotator` is the email address of an account; one that does not exist is made, without
        a way to log in. The same person's second answer edits the first.
        """
        if not annotator.strip():
            raise AnnotationError(
                "An answer needs the name of who gave it.", hint="Say who answers."
            )
        with self._server() as server:
            project, task = self._one_task(server, task_id)
            checked_label(label, _classes(project.label_config), key=task.data["row_key"])
            account = self._account(server, annotator)
            given = {"result": _result(label), "was_cancelled": label is None}
            for known in task.annotations or ():
                if known["completed_by"] == account:
                    server.annotations.update(id=known["id"], **given)
                    return
            server.annotations.create(id=task.id, completed_by=account, **given)

    def pull(self, cursor: str | None) -> Pulled:
        """Every answer, edit and withdrawal the cursor does not know of, each once.

        A label outside the classes comes back as it is. An empty answer is refused; one that
        was an answer before is withdrawn as well. An answer that is gone, also with its task, is
        withdrawn. A cursor of another project knows nothing.
        """
        with self._server() as server:
            project = self._project(server)
            if project is None:
                return Pulled((), (), cursor or "")
            since, seen = _read_cursor(cursor, project.id)
            changed = self._tasks(
                server,
                project,
                _later(since),
                "id,updated_at,total_annotations,cancelled_annotations",
            )
            watched = {entry["task"] for entry in seen.values()}
            there = {t.id for t in self._by_id(server, project, sorted(watched), "id")}
            touched = {
                t.id
                for t in changed
                if t.id in watched or t.total_annotations or t.cancelled_annotations
            }
            tasks = self._by_id(server, project, sorted(touched), None)
            names = self._names(server) if tasks else {}
        latest = max([since, *(_instant(t.updated_at) for t in changed)])
        return _compared(tasks, seen, touched | (watched - there), names, project.id, latest)

    def where(self) -> str:
        """The address of the project in a browser."""
        with self._server() as server:
            project = self._project(server)
        return f"{self._url}/projects/{project.id}/data" if project else f"{self._url}/projects"

    @contextmanager
    def _server(self) -> Iterator[LabelStudio]:
        """The wall: a client, and the vendor's errors in our words."""
        try:
            if self._client is None:
                self._client = LabelStudio(
                    base_url=self._url,
                    api_key=self._token,
                    max_retries=0,
                    httpx_client=httpx.Client(
                        timeout=TIMEOUT_SECONDS,
                        follow_redirects=True,
                        trust_env=not _on_this_machine(self._url),  # no proxy to oneself
                    ),
                )
            yield self._client
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unavailable(
                f"Label Studio at {self._url} did not answer: {error or type(error).__name__}.",
                hint="`datahub labelstudio start` starts one here; else check the address.",
                backend="label-studio",
            ) from error
        except (ApiError, ParsingError) as error:
            raise self._translated(error.status_code, error.body) from error

    def _translated(
        self, status: int | None, body: object
    ) -> AuthenticationError | NotFound | Unavailable | Rejected:
        said = f"Label Studio at {self._url} answered {status}: {_reason(body)}"
        if status in (401, 403):
            return AuthenticationError(
                said, hint="Make a new personal access token under Account & Settings."
            )
        if status == 404:
            return NotFound(said, hint="Was it deleted in Label Studio in the meantime?")
        if status in (408, 429, 502, 503, 504):
            return Unavailable(said, hint="Try again.", backend="label-studio")
        return Rejected(said, hint="Its log says more.", backend="label-studio")

    def _project(self, server: LabelStudio) -> Any:
        """The oldest project of that title, or None."""
        found = [p.id for p in server.projects.list(title=self._title) if p.title == self._title]
        return server.projects.get(min(found)) if found else None

    def _prepared_project(
        self, server: LabelStudio, tasks: Sequence[Task], classes: Sequence[str]
    ) -> Any:
        project = self._project(server)
        old = project.label_config if project else ""
        details = "$details" in old or any(len(task.fields) > 1 for task in tasks)
        config = _label_config(classes, details=details)
        wanted = {
            "label_config": config,
            "expert_instruction": _instructions(classes),
            "maximum_annotations": self._overlap,
        }
        if project is None:
            server.projects.create(title=self._title, **wanted, **_SETTINGS)
            return self._project(server)  # the oldest, should two have made one at a time
        if (old, project.maximum_annotations) != (config, self._overlap):
            server.projects.update(project.id, **wanted)
        return project

    def _tasks(
        self,
        server: LabelStudio,
        project: Any,
        filters: list[dict[str, object]],
        include: str | None,
        *,
        limit: int | None = None,
    ) -> list[Any]:
        """Tasks in the order of their ids, in one page: a list that moves loses nothing."""
        if limit is not None and limit < 1:
            return []
        answer = server.tasks.list(
            project=project.id,
            query=json.dumps({"filters": {"conjunction": "and", "items": filters}}),
            fields="task_only" if include else "all",
            include=include or "id,data,updated_at,annotations",
            page_size=limit or 1_000_000,
            resolve_uri=False,
        )
        return list(answer.items)

    def _by_id(
        self, server: LabelStudio, project: Any, ids: list[int], include: str | None
    ) -> list[Any]:
        found = []
        for start in range(0, len(ids), IDS_PER_QUERY):
            asked = ids[start : start + IDS_PER_QUERY]
            query = [{**_equal("id", asked, "Number")[0], "operator": "in_list"}]
            found += self._tasks(server, project, query, include)
        return found

    def _one_task(self, server: LabelStudio, task_id: str) -> tuple[Any, Any]:
        project = self._project(server)
        number = int(task_id) if task_id.isascii() and task_id.isdecimal() else 0
        found = self._by_id(server, project, [number], None) if project else []
        if not found or "row_key" not in found[0].data:
            raise NotFound(
                f"There is no task {task_id!r} of datahub's in project {self._title!r}.",
                hint="Was it deleted in Label Studio? `datahub review push` asks again.",
            )
        return project, found[0]

    def _account(self, server: LabelStudio, annotator: str) -> int:
        if annotator not in self._accounts:
            email = annotator if "@" in annotator else _digest(annotator) + MADE_ACCOUNTS
            known = {user.email.lower(): user.id for user in server.users.list()}
            number = known.get(email.lower())
            if number is None:
                number = server.users.create(
                    email=email, username=email, first_name=annotator[:250]
                ).id
            self._accounts[annotator] = number
        return self._accounts[annotator]

    def _names(self, server: LabelStudio) -> dict[int, str]:
        """Account id -> email address, or the name an account was made for."""
        return {
            user.id: user.first_name if user.email.endswith(MADE_ACCOUNTS) else user.email
            for user in server.users.list()
        }


_SETTINGS = {
    "description": "Rows that datahub asks about. Pull the answers with `datahub review pull`.",
    "sampling": "Sequential sampling",
    "model_version": MODEL_VERSION,
    "show_instruction": True,
    "show_skip_button": True,
    "skip_queue": "IGNORE_SKIPPED",  # a skip is an answer: nobody is asked again
    "enable_empty_annotation": False,
    "show_collab_predictions": True,
}


def _label_config(classes: Sequence[str], *, details: bool) -> str:
    """A text, and one class to choose for it. Texts are shown as they are, never run or fetched.

    >>> "hotkey=\\"2\\"" in _label_config(["ham", "spam"], details=False)
    True
    """
    keys = [f" hotkey={quoteattr(key)}" for key in HOTKEYS[: len(classes)]]
    keys += [""] * (len(classes) - len(keys))
    choices = "".join(
        f"\n    <Choice value={quoteattr(name)}{key}/>"
        for name, key in zip(classes, keys, strict=True)
    )
    more = '\n  <Text name="details" value="$details" valueType="text"/>' if details else ""
    return (
        f'<View>\n  <Text name="text" value="$text" valueType="text"/>{more}\n'
        '  <Choices name="label" toName="text" choice="single" required="true"'
        f' requiredMessage="Choose a class, or skip." showInLine="true">{choices}\n'
        "  </Choices>\n</View>"
    )


def _classes(config: str) -> tuple[str, ...]:
    return tuple(str(found.get("value")) for found in ElementTree.fromstring(config).iter("Choice"))


def _instructions(classes: Sequence[str]) -> str:
    keys = [*HOTKEYS[: len(classes)], *[""] * (len(classes) - len(HOTKEYS))]
    lines = "".join(
        f"<li>{html.escape(name)}{f' (key <b>{key}</b>)' if key else ''}</li>"
        for name, key in zip(classes, keys, strict=True)
    )
    return (
        "<p>Read the text and choose the one class that fits it best:</p>"
        f"<ul>{lines}</ul>"
        "<p>Where a class is chosen already, it is a guess of datahub's labeling functions, and "
        "one that is in doubt: that is why you are asked. Keep it or choose another. Its key "
        "takes it back, so press it only to undo. Some texts come without a guess, on purpose.</p>"
        "<p><b>Submit</b> (Ctrl+Enter) records your answer. <b>Skip</b> (Ctrl+Space) says: this "
        "cannot be decided from the text. That is an answer too, and nobody is asked again. "
        "Do not guess.</p>"
    )


def _task_request(task: Task, batch: str, shown: str | None) -> dict[str, object]:
    """What is posted. Only `text` and `details` are on the page; audit tasks carry no prediction."""
    fields = dict(task.fields)
    text = fields.pop(shown, "") if shown is not None else ""
    known = {k: v for k, v in asdict(task).items() if k not in ("key", "fields")}
    guess = {
        "model_version": MODEL_VERSION,
        "score": task.score,
        "result": _result(task.prediction),
    }
    return {
        "data": {
            "text": text,
            "details": "\n".join(f"{name}: {value}" for name, value in fields.items()),
            "row_key": task.key,
            "batch": batch,
            **known,
            "text_field": shown if shown in task.fields else None,
            "other_fields": fields,
        },
        "predictions": [guess] if task.prediction is not None else [],
    }


def _task(data: dict[str, Any]) -> Task:
    main = {data["text_field"]: data["text"]} if data["text_field"] is not None else {}
    return Task(
        key=data["row_key"],
        fields={**main, **data["other_fields"]},
        **{name: data[name] for name in ("row_hash", "reason", "slice", "prediction", "score")},
    )


def _main_field(tasks: Sequence[Task]) -> str | None:
    """The field that holds most of the text: the same one for all tasks of a push."""
    sizes: dict[str, int] = {}
    for task in tasks:
        for name, value in task.fields.items():
            sizes[name] = sizes.get(name, 0) + len(value)
    return max(sizes, key=lambda name: sizes[name]) if sizes else None


def _posts(requests: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for request in requests:
        length = len(request["data"]["text"]) + len(request["data"]["details"])
        if part and (len(part) == TASKS_PER_POST or size + length > CHARACTERS_PER_POST):
            yield part
            part, size = [], 0
        part.append(request)
        size += length
    if part:
        yield part


def _result(label: str | None) -> list[dict[str, object]]:
    if label is None:
        return []
    choice = {"from_name": "label", "to_name": "text", "type": "choices"}
    return [{**choice, "value": {"choices": [label]}}]


def _compared(
    tasks: list[Any],
    seen: dict[str, dict[str, Any]],
    looked_at: set[int],
    names: dict[int, str],
    project: int,
    latest: datetime,
) -> Pulled:
    """Hold what is there now of the tasks looked at against what was seen of them."""
    known = dict(seen)
    changes: list[Annotation] = []
    refused: list[tuple[Key, str]] = []
    there = set()
    moved = {task.id: _instant(task.updated_at) for task in tasks}
    for task in tasks:
        for raw in task.annotations or ():
            made = _stamp(_instant(raw["created_at"]))
            name = f"{raw['id']}@{made}"  # ids alone may come again after a delete
            there.add(name)
            time = _stamp(_instant(raw["updated_at"]))
            if name in seen and seen[name]["time"] == time:
                continue
            known[name] = {"task": task.id, "time": time, "line": None}
            if "row_key" not in task.data:
                refused.append((f"task {task.id}", "the task was not pushed by datahub"))
                continue
            label, fault = _label(raw)
            if fault:
                refused.append((task.data["row_key"], fault))
                changes += _withdrawn(seen.get(name), time)
                continue
            line = Annotation(
                id=name,
                key=task.data["row_key"],
                row_hash=task.data["row_hash"],
                label=label,
                annotator=names.get(raw["completed_by"], str(raw["completed_by"])),
                time=time,
                batch=task.data["batch"],
            )
            known[name]["line"] = asdict(line)
            changes.append(line)
    for name, entry in seen.items():
        if entry["task"] in looked_at and name not in there:
            gone = moved.get(entry["task"])
            changes += _withdrawn(entry, max(entry["time"], _stamp(gone) if gone else ""))
            del known[name]
    changes.sort(key=lambda line: (line.time, line.id))
    cursor = {"project": project, "since": _stamp(latest), "seen": known}
    return Pulled(tuple(changes), tuple(refused), json.dumps(cursor))


def _withdrawn(entry: dict[str, Any] | None, time: str) -> list[Annotation]:
    if entry is None or entry["line"] is None:
        return []
    return [replace(Annotation(**entry["line"]), withdrawn=True, time=time)]


def _label(raw: dict[str, Any]) -> tuple[str | None, str]:
    """(label, "") of an answer, or (None, why it cannot be taken)."""
    if raw["was_cancelled"]:
        return None, ""
    said = [
        choice
        for item in raw["result"] or ()
        if item.get("from_name") == "label"
        for choice in item.get("value", {}).get("choices", ())
    ]
    if len(said) == 1:
        return str(said[0]), ""
    return None, "the answer is empty" if not said else f"the answer names {len(said)} classes"


def _read_cursor(cursor: str | None, project: int) -> tuple[datetime, dict[str, dict[str, Any]]]:
    beginning = datetime(2000, 1, 1, tzinfo=UTC)
    if not cursor:
        return beginning, {}
    try:
        known = json.loads(cursor)
        if known["project"] != project:
            return beginning, {}
        return _instant(known["since"]), dict(known["seen"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "The cursor of the last pull is not one of a Label Studio queue.",
            hint="Pull without it: known answers come again, and change nothing.",
        ) from error


def _equal(column: str, value: object, kind: str = "String") -> list[dict[str, object]]:
    return [{"filter": f"filter:tasks:{column}", "operator": "equal", "type": kind, "value": value}]


def _later(since: datetime) -> list[dict[str, object]]:
    shown = (since - WINDOW).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # the one format it takes
    return [{**_equal("updated_at", shown, "Datetime")[0], "operator": "greater"}]


def _instant(value: str | datetime) -> datetime:
    """The SDK gives the same field now as text, now as a time."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _title(project: str) -> str:
    """Label Studio takes 3 to 50 characters."""
    if len(project) in TITLE_LENGTH:
        return project
    return f"{project[:41]}-{_digest(project)[:8]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(body: object) -> str:
    if not isinstance(body, dict):
        return str(body)[:200]
    return str(body.get("validation_errors") or body.get("detail") or body)[:500]
