"""Migrations of the catalog: they build what the code expects, go back, and never race."""

from __future__ import annotations

import io
import multiprocessing
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from datahub.adapters.catalog_sql import REVISIONS, SqlCatalog, migrations_config
from datahub.adapters.catalog_sql.tables import metadata
from datahub.core.errors import ConfigError
from datahub.ports import LedgerEntry, MemoryUpdate, Where
from tests.postgres_server import PostgresServer

TABLES = {
    *("run", "refusal", "asked", "cursor", "remembered"),
    *("member", "token", "sign_in_code", "session", "write_log", "reply"),
    *("job", "job_event"),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


def tables(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


def test_the_code_names_all_revisions_in_order() -> None:
    """The adapter keeps the list by hand, so that opening a catalog needs no Alembic."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(migrations_config(connection)).walk_revisions()

        assert tuple(script.revision for script in scripts)[::-1] == REVISIONS


def test_upgrade_builds_all_tables_and_says_its_revision(url: str) -> None:
    assert SqlCatalog(url).upgrade() == REVISIONS[-1]

    assert tables(sa.create_engine(url)) == TABLES | {"alembic_version"}


def test_upgrade_again_changes_nothing(url: str) -> None:
    catalog = SqlCatalog(url)
    catalog.upgrade()
    catalog.keep(MemoryUpdate("7"), queue="q", dataset="d", branch="b")

    assert catalog.upgrade() == REVISIONS[-1]
    assert catalog.cursor(queue="q", dataset="d", branch="b") == "7"


def test_models_and_migrations_agree(url: str) -> None:
    """What `alembic check` finds."""
    SqlCatalog(url).upgrade()

    with sa.create_engine(url).connect() as connection:
        config = migrations_config(connection)
        config.stdout = io.StringIO()
        command.check(config)

        assert "No new upgrade operations" in config.stdout.getvalue()


def test_constraints_have_the_names_the_models_give_them(url: str) -> None:
    """Alembic compares no CHECK constraints, so the names are compared here."""
    SqlCatalog(url).upgrade()
    found = sa.inspect(sa.create_engine(url))

    for table in metadata.sorted_tables:
        names = {str(c.name) for c in table.constraints} | {str(i.name) for i in table.indexes}
        doubled = f"ck_{table.name}_ck_{table.name}_"
        expected = {name.replace(doubled, f"ck_{table.name}_") for name in names}
        there = {
            # SQLite writes a key that counts on without its name
            found.get_pk_constraint(table.name)["name"] or f"pk_{table.name}",
            *(c["name"] for c in found.get_unique_constraints(table.name)),
            *(c["name"] for c in found.get_check_constraints(table.name)),
            *(i["name"] for i in found.get_indexes(table.name)),
        }
        assert there == expected


def test_downgrade_takes_everything_away_and_upgrade_brings_it_back(url: str) -> None:
    SqlCatalog(url).upgrade()
    engine = sa.create_engine(url)

    with engine.begin() as connection:
        command.downgrade(migrations_config(connection), "base")

    assert tables(engine) == {"alembic_version"}
    with pytest.raises(ConfigError) as refused:
        SqlCatalog(url).runs()
    assert "datahub db upgrade" in refused.value.hint
    SqlCatalog(url).upgrade()
    assert tables(engine) == TABLES | {"alembic_version"}


def test_going_back_keeps_the_ledger_and_the_cursor(url: str) -> None:
    """From the newest to the first revision: states it does not know become ones it does."""
    catalog, where = SqlCatalog(url), Where(queue="q", dataset="d", branch="b")
    catalog.upgrade()
    catalog.keep(
        MemoryUpdate("7", {"12": "a task"}),
        entries=[LedgerEntry(**where, batch="b1", key=5, row_hash="h", state="gone")],
        **where,
    )

    with sa.create_engine(url).begin() as connection:
        command.downgrade(migrations_config(connection), "0001")
    again = SqlCatalog(url)
    again.upgrade()

    assert [entry.state for entry in again.ledger(**where)] == ["stale"]
    assert again.cursor(**where) == "7"


def test_a_catalog_that_was_never_upgraded_says_what_to_do(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        SqlCatalog(url).runs()

    assert "datahub db upgrade" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_of_a_newer_datahub_is_left_alone(url: str) -> None:
    SqlCatalog(url).upgrade()
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    for use in (SqlCatalog(url).runs, SqlCatalog(url).upgrade):
        with pytest.raises(ConfigError, match="newer than this datahub"):
            use()


def test_a_migration_that_fails_leaves_nothing_behind(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("cut off in the middle")

    config = "alembic.operations.ops.CreateTableOp.create_table"
    whole = __import__("alembic.operations.ops", fromlist=["x"]).CreateTableOp.create_table

    def create(operations: Any, name: str, *columns: Any, **options: Any) -> Any:
        if name == "asked":
            fail()
        return whole(operations, name, *columns, **options)

    monkeypatch.setattr(config, create)
    catalog = SqlCatalog(url)
    with pytest.raises(RuntimeError):
        catalog.upgrade()
    monkeypatch.undo()

    assert tables(sa.create_engine(url)) == set()
    assert catalog.upgrade() == REVISIONS[-1]


def upgrade_when_told(url: str, gate: Any) -> None:
    gate.wait()
    SqlCatalog(url).upgrade()


@pytest.mark.slow
def test_two_upgrades_at_once_both_succeed(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    gate = spawn.Barrier(3)
    runners = [spawn.Process(target=upgrade_when_told, args=(url, gate)) for _ in range(3)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(60)

    assert [runner.exitcode for runner in runners] == [0, 0, 0]
    assert SqlCatalog(url).runs() == []


def test_upgrade_is_silent(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    SqlCatalog(url).upgrade()

    assert capfd.readouterr() == ("", "")


def test_no_migration_is_left_out_of_the_wheel() -> None:
    """The wheel takes the folder; a name that Python cannot import would not run."""
    folder = Path(__file__).parents[2] / "migrations" / "versions"

    for file in folder.glob("*.py"):
        assert re.fullmatch(r"\d{4}_[a-z0-9_]+\.py", file.name)
