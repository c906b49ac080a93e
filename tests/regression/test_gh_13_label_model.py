"""Issue 13: a default label model that does not run away, and says when to distrust it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datahub.core.errors import InputError
from datahub.core.features import Features
from datahub.core.labels import ABSTAIN, SoftLabels
from datahub.core.lessons import Lessons
from datahub.core.manifest import ModelManifest
from datahub.flow.label.even import learn_from
from datahub.hub.registry import adapter
from tests.integration.conftest import Datahub

REVERSED = """

@labeling_function()
def contrary(x):
    return HAM if "http" in x.text or x.text.isupper() else SPAM
"""


def manifest() -> ModelManifest:
    return ModelManifest(
        model="dawid-skene",
        votes="0" * 64,
        seed=0,
        cardinality=2,
        class_balance=(0.5, 0.5),
        balance_from="uniform",
        weights=(0.8, None),
        arrays={"confusion": [[0.5]]},
        end_model="sklearn",
        even_end=True,
    )


def test_a_manifest_of_format_2_keeps_its_product() -> None:
    """Labels made again after an answer are those of the fit, not of a newer rule."""
    raw = json.loads(manifest().to_json())
    del raw["even_end"]

    earlier = ModelManifest.from_json(json.dumps({**raw, "format": 2}))

    assert earlier == replace(manifest(), even_end=False)
    assert ModelManifest.from_json(manifest().to_json()) == manifest()


@pytest.mark.parametrize("name", ["snorkel", "bayes"])
def test_pairs_that_would_not_fit_are_refused_beforehand(name: str) -> None:
    """120 LFs x 120 classes took 6.6 GB and did not end."""
    votes = np.full((10, 120), ABSTAIN, dtype=np.int8)
    votes[np.arange(120) % 10, np.arange(120)] = np.arange(120)

    with pytest.raises(InputError, match="120 LFs that vote and 120 classes") as caught:
        adapter("label_model", name)().fit(votes, cardinality=120, seed=0)

    assert "--model anchored" in caught.value.hint
    fit = adapter("label_model", "anchored")().fit(votes, cardinality=120, seed=0)
    assert fit.arrays["evidence"].shape == (120, 120, 120)


class Sizes:
    """An end model that has learned class sizes, and nothing of rows."""

    name = "sizes"
    most_rows = 1000

    def __init__(self) -> None:
        self.mean: SoftLabels = np.empty(0)

    def learn(self, features: Features, soft: SoftLabels, *, seed: int, folds: int = 5) -> Sizes:
        """Take their mean."""
        self.mean = soft.mean(axis=0)
        return self

    def of(self, features: Features) -> SoftLabels:
        """The same of each row."""
        return np.tile(self.mean, (features.rows, 1))


@pytest.mark.parametrize("even", [True, False])
def test_class_sizes_of_the_lessons_are_no_opinion(even: bool) -> None:
    """An end model that knows nothing else says nothing, where it is taken evenly."""
    soft = np.tile([0.9, 0.1], (1000, 1))
    features = Features.of_texts(["a"] * 1000)
    lessons = Lessons(features, 2, most=1000, seed=0)
    lessons.add(pl.int_range(1000, eager=True), features, soft)

    said = learn_from(Sizes(), lessons, seed=0, even=even).of(features)

    np.testing.assert_allclose(said[0], [0.5, 0.5] if even else [0.9, 0.1], atol=0.01)


def test_an_lf_below_chance_is_warned_of_once(datahub: Datahub, labeled: Path) -> None:
    """In words with a way out, and as data."""
    file = labeled / "labeling_functions" / "first.py"
    file.write_text(file.read_text() + REVERSED)
    datahub("lf", "run")

    said = datahub("label", "fit").out
    warnings = datahub("label", "fit", "--json").json["warnings"]

    (below,) = [warning for warning in warnings if warning["code"] == "lf_below_chance"]
    assert below["names"] == ["contrary"]
    assert said.count("less often than chance would: contrary") == 1
    assert "datahub lf test" in below["hint"]
