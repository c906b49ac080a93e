"""Rows, by key and column.

A dataset of six columns (key, text, two numbers, a category, a time) in parts of about 100,000
rows. Two branches change 2,000 rows each, anywhere: every part differs, and all of both states is
read. A second case changes 2,000 rows that lie together. The store is on disk; the merge is what
`gate run` does on a branch without a gate: the row merge and a candidate that nobody sees. The
peer of the diff is Oxen's, of the same rows as one Parquet file on two branches.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.harness import Case, Figures, Result, Watch
from bench.peers import OXEN, installed, measured
from bench.versions import fresh

if TYPE_CHECKING:
    import polars as pl

    from datahub import Hub

CHANGED = 2_000
RESERVED_GB = 64.0  # Oxen reserves several times the address space that it uses
NO_PEER = "DVC and Oxen merge whole files"


def made_rows(first: int, count: int) -> pl.DataFrame:
    """Rows from a key on."""
    import numpy as np
    import polars as pl

    keys = np.arange(first, first + count)
    rng = np.random.default_rng(first)
    return pl.DataFrame({"id": keys}).with_columns(
        text=pl.format("message {} of {}", pl.col("id") * 7919 % 1_000_003, pl.col("id")),
        score=pl.Series(rng.random(count)),
        length=pl.Series(rng.integers(0, 500, count)),
        channel=pl.Series(rng.integers(0, 5, count)).cast(pl.String),
        sent=pl.lit(dt.datetime(2026, 1, 1)) + pl.duration(seconds=pl.col("id")),
    )


def project_of(watch: Watch, n: int) -> Path:
    """The folder of a project with n rows, made where it is not there."""
    import polars as pl

    from datahub import Hub

    done = watch.scratch / f"rowmerge_{n}"
    if done.exists():
        return done
    half = watch.scratch / f"rowmerge_{n}.half"
    shutil.rmtree(half, ignore_errors=True)
    hub, _ = Hub.init(half / "project", dataset="mail")
    source = half / "rows"
    source.mkdir()
    for start in range(0, n, 1_000_000):
        made_rows(start, min(1_000_000, n - start)).write_parquet(source / f"{start:09d}.parquet")
    hub.import_rows(source, key="id", classes=["ham", "spam"])
    shutil.rmtree(source)
    step = n // CHANGED
    for branch, keys in (
        ("ours", pl.int_range(0, n, step, eager=True)),
        ("theirs", pl.int_range(1, n, step, eager=True)),
        ("together", pl.int_range(n // 2, n // 2 + CHANGED, eager=True)),
    ):
        hub.create_branch(branch, at="main")
        changed = pl.concat(made_rows(key, 1) for key in keys).with_columns(score=pl.lit(2.0))
        changed.write_parquet(half / "changed.parquet")
        on_branch = Hub.open(half / "project", branch=branch)
        on_branch.import_rows(half / "changed.parquet", key="id", mode="upsert")
    half.rename(done)
    return done


def prepared(n: int) -> Callable[[Watch], Figures]:
    """The project's folder, and the same rows as files for the peer."""

    def side(watch: Watch) -> Figures:
        project_of(watch, n)
        if not installed(OXEN):
            for branch in ("main", "ours", "together"):
                file_of(watch, n, branch)
        return {}

    return side


def file_of(watch: Watch, n: int, branch: str) -> Path:
    """One Parquet file with the rows of a branch, made where it is not there."""
    from datahub import Hub

    done = project_of(watch, n) / f"{branch}.parquet"
    if not done.exists():
        half = done.with_name(f"half-{branch}.parquet")
        half.unlink(missing_ok=True)
        Hub.open(project_of(watch, n) / "project").export_rows(half, ref=branch, table="rows")
        half.rename(done)
    return done


def diffed_by_oxen(n: int, branch: str) -> Callable[[Watch], Figures]:
    """What a branch changed, by Oxen: two files of Parquet, by key."""

    def side(watch: Watch) -> Figures:
        rows = project_of(watch, n)
        folder = fresh(watch, "oxen-rows")
        try:
            files = (str(rows / f"{one}.parquet") for one in ("main", branch))
            return measured(OXEN, watch, "row_diff", folder, *files)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return side


def opened(watch: Watch, n: int) -> Hub:
    """The project, with what it needs imported."""
    import datahub.flow.history.diff
    from datahub import Hub

    hub = Hub.open(project_of(watch, n) / "project")
    hub.store.branches()
    assert datahub.flow.history.diff
    assert hub.rows
    return hub


def diffed(n: int, branch: str) -> Callable[[Watch], Figures]:
    """What a branch changed."""

    def side(watch: Watch) -> Figures:
        hub = opened(watch, n)
        with watch.timed():
            (found,) = hub.diff("main", branch).rows
        assert (found.added, found.removed, found.changed) == (0, 0, CHANGED), found
        return {"changed": found.changed}

    return side


def merged(n: int, source: str) -> Callable[[Watch], Figures]:
    """Two branches' changes in one candidate."""

    def side(watch: Watch) -> Figures:
        hub = opened(watch, n)
        hub.catalog.refusals(limit=1)
        with watch.timed():
            verdict = hub.gate_run(source, into="ours", ungated=True)
        assert verdict.passed
        return {"content": verdict.content_id}

    return side


def within(result: Result) -> bool:
    """The goal."""
    return (result.ours or 99) <= 3 and (result.peak_mb or 1e9) <= 250


def _cases(n: int, title: str) -> tuple[Case, ...]:
    size = f"{n // 10**6}m"
    goal = "at most 3 CPU-s within 250 MB (libraries included)"
    common = {"prepare": prepared(n), "goal": goal, "met": within}
    return (
        Case(
            f"row_diff_{size}",
            f"row diff, {title}, {CHANGED:,} rows changed anywhere",
            diffed(n, "ours"),
            diffed_by_oxen(n, "ours"),
            "Oxen",
            limit_gb=RESERVED_GB,
            **common,  # type: ignore[arg-type]
        ),
        Case(
            f"row_diff_{size}_together",
            f"row diff, {title}, {CHANGED:,} neighbouring rows changed",
            diffed(n, "together"),
            diffed_by_oxen(n, "together"),
            "Oxen",
            limit_gb=RESERVED_GB,
            **common,  # type: ignore[arg-type]
        ),
        Case(
            f"row_merge_{size}",
            f"row merge, {title}, {CHANGED:,} rows changed anywhere on each side",
            merged(n, "theirs"),
            no_peer=NO_PEER,
            **common,  # type: ignore[arg-type]
        ),
        Case(
            f"row_merge_{size}_together",
            f"row merge, {title}, {CHANGED:,} rows anywhere with {CHANGED:,} neighbouring ones",
            merged(n, "together"),
            no_peer=NO_PEER,
            **common,  # type: ignore[arg-type]
        ),
    )


CASES = (*_cases(1_000_000, "1M x 6"), *_cases(10_000_000, "10M x 6"))
