"""Pull requests of people who are not trusted: their LFs run apart, and only votes come back."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datahub.core.ci_outcome import CIResult
from datahub.core.ci_reading import read_ci
from datahub.core.ci_report import ci_markdown
from datahub.core.errors import ConfigError, Conflict, InputError, NotFound, StorageError
from datahub.core.gate_outcome import Outcome
from datahub.core.gate_report import markdown
from datahub.core.layout import DATASETS, dataset_names
from datahub.core.verdict import Verdict
from datahub.core.votes_in_file import FiledVotes, read_votes, written
from datahub.flow.label.votes_apart import (
    filed_votes,
    put_snapshot,
    snapshot_files,
    snapshot_id,
    take_votes,
)
from datahub.flow.publish.reviewed import CHECK
from datahub.hub.ci import Checking
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles

_BRANCH = "votes"
_MOST_JSON = 16 << 20


@dataclass(frozen=True)
class Snapshot:
    """Rows of datasets in a folder: name -> how many."""

    folder: str
    datasets: dict[str, int]


@dataclass(frozen=True)
class VotesFile:
    """A file of votes, its SHA-256, and the LFs that voted or were left out, by dataset."""

    path: str
    sha256: str
    lfs: dict[str, list[str]]
    left_out: dict[str, list[str]]


class Forking(Checking):
    """snapshot -> votes -> `ci` on these -> comment."""

    def fork_snapshot(self, folder: Path | str, *, into: str = "main") -> Snapshot:
        """Copy what LFs see of the datasets that the gate of `into` judges to a new folder.

        Rows and classes, no gold, labels or answers. Raises ConfigError where a column may not
        leave this machine ([leaves] in datahub.toml), Conflict where the folder is there.
        """
        into, target = self.ref(into), Path(folder)
        if target.exists():
            raise Conflict(f"{target} is there already.", hint="Name a folder that is not.")
        names = self._labeled_datasets(into)
        files = {
            path: file
            for name in names
            for path, file in snapshot_files(self.at(name, ref=into), self.settings.leaving)
        }
        if not files:
            raise NotFound(
                f"No gate of {into!r} judges labels.", hint="`datahub gate set` binds a suite."
            )
        try:
            for path, file in files.items():
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target / path)
        except OSError as error:
            raise StorageError(f"{target} cannot be written: {error.strerror}.") from error
        return Snapshot(str(target), {name: self.at(name, ref=into).dataset.rows for name in names})

    def fork_vote(
        self, snapshot: Path | str, votes: Path | str, *, jobs: int | None = None
    ) -> VotesFile:
        """Let the LFs of this checkout vote on a snapshot, and write the votes to a file.

        It opens no store: nothing but the snapshot and the checkout is read. Raises as `lf_run`,
        InputError for what is no snapshot.
        """
        with self._on_snapshot(Path(snapshot)) as (hub, names):
            entries = []
            for name in names:
                report = hub.lf_run(name, jobs=jobs)
                entries.append(filed_votes(hub.at(name), [lf.name for lf in report.left_out]))
        return _write(Path(votes), entries)

    def ci_of_votes(self, votes: Path | str, *, into: str = "main") -> CIResult:
        """What votes of a file do to `into`: as `ci`, where no LF runs and no checkout is read.

        Raises InputError for what is no file of votes, or of votes on other rows.
        """
        into = self.ref(into)
        self._check_gate(into)
        names = self._labeled_datasets(into)
        snapshots = {name: snapshot_id(self.at(name, ref=into)) for name in names}
        content = _content(Path(votes))
        entries = read_votes(memoryview(content), snapshots)
        with self._overlay(into) as overlay:
            runs = {entry.dataset: overlay._take(entry) for entry in entries}
            verdict = overlay._judge(into, checkout=None)
            changes = overlay._changes(into, runs)
        sha256 = hashlib.sha256(content).hexdigest()
        public_verdict = None if verdict is None else _without_code(verdict)
        return CIResult(into, into, public_verdict, changes, None, None, votes=sha256)

    @staticmethod
    def fork_comment(report: Path | str) -> tuple[str, str]:
        """(state, Markdown) of a JSON report of `ci`, checked and rendered again.

        Nothing but the file is read: no project, no key. Raises InputError for what is no report.
        """
        try:
            content = Path(report).read_bytes()
        except OSError as error:
            raise InputError(f"{report} cannot be read: {error.strerror}.") from error
        if len(content) > _MOST_JSON:
            raise InputError(f"{report} has {len(content):,} bytes, which is no report.")
        result = read_ci(content)
        if isinstance(result, Outcome):
            return result.state, markdown(result)
        return result.state, ci_markdown(result)

    def _take(self, filed: FiledVotes) -> tuple[str, ...]:
        """Put votes of a file in place, and fit where they are others; what had to be done."""
        step = self.step()
        if not take_votes(self.at_head(step, filed.dataset), filed, step):
            return ()
        self.label_fit(filed.dataset)
        return "votes of a file", "label fit"

    @contextmanager
    def _on_snapshot(self, folder: Path) -> Iterator[tuple[Forking, list[str]]]:
        """This checkout with a snapshot in place of its store; all that is made of it goes."""
        files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
        names = dataset_names(files)
        if not names or not all(path.startswith(DATASETS) for path in files):
            raise InputError(
                f"{folder} is no snapshot.", hint="`datahub fork snapshot FOLDER` makes one."
            )
        with tempfile.TemporaryDirectory(prefix="datahub-votes-") as place:
            make: Any = adapter("version_store", "embedded").create
            author, time = self.settings.author, self.clock()
            own = ObjectFiles(Path(place))
            store = make(own, branch=_BRANCH, author=author, time=time)
            hub = self._over(store, _BRANCH, Path(place))
            try:
                put_snapshot(store, hub.step(), files)
                yield hub, names
            finally:
                hub._parts.close()
                self.warnings += hub.warnings


def _without_code(verdict: Verdict) -> Verdict:
    """The verdict, without saying that the LFs of the merge made these votes."""
    results = tuple(result for result in verdict.results if result.expectation != CHECK)
    return replace(verdict, results=results)


def _write(path: Path, filed: Sequence[FiledVotes]) -> VotesFile:
    digest = hashlib.sha256()
    try:
        with path.open("wb") as file:
            for piece in written(filed):
                digest.update(piece)
                file.write(piece)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error
    lfs = {entry.dataset: [lf.name for lf in entry.lfs] for entry in filed}
    omissions = {entry.dataset: list(entry.left_out) for entry in filed}
    return VotesFile(str(path), digest.hexdigest(), lfs, omissions)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
