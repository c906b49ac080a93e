"""Final labels of a merge: a function of one side's models and of both sides' answers.

Labels are never picked from a side. The annotation log is the union of both; what each row's
answers come to is asked of that log (core.relabel). A conflict is where the two sides' answers
leave people tied, or where each side fitted models of its own. What settles one is itself an
answer in the log, so that no later step undoes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from datahub.core.class_names import classes_hint
from datahub.core.conflicts import LABELS, MODEL, Settling, by_rule
from datahub.core.dataset import Dataset, Key
from datahub.core.errors import InputError
from datahub.core.layout import annotations_file, table_part
from datahub.core.parts import places
from datahub.core.relabel import Annotation, Decision, answers_by_row, counts, decide
from datahub.core.rowconflict import MadeBy, RowConflict
from datahub.core.shown import columns_of, hash_of
from datahub.core.versions import ObjectId
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.label.judging_again import judge_again, relabel
from datahub.flow.merge.fields import SIDES, Content
from datahub.flow.merge.kept import join_labels
from datahub.flow.merge.models import Labels, drop_models, models_of
from datahub.flow.merge.sides import Sides


def merge_labels(sides: Sides, content: Content, resolution: Settling) -> Labels:
    """Choose the models, join the answers, and say what the labels are."""
    labels = Labels()
    side = models_of(sides, content, resolution, labels)
    logs = {side: list(sides.at[side].log) for side in ("base", *SIDES)}
    log = _joint(logs)
    settlements = _settle_ties(sides, content, logs, log, resolution, labels)
    if side is not None:
        settlements += _settle_differences(sides, log, side, resolution, labels)
    if labels.open_conflicts:
        return labels
    if settlements:
        lines = "".join(entry.to_json() + "\n" for entry in settlements)
        path = annotations_file(sides.name, f"merge-{sides.step.id}")
        labels.changes[path] = sides.store.put(lines.encode())
        labels.settled = len(settlements)
    log += settlements
    if side is None:
        drop_models(sides, content, join_labels(sides, content, logs, log), labels)
        return labels
    fresh = set(log) ^ set(logs[side])
    if fresh:
        keys = list(dict.fromkeys(entry.key for entry in [*log, *logs[side]] if entry in fresh))
        labels.changes |= _relabel(sides, log, keys, side, labels)
    return labels


def _joint(logs: Mapping[str, list[Annotation]]) -> list[Annotation]:
    """The log of the merge: what either side added, without what either took away."""
    base, our_log, their_log = (set(logs[side]) for side in ("base", *SIDES))
    removals = base - (our_log & their_log)
    return [
        entry for entry in dict.fromkeys([*logs["ours"], *logs["theirs"]]) if entry not in removals
    ]


def _settle_ties(
    sides: Sides,
    content: Content,
    logs: Mapping[str, list[Annotation]],
    log: list[Annotation],
    resolution: Settling,
    labels: Labels,
) -> list[Annotation]:
    """Rows that both sides took answers to, differently, and on which all answers are tied."""
    old = set(logs["base"])
    news = [{entry.key for entry in logs[of] if entry not in old} for of in SIDES]
    keys = sorted(news[0] & news[1])
    if not keys:
        return []
    classes = content.dataset.classes
    hashes = sides.hashes(content.dataset, [*log, *logs["ours"], *logs["theirs"]], keys)
    union = answers_by_row(log, hashes, classes=classes)
    joint = decide(log, hashes, classes=classes)
    ties = [key for key in keys if key in joint and joint[key].outcome == "tie"]
    decisions = [decide(logs[of], hashes, classes=classes) for of in SIDES]
    old_labels = _labels_of(sides, "base", ties)
    choices: dict[Key, str] = {}
    for key in ties:
        conflict = _tie(sides.name, key, old_labels.get(key), decisions, union[key])
        if conflict.ours == conflict.theirs:
            continue
        label, is_decided = _decide_label(sides, content, conflict, union[key], resolution, labels)
        if is_decided and label is not None:
            choices[key] = label
    return _settlements(sides, content.dataset, choices, union)


def _tie(
    name: str,
    key: Key,
    base: str | None,
    decisions: Sequence[Mapping[Key, Decision]],
    answers: Sequence[Annotation],
) -> RowConflict:
    """What the answers of ours and of theirs come to for a row, each by itself."""
    ours, theirs = (by_key.get(key) for by_key in decisions)
    place = (name, LABELS, key, "label")
    by = _people(ours, answers), _people(theirs, answers)
    return RowConflict(*place, "people disagree", base, _label(ours), _label(theirs), *by)


def _labels_of(sides: Sides, side: str, keys: list[Key]) -> dict[Key, str | None]:
    """Final labels of these rows, where a side has any."""
    if side not in sides.datasets:
        return {}
    at = sides.at[side]
    frames = at.lines(LABELS, keys, columns=[at.key, "label"])
    return {key: label for frame in frames for key, label in frame.iter_rows()}


def _decide_label(
    sides: Sides,
    content: Content,
    conflict: RowConflict,
    answers: Sequence[Annotation],
    resolution: Settling,
    labels: Labels,
) -> tuple[str | None, bool]:
    """What was decided of a row's label: (label, whether anything was)."""
    labels.conflicts.append(conflict)
    decision = resolution.of(conflict)
    if decision is not None and decision.take is None:
        return _check_class(decision.value, sides), True
    take = decision.take if decision is not None else None
    if take is None and resolution.rule is not None:
        assert conflict.key is not None  # labels are of rows
        gold = _gold(sides, content, conflict.key) if resolution.rule == "gold" else None
        label, reason = by_rule(resolution.rule, answers, gold)
        if reason:
            return label, True
    take = take or resolution.side
    if take is None:
        labels.open_conflicts.append(conflict)
        return None, False
    value = conflict.ours if take == "ours" else conflict.theirs
    return (None if value is None else str(value)), True


