"""A lakeFS server for tests: one that is named, or one of our own on loopback, ended by its id.

DATAHUB_TEST_LAKEFS is the address of a running one, with DATAHUB_TEST_LAKEFS_KEY and
DATAHUB_TEST_LAKEFS_SECRET; else a `lakefs` executable on the PATH is started.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datahub.adapters.lakefs_server import running_in
from datahub.machine.bytes.files import ObjectFiles


@dataclass(frozen=True)
class LakeFSServer:
    """A server that answers. `folder` is where its bytes lie, if it is ours."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    folder: Path | None = None

    def new_repository(self, folder: Path, name: str = "") -> dict[str, Any]:
        """What the adapter is made of, for a repository that is not there yet."""
        return {
            "endpoint": self.endpoint,
            "repository": name or f"test-{uuid.uuid4().hex}",
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "files": ObjectFiles(folder / ".datahub"),
            "memory": folder / ".datahub" / "content_ids",
        }


def as_settings(access: Mapping[str, Any]) -> dict[str, str]:
    """The environment in which every command works on this repository."""
    names = ("endpoint", "repository", "access_key_id", "secret_access_key")
    return {
        "DATAHUB_STORE": "lakefs",
        **{f"DATAHUB_LAKEFS_{name.upper()}": access[name] for name in names},
    }


def missing() -> str:
    """Why there is no server, or nothing."""
    if os.environ.get("DATAHUB_TEST_LAKEFS") or shutil.which("lakefs"):
        return ""
    return "no `lakefs` on the PATH, and DATAHUB_TEST_LAKEFS names no server"


@contextmanager
def running() -> Iterator[LakeFSServer]:
    """The server; one of our own is gone at the end, with its folder."""
    named = os.environ.get("DATAHUB_TEST_LAKEFS")
    if named:
        key, secret = (os.environ[f"DATAHUB_TEST_LAKEFS_{word}"] for word in ("KEY", "SECRET"))
        yield LakeFSServer(named, key, secret)
        return
    with tempfile.TemporaryDirectory(prefix="datahub-lakefs-") as folder:
        found = shutil.which("lakefs")
        assert found is not None
        with running_in(Path(folder), executable=Path(found)) as info:
            yield LakeFSServer(
                info.endpoint, info.access_key_id, info.secret_access_key, Path(folder)
            )


@contextmanager
def running_on(bucket: LakeFSServer, name: str) -> Iterator[LakeFSServer]:
    """A server that keeps its bytes in an S3 bucket: a repository of another, by its gateway."""
    found = shutil.which("lakefs")
    assert found is not None
    storage = {
        "TYPE": "s3",
        "S3_ENDPOINT": bucket.endpoint,
        "S3_FORCE_PATH_STYLE": "true",
        "S3_REGION": "us-east-1",
        "S3_DISCOVER_BUCKET_REGION": "false",
        "S3_CREDENTIALS_ACCESS_KEY_ID": bucket.access_key_id,
        "S3_CREDENTIALS_SECRET_ACCESS_KEY": bucket.secret_access_key,
        "DEFAULT_NAMESPACE_PREFIX": f"s3://{name}/main",
    }
    with (
        tempfile.TemporaryDirectory(prefix="datahub-lakefs-") as folder,
        running_in(Path(folder), executable=Path(found), storage=storage) as info,
    ):
        yield LakeFSServer(info.endpoint, info.access_key_id, info.secret_access_key)
