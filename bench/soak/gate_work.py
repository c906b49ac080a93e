"""What people do to a project with a guarded main."""

from __future__ import annotations

import json
import random

import polars as pl

from bench.soak.gate_project import SUITE, Act, any_of, fresh_branch, hub_on, review
from datahub import Hub


def _change(hub: Hub, chance: random.Random) -> None:
    """A file changed on a branch, and merged through the gate; squashed now and then."""
    name = fresh_branch(hub, chance)
    note = hub.settings.root / "notes.txt"
    note.write_text(f"note {chance.random()}")
    hub_on(hub, name).commit(["notes.txt"], message="note", start=hub.settings.root)
    hub.merge(name, into="main", squash=chance.random() < 0.3)


def _rows(hub: Hub, chance: random.Random) -> None:
    """Rows appended on a branch, and merged: labels are kept."""
    name = fresh_branch(hub, chance)
    first = 1000 + chance.randrange(10**6)
    few = pl.DataFrame({"id": [first], "text": ["free prize"], "kind": ["spam"]})
    few.write_parquet(hub.settings.root / "few.parquet")
    path = str(hub.settings.root / "few.parquet")
    hub_on(hub, name).import_rows(path, key="id", gold="kind", mode="append")
    hub.merge(name, into="main")


def _reviewed(hub: Hub, chance: random.Random) -> None:
    hub.merge("main", into="work")
    hub_on(hub, "work").label_fit()
    review(hub, chance)
    hub.merge("work", into="main")


def _reverted(hub: Hub, chance: random.Random) -> None:
    """A pull taken back on a branch, and merged."""
    name = fresh_branch(hub, chance)
    pulls = [c for c in hub.log("main") if c.metadata.get("step") == "review pull"]
    hub_on(hub, name).revert(any_of(chance, pulls).id)
    hub.merge(name, into="main")


def _rules_changed(hub: Hub, chance: random.Random) -> None:
    suite = {**SUITE, "name": f"rows {chance.random()}"}
    (hub.settings.root / "expectations" / "rows.json").write_text(json.dumps(suite))
    hub.gate_set(reason="another name")


def _tagged(hub: Hub, chance: random.Random) -> None:
    hub.create_tag(f"v{chance.randrange(10**6)}", at="main")


WORK: dict[str, Act] = {
    "a change": _change,
    "rows appended": _rows,
    "answers pulled": _reviewed,
    "a pull reverted": _reverted,
    "rules changed": _rules_changed,
    "a tag": _tagged,
}
