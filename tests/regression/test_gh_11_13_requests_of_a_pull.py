"""A pull lists what it needs of a commit once: on a server each listing is a request."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import urllib3.connectionpool

from datahub.hub import Hub
from tests.lakefs_server import LakeFSServer

MOST = 31  # it was 65
LFS = """\
from datahub import keywords

offer = keywords("offer", ["winner", "prize", "free"], 1)
thanks = keywords("thanks", ["thanks", "tomorrow", "dinner"], 0)
"""


@pytest.fixture
def answered(lakefs: LakeFSServer, tmp_path: Path) -> Hub:
    """A project on lakeFS in which two rows were asked and answered."""
    folder = tmp_path / "project"
    access = lakefs.new_repository(tmp_path)
    hub, _ = Hub.init(
        folder,
        dataset="mail",
        store="lakefs",
        lakefs_endpoint=access["endpoint"],
        lakefs_repository=access["repository"],
        lakefs_access_key_id=access["access_key_id"],
        lakefs_secret_access_key=access["secret_access_key"],
    )
    (folder / "labeling_functions" / "first.py").write_text(LFS)
    texts = [f"winner of a prize {n}" if n % 2 else f"thanks for dinner {n}" for n in range(40)]
    pl.DataFrame({"id": range(40), "text": texts}).write_parquet(tmp_path / "mail.parquet")
    hub.import_rows(tmp_path / "mail.parquet", key="id", classes=["ham", "spam"])
    hub.lf_run()
    hub.label_fit()
    hub.review_push(budget=2)
    for task_id, _ in hub.review_open():
        hub.review_answer([(task_id, "ham")])
    return hub


def test_a_pull_of_two_answers_takes_few_requests(
    answered: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is among them, which alone takes a few."""
    requests = Counter[str]()
    send = urllib3.connectionpool.HTTPConnectionPool.urlopen

    def counted(pool: Any, method: str, url: str, *args: Any, **more: Any) -> Any:
        requests[f"{method} {url.partition('?')[0]}"] += 1
        return send(pool, method, url, *args, **more)

    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "urlopen", counted)

    assert answered.review_pull().annotations == 2

    assert 0 < requests.total() <= MOST, requests
