"""How right the labels are, against gold and the audit slice. Nothing in labeling reads this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from datahub.core.calibrating import Reliability, reliability
from datahub.core.dataset import Key, Part
from datahub.core.errors import NotFound
from datahub.core.in_html import InHTML
from datahub.core.scoring import Accuracy, Judged, SliceScore, accuracy, judge
from datahub.flow.dataset.annotations import decisions_at
from datahub.flow.dataset.at import At
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.steps import Progress, quiet
from datahub.ports import FoundLF, LFWorkers

_BATCH = 20_000  # rows that slicing functions see at a time

Pairs = Counter[tuple[str, str | None]]


@dataclass(frozen=True)
class Score(InHTML):
    """Labels against gold: all rows, those no person answered, those accepted without a person.

    `accepted` are by a measured threshold alone, whatever the policy does before that. `gold` has
    all rows by class and what was taken for what, None where there is no gold. `audit` has the
    same of the models' labels on audited rows, which were drawn at random, against what people
    said of them; None where nobody answered one. `gold_trust` and `audit_trust` say how true trust
    in the labels of rows with a vote is, by rows with gold that nobody answered, and by audited
    rows (which also calibrated it); None where there are too few. `spent` rows, by which the label
    model was chosen, are in none of these.
    """

    everything: Accuracy
    not_asked: Accuracy
    accepted: Accuracy
    gold: Judged | None = None
    audit: Judged | None = None
    slices: tuple[SliceScore, ...] = ()
    spent: int = 0
    gold_trust: Reliability | None = None
    audit_trust: Reliability | None = None


def score_labels(at: At, workers: LFWorkers | None = None, progress: Progress = quiet) -> Score:
    """Hold the labels of a commit against gold, and against the answers to audited rows.

    With `workers` also by slice: slicing functions see every row, and nothing of it is kept.
    Raises NotFound: no labels yet, or neither gold nor such an answer.
    """
    score = _score(at)
    slices = workers.slices if workers is not None else []
    if workers is None or not slices:
        return score
    return replace(score, slices=_score_slices(at, workers, slices, progress))


def _score(at: At) -> Score:
    at.check("labels", made_by="label fit")
    audit, classes = _audit_pairs(at), at.dataset.classes
    audit_score = judge(audit, classes) if audit else None
    if not at.dataset.has_gold:
        if audit_score is None:
            _check_gold(at)
        no_rows = accuracy({})
        return Score(
            no_rows,
            no_rows,
            no_rows,
            audit=audit_score,
            spent=len(at.spent_keys),
            audit_trust=_audit_trust(at),
        )
    every, unseen_pairs, accepted = _gold_pairs(at)
    groups = accuracy(every), accuracy(unseen_pairs), accuracy(accepted)
    return Score(
        groups[0],
        groups[1],
        groups[2],
        gold=judge(every, classes),
        audit=audit_score,
        spent=len(at.spent_keys),
        gold_trust=_gold_trust(at),
        audit_trust=_audit_trust(at),
    )


def _check_gold(at: At) -> None:
    try:
        at.check_gold()
    except NotFound as error:
        error.hint = f"{error.hint} Or answer the audit rows that `datahub review push` asks about."
        raise


def _gold_pairs(at: At) -> tuple[Pairs, Pairs, Pairs]:
    """Of all rows, of those nobody answered, of those accepted."""
    at.check_gold()
    groups = Pairs(), Pairs(), Pairs()
    columns = [at.key, "label", "status", "annotations"]
    for part, labels in at.parts("labels", columns=columns):
        gold = at.part("gold", part, [at.key, GOLD_LABEL])
        if gold is None:
            continue
        lines = labels.join(_gold_lines(at, gold), on=at.key, how="inner")
        has_answer = pl.col("annotations").list.len() > 0
        masks = (pl.lit(True), ~has_answer, pl.col("status") == "accepted")
        for pairs, group in zip(groups, masks, strict=True):
            _count(pairs, lines.filter(group), "gold")
    return groups


def _score_slices(
    at: At, workers: LFWorkers, slices: Sequence[FoundLF], progress: Progress
) -> tuple[SliceScore, ...]:
    """The labels of the rows of each slice; a part and its labels are held at a time."""
    answers, has_gold = _audit_answers(at), at.dataset.has_gold
    gold, audit = [Pairs() for _ in slices], [Pairs() for _ in slices]
    rows, faults, offset = [0] * len(slices), [0] * len(slices), 0
    for part, path in zip(at.dataset.parts, at.files("rows"), strict=True):
        truth, models = _truth(at, part), _models(at, part, answers)
        frames = list(at.rows.batches([path], size=_BATCH))
        work = ((frame, slices) for frame in frames)
        outputs = workers.apply(work, key=at.key, cardinality=2)
        for frame, output in zip(frames, outputs, strict=True):
            for j in range(len(slices)):
                keys = frame[at.key].filter(pl.Series(output.votes[:, j] == 1)).implode()
                rows[j] += len(keys[0])
                faults[j] += output.fault_counts[j]
                _count(gold[j], truth.filter(pl.col(at.key).is_in(keys)), "gold")
                _count(audit[j], models.filter(pl.col(at.key).is_in(keys)), "said")
        offset += part.rows
        progress("slice", offset, at.dataset.rows)
    return tuple(
        SliceScore(
            found.name,
            rows[j],
            faults[j],
            accuracy(gold[j]) if has_gold else None,
            accuracy(audit[j]) if answers else None,
        )
        for j, found in enumerate(slices)
    )


def _truth(at: At, part: Part) -> pl.DataFrame:
    """Key, gold and label of the rows of a part that have gold."""
    labels = at.part("labels", part, [at.key, "label"])
    gold = at.part("gold", part, [at.key, GOLD_LABEL]) if at.dataset.has_gold else None
    if labels is None or gold is None:
        empty = {at.key: pl.Null, "label": pl.String, "gold": pl.String}
        return pl.DataFrame(schema=empty)
    return labels.join(_gold_lines(at, gold), on=at.key, how="inner")


def _gold_lines(at: At, gold: pl.DataFrame) -> pl.DataFrame:
    """Key and gold of the rows that have it, and had no part in choosing the label model."""
    dev_keys = pl.Series(list(at.spent_keys), dtype=gold.schema[at.key])
    lines = gold.rename({GOLD_LABEL: "gold"}).drop_nulls("gold")
    return lines.filter(~pl.col(at.key).is_in(dev_keys.implode()))


def _models(at: At, part: Part, answers: Mapping[Key, str]) -> pl.DataFrame:
    """Key, the models' label, and what people said, of the audited rows of a part."""
    lines = at.part("soft_labels", part, [at.key, "label"]) if answers else None
    if lines is None:
        return pl.DataFrame(schema={at.key: pl.Null, "label": pl.String, "said": pl.String})
    return _with_answers(at, lines, answers)


