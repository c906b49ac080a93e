"""Reports of a gate run, written to files for whoever reads them in CI.

A file that shows how yesterday's run ended is worse than none: from the start of a run until its
verdict is there, its reports say that it could not run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from datahub.core.ci_outcome import CIResult
from datahub.core.errors import ConfigError, DatahubError, StorageError
from datahub.core.gate_html import CI_REPORTS, GATE_REPORTS
from datahub.core.gate_outcome import Outcome, Place, error_without_cells, line_of, without_cells
from datahub.core.verdict import CheckFailure, Verdict


class Reports:
    """The reports of one run: `paths` are .md (Markdown), .html, .xml (JUnit) or .json.

    With `keys_only` no value of the data is in them. Raises ConfigError: no such report.
    """

    def __init__(
        self,
        paths: Sequence[Path | str],
        *,
        source: str | None,
        into: str,
        keys_only: bool = False,
    ) -> None:
        self._paths = _checked(paths)
        self._source = source or "the current branch"
        self._into = into
        self._keys_only = keys_only
        self.outcome = Outcome(self._source, into)

    @contextmanager
    def running(self) -> Iterator[Reports]:
        """While a gate runs: its reports say that it could not, with the error where there is one.

        With `keys_only` an error of the gate is raised without the values that it quotes.
        """
        self._write(self.outcome)
        try:
            yield self
        except DatahubError as error:
            public_error = error_without_cells(error) if self._keys_only else error
            self._write(Outcome(self._source, self._into, error=public_error))
            if public_error is not error:
                raise public_error from None
            raise

    def judged(self, verdict: Verdict, *, source: str) -> Verdict:
        """Write the verdict over them; returns it as it may be shown. Raises StorageError."""
        verdict = without_cells(verdict) if self._keys_only else verdict
        self._source = source
        self._write(Outcome(source, self._into, verdict))
        return verdict

    def checked(self, result: CIResult) -> CIResult:
        """Write what `datahub ci` found over them; returns it as it may be shown."""
        if self._keys_only and result.verdict is not None:
            result = replace(result, verdict=without_cells(result.verdict))
        self.outcome = Outcome(result.source, result.into, result.verdict)
        for path in self._paths:
            _write(path, CI_REPORTS[path.suffix](result))
        return result

    def _write(self, outcome: Outcome) -> None:
        self.outcome = outcome
        for path in self._paths:
            _write(path, GATE_REPORTS[path.suffix](outcome))


def places_of(outcome: Outcome, folder: Path) -> Mapping[CheckFailure, Place]:
    """Where the suites of failures stand in the checkout, for those that are there."""
    top = Path(os.environ.get("GITHUB_WORKSPACE") or folder)
    places = {}
    for failure in outcome.refused:
        path = folder / failure.suite
        try:
            line = line_of(failure, path.read_text("utf-8"))
        except (OSError, ValueError):
            continue  # a check of datahub's own, or a suite that only the destination has
        places[failure] = Place(os.path.relpath(path.resolve(), top.resolve()), line)
    return places


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error}.", hint="Look at the folder's permissions."
        ) from error


def _checked(paths: Sequence[Path | str]) -> list[Path]:
    for path in map(Path, paths):
        if path.suffix not in GATE_REPORTS:
            raise ConfigError(
                f"There is no report {path.suffix or path.name!r}.",
                hint="Name a file .md (Markdown), .html, .xml (JUnit) or .json.",
            )
        if not path.absolute().parent.is_dir():
            raise ConfigError(f"There is no folder {path.parent}.", hint="Make it first.")
    return [Path(path) for path in paths]
