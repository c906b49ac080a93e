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

from datahub.adapters.review_labelstudio.answers import Seen, instant, stamp
from datahub.adapters.review_labelstudio.page import SETTINGS

# All that is read of a project: its counts by person cost a quarter of a second at 100,000 tasks.
FIELDS = (
    "id,title,description,label_config,expert_instruction,maximum_annotations,"
    "show_collab_predictions,created_at,task_number"
)
MARK = "datahub:"
TITLE_LENGTH = range(3, 51)  # what Label Studio takes


def known_project(server: LabelStudio, seen: Seen) -> Any:
    """The project that a cursor names; None where it is not there any more."""
    if not seen.project:
        return None
    try:
        project = server.projects.get(
            seen.project, request_options={"additional_query_parameters": {"include": FIELDS}}
        )
    except ApiError as error:
        if error.status_code == 404 and isinstance(error.body, dict):  # no page of a proxy's
            return None
        raise
    return project if seen.made in ("", stamp(instant(project.created_at))) else None


def likely_project(server: LabelStudio, name: str) -> Any:
    """The oldest project that bears our marker; else our title, and no marker; else None."""
    titled = list(server.projects.list(title=title(name), include=FIELDS))
    ours = [project for project in titled if marker(name) in (project.description or "")]
    ours = ours or [
        project
        for project in titled
        if project.title == title(name) and MARK not in (project.description or "")
    ]
    ours = ours or [
        project
        for project in server.projects.list(include=FIELDS)
        if marker(name) in (project.description or "")
    ]
    return min(ours, key=lambda project: int(project.id), default=None)


def made_project(server: LabelStudio, name: str, wanted: Mapping[str, Any]) -> Any:
    """A new project; the oldest, should two have been made at a time."""
    about = _marked(str(SETTINGS["description"]), name)
    server.projects.create(title=title(name), **{**SETTINGS, **wanted, "description": about})
    return likely_project(server, name)


def marked(project: Any, name: str) -> str:
    """The description of a project of ours, with our marker."""
    return _marked(project.description or "", name)


def _marked(about: str, name: str) -> str:
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
