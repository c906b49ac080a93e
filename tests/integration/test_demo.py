"""The demo: honest figures, the same ones every time and from either queue."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub.adapters.labelstudio_server import ServerInfo
from datahub.core.layout import votes_file
from datahub.flow.dataset.at import At
from datahub.hub import Hub
from tests.integration.conftest import Datahub
from tests.lakefs_server import LakeFSServer

pytestmark = pytest.mark.slow


# What today's demo comes to. A change of these is a change of the format or of what it labels:
# it needs a line in the changelog, and where objects change, a migration.
ROWS = "ff834f1b11a0aa73d6f5a99877d07453bb2f6d2b2a813cfab5edebd5eec666ab"
GOLD = "73b7fbad91f19defccb6a4ff365fccb91387ea90ef7b3934f0b6f4fb59edd7f4"
VOTES = "27dacfe00915d455a0fc3ce15c64d65681985d59279032d4c1d039689f11ab42"
LABELS = "9426855a24c5baba04adfd28d3d63ce9c56f9ccd7e689fff11ee9bdca1dce0f0"


def figures(datahub: Datahub, *words: str) -> dict[str, Any]:
    """Run the demo; its figures without the seconds."""
    ran = datahub("demo", "--json", *words)
    assert ran.code == 0, ran.err
    figures: dict[str, Any] = ran.json
    del figures["seconds"]
    return figures


@pytest.fixture
def embedded(tmp_path_factory: pytest.TempPathFactory, datahub: Datahub) -> Path:
    """What a demo on this machine left, and its figures: run once, whatever process asks."""
    place = tmp_path_factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "embedded-demo"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "figures.json").exists():
            patch.chdir(place)
            (place / "figures.json").write_text(json.dumps(figures(datahub)))
    return place


def told(embedded: Path) -> dict[str, Any]:
    """Its figures."""
    figures: dict[str, Any] = json.loads((embedded / "figures.json").read_text())
    return figures


def test_the_demo_tells_what_it_did(embedded: Path) -> None:
    """One refusal with its reason, one pass, and labels that people made better."""
    first = told(embedded)

    assert first["rows"] == 2225
    assert len(first["refused"]) == 1
    assert "business" in first["refused"][0]
    assert first["annotations"] == first["budget"] == 240
    before, after = first["before"], first["after"]
    assert after["all"]["right_of_all"] > before["all"]["right_of_all"]
    assert before["accepted"]["rows"] == 0  # nothing is measured yet
    assert after["accepted"]["rows"] > 2225 / 3
    assert after["accepted"]["accuracy"] >= 0.95
    assert after["not asked"]["rows"] == 2225 - 240
    assert digests(Hub.open(embedded / "demo-news").at(ref="main")) == (ROWS, GOLD, VOTES, LABELS)


def test_the_demo_comes_to_the_same_twice(datahub: Datahub, embedded: Path, tmp_path: Path) -> None:
    """Also where the folder of an earlier demo is in its way."""
    shutil.copytree(embedded / "demo-news", tmp_path / "demo-news")

    assert figures(datahub) == told(embedded)


def digests(at: At) -> tuple[str, str, str, str]:
    """The ids of the rows and the gold labels, one of all votes by LF, and one of all labels."""
    assert at.votes is not None
    ((_, rows),) = at.objects("rows").items()
    ((_, gold),) = at.objects("gold").items()
    votes = {lf.name: votes_file(at.name, lf.fingerprint, rows) for lf in at.votes.lfs}
    lines = "".join(f"{lf} {at.objects('votes')[votes[lf]]}\n" for lf in sorted(votes))
    labels = pl.concat(frame for _, frame in at.parts("labels"))
    table = labels.select(at.key, "label", "status", "source").write_csv()
    return rows, gold, digest(lines), digest(table)


def digest(text: str) -> str:
    """Its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def test_label_studio_gives_the_figures_of_the_embedded_queue(
    datahub: Datahub, embedded: Path, labelstudio: ServerInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows asked, the same answers, through the real server."""
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_URL", labelstudio.url or "")
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_TOKEN", labelstudio.token)

    assert figures(datahub, "--queue", "label-studio") == told(embedded)


def test_a_folder_that_no_demo_made_is_left_alone(datahub: Datahub, tmp_path: Path) -> None:
    """A person's files are not removed to make room."""
    mine = tmp_path / "demo-news" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("dear to me")

    ran = datahub("demo")

    assert ran.code == 3
    assert mine.read_text() == "dear to me"


def test_a_person_can_go_on_where_the_demo_stops(
    datahub: Datahub, embedded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten rows wait; an answer to one of them goes into the labels."""
    monkeypatch.chdir(shutil.copytree(embedded / "demo-news", tmp_path / "demo-news"))
    waiting = datahub("review", "answer", "--list", "--json").json
    Path("answers.csv").write_text(f"row_key,label\n{waiting[0]['key']},sport\n")

    assert datahub("review", "answer", "--csv", "answers.csv").code == 0

    assert len(waiting) == 10
    assert datahub("review", "pull", "--json").json["annotations"] == 1


def test_lakefs_gives_the_figures_of_the_embedded_store(
    datahub: Datahub, embedded: Path, lakefs: LakeFSServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same commits, verdicts and labels, with history on a real server."""
    monkeypatch.setenv("DATAHUB_LAKEFS_ENDPOINT", lakefs.endpoint)
    monkeypatch.setenv("DATAHUB_LAKEFS_ACCESS_KEY_ID", lakefs.access_key_id)
    monkeypatch.setenv("DATAHUB_LAKEFS_SECRET_ACCESS_KEY", lakefs.secret_access_key)

    assert figures(datahub, "--store", "lakefs") == told(embedded)


def test_a_demo_on_lakefs_without_one_says_what_to_do(
    datahub: Datahub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    ran = datahub("demo", "--store", "lakefs")

    assert ran.code == 2
    assert "DATAHUB_LAKEFS_ENDPOINT" in ran.err
