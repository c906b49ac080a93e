"""A project in a folder of its own, and the command line on it, in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from datahub.cli.app import main
from tests.projects import CARELESS, GATES, LFS, SUITE, Projects, mail

__all__ = ["CARELESS", "GATES", "LFS", "SUITE", "mail"]


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.out)


Datahub = Callable[..., Ran]


@pytest.fixture
def datahub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Datahub:
    """The command line, run in a fresh folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["datahub", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return Ran(int(stopped.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def project(datahub: Datahub, tmp_path: Path, projects: Projects) -> Path:
    """A project `mail` with its rows on main, LFs in place, no gate yet."""
    return projects.put("project", tmp_path)


@pytest.fixture
def guarded(project: Path, projects: Projects) -> Path:
    """The project with main guarded."""
    return projects.put("guarded", project)


@pytest.fixture
def labeled(guarded: Path, projects: Projects) -> Path:
    """The guarded project on a branch `work` with labels."""
    return projects.put("labeled", guarded)


@pytest.fixture
def landed(datahub: Datahub, labeled: Path) -> Path:
    """The guarded project with its labels on main, which is the branch in hand."""
    assert datahub("merge", "work", "--into", "main").code == 0
    assert datahub("switch", "main").code == 0
    return labeled


@pytest.fixture
def base(project: Path, projects: Projects) -> Path:
    """An unguarded project with labels on main, and two branches cut from it."""
    return projects.put("base", project)
