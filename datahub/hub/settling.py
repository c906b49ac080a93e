"""What settles conflicts, read from a file, and what is in conflict, written to one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datahub.core.conflicts import Rule, Settling, Side, conflict_table, decisions_of
from datahub.core.dataset import to_canonical_json
from datahub.core.errors import ChangedSince, InputError, MergeConflict
from datahub.ports import Rows


def settling_of(
    side: Side | None, rule: Rule | None, decisions: Path | str | None, *, rows: Rows
) -> Settling:
    """How conflicts are to be settled; `decisions` is a file. Raises InputError, SourceError."""
    lines: list[dict[str, object]] = []
    if decisions is not None and Path(decisions).suffix == ".json":
        lines = _lines_of_json(Path(decisions))
    elif decisions is not None:
        for batch in rows.batches([Path(decisions)]):
            lines += batch.to_dicts()
    return Settling(side, rule, decisions_of(lines))


@contextmanager
def conflicts_written(path: Path | str | None, *, rows: Rows) -> Iterator[None]:
    """Write what is left in conflict to a file, where one is named, on the way out."""
    try:
        yield
    except (MergeConflict, ChangedSince) as error:
        if path is not None:
            lines = conflict_table(error.conflicts)
            if Path(path).suffix == ".json":
                Path(path).write_text(to_canonical_json(lines.to_dicts()), encoding="utf-8")
            else:
                rows.write(lines, Path(path))
        raise


def _lines_of_json(path: Path) -> list[dict[str, object]]:
    """A list of objects. Raises InputError."""
    try:
        lines = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as JSON: {error}.", hint="Give a list of objects, or CSV."
        ) from error
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise InputError(f"{path} holds no list of objects.", hint="One object a decision.")
    return lines
