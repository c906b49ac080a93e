"""Whether everything on a guarded branch came through its gate. Nothing here writes.

The store refuses what was not judged, but a server may let others in, and an
administrator may go round any door. So the audit trusts history alone: it walks the
branch's own commits (first parents), and each that stands on a guarded one must carry
a passing verdict of its own content, of the head it stands on and of that head's
rules, with the signature that those ask for. It cannot see what a reset has taken out of history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from datahub.core.errors import BranchNotFound, ConfigError
from datahub.core.layout import RULES, VERDICT
from datahub.core.signing import Secrets, is_signed
from datahub.core.verdict import Verdict
from datahub.core.versions import Commit, suite_hash, touches
from datahub.flow.steps import Progress
from datahub.flow.verdicts import gates_at, own_verdict, signed_by_at
from datahub.ports import VersionStore


@dataclass(frozen=True)
class Unjudged:
    """A commit on a guarded branch that did not come through its gate, and how that shows."""

    commit: str
    message: str
    author: str
    time: datetime
    why: tuple[str, ...]


@dataclass(frozen=True)
class RuleChange:
    """A commit that changed the rules of a guarded branch, or put it under guard."""

    commit: str
    reason: str
    author: str
    time: datetime
    guarded: bool  # whether the branch is guarded from here on


@dataclass(frozen=True)
class Audit:
    """What a branch's history shows; `guarded` is its head's state, `judged` commits passed.

    Of those `signed` carry a good signature; that of `unchecked` cannot be told: the secret that
    they name is not known here.
    """

    branch: str
    head: str
    guarded: bool
    commits: int
    judged: int
    signed: int
    unchecked: tuple[str, ...]
    unjudged: tuple[Unjudged, ...]
    rule_changes: tuple[RuleChange, ...]


def audit(branch: str, *, store: VersionStore, secrets: Secrets, progress: Progress) -> Audit:
    """Read a branch's history, newest first. Raises BranchNotFound.

    A branch that was never guarded has nothing to answer for: all its commits are free.
    """
    if branch not in store.branches():
        raise BranchNotFound(branch)
    line = list(_own_commits(store, branch))
    unjudged, changes, judged = list[Unjudged](), list[RuleChange](), 0
    signed, unchecked = 0, list[str]()
    for done, commit in enumerate(line, start=1):
        progress("audit", done, len(line))
        if not commit.parents:
            continue
        before, after = (_guards(store, ref, branch) for ref in (commit.parents[0], commit.id))
        why, verdict = _faults(store, commit) if before else ([], own_verdict(store, commit))
        seal = ""
        if before and not why:
            why, seal = _signature(store, commit, branch, secrets)
        signed += seal == "good"
        unchecked += [commit.id] if seal == "unchecked" else []
        if why:
            unjudged.append(
                Unjudged(commit.id, commit.message, commit.author, commit.time, (*why,))
            )
        judged += before and not why
        if (before or after) and _changes_rules(store, commit):
            reason = verdict.reason if verdict and verdict.kind == "rules" else ""
            changes.append(RuleChange(commit.id, reason, commit.author, commit.time, after))
    head = line[0].id
    return Audit(
        branch=branch,
        head=head,
        guarded=_guards(store, head, branch),
        commits=len(line),
        judged=judged,
        signed=signed,
        unchecked=tuple(unchecked),
        unjudged=tuple(unjudged),
        rule_changes=tuple(changes),
    )


def _own_commits(store: VersionStore, branch: str) -> Iterator[Commit]:
    known = {commit.id: commit for commit in store.log(branch)}
    commit = store.commit_at(branch)
    while True:
        yield commit
        if not commit.parents:
            return
        commit = known.get(commit.parents[0]) or store.commit_at(commit.parents[0])


def _guards(store: VersionStore, ref: str, branch: str) -> bool:
    try:
        return bool(gates_at(store, ref, branch))
    except ConfigError:  # rules that nobody can read guard, as they do in the store
        return True


def _changes_rules(store: VersionStore, commit: Commit) -> bool:
    return bool(store.changes(commit.parents[0], commit.id, RULES))


def _signature(
    store: VersionStore, commit: Commit, branch: str, secrets: Secrets
) -> tuple[list[str], Literal["", "good", "unchecked"]]:
    """What is wrong with the signature of a verdict; else what it is ("": none was asked for)."""
    key = signed_by_at(store, commit.parents[0], branch)
    if not key:
        return [], ""
    written = store.read(store.objects(commit.id, VERDICT)[VERDICT])
    signature = Verdict.from_json(written).signature
    if not signature:
        return ["its verdict is not signed"], ""
    if not signature.startswith(f"{key}:"):
        return ["its verdict is signed by another secret than the rules name"], ""
    if key not in secrets:
        return [], "unchecked"
    if not is_signed(written, branch, secrets[key]):
        return ["its verdict is not what was signed"], ""
    return [], "good"


def _faults(store: VersionStore, commit: Commit) -> tuple[list[str], Verdict | None]:
    """What is wrong with how a commit came onto a guarded branch; nothing when it was judged."""
    verdict = own_verdict(store, commit)
    if verdict is None:
        kind = "a merge" if len(commit.parents) > 1 else "a commit"
        return [f"{kind} without a verdict of its own"], None
    head_rules = store.objects(commit.parents[0], RULES)
    changed = store.changes(commit.parents[0], commit.id)
    rules, data = touches(change.path for change in changed)
    found = [
        what
        for what, wrong in (
            ("its verdict is a refusal", not verdict.passed),
            ("its verdict is of other content", verdict.content_id != store.content_of(commit.id)),
            ("its verdict is of another head", verdict.judged_head != commit.parents[0]),
            (
                "its verdict is by other rules",
                verdict.kind == "data" and verdict.suite_hash != suite_hash(head_rules),
            ),
            ("it changes rules together with data", rules and data),
            ("it changes rules under a verdict on data", rules and verdict.kind != "rules"),
            ("it changes data under a verdict on rules", data and verdict.kind == "rules"),
            ("it changes rules for no reason", rules and not verdict.reason.strip()),
        )
        if wrong
    ]
    return found, verdict
