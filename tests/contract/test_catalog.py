"""Catalog: what is written comes back, from many processes at once, or says why not."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from datahub.core.errors import (
    AuthenticationError,
    ConfigError,
    DatahubError,
    InputError,
    StorageError,
    Unavailable,
)
from datahub.core.verdict import CheckFailure, Verdict
from datahub.hub import REGISTRY
from datahub.ports import Catalog, LedgerEntry, MemoryUpdate, Refusal, Run, Where
from tests import postgres_server
from tests.postgres_server import PostgresServer

DATABASES = {"sql": ("sqlite", "postgresql")}
BACKENDS = [(name, database) for name in REGISTRY["catalog"] for database in DATABASES[name]]
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def backend(name: str) -> Callable[..., Any]:
    module, _, made = REGISTRY["catalog"][name].partition(":")
    return cast("Callable[..., Any]", getattr(import_module(module), made))


@pytest.fixture(params=BACKENDS, ids="-".join)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Name of the backend and a fresh address."""
    name, database = request.param
    if database == "sqlite":
        return name, f"sqlite:///{tmp_path}/catalog.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return name, server.new_database()


@pytest.fixture
def catalog(where: tuple[str, str]) -> Iterator[Catalog]:
    name, url = where
    made = backend(name)(url)
    made.upgrade()
    yield made
    made.close()


def run(step: str = "label", *, at: dt.datetime = NOON) -> Run:
    return Run("c0ffee", step, "main", at, {"rows": 2225, "seconds": 1.5, "by": {"sport": 511}})


def entry(key: str | int, *, state: str = "asked", branch: str = "main") -> LedgerEntry:
    return LedgerEntry("embedded", "news", branch, "batch-1", key, "h4sh", state)


def asked(catalog: Catalog, branch: str = "main") -> list[LedgerEntry]:
    return catalog.ledger(queue="embedded", dataset="news", branch=branch)


def test_a_new_catalog_is_empty(catalog: Catalog) -> None:
    assert catalog.runs() == []
    assert catalog.refusals() == []
    assert asked(catalog) == []
    assert catalog.ledgers(branch="main") == []
    assert catalog.cursor(queue="q", dataset="d", branch="b") is None


def test_a_run_comes_back_as_it_was(catalog: Catalog) -> None:
    catalog.record_run(run())

    assert catalog.runs() == [run()]


def test_a_time_elsewhere_in_the_world_is_the_same_moment(catalog: Catalog) -> None:
    kolkata = dt.timezone(dt.timedelta(hours=5, minutes=30))
    precise = NOON.replace(microsecond=123456).astimezone(kolkata)

    catalog.record_run(run(at=precise))

    (found,) = catalog.runs()
    assert found.time == precise
    assert found.time.tzinfo is not None


def test_runs_are_newest_first_and_limited(catalog: Catalog) -> None:
    for minute, step in ((1, "import"), (3, "merge"), (2, "label")):
        catalog.record_run(run(step, at=NOON + dt.timedelta(minutes=minute)))
    catalog.record_run(run("later, the same minute", at=NOON + dt.timedelta(minutes=3)))

    steps = [found.step for found in catalog.runs(limit=3)]

    assert steps == ["later, the same minute", "merge", "label"]


def test_a_refusal_comes_back_with_all_its_reasons(catalog: Catalog) -> None:
    reasons = tuple(
        CheckFailure("labels", "expect", f"reason {i}: \x00 'é' \U0001f9ea", column="label")
        for i in range(30)
    )
    verdict = Verdict(False, "content", "source", "head", "rules", NOON, failures=reasons)

    catalog.record_refusal(Refusal("main", "relabel-7", verdict))

    assert catalog.refusals() == [Refusal("main", "relabel-7", verdict)]


def test_the_ledger_keeps_its_order_and_each_part_to_itself(catalog: Catalog) -> None:
    catalog.record_entries([entry("b"), entry("a")])
    catalog.record_entries([entry("c"), entry("elsewhere", branch="other")])

    assert [e.key for e in asked(catalog)] == ["b", "a", "c"]
    assert [e.key for e in asked(catalog, "other")] == ["elsewhere"]
    assert catalog.ledgers(branch="other") == [("news", "embedded")]


