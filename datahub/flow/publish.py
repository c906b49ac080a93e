"""Act three: commit -> gate -> merge.

Gate and merge speak of one candidate: flow merges objects, the store builds the
merge where nobody sees it, the gate judges that, and exactly that lands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from datahub.core.conflicts import ASK, Settling
from datahub.core.errors import (
    BranchNotFound,
    ConfigError,
    Conflict,
    GateError,
    GateRefused,
    Guarded,
    SuiteNotFound,
)
from datahub.core.layout import GATES, RULES, VERDICT, dataset_file
from datahub.core.verdict import CheckFailure, Gate, Verdict, gates_of, guards, refusing
from datahub.core.versions import (
    Candidate,
    Changes,
    Commit,
    Objects,
    checked_path,
    suite_hash,
    touches,
)
from datahub.flow.consistency import mismatches, misplaced
from datahub.flow.merge import Report, merged
from datahub.flow.steps import Step, begin, end
from datahub.flow.tables import has_table, table_files
from datahub.ports import Catalog, EndModel, Refusal, Rows, VersionStore
from datahub.ports import Gate as GatePort

WORK = "gate-set/"  # branches that exist while rules are being set
WORK_LIVES = timedelta(hours=1)


@dataclass(frozen=True)
class Merged:
    """A merge that landed, with the verdict it carries and what it did beyond whole objects."""

    commit: Commit
    verdict: Verdict
    report: Report


def commit_files(
    files: Mapping[str, bytes | None], *, message: str, store: VersionStore, step: Step
) -> Commit:
    """Commit named files (None deletes) on a branch. Raises Guarded, InputError."""
    head = begin(store, step)
    changes = {
        checked_path(path): None if content is None else store.put_bytes(content)
        for path, content in files.items()
    }
    if GATES in files:
        gates_of(files[GATES])
    made = end(store, step, head, changes, message=message, metadata={"step": "commit"})
    if made == head:
        raise Conflict(
            "Nothing to commit: the files are what the branch holds already.",
            hint="`datahub diff` shows what a branch changed.",
        )
    return made


def gate_run(
    source: str,
    *,
    into: str,
    store: VersionStore,
    rows: Rows,
    gate: GatePort,
    catalog: Catalog,
    step: Step,
    settling: Settling = ASK,
    end_model: EndModel | None = None,
) -> Verdict:
    """Judge the merge of `source` into a branch, and land nothing.

    Raises MergeConflict, GateError (could not run), BranchNotFound, RefNotFound, Guarded
    (rules and data change together).
    """
    candidate, _ = _propose(
        source,
        into=into,
        settling=settling,
        end_model=end_model,
        message="",
        store=store,
        rows=rows,
        step=step,
    )
    try:
        verdict = _judge(candidate, store=store, rows=rows, gate=gate, time=step.time, reason="")
    finally:
        store.drop(candidate)
    if not verdict.passed:
        catalog.record_refusal(Refusal(into, source, verdict))
    return verdict


def merge(
    source: str,
    *,
    into: str,
    message: str,
    settling: Settling = ASK,
    end_model: EndModel | None = None,
    reason: str,
    squash: bool = False,
    store: VersionStore,
    rows: Rows,
    gate: GatePort,
    catalog: Catalog,
    step: Step,
) -> Merged:
    """Merge `source` into a branch if its gate passes: always one merge commit.

    `settling` says what becomes of conflicts; `reason` is owed where only rules change. With
    `squash` the commit has one parent; its verdict still names the source.
    Raises GateRefused, GateError, MergeConflict, StaleHead, Guarded, Conflict (nothing new).
    """
    candidate, report = _propose(
        source,
        into=into,
        settling=settling,
        end_model=end_model,
        message=message,
        squash=squash,
        store=store,
        rows=rows,
        step=step,
    )
    try:
        verdict = _judge(
            candidate, store=store, rows=rows, gate=gate, time=step.time, reason=reason
        )
        if not verdict.passed:
            catalog.record_refusal(Refusal(into, source, verdict))
            raise GateRefused(verdict, into)
        return Merged(store.land(candidate, verdict), verdict, report)
    except BaseException:
        store.drop(candidate)
        raise


def gate_set(
    rules: Mapping[str, bytes],
    *,
    into: str,
    reason: str,
    unguard: bool,
    store: VersionStore,
    rows: Rows,
    gate: GatePort,
    catalog: Catalog,
    step: Step,
) -> Merged:
    """Make `rules` (everything under expectations/) the rules of a branch, for a reason.

    Rules that bind nothing to the branch would leave it open: only `unguard` lets them.

    Raises ConfigError (no reason, unreadable, nothing bound), SuiteNotFound, GateError (a suite
    that cannot     be read), Conflict (they are its rules already).
    """
    if not reason.strip():
        raise ConfigError(
            "A change of rules owes a reason.", hint='Say why: --reason "tighter class balance"'
        )
    if into not in store.branches():
        raise BranchNotFound(into)
    _check_binds(gates_of(rules.get(GATES)), into, unguard=unguard)
    _sweep(store, step)
    head = store.commit_at(into)
    held = store.objects(head.id, RULES)
    work = f"{WORK}{step.id}"
    store.create_branch(work, at=head.id)
    try:
        changes = {**dict.fromkeys(held, None)} | {
            path: store.put_bytes(content) for path, content in rules.items()
        }
        on_work = Step(work, step.author, step.time, step.id, step.progress)
        made = end(store, on_work, head, changes, message=f"Set the gate: {reason}")
        if made == head:
            raise Conflict(
                f"These are the rules of {into!r} already.", hint="Edit expectations/ first."
            )
        return merge(
            work,
            into=into,
            message=f"Set the gate of {into}: {reason}",
            reason=reason,
            store=store,
            rows=rows,
            gate=gate,
            catalog=catalog,
            step=step,
        )
    finally:
        store.delete_branch(work)


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


def _propose(
    source: str,
    *,
    into: str,
    settling: Settling,
    end_model: EndModel | None,
    message: str,
    squash: bool = False,
    store: VersionStore,
    rows: Rows,
    step: Step,
) -> tuple[Candidate, Report]:
    if into not in store.branches():
        raise BranchNotFound(into)
    head, theirs = store.commit_at(into), store.commit_at(source)
    base = store.merge_base(head.id, theirs.id)
    if base.id == theirs.id:
        raise Conflict(
            f"{source!r} is in {into!r} already: there is nothing to merge.",
            hint="Commit something on the source branch first.",
        )
    changes, report = merged(
        base,
        head,
        theirs,
        names=(source, into),
        settling=settling,
        store=store,
        rows=rows,
        step=step,
        end_model=end_model,
    )
    _check_parted(head, changes, into=into, store=store)
    candidate = store.propose(
        theirs.id,
        into=into,
        changes=changes,
        message=message or f"{'Squash' if squash else 'Merge'} {source} into {into}",
        author=step.author,
        time=step.time,
        expected=head.id,
        squash=squash,
        metadata={"squashed": theirs.id} if squash else None,
    )
    return candidate, report


def _check_parted(head: Commit, changes: Changes, *, into: str, store: VersionStore) -> None:
    """A merge into a guarded branch changes rules or data, never both."""
    rules, content = touches(changes)
    if rules and content and gates_at(store, head.id, into):
        raise Guarded(
            into,
            f"This merge changes the rules of {into!r} together with its data.",
            hint="Take the changes under expectations/ out of the branch, and change the rules "
            f"by `datahub gate set --into {into} --reason ...`.",
        )


def _judge(
    candidate: Candidate,
    *,
    store: VersionStore,
    rows: Rows,
    gate: GatePort,
    time: datetime,
    reason: str,
) -> Verdict:
    """The verdict of the destination's rules on exactly this candidate."""
    head_rules = store.objects(candidate.judged_head, RULES)
    changed = store.changes(candidate.judged_head, candidate.id)
    rules, content = touches(change.path for change in changed)
    kind: Literal["data", "rules"] = "rules" if rules and not content else "data"
    failures: list[CheckFailure] = []
    checks = 0
    if kind == "rules":
        merged_rules = store.objects(candidate.id, RULES)
        checks = _check_rules(merged_rules, store=store, gate=gate)
    else:
        bounds = gates_at(store, candidate.judged_head, candidate.into)
        failures += _apart(sorted({bound.dataset for bound in bounds}), candidate, store, rows)
        apart = {failure.dataset for failure in failures}  # of those there is nothing to judge
        for bound in (bound for bound in bounds if bound.dataset not in apart):
            count, failed = _judge_one(
                bound, candidate, head_rules, store=store, rows=rows, gate=gate
            )
            checks += count
            failures += failed
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


