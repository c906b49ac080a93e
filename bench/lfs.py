"""Labeling functions.

Ours is the whole of `lf run`: rows read from committed parts, ten LFs, votes stored, tallied and
committed, in one process. Snorkel's is `PandasLFApplier.apply` alone on a frame in memory, with the
same ten LFs as its decorator takes them: measured on the first 100,000 rows (so is its peak), its
cost a row is taken for all. Libraries are loaded before the clock starts.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.harness import Case, Figures, Result, Watch
from bench.lfs_made import (
    DECLARED,
    MODELLED,
    SNORKEL,
    THRESHOLD,
    commit,
    project,
    texts,
    write_lfs,
)
from datahub.adapters.rows_polars.orc_children import end_waiting
from datahub.core.dataset import ROWS_PER_PART
from datahub.flow.dataset.votes import current_votes, votes_by_part
from datahub.flow.label.report import LFReport
from datahub.hub import Hub

MILLION = 1_000_000
PEER_ROWS = ROWS_PER_PART  # whose votes both sides are compared on
MODEL_ROWS = 20_000  # the same, where each costs a call of a model
STREAM_MB = 450
PEER = f"Snorkel's PandasLFApplier, a row, on {PEER_ROWS:,} rows"
EDITED = DECLARED.replace('"shares", "profit", "market"', '"shares", "profit"')

LIBRARIES = {SNORKEL: ("snorkel.labeling",), MODELLED: ("sklearn.pipeline",)}

Side = Callable[[Watch], Figures | None]


def made(watch: Watch, rows: int, suffix: str = ".parquet") -> Path:
    """The folder of the project of so many texts."""
    folder = watch.scratch / f"lfs_{rows}{suffix}"
    project(folder, rows=rows, suffix=suffix)
    return folder


def preparing(rows: int, suffix: str = ".parquet") -> Side:
    """Make the texts."""

    def prepare(watch: Watch) -> None:
        made(watch, rows, suffix)

    return prepare


def fresh(folder: Path, lfs: str) -> Hub:
    """The project with these LFs, on a branch that holds rows and no votes."""
    write_lfs(folder, lfs)
    branch = f"run-{uuid.uuid4().hex[:8]}"
    hub = Hub.open(folder, branch=branch, lf_sandbox="none")  # bwrap tells no CPU of those inside
    hub.store.create_branch(branch, at="main")
    assert all((hub.catalog, hub.rows, hub.lf_source))  # loaded now: seconds that are no work
    return hub


def running(rows: int, lfs: str, suffix: str = ".parquet", *, compared: int | None = None) -> Side:
    """`lf run` on rows that no LF has voted on; the first part's votes are `compared`."""

    def run(watch: Watch) -> Figures:
        hub = fresh(made(watch, rows, suffix), lfs)
        for library in LIBRARIES.get(lfs, ()):
            import_module(library)  # seconds that are no work
        with watch.timed():
            report = hub.lf_run(jobs=1)
            end_waiting()  # readers of ORC, which cost nothing until they have ended
        at = hub.at("news")
        first = next(votes_by_part(at, current_votes(at), at.dataset.parts[:1]))
        return {**told(report), "first_votes": digest(first[:compared])}

    return run


def editing(rows: int) -> Side:
    """`lf run` after one of the ten LFs was edited."""

    def run(watch: Watch) -> Figures:
        folder = made(watch, rows)
        hub = fresh(folder, DECLARED)
        hub.lf_run(jobs=1)
        write_lfs(folder, EDITED)
        with watch.timed():
            report = hub.lf_run(jobs=1)
        return told(report)

    return run


