"""Issue 13: what `lf run`, `lf test` and `label fit` say to who writes labeling functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datahub import Hub
from datahub.core.dependence import FEWEST, measure_dependence
from datahub.core.errors import ConfigError
from tests.integration.conftest import LFS, Datahub

RAISES = """

@labeling_function()
def broken(x):
    return x.nothing


@labeling_function()
def never(x):
    return ABSTAIN
"""


def test_lf_run_shows_accuracy_where_gold_is_there(datahub: Datahub, project: Path) -> None:
    """The same as `lf stats`; on a sample, too; without gold nothing is claimed."""
    ran = datahub("lf", "run", "--json").json["table"]

    stats = datahub("lf", "stats", "--json").json["table"]
    assert ran == stats
    assert {lf["name"]: lf["judged"] for lf in ran}["offer"] == 18
    sample = datahub("lf", "run", "--sample", "42", "--json").json["table"]
    assert [lf["accuracy"] for lf in sample] == [lf["accuracy"] for lf in stats]
    again = datahub("lf", "run", "--json").json["table"]  # no LF runs, and it is still known
    assert again == stats
    bare = Hub.open(project)
    pl.DataFrame({"id": [1], "text": ["free"]}).write_parquet(project / "bare.parquet")
    bare.import_rows(project / "bare.parquet", key="id", classes=["ham", "spam"])
    assert {lf.accuracy for lf in bare.lf_run().table} == {None}


def test_equal_faults_are_told_once(datahub: Datahub, project: Path) -> None:
    """And an LF that raises on every row is a finding: exit code 1, in JSON too."""
    (project / "labeling_functions" / "first.py").write_text(LFS + RAISES)

    ran = datahub("lf", "test", "broken")

    assert ran.code == 1
    assert ran.err.count("fault: ") == 1
    assert "fault: broken on 20 rows, first" in ran.err
    assert "and 22 more faults" in ran.err
    assert "broken raised on every row" in ran.err
    as_json = datahub("lf", "test", "broken", "--json")
    assert (as_json.code, as_json.json["fault_count"], as_json.json["rows"]) == (1, 42, 42)


def test_an_lf_that_never_votes_is_named(datahub: Datahub, project: Path) -> None:
    """By `lf test` and by `lf run`; it is no fault."""
    lfs = LFS + RAISES.replace("return x.nothing", "return SPAM")
    (project / "labeling_functions" / "first.py").write_text(lfs)

    seen = datahub("lf", "test", "never")
    ran = datahub("lf", "run")

    assert (seen.code, "never never votes on these 42 rows" in seen.err) == (0, True)
    assert "never voted: never\n" in ran.out
    assert "never votes" not in datahub("lf", "test", "broken").err


def test_a_fit_of_votes_of_edited_lfs_says_so_first(datahub: Datahub, project: Path) -> None:
    """Before the labels are made; a comment changes no vote, and is not told."""
    first = project / "labeling_functions" / "first.py"
    assert datahub("lf", "run").code == 0
    assert "since the votes" not in datahub("label", "fit").err
    first.write_text(LFS + "\n# a comment\n")
    assert "since the votes" not in datahub("label", "fit").err
    first.write_text(LFS.replace("< 25", "< 20"))

    ran = datahub("label", "fit")

    assert ran.code == 0
    assert "LFs edited since the votes on mail: short. Labels are of the votes" in ran.err
    assert "`datahub lf run`" in ran.err
    first.write_text(LFS.replace("short", "brief"))
    ran = datahub("label", "fit")
    assert "LFs new since the votes on mail: brief" in ran.err
    assert "LFs gone since the votes on mail: short" in ran.err
    first.write_text("def broken(:\n")
    ran = datahub("label", "fit")
    assert (ran.code, "the LFs cannot be read" in ran.err) == (0, True)


def test_what_is_only_imported_is_looked_at(datahub: Datahub, project: Path) -> None:
    """Its file is in no commit; the LFs that use it are read."""
    folder = project / "labeling_functions"
    (folder / "words.py").write_text('WORDS = ["winner", "prize", "free"]\n')
    uses = LFS.replace('["winner", "prize", "free"]', "WORDS")
    (folder / "first.py").write_text("from words import WORDS\n" + uses)
    assert datahub("lf", "run").code == 0
    assert "since the votes" not in datahub("label", "fit").err
    (folder / "words.py").write_text('WORDS = ["winner"]\n')

    assert "edited since the votes on mail: offer" in datahub("label", "fit").err


def test_the_end_model_is_chosen_by_the_call(datahub: Datahub, project: Path) -> None:
    """Also as `none`; the setting stays, and a wrong name has a way out."""
    hub = Hub.open(project)
    hub.lf_run()

    assert hub.label_fit(end_model="none").end_model == "none"
    assert hub.label_fit().end_model == "sklearn"
    with pytest.raises(ConfigError, match="no end model 'sklaern'") as told:
        hub.label_fit(end_model="sklaern")
    assert "sklearn" in told.value.hint


def test_120_classes_print_a_screen(datahub: Datahub, tmp_path: Path) -> None:
    """At every step: import, run, test, fit, score."""
    names = [f"class{number:03}" for number in range(120)]
    frame = pl.DataFrame(
        {"id": range(240), "text": [f"{names[n % 120]} x" for n in range(240)]}
    ).with_columns(kind=pl.Series([names[n % 120] for n in range(240)]))
    frame.write_parquet(tmp_path / "rows.parquet")
    assert datahub("init", "--dataset", "mail").code == 0
    (tmp_path / "labeling_functions" / "first.py").write_text(
        "from snorkel.labeling import labeling_function\n"
        "@labeling_function()\ndef named(x):\n    return x.text.split()[0]\n"
    )
    (tmp_path / "datahub.toml").open("a").write('\nend_model = "none"\n')

    for words in (
        ["import", "rows.parquet", "--key", "id", "--gold", "kind"],
        ["lf", "run"],
        ["lf", "stats"],
        ["lf", "test", "named"],
        ["label", "fit"],
        ["label", "score"],
    ):
        ran = datahub(*words)
        assert ran.code == 0, ran.err
        assert len(ran.out.splitlines()) < 50, words
        assert max(map(len, ran.out.splitlines())) < 400, words


def test_identical_constant_lfs_share_one_vote() -> None:
    """What never changes tells nothing of itself: they were three votes against one."""
    rng = np.random.default_rng(0)
    free = rng.integers(0, 2, 200)
    votes = np.column_stack([free, [1] * 200, [1] * 200, [1] * 200, [0] * 200]).astype(np.int8)

    found = measure_dependence(votes, 2, seed=0)

    assert found.groups == ((1, 2, 3),)
    assert found.shares.round(6).tolist() == [1, 0.333333, 0.333333, 0.333333, 1]
    few = measure_dependence(votes[: FEWEST - 1, 1:3], 2, seed=0)
    assert few.groups == ()
    assert measure_dependence(votes[:0], 2, seed=0).groups == ()
