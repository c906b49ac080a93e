"""ReviewQueue on a Label Studio server. The only file that imports `label_studio_sdk`.

One queue is one project, found by its title or made by the first push. People get
tasks in the order of their ids ("Sequential sampling"), and they are posted in
`triage.asking_order`, without predictions: those would be chosen beforehand. The
SDK repeats POSTs by itself, which asks rows twice after a lost answer; here it may
not: a push looks up what is there of its batch, and posts what is missing. (The
SDK sends no telemetry.)
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.core.parse_error import ParsingError
from pydantic import ValidationError

from datahub.adapters.review_labelstudio.answers import compared, instant, read_cursor
from datahub.adapters.review_labelstudio.page import (
    SETTINGS,
    Page,
    classes_of,
    hidden_columns,
    instructions,
    result,
)
from datahub.adapters.review_labelstudio.task_data import guesses, posts, task_of, task_request
from datahub.core.errors import (
    AnnotationError,
    AuthenticationError,
    ConfigError,
    NotFound,
    Rejected,
    Unavailable,
)
from datahub.core.relabel import checked_label
from datahub.core.triage import Task, asking_order
from datahub.ports import Pulled

CHANGES = "id,updated_at,total_annotations,cancelled_annotations"
IDS_PER_QUERY = 500
WINDOW = timedelta(seconds=60)  # changes that were stamped early and committed late
TIMEOUT_SECONDS = 300
MADE_ACCOUNTS = "@annotator.invalid"  # names without an address: accounts nobody can log in with
TITLE_LENGTH = range(3, 51)


class LabelStudioReviewQueue:
    """Project `project` on the server at `url`, with a personal access token.

    `overlap` is the number of people who are asked about each row, `kinds` what some fields are
    (field -> kind), `guidelines` Markdown for people, `secret` what seals why a row is asked
    (default: the project's name).
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        project: str,
        overlap: int = 1,
        kinds: Mapping[str, str] = MappingProxyType({}),
        guidelines: str = "",
        show_guesses: bool = True,
        secret: str = "",
    ) -> None:
        if overlap < 1:
            raise ConfigError("Nobody would be asked.", hint="`overlap` is at least 1.")
        self._url = url.rstrip("/")
        self._token = token
        self._title = _title(project)
        self._overlap = overlap
        self._kinds = kinds
        self._guidelines = guidelines
        self._show_guesses = show_guesses
        self._secret = secret or project
        self._client: LabelStudio | None = None
        self._found: Any = None
        self._accounts: dict[str, int] = {}

    def push(self, batch: str, tasks: Sequence[Task], *, classes: Sequence[str]) -> None:
        """Ask what is not there yet of this batch; people see it after what was asked before.

        After Unavailable, push again: what had arrived is not asked twice.
        """
        with self._server() as server:
            project, page = self._prepared_project(server, tasks, classes)
            there = self._tasks(server, project, _equal("data.batch", batch), "id,data")
            known = {json.dumps(task.data["row_key"]) for task in there if "row_key" in task.data}
            missing = [task for task in asking_order(tasks) if json.dumps(task.key) not in known]
            for part in posts(self._requests(missing, batch, page, tasks)):
                server.projects.import_tasks(
                    id=project.id, request=part, request_options={"max_retries": 0}
                )

    def open_tasks(
        self, *, limit: int | None = None, annotator: str = ""
    ) -> list[tuple[str, Task]]:
        """(task id, task) of what too few have answered or skipped, in the order people see it.

        With an annotator, what this person has neither answered nor skipped.
        """
        with self._server() as server:
            project = self._project(server)
            if project is None:
                return []
            if self._overlap == 1:
                found = self._tasks(server, project, UNANSWERED, "id,data", limit=limit)
            else:
                found = self._wanting(server, project, annotator)[:limit]
            return [(str(task.id), self._task(task)) for task in found if "row_key" in task.data]

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
            checked_label(label, classes_of(project.label_config), key=task.data["row_key"])
            account = self._account(server, annotator)
            given = {"result": result(label), "was_cancelled": label is None}
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
            seen = read_cursor(cursor, project.id)
            changed = self._tasks(server, project, _later(seen.since), CHANGES)
            watched = seen.tasks
            there = {task.id for task in self._by_id(server, project, watched, "id")}
            answered = {
                task.id for task in changed if task.total_annotations or task.cancelled_annotations
            }
            touched = answered | (watched & {task.id for task in changed})
            tasks = self._by_id(server, project, touched, None)
            names = self._names(server) if tasks else {}
        since = max([seen.since, *(instant(task.updated_at) for task in changed)])
        looked_at = touched | (watched - there)
        return compared(tasks, seen, looked_at=looked_at, names=names, since=since)

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
                self._client = _connected(self._url, self._token)
            yield self._client
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unavailable(
                f"Label Studio at {self._url} did not answer: {error or type(error).__name__}.",
                hint="`datahub labelstudio start` starts one here; else check the address.",
                backend="label-studio",
            ) from error
        except (ApiError, ParsingError) as error:
            raise self._translated(error.status_code, error.body) from error
        except (json.JSONDecodeError, ValidationError) as error:
            raise Rejected(
                f"What answers at {self._url} does not speak as Label Studio does.",
                hint="Check the address.",
                backend="label-studio",
            ) from error

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
        self._found = server.projects.get(min(found)) if found else None
        return self._found

    def _prepared_project(
        self, server: LabelStudio, tasks: Sequence[Task], classes: Sequence[str]
    ) -> tuple[Any, Page]:
        """The project, made or brought up to date, and the page it shows rows on."""
        project = self._project(server)
        old = project.label_config if project else ""
        page = Page.of(tasks, classes, kinds=self._kinds, old=old)
        wanted = {
            "label_config": page.config(),
            "expert_instruction": instructions(
                classes, self._guidelines, guesses=self._show_guesses
            ),
            "maximum_annotations": self._overlap,
            "show_collab_predictions": False,  # an earlier datahub posted some, which people saw
        }
        if project is None:
            server.projects.create(title=self._title, **wanted, **SETTINGS)
            project = self._project(server)  # the oldest, should two have made one at a time
        elif any(getattr(project, name) != value for name, value in wanted.items()):
            server.projects.update(project.id, **wanted)
        self._hide_columns(server, project)
        return project, page

    def _hide_columns(self, server: LabelStudio, project: Any) -> None:
        """Leave what is datahub's alone out of every view of the Data Manager."""
        hidden = hidden_columns()
        views = list(server.views.list(project=project.id))
        if not views:
            server.views.create(
                project=project.id, data={"title": "Default", "hiddenColumns": hidden}
            )
        for view in views:
            data = _plain(view.data)
            before = data.get("hiddenColumns") or {}
            after = {
                where: list(dict.fromkeys([*(before.get(where) or ()), *names]))
                for where, names in hidden.items()
            }
            if after != before:
                changed = {**data, "hiddenColumns": after}
                server.views.update(id=str(view.id), project=project.id, data=changed)

    def _requests(
        self, missing: Sequence[Task], batch: str, page: Page, tasks: Sequence[Task]
    ) -> list[dict[str, Any]]:
        shown = guesses(tasks, secret=self._secret) if self._show_guesses else [None] * len(tasks)
        guess = {json.dumps(task.key): name for task, name in zip(tasks, shown, strict=True)}
        return [
            task_request(task, batch, page, secret=self._secret, guess=guess[json.dumps(task.key)])
            for task in missing
        ]

    def _task(self, task: Any) -> Task:
        return task_of(task.data, secret=self._secret)

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
            include=include,
            page_size=limit or 1_000_000,
            resolve_uri=False,
        )
        return list(answer.items)

    def _wanting(self, server: LabelStudio, project: Any, annotator: str) -> list[Any]:
        """Tasks that fewer than `overlap` people have answered, without those of one of them."""
        fewer = [
            {**_equal(column, self._overlap, "Number")[0], "operator": "less"}
            for column in ("total_annotations", "cancelled_annotations")
        ]
        wanted = "id,data,total_annotations,cancelled_annotations"
        found = [
            task
            for task in self._tasks(server, project, fewer, wanted)
            if task.total_annotations + task.cancelled_annotations < self._overlap
        ]
        begun = {t.id for t in found if t.total_annotations or t.cancelled_annotations}
        if not annotator or not begun:
            return found
        names = self._names(server)
        theirs = {
            task.id
            for task in self._by_id(server, project, begun, None)
            for known in task.annotations or ()
            if names.get(known["completed_by"], "").lower() == annotator.lower()
        }
        return [task for task in found if task.id not in theirs]

    def _by_id(
        self, server: LabelStudio, project: Any, ids: Collection[int], include: str | None
    ) -> list[Any]:
        found = []
        for start in range(0, len(ids), IDS_PER_QUERY):
            asked = sorted(ids)[start : start + IDS_PER_QUERY]
            query = [{**_equal("id", asked, "Number")[0], "operator": "in_list"}]
            found += self._tasks(server, project, query, include)
        return found

    def _one_task(self, server: LabelStudio, task_id: str) -> tuple[Any, Any]:
        project = self._found or self._project(server)
        number = int(task_id) if task_id.isascii() and task_id.isdecimal() else 0
        possible = project is not None and 0 < number < 2**63
        found = self._by_id(server, project, [number], None) if possible else []
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


def _connected(url: str, token: str) -> LabelStudio:
    if not token or not token.isascii() or not token.isprintable():
        raise AuthenticationError(
            "This is no token of Label Studio's.",
            hint="Make a personal access token under Account & Settings.",
        )
    web = httpx.Client(
        timeout=TIMEOUT_SECONDS,
        follow_redirects=True,
        trust_env=not _on_this_machine(url),  # no proxy to oneself
    )
    return LabelStudio(base_url=url, api_key=token, max_retries=0, httpx_client=web)


def _plain(value: Any) -> dict[str, Any]:
    """What the SDK gives now as a model, now as a dict."""
    plain: dict[str, Any] = value if isinstance(value, dict) else value.dict()
    return plain


def _equal(column: str, value: object, kind: str = "String") -> list[dict[str, object]]:
    return [{"filter": f"filter:tasks:{column}", "operator": "equal", "type": kind, "value": value}]


UNANSWERED = [
    *_equal("total_annotations", 0, "Number"),
    *_equal("cancelled_annotations", 0, "Number"),
]


def _later(since: datetime) -> list[dict[str, object]]:
    shown = (since - WINDOW).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # the one format it takes
    return [{**_equal("updated_at", shown, "Datetime")[0], "operator": "greater"}]


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
