"""The audit counts every commit of a branch once: before its guard, judged, or not."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.core.errors import DatahubError
from datahub.core.versions import Commit
from datahub.flow.publish.audit import audit
from datahub.flow.steps import quiet
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import VersionStore
from tests.integration.lakes import commit, passing
from tests.tampering import TIME, slip

GATES = b'[[gate]]\nbranch = "main"\ndataset = "news"\nsuite = "s.json"\n'
ON = {"expectations/gates.toml": GATES, "expectations/s.json": b"{}"}
OFF = {"expectations/gates.toml": b""}


class Repository:
    """A repository whose main takes acts, judged ones and others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: VersionStore = adapter("version_store", "embedded").create(
            ObjectFiles(folder), branch="main", author="ann", time=TIME
        )
        self.number = 0

    def line(self) -> list[Commit]:
        """First parents of main, newest first."""
        line = [self.store.commit_at("main")]
        while line[-1].parents:
            line.append(self.store.commit_at(line[-1].parents[0]))
        return line

    def act(self, name: str) -> None:
        """One act, which adds one commit to main or is refused."""
        self.number += 1
        notes: dict[str, bytes | None] = {"notes.txt": str(self.number).encode()}
        if name == "commit":
            commit(self.store, "main", notes)
        elif name == "bind":
            commit(self.store, "main", dict(ON))
        elif name == "slip":
            self._slip(notes)
        elif name == "merge":
            self._land(notes, reason="")
        else:
            self._land(dict(ON if name == "on" else OFF), reason="a change")

    def _land(self, files: dict[str, bytes | None], *, reason: str) -> Commit:
        """A merge with the verdict that its gate would give."""
        store, head, work = self.store, self.store.branches()["main"], f"work-{self.number}"
        store.create_branch(work, at=head)
        commit(store, work, files)
        changes = {c.path: c.new for c in store.changes(head, work)}
        candidate = store.propose(
            work,
            into="main",
            changes=changes,
            message="merge",
            author="ann",
            time=TIME,
            expected=head,
        )
        verdict = passing(store, candidate.content_id, candidate.source, head)
        if reason:
            verdict = replace(verdict, kind="rules", reason=reason)
        return store.land(candidate, verdict)

    def _slip(self, files: dict[str, bytes | None]) -> None:
        """A commit below every door, as whoever can write the database makes it."""
        head = self.store.commit_at("main")
        changes = {path: self.store.put(content or b"") for path, content in files.items()}
        slip(self.folder, head, changes)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(["commit", "bind", "slip", "merge", "on", "off"]), max_size=9),
    st.integers(0, 12),
)
def test_every_commit_is_counted_once(acts: list[str], pin: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder))
        for name in acts:
            with suppress(DatahubError):
                repository.act(name)
        line = repository.line()
        rows = adapter("rows", "polars")()

        for since in (None, line[pin % len(line)].id):
            found = audit(
                "main", store=repository.store, rows=rows, secrets={}, progress=quiet, since=since
            )

            expected = len(line) if since is None else pin % len(line)
            assert found.commits == expected
            assert found.free + found.judged + len(found.unjudged) == found.commits, found


def test_a_gate_that_is_put_back_is_judged(tmp_path: Path) -> None:
    """It was in none of the figures: 8 commits, 3 judged, 1 not, 3 before the gate."""
    repository = Repository(tmp_path)
    for name in ("commit", "on", "merge", "off", "slip", "on", "merge"):
        repository.act(name)
    rows = adapter("rows", "polars")()

    found = audit("main", store=repository.store, rows=rows, secrets={}, progress=quiet)

    assert (found.commits, found.free, found.judged, len(found.unjudged)) == (8, 3, 4, 1)
    assert [one.guarded for one in found.rule_changes] == [True, False, True]