def test_an_entry_is_overwritten_by_queue_dataset_branch_and_key(catalog: Catalog) -> None:
    catalog.record_entries([entry("a", state="intent"), entry("b", state="intent")])
    answered = replace(entry("a", state="answered"), batch="batch-2", row_hash="new")

    catalog.record_entries([answered, entry("c"), entry("c", state="stale")])

    assert asked(catalog) == [answered, entry("b", state="intent"), entry("c", state="stale")]


def test_numbers_and_texts_are_different_keys(catalog: Catalog) -> None:
    keys: list[str | int] = [7, "7", -1, 2**63, "", "null", "é\x00\n'\"", "\ud800"]

    catalog.record_entries([entry(key) for key in keys])

    assert [e.key for e in asked(catalog)] == keys


@pytest.mark.parametrize("bad", [entry("x", state="lost"), entry(cast(Any, 1.5)), entry(True)])
def test_a_bad_entry_in_the_middle_leaves_nothing(catalog: Catalog, bad: LedgerEntry) -> None:
    with pytest.raises(InputError):
        catalog.record_entries([entry("a"), bad, entry("b")])

    assert asked(catalog) == []


def test_a_source_of_entries_that_breaks_off_leaves_nothing(catalog: Catalog) -> None:
    def broken() -> Iterator[LedgerEntry]:
        yield entry("a")
        raise OSError("the file ends here")

    with pytest.raises(OSError, match="ends here"):
        catalog.record_entries(broken())

    assert asked(catalog) == []


def test_a_failure_inside_the_database_leaves_nothing(where: tuple[str, str]) -> None:
    name, url = where
    catalog = backend(name)(url)
    catalog.upgrade()
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX one_hash ON asked (row_hash)")

    with pytest.raises(Exception, match="refused") as refused:
        catalog.record_entries([replace(entry(i), row_hash=str(i % 900)) for i in range(1000)])

    assert isinstance(refused.value, DatahubError)
    assert asked(catalog) == []


def test_nothing_to_record_is_nothing_recorded(catalog: Catalog) -> None:
    catalog.record_entries([])

    assert asked(catalog) == []


def test_the_cursor_moves(catalog: Catalog) -> None:
    for cursor in ("1", "2"):
        catalog.keep(MemoryUpdate(cursor), queue="q", dataset="d", branch="b")
    catalog.keep(MemoryUpdate("other"), queue="q", dataset="d", branch="c")

    assert catalog.cursor(queue="q", dataset="d", branch="b") == "2"


WHERE = Where(queue="embedded", dataset="news", branch="main")
ELSEWHERE = Where(queue="embedded", dataset="news", branch="other")


def test_what_is_kept_comes_back_by_name_and_what_is_forgotten_does_not(catalog: Catalog) -> None:
    memory = catalog.memory("seen", **WHERE)
    many = {str(number): f"task {number}" for number in range(1200)}

    catalog.keep(MemoryUpdate("1", many), **WHERE)
    catalog.keep(
        MemoryUpdate("2", {"7": None, "8": "é \ud800 🗝".encode("unicode_escape").decode()}), **WHERE
    )

    assert memory.count() == 1199
    assert memory.recall(["6", "7", "8", "none"]) == {"6": "task 6", "8": r"\xe9 \ud800 \U0001f5dd"}
    assert memory.recall().keys() == many.keys() - {"7"}
    assert catalog.cursor(**WHERE) == "2"


def test_a_memory_is_of_one_kind_queue_dataset_and_branch(catalog: Catalog) -> None:
    catalog.keep(MemoryUpdate("1", {"a": "seen"}), refusals={"a": "refused", "b": "too"}, **WHERE)
    catalog.keep(MemoryUpdate("2", {"a": "elsewhere"}), **ELSEWHERE)

    catalog.keep(MemoryUpdate("3", {"c": "new"}, afresh=True), refusals={"a": None}, **WHERE)

    assert catalog.memory("seen", **WHERE).recall() == {"c": "new"}
    assert catalog.memory("refused", **WHERE).recall() == {"b": "too"}
    assert catalog.memory("seen", **ELSEWHERE).recall() == {"a": "elsewhere"}


