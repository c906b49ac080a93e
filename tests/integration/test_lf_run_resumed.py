"""A run of LFs that is killed goes on from where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from datahub.flow.dataset import parts
from datahub.flow.label import run as lfs
from datahub.hub import Hub
from datahub.machine.bytes.files import ObjectFiles
from tests.lakefs_server import LakeFSServer

ROWS = 400
LFS = """\
from snorkel.labeling import labeling_function


@labeling_function()
def odd(x):
    if x.id % 100 == 7:
        raise ValueError("no number of luck")
    return x.id % 2
"""
KILLED = """\
import os, signal, sys
from datahub.flow.dataset import parts
from datahub.flow.label import run as lfs
from datahub.hub import Hub
parts.ROWS_PER_PART, lfs.BATCH = 20, 20

def kill(what, done, total):
    if what == "label" and done >= 0.9 * total:
        os.kill(os.getpid(), signal.SIGKILL)

Hub.open(sys.argv[1], progress=kill).lf_run()
"""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROWS_PER_PART", 20)
    monkeypatch.setattr(lfs, "BATCH", 20)


@pytest.fixture(params=["embedded", "lakefs"])
def hub(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """A project with rows and an LF; nothing has voted."""
    settings: dict[str, str] = {}
    if request.param == "lakefs":
        server: LakeFSServer = request.getfixturevalue("lakefs")
        access = server.new_repository(tmp_path / "access")
        settings = {
            "store": "lakefs",
            "lakefs_endpoint": access["endpoint"],
            "lakefs_repository": access["repository"],
        }
        monkeypatch.setenv("DATAHUB_LAKEFS_ACCESS_KEY_ID", server.access_key_id)
        monkeypatch.setenv("DATAHUB_LAKEFS_SECRET_ACCESS_KEY", server.secret_access_key)
    folder = tmp_path / "mail"
    Hub.init(folder, dataset="mail", **settings)[0].close()
    (folder / "labeling_functions").mkdir(exist_ok=True)
    (folder / "labeling_functions" / "a.py").write_text(LFS)
    pl.DataFrame({"id": range(ROWS), "text": "x"}).write_parquet(tmp_path / "rows.parquet")
    with Hub.open(folder, max_fault_share=0.5) as opened:
        opened.import_rows(
            tmp_path / "rows.parquet", key="id", classes=["even", "odd"], dataset="mail"
        )
        yield opened


def kill_a_run(hub: Hub) -> Path:
    """The journal that it leaves."""
    root = hub.settings.root
    ended = subprocess.run([sys.executable, "-c", KILLED, str(root)], timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL
    return hub.settings.cache_folder / "lf_run.journal"


def test_what_a_killed_run_stored_is_not_done_again(hub: Hub) -> None:
    journal = kill_a_run(hub)
    with journal.open("ab") as file:
        file.write(b'0123 {"fingerprint": "torn')

    report = hub.lf_run()

    assert report.reuse is not None
    assert 1 <= report.reuse.ran["odd"] <= 0.2 * report.reuse.parts
    assert report.reuse.parts >= 10
    assert report.fault_counts == (4,)
    votes = hub.votes()
    assert dict(zip(votes.keys, votes.matrix[:, 0].tolist(), strict=True)) == {
        key: -1 if key % 100 == 7 else key % 2 for key in range(ROWS)
    }
    assert not journal.exists()


def test_votes_that_were_collected_meanwhile_are_made_again(hub: Hub) -> None:
    kill_a_run(hub)
    files = ObjectFiles(hub.settings.cache_folder)
    for entry in hub.vote_journal.entries():
        files.remove(entry.votes, stored_before=float("inf"))

    report = hub.lf_run()

    assert report.reuse is not None
    # A few parts have the same votes as one before them, which is stored again by then.
    assert report.reuse.ran["odd"] >= 0.8 * report.reuse.parts
    assert len(hub.votes().keys) == ROWS
    assert hub.fsck() == []
