"""Histories, embedded.

One dataset of 1,000 parts over 2,000 commits, each of which changes five of them.
Each step opens the store again, so that nothing is in memory from the step before.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.harness import Case, Figures, Result, Watch
from bench.versions import MADE, TIME, repeated

if TYPE_CHECKING:
    from datahub.adapters.versions_embedded import EmbeddedVersionStore

COMMITS = 2000
PARTS = 1000
DISTINCT = 500
REPEATS = 5
BRANCHES = 300


def opened(folder: Path) -> EmbeddedVersionStore:
    """The repository, with nothing of it in memory."""
    from datahub.adapters.versions_embedded import EmbeddedVersionStore
    from datahub.machine.bytes.files import ObjectFiles

    return EmbeddedVersionStore(ObjectFiles(folder))


def made(watch: Watch, commits: int = COMMITS) -> Path:
    """A repository with `main`, and `early` that was cut from its first commit."""
    from datahub.adapters.versions_embedded import EmbeddedVersionStore
    from datahub.machine.bytes.files import ObjectFiles

    folder = watch.scratch / MADE / f"history-{commits}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    store = EmbeddedVersionStore.create(ObjectFiles(folder), branch="main", author="ann", time=TIME)
    oids = store.put_all([b"part %d" % number for number in range(DISTINCT)])
    store.create_branch("early", at="main")
    head = store.commit_at("main").id
    commit = partial(store.commit, message="m", author="a")
    commit("early", {"notes": oids[0]}, time=TIME, expected=head)
    paths = [f"datasets/news/rows/{number:04d}.parquet" for number in range(PARTS)]
    changes = {path: oids[number % DISTINCT] for number, path in enumerate(paths)}
    for number in range(commits):
        time = TIME + dt.timedelta(seconds=number)
        head = commit("main", changes, time=time, expected=head).id
        changes = {
            paths[(number + part * 100) % PARTS]: oids[(number * 13 + part + 5) % DISTINCT]
            for part in range(5)
        }
    return folder


def log_of_dataset(watch: Watch) -> Figures:
    """All commits that changed a dataset: here, all but one."""
    folder = made(watch)
    assert len(opened(folder).log("main", prefix="datasets/news/")) == COMMITS
    return repeated(watch, lambda i: opened(folder).log("main", prefix="datasets/news/"), REPEATS)


def log_of_ten(watch: Watch, commits: int) -> Figures:
    """The last ten commits of a history."""
    folder = made(watch, commits)
    return repeated(watch, lambda i: opened(folder).log("main", limit=10), REPEATS)


def base_of_all(watch: Watch) -> Figures:
    """The merge base with a branch that was cut at the first commit."""
    folder = made(watch)
    store = opened(folder)
    assert store.merge_base("main", "early").id == store.log("main")[-1].id
    return repeated(watch, lambda i: opened(folder).merge_base("main", "early"), REPEATS)


def why_of_row(watch: Watch, commits: int = COMMITS) -> Figures:
    """Why a row has its label, where one commit of many made the dataset; with 300 branches."""
    from datahub.flow.history.why import why
    from datahub.hub.registry import adapter

    folder = with_rows(watch, commits)
    rows = adapter("rows", "polars")()

    def ask(i: int) -> None:
        told = why("5", dataset="news", ref="main", limit=None, store=opened(folder), rows=rows)
        assert len(told.history) == 1

    return repeated(watch, ask, REPEATS)


def with_rows(watch: Watch, commits: int) -> Path:
    """A repository whose `main` has rows, and after them commits of other files."""
    import polars as pl

    from datahub.adapters.versions_embedded import EmbeddedVersionStore
    from datahub.flow.rows.source import Import, import_rows
    from datahub.flow.steps import Step
    from datahub.hub.registry import adapter
    from datahub.machine.bytes.files import ObjectFiles

    folder = watch.scratch / MADE / f"why-{commits}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    store = EmbeddedVersionStore.create(ObjectFiles(folder), branch="main", author="ann", time=TIME)
    source = folder / "rows.parquet"
    pl.DataFrame({"id": range(200), "text": [f"t{n}" for n in range(200)]}).write_parquet(source)
    import_rows(
        source,
        Import.begin(
            store,
            adapter("rows", "polars")(),
            Step("main", "ann", TIME, "import"),
            "news",
            key="id",
            gold=None,
            classes=["ham", "spam"],
            text=None,
            mode="replace",
        ),
    )
    oids = store.put_all([b"note %d" % number for number in range(DISTINCT)])
    head = store.commit_at("main").id
    for number in range(commits):
        time = TIME + dt.timedelta(seconds=number + 1)
        changes = {f"notes/{number % 50}.txt": oids[number % DISTINCT]}
        made = store.commit("main", changes, message="m", author="a", time=time, expected=head)
        head = made.id
        if number % max(1, commits // BRANCHES) == 0:
            store.create_branch(f"branch-{number}", at=head)
    return folder


def _within(goal: float) -> Callable[[Result], bool]:
    return lambda result: result.ours is not None and result.ours <= goal


def _case(name: str, title: str, ours: Callable[[Watch], Figures], goal: float) -> Case:
    return Case(
        name,
        title,
        ours,
        no_peer="a walk of our own",
        goal=f"<= {goal:g} CPU-s",
        met=_within(goal),
    )


CASES = (
    _case("history_log_dataset", "log --dataset at 2,000 commits", log_of_dataset, 0.1),
    *(
        _case(
            f"history_log_10_of_{commits}",
            f"log -n 10 at {commits:,} commits",
            partial(log_of_ten, commits=commits),
            0.005,
        )
        for commits in (200, COMMITS)
    ),
    *(
        _case(
            f"history_why_{commits}",
            f"why of a row at {commits:,} commits with {BRANCHES} branches",
            partial(why_of_row, commits=commits),
            0.2,
        )
        for commits in (500, COMMITS)
    ),
    _case("history_merge_base", "merge base 2,000 commits back", base_of_all, 0.005),
)