@pytest.mark.parametrize("state", ["gone", "dropped"])
def test_a_ledger_knows_what_is_gone(catalog: Catalog, state: str) -> None:
    catalog.record_entries([entry("a", state=state)])

    assert asked(catalog) == [entry("a", state=state)]


def test_what_is_kept_is_kept_whole_or_not_at_all(catalog: Catalog) -> None:
    with pytest.raises(InputError):
        catalog.keep(
            MemoryUpdate("1", {"a": "x"}), entries=[entry("a"), entry("b", state="lost")], **WHERE
        )

    assert (catalog.cursor(**WHERE), asked(catalog)) == (None, [])
    assert catalog.memory("seen", **WHERE).count() == 0


def test_figures_that_are_no_json_and_a_time_without_zone_are_refused(catalog: Catalog) -> None:
    for bad in (replace(run(), figures={"x": object()}), run(at=NOON.replace(tzinfo=None))):
        with pytest.raises(InputError):
            catalog.record_run(bad)

    assert catalog.runs() == []


def write_in_another_process(name: str, url: str, worker: int, start: Any) -> None:
    catalog = backend(name)(url)
    start.wait()
    for i in range(40):
        catalog.record_run(run(f"{worker}-{i}"))
        mine = [entry(f"{worker}-{i}-{j}") for j in range(5)]
        shared = [entry(f"shared-{j}", state="asked") for j in range(5)]
        catalog.record_entries(mine + (shared if worker % 2 else shared[::-1]))


@pytest.mark.slow
def test_writers_in_many_processes_lose_nothing(catalog: Catalog, where: tuple[str, str]) -> None:
    """Nor do they meet "database is locked" or a deadlock."""
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(4)
    workers = [
        spawn.Process(target=write_in_another_process, args=(*where, worker, start))
        for worker in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)

    assert [worker.exitcode for worker in workers] == [0] * 4
    assert {r.step for r in catalog.runs(limit=1000)} == {
        f"{worker}-{i}" for worker in range(4) for i in range(40)
    }
    assert len(asked(catalog)) == 4 * 40 * 5 + 5


def test_a_killed_writer_leaves_all_or_nothing(where: tuple[str, str]) -> None:
    name, url = where
    catalog = backend(name)(url)
    catalog.upgrade()
    script = (
        "import sys\n"
        "from tests.contract.test_catalog import backend, entry\n"
        "catalog = backend(sys.argv[1])(sys.argv[2])\n"
        "for i in range(10_000):\n"
        "    catalog.record_entries([entry(f'{i}-{j}') for j in range(200)])\n"
        "    print(i, flush=True)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", script, name, url],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(5)]

    writer.kill()
    writer.wait()

    said += writer.stdout.readlines()
    writer.stdout.close()
    kept = len(asked(catalog))
    assert kept % 200 == 0
    assert kept // 200 >= len([line for line in said if line.endswith("\n")])
    catalog.record_entries([entry("after")])


def test_a_lock_that_is_held_too_long_is_unavailable(where: tuple[str, str]) -> None:
    name, url = where
    patient, hasty = backend(name)(url), backend(name)(url, lock_timeout=0.05)
    patient.upgrade()

    with patient._write(), pytest.raises(Unavailable):
        hasty.record_run(run())

    hasty.record_run(run())
    assert len(hasty.runs()) == 1


def test_readers_do_not_wait_for_a_writer(where: tuple[str, str]) -> None:
    name, url = where
    writer, reader = backend(name)(url), backend(name)(url, lock_timeout=0.05)
    writer.upgrade()

    with writer._write():
        assert reader.runs() == []


def test_an_address_that_is_none_is_a_setting_to_mend() -> None:
    for url in ("", "catalog.db", "mysql://u:p@h/d", "postgresql+nothing://u:p@h/d"):
        with pytest.raises(ConfigError):
            backend("sql")(url).runs()


