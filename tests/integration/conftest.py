"""A project in a folder of its own, and the command line on it, in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub.cli.app import main

LFS = """\
from datahub import ABSTAIN, keywords, regex
from snorkel.labeling import labeling_function

HAM, SPAM = 0, 1

offer = keywords("offer", ["winner", "prize", "free"], SPAM)
link = regex("link", r"https?://", SPAM)
thanks = keywords("thanks", ["thanks", "tomorrow", "dinner"], HAM)


@labeling_function()
def shouting(x):
    return SPAM if x.text.isupper() else ABSTAIN


@labeling_function()
def short(x):
    return HAM if len(x.text) < 25 else ABSTAIN
"""

SUITE = {
    "name": "labels",
    "expectations": [
        {
            "type": "expect_column_values_to_not_be_in_set",
            "kwargs": {"column": "label", "value_set": ["spam"], "mostly": 0.4},
        },
        {
            "type": "expect_column_values_to_not_be_null",
            "kwargs": {"column": "label", "mostly": 0.6},
        },
    ],
}

GATES = '[[gate]]\nbranch = "main"\ndataset = "mail"\ntable = "labels"\nsuite = "labels.json"\n'

# A slip that no label model can see through: the LF's words say one class, its vote another.
CARELESS = ('"dinner"], HAM)', '"dinner", "ok"], SPAM)')


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


def mail() -> pl.DataFrame:
    """Forty short messages with their gold label."""
    spam = [
        "You are a WINNER, claim the prize at http://x{}.example now",
        "FREE ENTRY TODAY NUMBER {} CALL NOW",
        "Get a free phone, see https://y{}.example for the offer",
    ]
    ham = [
        "Thanks for the notes on chapter {}, see you tomorrow at the office",
        "Shall we have dinner on day {} after the long meeting with the team?",
        "ok see you at {}",
    ]
    rows = [(text.format(i), "spam") for i in range(6) for text in spam]
    rows += [(text.format(i), "ham") for i in range(8) for text in ham]
    frame = pl.DataFrame(rows, schema=["text", "kind"], orient="row").with_row_index("id")
    return frame.with_columns(pl.col("id").cast(pl.Int64))


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
def project(datahub: Datahub, tmp_path: Path) -> Path:
    """A project `mail` with its rows on main, LFs in place, no gate yet."""
    assert datahub("init", "--dataset", "mail").code == 0
    (tmp_path / "labeling_functions" / "first.py").write_text(LFS)
    (tmp_path / "expectations" / "labels.json").write_text(json.dumps(SUITE))
    mail().write_parquet(tmp_path / "mail.parquet")
    ran = datahub("import", "mail.parquet", "--key", "id", "--gold", "kind")
    assert ran.code == 0, ran.err
    return tmp_path


@pytest.fixture
def guarded(datahub: Datahub, project: Path) -> Path:
    """The project with main guarded."""
    (project / "expectations" / "gates.toml").write_text(GATES)
    ran = datahub("gate", "set", "--reason", "spam stays below 60%")
    assert ran.code == 0, ran.err
    return project


@pytest.fixture
def labeled(datahub: Datahub, guarded: Path) -> Path:
    """The guarded project on a branch `work` with labels."""
    for words in (["switch", "-c", "work"], ["lf", "run"], ["label", "fit"]):
        ran = datahub(*words)
        assert ran.code == 0, ran.err
    return guarded


@pytest.fixture
def base(datahub: Datahub, project: Path) -> Path:
    """An unguarded project with labels on main, and two branches cut from it."""
    for words in (["lf", "run"], ["label", "fit"]):
        ran = datahub(*words)
        assert ran.code == 0, ran.err
    for name in ("one", "two"):
        assert datahub("branch", "create", name).code == 0
    return project
