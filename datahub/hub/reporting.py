"""Reports of a verdict, written to files for whoever reads them in CI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datahub.core.errors import ConfigError, StorageError
from datahub.core.gate_report import REPORTS
from datahub.core.verdict import Verdict


def checked_reports(paths: Sequence[Path | str]) -> list[Path]:
    """The files, before anything is judged for them. Raises ConfigError: no such report."""
    for path in map(Path, paths):
        if path.suffix not in REPORTS:
            raise ConfigError(
                f"There is no report {path.suffix or path.name!r}.",
                hint="Name a file .md (Markdown) or .xml (JUnit).",
            )
        if not path.absolute().parent.is_dir():
            raise ConfigError(f"There is no folder {path.parent}.", hint="Make it first.")
    return [Path(path) for path in paths]


def write_reports(paths: Sequence[Path], verdict: Verdict, *, source: str, into: str) -> None:
    """Write each report. Raises StorageError."""
    for path in paths:
        try:
            path.write_text(
                REPORTS[path.suffix](verdict, source=source, into=into),
                encoding="utf-8",
                errors="backslashreplace",
            )
        except OSError as error:
            raise StorageError(
                f"{path} cannot be written: {error}.", hint="Look at the folder's permissions."
            ) from error
