"""Whether everything on a guarded branch came through its gate. Nothing here writes.

The store refuses what was not judged, but a server may let others in, and an
administrator may go round any door. So the audit trusts history alone: it walks the
branch's own commits (first parents), by their ids. From the first that guards the branch on,
each must carry a passing verdict of its own content, of the head it stands on and of that head's
rules, with the signature that those ask for. A time without a gate in between is a finding, and
so is what came then. What a reset has taken out of history shows only where the store remembers
it, or where the auditor does (`since`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from datahub.core.errors import BranchNotFound, ConfigError, InputError, RefNotFound
from datahub.core.layout import RULES, VERDICT
from datahub.core.signing import Secrets, is_signed
from datahub.core.verdict import Verdict
from datahub.core.versions import Commit, suite_hash, touches
from datahub.flow.publish.explained import Explaining
from datahub.flow.publish.verdicts import gates_at, own_verdict, signed_by_at
from datahub.flow.steps import Progress
from datahub.ports import Remembering, Rows, VersionStore

_WHOLE = 64  # digits of an id
_ID = re.compile(r"[0-9a-f]{8,64}")


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

    `clean` says that nothing was found. `guarded_since` is the commit from which its guard holds
    (None: it never did) and `free` counts those before. `ungated` took the guard off;
    `unexplained` brought annotations, labels or votes that no step of datahub's brought. `moved`
    are heads that the store remembers and the branch does not hold any more. With `since`, only
    what came after that commit was looked at; `since_fault` says why that was not possible.

    Of the judged, `signed` carry a good signature; that of `unchecked` cannot be told: the secret
    that they name is not known here.
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
    guarded_since: str | None
    free: int
    ungated: tuple[RuleChange, ...]
    unexplained: tuple[Unjudged, ...]
    moved: tuple[str, ...]
    since: str | None
    since_fault: str
    clean: bool


@dataclass
class _Findings:
    """What is found on the way, from the oldest commit to the newest."""

    judged: int = 0
    signed: int = 0
    free: int = 0
    guarded_since: str | None = None
    unchecked: list[str] = field(default_factory=list)
    unjudged: list[Unjudged] = field(default_factory=list)
    changes: list[RuleChange] = field(default_factory=list)
    ungated: list[RuleChange] = field(default_factory=list)


def audit(
    branch: str,
    *,
    store: VersionStore,
    rows: Rows,
    secrets: Secrets,
    progress: Progress,
    since: str | None = None,
) -> Audit:
    """Read a branch's history. Raises BranchNotFound, RefNotFound, InputError (`since` is no id).

    A branch that was never guarded is not clean: nothing vouches for it.
    """
    heads = store.branches()
    if branch not in heads:
        raise BranchNotFound(branch)
    head = heads[branch]
    line = list(_own_commits(store, head))
    pin, since_fault = _pinned(store, branch, line, since)
    after_pin = line[: [commit.id for commit in line].index(pin)] if pin else line
    found = _walked(store, branch, after_pin, pin, secrets, progress)
    unexplained = _unexplained(store, rows, head, pin)
    moved = _moved(store, branch, line, pin)
    guarded = _guards(store, head, branch)
    wrong = (found.unjudged, found.unchecked, found.ungated, unexplained, moved, since_fault)
    return Audit(
        branch=branch,
        head=head,
        guarded=guarded,
        commits=len(after_pin),
        judged=found.judged,
        signed=found.signed,
        unchecked=tuple(found.unchecked[::-1]),
        unjudged=tuple(found.unjudged[::-1]),
        rule_changes=tuple(found.changes[::-1]),
        guarded_since=found.guarded_since,
        free=found.free,
        ungated=tuple(found.ungated[::-1]),
        unexplained=unexplained,
        moved=moved,
        since=pin or since,
        since_fault=since_fault,
        clean=found.guarded_since is not None and not any(wrong),
    )


def _own_commits(store: VersionStore, head: str) -> Iterator[Commit]:
    known = {commit.id: commit for commit in store.log(head)}
    commit = known[head]
    while True:
        yield commit
        if not commit.parents:
            return
        commit = known.get(commit.parents[0]) or store.commit_at(commit.parents[0])


def _pinned(
    store: VersionStore, branch: str, line: Sequence[Commit], since: str | None
) -> tuple[str | None, str]:
    """The commit after which to look, and what is wrong with it."""
    if since is None:
        return None, ""
    if not _ID.fullmatch(since):
        raise InputError(
            f"{since!r} is no commit id: names can be moved, and so they pin nothing.",
            hint="Give the id that you wrote down, 8 digits of it or more. `datahub log` has ids.",
        )
    try:
        pin = store.commit_at(since).id
    except RefNotFound:
        if len(since) < _WHOLE:
            raise
        return None, f"{since[:12]} is not in this repository any more"
    if pin not in {commit.id for commit in line}:
        return None, f"{pin[:12]} is not on {branch}'s own line: {branch} was moved off it"
    return pin, "" if _guards(store, pin, branch) else f"no gate held on {branch} at {pin[:12]}"


def _walked(
    store: VersionStore,
    branch: str,
    line: Sequence[Commit],
    pin: str | None,
    secrets: Secrets,
    progress: Progress,
) -> _Findings:
    found = _Findings(guarded_since=pin)
    before = bool(pin) and _guards(store, str(pin), branch)
    for done, commit in enumerate(reversed(line), start=1):
        progress("audit", done, len(line))
        after = _guards(store, commit.id, branch)
        _hold(store, branch, commit, found, secrets, before=before, after=after)
        before = after
    return found


def _hold(
    store: VersionStore,
    branch: str,
    commit: Commit,
    found: _Findings,
    secrets: Secrets,
    *,
    before: bool,
    after: bool,
) -> None:
    """One commit, with whether its branch is guarded before it and after it."""
    if not before and found.guarded_since is None:
        found.free += 1
        found.guarded_since = commit.id if after else None
    if not commit.parents:
        return
    why: list[str] = []
    verdict = own_verdict(store, commit)
    if before:
        why, verdict = _faults(store, commit)
        seal = ""
        if not why:
            why, seal = _signature(store, commit, branch, secrets)
        found.judged += not why
        found.signed += seal == "good"
        found.unchecked += [commit.id] if seal == "unchecked" else []
    elif found.guarded_since not in (None, commit.id) and not _guards_again(store, commit, after):
        why = [f"it came while {branch} had no gate"]
    if why:
        found.unjudged.append(
            Unjudged(commit.id, commit.message, commit.author, commit.time, (*why,))
        )
    if (before or after) and _changes_rules(store, commit):
        reason = verdict.reason if verdict and verdict.kind == "rules" else ""
        change = RuleChange(commit.id, reason, commit.author, commit.time, after)
        found.changes.append(change)
        found.ungated += [change] if before and not after else []


def _guards_again(store: VersionStore, commit: Commit, after: bool) -> bool:
    """Whether a commit puts a branch back under guard, and does nothing else."""
    changed = store.changes(commit.parents[0], commit.id)
    rules, data = touches(change.path for change in changed)
    return after and rules and not data and not _faults(store, commit)[0]


def _unexplained(
    store: VersionStore, rows: Rows, head: str, pin: str | None
) -> tuple[Unjudged, ...]:
    """Commits of all that the branch holds, merged ones too."""
    seen = {commit.id for commit in store.log(pin)} if pin else set()
    explaining = Explaining(store, rows)
    found = []
    for commit in store.log(head):
        why = [] if commit.id in seen else explaining.faults(commit)
        why += explaining.labels(head) if commit.id == head else []
        if why:
            found.append(Unjudged(commit.id, commit.message, commit.author, commit.time, (*why,)))
    return tuple(found)


def _moved(
    store: VersionStore, branch: str, line: Sequence[Commit], pin: str | None
) -> tuple[str, ...]:
    """Heads that the store remembers and that are not on the line; after the pin, if there is one.

    Of one that is not in the store any more nobody can tell whether it came after the pin.
    """
    if not isinstance(store, Remembering):
        return ()
    own = {commit.id for commit in line}
    off = [head for head in store.stood(branch) if head not in own]
    return tuple(head for head in off if pin is None or _stands_on(store, head, pin))


def _stands_on(store: VersionStore, head: str, pin: str) -> bool:
    try:
        return any(commit.id == pin for commit in _own_commits(store, head))
    except (RefNotFound, KeyError):
        return False


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