def test_making_a_catalog_opens_nothing(tmp_path: Path) -> None:
    backend("sql")(f"sqlite:///{tmp_path}/catalog.db")
    backend("sql")("postgresql+psycopg://u:p@127.0.0.1:1/d")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        backend("sql")(f"sqlite:///{tmp_path}/absent/catalog.db").upgrade()


def test_a_file_that_is_no_database_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"not a database, however long it is" * 100)

    for use in ("runs", "upgrade"):
        with pytest.raises(StorageError):
            getattr(backend("sql")(f"sqlite:///{tmp_path}/catalog.db"), use)()


def test_a_full_disk_is_a_storage_error_and_leaves_the_catalog_whole(tmp_path: Path) -> None:
    """SQLite's own limit of pages answers as a full disk does."""
    catalog = backend("sql")(f"sqlite:///{tmp_path}/catalog.db")
    catalog.upgrade()
    catalog.record_run(run())

    @sa.event.listens_for(catalog._engine, "begin")
    def fill(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    with pytest.raises(StorageError, match="full"):
        catalog.record_entries([entry(i) for i in range(20_000)])

    assert asked(catalog) == []
    assert catalog.runs() == [run()]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes whatever the permissions")
def test_a_read_only_folder_is_a_storage_error(tmp_path: Path) -> None:
    catalog = backend("sql")(f"sqlite:///{tmp_path}/catalog.db")
    catalog.upgrade()
    catalog.close()
    (tmp_path / "catalog.db").chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StorageError):
            catalog.record_run(run())
    finally:
        tmp_path.chmod(0o755)


def test_a_table_that_is_gone_says_to_upgrade(where: tuple[str, str]) -> None:
    name, url = where
    catalog = backend(name)(url)
    catalog.upgrade()
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql("DROP TABLE run")

    with pytest.raises(ConfigError) as refused:
        catalog.runs()
    assert "datahub db upgrade" in refused.value.hint


def test_sqlite_writes_its_log_ahead(tmp_path: Path) -> None:
    backend("sql")(f"sqlite:///{tmp_path}/catalog.db").upgrade()

    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_wrong_password_is_an_authentication_error(postgres: PostgresServer) -> None:
    for url in (
        postgres.url("postgres", password="wrong"),
        postgres.url("postgres", user="nobody_we_know"),
    ):
        with pytest.raises(AuthenticationError) as refused:
            backend("sql")(url).runs()
        assert "wrong" not in str(refused.value)


def test_a_missing_database_is_a_setting_to_fix(postgres: PostgresServer) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        backend("sql")(postgres.url("nothing_here")).runs()


def test_a_server_that_is_down_is_unavailable() -> None:
    """Nothing listens on port 1."""
    with pytest.raises(Unavailable):
        backend("sql")("postgresql+psycopg://u:p@127.0.0.1:1/d").runs()


def test_a_server_that_goes_down_is_unavailable() -> None:
    why = postgres_server.missing()
    if why:
        pytest.skip(why)  # tests that take the fixture fail where PostgreSQL is required
    with postgres_server.running() as server:
        catalog = backend("sql")(server.new_database())
        catalog.upgrade()
        catalog.record_run(run())

        postgres_server.stop(server)

        with pytest.raises(Unavailable):
            catalog.record_run(run())
        catalog.close()


def test_opening_a_catalog_needs_no_alembic(tmp_path: Path) -> None:
    """Every command opens it, so it must be quick: counted in modules, not in seconds."""
    url = f"sqlite:///{tmp_path}/catalog.db"
    backend("sql")(url).upgrade()
    script = (
        "import sys\n"
        "from datahub.adapters.catalog_sql import SqlCatalog\n"
        "catalog = SqlCatalog(sys.argv[1])\n"
        "catalog.runs(), catalog.upgrade()\n"
        "assert 'alembic' not in sys.modules and 'psycopg' not in sys.modules\n"
    )

    subprocess.run(
        [sys.executable, "-c", script, url],
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=60,
    )