def appending(rows: int) -> Side:
    """`lf run` after a part of new rows came in."""

    def run(watch: Watch) -> Figures:
        hub = fresh(made(watch, rows), DECLARED)
        hub.lf_run(jobs=1)
        commit(hub, range(rows // ROWS_PER_PART + 1), ".parquet")
        with watch.timed():
            report = hub.lf_run(jobs=1)
        return told(report)

    return run


def snorkels(rows: int) -> Side:
    """Snorkel's pandas applier on the first rows; CPU-seconds times what there is more of."""

    def apply(watch: Watch) -> Figures:
        from snorkel.labeling import PandasLFApplier

        names: dict[str, Any] = {}
        exec(compile(SNORKEL, "first.py", "exec"), names)
        frame = texts(0).head(PEER_ROWS).to_pandas()
        with watch.timed():
            votes = PandasLFApplier(names["LFS"]).apply(frame, progress_bar=False)
        assert watch.cpu is not None
        assert watch.seconds is not None
        more = rows / PEER_ROWS
        watch.cpu, watch.seconds = watch.cpu * more, watch.seconds * more
        return {"rows": PEER_ROWS, "first_votes": digest(votes.astype("int8"))}

    return apply


def snorkels_model(rows: int) -> Side:
    """Snorkel's applier on the first rows, asking the same model a row at a time."""

    def apply(watch: Watch) -> Figures:
        from snorkel.labeling import LabelingFunction, PandasLFApplier

        names: dict[str, Any] = {}
        exec(compile(MODELLED, "first.py", "exec"), names)
        fitted = names["fitted"]

        def by_row(x: Any) -> int:
            said = fitted.predict_proba([x.text])[0]
            return int(said.argmax()) if said.max() >= THRESHOLD else -1

        first = texts(0)
        with watch.timed():
            votes = PandasLFApplier([LabelingFunction("topic", by_row)]).apply(
                first.head(MODEL_ROWS).to_pandas(), progress_bar=False
            )
        assert watch.cpu is not None
        assert watch.seconds is not None
        more = rows / MODEL_ROWS
        watch.cpu, watch.seconds = watch.cpu * more, watch.seconds * more
        return {"rows": MODEL_ROWS, "first_votes": digest(votes.astype("int8"))}

    return apply


def digest(votes: Any) -> str:
    """SHA-256 of the votes."""
    return hashlib.sha256(votes.tobytes("C")).hexdigest()


def told(report: LFReport) -> dict[str, Any]:
    """What a run came to."""
    reuse = report.reuse
    assert reuse is not None
    return {
        "rows": report.rows,
        "votes": report.votes,
        "faults": sum(report.fault_counts),
        "ran": sum(reuse.ran.values()),
        "reused": reuse.reused,
    }


def same_and(least: float) -> Callable[[Result], bool]:
    """At least so many times fewer CPU-seconds, and (where both say) the same votes."""

    def met(result: Result) -> bool:
        digests = {side.get("first_votes") for side in result.figures.values()} - {None}
        return len(digests) <= 1 and (result.ratio or 0) >= least

    return met


def within_memory(result: Result) -> bool:
    """All rows were voted on in the memory that was promised."""
    return (result.peak_mb or STREAM_MB + 1) <= STREAM_MB


def streaming(millions: int, suffix: str) -> Case:
    """Ten declarative LFs over more rows than fit."""
    kind = suffix.lstrip(".")
    return Case(
        f"lfs_stream_{millions}m_{kind}",
        f"Ten declarative LFs on {millions}M texts in {'ORC' if kind == 'orc' else 'Parquet'}",
        running(millions * MILLION, DECLARED, suffix),
        no_peer="Snorkel's appliers hold rows and matrix in memory",
        prepare=preparing(millions * MILLION, suffix),
        goal=f"within {STREAM_MB} MB",
        met=within_memory,
        timeout=7200.0,
    )


def against_snorkel(millions: int, lfs: str, least: float) -> Case:
    """Ten LFs against Snorkel's applier."""
    kind = "declarative" if lfs == DECLARED else "snorkel"
    spelled = "Ten declarative LFs" if lfs == DECLARED else "Ten of Snorkel's own LFs, unmodified,"
    return Case(
        f"lfs_{kind}_{millions}m",
        f"{spelled} on {millions}M texts",
        running(millions * MILLION, lfs),
        snorkels(millions * MILLION),
        PEER,
        prepare=preparing(millions * MILLION),
        goal=f"the same votes, at least {least:g}x fewer CPU-seconds",
        met=same_and(least),
    )


NO_REUSE = "Snorkel keeps no votes: it would run all of it again"
CASES = (
    against_snorkel(1, DECLARED, 50),
    against_snorkel(5, DECLARED, 50),
    against_snorkel(1, SNORKEL, 4),
    Case(
        "lfs_model_1m",
        "A scikit-learn model as an LF on 1M texts",
        running(MILLION, MODELLED, compared=MODEL_ROWS),
        snorkels_model(MILLION),
        f"Snorkel's PandasLFApplier, the same model a row, on {MODEL_ROWS:,} rows",
        prepare=preparing(MILLION),
        goal="the same votes, at least 10x fewer CPU-seconds",
        met=same_and(10),
    ),
    Case(
        "lfs_orc_1m",
        "Ten declarative LFs on 1M texts in ORC",
        running(MILLION, DECLARED, ".orc"),
        running(MILLION, DECLARED),
        "the same in Parquet",
        prepare=preparing(MILLION, ".orc"),
        goal="the same votes",
        met=same_and(0),
    ),
    Case(
        "lfs_edit_one_5m",
        "One of ten declarative LFs edited, 5M texts",
        editing(5 * MILLION),
        running(5 * MILLION, DECLARED),
        "running all ten",
        prepare=preparing(5 * MILLION),
        goal="nine of ten are not run",
        met=lambda result: result.figures["ours"]["reused"] == 9 * 50,
    ),
    Case(
        "lfs_new_rows_5m",
        "100,000 new rows beside 5M, ten declarative LFs",
        appending(5 * MILLION),
        no_peer=NO_REUSE,
        prepare=preparing(5 * MILLION),
        goal="LFs see new rows alone",
        met=lambda result: result.figures["ours"]["ran"] == 10,
    ),
    streaming(100, ".parquet"),
    streaming(100, ".orc"),
)
