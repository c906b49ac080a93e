"""What the rules of a branch say of a candidate, and what a commit's verdict was.

The rules are the destination's own: what a candidate brings under expectations/ judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal

from datahub.core.errors import ConfigError, GateError, SuiteNotFound
from datahub.core.layout import GATES, RULES, VERDICT
from datahub.core.signing import Secrets, secret_for, sign_verdict
from datahub.core.verdict import (
    CheckFailure,
    Gate,
    Verdict,
    gates_of,
    guards,
    refusing,
    signed_by,
)
from datahub.core.versions import Candidate, Commit, Objects, suite_hash, touches
from datahub.flow.dataset.at import At
from datahub.flow.publish.consistency import disowned, mismatches, misplaced, unfinished
from datahub.ports import GateEngine, Rows, VersionStore


def judge(
    candidate: Candidate,
    *,
    store: VersionStore,
    rows: Rows,
    gate: GateEngine,
    time: datetime,
    reason: str,
) -> Verdict:
    """The verdict of the destination's rules on exactly this candidate."""
    head_rules = store.objects(candidate.judged_head, RULES)
    changed = store.changes(candidate.judged_head, candidate.id)
    rules, content = touches(change.path for change in changed)
    kind: Literal["data", "rules"] = "rules" if rules and not content else "data"
    if kind == "rules":
        failures: list[CheckFailure] = []
        checks = _check_rules(store.objects(candidate.id, RULES), store=store, gate=gate)
    else:
        checks, failures = _judge_data(candidate, head_rules, store=store, rows=rows, gate=gate)
    return Verdict(
        passed=not refusing(failures),
        content_id=candidate.content_id,
        source=candidate.source,
        judged_head=candidate.judged_head,
        suite_hash=suite_hash(head_rules),
        time=time,
        kind=kind,
        failures=tuple(failures),
        checks=checks,
        reason=reason,
    )


def _judge_data(
    candidate: Candidate,
    head_rules: Objects,
    *,
    store: VersionStore,
    rows: Rows,
    gate: GateEngine,
) -> tuple[int, list[CheckFailure]]:
    """How many expectations the destination's gates have, and what failed of them."""
    bounds = gates_at(store, candidate.judged_head, candidate.into)
    merge = {
        name: At.of(store, rows, candidate.id, name)
        for name in sorted({bound.dataset for bound in bounds})
    }
    failures = _apart(bounds, merge)
    apart = {failure.dataset for failure in failures}  # of those there is nothing to judge
    checks = 0
    for bound in (bound for bound in bounds if bound.dataset not in apart):
        at = merge[bound.dataset]
        count, faults = _judge_one(bound, at, head_rules, into=candidate.into, gate=gate)
        checks += count
        failures += faults
    return checks, failures


def sign(
    verdict: Verdict, candidate: Candidate, *, store: VersionStore, secrets: Secrets
) -> Verdict:
    """The verdict, signed where the rules that judged it ask for that. Raises ConfigError."""
    asked = signed_by_at(store, candidate.judged_head, candidate.into)
    if not asked:
        return verdict
    return sign_verdict(verdict, candidate.into, secret_for(asked, secrets))


def check_secret(candidate: Candidate, *, store: VersionStore, secrets: Secrets) -> None:
    """Raise ConfigError where a secret is missing that the rules before or after a merge name."""
    for ref in (candidate.judged_head, candidate.id):
        asked = signed_by_at(store, ref, candidate.into)
        if asked:
            secret_for(asked, secrets)


def signed_by_at(store: VersionStore, ref: str, branch: str) -> str:
    """The id of the secret that a commit's rules name for a branch they guard; empty for none."""
    try:
        if not gates_at(store, ref, branch):
            return ""
        return signed_by(store.read(store.objects(ref, GATES)[GATES]))
    except ConfigError:  # rules that nobody can read ask for nothing: they have to be fixed
        return ""


def gates_at(store: VersionStore, ref: str, branch: str) -> list[Gate]:
    """The gates that a commit's rules bind to a branch."""
    oid = store.objects(ref, GATES).get(GATES)
    return guards(gates_of(None if oid is None else store.read(oid)), branch)


def own_verdict(store: VersionStore, commit: Commit) -> Verdict | None:
    """The verdict that this very commit brought; one that it inherited, or unreadable, is none."""
    own = store.objects(commit.id, VERDICT).get(VERDICT)
    if own is None or not commit.parents:
        return None
    if own == store.objects(commit.parents[0], VERDICT).get(VERDICT):
        return None
    written = store.read(own)  # bytes that cannot be had are no missing verdict: that raises
    try:
        return Verdict.from_json(written)
    except (ConfigError, ValueError, TypeError, KeyError):
        return None


def verdict_at(store: VersionStore, ref: str) -> Verdict | None:
    """The verdict of the last merge in a commit, if there was one."""
    oid = store.objects(ref, VERDICT).get(VERDICT)
    return None if oid is None else Verdict.from_json(store.read(oid))


def _apart(bounds: list[Gate], merge: Mapping[str, At]) -> list[CheckFailure]:
    """Failures for datasets whose labels are not of their rows, or not of their votes.

    Rows that have no label yet are one only where a gate asks about labels.
    """
    failures = []
    for name, at in merge.items():
        if not at.exists:
            continue
        faults = mismatches(at)
        if any(bound.dataset == name and bound.table != "rows" for bound in bounds):
            faults += unfinished(at)
        faults = faults or misplaced(at) or disowned(at)
        failures += [
            CheckFailure(
                "datahub",
                "tables_belong_together",
                f"{fault}: run `datahub lf run` and `datahub label fit` on the source branch.",
                name,
            )
            for fault in faults
        ]
    return failures


def _judge_one(
    bound: Gate, at: At, head_rules: Objects, *, into: str, gate: GateEngine
) -> tuple[int, list[CheckFailure]]:
    """How many expectations a gate has, and what failed of them."""
    if bound.suite not in head_rules:
        missing = f"The suite is not committed on {into!r}: what is missing refuses."
        return 1, [CheckFailure(bound.suite, "suite", missing, bound.dataset)]
    suite = at.store.read(head_rules[bound.suite])
    checks = gate.check_suite(suite, name=bound.suite)
    if not at.has(bound.table):
        raise _no_table(bound, into, known=at.exists)
    paths, instead = at.patched_files(bound.table)
    failures = gate.judge(paths, suite, name=bound.suite, key=at.key, instead=instead)
    return checks, [replace(failure, dataset=bound.dataset) for failure in failures]


def _no_table(bound: Gate, into: str, *, known: bool) -> GateError:
    return GateError(
        f"The gate of {into!r} asks about {bound.table} of {bound.dataset!r}, which "
        + ("has none" if known else "is not there")
        + " in this merge.",
        hint="Run `datahub lf run` and `datahub label fit` on the source branch, "
        "or fix gates.toml by `datahub gate set`.",
    )


def _check_rules(merged: Objects, *, store: VersionStore, gate: GateEngine) -> int:
    """New rules must at least be able to run: every bound suite is there and can be read."""
    checks = 0
    for bound in gates_of(store.read(merged[GATES]) if GATES in merged else None):
        if bound.suite not in merged:
            raise SuiteNotFound(bound.suite, bound.branch)
        checks += gate.check_suite(store.read(merged[bound.suite]), name=bound.suite)
    return checks
