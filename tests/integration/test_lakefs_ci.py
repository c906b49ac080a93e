"""`datahub ci` on lakeFS: from a fresh clone, with requests that only read."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from datahub import Hub
from tests.integration.conftest import CARELESS, GATES, LFS, SUITE, Datahub, mail
from tests.integration.lakes import Lake
from tests.lakefs_server import LakeFSServer


@pytest.fixture
def shared(
    datahub: Datahub, lakefs: LakeFSServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project on lakeFS, guarded, with labels on main."""
    lake = Lake(lakefs, tmp_path / "elsewhere")
    monkeypatch.setenv("DATAHUB_LAKEFS_ACCESS_KEY_ID", lakefs.access_key_id)
    monkeypatch.setenv("DATAHUB_LAKEFS_SECRET_ACCESS_KEY", lakefs.secret_access_key)
    where = ("--endpoint", lakefs.endpoint, "--repository", lake.name)
    ran = datahub("init", "--dataset", "mail", "--store", "lakefs", *where)
    assert ran.code == 0, ran.err
    (tmp_path / "labeling_functions" / "first.py").write_text(LFS)
    (tmp_path / "expectations" / "labels.json").write_text(json.dumps(SUITE))
    (tmp_path / "expectations" / "gates.toml").write_text(GATES)
    mail().write_parquet(tmp_path / "mail.parquet")
    hub = Hub.open(tmp_path)
    hub.import_rows("mail.parquet", key="id", gold="kind")
    hub.lf_run()
    hub.label_fit()
    hub.gate_set(reason="spam stays below 60%")
    return tmp_path


def test_a_fresh_clone_judges_without_a_request_that_writes(
    shared: Path,
    datahub: Datahub,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No branch, no object, no commit: a key that may only read is enough."""
    clone, cache = tmp_path_factory.mktemp("clone") / "p", tmp_path_factory.mktemp("cache")
    shutil.copytree(shared, clone, ignore=shutil.ignore_patterns(".datahub"))
    (clone / "labeling_functions" / "first.py").write_text(LFS.replace(*CARELESS))
    monkeypatch.chdir(clone)

    with caplog.at_level(logging.DEBUG, "datahub.adapters.versions_lakefs"):
        ran = datahub("ci", "--json", "--cache", str(cache))

    assert ran.code == 1, ran.err
    assert ran.json["changes"][0]["flipped"] > 0
    methods = {record.getMessage().split()[0] for record in caplog.records}
    assert methods == {"GET"}
    assert not (clone / ".datahub").exists()
    assert any(cache.rglob("*"))
