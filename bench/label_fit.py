"""Label fit, whole: votes in, label model, labels of every row committed, no end model.

Texts and LFs are those of the labeling-function cases, ten LFs and five classes; `lf run` has
made the votes beforehand.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

from bench.harness import Case, Figures, Result, Watch
from bench.lfs_made import DECLARED, project
from datahub.hub import Hub

MILLION = 1_000_000
MOST_MB = 1000


def preparing(rows: int) -> Callable[[Watch], Figures | None]:
    """Make the texts, and let the LFs vote on them."""

    def prepare(watch: Watch) -> None:
        hub = project(watch.scratch / f"label_fit_{rows}", rows=rows, lfs=DECLARED)
        hub.lf_run(jobs=1)

    return prepare


def fitting(rows: int) -> Callable[[Watch], Figures | None]:
    """`label fit` on a branch that holds votes and no labels."""

    def fit(watch: Watch) -> Figures:
        branch = f"fit-{uuid.uuid4().hex[:8]}"
        hub = Hub.open(watch.scratch / f"label_fit_{rows}", branch=branch)
        hub.settings = replace(hub.settings, end_model="none")
        hub.store.create_branch(branch, at="main")
        assert all((hub.catalog, hub.rows))  # loaded now: seconds that are no work
        with watch.timed():
            fitted = hub.label_fit()
        return {"rows": fitted.rows, "covered": fitted.covered, "statuses": fitted.statuses}

    return fit


def within_memory(result: Result) -> bool:
    """All rows were labeled in the memory that was promised."""
    return (result.peak_mb or MOST_MB + 1) <= MOST_MB


def _case(millions: int, **goal: object) -> Case:
    rows = millions * MILLION
    return Case(
        f"label_fit_{millions}m_10",
        f"dawid-skene (the default), votes to committed labels, {millions}M x 10, 5 classes",
        fitting(rows),
        no_peer="Snorkel's label model writes no labels; see fit + predict",
        prepare=preparing(rows),
        **goal,  # type: ignore[arg-type]
    )


CASES = (
    _case(1),
    _case(5, goal=f"within {MOST_MB} MB", met=within_memory),
)
