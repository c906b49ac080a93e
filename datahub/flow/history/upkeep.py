"""fsck: whether all is there that branches and tags reach, and belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from datahub.core.dataset import Dataset
from datahub.core.errors import ConfigError, DatahubError, InputError
from datahub.core.layout import dataset_file, table_part, table_prefix
from datahub.core.versions import Damage, checked_branch, is_id
from datahub.flow.dataset.at import At
from datahub.flow.dataset.tables import datasets_at
from datahub.flow.publish.consistency import label_mismatches
from datahub.ports import Rows, Upkeep, VersionStore


def upkeep_of(store: VersionStore) -> Upkeep:
    """The store as one that can be looked after. Raises ConfigError for any other."""
    if not isinstance(store, Upkeep):
        raise ConfigError(
            "This project's version store has neither fsck nor gc.",
            hint="Use its own tools.",
        )
    return store


def fsck(*, store: VersionStore, deep: bool) -> list[Damage]:
    """What is wrong with the store, its names, and the datasets at the heads of these."""
    damage = upkeep_of(store).check(deep=deep)
    branches, tags = store.branches(), store.tags()
    damage += [*_names(branches, "branch"), *_names(tags, "tag")]
    damage += [
        Damage("ref", name, "names both a branch and a tag: the branch is used", "branches, tags")
        for name in branches.keys() & tags.keys()
    ]
    ids: set[str] = set()
    for name, commit_id in [*branches.items(), *tags.items()]:
        if commit_id not in ids:
            ids.add(commit_id)
            damage += _datasets(store, name, commit_id)
    return damage


def labels(*, store: VersionStore, rows: Rows) -> list[Damage]:
    """Labels at the heads of branches and tags that neither people nor models gave."""
    heads = {
        commit_id: name for name, commit_id in [*store.tags().items(), *store.branches().items()]
    }
    return [damage for head, name in heads.items() for damage in _labels(store, rows, name, head)]


def _names(names: Iterable[str], kind: str) -> Iterator[Damage]:
    """Names that datahub does not give: they could be taken for something else."""
    for name in names:
        try:
            checked_branch(name, kind=kind)
        except InputError:
            fault = (
                "is named like a commit's id, which goes before it: delete or rename it"
                if is_id(name)
                else "is no name that datahub gives: delete or rename it"
            )
            yield Damage("ref", name, f"this {kind} {fault}", kind)


def _labels(store: VersionStore, rows: Rows, ref: str, commit_id: str) -> Iterator[Damage]:
    """Labels that nobody gave: where a table cannot be read, another check has said so."""
    with suppress(DatahubError):
        for at in At.datasets(store, rows, store.commit_at(commit_id)):
            for fault in label_mismatches(at):
                yield Damage("dataset", at.name, fault, ref)


def _datasets(store: VersionStore, ref: str, commit_id: str) -> Iterator[Damage]:
    """Datasets whose dataset.json cannot be read, or names rows that are not there."""
    try:
        names = datasets_at(store, commit_id)
    except DatahubError:
        return  # `check` has said what is wrong with the commit
    for name in names:
        path = dataset_file(name)
        try:
            dataset = Dataset.from_json(store.read(store.objects(commit_id, path)[path]))
        except (DatahubError, ValueError, KeyError, TypeError) as error:
            yield Damage("dataset", name, f"cannot be read: {error}", f"{ref}, {path}")
            continue
        objects = store.objects(commit_id, table_prefix(name, "rows"))
        for part in dataset.parts:
            if objects.get(table_part(name, "rows", part.sha256)) != part.sha256:
                yield Damage("dataset", name, f"has no part {part.sha256[:12]}", f"{ref}, {path}")
