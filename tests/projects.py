"""Projects as they stand after some commands: each is made once in a process, and copied.

A copy costs a hundredth of what the commands do, and is the same to the byte.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

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


def _project(folder: Path) -> None:
    _run(folder, "init", "--dataset", "mail")
    (folder / "labeling_functions" / "first.py").write_text(LFS)
    (folder / "expectations" / "labels.json").write_text(json.dumps(SUITE))
    mail().write_parquet(folder / "mail.parquet")
    _run(folder, "import", "mail.parquet", "--key", "id", "--gold", "kind")


def _guarded(folder: Path) -> None:
    (folder / "expectations" / "gates.toml").write_text(GATES)
    _run(folder, "gate", "set", "--reason", "spam stays below 60%")


def _labeled(folder: Path) -> None:
    _run(folder, "switch", "-c", "work")
    _run(folder, "lf", "run")
    _run(folder, "label", "fit")


def _base(folder: Path) -> None:
    _run(folder, "lf", "run")
    _run(folder, "label", "fit")
    for name in ("one", "two"):
        _run(folder, "branch", "create", name)


# Each with what it goes on from.
STAGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "project": ("", _project),
    "guarded": ("project", _guarded),
    "labeled": ("guarded", _labeled),
    "base": ("project", _base),
}


class Projects:
    """The stages of a project, each in a folder of its own below `folder` once it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, stage: str, into: Path) -> Path:
        """Have the project stand at `stage` in a folder that is empty, or at what goes before."""
        if any(map(_is_setting, os.environ)):  # it would have been made otherwise
            STAGES[stage][1](into)
        else:
            shutil.copytree(self._made(stage), into, dirs_exist_ok=True)
        return into

    def _made(self, stage: str) -> Path:
        folder = self._folder / stage
        if not folder.exists():
            before, make = STAGES[stage]
            fresh = folder.with_suffix(".fresh")
            if before:
                shutil.copytree(self._made(before), fresh)
            else:
                fresh.mkdir()
            make(fresh)
            fresh.rename(folder)
        return folder


def _is_setting(variable: str) -> bool:
    return variable.startswith("DATAHUB_") and not variable.startswith(
        ("DATAHUB_TEST_", "DATAHUB_REQUIRE", "DATAHUB_LABELSTUDIO_ENVIRONMENT")
    )


def _run(folder: Path, *words: str) -> None:
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["datahub", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
    assert not stopped.value.code, said.getvalue()
