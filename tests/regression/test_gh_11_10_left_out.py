"""What is no labeling function, or cannot run yet, is left out by itself, and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import LFS, Datahub

PROMPT = (
    '\nfrom datahub import prompt\n\nasked = prompt("asked", "Spam? {text}", answers={"yes": 1})\n'
)
SLICE = """
from snorkel.augmentation import transformation_function
from snorkel.slicing import slicing_function


@slicing_function()
def long_ones(x):
    return len(x.text) > 3


@transformation_function()
def louder(x):
    x.text = x.text.upper()
    return x
"""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATAHUB_PROMPT_MODEL", raising=False)
    monkeypatch.delenv("DATAHUB_PROMPT_ENDPOINT", raising=False)


def test_a_prompt_without_a_model_alone_is_left_out(datahub: Datahub, project: Path) -> None:
    """It stopped `status`, `lf run` and `lf new`; the other LFs vote."""
    (project / "labeling_functions" / "asks.py").write_text(PROMPT)

    status, new = datahub("status"), datahub("lf", "new", "more")
    ran = datahub("lf", "run", "--json")

    assert (status.code, new.code, ran.code) == (0, 0, 0), ran.err
    assert "'asked' is a prompt, and no model is named" in status.err
    assert "asked" not in [lf["name"] for lf in ran.json["table"]]
    (left,) = ran.json["left_out"]
    assert (left["name"], left["file"], left["line"]) == ("asked", "labeling_functions/asks.py", 4)
    assert "labels do not use its earlier votes until it runs again" in left["why"]
    assert "'asked'" in ran.err
    assert datahub("status", "--json").json["left_out"] == [left]


def test_a_prompt_without_an_endpoint_alone_is_left_out(datahub: Datahub, project: Path) -> None:
    """Its model is named, so that only asking shows that nobody can be asked."""
    asks = PROMPT.replace("answers", 'model="small", answers')
    (project / "labeling_functions" / "asks.py").write_text(asks)

    tried, ran = datahub("lf", "run", "--sample", "9", "--json"), datahub("lf", "run", "--json")

    assert (tried.code, ran.code) == (0, 0), (tried.err, ran.err)
    assert [lf["name"] for lf in ran.json["table"]][:2] == ["offer", "link"]
    (left,) = ran.json["left_out"]
    assert left["name"] == "asked"
    assert "no endpoint is named" in left["why"]
    assert tried.json["left_out"] == [left]
    assert left["why"] in ran.err


def test_a_run_without_any_lf_that_can_run_is_an_error(datahub: Datahub, project: Path) -> None:
    (project / "labeling_functions" / "first.py").write_text(PROMPT)

    ran = datahub("lf", "run", "--json")

    assert ran.code == 2
    assert "left out" in json.loads(ran.err.splitlines()[-1])["error"]["message"]


@pytest.mark.slow
def test_slices_and_transformations_are_no_lfs(datahub: Datahub, project: Path) -> None:
    """A slicing function is derived from Snorkel's LFs, and voted on every row."""
    (project / "labeling_functions" / "first.py").write_text(LFS + SLICE)

    ran = datahub("lf", "run", "--json")

    assert ran.code == 0, ran.err
    names = [lf["name"] for lf in ran.json["table"]]
    assert names == ["offer", "link", "thanks", "shouting", "short"]
    left, louder = ran.json["left_out"]
    assert (left["name"], left["file"]) == ("long_ones", "labeling_functions/first.py")
    assert left["why"] == "slicing function 'long_ones' is no labeling function, and is left out."
    assert "transformation function 'louder' is no labeling function" in louder["why"]
    assert datahub("status", "--json").json["left_out"] == [left, louder]
