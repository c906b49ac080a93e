"""LF code saw the keys of the process that ran it, and could have it unpickle what it wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from datahub import Hub
from tests.integration.conftest import Datahub

SECRET = "hush-7f3a"
SHOWS = """\
import os
from snorkel.labeling import labeling_function

print("at import", sorted(os.environ.items()))


@labeling_function()
def shows(x):
    print("at a call", sorted(os.environ.items()))
    return -1
"""
PICKLES = """\
import os, pickle
from snorkel.labeling import labeling_function


class Evil:
    def __reduce__(self):
        return exec, ("import os; open({marker!r} + str(os.getpid()), 'w').close()",)


@labeling_function()
def pickles(x):
    evil = pickle.dumps(("applied", Evil()))
    for fd in range(3, 64):
        try:
            os.write(fd, len(evil).to_bytes(8, "big") + evil)
        except OSError:
            pass
    return -1
"""
TELLS = """\
import os
from snorkel.labeling import labeling_function


def tell(what):
    with open({file!r}, "a") as file:
        file.write(f"{{what}} {{os.getpid()}}\\n")


tell("import")


@labeling_function()
def tells(x):
    tell("call")
    return -1
"""


@pytest.mark.parametrize("words", [[], ["--jobs", "2"], ["--sample", "5"]], ids=str)
def test_no_lf_sees_the_keys_of_the_command_that_runs_it(
    datahub: Datahub, project: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of lakeFS, of a model's endpoint, of a cloud, of whatever else the shell has."""
    for name in ("DATAHUB_LAKEFS_SECRET_ACCESS_KEY", "DATAHUB_PROMPT_API_KEY", "AWS_SECRET", "KEY"):
        monkeypatch.setenv(name, SECRET)
    (project / "labeling_functions" / "shows.py").write_text(SHOWS)

    ran = datahub("lf", "run", *words)

    assert ran.code == 0, ran.err
    assert SECRET not in ran.err + ran.out


def test_a_pickle_that_an_lf_writes_on_the_pipe_is_not_executed(
    datahub: Datahub, project: Path
) -> None:
    marker = project / "executed-by-"
    text = PICKLES.format(marker=str(marker))
    (project / "labeling_functions" / "pickles.py").write_text(text)

    datahub("lf", "run", "--jobs", "2")

    assert list(project.glob("executed-by-*")) == []


@pytest.mark.slow
def test_no_command_runs_a_file_of_lfs_in_its_own_process(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to find LFs nor to call them. `Hub.labeling_functions` does, and says so."""
    monkeypatch.setenv("DATAHUB_LF_SANDBOX", "none")  # so that it can write down where it ran
    told = project / "told.txt"
    (project / "labeling_functions" / "tells.py").write_text(TELLS.format(file=str(told)))
    commands: list[tuple[str, ...]] = [
        ("status",),
        ("lf", "new", "fresh"),
        ("lf", "test", "tells"),
        ("lf", "run", "--sample", "5"),
        ("lf", "run"),
        ("lf", "stats"),
        ("lf", "conflicts", "offer", "short"),
        ("label", "fit"),
        ("review", "push", "--budget", "2"),
    ]

    for words in commands:
        ran = datahub(*words)
        assert ran.code == 0, ran.err
        ran_in = {int(line.split()[1]) for line in _lines(told)}
        assert os.getpid() not in ran_in, words
    assert {line.split()[0] for line in _lines(told)} == {"import", "call"}
    Hub.open(project).labeling_functions()
    assert f"import {os.getpid()}" in _lines(told)


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
