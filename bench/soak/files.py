"""Files of random types, names and writers: every way in and out against DuckDB and pyarrow.

Each file is imported, and what scan, batches, head, exports, the gate's frames, append, upsert and
--in-place give of it is compared cell by cell with pyarrow's own Table of the file, and with
DuckDB's reading where DuckDB has the type. A column may be refused, by name: it is then left out
and the rest tried again. Anything else counts as wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq

from bench.soak.cells import of_cells
from bench.soak.duck import is_for_duckdb, table_by_duckdb
from bench.soak.outcome import ALL, Bounds, Outcome
from bench.soak.readers import (
    Column,
    expected_of,
    kinds_of,
    names_of,
    of_csv,
    of_frame,
    of_table,
    without_nan,
)
from bench.soak.values import values
from bench.soak.writers import KEY, WRITERS, write
from datahub import Hub
from datahub.adapters.gate_gx import frames
from datahub.core.errors import DatahubError, GateError, InputError, SourceError

COUNT = 500
_PROJECT = 25  # files to a project
_COMMAND = 20  # one file in so many comes in by the command line
_SECOND = 100_000  # first key of the rows that are appended

Read = Callable[[], dict[str, Column]]


def soak(folder: Path, *, count: int, seed: int, bounds: Bounds = ALL) -> Outcome:
    """Try so many files."""
    outcome = Outcome()
    hub = None
    for number in bounds.tries(count):
        if hub is None or number % _PROJECT == 0:
            shutil.rmtree(folder / "project", ignore_errors=True)
            hub, _ = Hub.init(folder / "project", dataset="x")
        writer = WRITERS[number % len(WRITERS)]
        with _quiet(outcome, f"{writer} {seed}:{number}"):
            _File(hub, folder, writer, seed * 1_000_003 + number, number, outcome).check()
        outcome.tried["files"] += 1
    return outcome


class _File:
    """One random file on its ways."""

    def __init__(
        self, hub: Hub, folder: Path, writer: str, seed: int, number: int, outcome: Outcome
    ) -> None:
        self._hub = hub
        self._folder = folder / f"f{number}"
        self._folder.mkdir()
        self._path = self._folder / ("rows.orc" if writer == "orc" else "rows.parquet")
        self._writer = writer
        self._seed = seed
        self._number = number
        self._outcome = outcome
        self._dataset = f"d{number}"
        self._without: list[str] = []

    def check(self) -> None:
        """Bring it in, without the columns that are refused, and compare all ways out."""
        try:
            imported = self._imported()
            if imported is None:
                return
            self._outcome.tried["accepted"] += 1
            expected = expected_of(self._path)
            self._outcome.tried["columns"] += len(expected)
            self._check_duckdb(expected)
            for way, read in self._ways().items():
                self._compare(way, read, expected)
            self._check_upsert()
            self._check_append(expected)
            self._check_in_place(expected)
        finally:
            shutil.rmtree(self._folder)

    def _imported(self) -> object | None:
        """What the import gave once all columns that it refuses were left out; None: nothing."""
        for _ in range(12):
            write(self._writer, self._path, self._seed, without=self._without)
            try:
                return self._bring(self._path)
            except DatahubError as error:
                refused = self._refused(error)
                if refused is None:
                    return None
                self._without.append(refused)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                self._wrong("crashed", f"import: {type(error).__name__}: {error}")
                return None
        return None

    def _bring(self, path: Path, **options: Any) -> object:
        if self._number % _COMMAND == 0 and not options:
            return self._bring_by_command(path)
        return self._hub.import_rows(path, dataset=self._dataset, key=KEY, **options)

    def _bring_by_command(self, path: Path) -> object:
        words = ["import", str(path), "-d", self._dataset, "--key", KEY]
        ran = subprocess.run(
            [sys.executable, "-c", "from datahub.cli.app import main; main()", *words],
            cwd=self._folder.parent / "project",
            capture_output=True,
            text=True,
            check=False,
        )
        self._outcome.tried["by command"] += 1
        if "panicked" in ran.stderr or "Traceback" in ran.stderr:
            self._wrong("crashed", f"command: {ran.stderr[-300:]}")
        if ran.returncode == 2:
            raise SourceError(ran.stderr)
        if ran.returncode:
            raise RuntimeError(f"exit {ran.returncode}: {ran.stderr[-300:]}")
        return self._hub.store.commit_at("main")

    def _refused(self, error: DatahubError) -> str | None:
        """The column that an error names; None, and counted as wrong unless it may be: none."""
        said = error.message
        if "holds no rows" in said:
            self._outcome.tried["without rows"] += 1
            return None
        names = [*names_of(self._path), *(["wide"] if self._writer == "polars" else [])]
        named = [n for n in names if n not in self._without and _is_named(n, said)]
        if not isinstance(error, InputError) or not named or "corrupt" in str(error):
            self._wrong("refused without its column", said)
            return None
        if "two columns named" in said:
            self._outcome.tried["two of one name"] += 1
            return None
        name = max(named, key=len)
        self._outcome.tried["refused columns"] += 1
        return name

    def _ways(self) -> dict[str, Read]:
        hub, dataset = self._hub, self._dataset
        return {
            "scan": lambda: of_frame(hub.scan(dataset, table="rows").sort(KEY).collect()),
            "batches": lambda: of_frame(pl.concat(hub.batches(dataset, table="rows", size=7))),
            "head": lambda: of_frame(hub.head(dataset, table="rows", count=10**6)),
            "parquet": self._exported(
                "parquet", lambda path: of_table(pq.ParquetFile(path).read())
            ),
            "orc": self._exported("orc", lambda path: of_table(orc.read_table(path))),
            "csv": self._exported("csv", of_csv),
            "gate": self._gate,
        }

    def _exported(self, kind: str, read: Callable[[Path], dict[str, Column]]) -> Read:
        def out() -> dict[str, Column]:
            path = self._folder / f"out.{kind}"
            self._hub.export_rows(path, dataset=self._dataset, table="rows")
            return read(path)

        return out

    def _gate(self) -> dict[str, Column]:
        store = self._hub.store
        held = store.objects(self._hub.ref(None), f"datasets/{self._dataset}/rows/")
        paths = [store.fetch(oid) for oid in held.values()]
        schema, _ = frames.schema_of(paths)
        flat = [f.name for f in schema if not pa.types.is_nested(f.type)]
        seen = frames.frame_of(paths, schema.names, schema)
        return {
            name: values(pa.array(seen[name], schema.field(name).type, from_pandas=True))
            for name in flat
            if not isinstance(schema.field(name).type, pa.BaseExtensionType)
        }

    def _compare(self, way: str, read: Read, expected: dict[str, Column]) -> None:
        try:
            seen = read()
        except (SourceError, GateError) as error:
            if way in ("orc", "csv", "gate") and any(
                repr(name) in error.message for name in expected
            ):
                self._outcome.tried[f"{way} refused"] += 1
            else:
                self._wrong("refused without its column", f"{way}: {error.message}")
            return
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._wrong("crashed", f"{way}: {type(error).__name__}: {error}")
            return
        self._outcome.tried[way] += 1
        if way not in ("gate", "csv") and list(seen) != list(expected):
            self._wrong("altered", f"{way}: columns {list(seen)} for {list(expected)}")
            return
        if way == "csv":
            kinds = kinds_of(self._path)
            seen = {name: of_cells(kinds[name], column) for name, column in seen.items()}
        if way == "gate":  # pandas has NaN for null
            expected = {n: without_nan(column) for n, column in expected.items()}
            seen = {n: without_nan(column) for n, column in seen.items()}
        for name, column in seen.items():
            self._check_column(way, name, column, expected[name])

    def _check_column(self, way: str, name: str, seen: Column, expected: Column) -> None:
        if seen == expected:
            return
        if len(seen) != len(expected):
            self._wrong("altered", f"{way}: {len(seen)} rows for {len(expected)}")
            return
        row = next(n for n in range(len(seen)) if seen[n] != expected[n])
        kind = kinds_of(self._path).get(name)
        self._wrong(
            "altered", f"{way}: {name!r} ({kind}) row {row}: {seen[row]!r} for {expected[row]!r}"
        )

    def _check_duckdb(self, expected: dict[str, Column]) -> None:
        """What DuckDB reads of the same file, where it has the type."""
        if self._path.suffix == ".orc":
            return
        table = table_by_duckdb(self._path)
        if table is None:
            self._outcome.tried["not read by DuckDB"] += 1
            return
        kinds = kinds_of(self._path)
        for number, name in enumerate(expected):
            if not is_for_duckdb(kinds[name], table.schema.field(number).type):
                continue
            self._outcome.tried["columns by DuckDB"] += 1
            self._check_column("DuckDB", name, values(table.column(number)), expected[name])

    def _check_upsert(self) -> None:
        before = self._hub.store.commit_at("main")
        try:
            self._bring(self._path, mode="upsert")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._wrong("crashed", f"upsert: {type(error).__name__}: {error}")
            return
        self._outcome.tried["upsert"] += 1
        if self._hub.store.commit_at("main") != before:
            self._wrong("altered", "upsert of the same rows made a commit")

    def _check_append(self, expected: dict[str, Column]) -> None:
        other = self._folder / f"more{self._path.suffix}"
        write(self._writer, other, self._seed, first=_SECOND, without=self._without)
        if names_of(other) != names_of(self._path):  # a writer that cannot write these values
            self._outcome.tried["append of other columns"] += 1
            return
        try:
            self._bring(other, mode="append")
        except SourceError as error:  # other values, which may be refused
            self._outcome.tried["append refused"] += 1
            if not any(repr(name) in error.message for name in expected):
                self._wrong("refused without its column", f"append: {error.message}")
            return
        except InputError as error:  # a type that depends on values, as those of pandas do
            self._outcome.tried["append of other types"] += 1
            if " was " not in error.message:
                self._wrong("refused without its column", f"append: {error.message}")
            return
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._wrong("crashed", f"append: {type(error).__name__}: {error}")
            return
        more = expected_of(other)
        both = {name: [*column, *more[name]] for name, column in expected.items()}
        self._compare("append", self._ways()["scan"], both)

    def _check_in_place(self, expected: dict[str, Column]) -> None:
        mine = self._folder / f"mine{self._path.suffix}"
        shutil.copyfile(self._path, mine)
        self._dataset += "-in-place"
        try:
            self._hub.import_rows(
                mine, dataset=self._dataset, key=KEY, in_place=True, hard_link=True
            )
        except InputError as error:
            self._outcome.tried["in place refused"] += 1
            if not any(repr(name) in error.message for name in expected):
                self._wrong("refused without its column", f"in place: {error.message}")
            return
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._wrong("crashed", f"in place: {type(error).__name__}: {error}")
            return
        self._outcome.tried["in place"] += 1
        for way, read in self._ways().items():
            self._compare(way, read, expected)

    def _wrong(self, kind: str, what: str) -> None:
        name = f"{self._writer} seed {self._seed} without {self._without}"
        self._outcome.went_wrong(kind, f"{name}: {' '.join(what.split())[:400]}")


def _is_named(column: str, said: str) -> bool:
    """Whether an error names a column, or a place in it."""
    return repr(column) in said or f"'{column}." in said or f"'{column}[" in said


@contextmanager
def _quiet(outcome: Outcome, name: str) -> Iterator[None]:
    """Keep what is said on stderr, by any library, and count panics in it."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            text = said.read().decode(errors="replace")
    if "panicked" in text:
        lines = [line for line in text.splitlines() if line.strip()]
        where = next(n for n, line in enumerate(lines) if "panicked" in line)
        outcome.went_wrong("panic on stderr", f"{name}: {' '.join(lines[where : where + 2])[:300]}")
