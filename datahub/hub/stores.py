"""The version store of a project: bytes in its folder, history there or on lakeFS.

Both stores keep bytes as files on this machine. The files are made here and handed to the store.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

from datahub.config import Settings
from datahub.core.errors import ConfigError
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import VersionStore

_SETTINGS = ("endpoint", "repository", "access_key_id", "secret_access_key")


class First(TypedDict):
    """The first commit of a new repository, and its one branch."""

    branch: str
    author: str
    time: datetime


def open_store(settings: Settings) -> VersionStore:
    """The store of a project. Raises ConfigError: no repository there, or a setting is missing."""
    make = adapter("version_store", settings.store)
    store: VersionStore
    if settings.store == "lakefs":
        store = make.at(**lakefs_access(settings))
    else:
        store = make(ObjectFiles(settings.own_folder))
    return store


def create(settings: Settings, first: First) -> list[str]:
    """Make the repository of a new project, or adopt one on lakeFS; return notices for its user."""
    make = adapter("version_store", settings.store).create
    if settings.store == "lakefs":
        place = settings.lakefs_storage_namespace
        notices: list[str] = make(
            **lakefs_access(settings), **first, storage_namespace=place
        ).notices
        return notices
    make(ObjectFiles(settings.own_folder), **first)
    return []


def lakefs_access(settings: Settings) -> dict[str, Any]:
    """What the lakeFS store is made of. Raises ConfigError for what is not set."""
    access = {name: getattr(settings, f"lakefs_{name}") for name in _SETTINGS}
    missing = [name for name in _SETTINGS if not access[name]]
    if missing:
        variables = ", ".join(f"DATAHUB_LAKEFS_{name.upper()}" for name in missing)
        raise ConfigError(
            f"The store is lakeFS, and lakefs_{missing[0]} is not set.",
            hint=f"Set {variables}; endpoint and repository may stand in datahub.toml.",
        )
    own = settings.cache_folder
    return {**access, "files": ObjectFiles(own), "memory": own / "content_ids"}
