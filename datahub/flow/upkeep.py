"""fsck: whether all is there that branches and tags reach, and belongs together."""

from __future__ import annotations

from collections.abc import Iterator

from datahub.core.dataset import Dataset
from datahub.core.errors import ConfigError, DatahubError
from datahub.core.layout import dataset_file, table_part, table_prefix
from datahub.core.versions import Damage
from datahub.flow.tables import datasets_at
from datahub.ports import Upkeep, VersionStore


def kept(store: VersionStore) -> Upkeep:
    """The store as one that can be looked after. Raises ConfigError for any other."""
    if not isinstance(store, Upkeep):
        raise ConfigError(
            "This project's version store knows neither fsck nor gc.",
            hint="Look after it by its own means.",
        )
    return store


def fsck(*, store: VersionStore, deep: bool) -> list[Damage]:
    """What is wrong with the store, and with the datasets at the heads of branches and tags."""
    found = kept(store).check(deep=deep)
    seen: set[str] = set()
    for name, commit_id in {**store.tags(), **store.branches()}.items():
        if commit_id not in seen:
            seen.add(commit_id)
            found += _datasets(store, name, commit_id)
    return found


def _datasets(store: VersionStore, ref: str, commit_id: str) -> Iterator[Damage]:
    """Datasets whose dataset.json cannot be read, or names rows that are not there."""
    try:
        names = datasets_at(store, commit_id)
    except DatahubError:
        return  # `check` has said what is wrong with the commit
    for name in names:
        path = dataset_file(name)
        try:
            known = Dataset.from_json(store.read(store.objects(commit_id, path)[path]))
        except (DatahubError, ValueError, KeyError, TypeError) as error:
            yield Damage("dataset", name, f"cannot be read: {error}", f"{ref}, {path}")
            continue
        held = store.objects(commit_id, table_prefix(name, "rows"))
        for part in known.parts:
            if held.get(table_part(name, "rows", part.sha256)) != part.sha256:
                yield Damage("dataset", name, f"has no part {part.sha256[:12]}", f"{ref}, {path}")
