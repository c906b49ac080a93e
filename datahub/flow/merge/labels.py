"""Final labels of a merge: a function of one side's models and of both sides' answers.

Labels are never picked from a side. The annotation log is the union of both; what each row's
answers come to is asked of that log (core.relabel). A conflict is where the two sides' answers
leave people tied, or where each side fitted models of its own. What settles one is itself an
answer in the log, so that no later step undoes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from datahub.core.conflicts import LABELS, MODEL, Settling, by_rule
from datahub.core.dataset import Dataset, Key
from datahub.core.errors import InputError
from datahub.core.layout import annotations_file, table_part
from datahub.core.parts import places
from datahub.core.relabel import Annotation, Decision, answers_by_row, counts, decide
from datahub.core.rowconflict import MadeBy, RowConflict
from datahub.core.shown import columns_of, hash_of
from datahub.core.versions import ObjectId
from datahub.flow.dataset.annotations import Hashes, hashes_of
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.dataset.tables import contents_of, read_keys, read_parts
from datahub.flow.label.judging_again import judged_again, relabeled
from datahub.flow.merge.fields import BOTH, Content
from datahub.flow.merge.kept import joined_labels
from datahub.flow.merge.models import Labels, models_of, without_models
from datahub.flow.merge.sides import Sides


def merged_labels(sides: Sides, content: Content, settling: Settling) -> Labels:
    """Choose the models, join the answers, and say what the labels are."""
    found = Labels()
    side = models_of(sides, content, settling, found)
    logs = {side: list(sides.at[side].log) for side in ("base", *BOTH)}
    log = _joint(logs)
    settlements = _tied(sides, content, logs, log, settling, found)
    if side is not None:
        settlements += _differing(sides, log, side, settling, found)
    if found.left:
        return found
    if settlements:
        lines = "".join(entry.to_json() + "\n" for entry in settlements)
        path = annotations_file(sides.name, f"merge-{sides.step.id}")
        found.changes[path] = sides.store.put_bytes(lines.encode())
        found.settled = len(settlements)
    log += settlements
    if side is None:
        without_models(sides, content, joined_labels(sides, content, logs, log), found)
        return found
    fresh = set(log) ^ set(logs[side])
    if fresh:
        keys = list(dict.fromkeys(entry.key for entry in [*log, *logs[side]] if entry in fresh))
        found.changes |= _relabeled(sides, log, keys, side, found)
    return found


def _joint(logs: Mapping[str, list[Annotation]]) -> list[Annotation]:
    """The log of the merge: what either side added, without what either took away."""
    base, ours, theirs = (set(logs[side]) for side in ("base", *BOTH))
    gone = base - (ours & theirs)
    return [entry for entry in dict.fromkeys([*logs["ours"], *logs["theirs"]]) if entry not in gone]


def _tied(
    sides: Sides,
    content: Content,
    logs: Mapping[str, list[Annotation]],
    log: list[Annotation],
    settling: Settling,
    found: Labels,
) -> list[Annotation]:
    """Rows that both sides took answers to, differently, and on which all answers are tied."""
    old = set(logs["base"])
    news = [{entry.key for entry in logs[of] if entry not in old} for of in BOTH]
    keys = sorted(news[0] & news[1])
    if not keys:
        return []
    classes = content.known.classes
    hashes = _hashes(sides, content.known, [*log, *logs["ours"], *logs["theirs"]], keys)
    union = answers_by_row(log, hashes, classes=classes)
    joint = decide(log, hashes, classes=classes)
    said = {of: decide(logs[of], hashes, classes=classes) for of in BOTH}
    old_labels = _labels_of(sides, "base", keys)
    chosen: dict[Key, str] = {}
    for key in keys:
        if key not in joint or joint[key].outcome != "tie":
            continue
        mine, other = said["ours"].get(key), said["theirs"].get(key)
        if _label(mine) == _label(other):
            continue
        conflict = RowConflict(
            sides.name,
            LABELS,
            key,
            "label",
            "people disagree",
            old_labels.get(key),
            _label(mine),
            _label(other),
            _people(mine, union[key]),
            _people(other, union[key]),
        )
        label, decided = _settled_label(sides, content, conflict, union[key], settling, found)
        if decided and label is not None:
            chosen[key] = label
    return _settlements(sides, content.known, chosen, union)


def _labels_of(sides: Sides, side: str, keys: list[Key]) -> dict[Key, str | None]:
    """Final labels of these rows, where a side has any."""
    if side not in sides.known:
        return {}
    known = sides.known[side]
    at = sides.commits[side].id
    columns = [known.key, "label"]
    frames = read_keys(sides.store, sides.rows, at, known, LABELS, keys, columns=columns)
    return {key: label for frame in frames for key, label in frame.iter_rows()}


def _settled_label(
    sides: Sides,
    content: Content,
    conflict: RowConflict,
    answers: Sequence[Annotation],
    settling: Settling,
    found: Labels,
) -> tuple[str | None, bool]:
    """What was decided of a row's label: (label, whether anything was)."""
    found.conflicts.append(conflict)
    one = settling.of(conflict)
    if one is not None and one.take is None:
        return _checked_class(one.value, sides), True
    take = one.take if one is not None else None
    if take is None and settling.rule is not None:
        assert conflict.key is not None  # labels are of rows
        gold = _gold(sides, content, conflict.key) if settling.rule == "gold" else None
        label, says = by_rule(settling.rule, answers, gold)
        if says:
            return label, True
    take = take or settling.side
    if take is None:
        found.left.append(conflict)
        return None, False
    value = conflict.ours if take == "ours" else conflict.theirs
    return (None if value is None else str(value)), True


