"""New rows next to a tag, and suites from a history. Nothing here writes to the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from datahub.core.check_result import ChecksNotRun, not_run
from datahub.core.column_drift import MOST_VALUES, Sketch
from datahub.core.errors import NotFound
from datahub.core.gate_suite import Suite
from datahub.core.label_checks import label_checks
from datahub.core.layout import DATASETS
from datahub.core.monitoring import Monitored, advice, watched
from datahub.core.suite_suggestion import suggest_labels, suggest_rows
from datahub.flow.dataset.at import At
from datahub.flow.label.views import lf_stats
from datahub.flow.publish.label_rules import LabelChanges
from datahub.flow.publish.table_views import Measures, MergeView, sketch_of
from datahub.ports import PartProfiles

COMMITS = 20  # of a history that bounds are taken from


def monitor(at: At, against: str, profiles: PartProfiles | None) -> Monitored:
    """What rows that came to a dataset since `against` ask for.

    Raises RefNotFound, NotFound (no such dataset there), ChecksNotRun.
    """
    before = At.of(at.store, at.rows, against, at.name)
    if not before.exists:
        raise NotFound(f"{against!r} has no dataset {at.name!r}.", hint="Name a later one.")
    columns = [name for name in _columns(at, profiles) if name in dict(before.dataset.columns)]
    labels = at.has("labels") and before.has("labels")
    entries = watched(columns, labels=labels, text=at.dataset.text)
    checks = label_checks(Suite("datahub monitor", entries, {}))
    changes = LabelChanges(at.store, at.rows, before.id, profiles)
    results = [changes.judge(one, at, suite="datahub monitor", table="rows") for one in checks]
    if not_run(results):
        raise ChecksNotRun(results)
    new, unlabeled = _new_rows(before, at)
    state, reasons = advice(results, unlabeled)
    rows = at.dataset.rows
    return Monitored(at.name, at.ref, against, rows, new, unlabeled, state, reasons, tuple(results))


def suggest_suite(at: At, table: str, profiles: PartProfiles | None) -> tuple[dict[str, Any], int]:
    """A suite for a table with bounds from its last commits, and how many of them there were.

    Raises NotFound: nothing of that table.
    """
    at.check(table, made_by="label fit" if table == "labels" else "import")
    log = at.store.log(at.id, limit=COMMITS, prefix=f"{DATASETS}{at.name}/")
    history = [one for one in map(at.on, log) if one.exists and one.has(table)]
    if table == "labels":
        labels = [_sketch(one, table, "label", profiles) for one in history]
        entries = list(suggest_labels(labels, at.dataset.classes, _most_conflicts(at)))
    else:
        columns = {
            name: [
                _sketch(one, table, name, profiles)
                for one in history
                if name in dict(one.dataset.columns)
            ]
            for name, _ in at.dataset.columns
        }
        entries = list(suggest_rows(columns, at.key, _personal(at, profiles)))
    return {"name": f"{at.name}-{table}", "expectations": entries}, len(history)


def _columns(at: At, profiles: PartProfiles | None) -> list[str]:
    """Columns whose distribution can be compared: numbers, and few values."""
    names = []
    for name, kind in at.dataset.columns:
        if name in (at.key, at.dataset.text) or kind.startswith(("List", "Struct", "Binary")):
            continue
        sketch = _sketch(at, "rows", name, profiles)
        values = len(sketch.counts or ())
        if sketch.is_numbers or 0 < values <= min(MOST_VALUES, sketch.rows // 2):
            names.append(name)
    return names


def _sketch(at: At, table: str, column: str, profiles: PartProfiles | None) -> Sketch:
    sketch = sketch_of(Measures(at, table, profiles), column, None)
    assert sketch is not None  # the table has the column
    return sketch


def _personal(at: At, profiles: PartProfiles | None) -> Mapping[str, int]:
    kinds: dict[str, int] = {}
    for one in MergeView(at, at, "rows", profiles).personal(None):
        kinds[one.kind] = max(kinds.get(one.kind, 0), one.rows)
    return kinds


def _most_conflicts(at: At) -> float:
    if at.votes is None or not at.votes_are_current:
        return 0.0
    return max((line.conflicts for line in lf_stats(at, gold=False).table), default=0.0)


def _new_rows(before: At, at: At) -> tuple[int, int]:
    """How many rows came since, and how many of these have no label."""
    known = {part.sha256 for part in before.dataset.parts}
    new = unlabeled = 0
    for part in at.dataset.parts:
        if part.sha256 in known:
            continue
        keys = at.part("rows", part, [at.key])
        assert keys is not None  # a part has rows
        old = list(before.lines("rows", keys[at.key].to_list(), columns=[before.key]))
        fresh = keys.join(pl.concat(old), on=at.key, how="anti") if old else keys
        labels = at.part("labels", part, [at.key, "label"])
        new += fresh.height
        unlabeled += fresh.height - _labeled(fresh, labels, at.key)
    return new, unlabeled


def _labeled(rows: pl.DataFrame, labels: pl.DataFrame | None, key: str) -> int:
    if labels is None:
        return 0
    return rows.join(labels.drop_nulls("label"), on=key, how="semi").height
