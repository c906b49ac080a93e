"""What is remembered of a queue, by name: a hundred thousand texts are no burden."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import sqlalchemy as sa

from datahub.adapters.catalog_sql import tables

NAMES_PER_QUERY = 500

Read = Callable[[], AbstractContextManager[sa.Connection]]


@dataclass(frozen=True)
class SqlMemory:
    """Memory of one kind; `where` says of which queue, dataset and branch."""

    read: Read
    where: Mapping[str, str]

    def count(self) -> int:
        """How many there are."""
        query = sa.select(sa.func.count()).select_from(_table()).where(*_of(self.where))
        with self.read() as connection:
            return int(connection.execute(query).scalar_one())

    def recall(self, names: Collection[str] | None = None) -> dict[str, str]:
        """Those of these names, where there are any; all of them for None."""
        query = sa.select(_table().c.name, _table().c.text).where(*_of(self.where))
        texts: dict[str, str] = {}
        with self.read() as connection:
            if names is None:
                return {row.name: row.text for row in connection.execute(query)}
            for part in _parts(list(names)):
                selection = query.where(_table().c.name.in_(part))
                texts.update({row.name: row.text for row in connection.execute(selection)})
        return texts


def remember(
    connection: sa.Connection, where: Mapping[str, str], changes: Mapping[str, str | None]
) -> None:
    """Add, overwrite, and forget (None)."""
    removals = [name for name, text in changes.items() if text is None]
    for part in _parts(removals):
        connection.execute(sa.delete(_table()).where(*_of(where), _table().c.name.in_(part)))
    rows = [{**where, "name": name, "text": text} for name, text in changes.items() if text]
    if rows:
        connection.execute(tables.upsert(connection, tables.RememberedRow), rows)


def forget(connection: sa.Connection, where: Mapping[str, str]) -> None:
    """Forget all of one kind."""
    connection.execute(sa.delete(_table()).where(*_of(where)))


def _table() -> sa.Table:
    return tables.table(tables.RememberedRow)


def _of(where: Mapping[str, str]) -> list[sa.ColumnElement[bool]]:
    return [_table().c[column] == value for column, value in where.items()]


def _parts(names: list[str]) -> list[list[str]]:
    return [names[i : i + NAMES_PER_QUERY] for i in range(0, len(names), NAMES_PER_QUERY)]
