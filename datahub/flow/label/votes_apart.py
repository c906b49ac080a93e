"""Votes of LFs that run apart: rows go out as a snapshot, votes come in, and no code does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from datahub.core.dataset import Dataset
from datahub.core.errors import InputError, NotFound
from datahub.core.labels import LabelMatrix
from datahub.core.layout import dataset_file, lfs_file, votes_file
from datahub.core.leaving import Leaving
from datahub.core.manifest import LFEntry, VotesManifest
from datahub.core.versions import Commit, ObjectId
from datahub.core.votes_in_file import FiledLF, FiledVotes
from datahub.flow.dataset.at import At
from datahub.flow.dataset.draft import Draft
from datahub.flow.label.report import with_classes
from datahub.flow.steps import Step, end
from datahub.ports import VersionStore

STEP = "votes of a file"  # what is said to have been done


def snapshot_files(at: At, leaving: Leaving) -> Iterator[tuple[str, Path]]:
    """(path in the commit, file) of what LFs see: rows, and dataset.json; no gold, no labels.

    Raises ConfigError: a column may not leave this machine, or there are no classes.
    """
    dataset = with_classes(at.dataset)
    leaving.check("A snapshot", [name for name, _ in dataset.columns])
    objects = at.objects("rows")
    yield dataset_file(at.name), at.store.fetch(_manifest(at))
    for path, oid in objects.items():
        yield path, at.store.fetch(oid)


def put_snapshot(store: VersionStore, step: Step, files: dict[str, Path]) -> Commit:
    """Commit the files of a snapshot, whose bytes must be what dataset.json says.

    Raises InputError: a part of the rows is another.
    """
    oids = dict(zip(files, store.put_all(files.values()), strict=True))
    for path, oid in oids.items():
        if path.endswith("/dataset.json"):
            parts = {part.sha256 for part in Dataset.from_json(store.read(oid)).parts}
            rows = {oids[name] for name in oids if name.startswith(path[:-12] + "rows/")}
            if parts != rows:
                raise InputError(
                    f"The snapshot's rows are not those that {path} names.",
                    hint="Make it again: `datahub fork snapshot`.",
                )
    head = store.commit_at(step.branch)
    return end(store, step, head, oids, message="Take in a snapshot")


def filed_votes(at: At, left_out: Collection[str]) -> FiledVotes:
    """The votes of a dataset, to be written to a file."""
    manifest = at.votes
    if manifest is None:
        raise NotFound(f"{at.name!r} has no votes.", hint="Run `datahub lf run`.")
    lfs = tuple(FiledLF(lf.name, dict(lf.faults or {})) for lf in manifest.lfs)
    votes = [_matrix(at, manifest, part.sha256) for part in at.dataset.parts]
    return FiledVotes(at.name, _manifest(at), lfs, tuple(left_out), votes)


def snapshot_id(at: At) -> tuple[str, Dataset]:
    """What a file of votes on a dataset must name, and the dataset."""
    return _manifest(at), at.dataset


def take_votes(at: At, filed: FiledVotes, step: Step) -> bool:
    """Commit votes of a file in place of those of the head; False where they are the same.

    An LF whose votes and faults are those of the head's LF of that name is that LF. One that was
    left out there keeps the votes it has here.
    """
    before = {lf.name: lf for lf in (at.votes.lfs if at.votes else ())}
    parts = [part.sha256 for part in at.dataset.parts]
    is_current = at.votes_are_current
    draft, entries = Draft(at), list[LFEntry]()
    for j, lf in enumerate(filed.lfs):
        columns = [np.ascontiguousarray(matrix[:, j]).tobytes() for matrix in filed.votes]
        own = before.get(lf.name) if is_current else None
        if own is not None and _is_same(at, own, lf, columns):
            entries.append(own)
        else:
            entries.append(_put(draft, lf, columns, parts))
    names = {entry.name for entry in entries}
    kept = [before[name] for name in filed.left_out if name in before and name not in names]
    entries += kept if is_current else []
    _keep(draft, [entry for entry in entries if entry in before.values()], parts)
    if at.votes is not None and tuple(entries) == at.votes.lfs and is_current:
        return False
    manifest = VotesManifest(tuple(entries), tuple(parts), len(at.dataset.classes), {})
    draft.put(lfs_file(at.name), manifest.to_json())
    draft.drop_rest("votes")
    draft.commit(step, message=f"Take votes on {at.name} from a file")
    return True


def _put(draft: Draft, lf: FiledLF, columns: list[bytes], parts: list[str]) -> LFEntry:
    """Store the votes of an LF; it is known by them, since its code is not here."""
    digest = hashlib.sha256(json.dumps(["votes in a file", lf.name]).encode())
    for column in columns:
        digest.update(column)
    fingerprint = digest.hexdigest()
    for part, column in zip(parts, columns, strict=True):
        draft.put(votes_file(draft.at.name, fingerprint, part), column)
    total = sum(lf.faults.values())
    return LFEntry(lf.name, fingerprint, "function", "", 0, dict(lf.faults), total)


def _keep(draft: Draft, entries: list[LFEntry], parts: list[str]) -> None:
    at = draft.at
    for entry in entries:
        for part in parts:
            path = votes_file(at.name, entry.fingerprint, part)
            draft.changes[path] = at.objects("votes")[path]


def _is_same(at: At, entry: LFEntry, lf: FiledLF, columns: list[bytes]) -> bool:
    """Whether an LF of the head says just the same."""
    if dict(entry.faults or {}) != dict(lf.faults):
        return False
    parts = (part.sha256 for part in at.dataset.parts)
    objects = at.objects("votes")
    return all(
        _column(at, objects.get(votes_file(at.name, entry.fingerprint, part))) == column
        for part, column in zip(parts, columns, strict=True)
    )


def _column(at: At, oid: ObjectId | None) -> bytes | None:
    return None if oid is None else at.store.read(oid)


def _matrix(at: At, manifest: VotesManifest, part: str) -> LabelMatrix:
    objects = at.objects("votes")
    columns = [
        np.frombuffer(at.store.read(objects[votes_file(at.name, lf.fingerprint, part)]), np.int8)
        for lf in manifest.lfs
    ]
    return np.stack(columns, axis=1)


def _manifest(at: At) -> ObjectId:
    oid = at.contents.find(dataset_file(at.name))
    assert oid is not None  # `at.dataset` was read
    return oid
