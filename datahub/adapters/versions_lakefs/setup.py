"""Setting a repository up: made or adopted, protected, and begun with a commit of its format."""

from __future__ import annotations

import json
import re

import lakefs_sdk

from datahub.adapters.versions_lakefs.names import encode
from datahub.adapters.versions_lakefs.server import Server
from datahub.core.dataset import to_canonical_json
from datahub.core.errors import ConfigError, Conflict, NotFound
from datahub.core.layout import OWN
from datahub.core.versions import CommitId

FORMAT = 1
FORMAT_FILE = OWN + "format.json"


def make_or_adopt(server: Server, *, branch: str, storage_namespace: str) -> bool:
    """Whether the repository was made now. Raises ConfigError for a name that lakeFS refuses."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{2,62}", server.repository):
        raise ConfigError(
            f"{server.repository!r} cannot name a repository of lakeFS.",
            hint="Set lakefs_repository to 3 to 63 small letters, digits and '-'.",
        )
    try:
        repository = server.ask("read the repository", server.api.repositories_api.get_repository)
    except NotFound:
        _make(server, branch=branch, storage_namespace=storage_namespace)
        return True
    if storage_namespace and repository.storage_namespace != storage_namespace:
        raise Conflict(
            f"Repository {server.repository!r} exists, and keeps its data elsewhere: "
            f"{repository.storage_namespace}.",
            hint="Leave the storage namespace out to adopt it, or choose another repository.",
        )
    return False


def format_text() -> str:
    """What says which format a repository has."""
    return to_canonical_json({"format": FORMAT})


def is_known(server: Server, commit_id: CommitId) -> bool:
    """Whether a commit is of a format that we know; False for one from before datahub.

    Raises ConfigError for any other format.
    """
    get = server.api.objects_api.get_object
    try:
        content = server.ask("read the format", get, commit_id, FORMAT_FILE)
    except NotFound:
        return False
    try:
        version = json.loads(bytes(content))["format"]
    except (ValueError, KeyError, TypeError):
        version = "unknown"
    if version != FORMAT:
        raise ConfigError(
            f"Repository {server.repository!r} has format version {version}; this datahub knows "
            f"{FORMAT}.",
            hint="Upgrade datahub.",
        )
    return True


def _make(server: Server, *, branch: str, storage_namespace: str) -> None:
    prefix = server.storage.default_namespace_prefix or ""
    namespace = storage_namespace or (f"{prefix.rstrip('/')}/{server.repository}" if prefix else "")
    if namespace.startswith("local:/") and not namespace.startswith("local://"):
        namespace = f"local://{server.repository}"
    if not namespace:
        raise ConfigError(
            "lakeFS has no default storage namespace for a new repository.",
            hint=f"Name one: lakefs_storage_namespace, like "
            f"{server.storage.blockstore_namespace_example}{server.repository}.",
        )
    creation = lakefs_sdk.RepositoryCreation(
        name=server.repository, storage_namespace=namespace, default_branch=encode(branch)
    )
    server.call("make the repository", server.api.repositories_api.create_repository, creation)
