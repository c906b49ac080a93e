"""Whose votes, fit and soft labels a merge has; none, where they are of other rows.

Where each side fitted models of its own that is a conflict of the whole, decided for one side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from datahub.core.conflicts import MODEL, Settling
from datahub.core.dataset import Dataset
from datahub.core.kept import FIT
from datahub.core.layout import label_model_file, lfs_file, table_prefix, votes_file
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.rowconflict import MadeBy, RowConflict
from datahub.core.versions import ObjectId
from datahub.flow.dataset.votes import manifest_at
from datahub.flow.merge.fields import BOTH, Content
from datahub.flow.merge.kept import Joined
from datahub.flow.merge.sides import Sides, Unit, labels_unit, model_unit, overlaid


@dataclass
class Labels:
    """What is to change on ours for models, labels and log, and what is left to decide."""

    changes: dict[str, ObjectId | None] = field(default_factory=dict)
    conflicts: list[RowConflict] = field(default_factory=list)
    left: list[RowConflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    relabeled: int = 0
    settled: int = 0


def models_of(sides: Sides, content: Content, settling: Settling, found: Labels) -> str | None:
    """The side whose votes, fit and soft labels the merge has; None: they must be made again."""
    side: str | None
    unit = _derived(sides.name)
    moved = sides.moved_by(model_unit(sides.name))
    fitting = [side for side in BOTH if _fits(sides, side, content.known)]
    if moved == "both" and len(fitting) == 2:
        side = _disagreeing(sides, settling, found)
    elif moved == "theirs" and "theirs" in fitting:
        side = "theirs"
    else:
        side = fitting[0] if fitting else None
    if moved == "both" and len(fitting) == 1:
        found.notes.append(
            f"votes and models of {sides.name} are those of {side}: the other side's are of rows "
            "that this merge does not have. `datahub lf run`, then `datahub label fit`"
        )
    if side == "theirs":
        found.changes |= sides.taking_theirs(unit)
    return side


def _derived(name: str) -> Unit:
    model, labels = model_unit(name), labels_unit(name)
    return lambda path: model(path) or labels(path)


def _fits(sides: Sides, side: str, known: Dataset) -> bool:
    """Whether a side's labels are of exactly these rows and classes."""
    at = sides.commits[side].id
    own = sides.known.get(side)
    path = label_model_file(sides.name)
    return (
        own is not None
        and path in sides.store.objects(at, path)
        and [part.sha256 for part in own.parts] == [part.sha256 for part in known.parts]
        and own.classes == known.classes
    )


def _disagreeing(sides: Sides, settling: Settling, found: Labels) -> str:
    """Both sides fitted models of their own: one side's are taken, if that is decided."""
    manifests = {side: _model(sides, side) for side in ("base", *BOTH)}
    base, ours, theirs = (None if m is None else _named(m) for m in manifests.values())
    by = [_models_made_by(sides, side) for side in BOTH]
    place = (sides.name, MODEL, None, None)
    conflict = RowConflict(*place, "both changed", base, ours, theirs, *by)
    found.conflicts.append(conflict)
    decided = settling.of(conflict)
    side = settling.side if decided is None else decided.take
    if side is None:
        found.left.append(conflict)
        return "ours"
    found.notes.append(
        f"votes and models of {sides.name} are those of {side}; the LFs of both are in the merge: "
        "`datahub lf run`, then `datahub label fit` bring them together"
    )
    return side


def _model(sides: Sides, side: str) -> ModelManifest | None:
    path = label_model_file(sides.name)
    oid = sides.store.objects(sides.commits[side].id, path).get(path)
    return None if oid is None else ModelManifest.from_json(sides.store.read(oid))


def _named(model: ModelManifest) -> str:
    return f"{model.name}@{model.votes[:12]}"


def _models_made_by(sides: Sides, side: str) -> MadeBy:
    by = sides.made_by(side, model_unit(sides.name))
    manifest = manifest_at(sides.store, sides.commits[side].id, sides.name)
    names = tuple(manifest.names) if manifest else ()
    model = _model(sides, side)
    return MadeBy(
        model=_named(model) if model else "", lfs=names, commit=by.commit, author=by.author
    )


def without_models(sides: Sides, content: Content, joined: Joined, found: Labels) -> None:
    """Take away what is of other rows; votes on parts that are still there stay, and labels."""
    name, store = sides.name, sides.store
    derived = _derived(name)
    held = {
        side: {
            path: oid
            for path, oid in store.objects(sides.commits[side].id, f"datasets/{name}/").items()
            if derived(path)
        }
        for side in BOTH
    }
    if not held["ours"] and not held["theirs"]:
        return
    kept: dict[str, ObjectId | None] = {}
    parts = [part.sha256 for part in content.known.parts]
    votes = held["theirs"] | held["ours"]
    for side in BOTH:
        manifest = manifest_at(store, sides.commits[side].id, name)
        if manifest is None or manifest.cardinality != len(content.known.classes):
            continue
        there = [
            part
            for part in parts
            if all(votes_file(name, lf.fingerprint, part) in votes for lf in manifest.lfs)
        ]
        kept = _kept_votes(sides, manifest, there, votes)
        break
    labels = table_prefix(name, "labels")
    labeled = joined.kept.rows > 0
    gone = [path for path in held["ours"] if not (labeled and path.startswith(labels))]
    found.changes |= overlaid(dict.fromkeys(gone, None), kept, joined.kept.changes)
    if any(path.startswith(labels) for side in BOTH for path in held[side]):
        found.notes += _told(content, joined)


def _told(content: Content, joined: Joined) -> list[str]:
    """What people are told of labels that no model of just these rows has made."""
    name, kept = content.known.name, joined.kept
    said = (
        f"{kept.rows} rows of {name} keep their labels, {kept.fresh} have none yet"
        if kept.rows
        else f"labels of {name} follow its rows, which are merged"
    )
    notes = [f"{said}: {FIT} make them; answers are kept"]
    if joined.apart:
        notes.append(
            f"on {joined.apart} of those rows the models of both sides disagree, and no person said"
        )
    return notes


def _kept_votes(
    sides: Sides, manifest: VotesManifest, parts: list[str], votes: Mapping[str, ObjectId]
) -> dict[str, ObjectId | None]:
    if not parts:
        return {}
    known = [part for part in manifest.parts if part in parts]
    of_parts = manifest.only_parts(set(known))
    kept: dict[str, ObjectId | None] = {
        votes_file(sides.name, lf.fingerprint, part): votes[
            votes_file(sides.name, lf.fingerprint, part)
        ]
        for lf in manifest.lfs
        for part in known
    }
    if known:
        text = of_parts.to_json().encode()
        kept[lfs_file(sides.name)] = sides.store.put_bytes(text)
    return kept
