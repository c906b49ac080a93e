"""What all tests share: a skip that `DATAHUB_REQUIRE` turns into a failure."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import tqdm  # type: ignore[import-untyped]
from hypothesis import settings

from datahub.core.errors import Unavailable
from tests import browser, lakefs_server, postgres_server
from tests.browser import Browser
from tests.lakefs_server import LakeFSServer
from tests.postgres_server import PostgresServer
from tests.projects import Projects

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo

settings.register_profile("datahub", deadline=None, max_examples=40)  # a busy machine is no fault
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("datahub")
tqdm.tqdm.monitor_interval = 0  # Snorkel's bars leave a thread: its model then trains apart


SERVERS = {"labelstudio": "label-studio", "lakefs": "lakefs"}  # fixture -> its word in ids of tests


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each process whole files, and all tests of one server to one of them; slow ones first.

    A server is then started once, and no long test begins when the other process has ended.
    """
    for item in items:
        server = _server_of(item)
        item.add_marker(pytest.mark.xdist_group(server or item.path.name))
    ranks = {name: rank for rank, name in enumerate(SERVERS)}
    slow = {str(item.path) for item in items if item.get_closest_marker("slow")}
    items.sort(
        key=lambda item: ranks.get(
            _server_of(item), len(ranks) if str(item.path) in slow else len(ranks) + 1
        )
    )


def _server_of(item: pytest.Item) -> str:
    """The server that a test needs; empty where it needs none."""
    fixtures = getattr(item, "fixturenames", ())
    for fixture, word in SERVERS.items():
        if fixture in fixtures or f"[{word}" in item.name:
            return fixture
    return ""


def skip_or_fail(system: str, why: str) -> NoReturn:
    """Skip because `system` is not here; fail instead where DATAHUB_REQUIRE names it."""
    if system in os.environ.get("DATAHUB_REQUIRE", "").split(","):
        pytest.fail(f"{system} is required and not here: {why}")
    pytest.skip(f"{system} is not here: {why}")


@pytest.fixture
def no_pipeline_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snorkel's NLP LFs share one spaCy pipeline in a process, and refuse a second: start over."""
    from snorkel.labeling.lf.nlp import NLPLabelingFunction

    monkeypatch.setattr(NLPLabelingFunction, "_nlp_config", None, raising=False)
    monkeypatch.delattr(NLPLabelingFunction, "_nlp_config")


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    """Projects as they stand after some commands, to be copied."""
    return Projects(tmp_path_factory.mktemp("projects"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own, started when first asked for."""
    why = postgres_server.missing()
    if why:
        skip_or_fail("postgres", why)
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def lakefs() -> Iterator[LakeFSServer]:
    """The lakeFS that DATAHUB_TEST_LAKEFS names, or one of our own from a `lakefs` on the PATH."""
    why = lakefs_server.missing()
    if why:
        skip_or_fail("lakefs", why)
    with lakefs_server.running() as server:
        yield server


def labelstudio_environment() -> Path:
    """The environment that test runs share: made once, which takes a minute or two."""
    named = os.environ.get(
        "DATAHUB_LABELSTUDIO_ENVIRONMENT", "~/.cache/datahub/label-studio-1.23.2"
    )
    return Path(named).expanduser()


@pytest.fixture(scope="session")
def labelstudio_empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of a server that was started once: its 40 seconds of migrations are kept for later."""
    from datahub.adapters.labelstudio_server import LabelStudioServer

    environment = labelstudio_environment()
    try:
        LabelStudioServer(tmp_path_factory.mktemp("none"), environment=environment).install()
    except Unavailable as error:
        skip_or_fail("labelstudio", str(error))
    kept = environment.with_name(environment.name + "-empty")
    if not kept.exists():
        fresh = Path(tempfile.mkdtemp(dir=environment.parent, prefix="labelstudio-"))
        server = LabelStudioServer(fresh, environment=environment)
        try:
            server.start()
        finally:
            server.stop()
        with suppress(OSError):  # another run was faster
            fresh.rename(kept)
    return kept


@pytest.fixture(scope="session")
def labelstudio_folder(tmp_path_factory: pytest.TempPathFactory, labelstudio_empty: Path) -> Path:
    """Where this run's Label Studio keeps its data."""
    folder = tmp_path_factory.mktemp("labelstudio")
    shutil.copytree(labelstudio_empty, folder, dirs_exist_ok=True)
    (folder / "server.json").unlink(missing_ok=True)  # each worker's server has a port of its own
    return folder


@pytest.fixture(scope="session")
def labelstudio(labelstudio_folder: Path) -> Iterator[ServerInfo]:
    """A Label Studio of this run's own: installed if need be, started, stopped at the end."""
    from datahub.adapters.labelstudio_server import LabelStudioServer

    server = LabelStudioServer(labelstudio_folder, environment=labelstudio_environment())
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser without a window, started when first asked for."""
    why = browser.missing()
    if why:
        skip_or_fail("chromium", why)
    with browser.running() as window:
        yield window
