"""Act one as calls: rows in and out, votes, labels, and how right they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datahub.flow import compare, label, lfs, score, source
from datahub.hub.registry import REGISTRY, adapter
from datahub.hub.wiring import Wiring
from datahub.ports import EndModel, LabelModel


class Labeling(Wiring):
    """source -> votes -> label model -> labels."""

    def import_rows(
        self,
        path: Path | str,
        *,
        dataset: str | None = None,
        key: str | None = None,
        gold: str | None = None,
        classes: Sequence[str] = (),
        text: str | None = None,
    ) -> source.Imported:
        """Make a Parquet, ORC or CSV file a dataset."""
        step = self.step()
        made = source.import_rows(
            Path(path),
            dataset=self.dataset_name(dataset),
            key=key,
            gold=gold,
            classes=classes,
            text=text,
            store=self.store,
            rows=self.rows,
            step=step,
        )
        self.ran("import", step, made.commit, {"rows": made.dataset.rows})
        return made

    def export_rows(
        self,
        path: Path | str,
        *,
        dataset: str | None = None,
        ref: str | None = None,
        table: str = "labeled",
    ) -> int:
        """Write a table of a dataset to a file."""
        return source.export_rows(
            Path(path),
            dataset=self.dataset_name(dataset),
            ref=ref or self.branch,
            table=table,
            store=self.store,
            rows=self.rows,
        )

    def lf_run(self, dataset: str | None = None, *, jobs: int | None = None) -> lfs.LFReport:
        """Let labeling functions vote where they have not; on `jobs` processes."""
        jobs = self.settings.jobs if jobs is None else jobs
        step = self.step()
        found = self.lf_source.discover()
        files = sorted({lf.file for lf in found})
        report = lfs.run_lfs(
            self.dataset_name(dataset),
            found,
            store=self.store,
            rows=self.rows,
            step=step,
            max_fault_share=self.settings.max_fault_share,
            sources=self.project.read(files),
            workers=self.lf_source.workers(jobs) if jobs > 1 else None,
        )
        figures = {"rows": report.rows, "votes": report.votes, "coverage": report.coverage}
        self.ran("lf run", step, report.commit, figures)
        return report

    def lf_try(self, sample: int, dataset: str | None = None) -> lfs.LFReport:
        """Let all labeling functions vote on a random sample; nothing is committed."""
        return lfs.try_lfs(
            self.dataset_name(dataset),
            self.lf_source.discover(),
            ref=self.branch,
            sample=sample,
            seed=self.settings.seed,
            store=self.store,
            rows=self.rows,
            progress=self.progress,
        )

    def lf_stats(
        self, dataset: str | None = None, *, ref: str | None = None, gold: bool | None = None
    ) -> lfs.LFReport:
        """The LF table; accuracy is in it where gold is given (or asked for)."""
        ref = ref or self.branch
        known = self.dataset(dataset, ref=ref)
        return lfs.lf_stats(
            known.name,
            ref=ref,
            gold=known.has_gold if gold is None else gold,
            store=self.store,
            rows=self.rows,
        )

    def label_fit(
        self, dataset: str | None = None, *, class_balance: label.Balance = None
    ) -> label.Fitted:
        """Fit the label model and the end model, make labels of both.

        `class_balance` is a share a class, "estimated" from the majority vote, or uniform (None).
        """
        step = self.step()
        model: LabelModel = adapter("label_model", self.settings.label_model)()
        fitted = label.label_fit(
            self.dataset_name(dataset),
            model=model,
            majority=adapter("label_model", "majority")(),
            end_model=self._end_model(),
            seed=self.settings.seed,
            class_balance=class_balance,
            store=self.store,
            rows=self.rows,
            step=step,
        )
        self.ran("label fit", step, fitted.commit, {"rows": fitted.rows, **fitted.statuses})
        return fitted

    def label_compare(
        self,
        dataset: str | None = None,
        *,
        seeds: int = 3,
        class_balance: label.Balance = None,
        ref: str | None = None,
    ) -> compare.Comparison:
        """Hold all label models against each other; nothing is committed.

        Each is fitted with as many seeds as said, from the project's seed on.
        """
        return compare.compare(
            self.dataset_name(dataset),
            models={name: adapter("label_model", name)() for name in REGISTRY["label_model"]},
            end_model=self._end_model(),
            default=self.settings.label_model,
            seeds=range(self.settings.seed, self.settings.seed + seeds),
            ref=ref or self.branch,
            store=self.store,
            rows=self.rows,
            clock=time.perf_counter,
            class_balance=class_balance,
            progress=self.progress,
        )

    def _end_model(self) -> EndModel | None:
        name = self.settings.end_model
        found: EndModel | None = None if name == "none" else adapter("end_model", name)()
        return found

    def score(self, dataset: str | None = None, *, ref: str | None = None) -> score.Score:
        """How right the labels are, against gold: all, not asked, accepted without a person."""
        ref = ref or self.branch
        return score.score_labels(
            self.dataset(dataset, ref=ref), ref=ref, store=self.store, rows=self.rows
        )

    def gold(self, dataset: str | None = None) -> dict[Any, str | None]:
        """Gold class names by key: for scores and simulated people only."""
        known = self.dataset(dataset)
        frame = source.gold_at(self.store, self.rows, self.branch, known)
        return dict(frame.select(known.key, source.GOLD_LABEL).iter_rows())
