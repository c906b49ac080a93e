"""Catalog in SQLite or PostgreSQL. The only package that imports `sqlmodel`.

One code for both: `database` has what differs, and the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import sqlalchemy as sa

from datahub.adapters.catalog_sql import tables
from datahub.adapters.catalog_sql.database import REVISIONS, Database, migrations_config
from datahub.adapters.catalog_sql.memory import SqlMemory, forget, remember
from datahub.core.verdict import Verdict
from datahub.ports import LedgerEntry, Memory, MemoryUpdate, Refusal, Run

__all__ = ["REVISIONS", "SqlCatalog", "migrations_config"]


class SqlCatalog(Database):
    """A catalog at an SQLAlchemy URL: `sqlite:///PATH` or `postgresql+psycopg://...`."""

    def record_run(self, run: Run) -> None:
        """Keep a run. Raises InputError (a time without zone, figures that are not JSON)."""
        row = {
            "commit": run.commit,
            "step": run.step,
            "branch": run.branch,
            "time": tables.utc(run.time),
            "figures": tables.json_text(dict(run.figures), "figures"),
        }
        with self._write() as connection:
            connection.execute(sa.insert(tables.RunRow).values(**row))

    def runs(self, *, limit: int = 50) -> list[Run]:
        """Newest first."""
        return [
            Run(row.commit, row.step, row.branch, tables.aware(row.time), json.loads(row.figures))
            for row in self._newest(tables.RunRow, limit)
        ]

    def record_refusal(self, refusal: Refusal) -> None:
        """Keep a refusal with all its reasons."""
        row = {
            "into": refusal.into,
            "branch": refusal.branch,
            "source": refusal.verdict.source,
            "time": tables.utc(refusal.verdict.time),
            "verdict": tables.json_text(json.loads(refusal.verdict.to_json()), "verdict"),
        }
        with self._write() as connection:
            connection.execute(sa.insert(tables.RefusalRow).values(**row))

    def refusals(self, *, limit: int = 50) -> list[Refusal]:
        """Newest first."""
        return [
            Refusal(row.into, row.branch, Verdict.from_json(row.verdict))
            for row in self._newest(tables.RefusalRow, limit)
        ]

    def record_entries(self, entries: Iterable[LedgerEntry]) -> None:
        """Add or overwrite ledger entries, by (queue, dataset, branch, key). All or none.

        An overwritten entry keeps its place. Raises InputError (an unknown state, a key that is
        neither text nor whole number).
        """
        rows = [tables.ledger_row(entry) for entry in entries]
        if rows:
            with self._write() as connection:
                connection.execute(tables.upsert(connection, tables.AskedRow), rows)

    def memory(self, kind: str, *, queue: str, dataset: str, branch: str) -> Memory:
        """What is remembered of a queue: `seen` by it, or `refused`."""
        return SqlMemory(
            self._read, {"queue": queue, "dataset": dataset, "branch": branch, "kind": kind}
        )

    def keep(
        self,
        update: MemoryUpdate,
        *,
        queue: str,
        dataset: str,
        branch: str,
        entries: Iterable[LedgerEntry] = (),
        refusals: Mapping[str, str | None] | None = None,
    ) -> None:
        """Remember what a queue saw, where it ended, what was refused (None: no more), in one.

        Raises InputError as `record_entries` does.
        """
        where = {"queue": queue, "dataset": dataset, "branch": branch}
        rows = [tables.ledger_row(entry) for entry in entries]
        with self._write() as connection:
            if update.afresh:
                forget(connection, {**where, "kind": "seen"})
            remember(connection, {**where, "kind": "seen"}, update.changes)
            remember(connection, {**where, "kind": "refused"}, refusals or {})
            if rows:
                connection.execute(tables.upsert(connection, tables.AskedRow), rows)
            connection.execute(
                tables.upsert(connection, tables.CursorRow), {**where, "cursor": update.cursor}
            )

    def ledger(self, *, queue: str, dataset: str, branch: str) -> list[LedgerEntry]:
        """The ledger of one queue for one dataset on one branch, in the order it was written."""
        table = tables.table(tables.AskedRow)
        query = (
            sa.select(table)
            .where(table.c.queue == queue, table.c.dataset == dataset, table.c.branch == branch)
            .order_by(table.c.id)
        )
        with self._read() as connection:
            return [
                LedgerEntry(
                    row.queue,
                    row.dataset,
                    row.branch,
                    row.batch,
                    json.loads(row.key),
                    row.row_hash,
                    row.state,
                )
                for row in connection.execute(query)
            ]

    def ledgers(self, *, branch: str) -> list[tuple[str, str]]:
        """(dataset, queue) of every ledger of a branch that has an entry."""
        table = tables.table(tables.AskedRow)
        query = sa.select(table.c.dataset, table.c.queue).where(table.c.branch == branch).distinct()
        with self._read() as connection:
            return sorted((row.dataset, row.queue) for row in connection.execute(query))

    def cursor(self, *, queue: str, dataset: str, branch: str) -> str | None:
        """Where the last pull ended."""
        table = tables.table(tables.CursorRow)
        query = sa.select(table.c.cursor).where(
            table.c.queue == queue, table.c.dataset == dataset, table.c.branch == branch
        )
        with self._read() as connection:
            return cast("str | None", connection.execute(query).scalar())

    def _newest(self, model: type[tables.Table], limit: int) -> list[Any]:
        table = tables.table(model)
        query = sa.select(table).order_by(table.c.time.desc(), table.c.id.desc()).limit(limit)
        with self._read() as connection:
            return list(connection.execute(query))
