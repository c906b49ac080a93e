"""Wiring and the Python API: every use case as one call on the project in hand.

    from datahub import Hub
    hub = Hub.open()                      # the project this folder lies in
    hub.import_rows("articles.parquet", dataset="news", gold="topic")

Adapters are made on first use. Steps commit on `branch`, the project's current one
unless `Hub.open(..., branch=...)` names another.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from datahub import config
from datahub.core.dataset import Dataset, checked_name
from datahub.core.errors import (
    BranchNotFound,
    ConfigError,
    Conflict,
    LabelingFunctionError,
    NotFound,
)
from datahub.core.triage import Task
from datahub.core.verdict import Verdict
from datahub.core.versions import Commit, checked_branch
from datahub.flow import history, label, publish, review, score, source, tables
from datahub.flow.steps import Progress, Step, quiet
from datahub.hub.registry import adapter, load
from datahub.hub.scaffold import files as scaffold_files
from datahub.ports import (
    Catalog,
    FoundLF,
    Gate,
    LabelModel,
    LFSource,
    Refusal,
    ReviewQueue,
    Rows,
    Run,
    VersionStore,
)
from datahub.shared_files import shared_folder


def _now() -> datetime:
    return datetime.now(UTC)


class Hub:
    """One project: its settings, its adapters, its use cases."""

    def __init__(
        self,
        settings: config.Settings,
        *,
        branch: str | None = None,
        progress: Progress = quiet,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.settings = settings
        self.progress = progress
        self._branch = branch
        self._clock = clock

    # -- projects

    @classmethod
    def open(cls, start: Path | str = ".", *, branch: str | None = None, **settings: Any) -> Hub:
        """The project that a folder lies in. Raises ConfigError where there is none."""
        return cls(config.load(Path(start), flags=settings, environment=None), branch=branch)

    @classmethod
    def init(cls, folder: Path | str, *, dataset: str) -> tuple[Hub, list[str]]:
        """Make a folder a project; return it and the files that were written.

        Raises Conflict when it is one already.
        """
        root = Path(folder)
        project = load("datahub.adapters.project_folder:ProjectFolder")(root)
        project.check_new()
        written = project.scaffold(scaffold_files(checked_name(dataset)))
        hub = cls(config.load(root, environment=None))
        adapter("version_store", "embedded").create(
            hub.settings.own_folder, branch="main", author=hub.settings.author, time=hub._clock()
        )
        hub.catalog.upgrade()
        project.switch("main")
        return hub, written

    # -- adapters

    @cached_property
    def project(self) -> Any:
        """The project's folder."""
        return load("datahub.adapters.project_folder:ProjectFolder")(self.settings.root)

    @cached_property
    def store(self) -> VersionStore:
        """The version store."""
        store: VersionStore = adapter("version_store", "embedded")(self.settings.own_folder)
        return store

    @cached_property
    def rows(self) -> Rows:
        """Tables in files."""
        rows: Rows = adapter("rows", "polars")()
        return rows

    @cached_property
    def catalog(self) -> Catalog:
        """What happened and what is under way."""
        catalog: Catalog = adapter("catalog", "sql")(self.settings.catalog)
        return catalog

    @cached_property
    def gate(self) -> Gate:
        """The judge of candidates."""
        gate: Gate = adapter("gate", "great-expectations")()
        return gate

    @cached_property
    def lf_source(self) -> LFSource:
        """The project's labeling functions."""
        folder = self.settings.root / "labeling_functions"
        found: LFSource = adapter("lf_source", "folder")(self.settings.root, folder)
        return found

    @cached_property
    def labelstudio(self) -> Any:
        """The Label Studio server of this project."""
        make = load("datahub.adapters.labelstudio_server:LabelStudioServer")
        return make(
            self.settings.own_folder / "labelstudio",
            environment=self.settings.labelstudio_home,
            port=self.settings.labelstudio_port or None,
        )

    def queue(self, dataset: str | None = None) -> ReviewQueue:
        """The review queue of a dataset on this branch."""
        project = f"{self.dataset_name(dataset)}@{self.branch}"
        make = adapter("review_queue", self.settings.queue)
        if self.settings.queue == "embedded":
            queue: ReviewQueue = make(self.settings.own_folder / "review.db", project=project)
            return queue
        url, token = self._labelstudio_access()
        studio: ReviewQueue = make(url=url, token=token, project=project)
        return studio

    def _labelstudio_access(self) -> tuple[str, str]:
        if self.settings.labelstudio_url:
            if not self.settings.labelstudio_token:
                raise ConfigError(
                    "A Label Studio server is named, and no token for it.",
                    hint="Set DATAHUB_LABELSTUDIO_TOKEN to a personal access token of yours.",
                )
            return self.settings.labelstudio_url, self.settings.labelstudio_token
        info = self.labelstudio.status()
        if info is None or not info.running:
            raise ConfigError(
                "No Label Studio is running for this project.",
                hint="`datahub labelstudio start`, or set labelstudio_url and "
                "DATAHUB_LABELSTUDIO_TOKEN.",
            )
        return info.url, info.token

    # -- where one stands

    @property
    def branch(self) -> str:
        """The branch that steps commit on."""
        return self._branch or str(self.project.branch())

    def dataset_name(self, dataset: str | None = None) -> str:
        """The dataset meant: the named one, or the project's."""
        name = dataset or self.settings.dataset
        if not name:
            raise ConfigError(
                "Which dataset?",
                hint='Name it with --dataset, or write dataset = "..." in datahub.toml.',
            )
        return name

    def dataset(self, dataset: str | None = None, *, ref: str | None = None) -> Dataset:
        """What a dataset is as of a ref."""
        return tables.dataset_at(self.store, ref or self.branch, self.dataset_name(dataset))

    def status(self) -> history.Status:
        """Where the project stands, and what is out of date."""
        try:
            found: list[FoundLF] = self.lf_source.discover()
            broken = None
        except LabelingFunctionError as error:
            found, broken = [], error
        rules = {path: sha256(raw).hexdigest() for path, raw in self.project.rules().items()}
        names = tables.datasets_at(self.store, self.branch)
        waiting = {
            name: review.open_count(
                self.catalog, queue_name=self.settings.queue, dataset=name, branch=self.branch
            )
            for name in names
        }
        return history.status(
            self.branch,
            store=self.store,
            found=found,
            broken=broken,
            rules=rules,
            open_rows=waiting,
        )

    # -- git's verbs

    def switch(self, branch: str, *, create: bool = False) -> Commit:
        """Make a branch the current one."""
        if create:
            self.create_branch(branch)
        if branch not in self.store.branches():
            raise BranchNotFound(branch)
        self.project.switch(branch)
        return self.store.commit_at(branch)

    def create_branch(self, name: str, *, at: str | None = None) -> Commit:
        """Cut a branch, without a copy."""
        return self.store.create_branch(checked_branch(name), at=at or self.branch)

    def delete_branch(self, name: str) -> None:
        """Remove a branch's name."""
        if name == self.branch:
            raise Conflict(
                f"{name!r} is the current branch.", hint="`datahub switch` to another one first."
            )
        self.store.delete_branch(name)

    def commit(self, paths: Sequence[str], *, message: str) -> Commit:
        """Commit named files of the project."""
        files = self.project.read(paths)
        return publish.commit_files(files, message=message, store=self.store, step=self._step())

    def log(self, ref: str | None = None, *, limit: int | None = None) -> list[Commit]:
        """History, newest first."""
        return self.store.log(ref or self.branch, limit=limit)

    def diff(self, old: str, new: str) -> history.Difference:
        """What differs between two refs."""
        return history.diff(old, new, store=self.store, rows=self.rows)

    def verdict(self, ref: str) -> Verdict | None:
        """The verdict that a merge commit carries."""
        return history.verdict_of(self.store, ref)

    # -- rows in and out

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
        step = self._step()
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
        self._ran("import", step, made.commit, {"rows": made.dataset.rows})
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

    # -- act one: label

    def lf_run(self, dataset: str | None = None) -> label.LFReport:
        """Let all labeling functions vote on all rows."""
        step = self._step()
        found = self.lf_source.discover()
        files = sorted({lf.file for lf in found})
        report = label.run_lfs(
            self.dataset_name(dataset),
            found,
            store=self.store,
            rows=self.rows,
            step=step,
            max_fault_share=self.settings.max_fault_share,
            sources=self.project.read(files),
        )
        figures = {"rows": report.rows, "votes": report.votes, "coverage": report.coverage}
        self._ran("lf run", step, report.commit, figures)
        return report

    def lf_try(self, sample: int, dataset: str | None = None) -> label.LFReport:
        """Let all labeling functions vote on a random sample; nothing is committed."""
        return label.try_lfs(
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
    ) -> label.LFReport:
        """The LF table; accuracy is in it where gold is given (or asked for)."""
        ref = ref or self.branch
        known = self.dataset(dataset, ref=ref)
        return label.lf_stats(
            known.name,
            ref=ref,
            gold=known.has_gold if gold is None else gold,
            store=self.store,
            rows=self.rows,
        )

    def label_fit(
        self, dataset: str | None = None, *, class_balance: Sequence[float] | None = None
    ) -> label.Fitted:
        """Fit the label model, hold it against the end model, make labels."""
        step = self._step()
        model: LabelModel = adapter("label_model", self.settings.label_model)()
        fitted = label.label_fit(
            self.dataset_name(dataset),
            model=model,
            majority=adapter("label_model", "majority")(),
            end_model=adapter("end_model", "sklearn")(),
            seed=self.settings.seed,
            class_balance=class_balance,
            store=self.store,
            rows=self.rows,
            step=step,
        )
        self._ran("label fit", step, fitted.commit, {"rows": fitted.rows, **fitted.statuses})
        return fitted

    # -- act two: review

    def review_push(
        self, dataset: str | None = None, *, budget: int | None = None
    ) -> review.Pushed:
        """Ask people about the rows whose label is least to be trusted."""
        step = self._step()
        pushed = review.push(
            self.dataset_name(dataset),
            budget=self.settings.budget if budget is None else budget,
            seed=self.settings.seed,
            audit_share=self.settings.audit_share,
            queue_name=self.settings.queue,
            queue_=self.queue(dataset),
            store=self.store,
            rows=self.rows,
            catalog=self.catalog,
            step=step,
        )
        self._ran("review push", step, pushed.commit, {"tasks": pushed.tasks})
        return pushed

    def review_open(
        self, dataset: str | None = None, *, limit: int | None = None
    ) -> list[tuple[str, Task]]:
        """(task id, task) of tasks that wait for an answer, first to see first."""
        return self.queue(dataset).open_tasks(limit=limit)

    def review_answer(
        self,
        answers: Sequence[tuple[str, str | None]],
        *,
        annotator: str | None = None,
        dataset: str | None = None,
    ) -> int:
        """Record answers: (task id, class name or None for a skip)."""
        return review.answer(
            answers,
            dataset=self.dataset_name(dataset),
            ref=self.branch,
            annotator=annotator or self.settings.author,
            queue_=self.queue(dataset),
            store=self.store,
        )

    def review_answer_file(
        self, path: Path | str, *, annotator: str | None = None, dataset: str | None = None
    ) -> int:
        """Record the answers of a file (CSV, Parquet) with the key column and `label`."""
        known = self.dataset(dataset)
        lines = [line for batch in self.rows.batches([Path(path)]) for line in batch.to_dicts()]
        answers = review.answers_by_key(lines, key=known.key, queue_=self.queue(dataset))
        return self.review_answer(answers, annotator=annotator, dataset=dataset)

    def review_pull(self, dataset: str | None = None) -> review.PullReport:
        """Take people's answers into the labels."""
        step = self._step()
        report = review.pull(
            self.dataset_name(dataset),
            queue_name=self.settings.queue,
            queue_=self.queue(dataset),
            store=self.store,
            rows=self.rows,
            catalog=self.catalog,
            step=step,
        )
        self._ran("review pull", step, report.commit, {"annotations": report.annotations})
        return report

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

    # -- act three: publish

    def gate_set(self, *, reason: str, into: str = "main") -> publish.Merged:
        """Make the files in expectations/ the rules of a branch."""
        rules = self.project.rules()
        if not rules:
            raise NotFound(
                "There is no folder expectations/ with rules in it.",
                hint="Write expectations/gates.toml and a suite first; `datahub init` shows how.",
            )
        step = self._step()
        return publish.gate_set(
            rules,
            into=into,
            reason=reason,
            store=self.store,
            gate=self.gate,
            catalog=self.catalog,
            step=step,
        )

    def gate_run(self, source: str, *, into: str) -> Verdict:
        """Judge a merge without landing it."""
        return publish.gate_run(
            source,
            into=into,
            store=self.store,
            gate=self.gate,
            catalog=self.catalog,
            step=self._step(),
        )

    def merge(
        self,
        source: str,
        *,
        into: str,
        message: str = "",
        side: publish.Side | None = None,
        reason: str = "",
    ) -> publish.Merged:
        """Merge a branch if the destination's gate passes."""
        step = self._step()
        merged = publish.merge(
            source,
            into=into,
            message=message,
            side=side,
            reason=reason,
            store=self.store,
            gate=self.gate,
            catalog=self.catalog,
            step=step,
        )
        self._ran("merge", step, merged.commit, {"checks": merged.verdict.checks})
        return merged

    def refusals(self, *, limit: int = 50) -> list[Refusal]:
        """Merges that were refused, newest first, with all their reasons."""
        return self.catalog.refusals(limit=limit)

    def take_demo_files(self) -> None:
        """Put the demo's articles, labeling functions and rules into the project's folder.

        Raises ConfigError when the extra `demo` is not installed.
        """
        articles = load("datahub.adapters.corpus_bbc:bbc_articles")()
        self.rows.write(articles, self.settings.root / "articles.parquet")
        self.project.copy_in(shared_folder("labeling_functions"), "labeling_functions", "news.py")
        self.project.copy_in(shared_folder("expectations"), "expectations", "*")

    # -- within

    def _step(self) -> Step:
        fresh = uuid.uuid4().hex[:12]
        return Step(self.branch, self.settings.author, self._clock(), fresh, self.progress)

    def _ran(
        self, name: str, step: Step, commit: Commit | None, figures: Mapping[str, Any]
    ) -> None:
        if commit is not None:
            seconds = (self._clock() - step.time).total_seconds()
            run = Run(commit.id, name, step.branch, step.time, {**figures, "seconds": seconds})
            self.catalog.record_run(run)
