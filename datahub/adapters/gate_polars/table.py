"""The table that is judged: files of one schema, with the lines that go before those of some."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from datahub.adapters.gate_polars.families import families_of, normal
from datahub.core.errors import DatahubError, GateError
from datahub.ports import Instead, Rows


class Table:
    """Files as one table, read a part and some columns at a time."""

    def __init__(self, paths: Sequence[Path], rows: Rows, instead: Instead | None) -> None:
        """Raises what `Rows.schema` raises."""
        self.paths = list(paths)
        self._rows = rows
        self._instead = instead
        self.schema = rows.schema(self.paths)
        self.names = list(self.schema)
        self.families = families_of(self.schema)

    def is_patched(self, path: Path) -> bool:
        """Whether lines go before those of a file: it is then not what its bytes say."""
        return self._instead is not None and self._instead.lines.get(path) is not None

    def part(self, path: Path, columns: Collection[str], *, plain: bool = False) -> pl.DataFrame:
        """These columns of a file's rows; `plain`: in their own types. Raises GateError."""
        names = [name for name in self.names if name in columns] or self.names[:1]
        lines = self._instead.lines.get(path) if self._instead else None
        if self._instead is None or lines is None:
            frame = self._read(path, names)
        else:
            key = self._instead.key
            with_key = [*names, *({key} - set(names))]
            own = self._read(path, with_key)
            patch = lines.select(with_key).cast(own.schema)
            stays = ~own[key].is_in(patch[key].implode())
            frame = pl.concat([own.filter(stays), patch]).select(names)
        return frame if plain else normal(frame)

    def whole(self, columns: Collection[str]) -> pl.DataFrame:
        """These columns of all rows."""
        return pl.concat([self.part(path, columns) for path in self.paths], rechunk=True)

    def _read(self, path: Path, names: Sequence[str]) -> pl.DataFrame:
        try:
            frame = self._rows.read([path], columns=names).select(names)
            return frame.cast(pl.Schema({name: self.schema[name] for name in names}))
        except (DatahubError, pl.exceptions.PolarsError) as error:
            text = " ".join(str(error).split())[:200]
            raise GateError(f"{path.name} cannot be read: {text}") from error
