"""`datahub lf`: only what changed runs, on as many processes as asked."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import LFS, Datahub


def test_an_edited_lf_is_the_only_one_that_runs(datahub: Datahub, labeled: Path) -> None:
    """And the talk says so."""
    lfs = labeled / "labeling_functions" / "first.py"
    lfs.write_text(LFS.replace("< 25", "< 20"))

    ran = datahub("lf", "run")

    assert ran.code == 0, ran.err
    assert "ran 1 of 5 LFs, on 1 of 5 parts (4 reused): short" in ran.out
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