def _checked_class(value: object, sides: Sides) -> str | None:
    """A decided class; null leaves the row open."""
    if value is None:
        return None
    classes = sides.known["ours"].classes
    if value not in classes:
        raise InputError(
            f"{value!r} is no class of {sides.name!r}.",
            hint=f"Classes are {', '.join(classes)}. Fix the file of decisions.",
        )
    return str(value)


def _gold(sides: Sides, content: Content, key: Key) -> str | None:
    """The given label of a merged row."""
    parts = content.known.parts
    path = table_part(sides.name, "gold", parts[places(parts, pl.Series([key]))[0]].sha256)
    oid = {**sides.gold["ours"], **content.changes}.get(path)
    if oid is None:
        return None
    frame = sides.rows.read([sides.store.fetch(oid)])
    found = frame.filter(pl.col(content.known.key) == key)[GOLD_LABEL].to_list()
    return None if not found or found[0] is None else str(found[0])


def _hashes(sides: Sides, known: Dataset, log: Sequence[Annotation], keys: Sequence[Key]) -> Hashes:
    """Hashes of the rows that a dataset holds; batches of all three say what was shown earlier."""
    at = [commit.id for commit in sides.commits.values()]
    return hashes_of(sides.store, sides.rows, at, known, log, keys=keys)


def _settlements(
    sides: Sides,
    known: Dataset,
    chosen: Mapping[Key, str],
    answers: Mapping[Key, Sequence[Annotation]],
) -> list[Annotation]:
    """The answers that settle rows, by whoever merges.

    Each holds as long as those that it settles: it belongs to all columns that they saw.
    """
    step = sides.step
    every = known.content_columns
    rows = dict(contents_of(sides.store, sides.rows, known, list(chosen), columns=every))
    made = []
    for key, label in chosen.items():
        settled = answers.get(key, ())
        saw = [entry.columns or every for entry in settled] or [every]
        columns = columns_of({name for names in saw for name in names})
        row_hash = hash_of(rows[key], columns)
        assert row_hash is not None  # what counts saw only columns that are there
        made.append(
            Annotation(
                id=f"merge-{step.id}-{key}",
                key=key,
                row_hash=row_hash,
                label=label,
                annotator=step.author,
                time=max([step.time.isoformat(), *(entry.time for entry in settled)]),
                batch=f"merge-{step.id}",
                settles=tuple(sorted(entry.id for entry in settled)),
                columns=columns,
            )
        )
    return made


