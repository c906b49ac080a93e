"""Act three: commit -> gate -> merge.

    publisher = Publisher(store=store, rows=rows, gate=gate, step=step, on_refusal=record)
    publisher.merge("work", into="main", message="")     # lands, or raises GateRefused
    publisher.gate_run("work", into="main")              # lands nothing
    publisher.gate_set(rules, into="main", reason="...", unguard=False)

Gate and merge speak of one candidate: flow merges objects, the store builds the
merge where nobody sees it, the gate judges that, and exactly that lands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from datahub.core.conflicts import ASK, Settling
from datahub.core.errors import (
    BranchNotFound,
    ConfigError,
    Conflict,
    GateRefused,
    Guarded,
    InputError,
    NoGate,
    NothingToMerge,
    StaleHead,
)
from datahub.core.layout import GATES, RULES
from datahub.core.signing import Secrets
from datahub.core.verdict import Gate, Verdict, gates_of, guards
from datahub.core.versions import Candidate, Changes, Commit, checked_branch, touches
from datahub.flow.merge.merge import Report, merge_commits
from datahub.flow.publish.reviewed import Checkout
from datahub.flow.publish.verdicts import check_secret, gates_at, judge, sign
from datahub.flow.rows.setaside import CAREFUL, Caution
from datahub.flow.steps import Step, end
from datahub.ports import EndModel, GateEngine, PartProfiles, Refusal, Rows, VersionStore

WORK = "gate-set/"  # branches that exist while rules are being set
RETRIES = 20  # of a merge whose destination moved while it was judged
WORK_LIVES = timedelta(hours=1)

OnRefusal = Callable[[Refusal], None]  # records it; must not raise where only that fails


@dataclass(frozen=True)
class MergeResult:
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


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """What merges are built, judged and landed with, for one step.

    `secrets` sign verdicts where a branch's rules ask for it; `caution` decides where answers of
    people would be set aside. `checkout` reads the LFs beside the store, which the votes must
    be of; None: there are none. `profiles` keep what was measured of parts.
    """

    store: VersionStore
    rows: Rows
    gate: GateEngine
    step: Step
    on_refusal: OnRefusal
    secrets: Secrets = field(default_factory=dict)
    end_model: EndModel | None = None
    caution: Caution = CAREFUL
    checkout: Checkout | None = None
    profiles: PartProfiles | None = None

    def gate_run(
        self, source: str, *, into: str, resolution: Settling = ASK, ungated: bool = False
    ) -> Verdict:
        """Judge the merge of `source` into a branch, and land nothing.

        A branch without a gate passes nothing, unless `ungated` asks only whether the two merge.
        Raises MergeConflict, GateError (could not run), NoGate, BranchNotFound, RefNotFound,
        Guarded (rules and data change together), NothingToMerge.
        """
        if not ungated and into in self.store.branches():
            self.store.commit_at(source)
            if not gates_at(self.store, into, into):
                raise NoGate(into)
        candidate, _ = self._propose(source, into=into, resolution=resolution)
        try:
            verdict = self._judge(candidate)
        finally:
            self.store.drop(candidate)
        if not verdict.passed:
            self.on_refusal(Refusal(into, source, verdict))
        return verdict

    def merge(
        self,
        source: str,
        *,
        into: str,
        message: str,
        resolution: Settling = ASK,
        reason: str = "",
        squash: bool = False,
        retry: bool = True,
    ) -> MergeResult:
        """Merge `source` into a branch if its gate passes: always one merge commit.

        `settling` says what becomes of conflicts; `reason` is owed where only rules change. With
        `squash` the commit has one parent; its verdict still names the source. What is merged
        already changes nothing. Where the branch moved meanwhile, the merge is made and judged
        again, unless `retry` is off. Raises GateRefused, GateError, MergeConflict,
        AnswersSetAside, StaleHead, Guarded, ConfigError.
        """
        for _ in range(RETRIES if retry else 0):
            try:
                return self._merge(source, into, resolution, message, reason, squash=squash)
            except StaleHead as error:
                if error.branch != into:
                    raise
        return self._merge(source, into, resolution, message, reason, squash=squash)

    def _merge(
        self,
        source: str,
        into: str,
        resolution: Settling,
        message: str,
        reason: str,
        *,
        squash: bool,
    ) -> MergeResult:
        """Make, judge and land one merge. Raises StaleHead where the branch moved meanwhile."""
        try:
            candidate, report = self._propose(
                source, into=into, resolution=resolution, message=message, squash=squash
            )
        except NothingToMerge:
            return MergeResult(self.store.commit_at(into), None, Report())
        try:
            return self._land(candidate, source, report, reason)
        except BaseException:
            self.store.drop(candidate)
            raise

    def gate_set(
        self, rules: Mapping[str, bytes], *, into: str, reason: str, unguard: bool
    ) -> MergeResult:
        """Make `rules` (everything under expectations/) the rules of a branch, for a reason.

        Rules that bind nothing to the branch would leave it open: only `unguard` lets them.
        Raises ConfigError (no reason, unreadable, nothing bound), SuiteNotFound, GateError (a
        suite that cannot be read), Conflict (they are its rules already).
        """
        if not reason.strip():
            raise ConfigError(
                "A change of rules owes a reason.", hint='Say why: --reason "tighter class balance"'
            )
        if into not in self.store.branches():
            raise BranchNotFound(into)
        _check_binds(gates_of(rules.get(GATES)), into, unguard=unguard)
        _sweep(self.store, self.step)
        head = self.store.commit_at(into)
        work = f"{WORK}{self.step.id}"
        self.store.create_branch(work, at=head.id)
        try:
            self._commit_rules(rules, head, work, into=into, reason=reason)
            message = f"Set the gate of {into}: {reason}"
            return self.merge(work, into=into, message=message, reason=reason)
        finally:
            self.store.delete_branch(work)

    def _commit_rules(
        self, rules: Mapping[str, bytes], head: Commit, work: str, *, into: str, reason: str
    ) -> None:
        """Put the rules on a branch of their own. Raises Conflict where nothing changes."""
        present = self.store.objects(head.id, RULES)
        oids = zip(rules, self.store.put_all(rules.values()), strict=True)
        changes: Changes = {**dict.fromkeys(present, None), **dict(oids)}
        step = Step(work, self.step.author, self.step.time, self.step.id, self.step.progress)
        if end(self.store, step, head, changes, message=f"Set the gate: {reason}") == head:
            raise Conflict(
                f"These are the rules of {into!r} already.", hint="Edit expectations/ first."
            )

    def _judge(self, candidate: Candidate, reason: str = "") -> Verdict:
        return judge(
            candidate,
            store=self.store,
            rows=self.rows,
            gate=self.gate,
            time=self.step.time,
            reason=reason,
            checkout=self.checkout,
            profiles=self.profiles,
        )

    def _land(self, candidate: Candidate, source: str, report: Report, reason: str) -> MergeResult:
        """Put the candidate on its branch if it passes. Raises GateRefused."""
        check_secret(candidate, store=self.store, secrets=self.secrets)
        verdict = self._judge(candidate, reason)
        if not verdict.passed:
            self.on_refusal(Refusal(candidate.into, source, verdict))
            raise GateRefused(verdict, candidate.into)
        verdict = sign(verdict, candidate, store=self.store, secrets=self.secrets)
        return MergeResult(self.store.land(candidate, verdict), verdict, report)

    def _propose(
        self,
        source: str,
        *,
        into: str,
        resolution: Settling,
        message: str = "",
        squash: bool = False,
    ) -> tuple[Candidate, Report]:
        """Build the merge where nobody sees it."""
        if into not in self.store.branches():
            raise BranchNotFound(into)
        head, commit = self.store.commit_at(into), self.store.commit_at(source)
        changes, report = self._changes(head, commit, (source, into), resolution)
        candidate = self.store.propose(
            commit.id,
            into=into,
            changes=changes,
            message=message or f"{'Squash' if squash else 'Merge'} {source} into {into}",
            author=self.step.author,
            time=self.step.time,
            expected=head.id,
            squash=squash,
            metadata={"squashed": commit.id} if squash else None,
        )
        return candidate, report

    def _changes(
        self, head: Commit, commit: Commit, names: tuple[str, str], resolution: Settling
    ) -> tuple[Changes, Report]:
        """What a merge does to the head. Raises NothingToMerge, MergeConflict, Guarded."""
        base = self.store.merge_base(head.id, commit.id)
        if base.id == commit.id:
            raise NothingToMerge(*names)
        changes, report = merge_commits(
            base,
            head,
            commit,
            names=names,
            resolution=resolution,
            store=self.store,
            rows=self.rows,
            step=self.step,
            end_model=self.end_model,
        )
        into = names[1]
        _check_parted(head, changes, into=into, store=self.store)
        report.set_aside = self.caution.check(
            self.store, self.rows, head, changes, branch=into, sources=[commit]
        )
        return changes, report


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
    """Raise ConfigError for rules that leave a branch open, or bind what no branch is called."""
    for gate in gates:
        try:
            checked_branch(gate.branch)
        except InputError as error:
            raise ConfigError(
                f"A [[gate]] in expectations/gates.toml binds {gate.suite!r} to {gate.branch!a}, "
                "which is no name of a branch.",
                hint="It would guard nothing. Look for letters that only look like others.",
            ) from error
    if unguard or guards(gates, into):
        return
    names = sorted({gate.branch for gate in gates})
    raise ConfigError(
        f"These rules bind no suite to {into!r}"
        + (f": they name {', '.join(map(repr, names))}." if names else "."),
        hint=f'Write [[gate]] branch = "{into}" in expectations/gates.toml; '
        "--unguard takes the gate off on purpose.",
    )


def _sweep(store: VersionStore, step: Step) -> None:
    """Remove work branches that a `gate set` left behind when it was killed."""
    for name, head in store.branches().items():
        if name.startswith(WORK) and step.time - store.commit_at(head).time > WORK_LIVES:
            store.delete_branch(name)