def _apart(
    datasets: list[str], candidate: Candidate, store: VersionStore, rows: Rows
) -> list[CheckFailure]:
    """Failures for datasets whose labels are not of their rows, or not of their votes."""
    failures = []
    for name in datasets:
        if dataset_file(name) in store.objects(candidate.id, dataset_file(name)):
            found = mismatches(store, candidate.id, name)
            found = found or misplaced(store, rows, candidate.id, name)
            failures += [
                CheckFailure(
                    "datahub",
                    "tables_belong_together",
                    f"{what}: run `datahub lf run` and `datahub label fit` on the source branch.",
                    name,
                )
                for what in found
            ]
    return failures


def _check_binds(gates: list[Gate], into: str, *, unguard: bool) -> None:
    if unguard or guards(gates, into):
        return
    named = sorted({gate.branch for gate in gates})
    raise ConfigError(
        f"These rules bind no suite to {into!r}"
        + (f": they name {', '.join(map(repr, named))}." if named else "."),
        hint=f'Write [[gate]] branch = "{into}" in expectations/gates.toml; '
        "--unguard takes the gate off on purpose.",
    )


def _sweep(store: VersionStore, step: Step) -> None:
    """Remove work branches that a `gate set` left behind when it was killed."""
    for name, head in store.branches().items():
        if name.startswith(WORK) and step.time - store.commit_at(head).time > WORK_LIVES:
            store.delete_branch(name)


