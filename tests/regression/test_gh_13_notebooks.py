"""Issue 13: LFs of a notebook, which lie in no file; and results that it shows as tables."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from snorkel.augmentation import transformation_function
from snorkel.labeling import LFAnalysis, labeling_function
from snorkel.slicing import slicing_function

from datahub import ABSTAIN, Hub, keywords, model
from datahub.core.errors import InputError, LabelingFunctionError
from datahub.core.in_html import InHTML
from tests.integration.conftest import mail

HOSTILE = "<script>alert(1)</script>\"' onload=x $\\href{javascript:x}{y}$"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A dataset with gold, and no LF in any file."""
    hub, files = Hub.init(tmp_path, dataset="mail")
    (tmp_path / files[1]).unlink()
    mail().write_parquet(tmp_path / "mail.parquet")
    hub.import_rows(tmp_path / "mail.parquet", key="id", gold="kind")
    return hub


def test_lfs_of_a_notebook_vote_on_a_sample(hub: Hub) -> None:
    """Snorkel's basic loop: write one, apply it, look, write it again. Nothing is committed."""
    head = hub.commit_at().id

    class Long:
        classes_ = ("short", "long")

        def predict_proba(self, texts: list[str]) -> list[list[float]]:
            return [[0.1, 0.9] if len(text) > 40 else [0.9, 0.1] for text in texts]

    @labeling_function()
    def shouting(x: Any) -> Any:
        return "spam" if x.text.isupper() else ABSTAIN

    lfs = [
        shouting,
        keywords("offer", ["free", "prize"], "spam"),
        model("long", Long(), labels={"short": "spam", "long": "ham"}),
    ]

    report = hub.lf_try(lfs)

    assert [lf.name for lf in report.table] == ["shouting", "offer", "long"]
    assert [lf.polarity for lf in report.table] == [(1,), (1,), (0, 1)]
    assert report.table[0].accuracy == 1
    assert report.tried is not None
    assert LFAnalysis(report.tried.matrix).lf_coverages()[0] == report.table[0].coverage
    assert hub.lf_try(lfs, sample=5).rows == 5
    assert hub.commit_at().id == head


def test_faults_and_wrong_names_are_told_as_for_files(hub: Hub) -> None:
    """With key and error; a name that is no class is one."""
    raises = labeling_function(name="raises")(lambda x: x.nothing)
    wrong = labeling_function(name="wrong")(lambda x: "spma")

    report = hub.lf_try([raises, wrong])

    assert report.fault_counts == (42, 42)
    assert "Did you mean 'spam'?" in report.faults[-1].error
    with pytest.raises(LabelingFunctionError, match="'spma'"):
        hub.lf_try([keywords("typed", ["a"], "spma")])


@pytest.mark.parametrize(
    ("lfs", "message"),
    [
        ([], "no LF to try"),
        ([lambda x: 1], "no labeling function: function"),
        ([slicing_function(name="s")(lambda x: True)], "no labeling function: SlicingFunction"),
        ([transformation_function(name="t")(lambda x: x)], "no labeling function"),
        ([keywords("a", ["a"], 0), keywords("a", ["b"], 0)], "Two LFs are named 'a'"),
        (["offer"], "no labeling function: str"),
    ],
)
def test_what_is_no_lf_is_refused(hub: Hub, lfs: list[Any], message: str) -> None:
    """Before a row is read."""
    with pytest.raises(InputError, match=message):
        hub.lf_try(lfs)


class Tags(HTMLParser):
    """The tags of a page, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one."""
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Note its text."""
        self.text += data


@dataclass(frozen=True)
class Part(InHTML):
    """A result with all that one may hold."""

    name: str
    value: Any


@pytest.mark.parametrize(
    "value",
    [
        HOSTILE,
        [HOSTILE],
        {HOSTILE: HOSTILE},
        {HOSTILE: {"a": [HOSTILE]}},
        [Part(HOSTILE, {HOSTILE: 1})],
        Part(HOSTILE, [Part(HOSTILE, None)]),
    ],
)
def test_hostile_values_are_text(value: Any) -> None:
    """No tag, no attribute and no formula comes of data, wherever it stands."""
    page = Part("x", value)._repr_html_()

    seen = Tags(page)
    assert seen.tags <= {"div", "table", "tr", "th", "td"}
    assert seen.names == {"class"}
    assert "tex2jax_ignore mathjax_ignore" in page
    assert HOSTILE in seen.text


def test_a_long_result_is_cut_and_says_so() -> None:
    """A notebook stays readable; nothing is left out in silence."""
    page = Part("x", [Part(str(n), "y" * 1000) for n in range(60)])._repr_html_()

    assert page.count("<tr>") == 2 + 1 + 50
    assert "and 10 more" in page
    assert "y" * 301 not in page


def test_results_are_tables(hub: Hub) -> None:
    """Of the whole path: what a call returns, a notebook shows."""
    (hub.settings.root / "labeling_functions" / "first.py").write_text(
        "from datahub import keywords\n"
        'offer = keywords("offer", ["free", "prize"], "spam")\n'
        'dinner = keywords("dinner", ["dinner", "ok"], "ham")\n'
    )
    results: list[InHTML] = [
        hub.lf_run(),
        hub.lf_test("offer"),
        hub.lf_conflicts("offer", "dinner"),
        hub.label_fit(end_model="none"),
        hub.score(),
    ]

    for result in results:
        seen = Tags(result._repr_html_())
        assert "table" in seen.tags
        assert "spam" in seen.text or "offer" in seen.text
