"""Act three: commit -> gate -> merge.

Gate and merge speak of one candidate: flow merges objects, the store builds the
merge where nobody sees it, the gate judges that, and exactly that lands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from datahub.core.conflicts import ASK, Settling
from datahub.core.errors import (
    BranchNotFound,
    ConfigError,
    Conflict,
    GateRefused,
    Guarded,
    InputError,
    NoGate,
    NotFound,
    NothingToMerge,
)
from datahub.core.layout import DATASETS, GATES, RULES
from datahub.core.signing import Secrets
from datahub.core.verdict import Gate, Verdict, gates_of, guards
from datahub.core.versions import (
    Candidate,
    Changes,
    Commit,
    checked_path,
    touches,
)
from datahub.flow.merge.merge import Report, merged
from datahub.flow.publish.verdicts import check_secret, gates_at, judge, sign
from datahub.flow.rows.setaside import AGREED, CAREFUL, Caution
from datahub.flow.steps import Step, begin, end
from datahub.ports import Catalog, EndModel, GateEngine, Refusal, Rows, VersionStore

WORK = "gate-set/"  # branches that exist while rules are being set
WORK_LIVES = timedelta(hours=1)


@dataclass(frozen=True)
class Merged:
    """A merge that landed, with the verdict it carries and what it did beyond whole objects.

    Without a verdict nothing was to be merged: `commit` is the head as it was.
    """

    commit: Commit
    verdict: Verdict | None
    report: Report

    @property
    def checks(self) -> int:
        """Expectations that were judged."""
        return self.verdict.checks if self.verdict else 0


def commit_files(
    files: Mapping[str, Path | None], *, message: str, store: VersionStore, step: Step
) -> Commit:
    """Commit files under these paths on a branch; one that is gone is taken off it.

    Raises Guarded, InputError (a path that is datahub's), NotFound (neither here nor there).
    """
    head = begin(store, step)
    here = {_own_path(path): file for path, file in files.items() if file is not None}
    gone = [_own_path(path) for path, file in files.items() if file is None]
    for path in gone:
        if path not in store.objects(head.id, path):
            raise NotFound(
                f"There is no file {path!r}.",
                hint="Paths are within the project. A file that is committed and gone is deleted.",
            )
    put = zip(here, store.put_all(here.values()), strict=True)
    changes: Changes = {**dict.fromkeys(gone, None), **dict(put)}
    made = end(store, step, head, changes, message=message, metadata={"step": "commit"})
    if made == head:
        raise Conflict(
            "Nothing to commit: the files are what the branch holds already.",
            hint="`datahub diff` shows what a branch changed.",
        )
    return made


def _own_path(path: str) -> str:
    """A path of the user's. Raises InputError for those of tables, and of the project's folder."""
    if path.startswith((DATASETS, ".datahub/")):
        raise InputError(
            f"{path!r} lies where datahub keeps its own.",
            hint="Give the folder another name. Rows come by `datahub import`; votes, labels and "
            "answers are committed by the steps that make them.",
        )
    return checked_path(path)


def gate_run(
    source: str,
    *,
    into: str,
    store: VersionStore,
    rows: Rows,
    gate: GateEngine,
    catalog: Catalog,
    step: Step,
    settling: Settling = ASK,
    end_model: EndModel | None = None,
    ungated: bool = False,
    caution: Caution = AGREED,
) -> Verdict:
    """Judge the merge of `source` into a branch, and land nothing.

    A branch without a gate passes nothing, unless `ungated` asks only whether the two merge.
    `caution` hears of answers that the merge would set aside.
    Raises MergeConflict, GateError (could not run), NoGate, BranchNotFound, RefNotFound, Guarded
    (rules and data change together), NothingToMerge.
    """
    if not ungated and into in store.branches():
        store.commit_at(source)
        if not gates_at(store, into, into):
            raise NoGate(into)
    candidate, _ = _propose(
        source,
        into=into,
        settling=settling,
        end_model=end_model,
        message="",
        store=store,
        rows=rows,
        step=step,
        caution=caution,
    )
    try:
        verdict = judge(candidate, store=store, rows=rows, gate=gate, time=step.time, reason="")
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
    gate: GateEngine,
    catalog: Catalog,
    secrets: Secrets,
    step: Step,
    caution: Caution = CAREFUL,
) -> Merged:
    """Merge `source` into a branch if its gate passes: always one merge commit.

    `settling` says what becomes of conflicts; `reason` is owed where only rules change. With
    `squash` the commit has one parent; its verdict still names the source.
    What is merged already changes nothing. `secrets` sign the verdict where the branch's rules
    ask for it. Where answers of people would be set aside, `caution` decides. Raises GateRefused,
    GateError, MergeConflict, AnswersSetAside, StaleHead, Guarded, ConfigError.
    """
    try:
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
            caution=caution,
        )
    except NothingToMerge:
        return Merged(store.commit_at(into), None, Report())
    try:
        check_secret(candidate, store=store, secrets=secrets)
        verdict = judge(candidate, store=store, rows=rows, gate=gate, time=step.time, reason=reason)
        if not verdict.passed:
            catalog.record_refusal(Refusal(into, source, verdict))
            raise GateRefused(verdict, into)
        verdict = sign(verdict, candidate, store=store, secrets=secrets)
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
    gate: GateEngine,
    catalog: Catalog,
    secrets: Secrets,
    step: Step,
) -> Merged:
    """Make `rules` (everything under expectations/) the rules of a branch, for a reason.

    Rules that bind nothing to the branch would leave it open: only `unguard` lets them.

    Raises ConfigError (no reason, unreadable, nothing bound), SuiteNotFound, GateError (a suite
    that cannot be read), Conflict (they are its rules already).
    """
    if not reason.strip():
        raise ConfigError(
            "A change of rules needs a reason.", hint='Say why: --reason "tighter class balance"'
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
        put = zip(rules, store.put_all(rules.values()), strict=True)
        changes: Changes = {**dict.fromkeys(held, None), **dict(put)}
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
            secrets=secrets,
            step=step,
        )
    finally:
        store.delete_branch(work)


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
    caution: Caution,
) -> tuple[Candidate, Report]:
    if into not in store.branches():
        raise BranchNotFound(into)
    head, theirs = store.commit_at(into), store.commit_at(source)
    base = store.merge_base(head.id, theirs.id)
    if base.id == theirs.id:
        raise NothingToMerge(source, into)
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
    report.set_aside = caution.check(store, rows, head, changes, branch=into, others=[theirs])
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


def _check_binds(gates: list[Gate], into: str, *, unguard: bool) -> None:
    if unguard or guards(gates, into):
        return
    named = sorted({gate.branch for gate in gates})
    raise ConfigError(
        f"No rule binds a suite to {into!r}"
        + (f": they name {', '.join(map(repr, named))}." if named else "."),
        hint=f'Write [[gate]] branch = "{into}" in expectations/gates.toml; '
        "--unguard takes the gate off on purpose.",
    )


def _sweep(store: VersionStore, step: Step) -> None:
    """Remove work branches that a `gate set` left behind when it was killed."""
    for name, head in store.branches().items():
        if name.startswith(WORK) and step.time - store.commit_at(head).time > WORK_LIVES:
            store.delete_branch(name)
