"""`label fit` where a dataset has vectors: what the end model looks at, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from datahub.core.layout import label_model_file
from datahub.core.manifest import ModelManifest
from tests import embedding_model
from tests.integration.conftest import Datahub, mail


@pytest.fixture
def embedded(datahub: Datahub, labeled: Path) -> Path:
    """The labeled project, with a vector for each message."""
    embedding_model.make(labeled / "mini")
    with (labeled / "datahub.toml").open("a") as settings:
        settings.write('embed_model = "mini"\n')
    ran = datahub("embed")
    assert ran.code == 0, ran.err
    return labeled


def manifest(hub: Hub) -> ModelManifest:
    model = hub.at("mail").model
    assert model is not None
    return model


def labels(hub: Hub) -> pl.DataFrame:
    table = hub.rows.read(hub.at("mail").files("soft_labels"))
    return table.select("id", "label", "probabilities")


def test_it_says_what_was_compared_and_what_is_chosen(datahub: Datahub, embedded: Path) -> None:
    ran = datahub("label", "fit", "--json").json
    text = datahub("label", "fit").out

    looks = ran["looks"]
    assert set(looks["likelihoods"]) == {"words", "vectors", "both"}
    assert all(value < 0 for value in looks["likelihoods"].values())
    assert looks["rows"] == ran["covered"]
    assert looks["missing"] == 0
    assert f"{looks['looks']} chosen" in text


def test_without_vectors_the_manifest_is_as_it_was(datahub: Datahub, labeled: Path) -> None:
    """An earlier datahub reads it; with vectors it refuses by the format."""
    hub = Hub.open(labeled)
    at = hub.at("mail")
    oid = at.contents.find(label_model_file("mail"))
    assert oid is not None
    raw = json.loads(at.store.read(oid))

    assert raw["format"] == 3
    assert "vectors" not in raw
    assert hub.label_fit().looks is None


def test_answers_are_judged_by_the_vectors_that_labels_were_made_by(
    datahub: Datahub, embedded: Path
) -> None:
    """A pull after the fit, and a fit after the pull, give the same labels."""
    hub = Hub.open(embedded, end_model_looks="vectors")
    report = hub.label_fit()
    assert report.features == ("vectors of text",)
    assert json.loads(manifest(hub).to_json())["format"] == 5
    assert manifest(hub).features == ()
    hub.review_push(budget=8)
    gold = hub.gold()
    hub.review_answer([(i, gold[task.key]) for i, task in hub.review_open()], annotator="ann")
    hub.review_pull()
    pulled = labels(hub)

    hub.label_fit()

    assert labels(hub).equals(pulled)


def test_answers_wait_where_other_vectors_took_their_place(
    datahub: Datahub, embedded: Path
) -> None:
    hub = Hub.open(embedded, end_model_looks="vectors")
    hub.label_fit()
    hub.review_push(budget=4)
    gold = hub.gold()
    hub.review_answer([(i, gold[task.key]) for i, task in hub.review_open()], annotator="ann")
    embedding_model.make(embedded / "mini", scale=2)
    assert datahub("embed").code == 0

    refused, status = datahub("review", "pull"), datahub("status")
    assert refused.code == 2
    assert "vectors that are no longer there" in refused.err
    assert "Labels of mail are by vectors of before" in status.out
    assert datahub("label", "fit").code == 0
    assert datahub("review", "pull").code == 0


def test_rows_without_vectors_are_said_and_words_are_looked_at(
    datahub: Datahub, embedded: Path
) -> None:
    rows = mail().with_columns(pl.col("id") + 1000)
    rows.write_parquet("more.parquet")
    appended = datahub("import", "more.parquet", "--gold", "kind", "--append")
    assert appended.code == 0, appended.err
    assert datahub("lf", "run").code == 0

    fitted = datahub("label", "fit", "--json").json
    hub = Hub.open(embedded, end_model_looks="vectors")

    assert fitted["features"] == ["text"]
    (warning,) = [w for w in fitted["warnings"] if w["code"] == "vectors_missing"]
    assert f"of {2 * mail().height} rows have no vectors" in warning["message"]
    with pytest.raises(Exception, match="have no vectors yet"):
        hub.label_fit()


def test_a_merge_judges_again_by_vectors(datahub: Datahub, embedded: Path) -> None:
    """Both sides took answers; the labels of the merge are those of one pull of all."""
    hub = Hub.open(embedded, end_model_looks="both")
    assert hub.label_fit().features == ("text", "vectors of text")
    branch = hub.branch
    gold = hub.gold()
    hub.review_push(budget=6)
    assert datahub("branch", "create", "other", "--from", branch).code == 0
    tasks = list(hub.review_open())
    hub.review_answer([(i, gold[task.key]) for i, task in tasks[:3]], annotator="ann")
    hub.review_pull()

    merged = datahub("merge", branch, "--into", "other", "--json")

    assert merged.code == 0, merged.err
    ours = datahub("export", "a.parquet", "--table", "labels", "--ref", branch)
    theirs = datahub("export", "b.parquet", "--table", "labels", "--ref", "other")
    assert ours.code == theirs.code == 0
    assert pl.read_parquet("a.parquet").equals(pl.read_parquet("b.parquet"))


@pytest.mark.slow
def test_comparing_and_choosing_by_gold_look_at_vectors_too(
    datahub: Datahub, embedded: Path
) -> None:
    hub = Hub.open(embedded, end_model_looks="vectors")

    fitted = hub.label_fit(dev="gold", dev_rows=30)
    comparison = hub.label_compare(seeds=1)

    assert fitted.chosen is not None
    assert fitted.features == ("vectors of text",)
    assert manifest(hub).vectors
    assert ModelManifest.from_json(manifest(hub).to_json()) == manifest(hub)
    assert comparison.default == "anchored*sklearn"
