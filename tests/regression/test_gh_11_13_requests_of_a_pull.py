"""A pull, and a why, list what they need of a commit once: on a server each is a request."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import urllib3.connectionpool

from datahub.hub import Hub
from tests.lakefs_server import LakeFSServer

OF_A_PULL, OF_A_WHY = 21, 25  # they were 65 and 70
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


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Every request from now on."""
    counts = Counter[str]()
    send = urllib3.connectionpool.HTTPConnectionPool.urlopen

    def counted(pool: Any, method: str, url: str, *args: Any, **more: Any) -> Any:
        counts[f"{method} {url.partition('?')[0]}"] += 1
        return send(pool, method, url, *args, **more)

    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "urlopen", counted)
    return counts


def test_a_pull_and_a_why_of_what_it_brought_take_few_requests(
    answered: Hub, requests: Counter[str]
) -> None:
    """The pull's commit is among them, which alone takes a few; the why knows no commit yet."""
    assert answered.review_pull().annotations == 2

    assert 0 < requests.total() <= OF_A_PULL, requests

    key = str(answered.at().log[0].key)
    requests.clear()

    assert len(Hub(answered.settings).why(key).history) == 4

    assert 0 < requests.total() <= OF_A_WHY, requests
