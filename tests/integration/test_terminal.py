"""A person at a real terminal: answering, tables, and silence in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.integration.conftest import Datahub
from tests.integration.test_rowmerge import relabel

COMMAND = [sys.executable, "-m", "datahub.cli.app"]
CTRL_C, CTRL_D = "\x03", "\x04"


def at_a_terminal(
    *words: str, typed: str, cwd: Path, key: str = "", prompts: int = 0, code: int = 0
) -> str:
    """What a person sees who types this, line by line, at each prompt.

    `key` is pressed, without Enter, when so many prompts are on the screen.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    child = subprocess.Popen(
        [*COMMAND, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "", "LINES": ""},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C is of this terminal
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    seen = b""
    while True:
        if not select.select([ours], [], [], 60)[0]:
            child.kill()
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        seen += piece
        if key and seen.count(b"label: ") == prompts:
            os.write(ours, key.encode())
            key = ""
    assert child.wait(timeout=60) == code, seen.decode()
    os.close(ours)
    return seen.decode()


@pytest.mark.slow
def test_a_person_answers_skips_and_quits_in_the_terminal(datahub: Datahub, labeled: Path) -> None:
    """By number, by Enter on the prediction, by name; a typing slip asks again."""
    datahub("review", "push", "--budget", "5")

    seen = at_a_terminal("review", "answer", typed="1\nspan\nspam\ns\nq\n", cwd=labeled)

    assert "1 of 5" in seen
    assert seen.count("label: ") == 5  # the prompt is there before each line that was typed
    assert "1 to 2, a class name, s or q" in seen
    assert "3 answered" in seen
    taken = datahub("review", "pull", "--json").json
    assert taken["annotations"] == 3
    assert len(datahub("review", "answer", "--list", "--json").json) == 2


@pytest.mark.slow
def test_leaving_by_a_key_loses_no_answer(datahub: Datahub, labeled: Path) -> None:
    """Ctrl-C at a prompt ends it there and then, and so does Ctrl-D: what was answered is kept."""
    datahub("review", "push", "--budget", "5")

    for key in (CTRL_C, CTRL_D):
        at_a_terminal("review", "answer", typed="1\n", key=key, prompts=2, code=130, cwd=labeled)

    assert datahub("review", "pull", "--json").json["annotations"] == 2


def test_tables_are_drawn_on_a_terminal(datahub: Datahub, labeled: Path) -> None:
    """The LF table has a head and a line an LF."""
    seen = at_a_terminal("lf", "stats", typed="", cwd=labeled)

    assert "coverage" in seen
    assert "shouting" in seen


@pytest.mark.slow
def test_progress_on_a_terminal_has_speed_and_an_end(datahub: Datahub, project: Path) -> None:
    """How many of how many, how many a second."""
    seen = at_a_terminal("lf", "run", typed="", cwd=project)

    assert "42/42" in seen
    assert "/s" in seen


def test_a_pipe_gets_results_and_no_talk(datahub: Datahub, labeled: Path) -> None:
    """Nothing on stderr, tab-separated lines on stdout."""
    ran = subprocess.run(
        [*COMMAND, "lf", "run"], cwd=labeled, capture_output=True, text=True, check=True
    )

    assert ran.stderr == ""
    assert ran.stdout.splitlines()[0].split("\t")[0] == "LF"


def test_without_a_terminal_answering_points_to_a_file(datahub: Datahub, labeled: Path) -> None:
    """No prompt hangs in a pipe."""
    datahub("review", "push", "--budget", "1")

    ran = subprocess.run(
        [*COMMAND, "review", "answer"],
        cwd=labeled,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )

    assert ran.returncode == 2
    assert "--csv" in ran.stderr


def test_a_line_is_completed_and_nothing_else_is_said(tmp_path: Path) -> None:
    """As the shell asks at each press of Tab: what is on stderr would be on the screen."""
    asked = {"_DATAHUB_COMPLETE": "complete_bash", "COMP_WORDS": "datahub st", "COMP_CWORD": "1"}
    ask = "import sys; sys.argv = ['datahub']; from datahub.cli.app import main; main()"

    ran = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=tmp_path,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout.split(), ran.stderr) == (0, ["status"], "")


def test_a_list_of_commands_has_whole_sentences(datahub: Datahub) -> None:
    listed = " ".join(datahub("lf", "--help").out.split())

    assert "Try one labeling function on real rows: its hits, misses and conflicts." in listed
    assert "..." not in listed.replace("[ARGS]...", "")


def test_help_lists_every_command(tmp_path: Path) -> None:
    """From outside any project."""
    ran = subprocess.run(
        [*COMMAND, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    for name in [
        "init",
        "import",
        "export",
        "switch",
        "branch",
        "status",
        "log",
        "show",
        "diff",
        "commit",
        "merge",
        "lf",
        "label",
        "review",
        "gate",
        "labelstudio",
        "db",
        "demo",
    ]:
        assert f" {name} " in ran.stdout


@pytest.mark.slow
def test_a_history_longer_than_the_screen_goes_to_a_pager(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fits does not, and nothing does in a pipe or as JSON."""
    monkeypatch.setenv("PAGER", "sed s/^/paged:/")
    monkeypatch.setenv("MANPAGER", "sed s/^/paged:/")
    short = at_a_terminal("log", "--oneline", typed="", cwd=project)
    for number in range(45):
        (project / "note.md").write_text(str(number))
        datahub("commit", "note.md", "-m", f"note {number}")

    long = at_a_terminal("log", "--oneline", typed="", cwd=project)
    as_table = at_a_terminal("log", typed="", cwd=project)
    as_json = at_a_terminal("log", "--json", typed="", cwd=project)

    assert "paged:" not in short
    assert long.count("paged:") == 47
    assert "\x1b[" not in as_table
    assert as_table.count("paged:") > 47
    assert "paged:" not in as_json
    assert "paged:" not in datahub("log").out


@pytest.mark.slow
def test_a_person_is_asked_before_answers_are_set_aside(datahub: Datahub, labeled: Path) -> None:
    """No is the default and changes nothing; yes goes on."""
    relabel(labeled, "work", "ann", {0: "ham"})
    (labeled / "next.csv").write_text("id,text\n0,Other words\n")
    words = ("import", "next.csv", "--upsert")

    seen = at_a_terminal(*words, typed="\n", code=3, cwd=labeled)

    assert "This sets aside 1 answer of 1 person about 1 row of mail" in seen
    assert "Nothing was changed" in seen
    assert "the row has changed since" not in datahub("why", "0").out
    assert "set aside: 1 answer" in at_a_terminal(*words, typed="y\n", cwd=labeled)
    assert "the row has changed since" in datahub("why", "0").out
