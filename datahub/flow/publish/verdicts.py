"""What the rules of a branch say of a candidate, and what a commit's verdict was.

The rules are the destination's own: what a candidate brings under expectations/ judges nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal

from datahub.core.check_result import CheckResult, of_dataset
from datahub.core.errors import ConfigError, GateError, SuiteNotFound
from datahub.core.gate_suite import columns_asked, suite_of
from datahub.core.layout import DATASETS, GATES, RULES, VERDICT, dataset_names
from datahub.core.signing import Secrets, secret_for, sign_verdict
from datahub.core.verdict import (
    EVERY,
    Gate,
    Verdict,
    failures_of,
    gates_of,
    guards,
    refusing,
    signed_by,
)
from datahub.core.versions import Candidate, Commit, Objects, suite_hash, touches
from datahub.flow.dataset.at import At
from datahub.flow.publish.consistency import (
    key_mismatches,
    label_gaps,
    label_mismatches,
    mismatches,
)
from datahub.flow.publish.label_rules import LabelChanges, split_suite
from datahub.flow.publish.reviewed import Checkout, reviewed
from datahub.ports import GateEngine, PartProfiles, Rows, VersionStore


def judge(
    candidate: Candidate,
    *,
    store: VersionStore,
    rows: Rows,
    gate: GateEngine,
    time: datetime,
    reason: str,
    checkout: Checkout | None,
    profiles: PartProfiles | None = None,
) -> Verdict:
    """The verdict of the destination's rules on exactly this candidate.

    Raises ChecksNotRun, with the results there are, where an expectation could not be computed.
    `checkout` reads the LFs that people review beside the candidate's, where there are any.
    """
    head_rules = store.objects(candidate.judged_head, RULES)
    changes = store.changes(candidate.judged_head, candidate.id)
    rules, content = touches(change.path for change in changes)
    kind: Literal["data", "rules"] = "rules" if rules and not content else "data"
    if kind == "rules":
        results: list[CheckResult] = []
        checks = _check_rules(candidate, store=store, rows=rows, gate=gate)
    else:
        checks, results = _judge_data(
            candidate,
            head_rules,
            store=store,
            rows=rows,
            gate=gate,
            checkout=checkout,
            profiles=profiles,
        )
    failures = failures_of(results)
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
        into=candidate.into,
        results=tuple(results),
    )


def _judge_data(
    candidate: Candidate,
    head_rules: Objects,
    *,
    store: VersionStore,
    rows: Rows,
    gate: GateEngine,
    checkout: Checkout | None,
    profiles: PartProfiles | None,
) -> tuple[int, list[CheckResult]]:
    """How many expectations the destination's gates have, and what became of each."""
    bindings = bound_gates(store, candidate.judged_head, candidate.into, candidate.id)
    merge = {
        name: At.of(store, rows, candidate.id, name)
        for name in sorted({binding.dataset for binding in bindings})
    }
    results = _apart(bindings, merge)
    apart = {result.dataset for result in results}  # of those there is nothing to judge
    for name in sorted({b.dataset for b in bindings if b.table != "rows"} - apart):
        head = At.of(store, rows, candidate.judged_head, name)
        results += reviewed(merge[name], head, checkout)
    checks, label_changes = 0, LabelChanges(store, rows, candidate.judged_head, profiles)
    for binding in (binding for binding in bindings if binding.dataset not in apart):
        at = merge[binding.dataset]
        try:
            found = _judge_one(
                binding, at, head_rules, into=candidate.into, gate=gate, changes=label_changes
            )
        except GateError as error:  # the other gates judge all the same; failures_of raises it
            found = [_not_run(binding, error)]
        checks += len(found)
        results += found
    return checks, results


def sign(
    verdict: Verdict, candidate: Candidate, *, store: VersionStore, secrets: Secrets
) -> Verdict:
    """The verdict, signed where the rules that judged it ask for that. Raises ConfigError."""
    secret_id = signed_by_at(store, candidate.judged_head, candidate.into)
    if not secret_id:
        return verdict
    return sign_verdict(verdict, candidate.into, secret_for(secret_id, secrets))


def check_secret(candidate: Candidate, *, store: VersionStore, secrets: Secrets) -> None:
    """Raise ConfigError where a secret is missing that the rules before or after a merge name."""
    for ref in (candidate.judged_head, candidate.id):
        secret_id = signed_by_at(store, ref, candidate.into)
        if secret_id:
            secret_for(secret_id, secrets)


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


def bound_gates(store: VersionStore, head: str, branch: str, merged: str) -> list[Gate]:
    """The gates of a branch by the rules of its head, one for each dataset that they speak of.

    Those of every dataset (`*`) speak of what the head has and of what is merged, so that nothing
    is ungated by being new, or by going. Raises GateError where there is no dataset at all.
    """
    gates = gates_at(store, head, branch)
    if all(gate.dataset != EVERY for gate in gates):
        return gates
    names = dataset_names({**store.objects(head, DATASETS), **store.objects(merged, DATASETS)})
    if not names:
        raise GateError(
            f"A gate of {branch!r} asks about every dataset, and there is none.",
            hint="Import one first: `datahub import`.",
        )
    return [
        replace(gate, dataset=name)
        for gate in gates
        for name in (names if gate.dataset == EVERY else [gate.dataset])
    ]