def _check_class(value: object, sides: Sides) -> str | None:
    """A decided class; null leaves the row open."""
    if value is None:
        return None
    classes = sides.datasets["ours"].classes
    if value not in classes:
        raise InputError(
            f"{value!r} is no class of {sides.name!r}.",
            hint=f"{classes_hint(str(value), classes)} Fix the file of decisions.",
        )
    return str(value)


def _gold(sides: Sides, content: Content, key: Key) -> str | None:
    """The given label of a merged row."""
    parts = content.dataset.parts
    path = table_part(sides.name, "gold", parts[places(parts, pl.Series([key]))[0]].sha256)
    oid = {**sides.gold["ours"], **content.changes}.get(path)
    if oid is None:
        return None
    frame = sides.rows.read([sides.store.fetch(oid)])
    values = frame.filter(pl.col(content.dataset.key) == key)[GOLD_LABEL].to_list()
    return None if not values or values[0] is None else str(values[0])


def _settlements(
    sides: Sides,
    dataset: Dataset,
    choices: Mapping[Key, str],
    answers: Mapping[Key, Sequence[Annotation]],
) -> list[Annotation]:
    """The answers that settle rows, by whoever merges.

    Each holds as long as those that it settles: it belongs to all columns that they saw.
    """
    step = sides.step
    every = dataset.content_columns
    rows = dict(sides.at["ours"].values(list(choices), every, of=dataset))
    settlements = []
    for key, label in choices.items():
        entries = answers.get(key, ())
        views = [entry.columns or every for entry in entries] or [every]
        columns = columns_of({name for names in views for name in names})
        row_hash = hash_of(rows[key], columns)
        assert row_hash is not None  # what counts saw only columns that are there
        settlements.append(
            Annotation(
                id=f"merge-{step.id}-{key}",
                key=key,
                row_hash=row_hash,
                label=label,
                annotator=step.author,
                time=max([step.time.isoformat(), *(entry.time for entry in entries)]),
                batch=f"merge-{step.id}",
                settles=tuple(sorted(entry.id for entry in entries)),
                columns=columns,
            )
        )
    return settlements