def _judge_one(
    bound: Gate,
    candidate: Candidate,
    head_rules: Objects,
    *,
    store: VersionStore,
    rows: Rows,
    gate: GatePort,
) -> tuple[int, list[CheckFailure]]:
    if bound.suite not in head_rules:
        missing = f"The suite is not committed on {candidate.into!r}: what is missing refuses."
        return 1, [CheckFailure(bound.suite, "suite", missing, bound.dataset)]
    suite = store.read(head_rules[bound.suite])
    checks = gate.check_suite(suite, name=bound.suite)
    if not has_table(store, candidate.id, bound.dataset, bound.table):
        path = dataset_file(bound.dataset)
        known = path in store.objects(candidate.id, path)
        raise GateError(
            f"The gate of {candidate.into!r} asks about {bound.table} of {bound.dataset!r}, which "
            + ("has none" if known else "is not there")
            + " in this merge.",
            hint="Run `datahub lf run` and `datahub label fit` on the source branch, "
            "or mend gates.toml by `datahub gate set`.",
        )
    with table_files(store, rows, candidate.id, bound.dataset, bound.table) as paths:
        return checks, gate.judge(paths, suite, name=bound.suite)


def _check_rules(merged: Objects, *, store: VersionStore, gate: GatePort) -> int:
    """New rules must at least be able to run: every bound suite is there and can be read."""
    checks = 0
    for bound in gates_of(store.read(merged[GATES]) if GATES in merged else None):
        if bound.suite not in merged:
            raise SuiteNotFound(bound.suite, bound.branch)
        checks += gate.check_suite(store.read(merged[bound.suite]), name=bound.suite)
    return checks
