"""Wiring: settings become adapters, each made on first use."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datahub import config
from datahub.core.dataset import Dataset
from datahub.core.errors import ConfigError, DatahubError
from datahub.core.leaving import NO_RULE, Leaving
from datahub.core.prompt_lf import Spending
from datahub.core.setaside import Consent
from datahub.core.versions import Commit, with_current
from datahub.flow.dataset.at import At
from datahub.flow.rows.setaside import Caution
from datahub.flow.steps import JobStamp, Progress, Step, quiet
from datahub.hub import stores
from datahub.hub.backends import Backends
from datahub.hub.parts import Parts, once
from datahub.hub.registry import REGISTRY, adapter, load
from datahub.ports import (
    Catalog,
    Embedder,
    LedgerEntry,
    LFSource,
    LFWorkers,
    Prompts,
    ReviewQueue,
    Run,
    VersionStore,
)

Warn = Callable[[str], None]


def _now() -> datetime:
    return datetime.now(UTC)


def unheard(warning: str) -> None:
    """A warning that nobody waits for; `warnings` has it."""


class Wiring(Backends):
    """One project: its settings and its adapters."""

    def __init__(
        self,
        settings: config.Settings,
        *,
        branch: str | None = None,
        head: str = "",
        job: JobStamp | None = None,
        progress: Progress = quiet,
        warn: Warn = unheard,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.settings = settings
        self.progress = progress
        self.warn = warn
        self.warnings: list[str] = []
        self.clock = clock
        self._branch = branch
        self._head = head
        self._job = job
        self._parts = Parts()
        self._warning = threading.Lock()

    @once
    def project(self) -> Any:
        """The project's folder."""
        return load("datahub.adapters.project_folder:ProjectFolder")(self.settings.root)

    @once
    def store(self) -> VersionStore:
        """The version store."""
        return stores.open_store(self.settings)

    def make_store(self) -> None:
        """Make the repository of a new project, its one branch `main`; lakeFS's may be there."""
        author, time = self.settings.author, self.clock()
        self.warn_once(
            stores.create(self.settings, {"branch": "main", "author": author, "time": time})
        )

    @once
    def catalog(self) -> Catalog:
        """What happened and what is under way."""
        catalog: Catalog = adapter("catalog", "sql")(self.settings.catalog)
        if not self.settings.catalog_url:
            _ = self.store  # its folder is the catalog's, and a clone of the project has none
            catalog.upgrade()  # lost, or never made, or of an earlier datahub
        return catalog

    @once
    def lf_source(self) -> LFSource:
        """The project's labeling functions."""
        folder = self.settings.root / "labeling_functions"
        make = adapter("lf_source", "folder")
        source: LFSource = make(
            self.settings.root,
            folder,
            ask=lambda lf, questions: self.prompts.ask(lf, questions),
            model=self.settings.prompt_model,
            leaving=self.settings.leaving,
            sandbox=self.settings.lf_sandbox,
            environment=config.listed(self.settings.lf_environment),
            readable=[
                (self.settings.root / Path(path).expanduser()).resolve()
                for path in config.listed(self.settings.lf_readable)
            ],
            memory=self.settings.lf_memory,
        )
        return source

    @contextmanager
    def lf_workers(self, jobs: int = 1) -> Iterator[LFWorkers]:
        """The project's LFs in processes; at the end, a warning says what was left out, and why."""
        with self.lf_source.workers(jobs) as workers:
            yield workers
        self.warn_once(map(str, workers.left_out))

    def warn_once(self, warnings: Iterable[str]) -> None:
        """Give these to who asked for warnings, except those given before."""
        with self._warning:
            fresh = [text for text in dict.fromkeys(warnings) if text not in self.warnings]
            self.warnings += fresh
        for text in fresh:
            self.warn(text)

    @once
    def prompts(self) -> Prompts:
        """The language model that prompts ask; its limits are for all that this hub spends."""
        settings = self.settings
        prompts: Prompts = adapter("prompts", "openai")(
            settings.cache_folder / "prompts.db",
            endpoint=settings.prompt_endpoint,
            api_key=settings.prompt_api_key,
            parallel=settings.prompt_parallel,
            per_minute=settings.prompt_requests_per_minute,
            timeout=settings.prompt_timeout,
            price_input=settings.prompt_price_input,
            price_output=settings.prompt_price_output,
            max_cost=settings.prompt_max_cost,
            max_requests=settings.prompt_max_requests,
            progress=lambda stage, count, total: self.progress(stage, count, total),
        )
        return prompts

    @once
    def embedder(self) -> Embedder:
        """What makes vectors of texts; each text is asked for once. Raises ConfigError."""
        settings = self.settings
        if settings.embed_endpoint:
            embedder = adapter("embedder", "openai")(
                endpoint=settings.embed_endpoint,
                model=settings.embed_model,
                api_key=settings.embed_api_key,
            )
        elif settings.embed_model:
            folder = (settings.root / Path(settings.embed_model).expanduser()).resolve()
            embedder = adapter("embedder", "onnx")(folder, max_tokens=settings.embed_max_tokens)
        else:
            raise ConfigError(
                "No embedding model is named.",
                hint="Set embed_model to a folder with model.onnx and tokenizer.json, or "
                "embed_endpoint and a model that it has.",
            )
        cache: Embedder = load("datahub.adapters.vector_cache:CachedEmbedder")(
            embedder, settings.cache_folder / "vectors.db"
        )
        return cache

    @property
    def spending(self) -> Spending | None:
        """What prompts cost so far; None where nothing was asked."""
        prompts: Prompts | None = self._parts.peek("prompts")
        return None if prompts is None else prompts.spent

    @property
    def queue_leaving(self) -> Leaving:
        """Which columns tasks may show: all, where they stay in this project's folder."""
        return NO_RULE if self.settings.queue == "embedded" else self.settings.leaving

    def queue(self, dataset: str | None = None) -> ReviewQueue:
        """The review queue of a dataset on this branch."""
        if self.settings.queue == "embedded":
            return self.embedded_queue(dataset)
        make = adapter("review_queue", self.settings.queue)
        project = self._queue_project(dataset)
        url, token = self._labelstudio_access()
        # A server may be shared: the first commit tells two repositories' projects apart.
        first = self.store.log(self.branch)[-1].id
        studio: ReviewQueue = make(
            url=url,
            token=token,
            project=f"{project} {first[:8]}",
            overlap=self.settings.overlap,
            kinds=self.settings.kinds_of_columns,
            guidelines=self.project.guidelines(),
            show_guesses=self.settings.guesses == "shown",
            secret=first,
            cursor=self.catalog.cursor(
                queue=self.settings.queue, dataset=self.dataset_name(dataset), branch=self.branch
            ),
        )
        return studio

    def embedded_queue(self, dataset: str | None = None) -> ReviewQueue:
        """The queue in a file of the project, whichever is in use."""
        queue: ReviewQueue = adapter("review_queue", "embedded")(
            self.settings.own_folder / "review.db",
            project=self._queue_project(dataset),
            overlap=self.settings.overlap,
        )
        return queue

    def _queue_project(self, dataset: str | None) -> str:
        return f"{self.dataset_name(dataset)}@{self.branch}"

    def _labelstudio_access(self) -> tuple[str, str]:
        if self.settings.labelstudio_url:
            if not self.settings.labelstudio_token:
                raise ConfigError(
                    "labelstudio_url is set, labelstudio_token is not.",
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

    @property
    def branch(self) -> str:
        """The branch that steps commit on."""
        return self._branch or str(self.project.branch())

    def ref(self, ref: str | None = None) -> str:
        """The ref meant: the current branch for none, and where it says HEAD or @."""
        return with_current(ref, self.branch) if ref else self.branch

    def dataset_name(self, dataset: str | None = None) -> str:
        """The dataset meant: the named one, or the project's."""
        name = dataset or self.settings.dataset
        if not name:
            raise ConfigError(
                "Which dataset?",
                hint='Name it with --dataset, or write dataset = "..." in datahub.toml.',
            )
        return name

    def at(self, dataset: str | None = None, *, ref: str | None = None) -> At:
        """A dataset at the commit that a ref names now."""
        return At.of(self.store, self.rows, self.ref(ref), self.dataset_name(dataset))

    def at_head(self, step: Step, dataset: str | None = None) -> At:
        """A dataset at the head that a step starts from. Raises BranchNotFound, Guarded."""
        return At.begin(self.store, self.rows, step, self.dataset_name(dataset))

    def dataset(self, dataset: str | None = None, *, ref: str | None = None) -> Dataset:
        """What a dataset is as of a ref."""
        return self.at(dataset, ref=ref).dataset

    def step(self) -> Step:
        """A step about to be made, now, on this branch."""
        fresh, author = uuid.uuid4().hex[:12], self.settings.author
        return Step(self.branch, author, self.clock(), fresh, self.progress, self._head, self._job)

    def caution(self, consent: Consent) -> Caution:
        """Who agrees to set answers aside, and what people are asked, by any queue."""
        return Caution(consent, self._ledger)

    def _ledger(self, dataset: str, branch: str) -> list[LedgerEntry]:
        """What people were asked about a dataset on a branch, by any queue.

        A catalog that cannot say is a warning: the answers are known without it.
        """
        try:
            return [
                entry
                for queue in REGISTRY["review_queue"]
                for entry in self.catalog.ledger(queue=queue, dataset=dataset, branch=branch)
            ]
        except DatahubError as error:
            self.warn_once([f"open tasks of {dataset} are not looked at: {error.message}"])
            return []

    def ran(self, name: str, step: Step, commit: Commit | None, figures: Mapping[str, Any]) -> None:
        """Keep a run in the catalog, with its seconds.

        The step is done: a catalog that fails now is a warning, not the step's failure.
        """
        if commit is not None and commit.time == step.time:
            seconds = (self.clock() - step.time).total_seconds()
            run = Run(commit.id, name, step.branch, step.time, {**figures, "seconds": seconds})
            try:
                self.catalog.record_run(run)
            except DatahubError as error:
                self.warn_once([f"{name} is done, and not in the catalog: {error.message}"])
