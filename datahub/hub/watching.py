"""Gates and monitors from a history, as calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datahub.core.errors import Conflict, InputError, StorageError
from datahub.core.monitoring import Monitored
from datahub.flow.publish import monitoring
from datahub.hub.wiring import Wiring


@dataclass(frozen=True)
class Suggestion:
    """A suite for a table, from so many commits; `path` is the file it was written to, if any."""

    table: str
    commits: int
    path: str | None
    suite: dict[str, Any]

    @property
    def text(self) -> str:
        """The suite as a file has it."""
        return json.dumps(self.suite, ensure_ascii=False, indent=2) + "\n"


class Watching(Wiring):
    """history -> suite; new rows -> what to do."""

    def gate_suggest(
        self,
        dataset: str | None = None,
        *,
        table: str = "labels",
        ref: str | None = None,
        out: Path | str | None = None,
    ) -> Suggestion:
        """A suite with bounds from a dataset's history, which a person edits.

        `table` is labels or rows. With `out` it is written to a new file. Raises InputError (no
        such table), NotFound, Conflict (the file is there).
        """
        if table not in ("labels", "rows"):
            raise InputError(f"A suite is for labels or rows, not {table!r}.", hint="Name one.")
        at = self.at(dataset, ref=ref)
        suite, commits = monitoring.suggest_suite(at, table, self.part_profiles)
        suggestion = Suggestion(table, commits, None if out is None else str(out), suite)
        if out is not None:
            _write(Path(out), suggestion.text)
        return suggestion

    def monitor(
        self, against: str, dataset: str | None = None, *, ref: str | None = None
    ) -> Monitored:
        """Whether rows that came since a tag ask for labels by people, a fit, or nothing.

        Raises RefNotFound, NotFound, ChecksNotRun.
        """
        at = self.at(dataset, ref=ref)
        return monitoring.monitor(at, self.ref(against), self.part_profiles)


def _write(path: Path, content: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError as error:
        raise Conflict(f"{path} is there already.", hint="Name another file.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error