def own_verdict(store: VersionStore, commit: Commit) -> Verdict | None:
    """The verdict that this very commit brought; one that it inherited, or unreadable, is none."""
    own = store.objects(commit.id, VERDICT).get(VERDICT)
    if own is None or not commit.parents:
        return None
    if own == store.objects(commit.parents[0], VERDICT).get(VERDICT):
        return None
    content = store.read(own)  # bytes that cannot be had are no missing verdict: that raises
    try:
        return Verdict.from_json(content)
    except (ConfigError, ValueError, TypeError, KeyError):
        return None


def verdict_at(store: VersionStore, ref: str) -> Verdict | None:
    """The verdict of the last merge in a commit, if there was one."""
    oid = store.objects(ref, VERDICT).get(VERDICT)
    return None if oid is None else Verdict.from_json(store.read(oid))


def _apart(bindings: list[Gate], merge: Mapping[str, At]) -> list[CheckResult]:
    """Failures for datasets whose labels are not of their rows, or not of their votes.

    Rows that have no label yet are one only where a gate asks about labels.
    """
    failures: list[CheckResult] = []
    for name, at in merge.items():
        if not at.exists:
            continue
        faults = mismatches(at)
        if any(binding.dataset == name and binding.table != "rows" for binding in bindings):
            faults += label_gaps(at)
        faults = faults or key_mismatches(at) or label_mismatches(at)
        failures += [
            CheckResult(
                "datahub",
                "tables_belong_together",
                "failed",
                f"{fault}: run `datahub lf run` and `datahub label fit` on the source branch.",
                name,
            )
            for fault in faults
        ]
    return failures


def _judge_one(
    binding: Gate,
    at: At,
    head_rules: Objects,
    *,
    into: str,
    gate: GateEngine,
    changes: LabelChanges,
) -> list[CheckResult]:
    """What became of each expectation of a gate."""
    if binding.suite not in head_rules:
        missing = f"The suite is not committed on {into!r}: what is missing refuses."
        return [CheckResult(binding.suite, "suite", "failed", missing, binding.dataset)]
    suite = at.store.read(head_rules[binding.suite])
    own, rest = split_suite(suite, name=binding.suite)
    checks = gate.check_suite(rest, name=binding.suite) if rest is not None else 0
    if not at.has(binding.table):
        raise _no_table(binding, into, exists=at.exists)
    results: list[CheckResult] = []
    if rest is not None:
        paths, instead = at.patched_files(binding.table)
        results = gate.judge(paths, rest, name=binding.suite, key=at.key, instead=instead)
    if len(results) != checks:
        raise GateError(f"Of {checks} expectations of {binding.suite!r}, {len(results)} answered.")
    for check in own:
        results.insert(
            check.number, changes.judge(check, at, suite=binding.suite, table=binding.table)
        )
    return of_dataset(results, binding.dataset)


def _not_run(binding: Gate, error: GateError) -> CheckResult:
    return CheckResult(
        binding.suite, "suite", "could not run", error.message, binding.dataset, hint=error.hint
    )


def _no_table(binding: Gate, into: str, *, exists: bool) -> GateError:
    return GateError(
        f"The gate of {into!r} asks about {binding.table} of {binding.dataset!r}, which "
        + ("has none" if exists else "is not there")
        + " in this merge.",
        hint="Run `datahub lf run` and `datahub label fit` on the source branch, "
        "or fix gates.toml by `datahub gate set`.",
    )


def _check_rules(candidate: Candidate, *, store: VersionStore, rows: Rows, gate: GateEngine) -> int:
    """How many expectations new rules have, which must be able to run.

    Every bound suite is there, can be read, and names columns that its table has.
    """
    checks, objects = 0, store.objects(candidate.id, RULES)
    for binding in gates_of(store.read(objects[GATES]) if GATES in objects else None):
        if binding.suite not in objects:
            raise SuiteNotFound(binding.suite, binding.branch)
        suite = store.read(objects[binding.suite])
        own, rest = split_suite(suite, name=binding.suite)
        checks += len(own)
        checks += gate.check_suite(rest, name=binding.suite) if rest is not None else 0
        if binding.branch == candidate.into and binding.dataset != EVERY:
            _check_columns(binding, suite, At.of(store, rows, candidate.id, binding.dataset))
    return checks


def _check_columns(binding: Gate, suite: bytes, at: At) -> None:
    """Raise ConfigError where a suite asks about a column that its table does not have."""
    files = at.files(binding.table) if at.exists else []
    if not files:
        return  # it may come by a merge
    names = list(at.rows.scan(files[:1]).collect_schema())
    for column, expectation in columns_asked(suite_of(suite, name=binding.suite)).items():
        if column not in names:
            near = difflib.get_close_matches(column, names, n=1)
            raise ConfigError(
                f"{binding.suite}, {expectation}: {binding.table} of {binding.dataset!r} has no "
                f"column {column!r}, so this gate could never run.",
                hint=f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(names[:20])}.",
            )
