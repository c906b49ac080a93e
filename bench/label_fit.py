"""Label fit and review pull, whole: votes in, labels of every row committed.

Texts and LFs are those of the labeling-function cases, ten LFs and five classes; `lf run` has
made the votes beforehand. Where an end model has its part, texts are of twenty words. The votes of
fifty LFs are those of the label-model cases, committed as `lf run` would.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.harness import Case, Figures, Result, Watch
from bench.lfs_made import CLASSES, DECLARED, commit, commit_changes, project
from bench.models import made_votes
from datahub.core.dataset import ROWS_PER_PART
from datahub.core.layout import lfs_file, votes_file
from datahub.core.manifest import LFEntry, VotesManifest
from datahub.core.versions import ObjectId
from datahub.hub import Hub

MILLION = 1_000_000
MOST_MB = 1000
ANSWERS = 200
TASKS = 10_000
WORDS = 20


def named(watch: Watch, rows: int, words: int | None) -> Path:
    """The folder of a project with so many texts."""
    return watch.scratch / (f"label_fit_{rows}" if words is None else f"label_fit_{rows}_{words}")


def preparing(rows: int, words: int | None = None) -> Callable[[Watch], Figures | None]:
    """Make the texts, and let the LFs vote on them."""

    def prepare(watch: Watch) -> None:
        hub = project(named(watch, rows, words), rows=rows, lfs=DECLARED, words=words)
        hub.lf_run(jobs=1)

    return prepare


def opened(folder: Path, **settings: Any) -> Hub:
    """The project on a branch of its own, which holds votes and no labels."""
    branch = f"fit-{uuid.uuid4().hex[:8]}"
    hub = Hub.open(folder, branch=branch)
    hub.settings = replace(hub.settings, **settings)
    hub.store.create_branch(branch, at="main")
    assert all((hub.catalog, hub.rows))  # loaded now: seconds that are no work
    return hub


def fitting(rows: int, words: int | None = None) -> Callable[[Watch], Figures | None]:
    """`label fit`: without an end model, or with one where the texts have words for it."""

    def fit(watch: Watch) -> Figures:
        end_model = "none" if words is None else "sklearn"
        hub = opened(named(watch, rows, words), end_model=end_model)
        with watch.timed():
            fitted = hub.label_fit()
        return {"rows": fitted.rows, "covered": fitted.covered, "statuses": fitted.statuses}

    return fit


def answering(rows: int, words: int) -> Callable[[Watch], Figures | None]:
    """Ask about rows, and answer: what the models say, of every tenth row the next class."""

    def answer(watch: Watch) -> Figures:
        preparing(rows, words)(watch)
        hub = opened(named(watch, rows, words))
        hub.label_fit()
        hub.review_push(budget=ANSWERS)
        said = []
        for number, (task_id, task) in enumerate(hub.review_open()):
            label = CLASSES.index(task.prediction) if task.prediction else number % len(CLASSES)
            said.append((task_id, CLASSES[(label + (number % 10 == 0)) % len(CLASSES)]))
        hub.review_answer(said, annotator="bench")
        (hub.settings.root / "answered").write_text(hub.branch, encoding="utf-8")
        return {}

    return answer


def pulling(rows: int, words: int) -> Callable[[Watch], Figures | None]:
    """`review pull` of the answers."""

    def pull(watch: Watch) -> Figures:
        folder = named(watch, rows, words)
        hub = Hub.open(folder, branch=(folder / "answered").read_text(encoding="utf-8"))
        assert all((hub.catalog, hub.rows))  # loaded now: seconds that are no work
        with watch.timed():
            pulled = hub.review_pull()
        return {"answers": pulled.annotations, "labels_changed": pulled.changed}

    return pull


def asking(rows: int, words: int) -> Callable[[Watch], Figures | None]:
    """`review push` of 10,000 tasks."""

    def ask(watch: Watch) -> Figures:
        hub = opened(named(watch, rows, words), end_model="none")
        hub.label_fit()
        with watch.timed():
            pushed = hub.review_push(budget=TASKS)
        return {"tasks": pushed.tasks, "audit": pushed.audit}

    return ask


def preparing_votes(rows: int, lfs: int) -> Callable[[Watch], Figures | None]:
    """Commit made votes of two classes on rows that are a key and little else."""

    def prepare(watch: Watch) -> None:
        folder = watch.scratch / f"label_fit_{rows}_of_{lfs}"
        if (folder / "done").exists():
            return
        hub, _ = Hub.init(folder, dataset="news")
        parts = range(rows // ROWS_PER_PART)
        known = commit(hub, parts, ".parquet", texts=_short, classes=CLASSES[:2])
        votes = np.load(made_votes(watch, rows, lfs), mmap_mode="r")
        entries = tuple(
            LFEntry(f"lf{j}", sha256(f"lf{j}".encode()).hexdigest(), "made", "lfs.py", 1, {}, 0)
            for j in range(lfs)
        )
        changes: dict[str, ObjectId | None] = {}
        for number, part in enumerate(known.parts):
            lines = slice(number * ROWS_PER_PART, (number + 1) * ROWS_PER_PART)
            for entry, column in zip(entries, votes, strict=True):
                path = votes_file("news", entry.fingerprint, part.sha256)
                changes[path] = hub.store.put(column[lines].tobytes())
        names = tuple(part.sha256 for part in known.parts)
        manifest = VotesManifest(entries, names, 2, {})
        changes[lfs_file("news")] = hub.store.put(manifest.to_json().encode())
        commit_changes(hub, changes, "Made votes")
        (folder / "done").touch()

    return prepare


def _short(part: int) -> pl.DataFrame:
    ids = pl.int_range(part * ROWS_PER_PART, (part + 1) * ROWS_PER_PART, eager=True)
    return pl.DataFrame({"id": ids, "text": ids.cast(pl.String)})


def fitting_votes(rows: int, lfs: int, model: str) -> Callable[[Watch], Figures | None]:
    """`label fit` of made votes, no end model."""

    def fit(watch: Watch) -> Figures:
        folder = watch.scratch / f"label_fit_{rows}_of_{lfs}"
        hub = opened(folder, end_model="none", label_model=model)
        with watch.timed():
            fitted = hub.label_fit()
        return {"rows": fitted.rows, "covered": fitted.covered, "statuses": fitted.statuses}

    return fit


def within_memory(result: Result) -> bool:
    """All rows were labeled in the memory that was promised."""
    return (result.peak_mb or MOST_MB + 1) <= MOST_MB


def _case(millions: int, **goal: Any) -> Case:
    rows = millions * MILLION
    return Case(
        f"label_fit_{millions}m_10",
        f"label fit, no end model, {millions}M x 10, 5 classes",
        fitting(rows),
        no_peer="Snorkel's label model writes no labels; see fit + predict",
        prepare=preparing(rows),
        **goal,
    )


def _end_model_case(millions: int) -> Case:
    rows = millions * MILLION
    return Case(
        f"label_fit_end_model_{millions}m_10",
        f"label fit with an end model, {millions}M texts of {WORDS} words x 10, 5 classes",
        fitting(rows, WORDS),
        no_peer="Snorkel has no end model of its own",
        prepare=preparing(rows, WORDS),
        **WITHIN,
    )


def _made_case(model: str) -> Case:
    rows = 10 * MILLION
    return Case(
        f"label_fit_{model.replace('-', '_')}_10m_50",
        f"label fit by {model}, no end model, 10M x 50, 2 classes",
        fitting_votes(rows, 50, model),
        no_peer="Snorkel's label model writes no labels; see fit + predict",
        prepare=preparing_votes(rows, 50),
        **WITHIN,
    )


WITHIN: dict[str, Any] = {"goal": f"within {MOST_MB} MB", "met": within_memory}

CASES = (
    _case(1),
    _case(5, **WITHIN),
    _end_model_case(1),
    _end_model_case(5),
    Case(
        "review_pull_1m",
        f"review pull of {ANSWERS} answers with an end model, 1M texts of {WORDS} words x 10",
        pulling(MILLION, WORDS),
        no_peer="Snorkel has no review",
        prepare=answering(MILLION, WORDS),
        **WITHIN,
    ),
    Case(
        "review_push_10k",
        f"review push of {TASKS:,} tasks, {MILLION // 10:,} texts of 200 words",
        asking(MILLION // 10, 200),
        no_peer="Snorkel has no review",
        prepare=preparing(MILLION // 10, 200),
        goal="5 CPU-s",
        met=lambda result: result.ours is not None and result.ours <= 5,
    ),
    _made_case("dawid-skene"),
    _made_case("snorkel"),
)