def _settle_differences(
    sides: Sides, log: list[Annotation], side: str, resolution: Settling, labels: Labels
) -> list[Annotation]:
    """Rows whose labels differ because each side has its own models, and no person said.

    They follow the models that are taken, but for those that are decided one by one.
    """
    if not any(conflict.table == MODEL for conflict in labels.conflicts):
        return []
    differ = _differing_labels(sides)
    dataset = sides.datasets[side]
    key = dataset.key
    answered_keys = list({entry.key for entry in log} & set(differ[key]))
    decisions = decide(log, sides.hashes(dataset, log, answered_keys), classes=dataset.classes)
    by_people = {k for k, decision in decisions.items() if decision.outcome == "label"}
    is_open = any(conflict.table == MODEL for conflict in labels.open_conflicts)
    choices: dict[Key, str] = {}
    for line in differ.iter_rows(named=True):
        if line[key] in by_people:
            continue
        conflict = _difference(sides.name, line[key], line)
        labels.conflicts.append(conflict)
        decision = resolution.of(conflict)
        if decision is None and is_open:
            labels.open_conflicts.append(conflict)
        elif decision is not None:
            values = {"ours": line["label"], "theirs": line["label_theirs"]}
            take = decision.take
            label = _check_class(decision.value, sides) if take is None else values[take]
            if label is not None and label != values[side]:
                choices[line[key]] = label
    hashes = sides.hashes(dataset, log, list(choices))
    return _settlements(
        sides, dataset, choices, answers_by_row(log, hashes, classes=dataset.classes)
    )


def _differing_labels(sides: Sides) -> pl.DataFrame:
    """Rows that both sides label, each otherwise: ours, and theirs with the suffix `_theirs`."""
    ours, theirs = (_labels_table(sides, side) for side in SIDES)
    pairs = ours.join(theirs, on=sides.at["ours"].key, how="inner", suffix="_theirs")
    return pairs.filter(pl.col("label").ne_missing(pl.col("label_theirs")))


def _difference(name: str, key: Key, line: Mapping[str, Any]) -> RowConflict:
    """What the models of both sides say of a row."""
    by = [
        MadeBy(model=line[f"model{suffix}"] or "", lfs=tuple(line[f"lfs{suffix}"]))
        for suffix in ("", "_theirs")
    ]
    place = (name, LABELS, key, "label")
    return RowConflict(*place, "models disagree", None, line["label"], line["label_theirs"], *by)


def _labels_table(sides: Sides, side: str) -> pl.DataFrame:
    at = sides.at[side]
    parts = at.parts(LABELS, columns=[at.key, "label", "model", "lfs"])
    return pl.concat([frame for _, frame in parts])


def _relabel(
    sides: Sides, log: list[Annotation], keys: list[Key], side: str, labels: Labels
) -> dict[str, ObjectId | None]:
    """A side's labels decided again by the joint log, of which these keys are news to it.

    As if one pull had taken the answers of both: rows alike are informed by all of them.
    """
    at, dataset = sides.at[side], sides.datasets[side]
    hashes = sides.hashes(dataset, log, list({entry.key for entry in log}))
    news = set(keys)
    decisions = decide(log, hashes, classes=dataset.classes)
    stale = {e.key for e in log if e.key in news and not counts(e, hashes)}
    if stale:
        labels.notes.append(
            f"answers to {len(stale)} rows of {sides.name} no longer count: the other side changed "
            "or removed the rows. `datahub review push` asks again"
        )
    audit_keys = {key for of in SIDES for key in sides.at[of].audit_keys}
    judgments = judge_again(
        at, end_model=sides.end_model, decisions=decisions, audit_keys=audit_keys
    )
    changes, lines, _ = relabel(at, judgments, step_id=sides.step.id)
    labels.relabeled += lines
    return changes


def _label(decision: Decision | None) -> str | None:
    return None if decision is None else decision.label


def _people(decision: Decision | None, answers: Sequence[Annotation]) -> MadeBy:
    by = set(decision.by) if decision else set()
    grounds = [answer for answer in answers if answer.id in by]
    return MadeBy(
        annotations=tuple(answer.id for answer in grounds),
        annotators=tuple(answer.annotator for answer in grounds),
    )
