"""Whose votes, fit and soft labels a merge has; none, where they are of other rows.

Where each side fitted models of its own that is a conflict of the whole, decided for one side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from datahub.core.conflicts import MODEL, Settling
from datahub.core.dataset import Dataset
from datahub.core.kept import FIT
from datahub.core.layout import label_model_file, lf_code_file, lfs_file, table_prefix, votes_file
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.rowconflict import MadeBy, RowConflict
from datahub.core.versions import ObjectId
from datahub.flow.merge.fields import SIDES, Content
from datahub.flow.merge.kept import JointLabels
from datahub.flow.merge.sides import Sides, Unit, labels_unit, model_unit, overlay


@dataclass
class Labels:
    """What is to change on ours for models, labels and log, and what is left to decide."""

    changes: dict[str, ObjectId | None] = field(default_factory=dict)
    conflicts: list[RowConflict] = field(default_factory=list)
    open_conflicts: list[RowConflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    relabeled: int = 0
    settled: int = 0


def models_of(sides: Sides, content: Content, resolution: Settling, labels: Labels) -> str | None:
    """The side whose votes, fit and soft labels the merge has; None: they must be made again."""
    side: str | None
    unit = _derived_unit(sides.name)
    movers = sides.moved_by(model_unit(sides.name))
    matches = [side for side in SIDES if _fits(sides, side, content.dataset)]
    if movers == "both" and len(matches) == 2:
        side = _choose_models(sides, resolution, labels)
    elif movers == "theirs" and "theirs" in matches:
        side = "theirs"
    else:
        side = matches[0] if matches else None
    if movers == "both" and len(matches) == 1:
        labels.notes.append(
            f"votes and models of {sides.name} are those of {side}: the other side's are of rows "
            "that this merge does not have. `datahub lf run`, then `datahub label fit`"
        )
    if side == "theirs":
        labels.changes |= sides.taking_theirs(unit)
    return side


def _derived_unit(name: str) -> Unit:
    model, labels = model_unit(name), labels_unit(name)
    return lambda path: model(path) or labels(path)


def _fits(sides: Sides, side: str, dataset: Dataset) -> bool:
    """Whether a side's labels are of exactly these rows and classes."""
    own = sides.datasets.get(side)
    return (
        own is not None
        and sides.at[side].contents.find(label_model_file(sides.name)) is not None
        and [part.sha256 for part in own.parts] == [part.sha256 for part in dataset.parts]
        and own.classes == dataset.classes
    )


def _choose_models(sides: Sides, resolution: Settling, labels: Labels) -> str:
    """Both sides fitted models of their own: one side's are taken, if that is decided."""
    manifests = {side: sides.at[side].model for side in ("base", *SIDES)}
    base, our_model, their_model = (None if m is None else _model_id(m) for m in manifests.values())
    by = [_models_made_by(sides, side) for side in SIDES]
    place = (sides.name, MODEL, None, None)
    conflict = RowConflict(*place, "both changed", base, our_model, their_model, *by)
    labels.conflicts.append(conflict)
    decision = resolution.of(conflict)
    side = resolution.side if decision is None else decision.take
    if side is None:
        labels.open_conflicts.append(conflict)
        return "ours"
    labels.notes.append(
        f"votes and models of {sides.name} are those of {side}; the LFs of both are in the merge: "
        "`datahub lf run`, then `datahub label fit` bring them together"
    )
    return side


def _model_id(model: ModelManifest) -> str:
    return f"{model.name}@{model.votes[:12]}"


def _models_made_by(sides: Sides, side: str) -> MadeBy:
    by = sides.made_by(side, model_unit(sides.name))
    manifest, model = sides.at[side].votes, sides.at[side].model
    names = tuple(manifest.names) if manifest else ()
    return MadeBy(
        model=_model_id(model) if model else "", lfs=names, commit=by.commit, author=by.author
    )


def drop_models(sides: Sides, content: Content, joint: JointLabels, labels: Labels) -> None:
    """Take away what is of other rows; votes on parts that are still there stay, and labels."""
    name = sides.name
    is_derived = _derived_unit(name)
    objects = {
        side: {path: oid for path, oid in sides.at[side].objects().items() if is_derived(path)}
        for side in SIDES
    }
    if not objects["ours"] and not objects["theirs"]:
        return
    kept_votes: dict[str, ObjectId | None] = {}
    parts = [part.sha256 for part in content.dataset.parts]
    votes = objects["theirs"] | objects["ours"]
    for side in SIDES:
        manifest = sides.at[side].votes
        if manifest is None or manifest.cardinality != len(content.dataset.classes):
            continue
        voted_parts = [
            part
            for part in parts
            if all(votes_file(name, lf.fingerprint, part) in votes for lf in manifest.lfs)
        ]
        code = sides.at[side].contents.find(lf_code_file(name))
        kept_votes = _kept_votes(sides, manifest, voted_parts, votes, code)
        break
    prefix = table_prefix(name, "labels")
    has_labels = joint.labels.rows > 0
    removals = [path for path in objects["ours"] if not (has_labels and path.startswith(prefix))]
    labels.changes |= overlay(dict.fromkeys(removals, None), kept_votes, joint.labels.changes)
    if any(path.startswith(prefix) for side in SIDES for path in objects[side]):
        labels.notes += _label_notes(content, joint)


def _label_notes(content: Content, joint: JointLabels) -> list[str]:
    """What people are told of labels that no model of just these rows has made."""
    name, labels = content.dataset.name, joint.labels
    summary = (
        f"{labels.rows} rows of {name} keep their labels, {labels.fresh} have none yet"
        if labels.rows
        else f"labels of {name} follow its rows, which are merged"
    )
    notes = [f"{summary}: {FIT} make them; answers are kept"]
    if joint.apart:
        notes.append(
            f"on {joint.apart} of those rows the models of both sides disagree, and no person said"
        )
    return notes


def _kept_votes(
    sides: Sides,
    manifest: VotesManifest,
    parts: list[str],
    votes: Mapping[str, ObjectId],
    code: ObjectId | None,
) -> dict[str, ObjectId | None]:
    if not parts:
        return {}
    voted_parts = [part for part in manifest.parts if part in parts]
    of_parts = manifest.only_parts(set(voted_parts))
    objects: dict[str, ObjectId | None] = {
        votes_file(sides.name, lf.fingerprint, part): votes[
            votes_file(sides.name, lf.fingerprint, part)
        ]
        for lf in manifest.lfs
        for part in voted_parts
    }
    if voted_parts:
        text = of_parts.to_json().encode()
        objects[lfs_file(sides.name)] = sides.store.put(text)
        if code is not None:
            objects[lf_code_file(sides.name)] = code
    return objects
