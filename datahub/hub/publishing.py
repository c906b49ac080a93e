"""Act three as calls: git's verbs, gates and merges, and where one stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from datahub.core.conflicts import Rule, Side
from datahub.core.errors import (
    ConfigError,
    DatahubError,
    LabelingFunctionError,
    NotFound,
)
from datahub.core.gate_outcome import Outcome, Place
from datahub.core.setaside import Consent, SetAside
from datahub.core.verdict import CheckFailure, Verdict
from datahub.flow.history import status as history
from datahub.flow.history import why as reasons
from datahub.flow.publish import audit, publish
from datahub.flow.publish.reviewed import Checkout
from datahub.flow.review import open_rows
from datahub.flow.steps import Step
from datahub.hub.registry import REGISTRY
from datahub.hub.reporting import Reports, places_of
from datahub.hub.settling import conflicts_written, settling_of
from datahub.hub.wiring import Wiring
from datahub.ports import (
    FoundLF,
    LeftOut,
    Refusal,
)


class Publishing(Wiring):
    """commit -> gate -> merge."""

    def status(self) -> history.Status:
        """Where the project stands, and what is out of date."""
        source = self.lf_source
        try:
            is_isolated = bool(source.isolation)
        except ConfigError as refusal:  # LFs may not run here; all else can be said
            return self._status([], refusal, self._questions())
        with self.lf_workers() as workers:  # it imports while we look elsewhere
            questions = self._questions()
            try:
                lfs: list[FoundLF] = workers.lfs
                failure = None
            except LabelingFunctionError as error:
                lfs, failure = [], error
        hint = "" if is_isolated else source.isolation_hint
        return self._status(
            lfs,
            failure,
            questions,
            is_isolated=is_isolated,
            isolation_hint=hint,
            left_out=workers.left_out,
        )

    def _questions(self) -> dict[tuple[str, str], open_rows.OpenRows]:
        """Rows that wait for an answer; none, with a warning, where the catalog cannot say."""
        try:
            return {
                (name, queue): self._questions_of(name, queue)
                for name, queue in self.catalog.ledgers(branch=self.branch)
                if queue in REGISTRY["review_queue"]
            }
        except DatahubError as error:
            self.warn_once([f"rows that wait for an answer are not counted: {error.message}"])
            return {}

    def _questions_of(self, name: str, queue: str) -> open_rows.OpenRows:
        return open_rows.asked_rows(
            self.at(name, ref=self.branch),
            self.catalog,
            queue_name=queue,
            branch=self.branch,
            queue=self.embedded_queue(name) if queue == "embedded" else None,
        )

    def _status(
        self,
        lfs: Sequence[FoundLF],
        failure: LabelingFunctionError | ConfigError | None,
        questions: Mapping[tuple[str, str], open_rows.OpenRows],
        *,
        is_isolated: bool = False,
        isolation_hint: str = "",
        left_out: Sequence[LeftOut] = (),
    ) -> history.Status:
        return history.status(
            self.branch,
            store=self.store,
            rows=self.rows,
            lfs=lfs,
            failure=failure,
            rules=self.project.rules(),
            questions=questions,
            is_isolated=is_isolated,
            isolation_hint=isolation_hint,
            left_out=left_out,
        )

    def verdict(self, ref: str) -> Verdict | None:
        """The verdict that a merge commit carries."""
        return history.verdict_of(self.store, self.ref(ref))

    def gate_set(
        self, *, reason: str, into: str = "main", unguard: bool = False
    ) -> publish.MergeResult:
        """Make the files in expectations/ the rules of a branch; `unguard` takes its gate off."""
        rules = self.project.rules()
        if not rules:
            raise NotFound(
                "There is no folder expectations/ with rules in it.",
                hint="Write expectations/gates.toml and a suite first; `datahub init` shows how.",
            )
        publisher = replace(self._publisher(self.step()), secrets=self.verdict_secrets)
        return publisher.gate_set(rules, into=into, reason=reason, unguard=unguard)

    def _publisher(self, step: Step) -> publish.Publisher:
        """One that neither signs verdicts nor has a second opinion, and sets no answer aside."""
        return publish.Publisher(
            store=self.store,
            rows=self.rows,
            gate=self.gate,
            step=step,
            on_refusal=self._record_refusal,
            profiles=self.part_profiles,
        )

    def gate_run(
        self,
        source: str | None = None,
        *,
        into: str = "main",
        ungated: bool = False,
        reports: Sequence[Path | str] = (),
        keys_only: bool = False,
        committed_lfs: bool = False,
    ) -> Verdict:
        """Judge the merge of a branch (default: the current) without landing it.

        `reports` are files to write: .md (Markdown), .html, .xml (JUnit) or .json; where nothing
        can be judged, they say so. With `keys_only` neither they nor the verdict hold a value of
        the data. Where there is no gate, NoGate is raised, unless `ungated` asks only whether the
        two merge. Answers that the merge would set aside are a warning. Labels must be of the LFs
        that stand in labeling_functions/, unless `committed_lfs` holds them to those of the merge
        alone.
        """
        with Reports(reports, source=source, into=into, keys_only=keys_only).running() as report:
            publisher = replace(
                self._publisher(self.step()),
                end_model=self.end_model,
                caution=self.caution(self._warn_losses),
                checkout=self._checkout(committed_lfs=committed_lfs),
            )
            verdict = publisher.gate_run(self.ref(source), into=self.ref(into), ungated=ungated)
            return report.judged(verdict, source=self.ref(source))

    def _checkout(self, *, committed_lfs: bool) -> Checkout | None:
        """What reads the LFs of the project's folder; None where it has none, or is not asked."""
        has_lfs = not committed_lfs and self.project.lf_files().texts
        return self.project.lf_files if has_lfs else None

    @staticmethod
    def gate_reports(
        paths: Sequence[Path | str], *, source: str | None, into: str, keys_only: bool = False
    ) -> Reports:
        """Reports that say "could not run" also where the project cannot be opened.

        Raises ConfigError: no such report.
        """
        return Reports(paths, source=source, into=into, keys_only=keys_only)

    def gate_places(self, outcome: Outcome) -> Mapping[CheckFailure, Place]:
        """Where the expectations that failed stand in the project's files, if they are there."""
        return places_of(outcome, self.settings.root)

    def _record_refusal(self, refusal: Refusal) -> None:
        """Record it for `refusals`. Where the catalog cannot, the verdict stands all the same."""
        try:
            self.catalog.record_refusal(refusal)
        except DatahubError as error:
            self.warn_once([f"the refusal is not recorded in the catalog: {error.message}"])

    def _warn_losses(self, losses: Sequence[SetAside]) -> bool:
        """Say what a merge would set aside; where nothing lands, nothing is."""
        self.warn_once(f"the merge would set aside {loss}: it asks for --yes" for loss in losses)
        return True

    def merge(
        self,
        source: str,
        *,
        into: str | None = None,
        message: str = "",
        side: Side | None = None,
        rule: Rule | None = None,
        decisions: Path | str | None = None,
        conflicts: Path | str | None = None,
        reason: str = "",
        squash: bool = False,
        set_aside: Consent = False,
        committed_lfs: bool = False,
        retry: bool = True,
    ) -> publish.MergeResult:
        """Merge into a branch (default: the current) if its gate passes.

        `squash` leaves out the source's commits. What is merged already changes nothing, and has
        no verdict.

        Where both sides changed the same thing, decisions (a file) go first, then the rule, then
        the side; what is left raises MergeConflict, and is written to the file `conflicts`.

        `set_aside` agrees that answers of people no longer count where what they were shown
        changes; or it is asked, with what would be lost. Else AnswersSetAside is raised. A gate
        holds labels to the LFs in labeling_functions/, but with `committed_lfs`. Where the branch
        moves while the merge is judged, it is made and judged again, unless `retry` is off; then
        StaleHead is raised.
        """
        resolution = settling_of(side, rule, decisions, rows=self.rows)
        step = self.step()
        with conflicts_written(conflicts, rows=self.rows):
            publisher = replace(
                self._publisher(step),
                secrets=self.verdict_secrets,
                end_model=self.end_model,
                caution=self.caution(set_aside),
                checkout=self._checkout(committed_lfs=committed_lfs),
            )
            report = publisher.merge(
                self.ref(source),
                into=self.ref(into or self.branch),
                message=message,
                resolution=resolution,
                reason=reason,
                squash=squash,
                retry=retry,
            )
        if report.verdict:
            self.ran("merge", step, report.commit, {"checks": report.checks})
        return report

    def why(
        self,
        key: str,
        *,
        dataset: str | None = None,
        ref: str | None = None,
        limit: int | None = None,
    ) -> reasons.Why:
        """All that made the label of one row what it is."""
        return reasons.why(
            key,
            dataset=self.dataset_name(dataset),
            ref=self.ref(ref),
            limit=limit,
            store=self.store,
            rows=self.rows,
        )

    def audit(self, branch: str, *, since: str | None = None) -> audit.Audit:
        """Whether everything on a guarded branch came through its gate, by its history alone.

        `since` is a commit that is known to be good: it must be on the branch, and only what
        came after it is looked at.
        """
        return audit.audit(
            self.ref(branch),
            since=since,
            store=self.store,
            rows=self.rows,
            secrets=self.verdict_secrets,
            progress=self.progress,
        )

    def verdict_keys(self) -> list[str]:
        """The ids of the secrets for verdicts that are known here, for `signed_by`."""
        return list(self.verdict_secrets)

    def refusals(self, *, limit: int = 50) -> list[Refusal]:
        """Merges that were refused, newest first, with all their reasons."""
        return self.catalog.refusals(limit=limit)