def _with_answers(at: At, lines: pl.DataFrame, answers: Mapping[Key, str]) -> pl.DataFrame:
    labels = [answers.get(key) for key in lines[at.key].to_list()]
    return lines.with_columns(said=pl.Series(labels, dtype=pl.String)).drop_nulls("said")


def _audit_answers(at: At) -> dict[Key, str]:
    """What people decided of rows that were drawn at random."""
    if not at.audit_keys or not at.has("soft_labels"):
        return {}
    labels = {key: d.label for key, d in decisions_at(at).items() if d.label is not None}
    test_keys = at.audit_keys - at.spent_keys
    return {key: label for key, label in labels.items() if key in test_keys}


def _audit_pairs(at: At) -> Pairs:
    """What people said of audited rows, and the label that the models give them."""
    pairs, answers = Pairs(), _audit_answers(at)
    for lines in at.lines("soft_labels", list(answers), columns=[at.key, "label"]):
        _count(pairs, _with_answers(at, lines, answers), "said")
    return pairs


def _gold_trust(at: At) -> Reliability | None:
    """Trust in labels of rows with gold that nobody answered."""
    if not at.has("soft_labels"):
        return None
    frames, answered = [], decisions_at(at)
    for part, lines in at.parts("soft_labels", columns=[at.key, "label", "trust"]):
        gold = at.part("gold", part, [at.key, GOLD_LABEL])
        if gold is not None:
            known = pl.Series(list(answered), dtype=lines.schema[at.key]).implode()
            open_lines = lines.filter(~pl.col(at.key).is_in(known))
            frames.append(open_lines.join(_gold_lines(at, gold), on=at.key, how="inner"))
    return _reliability(frames, "gold")


def _audit_trust(at: At) -> Reliability | None:
    answers = _audit_answers(at)
    columns = [at.key, "label", "trust"]
    lines = at.lines("soft_labels", list(answers), columns=columns)
    return _reliability([_with_answers(at, frame, answers) for frame in lines], "said")


def _reliability(frames: Sequence[pl.DataFrame], truth: str) -> Reliability | None:
    if not frames:
        return None
    lines = pl.concat(frame.select("label", "trust", truth) for frame in frames).drop_nulls("label")
    right = lines["label"] == lines[truth].cast(pl.String)
    return reliability(lines["trust"].to_numpy(), right.to_numpy())


def _count(pairs: Pairs, lines: pl.DataFrame, truth: str) -> None:
    for name, label, rows in lines.group_by(truth, "label").len().iter_rows():
        pairs[name, label] += rows
