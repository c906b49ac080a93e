"""tag, revert, cherry-pick, restore, squash and log, as somebody who knows git types them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.conftest import Datahub


def write_and_commit(datahub: Datahub, folder: Path, name: str, text: str, *words: str) -> str:
    (folder / "labeling_functions" / name).write_text(text)
    ran = datahub("commit", f"labeling_functions/{name}", "-m", f"Write {name}", "--json", *words)
    assert ran.code == 0, ran.err
    return str(ran.json["id"])


def held(datahub: Datahub, ref: str) -> dict[str, str]:
    objects: dict[str, str] = datahub("show", ref, "--json").json["objects"]
    return objects


def test_a_tag_is_a_name_for_a_commit(datahub: Datahub, project: Path) -> None:
    assert datahub("tag").out == ""
    assert datahub("tag", "list", "--json").json == []
    made = datahub("tag", "create", "v1", "--json").json

    later = write_and_commit(datahub, project, "a.py", "A = 1\n")

    assert later != made["commit"]
    assert datahub("tag", "--help").code == 0
    assert datahub("show", "v1", "--json").json["commit"]["id"] == made["commit"]
    assert datahub("show", "main~1", "--json").json["commit"]["id"] == made["commit"]
    again = datahub("tag", "create", "v1")
    assert again.code == 3
    assert "tag delete" in again.err
    assert datahub("tag", "delete", "v1").code == 0
    assert datahub("tag", "delete", "v1").code == 5


def test_a_revert_takes_back_one_commit_and_leaves_the_later_ones(
    datahub: Datahub, project: Path
) -> None:
    wrong = write_and_commit(datahub, project, "a.py", "A = 1\n")
    write_and_commit(datahub, project, "b.py", "B = 1\n")

    made = datahub("revert", wrong[:12], "--json")

    assert made.code == 0, made.err
    assert made.json["message"] == f'Revert "Write a.py"\n\nThis reverts commit {wrong}.'
    assert "labeling_functions/a.py" not in held(datahub, "main")
    assert "labeling_functions/b.py" in held(datahub, "main")
    assert datahub("revert", "main").code == 0
    assert held(datahub, "main") == held(datahub, "main~2")


def test_a_revert_of_what_changed_again_is_a_conflict(datahub: Datahub, project: Path) -> None:
    first = write_and_commit(datahub, project, "a.py", "A = 1\n")
    later = write_and_commit(datahub, project, "a.py", "A = 2\n")

    refused = datahub("revert", first)

    assert refused.code == 3
    assert "labeling_functions/a.py" in refused.err
    assert datahub("show", "--json").json["commit"]["id"] == later


def test_the_first_commit_cannot_be_reverted(datahub: Datahub, project: Path) -> None:
    first = datahub("log", "--json").json[-1]["id"]

    assert datahub("revert", first).code == 2
    assert datahub("revert", "nowhere").code == 5


def test_a_cherry_pick_brings_one_commit_and_says_whence(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datahub("switch", "-c", "work")
    write_and_commit(datahub, project, "a.py", "A = 1\n")
    picked = write_and_commit(datahub, project, "b.py", "B = 1\n")
    author = datahub("show", picked, "--json").json["commit"]["author"]
    monkeypatch.setenv("DATAHUB_AUTHOR", "somebody else")

    made = datahub("cherry-pick", "work", "--branch", "main", "--json")

    assert made.code == 0, made.err
    assert made.json["message"] == f"Write b.py\n\n(cherry picked from commit {picked})"
    assert made.json["author"] == author
    assert made.json["metadata"]["picked_by"] == "somebody else"
    assert "labeling_functions/b.py" in held(datahub, "main")
    assert "labeling_functions/a.py" not in held(datahub, "main")
    again = datahub("cherry-pick", "work", "--branch", "main")
    assert again.code == 2
    assert "Nothing to commit" in again.err


def test_a_dataset_comes_back_as_a_ref_holds_it(datahub: Datahub, project: Path) -> None:
    assert datahub("tag", "create", "good").code == 0
    before = held(datahub, "good")
    import polars as pl

    pl.read_parquet(project / "mail.parquet").head(3).write_parquet(project / "few.parquet")
    assert datahub("import", "few.parquet", "--key", "id", "--gold", "kind").code == 0
    write_and_commit(datahub, project, "a.py", "A = 1\n")

    made = datahub("restore", "mail", "--from", "good", "--json")

    assert made.code == 0, made.err
    after = held(datahub, "main")
    kept = {path for path in after if not path.startswith("datasets/mail/")}
    assert {p: o for p, o in after.items() if p not in kept} == {
        p: o for p, o in before.items() if p.startswith("datasets/mail/")
    }
    assert "labeling_functions/a.py" in kept
    assert datahub("restore", "--from", "good").code == 2
    assert datahub("restore", "other", "--from", "good").code == 5


@pytest.mark.parametrize("words", [["revert", "main"], ["cherry-pick", "work"]])
def test_a_guarded_branch_takes_no_edit_of_history(
    datahub: Datahub, guarded: Path, words: list[str]
) -> None:
    datahub("switch", "-c", "work")
    write_and_commit(datahub, guarded, "a.py", "A = 1\n")

    refused = datahub(*words, "--branch", "main")

    assert refused.code == 3
    assert "branch create" in refused.err


def test_a_squashed_merge_is_one_commit_that_the_audit_knows(
    datahub: Datahub, labeled: Path
) -> None:
    source = datahub("show", "work", "--json").json["commit"]["id"]

    merged = datahub("merge", "work", "--into", "main", "--squash", "--json")

    assert merged.code == 0, merged.err
    commit = merged.json["commit"]
    assert len(commit["parents"]) == 1
    assert commit["metadata"]["squashed"] == merged.json["verdict"]["source"] == source
    assert held(datahub, "main").keys() >= held(datahub, "work").keys()
    assert "verdict passed" in datahub("show", "main").out
    assert datahub("audit", "main").code == 0


def test_the_log_draws_history_and_keeps_to_a_dataset(datahub: Datahub, labeled: Path) -> None:
    assert datahub("merge", "work", "--into", "main").code == 0

    drawn = datahub("log", "main", "--graph").out.splitlines()
    plain = datahub("log", "main", "--json").json
    mine = datahub("log", "main", "--dataset", "mail", "--json").json

    assert drawn[0].startswith("*   ") or drawn[0].startswith("* ")
    assert [li.split()[-1] for li in drawn if "*" in li]
    assert sum("*" in li.split(" ", 1)[0] or "| *" in li[:4] for li in drawn) == len(plain)
    assert any("\\" in li for li in drawn)
    messages = [commit["message"].split(" ")[0] for commit in mine]
    assert messages[-1] == "Import"
    assert "Set" not in messages
    assert 0 < len(mine) < len(plain)


def test_a_branch_goes_when_nothing_is_lost_by_it(datahub: Datahub, project: Path) -> None:
    datahub("switch", "-c", "work")
    write_and_commit(datahub, project, "a.py", "A = 1\n")
    assert datahub("branch", "delete", "work").code == 3
    datahub("switch", "main")

    refused = datahub("branch", "delete", "work")
    assert refused.code == 3
    assert "--force" in refused.err
    assert datahub("branch", "list").out.count("\n") == 2

    assert datahub("tag", "create", "kept", "work").code == 0
    assert datahub("branch", "delete", "work").code == 0
    assert datahub("branch", "create", "again", "--from", "kept").code == 0
    assert datahub("tag", "delete", "kept").code == 0
    assert datahub("branch", "delete", "--force", "again").code == 0


def test_fsck_finds_damage_and_gc_takes_what_nothing_reaches(
    datahub: Datahub, project: Path
) -> None:
    datahub("switch", "-c", "work")
    write_and_commit(datahub, project, "a.py", "A = 1\n")
    datahub("switch", "main")
    assert datahub("branch", "delete", "--force", "work").code == 0

    assert datahub("gc", "--json").json["commits"] == 0
    assert datahub("gc", "--keep-days", "0", "--dry-run").out.startswith("would remove")
    assert datahub("fsck").out == ""

    oid = held(datahub, "main")["datasets/mail/dataset.json"]
    (project / ".datahub" / "objects" / oid[:2] / oid[2:]).unlink()
    found = datahub("fsck", "--json")

    assert found.code == 1
    assert [damage["id"] for damage in found.json] == [oid, "mail"]  # and what cannot be read of it


def test_a_folder_is_committed_with_the_files_below_it(datahub: Datahub, project: Path) -> None:
    """A link counts as the file of the project that it leads to; what is hidden or no file, not."""
    notes = project / "notes"
    for name in ("a.md", "b/c.md", "b/.git/x", ".hidden", "b/__pycache__/c.pyc", "z/last.md"):
        (notes / name).parent.mkdir(parents=True, exist_ok=True)
        (notes / name).write_text(name)
    (project / "linked.md").write_text("linked")
    (notes / "to-a-file").symlink_to(project / "linked.md")
    (notes / "to-a-folder").symlink_to(project)
    (notes / "to-nothing").symlink_to("nothing")
    os.mkfifo(notes / "pipe")

    made = datahub("commit", "notes", "-m", "Keep notes")

    assert made.code == 0, made.err
    names = {"notes/a.md", "notes/b/c.md", "notes/z/last.md", "linked.md"}
    assert held(datahub, "main").keys() - held(datahub, "main~1").keys() == names
    assert datahub("commit", ".", "-m", "All").code == 0
    assert "notes/a.md" in held(datahub, "main")


def test_a_file_outside_the_project_is_not_committed(
    datahub: Datahub, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("secret")
    (project / "notes").mkdir()
    (project / "notes" / "link").symlink_to(outside / "secret")

    for path in ("notes", "notes/link", str(outside), str(outside / "secret")):
        refused = datahub("commit", path, "-m", "m")

        assert refused.code == 2
        assert "outside the project" in refused.err
    assert datahub("commit", "nothing", "-m", "m").code == 5
