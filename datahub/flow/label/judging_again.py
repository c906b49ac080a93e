"""Labels without a new fit: what the label model of a commit said, with other answers."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from datahub.core.dataset import Key, Part
from datahub.core.errors import InputError, NotFound
from datahub.core.features import Looks
from datahub.core.kept import FIT
from datahub.core.labels import LabelMatrix, SoftLabels
from datahub.core.layout import triage_file
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.outcome import Triage
from datahub.core.relabel import Decision
from datahub.core.versions import ObjectId
from datahub.flow.dataset.at import At
from datahub.flow.dataset.draft import Draft
from datahub.flow.dataset.features import FeatureReader, features_at
from datahub.flow.dataset.patching import MOST_PATCHED, patch_labels
from datahub.flow.dataset.votes import VotesAt
from datahub.flow.label.judging import Ask, JudgedPart, Judgment, judge
from datahub.flow.steps import Progress, quiet
from datahub.ports import EndModel


def relabel(
    at: At, judgment: Judgment, *, step_id: str
) -> tuple[dict[str, ObjectId | None], int, int]:
    """What a commit on top of `at` changes so that its tables say what was judged.

    With it how many lines of labels that changes, and how many labels.
    """
    at.check("labels", made_by="label fit")
    draft = _Relabeling(at)
    for part in judgment.parts():
        draft.add(part)
    return draft.changes(judgment.triage, step_id), draft.line_count, draft.label_count


class _Relabeling:
    """Tables written again, a part at a time: labels of a part whole, or as lines of a patch."""

    def __init__(self, at: At) -> None:
        self._at = at
        self._scores, self._labels = Draft(at), Draft(at)
        self._lines = list[pl.DataFrame]()
        self._earlier_format = False
        self.line_count, self.label_count = 0, 0

    def add(self, new: JudgedPart) -> None:
        """Take what was judged of a part."""
        before, after = self._at.part("labels", new.part), new.labels
        assert before is not None  # labels are written for every part
        self.label_count += int(before["label"].ne_missing(after["label"]).sum())
        differs = _differing(before, after)
        self.line_count += differs.height
        self._earlier_format |= before.columns != after.columns
        self._scores.write("soft_labels", new.part, new.scores)
        if differs.height > MOST_PATCHED * after.height:  # not kept until all parts are there
            self._labels.write("labels", new.part, after)
            differs = differs[:0]
        self._lines.append(differs)

    def changes(self, triage: Triage, step_id: str) -> dict[str, ObjectId | None]:
        """What the commit changes."""
        at = self._at
        if self._earlier_format:
            self._labels.drop_rest("labels")
            labels = self._labels.changes
        else:
            parts = {path: oid for path, oid in self._labels.changes.items() if oid is not None}
            labels = patch_labels(at, pl.concat(self._lines), step_id=step_id, rewritten=parts)
        self._scores.drop_rest("soft_labels")
        self._scores.put(triage_file(at.name), triage.to_json())
        return {**labels, **self._scores.changes}


def _differing(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """The lines of a part that are not what they were; all, where they had other columns."""
    if before.columns != after.columns:
        return after
    equal = pl.all_horizontal(before[c].eq_missing(after[c]) for c in after.columns)
    return after.filter(~pl.select(equal).to_series())


def judge_again(
    at: At,
    *,
    end_model: EndModel | None,
    decisions: dict[Key, Decision],
    audit_keys: Collection[Key],
    progress: Progress = quiet,
) -> Judgment:
    """Labels again from what the label model said, with other answers of people."""
    model = fitted_model(at)
    manifest = VotesManifest.from_json(at.store.read(model.votes))
    return judge(
        at.dataset,
        VotesAt(at, manifest),
        _model_soft(at),
        features_as_fitted(at),
        lfs=manifest.names,
        end_model=None if model.end_model == "none" else end_model,
        decisions=decisions,
        audit_keys=audit_keys,
        spent=at.spent_keys,
        policy=at.triage.policy,
        model=made_by(model),
        seed=model.seed,
        even=model.even_end,
        progress=progress,
    )


def features_as_fitted(at: At) -> FeatureReader:
    """What the end model of a commit looked at.

    Raises InputError where these vectors are no longer there: others were put in their place.
    """
    model = fitted_model(at)
    features = model.features
    if model.vectors and (at.vectors is None or at.vectors.space != model.vectors):
        raise InputError(
            f"The labels of {at.name!r} were made by vectors that are no longer there.",
            hint="`datahub label fit` makes them by those that are. Answers wait until then.",
        )
    looks: Looks = "words" if not model.vectors else "both" if features else "vectors"
    lists = {name for name, kind in at.dataset.columns if kind.startswith(("List", "Array"))}
    return features_at(
        at,
        columns=[name for name in features if name not in lists],
        embedding=next((name for name in features if name in lists), None),
        looks=looks,
    )


def check_fitted(at: At) -> None:
    """Raise NotFound where a commit has no labels, or no model of the rows that it has."""
    at.check("labels", made_by="label fit")
    if at.model is None:
        raise NotFound(
            f"No label model is fitted to the rows of {at.name!r}: labels are kept from earlier "
            "ones.",
            hint=f"{FIT}. Answers wait until then.",
        )


def fitted_model(at: At) -> ModelManifest:
    """What the labels of a commit were made by. Raises NotFound."""
    check_fitted(at)
    assert at.model is not None  # checked
    return at.model


def _model_soft(at: At) -> Ask:
    """The label model's own probabilities [n, k]; in tables of an earlier format, the only ones."""
    at.check("soft_labels", made_by="label fit")
    k = len(at.dataset.classes)
    (first,) = at.files("soft_labels")[:1]
    own = "model_probabilities" in at.rows.scan([first]).collect_schema()
    column = "model_probabilities" if own else "probabilities"

    def soft(part: Part, votes: LabelMatrix) -> SoftLabels:
        table = at.part("soft_labels", part, [column])
        assert table is not None  # soft labels are written for every part
        probabilities = np.full((part.rows, k), np.nan)
        values = table[column].drop_nulls().explode().to_numpy()
        probabilities[table[column].is_not_null().to_numpy()] = values.reshape(-1, k)
        return probabilities

    return soft


def made_by(model: ModelManifest) -> str:
    """What a line of labels says of the model that it came from."""
    return f"{model.name}@{model.votes[:12]}"
