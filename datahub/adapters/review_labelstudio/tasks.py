"""Tasks of one project, read with no more fields than asked for.

A list is one page, in the order of the ids: one that moves loses nothing.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from label_studio_sdk import LabelStudio

IDS_PER_QUERY = 500
IDS_PER_RANGE = 1_000  # read one by one where fewer tasks than this are in doubt
WINDOW = timedelta(seconds=60)  # changes that were stamped early and committed late

Filters = list[dict[str, object]]


class Tasks:
    """The tasks of project number `project`."""

    def __init__(self, server: LabelStudio, project: int) -> None:
        self._server = server
        self.project = project

    def where(
        self, filters: Filters, include: str, *, limit: int | None = None, whole: bool = False
    ) -> list[Any]:
        """Those that pass all filters; annotations come only with `whole`."""
        return [] if limit is not None and limit < 1 else self._page(filters, include, limit, whole)

    def by_id(self, ids: Collection[int], include: str, *, whole: bool = False) -> list[Any]:
        """Those of these ids that are there."""
        tasks = []
        for start in range(0, len(ids), IDS_PER_QUERY):
            chunk = sorted(ids)[start : start + IDS_PER_QUERY]
            tasks += self.where(among(chunk), include, whole=whole)
        return tasks

    def count(self, low: int, high: int) -> int:
        """How many tasks there are from id `low` to `high`, both counted in."""
        return int(self._answer(between(low, high), "id", 1, whole=False).response.total)

    def find_ids(self, ids: Sequence[int], low: int, high: int) -> set[int]:
        """Ids there from `low` to `high`, both counted in; `ids` are sorted.

        Counts are cheap, and lists are not: where the count is right, the ids are taken to be.
        """
        inside = ids[bisect_left(ids, low) : bisect_right(ids, high)]
        count = self.count(low, high)
        if count == len(inside):
            return set(inside)
        if max(count, len(inside)) <= IDS_PER_RANGE:
            return {task.id for task in self.where(between(low, high), "id")}
        middle = (low + high) // 2
        lower = self.find_ids(ids, low, middle)
        return lower | self.find_ids(ids, middle + 1, high)

    def take_back(self, ids: Collection[int]) -> set[int]:
        """Delete those that nobody has answered, judged where they lie; return what is gone."""
        if not ids:
            return set()
        self._server.actions.create(
            id="delete_tasks",
            project=self.project,
            request_options={
                "additional_body_parameters": {
                    "filters": {"conjunction": "and", "items": [*among(ids), *NO_ANSWERS]},
                    "selectedItems": {"all": False, "included": sorted(ids)},
                }
            },
        )
        return set(ids) - {task.id for task in self.by_id(ids, "id")}

    def _page(self, filters: Filters, include: str, limit: int | None, whole: bool) -> list[Any]:
        return list(self._answer(filters, include, limit or 1_000_000, whole=whole).items)

    def _answer(self, filters: Filters, include: str, size: int, *, whole: bool) -> Any:
        return self._server.tasks.list(
            project=self.project,
            query=json.dumps({"filters": {"conjunction": "and", "items": filters}}),
            fields="all" if whole else "task_only",
            include=include,
            page_size=size,
            resolve_uri=False,
        )


def compare(column: str, operator: str, value: object, kind: str = "Number") -> Filters:
    """One filter of the Data Manager."""
    name = f"filter:tasks:{column}"
    return [{"filter": name, "operator": operator, "type": kind, "value": value}]


def among(ids: Collection[int]) -> Filters:
    """Tasks of these ids."""
    return compare("id", "in_list", sorted(ids))


def between(low: int, high: int) -> Filters:
    """Tasks of ids from `low` to `high`, both counted in."""
    return [*compare("id", "greater", low - 1), *compare("id", "less", high + 1)]


def later(since: datetime) -> Filters:
    """Tasks that have changed since, with some overlap."""
    text = (since - WINDOW).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # the one format it takes
    return compare("updated_at", "greater", text, "Datetime")


NO_ANSWERS: Filters = [
    *compare("total_annotations", "equal", 0),
    *compare("cancelled_annotations", "equal", 0),
]


def has_answer(task: Any) -> bool:
    """Whether anybody has answered or skipped it."""
    return bool(task.total_annotations or task.cancelled_annotations)
