"""What may land, and what no commit may hold: the one place that decides it for every store. Pure.

Rules are everything under `expectations/`; `_datahub/` is ours. On a guarded branch a
merge changes data under the branch's rules, or rules alone for a stated reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from datahub.core.errors import ConfigError, Guarded, InputError, SuiteNotFound
from datahub.core.layout import GATES, OWN
from datahub.core.verdict import Verdict, gates_of, guards, signed_by
from datahub.core.versions import (
    Candidate,
    Change,
    Changes,
    ObjectId,
    Objects,
    suite_hash,
    touches,
)

Read = Callable[[ObjectId], bytes]


def is_guarded(branch: str, objects: Objects, read: Read) -> bool:
    """Whether the gates.toml of a tree binds a suite to a branch; one that is unreadable does."""
    oid = objects.get(GATES)
    if oid is None:
        return False
    try:
        return bool(guards(gates_of(read(oid)), branch))
    except ConfigError:
        return True


def born_guarded(name: str, at: str) -> Guarded:
    """The error for a branch that would be guarded from its first moment."""
    return Guarded(
        name,
        f"{at!r} binds a suite to {name!r}: the branch would be born guarded, and its "
        "content unjudged.",
        hint="Take that gate out of expectations/gates.toml, cut the branch, and bind "
        f"it by `datahub gate set --into {name} --reason ...`.",
    )


def not_deleted(name: str) -> Guarded:
    """The error for the deletion of a guarded branch."""
    return Guarded(
        name,
        f"Branch {name!r} is guarded: it cannot be deleted.",
        hint=f"Remove its gate first: `datahub gate set --into {name} --reason ...`.",
    )


def check_same(candidate: Candidate, original: Candidate) -> None:
    """Raise Guarded for a candidate that says other than what was proposed under its id."""
    if candidate != original:
        raise Guarded(
            original.into,
            f"Candidate {original.id[:12]} is not what was proposed under that id.",
            hint="Merge again: that makes a new candidate and judges it.",
        )


def check_own_untouched(changes: Changes) -> None:
    """Raise InputError where a caller writes what only the store may: verdicts, the format."""
    for path in changes:
        if path.startswith(OWN) or path == OWN.rstrip("/"):
            raise InputError(
                f"{path!r} is datahub's own: no commit may write it.",
                hint=f"Leave out what lies under {OWN}.",
            )


def check_landing(
    candidate: Candidate,
    verdict: Verdict,
    *,
    changes: Sequence[Change],
    head_rules: Objects,
    merged_rules: Objects,
    has_gate: bool,
    read: Read,
) -> None:
    """Raise unless `verdict` lets this candidate, with these `changes`, onto its head."""
    _check_named(candidate, verdict, head_rules)
    rules, content = touches(change.path for change in changes)
    if has_gate:
        _check_parted(candidate.into, verdict, rules=rules, content=content)
        if not verdict.signature and _asks_signature(head_rules, read):
            raise Guarded(
                candidate.into,
                f"The rules of {candidate.into!r} ask for a signed verdict, and this one is not.",
                hint="Merge where DATAHUB_VERDICT_SECRET is set.",
            )
    if rules:
        _check_rules(merged_rules, read)


def _check_named(candidate: Candidate, verdict: Verdict, head_rules: Objects) -> None:
    """The verdict is a pass, of exactly this candidate."""
    wrong = [
        part
        for part, claim, actual in (
            ("content", verdict.content_id, candidate.content_id),
            ("source commit", verdict.source, candidate.source),
            ("head", verdict.judged_head, candidate.judged_head),
            ("branch", verdict.into or candidate.into, candidate.into),
        )
        if claim != actual
    ]
    if verdict.kind == "data" and verdict.suite_hash != suite_hash(head_rules):
        wrong.append("rules")
    if wrong:
        raise Guarded(
            candidate.into,
            f"The verdict is not of this merge: it names other {', '.join(wrong)}.",
            hint="Merge again: the gate then judges what is to land.",
        )
    if not verdict.passed:
        raise Guarded(
            candidate.into,
            f"The gate of {candidate.into!r} did not pass this merge.",
            hint="Fix what the verdict's failures name on the source branch, then merge again.",
        )


def _check_parted(into: str, verdict: Verdict, *, rules: bool, content: bool) -> None:
    """Rules and data change apart, and rules for a reason."""
    if rules and content:
        raise Guarded(
            into,
            f"This merge changes the rules of {into!r} together with its data.",
            hint="Take the changes under expectations/ out of the branch, and change the rules "
            f"by `datahub gate set --into {into} --reason ...`.",
        )
    if (verdict.kind == "rules") != rules:
        subject = "rules" if rules else "no rules"
        raise Guarded(
            into,
            f"This merge changes {subject}, and its verdict is of kind {verdict.kind!r}.",
            hint=f"Change rules by `datahub gate set --into {into} --reason ...`, and data by "
            "`datahub merge`.",
        )
    if rules and not verdict.reason.strip():
        raise Guarded(
            into,
            f"A change of the rules of {into!r} needs a reason.",
            hint='Say why: `datahub gate set --reason "tighter class balance"`.',
        )


def _asks_signature(rules: Objects, read: Read) -> bool:
    """Whether rules name a secret. Those that nobody can read do not: they have to be fixed."""
    try:
        return bool(GATES in rules and signed_by(read(rules[GATES])))
    except ConfigError:
        return False


def _check_rules(rules: Objects, read: Read) -> None:
    """New rules can be read, and every suite they bind is beside them."""
    for gate in gates_of(read(rules[GATES]) if GATES in rules else None):
        if gate.suite not in rules:
            raise SuiteNotFound(gate.suite, gate.branch)
