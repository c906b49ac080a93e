"""What people type who know git."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Datahub


@pytest.fixture
def history(datahub: Datahub) -> list[str]:
    """A project with three commits on main, the current branch; their ids, oldest first."""
    assert datahub("init", "--dataset", "mail").code == 0
    for word in ("one", "two"):
        Path("note.md").write_text(word)
        assert datahub("commit", "note.md", "-m", f"{word}\n\nand more").code == 0
    return [commit["id"] for commit in reversed(datahub("log", "--json").json)]


def test_head_is_the_current_branch_wherever_a_ref_is_asked(
    datahub: Datahub, history: list[str]
) -> None:
    assert datahub("switch", "-c", "work").code == 0
    for ref, at in (("HEAD", 2), ("@", 2), ("HEAD~1", 1), ("@~2", 0), ("HEAD^1", 1)):
        assert datahub("show", ref, "--json").json["commit"]["id"] == history[at]
        assert datahub("log", ref, "--json").json[0]["id"] == history[at]
    assert datahub("tag", "create", "v1", "HEAD~1", "--json").json["commit"] == history[1]
    assert (
        datahub("branch", "create", "old", "--from", "@~2", "--json").json["commit"] == (history[0])
    )

    undone = datahub("revert", "HEAD")

    assert undone.code == 0, undone.err
    assert datahub("diff", "HEAD~2", "HEAD", "--exit-code").code == 0
    assert datahub("cherry-pick", "main").code == 0
    assert datahub("diff", "main", "@", "--exit-code").code == 0
    assert datahub("merge", "HEAD", "--into", "main").err == ""
    assert datahub("log", "main", "-n", "1", "--json").json[0]["message"] == "Merge work into main"
    assert datahub("branch", "HEAD").code == 2


def test_branch_and_tag_take_gits_short_forms(datahub: Datahub, history: list[str]) -> None:
    assert datahub("branch", "work").code == 0
    assert datahub("branch", "older", "main~1", "--json").json["commit"] == history[1]
    assert datahub("tag", "v1", "older", "--json").json["commit"] == history[1]
    assert datahub("branch", "-d", "work").code == 0
    assert datahub("branch", "-D", "older").code == 0
    assert datahub("branch", "-a").out.split()[1::2][0] == "main"
    assert datahub("tag").out.startswith("v1 ")
    assert datahub("tag", "-d", "v1").code == 0

    assert datahub("tag", "--json").json == []
    assert [one["branch"] for one in datahub("branch", "--json").json] == ["main"]


def test_checkout_is_switch(datahub: Datahub, history: list[str]) -> None:
    assert datahub("checkout", "-b", "work").code == 0
    assert datahub("status", "--json").json["branch"] == "work"
    assert datahub("checkout", "main").code == 0
    assert datahub("checkout", "nowhere").code == 5
    assert "checkout" not in datahub("--help").out


def test_oneline_and_graph_name_what_stands_where(datahub: Datahub, history: list[str]) -> None:
    datahub("tag", "v1", "main~1")
    datahub("branch", "work")

    told = datahub("log", "--oneline").out

    assert told.splitlines() == [
        f"{history[2][:12]} (HEAD -> main, work) two",
        f"{history[1][:12]} (tag: v1) one",
        f"{history[0][:12]} Begin the repository",
    ]
    assert datahub("log", "--graph").out == "".join(f"* {line}\n" for line in told.splitlines())


def test_two_dots_are_the_two_sides_of_a_diff(datahub: Datahub, history: list[str]) -> None:
    told = datahub("diff", "main~2..main", "--json")

    assert told.json == datahub("diff", "main~2", "main", "--json").json
    assert datahub("diff", "main..", "--exit-code").code == 0
    assert datahub("diff", "main~1..nowhere").code == 5


def test_a_message_of_several_lines_is_shown_as_one_block(
    datahub: Datahub, history: list[str]
) -> None:
    assert "    two\n\n    and more\n" in datahub("show").out


@pytest.mark.parametrize("verb", ["add", "rebase", "reset", "stash", "push", "clone", "blame"])
def test_a_verb_that_is_not_here_says_what_does_its_work(datahub: Datahub, verb: str) -> None:
    told = datahub(verb, "anything")

    assert told.code == 2
    assert "hint: " in told.err
    assert "`datahub " in told.err


def test_a_branch_that_began_behind_another_is_drawn_to_where_it_began(datahub: Datahub) -> None:
    """Two branches from one commit, both merged: neither is drawn as the other's child."""
    assert datahub("init", "--dataset", "mail").code == 0
    for name in ("ann", "bob"):
        Path(f"{name}.md").write_text(name)
        assert datahub("branch", name, "main").code == 0
    for name in ("ann", "bob"):
        assert datahub("commit", f"{name}.md", "-m", name, "-b", name).code == 0
    for name in ("ann", "bob"):
        assert datahub("merge", name, "--into", "main").code == 0

    drawn = [line.split("*")[0].rstrip() for line in datahub("log", "--graph").out.splitlines()]

    assert "|_|/" in drawn
    assert "| |/" not in drawn
    assert json.loads(datahub("log", "--json").out)[-1]["parents"] == []


