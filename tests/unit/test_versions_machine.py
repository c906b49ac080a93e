"""The embedded store against a naive model in memory: any sequence of verbs, the same answers."""

from __future__ import annotations

import datetime as dt
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.core.errors import (
    BranchExists,
    DatahubError,
    NothingToCommit,
    RefNotFound,
    TagExists,
    TagNotFound,
)
from datahub.core.verdict import Verdict
from datahub.core.versions import content_id, merged_changes, suite_hash
from datahub.machine.bytes.files import ObjectFiles

pytestmark = pytest.mark.slow

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
FUTURE = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
BRANCHES = st.sampled_from(["main", "one", "two"])
TAGS = st.sampled_from(["v1", "v2"])
PATHS = st.sampled_from([f"rows/{i:02d}" for i in range(30)] + ["a", "z/1"])
CHANGES = st.dictionaries(PATHS, st.none() | st.sampled_from([b"1", b"2", b"3"]), max_size=6)


@dataclass(frozen=True)
class Plain:
    """A commit as a model needs it."""

    files: dict[str, str]
    parents: tuple[str, ...]


class Machine(RuleBasedStateMachine):
    """Commits by id, names by name; whole mappings, copied."""

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        self.store = EmbeddedVersionStore.create(
            ObjectFiles(Path(self.place.name) / ".datahub"), branch="main", author="a", time=TIME
        )
        root = self.store.commit_at("main").id
        self.commits = {root: Plain({}, ())}
        self.heads, self.tags = {"main": root}, dict[str, str]()

    def teardown(self) -> None:
        self.place.cleanup()

    def files(self, ref: str) -> dict[str, str]:
        held = self.store.objects(ref)
        return {path: oid for path, oid in held.items() if not path.startswith("_datahub/")}

    @rule(branch=BRANCHES, changes=CHANGES)
    def commit(self, branch: str, changes: dict[str, bytes | None]) -> None:
        if branch not in self.heads:
            return
        old = self.heads[branch]
        files = dict(self.commits[old].files)
        for path, content in changes.items():
            files.pop(path, None)
            if content is not None:
                files[path] = sha256(content).hexdigest()
        stored = {p: None if c is None else self.store.put(c) for p, c in changes.items()}
        try:
            made = self.store.commit(
                branch, stored, message="", author="a", time=TIME, expected=old
            ).id
        except NothingToCommit:
            assert files == self.commits[old].files
            return
        assert files != self.commits[old].files
        self.commits[made] = Plain(files, (old,))
        self.heads[branch] = made

    @rule(name=BRANCHES, at=BRANCHES | TAGS)
    def create_branch(self, name: str, at: str) -> None:
        target = self.heads.get(at) or self.tags.get(at)
        try:
            self.store.create_branch(name, at=at)
        except BranchExists:
            assert name in self.heads
        except RefNotFound:
            assert target is None
        else:
            assert name not in self.heads
            assert target is not None
            self.heads[name] = target

    @rule(name=BRANCHES)
    def delete_branch(self, name: str) -> None:
        if name in self.heads and name != "main":
            self.store.delete_branch(name)
            del self.heads[name]

    @rule(name=TAGS, at=BRANCHES)
    def create_tag(self, name: str, at: str) -> None:
        try:
            self.store.create_tag(name, at=at)
        except TagExists:
            assert name in self.tags
        except RefNotFound:
            assert at not in self.heads
        else:
            assert name not in self.tags
            self.tags[name] = self.heads[at]

    @rule(name=TAGS)
    def delete_tag(self, name: str) -> None:
        try:
            self.store.delete_tag(name)
        except TagNotFound:
            assert name not in self.tags
        else:
            del self.tags[name]

    @rule(into=BRANCHES, source=BRANCHES)
    def merge(self, into: str, source: str) -> None:
        if into not in self.heads or source not in self.heads:
            return
        ours, theirs = self.heads[into], self.heads[source]
        base = self.store.merge_base(ours, theirs).id
        assert base in self.ancestors(ours) & self.ancestors(theirs)
        changes, conflicts = merged_changes(
            self.store.changes(base, ours), self.store.changes(base, theirs)
        )
        expected = dict(self.commits[ours].files)
        clash = []
        for path in self.commits[base].files | self.commits[theirs].files:
            was, our, their = (self.commits[c].files.get(path) for c in (base, ours, theirs))
            if their in (was, our):
                continue
            if our != was:
                clash.append(path)
            else:
                expected.pop(path, None)
                if their is not None:
                    expected[path] = their
        assert conflicts == sorted(clash)
        if conflicts or base == theirs:
            return
        candidate = self.store.propose(
            theirs, into=into, changes=changes, message="", author="a", time=TIME, expected=ours
        )
        assert candidate.content_id == content_id(expected)
        verdict = Verdict(
            passed=True,
            content_id=candidate.content_id,
            source=theirs,
            judged_head=ours,
            suite_hash=suite_hash({}),
            time=TIME,
        )
        made = self.store.land(candidate, verdict).id
        self.commits[made] = Plain(expected, (ours, theirs))
        self.heads[into] = made

    @rule()
    def collect(self) -> None:
        """What no name reaches is forgotten by both."""
        self.store.collect(before=FUTURE, dry_run=False)
        named = [*self.heads.values(), *self.tags.values()]
        kept = set().union(*(self.ancestors(commit) for commit in named))
        for lost in self.commits.keys() - kept:
            try:
                self.store.commit_at(lost)
            except DatahubError:
                continue
            raise AssertionError(f"{lost} is still there")
        self.commits = {commit: self.commits[commit] for commit in kept}

    def ancestors(self, commit: str) -> set[str]:
        found, waiting = set[str](), [commit]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self.commits[one].parents
        return found

    @invariant()
    def answers_are_the_models(self) -> None:
        if not hasattr(self, "heads"):
            return
        assert self.store.branches() == self.heads
        assert self.store.tags() == self.tags
        for name, head in self.heads.items():
            assert self.files(name) == self.commits[head].files
            assert self.store.content_of(name) == content_id(self.commits[head].files)
            assert {commit.id for commit in self.store.log(name)} == self.ancestors(head)

    @rule()
    def check(self) -> None:
        assert self.store.check() == []


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
