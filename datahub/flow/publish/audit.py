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

from dataclasses import dataclass

from datahub.core.errors import BranchNotFound
from datahub.core.signing import Secrets
from datahub.flow.publish.explained import Explaining
from datahub.flow.publish.guarding import Finding, History, RuleChange, Walk, is_guarded
from datahub.flow.steps import Progress
from datahub.ports import Rows, VersionStore


@dataclass(frozen=True)
class Audit:
    """What a branch's history shows; `guarded` is its head's state, `judged` commits passed.

    Every commit is counted once: `commits` is `free`, `judged` and the `unjudged` together.
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
    unjudged: tuple[Finding, ...]
    rule_changes: tuple[RuleChange, ...]
    guarded_since: str | None
    free: int
    ungated: tuple[RuleChange, ...]
    unexplained: tuple[Finding, ...]
    moved: tuple[str, ...]
    since: str | None
    since_fault: str
    clean: bool


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
    history = History(store, branch, heads[branch])
    pin, since_fault = history.resolve_pin(since)
    after_pin = history.after(pin)
    walk = Walk(store, branch, secrets, pin)
    for number, commit in enumerate(after_pin, start=1):
        progress("audit", number, len(after_pin))
        walk.look_at(commit)
    findings = _find_unexplained(store, rows, history, pin)
    lost_heads = history.lost_heads(pin)
    faults = (walk.unjudged, walk.unchecked, walk.ungated, findings, lost_heads, since_fault)
    return Audit(
        branch=branch,
        head=history.head.id,
        guarded=is_guarded(store, history.head.id, branch),
        commits=len(after_pin),
        judged=walk.judged,
        signed=walk.signed,
        unchecked=tuple(walk.unchecked[::-1]),
        unjudged=tuple(walk.unjudged[::-1]),
        rule_changes=tuple(walk.changes[::-1]),
        guarded_since=walk.guarded_since,
        free=walk.free,
        ungated=tuple(walk.ungated[::-1]),
        unexplained=findings,
        moved=lost_heads,
        since=pin or since,
        since_fault=since_fault,
        clean=walk.guarded_since is not None and not any(faults),
    )


def _find_unexplained(
    store: VersionStore, rows: Rows, history: History, pin: str | None
) -> tuple[Finding, ...]:
    """Commits of all that the branch holds, merged ones too."""
    trusted_ids = {commit.id for commit in store.log(pin)} if pin else set()
    explainer = Explaining(store, rows, [commit.id for commit in history.log])
    findings = []
    for commit in history.log:
        why = [] if commit.id in trusted_ids else explainer.faults(commit)
        why += explainer.labels(commit) if commit == history.head else []
        if why:
            findings.append(Finding.of(commit, why))
    return tuple(findings)