FULL = """
import resource, sys
from pathlib import Path
from datahub.adapters.project_folder import ProjectFolder
from datahub.core.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    ProjectFolder(Path()).switch("work")
except StorageError:
    print("refused")
"""


def test_a_switch_on_a_full_disk_leaves_the_branch_and_nothing_else(
    datahub: Datahub, history: list[str]
) -> None:
    """Where not even the room that is kept for it helps: the next command keeps some again."""
    before = {path.name for path in Path(".datahub").iterdir()}

    ran = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=False)

    assert ran.stdout == "refused\n", ran.stderr
    assert {path.name for path in Path(".datahub").iterdir()} == before - {"spare"}
    assert datahub("status", "--json").json["branch"] == "main"
    assert {path.name for path in Path(".datahub").iterdir()} >= before


def test_a_merge_goes_into_the_current_branch(datahub: Datahub, history: list[str]) -> None:
    datahub("switch", "-c", "other")
    Path("other.md").write_text("other")
    other = datahub("commit", "other.md", "-m", "other", "--json").json["id"]
    datahub("switch", "-c", "work", "--json")
    datahub("branch", "mine", "main")
    datahub("switch", "mine")

    merged = datahub("merge", "other")

    assert merged.code == 0, merged.err
    assert merged.out.startswith("other merged into mine: ")
    assert datahub("show", "mine", "--json").json["commit"]["parents"] == [history[-1], other]
    assert datahub("show", "main", "--json").json["commit"]["id"] == history[-1]


def test_what_is_merged_already_is_up_to_date(datahub: Datahub, history: list[str]) -> None:
    again = datahub("merge", "main~1")
    into_itself = datahub("merge", "main", "--json")

    assert (again.code, again.out) == (0, "Already up to date: main holds all of main~1.\n")
    assert into_itself.code == 0
    assert into_itself.json["commit"]["id"] == history[-1]
    assert into_itself.json["verdict"] is None
    assert "--into names the branch" in into_itself.err
    assert datahub("show", "--json").json["commit"]["id"] == history[-1]


def test_log_takes_a_count_as_git_does(datahub: Datahub, history: list[str]) -> None:
    assert [one["id"] for one in datahub("log", "-2", "--json").json] == [history[2], history[1]]
    assert datahub("log", "--oneline", "-1").out == f"{history[2][:12]} (HEAD -> main) two\n"
    assert datahub("-C", ".", "log", "-1", "--json").json[0]["id"] == history[2]


def test_a_dash_is_the_branch_before(datahub: Datahub, history: list[str]) -> None:
    never = datahub("switch", "-")
    datahub("switch", "-c", "work")
    datahub("switch", "work")

    back = datahub("switch", "-", "--json")

    assert never.code == 5
    assert back.json["branch"] == "main"
    assert datahub("branch", "--show-current").out == "main\n"
    assert datahub("checkout", "-").out.startswith("On branch work ")
    datahub("switch", "main")
    datahub("branch", "-d", "work")
    gone = datahub("switch", "-")
    assert (gone.code, "'work' does not exist" in gone.err) == (5, True)


