"""`datahub ci`: what a pull request does to labels, judged before anything is committed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from datahub.core.ci_outcome import CIResult
from datahub.core.errors import DatahubError, NoGate, NothingToMerge
from datahub.core.label_change import DatasetChange
from datahub.core.layout import RULES
from datahub.core.rules_change import RulesChange, rules_change
from datahub.core.verdict import Verdict
from datahub.flow.publish.label_changes import dataset_change
from datahub.flow.publish.reviewed import Checkout, is_of
from datahub.flow.publish.verdicts import bound_gates, gates_at
from datahub.hub.labeling import Labeling
from datahub.hub.publishing import Publishing
from datahub.hub.registry import load
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import VersionStore


class Checking(Labeling, Publishing):
    """LFs, suites and data of a checkout, held against a branch."""

    def ci(self, source: str | None = None, *, into: str = "main") -> CIResult:
        """What the LFs and rules of this checkout do to `into`, with the data of `source`.

        In an overlay: reads go through the store, and nothing is written to it. LFs that are not
        those that voted run, on what they have not seen; labels are fitted where votes changed;
        the merge is judged by the rules of `into`. Without a `source` the data is that of `into`.
        Raises NoGate, GateError, LabelingFunctionError, MergeConflict, BranchNotFound, RefNotFound.
        """
        into = self.ref(into)
        start = self.ref(source) if source else into
        self._check_gate(into)
        with self._overlay(start) as overlay:
            runs = {name: overlay._label(name) for name in overlay._labeled_datasets(into)}
            verdict = overlay._judge(into, overlay._checkout(committed_lfs=False))
            changes = overlay._changes(into, runs)
            rules = self._rules_change(into)
            trial = overlay._try_rules(into) if rules and not rules.problem else None
        return CIResult(source or into, into, verdict, changes, rules, trial)

    def _check_gate(self, into: str) -> None:
        """Raise NoGate where there is nothing that could judge."""
        if into in self.store.branches() and not gates_at(self.store, into, into):
            raise NoGate(into)

    @contextmanager
    def _overlay(self, start: str) -> Iterator[Self]:
        """This project on a branch of its own, over the store; all that is made of it goes."""
        name = f"ci/{self.step().id}"
        with tempfile.TemporaryDirectory(prefix="datahub-ci-") as folder:
            make: Any = load("datahub.adapters.versions_overlay:OverlayVersionStore")
            store = make(self.store, ObjectFiles(Path(folder) / "overlay"))
            store.create_branch(name, at=start)
            overlay = self._over(store, name, Path(folder))
            try:
                yield overlay
            finally:
                overlay._parts.close()
                self.warnings += overlay.warnings

    def _over(self, store: VersionStore, branch: str, folder: Path) -> Self:
        """This project over another store, with a catalog in a folder of its own."""
        settings = replace(self.settings, catalog_url=f"sqlite:///{folder / 'catalog.db'}")
        hub = type(self)(
            settings, branch=branch, progress=self.progress, warn=self.warn, clock=self.clock
        )
        hub._parts.get("store", lambda: store)
        # The project's own journal is of its own store, and a run here must not end it.
        journal: Any = load("datahub.adapters.vote_journal:FileJournal")
        hub._parts.get("vote_journal", lambda: journal(folder / "lf_run.journal"))
        hub.catalog.upgrade()
        return hub

    def _labeled_datasets(self, into: str) -> list[str]:
        """Datasets whose labels a gate of `into` judges, and that LFs have labeled or may label."""
        gates = bound_gates(self.store, into, into, self.branch)
        names = sorted({gate.dataset for gate in gates if gate.table != "rows"})
        datasets = [at for at in map(self.at, names) if at.exists]
        return [at.name for at in datasets if at.votes is not None or not at.has("labels")]

    def _label(self, name: str) -> tuple[str, ...]:
        """Bring votes and labels up to the LFs of the checkout; what had to be done for that."""
        steps: list[str] = []
        checkout = self._checkout(committed_lfs=False)
        at = self.at(name)
        if at.votes is None and checkout is None:
            return ()  # the gate says what is missing
        if (checkout and not is_of(at, checkout)) or not at.votes_are_current:
            self.lf_run(name)
            steps.append("lf run")
        at = self.at(name)
        if at.model is None or at.model.votes != at.votes_id or not at.has("labels"):
            self.label_fit(name)
            steps.append("label fit")
        return tuple(steps)

    def _judge(self, into: str, checkout: Checkout | None) -> Verdict | None:
        """The verdict of a merge of this branch; None where there is nothing to merge."""
        publisher = replace(
            self._publisher(self.step()),
            end_model=self.end_model,
            caution=self.caution(self._warn_losses),
            checkout=checkout,
        )
        try:
            return publisher.gate_run(self.branch, into=into)
        except NothingToMerge:
            return None

    def _changes(self, into: str, ran: Mapping[str, tuple[str, ...]]) -> tuple[DatasetChange, ...]:
        """What the branch does to labels; `ran` says what was done for each dataset."""
        changes = (self._change(name, into, steps) for name, steps in ran.items())
        return tuple(change for change in changes if change is not None)

    def _change(self, name: str, into: str, ran: tuple[str, ...]) -> DatasetChange | None:
        """What the branch does to the labels of a dataset; None where it does nothing."""
        before, after = self.at(name, ref=into), self.at(name)
        if not after.has("labels"):
            return None
        is_unchanged = before.exists and before.objects() == after.objects()
        return None if is_unchanged else dataset_change(before, after, ran=ran)

    def _rules_change(self, into: str) -> RulesChange | None:
        """How the rules of the checkout differ from those of a branch, if it has any."""
        local = self.project.rules()
        objects = self.store.objects(into, RULES)
        contents = {path: self.store.read(oid) for path, oid in objects.items()}
        return rules_change(contents, local) if local else None

    def _try_rules(self, into: str) -> Verdict | DatahubError | None:
        """What the rules of the checkout say of the same merge, or why they cannot be used."""
        publisher = self._publisher(self.step())
        try:
            set_ = publisher.gate_set(
                self.project.rules(), into=into, reason="tried by datahub ci", unguard=True
            )
            if not gates_at(self.store, set_.commit.id, into):
                return None
            return self._judge(into, self._checkout(committed_lfs=False))
        except DatahubError as error:
            return error
