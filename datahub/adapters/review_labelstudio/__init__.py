"""ReviewQueue on a Label Studio server. The only package that imports `label_studio_sdk`.

One queue is one project (project.py says how it is known again), made by the first push.
People get tasks in the order of their ids ("Sequential sampling"), and they are posted in
`triage.asking_order`, without predictions: those would be chosen beforehand. Each push and
pull first holds what the project has against what is remembered of it (reconciling.py), so that
whatever was lost or came twice on its way, people deleted or another datahub pushed, each row
is asked once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from label_studio_sdk import LabelStudio

from datahub.adapters.review_labelstudio.answers import (
    Changes,
    Cursor,
    TaskMemory,
    in_order,
    instant,
    stamp,
)
from datahub.adapters.review_labelstudio.page import (
    Page,
    classes_of,
    hidden_columns,
    instructions,
    result,
)
from datahub.adapters.review_labelstudio.place import Place, find_place
from datahub.adapters.review_labelstudio.project import (
    cursor_project,
    describe,
    digest,
    likely_project,
    make_project,
)
from datahub.adapters.review_labelstudio.reconciling import Inventory
from datahub.adapters.review_labelstudio.server import Server
from datahub.adapters.review_labelstudio.task_data import (
    batch_of,
    guesses,
    posts,
    sealed_length,
    task_of,
    task_request,
)
from datahub.adapters.review_labelstudio.tasks import (
    NO_ANSWERS,
    Tasks,
    compare,
    has_answer,
    later,
)
from datahub.core.errors import AnnotationError, ConfigError, NotFound
from datahub.core.relabel import checked_label
from datahub.core.triage import Task, asking_order
from datahub.ports import FORGOTTEN, Memory, MemoryUpdate, NewAnswers, Reconciliation
from datahub.ports.review import RowVersion

CHANGES = "id,updated_at,created_at,total_annotations,cancelled_annotations"
# The fields of a task, and of the annotations in it.
ANSWERS = "id,updated_at,data,annotations,created_at,completed_by,was_cancelled,result"
MADE_ACCOUNTS = "@annotator.invalid"  # names without an address: accounts nobody can log in with


class LabelStudioReviewQueue:
    """Project `project` on the server at `url`, with a personal access token.

    `overlap` is the number of people who are asked about each row, `kinds` what some fields are
    (field -> kind), `guidelines` Markdown for people, `secret` what seals why a row is asked
    (default: the project's name). `cursor` is what the last push or pull kept, if any is known.
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
        cursor: str | None = None,
    ) -> None:
        if overlap < 1:
            raise ConfigError("Nobody would be asked.", hint="`overlap` is at least 1.")
        self._server = Server(url, token)
        self._name = project
        self._overlap = overlap
        self._kinds = kinds
        self._guidelines = guidelines
        self._show_guesses = show_guesses
        self._secret = secret or project
        self._cursor = cursor
        self._last_project: Any = None
        self._accounts: dict[str, int] = {}

    def check(
        self, cursor: str | None, memory: Memory = FORGOTTEN
    ) -> tuple[Reconciliation, MemoryUpdate]:
        """Hold what is asked here against what is remembered; take back what is asked twice."""
        with self._server.client() as server:
            place = self._place(server, cursor, memory)
            if place.project is None:
                empty = Reconciliation(frozenset(), notes=place.notes, is_closed=True)
                return empty, place.update()
            unknown = place.inventory.newer(place.cursor.last)
            place.inventory.arrive(place.inventory.count_again(place.tasks, unknown))
            place.inventory.undouble()
            return place.reconciliation(), place.update()

    def push(
        self,
        batch: str,
        tasks: Sequence[Task],
        *,
        classes: Sequence[str],
        cursor: str | None = None,
        memory: Memory = FORGOTTEN,
    ) -> MemoryUpdate:
        """Ask what is not asked yet as it is; people see it after what was asked before.

        After Unavailable, push again: what had arrived is not asked twice.
        """
        with self._server.client() as server:
            project, page = self._prepared_project(server, cursor, tasks, classes)
            place = self._place(server, cursor, memory, project=project)
            inventory = place.inventory
            inventory.arrive(inventory.newer(place.cursor.last))
            present = inventory.present()
            missing = [t for t in asking_order(tasks) if (t.key, t.row_hash) not in present]
            for part in posts(self._requests(missing, batch, page, tasks)):
                self._post(server, inventory, part)
            inventory.arrive(inventory.newer(place.cursor.last))  # came twice, or from another
            update = place.update()
        self._cursor = update.cursor
        return update

    def open_tasks(
        self, *, limit: int | None = None, annotator: str = ""
    ) -> list[tuple[str, Task]]:
        """(task id, task) of what too few have answered or skipped, in the order people see it.

        With an annotator, what this person has neither answered nor skipped.
        """
        with self._server.client() as server:
            project = self._project(server, self._cursor)
            if project is None:
                return []
            tasks = Tasks(server, project.id)
            if self._overlap == 1:
                matches = tasks.where(NO_ANSWERS, "id,data", limit=limit)
            else:
                matches = self._wanting(server, tasks, annotator)[:limit]
        # The first task of each row.
        rows = {TaskMemory.of(task.data).row: task for task in reversed(matches)}
        return [(str(t.id), self._task(t)) for row, t in reversed(rows.items()) if row]

    def answer(self, task_id: str, label: str | None, *, annotator: str) -> None:
        """Answer through the API as a person does in the browser.

        `annotator` is the email address of an account; one that does not exist is made, without
        a way to log in. The same person's second answer edits the first.
        """
        if not annotator.strip():
            raise AnnotationError(
                "An answer needs the name of who gave it.", hint="Say who answers."
            )
        with self._server.client() as server:
            project, task = self._one_task(server, task_id)
            checked_label(label, classes_of(project.label_config), key=task.data["row_key"])
            account = self._account(server, annotator)
            fields = {"result": result(label), "was_cancelled": label is None}
            for annotation in task.annotations or ():
                if annotation["completed_by"] == account:
                    server.annotations.update(id=annotation["id"], **fields)
                    return
            server.annotations.create(id=task.id, completed_by=account, **fields)

    def pull(self, cursor: str | None, memory: Memory = FORGOTTEN) -> NewAnswers:
        """Every answer, edit and withdrawal that is not remembered, each once.

        A label outside the classes comes back as it is. An empty answer is refused; one that
        was an answer before is withdrawn as well. An answer that is gone, also with its task, is
        withdrawn; those of a project that is gone as a whole stay. A cursor of another project
        knows nothing.
        """
        with self._server.client() as server:
            place = self._place(server, cursor, memory)
            inventory = place.inventory
            inventory.pulling = True
            if place.project is None:
                present: frozenset[RowVersion] | None = frozenset() if place.is_lost else None
                reconciliation = Reconciliation(present, notes=place.notes, is_closed=True)
                return NewAnswers((), (), place.update(), reconciliation=reconciliation)
            tasks = inventory.tasks.where(later(place.cursor.since), CHANGES)
            unknown = inventory.look_up([task.id for task in tasks])
            if not place.cursor.last:  # an earlier datahub remembered answered tasks alone
                unknown |= inventory.newer(0)
            unknown |= inventory.confirm(tasks)
            inventory.arrive(inventory.count_again(place.tasks, unknown))
            ids = {t.id for t in tasks if _is_touched(t, inventory.entries.get(t.id))}
            whole = inventory.tasks.by_id(ids, ANSWERS, whole=True)
            names = self._names(server) if whole else {}
            changes = Changes(partial(batch_of, secret=self._secret))
            for task in whole:
                before = inventory.entries[task.id]
                inventory.remember(task.id, changes.look(task, before, names))
            for before in inventory.withdrawn():
                changes.withdraw_task(before)
            rows = {inventory.entries[task.id].row for task in whole if not task.annotations}
            if rows - {None}:  # one of two that were answered may be open again
                inventory.undouble({row for row in rows if row})
        since = max([place.cursor.since, *(instant(task.updated_at) for task in tasks)])
        return NewAnswers(
            in_order(changes.lines),
            tuple(changes.refusals),
            place.update(since),
            tuple(changes.settlements),
            place.reconciliation(),
        )

    def where(self) -> str:
        """The address of the project in a browser."""
        with self._server.client() as server:
            project = self._project(server, self._cursor)
        url = self._server.url
        return f"{url}/projects/{project.id}/data" if project else f"{url}/projects"

    def _project(self, server: LabelStudio, cursor: str | None) -> Any:
        """The project that the cursor names, or one that is as good as certainly ours; or None."""
        project = cursor_project(server, Cursor.from_json(cursor))
        self._last_project = project or likely_project(server, self._name)
        return self._last_project

    def _place(
        self, server: LabelStudio, cursor: str | None, memory: Memory, *, project: Any = None
    ) -> Place:
        project = project or self._project(server, cursor)
        return find_place(server, Cursor.from_json(cursor), memory, project)

    def _prepared_project(
        self, server: LabelStudio, cursor: str | None, tasks: Sequence[Task], classes: Sequence[str]
    ) -> tuple[Any, Page]:
        """The project, made or brought up to date, and the page it shows rows on."""
        project = self._project(server, cursor)
        old = project.label_config if project else ""
        page = Page.of(tasks, classes, kinds=self._kinds, old=old)
        settings = {
            "label_config": page.config(),
            "expert_instruction": instructions(
                classes, self._guidelines, guesses=self._show_guesses
            ),
            "maximum_annotations": self._overlap,
            "show_collab_predictions": False,  # an earlier datahub posted some, which people saw
        }
        if project is None:
            project = make_project(server, self._name, settings)
        else:
            settings["description"] = describe(project, self._name)
            if any(getattr(project, name) != value for name, value in settings.items()):
                server.projects.update(project.id, **settings)
        self._hide_columns(server, project)
        return project, page

    def _hide_columns(self, server: LabelStudio, project: Any) -> None:
        """Leave what is datahub's alone out of every view of the Data Manager."""
        columns = hidden_columns()
        views = list(server.views.list(project=project.id))
        if not views:
            server.views.create(
                project=project.id, data={"title": "Default", "hiddenColumns": columns}
            )
        for view in views:
            data = _plain(view.data)
            before = data.get("hiddenColumns") or {}
            after = {
                where: list(dict.fromkeys([*(before.get(where) or ()), *names]))
                for where, names in columns.items()
            }
            if after != before:
                new = {**data, "hiddenColumns": after}
                server.views.update(id=str(view.id), project=project.id, data=new)

    def _requests(
        self, missing: Sequence[Task], batch: str, page: Page, tasks: Sequence[Task]
    ) -> list[dict[str, Any]]:
        names = guesses(tasks, secret=self._secret) if self._show_guesses else [None] * len(tasks)
        guess = {json.dumps(task.key): name for task, name in zip(tasks, names, strict=True)}
        length = sealed_length(tasks, batch)
        return [
            task_request(
                task,
                batch,
                page,
                secret=self._secret,
                guess=guess[json.dumps(task.key)],
                sealed_length=length,
            )
            for task in missing
        ]

    def _task(self, task: Any) -> Task:
        return task_of(task.data, secret=self._secret)

    def _post(
        self, server: LabelStudio, inventory: Inventory, requests: list[dict[str, Any]]
    ) -> None:
        answer = server.projects.import_tasks(
            id=inventory.tasks.project,
            request=requests,
            return_task_ids=True,
            request_options={"max_retries": 0},
        )
        numbers = answer.task_ids or ()
        if len(numbers) == len(requests):  # else what arrived is looked up
            for number, request in zip(numbers, requests, strict=True):
                inventory.post(number, TaskMemory.of(request["data"]))

    def _wanting(self, server: LabelStudio, tasks: Tasks, annotator: str) -> list[Any]:
        """Tasks that fewer than `overlap` people have answered, without those of one of them."""
        fewer = [
            *compare("total_annotations", "less", self._overlap),
            *compare("cancelled_annotations", "less", self._overlap),
        ]
        candidates = [
            task
            for task in tasks.where(fewer, "id,data,total_annotations,cancelled_annotations")
            if task.total_annotations + task.cancelled_annotations < self._overlap
        ]
        begun_ids = {task.id for task in candidates if has_answer(task)}
        if not annotator or not begun_ids:
            return candidates
        names = self._names(server)
        own_ids = {
            task.id
            for task in tasks.by_id(begun_ids, "id,annotations,completed_by", whole=True)
            for annotation in task.annotations or ()
            if names.get(annotation["completed_by"], "").lower() == annotator.lower()
        }
        return [task for task in candidates if task.id not in own_ids]

    def _one_task(self, server: LabelStudio, task_id: str) -> tuple[Any, Any]:
        project = self._last_project or self._project(server, self._cursor)
        number = int(task_id) if task_id.isascii() and task_id.isdecimal() else 0
        possible = project is not None and 0 < number < 2**63
        tasks = (
            Tasks(server, project.id).by_id(
                [number], "id,data,annotations,completed_by", whole=True
            )
            if possible
            else []
        )
        if not tasks or TaskMemory.of(tasks[0].data).row is None:
            raise NotFound(
                f"There is no task {task_id!r} of datahub's in project {self._name!r}.",
                hint="Was it deleted in Label Studio? `datahub review push` asks again.",
            )
        return project, tasks[0]

    def _account(self, server: LabelStudio, annotator: str) -> int:
        if annotator not in self._accounts:
            email = annotator if "@" in annotator else digest(annotator) + MADE_ACCOUNTS
            numbers = {user.email.lower(): user.id for user in server.users.list()}
            number = numbers.get(email.lower())
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


def _is_touched(task: Any, before: TaskMemory | None) -> bool:
    """Whether answers of a changed task may have changed."""
    if before is None or not (has_answer(task) or before.answers):
        return False
    return stamp(instant(task.updated_at)) != before.updated


def _plain(value: Any) -> dict[str, Any]:
    """What the SDK gives now as a model, now as a dict."""
    plain: dict[str, Any] = value if isinstance(value, dict) else value.dict()
    return plain
