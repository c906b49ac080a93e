"""`datahub lf`: only what changed runs, on as many processes as asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from snorkel.labeling import LFAnalysis

from datahub import Hub
from datahub.flow.label import views as lf_views
from datahub.hub.lf_scaffold import KINDS
from tests.chat_server import Said, serving
from tests.integration.conftest import CARELESS, LFS, Datahub, mail


def test_an_edited_lf_is_the_only_one_that_runs(datahub: Datahub, labeled: Path) -> None:
    """And the talk says so."""
    lfs = labeled / "labeling_functions" / "first.py"
    lfs.write_text(LFS.replace("< 25", "< 20"))

    ran = datahub("lf", "run")

    assert ran.code == 0, ran.err
    assert "ran 1 of 5 LFs (short) on rows in 1 part; columns of votes: 1 new, 4 reused" in ran.out
    assert "ran 0 of 5 LFs" in datahub("lf", "run").out


def test_more_processes_give_the_same_commit_content(datahub: Datahub, labeled: Path) -> None:
    """Votes are the same bytes, wherever they were made."""
    assert datahub("switch", "main").code == datahub("switch", "-c", "again").code == 0

    ran = datahub("lf", "run", "--jobs", "2")

    assert ran.code == 0, ran.err
    assert "ran 5 of 5 LFs" in ran.out
    changed = datahub("diff", "work", "again", "--json").json["objects"]
    assert [one for one in changed if "/votes/" in one["path"] or "lfs.json" in one["path"]] == []


def test_a_pattern_that_polars_cannot_run_is_named(datahub: Datahub, project: Path) -> None:
    """It runs all the same."""
    lfs = project / "labeling_functions" / "first.py"
    lfs.write_text(LFS.replace("https?://", "http(?=s?://)"))

    ran = datahub("lf", "run")

    assert ran.code == 0
    assert "in Python, slower: polars cannot run the pattern of link" in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_lf_runs_as_it_stands(
    datahub: Datahub, project: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It votes, or abstains, on every row without a fault."""
    with serving(lambda text, before: Said("one class")) as server:
        monkeypatch.setenv("DATAHUB_PROMPT_ENDPOINT", server.url)
        monkeypatch.setenv("DATAHUB_PROMPT_MODEL", "small")
        _new_lf_runs(datahub, kind)


def _new_lf_runs(datahub: Datahub, kind: str) -> None:
    wrote = datahub("lf", "new", "fresh", "--kind", kind)

    assert wrote.out == "wrote labeling_functions/fresh.py\n", wrote.err
    seen = datahub("lf", "test", "fresh", "--json").json
    assert (seen["rows"], seen["fault_count"], seen["safe"]) == (42, 0, True)
    assert datahub("lf", "run").code == 0


def test_a_new_lf_is_written_over_nothing(datahub: Datahub, project: Path) -> None:
    """Neither over a file, nor under the name of an LF that stands in another file."""
    held = (project / "labeling_functions" / "first.py").read_bytes()

    for name, code in (("first", 3), ("offer", 3), ("not a name", 2), ("class", 2), ("../up", 2)):
        assert datahub("lf", "new", name).code == code

    assert datahub("lf", "new", "x", "--kind", "hunch").code == 2
    assert datahub("lf", "new", "x", "--column", "nowhere").code == 2
    assert [path.name for path in (project / "labeling_functions").iterdir()] == ["first.py"]
    assert (project / "labeling_functions" / "first.py").read_bytes() == held


def test_an_lf_is_shown_with_its_hits_misses_and_conflicts(datahub: Datahub, project: Path) -> None:
    """Held against gold and the other LFs' votes; all counts add up, and nothing is committed."""
    datahub("switch", "-c", "work")
    assert datahub("lf", "run").code == 0
    head = datahub("log", "--json").json

    seen = datahub("lf", "test", "link", "--show", "50", "--json").json

    rows = {row["id"]: row for row in mail().to_dicts()}
    linked = {key for key, row in rows.items() if "http" in row["text"]}
    missed = {key for key, row in rows.items() if row["kind"] == "spam"} - linked
    shown = {
        kind: {row["key"] for row in seen[f"shown_{kind}"]}
        for kind in ("hits", "misses", "conflicts")
    }
    assert shown["hits"] | shown["conflicts"] == linked
    assert shown["misses"] == missed
    assert not shown["hits"] & shown["conflicts"]
    assert (seen["judge"], seen["judged"], seen["right"]) == ("gold", seen["votes"]["spam"], 12)
    assert seen["compared"] == ["offer", "thanks", "shouting", "short"]
    assert datahub("log", "--json").json == head
    assert "12 hits" in datahub("lf", "test", "link").out


def test_before_anything_is_known_an_lf_is_shown_with_its_votes(
    datahub: Datahub, project: Path
) -> None:
    """No gold, no labels, no other votes: that is said, and no row is called missed."""
    mail().drop("kind").write_parquet(project / "plain.parquet")
    taken = datahub(
        "import", "plain.parquet", "--key", "id", "--dataset", "plain", "--classes", "ham,spam"
    )
    assert taken.code == 0, taken.err

    seen = datahub("lf", "test", "offer", "--dataset", "plain")

    assert "no gold and no labels yet" in seen.out
    assert "0 misses" in seen.out
    assert "not compared with other LFs" in seen.err
    assert datahub("lf", "test", "nobody").code == 5