def _differing(
    sides: Sides, log: list[Annotation], side: str, settling: Settling, found: Labels
) -> list[Annotation]:
    """Rows whose labels differ because each side has its own models, and no person said.

    They follow the models that are taken, but for those that are decided one by one.
    """
    if not any(conflict.table == MODEL for conflict in found.conflicts):
        return []
    frames = [_labels_table(sides, of) for of in BOTH]
    key = sides.known["ours"].key
    joined = frames[0].join(frames[1], on=key, how="inner", suffix="_theirs")
    differ = joined.filter(pl.col("label").ne_missing(pl.col("label_theirs")))
    keys = differ[key].to_list()
    known = sides.known[side]
    asked = list({entry.key for entry in log} & set(keys))
    decisions = decide(log, _hashes(sides, known, log, asked), classes=known.classes)
    said = {k for k, one in decisions.items() if one.outcome == "label"}
    undecided = any(conflict.table == MODEL for conflict in found.left)
    chosen: dict[Key, str] = {}
    for line in differ.iter_rows(named=True):
        if line[key] in said:
            continue
        by = [
            MadeBy(model=line[f"model{s}"] or "", lfs=tuple(line[f"lfs{s}"]))
            for s in ("", "_theirs")
        ]
        values = None, line["label"], line["label_theirs"]
        place = (sides.name, LABELS, line[key], "label")
        conflict = RowConflict(*place, "models disagree", *values, *by)
        found.conflicts.append(conflict)
        one = settling.of(conflict)
        if one is None and undecided:
            found.left.append(conflict)
        elif one is not None:
            value = line["label" if one.take == "ours" else "label_theirs"]
            label = _checked_class(one.value, sides) if one.take is None else value
            if label is not None and label != line["label" if side == "ours" else "label_theirs"]:
                chosen[line[key]] = label
    hashes = _hashes(sides, known, log, list(chosen))
    return _settlements(sides, known, chosen, answers_by_row(log, hashes, classes=known.classes))


def _labels_table(sides: Sides, side: str) -> pl.DataFrame:
    at, known = sides.commits[side].id, sides.known[side]
    columns = [known.key, "label", "model", "lfs"]
    parts = read_parts(sides.store, sides.rows, at, known, LABELS, columns=columns)
    return pl.concat([frame for _, frame in parts])


def _relabeled(
    sides: Sides, log: list[Annotation], keys: list[Key], side: str, found: Labels
) -> dict[str, ObjectId | None]:
    """A side's labels decided again by the joint log, of which these keys are news to it.

    As if one pull had taken the answers of both: rows alike are informed by all of them.
    """
    at, known = sides.at[side], sides.known[side]
    hashes = _hashes(sides, known, log, list({entry.key for entry in log}))
    wanted = set(keys)
    decided = decide(log, hashes, classes=known.classes)
    stale = {e.key for e in log if e.key in wanted and not counts(e, hashes)}
    if stale:
        found.notes.append(
            f"answers to {len(stale)} rows of {sides.name} no longer count: the other side changed "
            "or removed the rows. `datahub review push` asks again"
        )
    drawn = {key for of in BOTH for key in sides.at[of].audit_keys}
    judged = judged_again(at, end_model=sides.end_model, decisions=decided, drawn=drawn)
    changes, lines, _ = relabeled(at, judged, step_id=sides.step.id)
    found.relabeled += lines
    return changes


def _label(decision: Decision | None) -> str | None:
    return None if decision is None else decision.label


def _people(decision: Decision | None, answers: Sequence[Annotation]) -> MadeBy:
    by = set(decision.by) if decision else set()
    named = [answer for answer in answers if answer.id in by]
    return MadeBy(
        annotations=tuple(answer.id for answer in named),
        annotators=tuple(answer.annotator for answer in named),
    )
