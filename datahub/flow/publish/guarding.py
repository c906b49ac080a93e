"""Whether each of a guarded branch's own commits was judged by the rules of its head.

`History` is the line of first parents, and what it does not hold any more. `Walk` looks at its
commits from the oldest to the newest, and counts each once: before the guard, judged, or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from datahub.core.errors import ConfigError, InputError, RefNotFound
from datahub.core.layout import RULES, VERDICT
from datahub.core.signing import Secrets, is_signed
from datahub.core.verdict import Verdict
from datahub.core.versions import Commit, CommitId, suite_hash, touches
from datahub.flow.publish.verdicts import gates_at, own_verdict, signed_by_at
from datahub.ports import Remembering, VersionStore

_WHOLE = 64  # digits of an id
_ID = re.compile(r"[0-9a-f]{8,64}")
_Seal = Literal["", "good", "unchecked"]  # of a signature; "": none was asked for


@dataclass(frozen=True)
class Finding:
    """A commit on a guarded branch that did not come through its gate, and how that shows."""

    commit: str
    message: str
    author: str
    time: datetime
    why: tuple[str, ...]

    @classmethod
    def of(cls, commit: Commit, why: Sequence[str]) -> Finding:
        """A commit, with what is wrong with it."""
        return cls(commit.id, commit.message, commit.author, commit.time, tuple(why))


@dataclass(frozen=True)
class RuleChange:
    """A commit that changed the rules of a guarded branch, or put it under guard."""

    commit: str
    reason: str
    author: str
    time: datetime
    guarded: bool  # whether the branch is guarded from here on


class History:
    """What a branch holds: its own line of commits, newest first, and all that they reach."""

    def __init__(self, store: VersionStore, branch: str, head: CommitId) -> None:
        self._store = store
        self._branch = branch
        self.log = store.log(head)
        self._commits = {commit.id: commit for commit in self.log}
        self.head = self._commits[head]

    @cached_property
    def line(self) -> list[Commit]:
        """First parents, from the head to the first commit."""
        return list(self._line_of(self.head))

    def after(self, pin: CommitId | None) -> list[Commit]:
        """Commits of the line that came after one of it (None: all), oldest first."""
        line = self.line
        return line[: [commit.id for commit in line].index(pin) if pin else len(line)][::-1]

    def resolve_pin(self, since: str | None) -> tuple[CommitId | None, str]:
        """The commit after which to look, and what is wrong with it."""
        if since is None:
            return None, ""
        if not _ID.fullmatch(since):
            raise InputError(
                f"{since!r} is no commit id: names can be moved, and so pin nothing.",
                hint="Give the id that you wrote down, 8 digits of it or more. "
                "`datahub log` has ids.",
            )
        branch = self._branch
        try:
            pin = self._store.commit_at(since).id
        except RefNotFound:
            if len(since) < _WHOLE:
                raise
            return None, f"{since[:12]} is not in this repository any more"
        if pin not in {commit.id for commit in self.line}:
            return None, f"{pin[:12]} is not on {branch}'s own line: {branch} was moved off it"
        if is_guarded(self._store, pin, branch):
            return pin, ""
        return pin, f"no gate held on {branch} at {pin[:12]}"

    def lost_heads(self, pin: CommitId | None) -> tuple[CommitId, ...]:
        """Heads that the store remembers and that are not on the line; after the pin, if any.

        Of one that is not in the store any more nobody can tell whether it came after the pin.
        """
        if not isinstance(self._store, Remembering):
            return ()
        own = {commit.id for commit in self.line}
        heads = [head for head in self._store.stood(self._branch) if head not in own]
        return tuple(head for head in heads if pin is None or self._stands_on(head, pin))

    def _stands_on(self, head: CommitId, pin: CommitId) -> bool:
        try:
            line = self._line_of(self._store.commit_at(head))
            return any(commit.id == pin for commit in line)
        except (RefNotFound, KeyError):
            return False

    def _line_of(self, commit: Commit) -> Iterator[Commit]:
        yield commit
        while commit.parents:
            parent = commit.parents[0]
            commit = self._commits.get(parent) or self._store.commit_at(parent)
            yield commit


class Walk:
    """What the commits of a line show, from the oldest to the newest."""

    def __init__(
        self, store: VersionStore, branch: str, secrets: Secrets, pin: CommitId | None
    ) -> None:
        self._store = store
        self._branch = branch
        self._secrets = secrets
        self._guarded = pin is not None and is_guarded(store, pin, branch)
        self.guarded_since = pin
        self.free = 0
        self.judged = 0
        self.signed = 0
        self.unchecked: list[CommitId] = []
        self.unjudged: list[Finding] = []
        self.changes: list[RuleChange] = []
        self.ungated: list[RuleChange] = []

    def look_at(self, commit: Commit) -> None:
        """Count a commit: it is free, judged or not."""
        before, after = self._guarded, is_guarded(self._store, commit.id, self._branch)
        self._guarded = after
        if self.guarded_since is None:
            self.free += 1
            self.guarded_since = commit.id if after else None
        elif before:
            self._judge(commit)
        elif after and self._guards_again(commit):
            self.judged += 1  # by nothing but the new rules: there were none
        else:
            why = [f"it came while {self._branch} had no gate"]
            self.unjudged.append(Finding.of(commit, why))
        if before or after:
            self._note_rules(commit, before=before, after=after)

    def _judge(self, commit: Commit) -> None:
        why = faults_of(self._store, commit, self._branch)
        seal: _Seal = ""
        if not why:
            why, seal = self._signature(commit)
        self.signed += seal == "good"
        self.unchecked += [commit.id] if seal == "unchecked" else []
        if why:
            self.unjudged.append(Finding.of(commit, why))
        else:
            self.judged += 1

    def _guards_again(self, commit: Commit) -> bool:
        """Whether a commit puts the branch back under guard, and does nothing else."""
        changes = self._store.changes(commit.parents[0], commit.id)
        rules, data = touches(change.path for change in changes)
        return rules and not data and not faults_of(self._store, commit, self._branch)

    def _note_rules(self, commit: Commit, *, before: bool, after: bool) -> None:
        parents = commit.parents
        if not parents or not self._store.changes(parents[0], commit.id, RULES):
            return
        verdict = own_verdict(self._store, commit)
        reason = verdict.reason if verdict and verdict.kind == "rules" else ""
        change = RuleChange(commit.id, reason, commit.author, commit.time, after)
        self.changes.append(change)
        self.ungated += [change] if before and not after else []

    def _signature(self, commit: Commit) -> tuple[list[str], _Seal]:
        """What is wrong with the signature of a verdict; else what it is."""
        store = self._store
        key = signed_by_at(store, commit.parents[0], self._branch)
        if not key:
            return [], ""
        content = store.read(store.objects(commit.id, VERDICT)[VERDICT])
        signature = Verdict.from_json(content).signature
        if not signature:
            return ["its verdict is not signed"], ""
        if not signature.startswith(f"{key}:"):
            return ["its verdict is signed by another secret than the rules name"], ""
        if key not in self._secrets:
            return [], "unchecked"
        if not is_signed(content, self._branch, self._secrets[key]):
            return ["its verdict is not what was signed"], ""
        return [], "good"


def is_guarded(store: VersionStore, ref: str, branch: str) -> bool:
    """Whether a commit guards a branch; rules that nobody can read do, as they do in the store."""
    try:
        return bool(gates_at(store, ref, branch))
    except ConfigError:
        return True


def faults_of(store: VersionStore, commit: Commit, branch: str) -> list[str]:
    """What is wrong with how a commit came onto a guarded branch; nothing when it was judged."""
    verdict = own_verdict(store, commit)
    if verdict is None:
        kind = "a merge" if len(commit.parents) > 1 else "a commit"
        return [f"{kind} without a verdict of its own"]
    [head] = commit.parents[:1]
    rules, data = touches(change.path for change in store.changes(head, commit.id))
    of_data = verdict.kind == "data"
    wrong = {
        "its verdict is a refusal": not verdict.passed,
        "its verdict is of other content": verdict.content_id != store.content_of(commit.id),
        "its verdict is of another head": verdict.judged_head != head,
        "its verdict is of another branch": verdict.into not in ("", branch),
        "its verdict is by other rules": of_data
        and verdict.suite_hash != suite_hash(store.objects(head, RULES)),
        "it changes rules together with data": rules and data,
        "it changes rules under a verdict on data": rules and verdict.kind != "rules",
        "it changes data under a verdict on rules": data and verdict.kind == "rules",
        "it changes rules for no reason": rules and not verdict.reason.strip(),
    }
    return [fault for fault, is_wrong in wrong.items() if is_wrong]
