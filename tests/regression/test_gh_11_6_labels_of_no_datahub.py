"""Labels whose table did not say who they are from were believed, and so were those of no model.

Each datahub has written `source` and `annotations` beside a label, from the first one on: a table
without them is in nobody's old format. On both stores.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping

import polars as pl
import pytest

from datahub import Hub
from datahub.core.errors import GateRefused
from tests.integration.conftest import GATES, LFS, SUITE, mail
from tests.lakefs_server import LakeFSServer
from tests.tampering import by_hand

LABELS, SOFT = "datasets/mail/labels/", "datasets/mail/soft_labels/"
MODEL, TRIAGE = "datasets/mail/label_model.json", "datasets/mail/triage.json"
FIT = {"step": "label fit", "dataset": "mail"}
IMPORT = {"step": "import", "dataset": "mail"}

Change = Callable[[pl.DataFrame], pl.DataFrame]
Forgery = Callable[[Hub], Mapping[str, bytes | None]]


@pytest.fixture(scope="module", params=["embedded", "lakefs"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """A project with labels on an unguarded main, and a gate on `released`."""
    folder = tmp_path_factory.mktemp("labels") / "project"
    server = {}
    if request.param == "lakefs":
        lakefs: LakeFSServer = request.getfixturevalue("lakefs")
        access = lakefs.new_repository(folder)
        names = ("endpoint", "repository", "access_key_id", "secret_access_key")
        server = {f"lakefs_{name}": access[name] for name in names} | {"store": "lakefs"}
    hub, _ = Hub.init(folder, dataset="mail", **server)
    (folder / "labeling_functions" / "first.py").write_text(LFS)
    mail().write_parquet(folder / "mail.parquet")
    hub.import_rows(folder / "mail.parquet", key="id", gold="kind")
    hub.create_branch("released", at="main")
    (folder / "expectations" / "labels.json").write_text(json.dumps(SUITE))
    (folder / "expectations" / "gates.toml").write_text(GATES.replace("main", "released"))
    hub.gate_set(into="released", reason="spam stays below 60%")
    hub.lf_run()
    hub.label_fit()
    return hub


def table(hub: Hub, prefix: str, change: Change) -> dict[str, bytes | None]:
    """The objects of a table of main, changed; an object whose lines are all gone is gone."""
    files: dict[str, bytes | None] = {}
    for path, oid in hub.store.objects("main", prefix).items():
        content = io.BytesIO()
        change(pl.read_parquet(hub.store.fetch(oid))).write_parquet(content)
        files[path] = content.getvalue()
    return files


def turned(frame: pl.DataFrame) -> pl.DataFrame:
    """Every label is the other class."""
    return frame.with_columns(label=pl.col("label").replace({"spam": "ham", "ham": "spam"}))


def gone(hub: Hub, *prefixes: str) -> dict[str, bytes | None]:
    return {path: None for one in prefixes for path in hub.store.objects("main", one)}


FORGERIES: Mapping[str, Forgery] = {
    "of an old format": lambda hub: table(
        hub, LABELS, lambda f: turned(f).drop("source", "annotations")
    ),
    "without a source": lambda hub: table(hub, LABELS, lambda f: turned(f).drop("source")),
    "of another source": lambda hub: table(
        hub, LABELS, lambda f: turned(f).with_columns(source=pl.lit("an oracle"))
    ),
    "of no source": lambda hub: table(
        hub, LABELS, lambda f: turned(f).with_columns(source=pl.lit(None, pl.String))
    ),
    "of numbers": lambda hub: table(hub, LABELS, lambda f: f.with_columns(label=pl.lit(1))),
    "said twice": lambda hub: table(hub, LABELS, lambda f: pl.concat([f, f]).sort("id")),
    "beside soft labels of no model": lambda hub: {
        **table(hub, LABELS, turned),
        **table(hub, SOFT, lambda f: f.drop("label")),
    },
    "of a model that says nothing": lambda hub: {
        **table(hub, LABELS, turned),
        **gone(hub, SOFT),
    },
    "of rows that the model leaves out": lambda hub: {
        **table(hub, LABELS, turned),
        **table(hub, SOFT, lambda f: f[:0]),
    },
}


@pytest.mark.parametrize("name", FORGERIES)
def test_labels_that_nobody_gave_are_named_and_pass_no_gate(hub: Hub, name: str) -> None:
    branch = name.replace(" ", "-")
    hub.create_branch(branch, at="main")
    made = by_hand(hub.store, branch, FORGERIES[name](hub), FIT)

    found = hub.audit(branch).unexplained

    assert [one.commit for one in found] == [made.id]
    with pytest.raises(GateRefused):
        hub.on(branch).merge(branch, into="released", message="")
    hub.delete_branch(branch, force=True)


@pytest.mark.parametrize("metadata", [FIT, IMPORT], ids=lambda one: one["step"])
def test_labels_that_an_import_is_said_to_have_kept_are_those_from_before(
    hub: Hub, metadata: dict[str, str]
) -> None:
    """What they came from is gone with the model, as it is after an import."""
    branch = metadata["step"].replace(" ", "-")
    hub.create_branch(branch, at="main")
    files = table(hub, LABELS, turned) | gone(hub, SOFT, MODEL, TRIAGE)
    made = by_hand(hub.store, branch, files, metadata)

    found = hub.audit(branch).unexplained

    assert [one.commit for one in found] == [made.id]
    assert "not kept from before" in " ".join(found[0].why)


def test_labels_that_were_kept_are_explained(hub: Hub) -> None:
    """Over an import that adds rows, a merge of two of those, and a revert."""
    more = hub.settings.root / "more.parquet"
    for number, branch in enumerate(("one", "two")):
        hub.create_branch(branch, at="main")
        mail().head(2).with_columns(pl.col("id") + 100 * (number + 1)).write_parquet(more)
        hub.on(branch).import_rows(more, key="id", gold="kind", mode="append")
    hub.on("one").merge("two", into="one", message="")
    hub.on("two").revert("two")

    for branch in ("main", "one", "two"):
        assert hub.audit(branch).unexplained == (), branch
    assert hub.store.objects("one", LABELS)
    assert not hub.store.objects("one", SOFT)