def test_conflicts_show_the_rows_with_both_votes(datahub: Datahub, labeled: Path) -> None:
    """Each with its key, text, votes and label; the same LF twice is refused."""
    votes = Hub.open(labeled).votes()
    short, offer = (votes.matrix[:, votes.lfs.index(lf)] for lf in ("short", "offer"))
    apart = votes.keys[(short != -1) & (offer != -1) & (short != offer)]

    found = datahub("lf", "conflicts", "short", "shouting", "--json").json
    assert found["rows"] == 0
    assert datahub("lf", "conflicts", "short", "offer", "--json").json["rows"] == len(apart)
    assert datahub("lf", "conflicts", "short", "short").code == 2
    assert datahub("lf", "conflicts", "short", "nobody").code == 5


def test_careless_words_show_up_as_conflicts(datahub: Datahub, project: Path) -> None:
    """What was counted is what the matrix says, and shown rows are drawn from it."""
    lfs = project / "labeling_functions" / "first.py"
    lfs.write_text(LFS.replace(*CARELESS))
    datahub("switch", "-c", "work")
    assert datahub("lf", "run").code == 0

    found = datahub("lf", "conflicts", "thanks", "short", "--show", "3", "--json").json

    assert found["rows"] == 8  # "ok see you at ..." is short, and now voted spam for
    assert found["pairs"] == {"spam/ham": 8}
    assert [row["votes"] for row in found["shown"]] == [{"thanks": "spam", "short": "ham"}] * 3
    assert {row["label"] for row in found["shown"]} == {"ham"}
    assert len({row["key"] for row in found["shown"]}) == 3
    assert "8 rows in conflict of 8" in datahub("lf", "conflicts", "thanks", "short").out


def test_stats_show_what_the_label_model_estimates_until_votes_change(
    datahub: Datahub, labeled: Path
) -> None:
    """And with gold the true accuracy with its interval."""
    told = datahub("lf", "stats", "--json").json
    fitted = json.loads((datahub("label", "fit", "--json")).out)["weights"]

    assert dict(zip(fitted, told["estimated"], strict=True)) == pytest.approx(fitted)
    for lf in told["table"]:
        low, high = lf["interval"]
        assert low <= lf["accuracy"] <= high
    lfs = labeled / "labeling_functions" / "first.py"
    lfs.write_text(LFS.replace("< 25", "< 20"))
    assert datahub("lf", "run").code == 0
    assert datahub("lf", "stats", "--json").json["estimated"] == []


def test_snorkels_analysis_of_our_matrix_is_our_table(datahub: Datahub, labeled: Path) -> None:
    """`Hub.votes` gives what LFAnalysis takes; polarity, coverage, overlaps, conflicts agree."""
    hub = Hub.open(labeled)
    votes = hub.votes()

    theirs = LFAnalysis(votes.matrix).lf_summary()

    ours = hub.lf_stats(gold=False).table
    assert votes.keys.tolist() == mail()["id"].to_list()
    assert [lf.name for lf in ours] == list(votes.lfs)
    for j, lf in enumerate(ours):
        line = theirs.iloc[j]
        assert list(lf.polarity) == line["Polarity"]
        assert (lf.coverage, lf.overlaps, lf.conflicts) == pytest.approx(
            (line["Coverage"], line["Overlaps"], line["Conflicts"])
        )


def test_a_fault_in_a_try_is_told_from_the_project_on(datahub: Datahub, project: Path) -> None:
    """On every machine the same words: no folder of this one."""
    (project / "labeling_functions" / "raises.py").write_text(
        "from snorkel.labeling import labeling_function\n\n"
        "@labeling_function()\ndef raises(x):\n    return x.nothing\n"
    )

    for words in (["lf", "test", "raises"], ["lf", "run", "--sample", "5"]):
        ran = datahub(*words)
        assert "at labeling_functions/raises.py:5: AttributeError" in ran.err
        assert str(project) not in ran.err + ran.out


CHATTY = """\
import time

from snorkel.labeling import labeling_function


@labeling_function()
def chatty(x):
    print("working on", x.text[:5])
    return 0
"""


@pytest.mark.parametrize(
    "words", [["lf", "test", "chatty"], ["lf", "run", "--sample", "9"], ["lf", "run"]]
)
def test_what_an_lf_prints_is_talk_and_no_result(
    datahub: Datahub, project: Path, words: list[str]
) -> None:
    """A pipe that reads JSON reads JSON."""
    (project / "labeling_functions" / "chatty.py").write_text(CHATTY)

    ran = datahub(*words, "--json")

    assert ran.json["dataset"] == "mail"
    assert "working on" not in ran.out
    assert "working on" in ran.err


def test_a_sample_in_steps_is_the_sample_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Votes and faults do not depend on how often progress is told."""
    (project / "labeling_functions" / "raises.py").write_text(
        CHATTY.replace("    print", "    if 'o' in x.text: raise ValueError(x.text)\n    print")
    )
    hub, told = Hub.open(project), list[tuple[str, int, int]]()
    hub.progress = lambda *said: told.append(said)

    at_once = hub.lf_try(1000)
    monkeypatch.setattr(lf_views, "_STEP", 7)
    in_steps = hub.lf_try(1000)

    assert in_steps == at_once
    assert sum(at_once.fault_counts) > 20
    assert len([said for said in told if said[0] == "label"]) > 5
