"""The project of a queue in Label Studio: how it is known again, and made.

It is known by its number, as the cursor keeps it. Where that is lost, by a marker in its
description, and by its title where it has no marker yet (an earlier datahub made it).
A title alone is a guess: people rename projects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from datahub.adapters.review_labelstudio.answers import Cursor, instant, stamp
from datahub.adapters.review_labelstudio.page import SETTINGS

# All that is read of a project: its counts by person cost a quarter of a second at 100,000 tasks.
FIELDS = (
    "id,title,description,label_config,expert_instruction,maximum_annotations,"
    "show_collab_predictions,created_at,task_number"
)
MARK = "datahub:"
TITLE_LENGTH = range(3, 51)  # what Label Studio takes


def cursor_project(server: LabelStudio, cursor: Cursor) -> Any:
    """The project that a cursor names; None where it is not there any more."""
    if not cursor.project:
        return None
    try:
        project = server.projects.get(
            cursor.project, request_options={"additional_query_parameters": {"include": FIELDS}}
        )
    except ApiError as error:
        if error.status_code == 404 and isinstance(error.body, dict):  # no page of a proxy's
            return None
        raise
    return project if cursor.made in ("", stamp(instant(project.created_at))) else None


def likely_project(server: LabelStudio, name: str) -> Any:
    """The oldest project that bears our marker; else our title, and no marker; else None."""
    projects = list(server.projects.list(title=title(name), include=FIELDS))
    matches = [project for project in projects if marker(name) in (project.description or "")]
    matches = matches or [
        project
        for project in projects
        if project.title == title(name) and MARK not in (project.description or "")
    ]
    matches = matches or [
        project
        for project in server.projects.list(include=FIELDS)
        if marker(name) in (project.description or "")
    ]
    return min(matches, key=lambda project: int(project.id), default=None)


def make_project(server: LabelStudio, name: str, settings: Mapping[str, Any]) -> Any:
    """A new project; the oldest, should two have been made at a time."""
    about = _with_marker(str(SETTINGS["description"]), name)
    server.projects.create(title=title(name), **{**SETTINGS, **settings, "description": about})
    return likely_project(server, name)


def describe(project: Any, name: str) -> str:
    """The description of a project of ours, with our marker."""
    return _with_marker(project.description or "", name)


def _with_marker(about: str, name: str) -> str:
    return about if marker(name) in about else f"{about} [{marker(name)}]".strip()


def title(name: str) -> str:
    """What people see first."""
    return name if len(name) in TITLE_LENGTH else f"{name[:41]}-{digest(name)[:8]}"


def marker(name: str) -> str:
    """What tells our project from others, whatever it is called."""
    return MARK + digest(name)


def digest(text: str) -> str:
    """Twelve bytes of SHA-256, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]