def test_help_and_version_are_words_too(datahub: Datahub) -> None:
    assert datahub("help", "gate", "run").out == datahub("gate", "run", "--help").out
    assert datahub("help").out == datahub("--help").out
    assert datahub("version").out == datahub("--version").out


@pytest.mark.parametrize(
    "words",
    [
        ["log", "-p"],
        ["show", "--stat"],
        ["diff", "main", "--name-only"],
        ["merge", "--abort"],
        ["merge", "work", "--no-ff"],
        ["revert", "--continue"],
        ["commit", "-am", "all"],
        ["commit", "--amend"],
        ["commit", "-m", "nothing named"],
        ["branch", "-m", "new"],
        ["tag", "-a", "v1"],
        ["tag", "v1", "-m", "first"],
        ["reflog"],
    ],
    ids=" ".join,
)
def test_an_option_of_gits_that_is_not_here_says_what_does_its_work(
    datahub: Datahub, history: list[str], words: list[str]
) -> None:
    told = datahub(*words)

    assert told.code == 2
    assert "hint: " in told.err
    assert datahub("log", "--json").json[0]["id"] == history[-1]


def test_a_branch_differs_in_nothing_from_where_it_was_merged(
    datahub: Datahub, history: list[str]
) -> None:
    """The verdict that the merge commit carries is no content."""
    datahub("switch", "-c", "work")
    Path("note.md").write_text("three")
    datahub("commit", "note.md", "-m", "three")
    assert datahub("merge", "work", "--into", "main").code == 0

    same = datahub("diff", "main", "work", "--exit-code")

    assert (same.code, same.out) == (0, "")


def test_a_file_is_named_as_seen_from_where_one_stands(
    datahub: Datahub, history: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a subfolder as git has it; what is not there is looked for from the project on."""
    Path("sub").mkdir()
    Path("sub/note.md").write_text("the other one")
    Path("top.md").write_text("top")
    monkeypatch.chdir("sub")

    assert datahub("commit", "note.md", "-m", "mine").code == 0
    assert datahub("commit", "top.md", "-m", "from the root").code == 0
    assert datahub("commit", "../top.md", "-m", "again").code == 3
    assert datahub("commit", ".", "-m", "again").code == 3
    outside = datahub("commit", "../../elsewhere.md", "-m", "x")

    held = datahub("show", "--json").json["objects"]
    assert {"note.md", "sub/note.md", "top.md"} <= set(held)
    assert held["note.md"] != held["sub/note.md"]
    assert (outside.code, "outside the project" in outside.err) == (2, True)


def test_a_file_that_is_gone_is_taken_off_the_branch(datahub: Datahub, history: list[str]) -> None:
    Path("note.md").unlink()

    gone = datahub("commit", "note.md", "-m", "no note")
    again = datahub("commit", "note.md", "-m", "no note")

    assert gone.code == 0, gone.err
    assert datahub("show").out.endswith("removed  note.md\n")
    assert (again.code, "There is no file 'note.md'" in again.err) == (5, True)


@pytest.mark.parametrize("path", ["datasets/mail/dataset.json", ".datahub/HEAD", "_datahub/x"])
def test_a_file_of_the_users_never_lands_where_datahub_keeps_its_own(
    datahub: Datahub, history: list[str], path: str
) -> None:
    """A folder called datasets is nothing unusual."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("main\n")

    for named in (path, str(Path(path).parts[0])):
        told = datahub("commit", named, "-m", "everything")
        if told.code == 3:  # a hidden folder has nothing that is looked at
            continue
        assert (told.code, "hint: " in told.err) == (2, True), named
    assert datahub("log", "--json").json[0]["id"] == history[-1]
